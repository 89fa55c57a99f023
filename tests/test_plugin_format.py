"""docs/plugin-format.md beside the code: its worked example runs, and the JSON schema says what `Facts.parse` holds."""

from __future__ import annotations

import doctest
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.certificate import Certificate
from realtime import contract
from realtime.bundled import bundled_models
from realtime.contract import ContractError, Control, Facts
from realtime.trust import read_plugin_file
from tests import plugin_files as files

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/plugin-format.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "realtime/plugin_file.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FACTS = replace(files.make_facts(files.gain_model()), controls=(Control("level", "dB", -60.0, 0.0, -6.0),))


def metadata_of(decoded: dict[str, Any]) -> dict[str, str]:
    """What would stand in the file."""
    as_json = {key: json.dumps(decoded[key]) for key in contract.JSON_KEYS if key in decoded}
    return {key: str(value) for key, value in decoded.items()} | as_json


def test_the_worked_example_gives_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    written: dict[str, Any] = {}
    exec(compile(PAGE.split("```python\n")[1].split("```")[0], "plugin-format.md", "exec"), written)  # noqa: S102  ours
    session = PAGE.split("```pycon\n")[1].split("```")[0]
    names = {"Host": written["Host"], "np": np}
    examples = doctest.DocTestParser().get_doctest(session, names, "worked example", "plugin-format.md", 0)
    assert len(examples.examples) >= 8
    told: list[str] = []
    doctest.DocTestRunner(verbose=False).run(examples, out=told.append)
    assert told == [], "".join(told)


def test_the_page_shows_the_bundled_file_s_own_facts() -> None:
    facts = read_plugin_file(bundled_models()["voice_octave"]).facts
    assert f"receptive field        {facts.receptive_field_samples} samples" in PAGE
    assert f"parameters             {facts.parameters:,}" in PAGE


def test_the_page_and_the_schema_name_every_figure_of_the_certificate() -> None:
    figures = {field.name for field in fields(Certificate)} | {"tensorrt"}
    assert [name for name in sorted(figures) if f"`{name}`" not in PAGE] == []
    assert set(SCHEMA["properties"]["certificate"]["properties"]) == figures


def test_the_schema_is_one_and_describes_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == set(SCHEMA["required"]) == set(contract.KEYS)
    described = [*SCHEMA["properties"].items(), *SCHEMA["properties"]["certificate"]["properties"].items()]
    assert [name for name, part in described if not part.get("description")] == []


@pytest.mark.parametrize("name", sorted(bundled_models()))
def test_a_bundled_file_satisfies_the_schema(name: str) -> None:
    VALIDATOR.validate(read_plugin_file(bundled_models()[name]).facts.to_json_object())


PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8)
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3).map(sorted)
CONTROL_NAMES = st.from_regex(r"\A[a-z][a-z0-9_]{0,9}\Z")
CONTROLS = st.lists(
    st.builds(lambda name, sizes: Control(name, "dB", sizes[0], sizes[2], sizes[1]), CONTROL_NAMES, NUMBERS),
    max_size=3,
    unique_by=lambda control: control.name,
)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(contract.KINDS),
    name=PRINTABLE,
    hop=st.integers(1, 1 << 20),
    lookahead=st.integers(0, 1 << 20),
    past=st.integers(1, 1 << 30),
    shift=st.lists(st.floats(-60, 60), min_size=2, max_size=2).map(sorted),
    controls=CONTROLS,
    recipe=st.dictionaries(PRINTABLE, st.one_of(st.integers(), st.booleans(), st.none(), PRINTABLE)),
    prestage=st.sampled_from(["", None, "vocoder1024"]),
)
def test_any_possible_facts_satisfy_the_schema(
    kind: str, name: str, hop: int, lookahead: int, past: int, shift: list[float], controls: list[Control],
    recipe: dict[str, Any], prestage: str | None,
) -> None:  # fmt: skip
    facts = replace(
        FACTS,
        kind=kind,
        name=name,
        description=f"{name}\nand more",
        hop_samples=hop,
        lookahead_samples=lookahead,
        latency_samples=hop + lookahead if kind == "stream" else 0,
        receptive_field_samples=lookahead + past,
        shift_semitones=(shift[0], shift[1]),
        controls=(*controls, SHIFT) if prestage else tuple(controls),
        recipe={**recipe, "prestage": prestage},
    )
    decoded = facts.to_json_object()
    VALIDATOR.validate(decoded)
    assert Facts.parse(metadata_of(decoded)) == facts


SHIFT = Control("semitones", "semitones", -12.0, 12.0, 0.0)
CONTROL = {"name": "level", "unit": "dB", "minimum": -60.0, "maximum": 0.0, "default": -6.0}
REFUSED: list[dict[str, Any]] = [
    {"format_version": 2},
    {"format_version": 0},
    {"name": ""},
    {"name": "  "},
    {"name": "a\x1b[2J"},
    {"licence": "two\nlines"},
    {"description": "a\x07"},
    {"kind": "live"},
    {"sample_rate": 999},
    {"sample_rate": 768_001},
    {"sample_rate": "fast"},
    {"hop_samples": 0, "latency_samples": 0},
    {"hop_samples": (1 << 20) + 1},
    {"hop_samples": 0.5},
    {"lookahead_samples": -1},
    {"receptive_field_samples": 0},
    {"parameters": -1},
    {"parameters": (1 << 50) + 1},
    {"kind": "offline"},  # with a latency
    {"latency_samples": 0},  # of a stream
    {"shift_semitones": [12]},
    {"shift_semitones": [-61, 0]},
    {"shift_semitones": [True, 1]},
    {"shift_semitones": {}},
    {"recipe": []},
    {"recipe": {"prestage": "vocoder1024"}},  # without a control that tells it the shift
    {"recipe": {"prestage": ["vocoder1024"]}},
    {"recipe": {"prestage": 0}},
    {"training": "much"},
    {"certificate": None},
    {"controls": {}},
    {"controls": [{"name": "x"}]},
    {"controls": [CONTROL, CONTROL]},
    *({"controls": [CONTROL | {"name": name}]} for name in ("", "Level", "1st", "a-b", "a" * 65)),
    {"controls": [CONTROL | {"unit": "\n"}]},
    {"controls": [CONTROL | {"maximum": 1e30}]},
    {"controls": [CONTROL | {"default": "0"}]},
    {"weights_sha256": "abc"},
    {"weights_sha256": "A" * 64},
]


@pytest.mark.parametrize("change", REFUSED, ids=str)
def test_what_the_loader_refuses_the_schema_refuses(change: dict[str, Any]) -> None:
    decoded = FACTS.to_json_object() | change
    with pytest.raises(ContractError):
        Facts.parse(metadata_of(decoded))
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(decoded)


@pytest.mark.parametrize("key", contract.KEYS)
def test_a_missing_key_is_refused_by_both(key: str) -> None:
    decoded = FACTS.to_json_object()
    del decoded[key]
    with pytest.raises(ContractError, match=key):
        Facts.parse(metadata_of(decoded))
    with pytest.raises(jsonschema.ValidationError, match=key):
        VALIDATOR.validate(decoded)
