"""What is typed while `deshift live` runs: each word does one thing, and a mistake is answered in one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.live.host import Host
from realtime.live.typed import HELP, TypedCommands
from tests import plugin_files as files
from tests.live_session import half_into_nowhere, wait_for_sound, wait_until

pytestmark = pytest.mark.real_time


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with Host(half_into_nowhere(tmp_path_factory.mktemp("typed"))) as running:
        wait_for_sound(running)
        yield running


@pytest.fixture
def typed(host: Host) -> TypedCommands:
    return TypedCommands(host, lambda: None)


@pytest.mark.parametrize(
    "line, answer, name, value",
    [
        ("bypass", "bypass on", "bypass", True),
        ("BYPASS", "bypass off", "bypass", False),
        ("mute", "mute on", "muted", True),
        (" mute ", "mute off", "muted", False),
        ("a", "listening to: raw", "listen", "raw"),
        ("c", "listening to: model", "listen", "model"),
        ("mix 0.25", "mix 0.25", "mix", 0.25),
        ("in -6", "in -6", "input_gain_db", -6.0),
        ("out 3.5", "out 3.5", "output_gain_db", 3.5),
    ],
)
def test_a_word_turns_its_knob(
    line: str, answer: str, name: str, value: object, host: Host, typed: TypedCommands
) -> None:
    typed.do(line)
    assert typed.answer == answer
    wait_until(lambda: getattr(host.status().engine.controls, name) == value)


@pytest.mark.parametrize(
    "line, answer",
    [
        ("mix", "'' is no number"),
        ("mix loud", "'loud' is no number"),
        ("mix nan", "mix must lie within 0 … 1, not nan"),
        ("in 100", "input_gain_db must lie within -60 … 24 dB, not 100.0"),
        ("b", 'there is no DSP inverse to listen to: start with "compare"'),
        ("set 0.semitones -5", "the chain has no control '0.semitones' that takes -5.0; it has: none"),
        ("set mix", f"set mix: not understood; {HELP}"),
        ("model", f"model: not understood; {HELP}"),
        ("bypass now", f"bypass now: not understood; {HELP}"),
        ("preset calm.toml", "calm.toml: a preset is a .json file"),
        ("stop recording", "nothing is being recorded"),
        ("help", HELP),
        ("?", HELP),
        ("", ""),
        ("   ", ""),
    ],
)
def test_a_mistake_or_a_question_is_answered_in_a_line(line: str, answer: str, typed: TypedCommands) -> None:
    typed.do(line)
    assert typed.answer == answer


def test_a_missing_model_or_folder_is_told_and_the_sound_goes_on(
    host: Host, typed: TypedCommands, tmp_path: Path
) -> None:
    for line in (f"model {tmp_path}/none.onnx", f"preset {tmp_path}/none.json"):
        typed.do(line)
        assert "no such plugin file" in typed.answer or "cannot be read" in typed.answer
        assert "\n" not in typed.answer
    wait_for_sound(host)


def test_a_model_and_a_recording_are_started_and_stopped_by_their_words(
    host: Host, typed: TypedCommands, tmp_path: Path
) -> None:
    typed.do(f"model {files.gain_plugin(tmp_path / 'other  one.onnx', 0.1, name='other')}")
    assert typed.answer == "now: other"
    typed.do(f"record {tmp_path / 'my takes'}")
    assert typed.answer == f"recording into {tmp_path / 'my takes'}"
    wait_for_sound(host, 200)
    typed.do("stop recording")
    assert typed.answer.startswith("recorded ") and len(list((tmp_path / "my takes").glob("*.flac"))) == 2


def test_without_a_loop_back_a_measurement_says_so(typed: TypedCommands) -> None:
    typed.do("measure")
    assert typed.answer.startswith("no chirp came back: connect the output to the input")


@pytest.mark.parametrize("word", ["quit", "q", "stop", "QUIT"])
def test_quitting_tells_the_owner(word: str, host: Host) -> None:
    told: list[bool] = []
    TypedCommands(host, lambda: told.append(True)).do(word)
    assert told == [True]


def test_letters_become_a_line_and_keys_that_are_none_are_ignored(host: Host) -> None:
    typed = TypedCommands(host, lambda: None)
    for text in ("mi", "y", "\x7f", "x ", "\x1b[A", "\t0.", "5é", "\b"):
        typed.type(text)
    assert (typed.draft, typed.answer) == ("mix 0.5", "")
    typed.type("\x7f" * 20)
    assert typed.draft == ""
    typed.type("mix 0.75\rmix ")
    assert (typed.draft, typed.answer) == ("mix ", "mix 0.75")
    typed.type("1\n")
    assert (typed.draft, typed.answer) == ("", "mix 1")
