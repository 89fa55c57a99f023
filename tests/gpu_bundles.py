"""Bundles for the tests: packed and joined by their own command, trained as on a box, in a process of its own."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import soundfile

from scripts.gpu_bundle.__main__ import main
from tests.signals import SAMPLE_RATE, voice

RECIPE = (
    *("tiny", "--shifter", "vocoder", "--semitones", "12", "--workers", "1", "--device", "cpu", "--threads", "1"),
    *("--batch", "2", "--crop", "4096", "--validation-crop", "36864", "--validation-clips", "1", "--ema", "0.5"),
)
# What every Python of the box does first: tell whether the wheel is there, and that nobody asks for a network.
FIRST = """import importlib.util, os, sys

def note(text):
    with open(os.environ["NOTES"], "a") as file:
        file.write(text + "\\n")

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        note("NETWORK " + event)
        raise OSError("no network here")

note(("with" if importlib.util.find_spec("from_the_wheel") else "without") + " " + " ".join(sys.orig_argv))
sys.addaudithook(refuse)
"""


def make_recordings(folder: Path) -> Path:
    """Three to train on in two folders, one of which stands among those to validate on, too."""
    for name, f0_hz in (("voices/low/a", 110), ("voices/low/b", 150), ("voices/high/c", 210), ("held/d", 130)):
        path = folder / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, voice(72_000, f0_hz), SAMPLE_RATE)
    (folder / "voices/low/also held.wav").write_bytes((folder / "held/d.wav").read_bytes())
    return folder


def make_wheel(folder: Path, tag: str = "py3-none-any") -> Path:
    """A wheel of one module, written after the specification of wheels (PEP 427)."""
    folder.mkdir(parents=True, exist_ok=True)
    info = "from_the_wheel-1.0.dist-info"
    files = {
        "from_the_wheel.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: from-the-wheel\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    path = folder / f"from_the_wheel-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD")))
    return path


def pack(out: Path, folder: Path, *words: object, recipe: tuple[str, ...] = RECIPE) -> Path:
    """`pack` on the recordings of `make_recordings`; `words` are more options, `recipe` comes after the `--`."""
    places = ("--data", folder / "voices", "--validation", folder / "held", "--out", out)
    main([str(word) for word in ("pack", *places, *words)] + (["--", *recipe] if recipe else []))
    return out / "bundle.pyz"


class Box:
    """A folder with a bundle and a home that is empty; every Python in it starts with `FIRST`."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder, self.bundle, self.notes = folder, bundle, folder / "notes"
        self.home, first = folder / "home", folder / "first"
        for place in (self.home, first):
            place.mkdir(parents=True)
        (first / "sitecustomize.py").write_text(FIRST, encoding="utf-8")
        self.environment = {
            **{"PATH": "/usr/bin:/bin", "HOME": str(self.home), "NOTES": str(self.notes)},
            **{"PYTHONPATH": str(first), "OMP_NUM_THREADS": "1"},
        }

    def start(self, *words: object, python: tuple[str, ...] = (sys.executable,)) -> subprocess.Popen[str]:
        """`python bundle.pyz train …`, with both of its outputs in one pipe."""
        command = [*python, str(self.bundle), "train", *map(str, words)]
        both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self.folder, env=self.environment, text=True, **both)

    def train(self, *words: object, python: tuple[str, ...] = (sys.executable,)) -> tuple[int, str]:
        """To the end. Returns: exit code and what was said."""
        process = self.start(*words, python=python)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said


def content_hash(path: Path) -> str:
    """As the trainer names recordings."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
