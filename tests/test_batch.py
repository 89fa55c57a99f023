"""The queue of files: what is added, where results go, and what becomes of bad files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.audio_formats import Encoding
from realtime.batch import Batch
from realtime.batch_items import BatchOptions
from realtime.files import Job, process_file
from realtime.model import load_model
from tests import plugin_files as files
from tests.queue_parts import batches, everything, make_models, run, states, write


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def options(models: Path) -> BatchOptions:
    return BatchOptions(model=str(models / "gain.onnx"))


@pytest.fixture
def slow(models: Path) -> BatchOptions:
    return BatchOptions(model=str(models / "slow.onnx"))


@pytest.fixture
def make() -> Iterator[Callable[[BatchOptions], Batch]]:
    yield from batches()


@pytest.mark.parametrize("frames", [1, 65, 511, 513, 8193])
def test_a_result_is_what_the_command_gives(tmp_path: Path, make, options: BatchOptions, frames: int) -> None:
    source = write(tmp_path / "a.wav", frames, 2, "FLOAT")
    batch = make(replace(options, mix=0.75))
    batch.add([source])
    item = run(batch)["a.wav"]
    assert (item.state, item.fraction, item.seconds) == ("done", 1.0, frames / files.RATE)
    assert item.output == tmp_path / "a_deshifted.wav"
    heard, expected = soundfile.read(item.output)[0], soundfile.read(source)[0]
    np.testing.assert_allclose(heard, (0.75 * 0.5 + 0.25) * expected, atol=1e-7)


def test_a_folder_is_searched_as_the_command_does_and_its_folders_are_kept(tmp_path: Path, make, options) -> None:
    for name in ("in/a.wav", "in/b/c.flac", "in/b/c_deshifted.flac", "in/.hidden.wav"):
        write(tmp_path / name)
    (tmp_path / "in/notes.txt").write_text("no audio")
    batch = make(replace(options, folder=tmp_path / "out"))
    assert batch.add([tmp_path / "in"]) == 2
    run(batch)
    assert everything(tmp_path / "out") == ["a_deshifted.wav", "b", "b/c_deshifted.flac"]
    assert states(batch) == ["done", "done"]


def test_a_bad_file_is_marked_with_the_reason_and_the_rest_goes_on(tmp_path: Path, make, options) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no audio at all, only words " * 4)
    write(tmp_path / "none.wav", 0)
    write(tmp_path / "good.wav")
    vanishing = write(tmp_path / "vanishing.wav")
    batch = make(options)
    batch.add([tmp_path, tmp_path / "missing.wav"])
    vanishing.unlink()
    found = run(batch)
    assert {name: item.state for name, item in found.items()} == {
        "empty.wav": "failed",
        "text.wav": "failed",
        "none.wav": "failed",
        "vanishing.wav": "failed",
        "missing.wav": "failed",
        "good.wav": "done",
    }
    words = {
        "empty.wav": "empty",
        "text.wav": "not an audio file",
        "none.wav": "no audio",
        "missing.wav": "No such file",
    }
    for name, word in {**words, "vanishing.wav": "No such file"}.items():
        assert word in found[name].reason and "\n" not in found[name].reason and " -" not in found[name].reason
    assert not list(tmp_path.glob(".*"))


def test_retry_works_once_the_cause_is_gone(tmp_path: Path, make, options) -> None:
    (tmp_path / "a.wav").write_bytes(b"")
    blocked = tmp_path / "out"
    blocked.write_text("a file where the folder should be")
    batch = make(replace(options, folder=blocked))
    batch.add([tmp_path / "a.wav"])
    assert states(batch) == ["failed"]
    write(tmp_path / "a.wav")
    batch.retry(1)
    assert "this is a file, not a folder; choose another output folder" in run(batch)["a.wav"].reason
    blocked.unlink()
    batch.retry(1)
    assert run(batch)["a.wav"].state == "done" and everything(blocked) == ["a_deshifted.wav"]
    batch.retry(1)
    assert states(batch) == ["done"]  # what succeeded is left alone


def test_no_permission_to_write_is_told_before_any_work(tmp_path: Path, make, slow) -> None:
    batch = make(replace(slow, folder=Path("/proc/deshift")))
    batch.add([write(tmp_path / "a.wav", 48_000 * 600)])
    item = run(batch)["a.wav"]
    assert item.state == "failed" and item.fraction == 0
    assert "cannot be written" in item.reason and item.reason.endswith("choose another output folder")


@pytest.mark.parametrize("existing, state", [("skip", "skipped"), ("number", "done"), ("overwrite", "done")])
def test_existing_results_are_left_numbered_or_overwritten(tmp_path: Path, make, options, existing, state) -> None:
    source = write(tmp_path / "a.wav")
    for name in ("a_deshifted.wav", "a_deshifted (2).wav"):
        (tmp_path / name).write_bytes(b"precious")
    batch = make(replace(options, existing=existing))
    batch.add([source])
    item = run(batch)["a.wav"]
    assert item.state == state
    kept = {name: (tmp_path / name).read_bytes() == b"precious" for name in everything(tmp_path)}
    if existing == "number":
        assert item.output == tmp_path / "a_deshifted (3).wav"
    assert kept["a_deshifted.wav"] == (existing != "overwrite") and kept["a_deshifted (2).wav"]
    assert existing != "skip" or "exists already and was left as it is" in item.reason


@pytest.mark.parametrize("existing", ["skip", "number", "overwrite"])
def test_neither_an_input_nor_the_result_of_another_file_is_ever_replaced(tmp_path: Path, make, options, existing):
    """a.wav and a.flac would both become a_deshifted.wav, which is an input as well."""
    paths = [write(tmp_path / name) for name in ("a_deshifted.wav", "a.wav", "a.flac")]
    write(tmp_path / "b.wav"), write(tmp_path / "b.flac")
    before = paths[0].read_bytes()
    batch = make(replace(options, existing=existing, encoding=Encoding(".wav", "PCM_16")))
    batch.add([*paths, tmp_path / "b.wav", tmp_path / "b.flac"])
    found = run(batch)
    assert paths[0].read_bytes() == before
    outputs = [item.output for item in found.values() if item.state == "done"]
    assert len(set(outputs)) == len(outputs) == (5 if existing == "number" else 2)
    if existing != "number":
        assert (
            "would replace the input" in found["a.wav"].reason and "would replace the input" in found["a.flac"].reason
        )
        assert f"would replace that of {tmp_path / 'b.wav'}" in found["b.flac"].reason


@pytest.mark.parametrize(
    "encoding, name, subtype",
    [
        (Encoding(), "a_deshifted.wav", "PCM_16"),
        (Encoding(".wav", "FLOAT"), "a_deshifted.wav", "FLOAT"),
        (Encoding(".flac", "PCM_24"), "a_deshifted.flac", "PCM_24"),
        (Encoding(".aiff", "PCM_24"), "a_deshifted.aiff", "PCM_24"),
        (Encoding(".ogg", "VORBIS"), "a_deshifted.ogg", "VORBIS"),
        (Encoding(".opus", "OPUS"), "a_deshifted.opus", "OPUS"),
        (Encoding(".mp3", "MPEG_LAYER_III"), "a_deshifted.mp3", "MPEG_LAYER_III"),
    ],
)
def test_the_format_is_the_one_that_was_chosen(tmp_path: Path, make, options, encoding, name, subtype) -> None:
    batch = make(replace(options, encoding=encoding))
    batch.add([write(tmp_path / "a.wav", 48_000, subtype="PCM_16")])
    item = run(batch)["a.wav"]
    assert item.output == tmp_path / name, item.reason
    told = soundfile.info(item.output)
    assert (told.subtype, told.samplerate, told.frames) == (subtype, files.RATE, 48_000)


def test_options_are_those_in_force_when_a_file_begins(tmp_path: Path, make, options) -> None:
    batch = make(options)
    batch.add([write(tmp_path / "a.wav")])
    batch.configure(replace(options, encoding=Encoding(".flac")))
    assert run(batch)["a.wav"].output == tmp_path / "a_deshifted.flac"


def test_a_model_that_cannot_be_opened_fails_every_file_with_that_sentence(tmp_path: Path, make, options) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    batch = make(replace(options, model=str(bad)))
    batch.add([write(tmp_path / f"{n}.wav") for n in range(3)])
    found = run(batch)
    assert {item.state for item in found.values()} == {"failed"}
    assert len({item.reason for item in found.values()}) == 1 and str(bad) in found["0.wav"].reason
    files.gain_plugin(bad)
    batch.retry(1, 2, 3)
    assert {item.state for item in run(batch).values()} == {"done"}


def test_a_file_is_queued_once_until_it_is_over(tmp_path: Path, make, options) -> None:
    source = write(tmp_path / "a.wav")
    (tmp_path / "link.wav").symlink_to(source)
    batch = make(replace(options, existing="number"))
    assert batch.add([source, source, tmp_path / "link.wav"]) == 1
    run(batch)
    assert batch.add([source]) == 1
    run(batch)
    assert [item.output and item.output.name for item in batch.status().items] == [
        "a_deshifted.wav",
        "a_deshifted (2).wav",
    ]


def test_a_folder_without_audio_and_one_that_cannot_be_read_are_told(tmp_path: Path, make, options) -> None:
    (tmp_path / "empty").mkdir()
    batch = make(options)
    batch.add([tmp_path / "empty", tmp_path / ("x" * 300)])
    first, second = batch.status().items
    assert first.state == "failed" and "no audio files in this folder" in first.reason
    assert second.state == "failed" and "name too long" in second.reason.lower()
    batch.retry(first.id)
    run(batch)
    assert "add it again" in batch.status().items[0].reason


def test_a_file_rendered_as_live_is_what_the_live_path_gives(tmp_path: Path, make, options) -> None:
    from realtime.live.as_live import LiveModel

    source = write(tmp_path / "a.wav", 48_000, subtype="FLOAT")
    batch = make(replace(options, as_live=True))
    batch.add([source])
    item = run(batch)["a.wav"]
    assert item.state == "done" and item.output is not None, item.reason
    audio = soundfile.read(source, dtype="float32", always_2d=True)[0].T
    renderer = LiveModel(model=options.model).renderer(1, files.RATE)
    expected = np.concatenate([renderer.process(audio), renderer.finish()], axis=1)
    np.testing.assert_array_equal(soundfile.read(item.output, dtype="float32", always_2d=True)[0].T, expected)


def test_a_preset_is_rendered_as_live(tmp_path: Path, make, options) -> None:
    preset = tmp_path / "preset.json"
    preset.write_text("this is no preset")
    batch = make(replace(options, model=str(preset)))
    batch.add([write(tmp_path / "a.wav")])
    reason = run(batch)["a.wav"].reason
    assert str(preset) in reason and "preset" in reason.lower() and "onnx" not in reason.lower()


@pytest.mark.parametrize(
    "suffix, words", [(".opus", "choose another format, for example wav"), (".xyz", "choose one of them as the format")]
)
def test_what_cannot_be_written_says_so_without_words_of_the_command_line(
    tmp_path: Path, make, options, suffix: str, words: str
) -> None:
    source = tmp_path / "a.wav"
    soundfile.write(source, np.zeros(4410), 44_100)
    batch = make(replace(options, encoding=Encoding(suffix)))
    batch.add([source])
    reason = run(batch)["a.wav"].reason
    assert reason.endswith(words) and " -" not in reason


def test_a_result_that_appears_meanwhile_is_told_without_words_of_the_command_line(tmp_path: Path, options) -> None:
    source, target = write(tmp_path / "a.wav"), tmp_path / "b.wav"
    result = process_file(
        Job(source, target), load_model(options.model), on_progress=lambda _: target.write_bytes(b"x")
    )
    assert "--overwrite" in result.error and "--" not in result.on_screen
    assert result.on_screen == f"{target}: exists already; choose what becomes of existing files, and try again"
