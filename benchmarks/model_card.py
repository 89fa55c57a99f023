"""The tables of docs/model-card.md, out of an evaluation's JSON and the plugin file's own facts. It measures nothing.

    deshift evaluate NAME --data FOLDER --json EVALUATION.json
    python -m benchmarks.model_card EVALUATION.json [--out docs/model-card.md] [--models realtime/models]

For each bundled model that the evaluation holds: writes the released form, NAME.evaluation.json, beside the plugin
file, and puts its tables between the marks of NAME in the card. A card without them gets a new section at its end. All
text outside the marks stays. A released form can be given too: the card comes out the same.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.card_released import FORMAT, CardError, Found, released, text_of
from benchmarks.card_tables import tables
from realtime.contract import ContractError, Facts
from realtime.evaluate.errors import EvaluateError
from realtime.evaluate.output import write_whole
from realtime.evaluate.provenance import file_sha256
from realtime.trust import read_plugin_file

ROOT = Path(__file__).parents[1]
CARD, MODELS = ROOT / "docs/model-card.md", ROOT / "realtime/models"


def begin_mark(model: str) -> str:
    """The line before what is measured of a model."""
    return f"<!-- {model}: measured; python -m benchmarks.model_card writes all up to the next mark -->"


def end_mark(model: str) -> str:
    """The line after it."""
    return f"<!-- {model}: end -->"


def filled(card: str, model: str, measured: str) -> str:
    """The card with a model's tables between its marks, or in a new section at the end.

    Raises: CardError where only one of the marks is there, one is there twice, or the end stands first.
    """
    begin, end = begin_mark(model), end_mark(model)
    counts = (card.count(begin), card.count(end))
    if counts == (0, 0):
        before = f"{card.rstrip()}\n\n" if card.strip() else "# Model card\n\n"
        return f"{before}## {model}\n\n{begin}\n\n{measured}\n{end}\n"
    if counts != (1, 1) or card.index(begin) > card.index(end):
        raise CardError(f"the card's marks of {model} are not one pair: keep one '{begin}' before one '{end}'")
    before, rest = card.split(begin)
    return f"{before}{begin}\n\n{measured}\n{end}{rest.split(end)[1]}"


def facts_for(found: Found, models: Path) -> Facts:
    """The facts of the very file that was judged.

    Raises: CardError where the model lies not there, or is another file by its hash.
    """
    path = models / f"{found['model']}.onnx"
    try:
        facts = read_plugin_file(path).facts
    except ContractError as error:
        raise CardError(str(error)) from error
    if file_sha256(path) != found["file"]["file_sha256"]:
        raise CardError(f"{path}: not the file that was judged, by its hash: evaluate this one")
    return facts


def read_evaluation(path: Path) -> tuple[Found, list[str]]:
    """An evaluation, whole or released, and the models in it.

    Raises: CardError where it cannot be read or is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CardError(f"{path}: cannot be read: {error}") from error
    if not isinstance(found, dict) or not (found.get("models") or found.get("format") == FORMAT):
        raise CardError(f"{path}: no evaluation of a model: deshift evaluate NAME --data FOLDER --json {path.name}")
    return found, [found["model"]] if "model" in found else list(found["models"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluations", nargs="+", type=Path, metavar="EVALUATION.json")
    parser.add_argument("--out", type=Path, default=CARD, metavar="FILE")
    parser.add_argument("--models", type=Path, default=MODELS, metavar="FOLDER")
    options = parser.parse_args()
    try:
        card = options.out.read_text(encoding="utf-8") if options.out.exists() else ""
        kept: dict[Path, str] = {}
        for path in options.evaluations:
            evaluation, names = read_evaluation(path)
            for name in names:
                found = released(evaluation, name)
                card = filled(card, name, tables(found, facts_for(found, options.models)))
                kept[options.models / f"{name}.evaluation.json"] = text_of(found)
        for target, text in (*kept.items(), (options.out, card)):
            write_whole(target, text.encode())
            print(f"wrote {target}", file=sys.stderr)
    except (CardError, EvaluateError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
