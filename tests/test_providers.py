"""`--provider`: all of a model runs where it was told to, or one line says what is missing; never the CPU unasked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import deshift
from realtime.live.as_live import LiveModel
from realtime.live.bench_command import bench
from realtime.live.settings import LiveSettings, SettingsError
from realtime.model import load_model
from realtime.plugins import session as sessions
from realtime.plugins.libraries import missing_libraries, missing_line, needed_libraries
from realtime.plugins.offline_file import OfflineFile
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.presets import load_chain
from realtime.plugins.providers import PROVIDERS, ProviderError, installed_wheels, wheel_clash
from realtime.trust import read_plugin_file
from tests import plugin_files as files

CAPI = Path(onnxruntime.__file__).parent / "capi"
CUDA = CAPI / "libonnxruntime_providers_cuda.so"
TENSORRT = CAPI / "libonnxruntime_providers_tensorrt.so"
needs_gpu_build = pytest.mark.skipif(not CUDA.exists(), reason="this onnxruntime was built without CUDA")
needs_no_gpu = pytest.mark.skipif(
    not CUDA.exists() or not missing_libraries("cuda"), reason="the libraries of a graphics card are installed here"
)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return files.gain_plugin(tmp_path / "half.onnx", 0.5)


def absent(library: Path) -> set[str]:
    """What the system's own loader does not find."""
    listed = subprocess.run(["ldd", str(library)], capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if "not found" in line}


@needs_gpu_build
@pytest.mark.parametrize("library", [CUDA, TENSORRT])
def test_the_libraries_that_a_file_needs_are_those_that_readelf_lists(library: Path) -> None:
    listed = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True, check=True).stdout
    expected = [line.split("[")[1].rstrip("]") for line in listed.splitlines() if "(NEEDED)" in line]
    assert list(needed_libraries(library)) == expected


@given(cut=st.integers(0, 3000), place=st.integers(0, 200), value=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_a_damaged_library_is_one_line_and_never_a_crash(cut: int, place: int, value: int) -> None:
    import tempfile

    whole = bytearray(Path(sys.executable).resolve().read_bytes()[:cut])
    if place < len(whole):
        whole[place] = value
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(whole)
        file.flush()
        with pytest.raises(ValueError, match="not a shared library that can be read"):
            needed_libraries(Path(file.name))


@needs_no_gpu
def test_missing_libraries_are_named_as_the_system_s_own_loader_names_them() -> None:
    missing = set(missing_libraries("cuda"))
    assert absent(CUDA) <= missing <= absent(CUDA) | {"libcudnn.so.9"}  # which is loaded by name, later
    assert absent(CUDA) | absent(TENSORRT) <= set(missing_libraries("tensorrt")) | {"libcudart.so.13"}
    assert missing_libraries("cpu") == ()


def test_the_line_says_what_each_library_is_part_of_and_how_to_get_it() -> None:
    line = missing_line(("libcublas.so.13", "libcuda.so.1", "libcudnn.so.9", "libnvinfer.so.10"))
    assert "\n" not in line
    assert "libcuda.so.1 (the NVIDIA driver)" in line and "libcudnn.so.9 (cuDNN 9)" in line
    assert "libnvinfer.so.10 (TensorRT 10)" in line and '<11"' in line
    assert 'pip install "onnxruntime-gpu[cuda,cudnn]"' in line and "docs/providers.md" in line


@needs_no_gpu
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_that_cannot_run_is_an_error_that_says_what_is_missing(half: Path, provider: str) -> None:
    with pytest.raises(ProviderError, match=rf"^{provider} cannot run here: missing are .*libcublas"):
        PluginFile(half, provider=provider)


@needs_gpu_build
@needs_no_gpu
@pytest.mark.parametrize("provider", ["cuda"])
def test_the_session_itself_refuses_to_end_on_the_cpu_and_prints_nothing(
    half: Path, provider: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The guard behind the look at the libraries: ONNX Runtime would go on without a word."""
    with pytest.raises(ProviderError, match="its libraries are there, but it does not start"):
        sessions._open_elsewhere(read_plugin_file(half), 1, onnxruntime.SessionOptions(), provider, False)
    assert capfd.readouterr() == ("", "")
    plain = onnxruntime.SessionOptions()
    plain.log_severity_level = 4
    fallen = onnxruntime.InferenceSession(half.read_bytes(), plain, providers=[PROVIDERS[provider].long_name])
    assert fallen.get_providers() == ["CPUExecutionProvider"]  # what the guard is for


@pytest.mark.parametrize("provider", ["directml", "coreml", "abacus"])
def test_a_provider_that_was_not_compiled_in_is_refused_with_those_that_were(half: Path, provider: str) -> None:
    if provider in sessions.compiled_providers():
        pytest.skip(f"this onnxruntime has {provider}")
    with pytest.raises(ProviderError, match=f"has no provider '{provider}'; it has: cpu"):
        load_model(half, provider=provider).process(np.zeros(100, dtype=np.float32), 48_000)


@pytest.mark.parametrize("provider", ["tensorrt", "coreml"])
def test_a_model_for_whole_files_is_not_compiled_anew_for_every_length(tmp_path: Path, provider: str) -> None:
    file = read_plugin_file(files.centred_plugin(tmp_path / "centred.onnx"))
    with pytest.raises(ProviderError, match=f"centred.onnx: {provider} would compile .* for every length"):
        OfflineFile(file, provider=provider)


@needs_no_gpu
def test_every_way_to_a_chain_carries_the_provider(tmp_path: Path, half: Path) -> None:
    preset = tmp_path / "chain.json"
    preset.write_text('{"format": 1, "name": "chain", "plugins": [{"kind": "model", "model": "half.onnx"}]}')
    audio = np.zeros(100, dtype=np.float32)
    for attempt in (
        lambda: load_model(half, provider="cuda").process(audio, 48_000),
        lambda: load_model(half, provider="cuda").stream(),
        lambda: load_chain(preset, provider="cuda"),
        lambda: LiveModel(str(half), provider="cuda"),
        lambda: LiveModel(preset=str(preset), provider="cuda"),
    ):
        with pytest.raises(ValueError, match="cuda cannot run here"):
            attempt()


@needs_no_gpu
@pytest.mark.parametrize(
    "words",
    [
        ["process", "{folder}/in.wav", "--provider", "tensorrt", "-m", "{folder}/half.onnx"],
        ["process", "{folder}/in.wav", "--as-live", "--provider", "cuda", "-m", "{folder}/half.onnx"],
        ["live", "-i", "none", "-o", "none", "--provider", "cuda", "-m", "{folder}/half.onnx", "--seconds", "1"],
        ["live", "-i", "none", "-o", "none", "--provider", "tensorrt", "-m", "{folder}/half.onnx", "--seconds", "1"],
    ],
)
def test_a_verb_says_in_one_line_why_a_provider_cannot_run_and_nothing_else(
    tmp_path: Path, half: Path, words: list[str]
) -> None:
    soundfile.write(tmp_path / "in.wav", np.zeros(1000), 48_000)
    command = [sys.executable, "-m", "deshift", *(word.format(folder=tmp_path) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(deshift.__file__).parent)
    assert done.returncode == 1 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ") and "cannot run here: missing are" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["half.onnx", "in.wav"]


@needs_no_gpu
def test_bench_names_the_reason_of_each_and_fails_where_nothing_ran(half: Path) -> None:
    done = CliRunner().invoke(bench, [str(half), "--provider", "cuda", "--provider", "tensorrt", "--seconds", "0.2"])
    assert done.exit_code == 1
    rows = [line for line in done.stdout.splitlines() if "cannot run here" in line]
    assert [row.split()[0] for row in rows] == ["cuda", "tensorrt"]
    assert "libnvinfer.so.10" not in rows[0] and "libnvinfer.so.10" in rows[1]
    assert "nothing ran" in done.stdout and "recommended" not in done.stdout


def test_bench_measures_only_what_it_is_told_to_and_in_stereo(half: Path) -> None:
    done = CliRunner().invoke(bench, [str(half), "--provider", "cpu", "--channels", "2", "--seconds", "0.2"])
    assert done.exit_code == 0, done.output
    assert "cannot run here" not in done.stdout and "--provider" not in done.stdout


def test_settings_carry_the_provider_to_the_engine_s_process_and_refuse_unknown_ones() -> None:
    chosen = LiveSettings(provider="tensorrt")
    assert LiveSettings.from_json_object(chosen.to_json_object()) == chosen
    assert LiveSettings.from_json_object({}).provider == "cpu"
    with pytest.raises(SettingsError, match="provider must be one of cpu, cuda, tensorrt"):
        LiveSettings(provider="gpu")


def test_a_start_on_a_graphics_card_may_take_longer() -> None:
    assert LiveSettings().start_limit_s == 10 < LiveSettings(provider="cuda").start_limit_s


def test_two_packages_of_onnx_runtime_are_found_and_the_advice_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in ("onnxruntime", "onnxruntime_gpu"):
        folder = tmp_path / f"{name}-1.31.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.31.1\n")
    assert installed_wheels() == ("onnxruntime", "onnxruntime-gpu")
    assert wheel_clash().endswith("pip uninstall -y onnxruntime onnxruntime-gpu; pip install onnxruntime-gpu")


def test_one_package_of_onnx_runtime_is_no_clash() -> None:
    assert wheel_clash(("onnxruntime-gpu",)) == ""
