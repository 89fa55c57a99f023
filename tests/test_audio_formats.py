"""What of the input's format is kept, and what is written where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from realtime.audio_formats import FORMATS, AudioFileError, OutputFormat, choose_format, widen
from tests import signals


@pytest.mark.parametrize(
    "target, source_format, source_subtype, expected, noted",
    [
        ("a.wav", "WAV", "FLOAT", ("WAV", "FLOAT"), False),
        ("a.wav", "WAVEX", "PCM_24", ("WAVEX", "PCM_24"), False),
        ("a.wav", "RF64", "PCM_16", ("RF64", "PCM_16"), False),
        ("a.wav", "FLAC", "PCM_16", ("WAV", "PCM_16"), False),
        ("a.wav", "MP3", "MPEG_LAYER_III", ("WAV", "PCM_24"), False),
        ("a.wav", "WAV", "IMA_ADPCM", ("WAV", "PCM_24"), True),
        ("a.WAV", "WAV", "ULAW", ("WAV", "ULAW"), False),
        ("a.flac", "WAV", "ULAW", ("FLAC", "PCM_16"), True),
        ("a.flac", "WAV", "DOUBLE", ("FLAC", "PCM_24"), True),
        ("a.aif", "AIFF", "DOUBLE", ("AIFF", "DOUBLE"), False),
        ("a.ogg", "OGG", "OPUS", ("OGG", "OPUS"), False),
        ("a.ogg", "OGG", "VORBIS", ("OGG", "VORBIS"), False),
        ("a.opus", "OGG", "VORBIS", ("OGG", "OPUS"), False),
        ("a.mp3", "WAV", "PCM_16", ("MP3", "MPEG_LAYER_III"), False),
    ],
)
def test_the_sample_type_is_kept_where_the_format_has_it(
    target: str, source_format: str, source_subtype: str, expected: tuple[str, str], noted: bool
) -> None:
    chosen = choose_format(Path(target), source_format, source_subtype)
    assert (chosen.format, chosen.subtype) == expected
    assert bool(chosen.note) == noted
    assert soundfile.check_format(*expected)


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_can_be_written_and_read(tmp_path: Path, suffix: str) -> None:
    chosen = choose_format(tmp_path / f"a{suffix}", "WAV", "PCM_16")
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, signals.tone(440, 8193), 48_000, chosen.subtype, format=chosen.format)
    assert soundfile.info(path).frames == 8193


@pytest.mark.parametrize("name", ["a.m4a", "a"])
def test_a_name_of_no_known_format_is_refused(name: str) -> None:
    with pytest.raises(AudioFileError, match="it must be one of wav, flac"):
        choose_format(Path(name), "WAV", "PCM_16")


def test_audio_longer_than_wav_can_say_becomes_rf64() -> None:
    hour = 48_000 * 3600
    assert widen(OutputFormat("WAV", "PCM_24"), 4 * hour, 2) == OutputFormat("WAV", "PCM_24")
    assert widen(OutputFormat("WAV", "PCM_24"), 5 * hour, 2).format == "RF64"
    assert widen(OutputFormat("WAV", "PCM_16"), 5 * hour, 2).format == "WAV"
    assert widen(OutputFormat("FLAC", "PCM_24"), 5 * hour, 2).format == "FLAC"
