"""A bundle for a bare GPU box without a network: packed here, trained there, joined here. docs/gpu.md says how.

python -m scripts.gpu_bundle pack --data voices --validation held_out --out bundle --minutes 9 -- light --ema 0.999
python bundle.pyz train --out out                      # on the box
python -m scripts.gpu_bundle join out --out runs/from_the_box
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.gpu_bundle import box
from scripts.gpu_bundle.files import BundleError, mib
from scripts.gpu_bundle.parts import join


def main(words: Sequence[str]) -> None:
    """One of the three verbs; `train` runs a bundle here as the box would."""
    own, passed_on = split(words)
    if own[:1] == ["train"] and len(own) > 1 and not own[1].startswith("-"):
        box.main(Path(own[1]), ["train", *own[2:]])
        return
    options = parser().parse_args(own)
    try:
        if options.verb == "join":
            names = join(options.folder, options.out)
            print(f"{options.out}: {', '.join(names)}")
        else:
            _pack(options, passed_on)
    except (BundleError, OSError) as error:
        sys.exit(f"Error: {error}")


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--`, and what after it."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def _pack(options: argparse.Namespace, words: Sequence[str]) -> None:
    from scripts.gpu_bundle import wheels  # with torch, which neither `join` nor the box's own words need
    from scripts.gpu_bundle.pack import LISTING, PackSettings, pack

    if options.run is None and not words:
        raise BundleError("what is to be trained? Give a recipe and its options after --, as for `deshift train`")
    if options.run is not None and (words or options.init):
        raise BundleError("--run goes on with a run as it was: leave out --init and what stands after --")
    settings = PackSettings(
        data=tuple(options.data),
        validation=tuple(options.validation),
        words=tuple(words),
        max_mib=options.max_mib,
        minutes=options.minutes,
        out_mib=options.out_mib,
        longest_s=options.longest_s,
        wheel_names=wheels.names_of(options.wheels),
        wheel_folder=options.wheel_folder,
        python=options.python,
        platform=options.platform,
        init=options.init,
        run=options.run,
    )
    bundle = pack(settings, options.out)
    print(f"{bundle}: {mib(bundle.stat().st_size)}; what is in it stands in {LISTING} beside it")


def parser() -> argparse.ArgumentParser:
    """The verbs and what they take."""
    root = argparse.ArgumentParser(prog="python -m scripts.gpu_bundle", description=(__doc__ or "").partition("\n")[0])
    verbs = root.add_subparsers(dest="verb", required=True)
    pack = verbs.add_parser("pack", help="code, recordings and wheels into one file", usage=(
        "%(prog)s --data DIR --out FOLDER [options] -- RECIPE [options of deshift train]"))  # fmt: skip
    pack.add_argument("--data", type=Path, action="append", required=True, help="folder of recordings; repeatable")
    pack.add_argument("--validation", type=Path, action="append", default=[], help="folder to validate on; repeatable")
    pack.add_argument("--out", type=Path, required=True, help="folder for the bundle")
    pack.add_argument("--max-mib", type=float, default=60, help="the most that the bundle takes [60]")
    pack.add_argument(
        "--minutes", type=float, default=10, help="for everything on the box, unpacking and saving too [10]"
    )
    pack.add_argument("--out-mib", type=float, default=60, help="the most that comes back; weights always do [60]")
    pack.add_argument("--longest-s", type=float, default=60, help="seconds of a recording, from its start [60]")
    pack.add_argument("--wheels", default="default", help="packages, as default,click,rich; or none")
    pack.add_argument("--wheel-folder", type=Path, help="take the wheels in this folder; fetch none")
    pack.add_argument("--python", default="3.12", help="of the box, for the wheels [3.12]")
    pack.add_argument("--platform", default="glibc2.28-x86_64", help="of the box [glibc2.28-x86_64]")
    pack.add_argument("--init", type=Path, help="start from a run, a checkpoint or a plugin file")
    pack.add_argument("--run", type=Path, help="go on with a run that `join` left, recordings and all")
    train = verbs.add_parser("train", help="run a bundle here, as the box would: train BUNDLE [options]")
    train.add_argument("bundle", type=Path)
    joined = verbs.add_parser("join", help="check the parts that came back and make a run of them")
    joined.add_argument("folder", type=Path, help="with parts.json")
    joined.add_argument("--out", type=Path, required=True, help="folder of the run; made anew")
    return root


if __name__ == "__main__":
    main(sys.argv[1:])
