"""What goes into a bundle: recordings evenly and by content, coded to fit, and arguments that the box will accept."""

import json
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from scripts.gpu_bundle import wheels
from scripts.gpu_bundle.__main__ import parser, split
from scripts.gpu_bundle.arguments import check
from scripts.gpu_bundle.choose import Source, find_sources, fitting_kbps, in_turn
from scripts.gpu_bundle.encode import encode
from scripts.gpu_bundle.files import BundleError
from scripts.gpu_bundle.fill import fill
from tests.gpu_bundles import RECIPE, content_hash, make_recordings, make_wheel, pack
from tests.signals import SAMPLE_RATE, harmonic, noise, voice


def source(name: str, group: str, seconds: float = 10, own_bytes: int = 0) -> Source:
    return Source(Path(name), name, 0, group, seconds, own_bytes)


def record(path: Path, audio, rate: int = SAMPLE_RATE, **form) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, **form)
    return path


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return make_recordings(tmp_path_factory.mktemp("recordings"))


def test_every_group_gets_its_turn_by_seconds_until_it_is_empty():
    speech = [source(f"s{number}", "speech", seconds=5) for number in range(9)]
    music = [source(f"m{number}", "music", seconds=20) for number in range(2)]
    order = [chosen.content_hash for chosen in in_turn([*speech, *music])]
    assert order == ["m0", "s0", "s1", "s2", "s3", "m1", "s4", "s5", "s6", "s7", "s8"]
    assert [chosen.content_hash for chosen in in_turn([*music, *speech][::-1])] == order


def test_the_bit_rate_is_the_highest_at_which_all_fit_and_else_the_lowest():
    ten = [source(str(number), "a", seconds=60) for number in range(10)]
    second_of_128 = 128_000 // 8
    assert fitting_kbps(ten, 600 * second_of_128) == 128
    assert fitting_kbps(ten, 600 * second_of_128 - 1) == 96
    assert fitting_kbps(ten, 0) == 64


def test_a_file_that_is_small_enough_travels_as_it_is_and_a_larger_one_is_coded_anew(tmp_path):
    small = record(tmp_path / "small.ogg", voice(96_000), format="OGG", subtype="OPUS", compression_level=0.77)
    large = record(tmp_path / "large.ogg", noise(96_000), format="OGG", subtype="OPUS", compression_level=0.0)
    stereo = record(tmp_path / "stereo.ogg", np.stack([voice(96_000)] * 2, 1), format="OGG", subtype="OPUS")
    sources, _ = find_sources([tmp_path], (), 60)
    coded = {found.path.name: encode(found, 64) for found in sources}
    assert coded["small.ogg"] == small.read_bytes()
    assert len(coded["large.ogg"]) < large.stat().st_size / 2
    assert coded["stereo.ogg"] != stereo.read_bytes()
    cut, _ = find_sources([tmp_path], (), 1.9)
    assert {found.seconds for found in cut} == {1.9}
    (short,) = (found for found in cut if found.path == small)
    (tmp_path / "short.ogg").write_bytes(encode(short, 64))
    assert soundfile.info(tmp_path / "short.ogg").frames == 91_200


@pytest.mark.parametrize("kbps", [64, 96, 128])
def test_coding_keeps_length_place_and_sound_at_about_the_bit_rate(kbps, tmp_path):
    left = harmonic(220, 44_100 * 4, 44_100)
    record(tmp_path / "a.flac", np.stack([left, left], 1), 44_100)
    (found,), _ = find_sources([tmp_path], (), 60)
    data = encode(found, kbps)
    (tmp_path / "a.ogg").write_bytes(data)
    heard, rate = soundfile.read(tmp_path / "a.ogg", dtype="float32")
    assert (rate, heard.shape) == (48_000, (192_000,))
    assert len(data) == pytest.approx(found.bytes_coded(kbps), rel=0.35)
    original = harmonic(220, 192_000)
    middle = slice(24_000, 168_000)
    error = heard[middle] - original[middle]
    assert 10 * np.log10(np.mean(error**2) / np.mean(original[middle] ** 2)) < -15


def test_the_same_folders_give_the_same_bundle_whatever_the_files_are_called(voices, tmp_path):
    renamed = tmp_path / "elsewhere"
    for number, path in enumerate(sorted(voices.rglob("*.wav"), reverse=True)):
        target = renamed / path.relative_to(voices).with_name(f"{number}.wav")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    one, two = (pack(tmp_path / f"b{n}", place, "--wheels", "none") for n, place in ((1, voices), (2, renamed)))
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(two) as second:
        names = [name for name in first.namelist() if name.endswith(".ogg")]
        assert names == [name for name in second.namelist() if name.endswith(".ogg")]
        # Opus numbers its streams by chance; the manifest knows them by their recordings.
        origins = [json.loads(archive.read("manifest.json"))["origins"] for archive in (first, second)]
    assert origins[0] == origins[1]
    assert sorted(origins[0].values()) == sorted({content_hash(path) for path in voices.rglob("*.wav")})


def test_a_bundle_is_as_full_as_its_limit_allows_and_every_group_is_in_it(tmp_path):
    for number in range(24):
        folder = "many" if number % 6 else "few"
        record(tmp_path / f"d/{folder}/{number}.wav", noise(96_000, seed=number))
    room = 14 * 17_500
    filling = fill([tmp_path / "d"], [], room, 60, None)
    assert filling.kbps == 64
    size = sum(map(len, filling.content.values()))
    assert 0.8 * room < size + 400 * len(filling.content) <= room
    folders = [source.path.parent.name for source in filling.sources.values()]
    assert folders.count("few") == 4
    assert 6 <= folders.count("many") < 20


@pytest.mark.parametrize("max_mib", [0.05, 0.1])
def test_what_does_not_fit_is_refused_in_one_line_with_the_sizes(max_mib, voices, tmp_path):
    make_wheel(tmp_path / "wheels").write_bytes(bytes(np.random.default_rng(0).bytes(60_000)))
    with pytest.raises(SystemExit, match=r"^Error: wheels 0\.1 MiB, code 1\.\d MiB leave no room for recordings in"):
        pack(tmp_path / "out", voices, "--max-mib", max_mib, "--wheel-folder", tmp_path / "wheels")
    assert not (tmp_path / "out").exists()


def test_too_little_room_for_a_single_recording_is_refused(voices):
    with pytest.raises(BundleError, match=r"^0\.0 MiB are left for recordings, too little for any: give a larger"):
        fill([voices / "voices"], [], 5000, 60, None)


def test_a_folder_of_which_nothing_travels_is_not_named_on_the_box(voices, tmp_path):
    twice = fill(
        [voices / "voices/low", voices / "voices/high", voices / "voices/low"], [voices / "held"], 10**6, 60, None
    )
    assert twice.folders("data") == ("data/0/low", "data/1/high")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/a.wav").write_bytes(b"no sound")
    with pytest.raises(BundleError, match=r"^no recording of --validation can be packed; .*a\.wav: unreadable: "):
        fill([voices / "voices"], [tmp_path / "broken"], 10**6, 60, None)
    record(tmp_path / "nan/a.wav", np.full(48_000, np.nan), subtype="FLOAT")
    mixed = fill([tmp_path / "nan", voices / "held"], [voices / "voices/high"], 10**6, 60, None)
    assert mixed.folders("data") == ("data/1/held",)
    assert [line.rpartition(": ")[2] for line in mixed.skipped] == ["NaN or infinite samples"]


def test_a_bundle_never_passes_its_limit(voices, tmp_path):
    whole = pack(tmp_path / "whole", voices, "--wheels", "none").stat().st_size
    limit = whole - 20_000
    bundle = pack(tmp_path / "less", voices, "--wheels", "none", "--max-mib", limit / 2**20)
    assert limit - 30_000 < bundle.stat().st_size <= limit


@pytest.mark.parametrize(
    "words, told",
    [
        (("--resume",), "--resume is set by the bundle: give the run to go on with as --run before the --"),
        (("--out=x",), "--out is set by the bundle"),
        (("--time-limit", "3"), "--time-limit is set by the bundle: give --minutes before the --"),
        (("--speed", "9"), "deshift train .*: No such option.*--speed"),
        (("--batch", "many"), "deshift train .*: .*'many' is not a valid integer"),
    ],
)
def test_arguments_that_the_box_would_refuse_are_refused_here(words, told, voices, tmp_path):
    with pytest.raises(SystemExit, match=f"^Error: {told}"):
        pack(tmp_path / "out", voices, "--wheels", "none", recipe=(*RECIPE, *words))


def test_an_unknown_recipe_and_weights_that_could_not_come_home_are_refused(voices, tmp_path):
    with pytest.raises(SystemExit, match=r"^Error: no recipe is called 'big'"):
        pack(tmp_path / "out", voices, "--wheels", "none", recipe=("big",))
    with pytest.raises(
        SystemExit, match=r"^Error: output21's weights take 133\.2 MiB, more than may come back \(60 MiB"
    ):
        pack(tmp_path / "out", voices, "--wheels", "none", recipe=("output21", "--causal"))


def test_weights_to_start_from_travel_and_a_run_that_was_never_packed_cannot_go_on(trained_run, voices, tmp_path):
    bundle = pack(tmp_path / "out", voices, "--wheels", "none", "--init", trained_run)
    with zipfile.ZipFile(bundle) as archive:
        assert archive.read("init/best.safetensors") == (trained_run / "best.safetensors").read_bytes()
        assert json.loads(archive.read("manifest.json"))["init"] == "init/best.safetensors"
    with pytest.raises(SystemExit, match=r"^Error: .* cannot be gone on with \(it needs bundle\.json and last\."):
        pack(tmp_path / "out", voices, "--wheels", "none", "--run", trained_run, recipe=())


def test_wheels_are_asked_for_by_every_tag_that_the_box_takes():
    tags = wheels._platform_words("glibc2.18-x86_64")
    assert tags[:4] == ["--platform", "manylinux_2_18_x86_64", "--platform", "manylinux_2_17_x86_64"]
    assert tags[-1] == "manylinux2014_x86_64"
    assert wheels.names_of("default,rich") == (*wheels.DEFAULT, "rich")
    assert wheels.names_of("none") == ()
    for platform in ("linux", "glibc2.28-mips", "glibc2.x-x86_64"):
        with pytest.raises(BundleError, match="is unknown: give one like glibc2"):
            wheels.fetch(("soxr",), "3.12", platform)


def test_the_commands_of_the_guide_are_understood(voices):
    guide = (Path(__file__).parents[1] / "docs/gpu.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in guide.splitlines() if line.startswith("python -m scripts.")]
    assert [words[3] for words in lines] == ["pack", "join", "pack"]
    for words in lines:
        own, passed_on = split(words[3:])
        parsed = parser().parse_args(own)  # exits where one is not understood
        if passed_on:
            check(passed_on, [voices / "voices"], parsed.out_mib)
