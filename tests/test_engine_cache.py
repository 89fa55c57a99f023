"""TensorRT's engines on disk: one folder for each model and machine, built once, rebuilt where damaged, and announced.

No graphics card is here: a driver of a few lines of C answers as a real one would, and a writer of files stands where
ONNX Runtime builds the engine.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import deshift
from realtime.plugins.engine_cache import (
    SEAL,
    EngineFolder,
    Machine,
    cache_root,
    engine_folder,
    with_engine,
)
from realtime.plugins.gpu import Gpu, find_gpu, tensorrt_version
from realtime.plugins.providers import ProviderError
from tests import plugin_files as files

MACHINE = Machine(Gpu("NVIDIA H200", "9.0", "580.65.06"), "1.31.1", 101303)
DRIVER = r"""
#include <string.h>
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef CARDS
#define CARDS 1
#endif
int cuInit(unsigned flags) { return flags == 0 ? BROKEN : 1; }
int cuDeviceGetCount(int *count) { *count = CARDS; return 0; }
int cuDeviceGet(int *device, int index) { *device = 7; return index; }
int cuDeviceGetName(char *name, int bytes, int device) {
    strncpy(name, "../NVIDIA \"Test\" 1", bytes);
    return device == 7 ? 0 : 101;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 9 : -1;
    return device == 7 ? 0 : 101;
}
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *version, unsigned bytes) { strncpy(version, "580.65.06", bytes); return 0; }
int getInferLibVersion(void) { return 101303; }
"""


def driver(folder: Path, *flags: str) -> str:
    """A library that answers as the driver, NVML and TensorRT do."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    folder.mkdir(exist_ok=True)
    (folder / "driver.c").write_text(DRIVER)
    library = folder / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", *flags, "-o", library, folder / "driver.c"], check=True)
    return str(library)


def test_the_card_is_what_the_driver_says_it_is(tmp_path: Path) -> None:
    library = driver(tmp_path)
    assert find_gpu(library, library) == Gpu('../NVIDIA "Test" 1', "8.9", "580.65.06")
    assert tensorrt_version(library) == 101303


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["-DBROKEN=100"], "cuInit gave error 100"),
        (["-DBROKEN=803"], "cuInit gave error 803"),
        (["-DCARDS=0"], "sees no graphics card"),
    ],
)
def test_a_driver_without_a_card_is_one_line(tmp_path: Path, flags: list[str], complaint: str) -> None:
    library = driver(tmp_path, *flags)
    with pytest.raises(ProviderError, match=complaint):
        find_gpu(library, library)


def test_a_missing_driver_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"libabsent\.so\.1 cannot be loaded"):
        find_gpu("libabsent.so.1")


def test_an_engine_s_folder_changes_with_everything_that_the_engine_depends_on(tmp_path: Path) -> None:
    gpu = MACHINE.gpu
    folders = [
        engine_folder(b"model", 1, MACHINE, tmp_path),
        engine_folder(b"Model", 1, MACHINE, tmp_path),
        engine_folder(b"model", 2, MACHINE, tmp_path),
        engine_folder(b"model", 1, replace(MACHINE, onnxruntime="1.32.0"), tmp_path),
        engine_folder(b"model", 1, replace(MACHINE, tensorrt=101400), tmp_path),
        engine_folder(b"model", 1, replace(MACHINE, gpu=replace(gpu, name="NVIDIA L4")), tmp_path),
        engine_folder(b"model", 1, replace(MACHINE, gpu=replace(gpu, capability="8.9")), tmp_path),
        engine_folder(b"model", 1, replace(MACHINE, gpu=replace(gpu, driver="590.1")), tmp_path),
    ]
    assert len({folder.path for folder in folders}) == len(folders)
    assert folders[0] == engine_folder(b"model", 1, MACHINE, tmp_path)
    assert folders[0].timing == folders[1].timing != folders[3].timing  # timings are the machine's, not the model's


def test_nothing_that_a_file_or_a_driver_says_becomes_part_of_a_path(tmp_path: Path) -> None:
    hostile = replace(MACHINE, gpu=Gpu("../../../etc/cron.d/x\0\n", "..", "/"), onnxruntime="..")
    folder = engine_folder(b"../../evil", 1, hostile, tmp_path)
    for path in (folder.path, folder.timing):
        assert path.parent == tmp_path and re.fullmatch(r"(timing|[0-9a-f]{16})-[0-9a-f]{16}", path.name)
    assert folder.options()["trt_engine_cache_prefix"] == "deshift"  # else the graph's name would stand there


def test_the_options_keep_engine_and_timings_and_round_nothing(tmp_path: Path) -> None:
    folder = engine_folder(b"model", 1, MACHINE, tmp_path)
    options = folder.options()
    assert options["trt_engine_cache_path"] == str(folder.path) and options["trt_engine_cache_enable"] == "1"
    assert options["trt_timing_cache_path"] == str(folder.timing) and options["trt_timing_cache_enable"] == "1"
    off = ("trt_fp16_enable", "trt_bf16_enable", "trt_int8_enable", "trt_cuda_graph_enable")
    assert [options[name] for name in off] == ["0"] * 4


def test_onnx_runtime_knows_every_option_by_its_name(tmp_path: Path) -> None:
    import onnxruntime

    library = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_tensorrt.so"
    if not library.exists():
        pytest.skip("this onnxruntime was built without TensorRT")
    content = library.read_bytes()
    options = engine_folder(b"model", 1, MACHINE, tmp_path).options()
    assert [name for name in options if b"\0" + name.encode() + b"\0" not in content] == []


class Builder:
    """Stands where ONNX Runtime opens a session: loads the engine that is there, else builds one."""

    def __init__(self) -> None:
        self.built, self.refuses = 0, 0

    def __call__(self, options: dict[str, str]) -> str:
        if self.refuses:
            self.refuses -= 1
            raise RuntimeError("could not deserialize engine from cache")
        engine = Path(options["trt_engine_cache_path"]) / f"{options['trt_engine_cache_prefix']}_1_0_sm90.engine"
        if not engine.exists():
            self.built += 1
            engine.write_bytes(b"engine" * 1000)
        assert engine.read_bytes() == b"engine" * 1000
        return "session"


@pytest.fixture
def folder(tmp_path: Path) -> EngineFolder:
    return engine_folder(b"model", 1, MACHINE, tmp_path / "cache" / "engines")


def opened(folder: EngineFolder, builder: Builder, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said on the way."""
    caplog.clear()
    with caplog.at_level(logging.INFO, "deshift"):
        assert with_engine(folder, builder, (RuntimeError,)) == "session"
    return caplog.messages


def test_an_engine_is_built_once_and_that_is_said_once(folder: EngineFolder, caplog: pytest.LogCaptureFixture) -> None:
    builder = Builder()
    assert folder.state() == "absent"
    assert opened(folder, builder, caplog) == ["tensorrt: building the engine for this GPU: takes a minute, once"]
    assert folder.state() == "built"
    assert opened(folder, builder, caplog) == [] and builder.built == 1
    assert json.loads((folder.path / SEAL).read_text())["for"]["gpu"]["name"] == "NVIDIA H200"


@pytest.mark.parametrize("damage", ["shortened", "changed", "deleted", "unsealed", "no JSON", "not an object"])
def test_a_damaged_engine_is_built_again_and_that_is_said(
    folder: EngineFolder, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    builder = Builder()
    opened(folder, builder, caplog)
    (engine,) = folder.path.glob("*.engine")
    seal = folder.path / SEAL
    {
        "shortened": lambda: engine.write_bytes(engine.read_bytes()[:-1]),
        "changed": lambda: engine.write_bytes(b"e" + engine.read_bytes()[:-1]),
        "deleted": engine.unlink,
        "unsealed": seal.unlink,  # what a process leaves that ended while it built
        "no JSON": lambda: seal.write_text("{"),
        "not an object": lambda: seal.write_text("[]"),
    }[damage]()
    assert folder.state() == "damaged"
    (said,) = opened(folder, builder, caplog)
    assert "damaged: building it again" in said
    assert builder.built == 2 and folder.state() == "built"


def test_a_whole_engine_that_tensorrt_refuses_is_built_again_once(
    folder: EngineFolder, caplog: pytest.LogCaptureFixture
) -> None:
    builder = Builder()
    opened(folder, builder, caplog)
    builder.refuses = 1
    (said,) = opened(folder, builder, caplog)
    assert "building it again" in said and builder.built == 2
    builder.refuses = 2
    with pytest.raises(RuntimeError, match="could not deserialize"):
        with_engine(folder, builder, (RuntimeError,))
    assert folder.state() == "absent"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "engines").write_text("a file")
    folder = engine_folder(b"model", 1, MACHINE, tmp_path / "engines")
    with pytest.raises(ProviderError, match="no engine can be kept there"):
        with_engine(folder, Builder(), (RuntimeError,))


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of other systems have no variable for them")
def test_the_cache_lies_in_the_user_s_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_root() == tmp_path / ".cache" / "deshift" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert cache_root() == tmp_path / "elsewhere" / "deshift" / "engines"


PROGRAM = """
import sys
from realtime.live import engines
from realtime.live.settings import LiveSettings
settings = LiveSettings(model=sys.argv[1], provider="tensorrt")
try:
    engines.load_built_chain(settings)
except ValueError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="LD_LIBRARY_PATH is Linux's")
def test_a_session_that_plays_never_builds_an_engine_and_says_how_to_get_one(tmp_path: Path) -> None:
    """A machine with a card and all libraries, but no engine for this model yet."""
    from realtime.plugins.libraries import missing_libraries

    if not missing_libraries("tensorrt"):
        pytest.skip("TensorRT is installed here")
    library = Path(driver(tmp_path / "lib"))
    for name in (*missing_libraries("tensorrt"), "libnvidia-ml.so.1"):
        if name != library.name:
            shutil.copy(library, library.with_name(name))
    model = files.gain_plugin(tmp_path / "half.onnx")
    environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model)],
        env=environment,
        cwd=Path(deshift.__file__).parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.stdout == (
        f"{model}: no TensorRT engine was built for it on this GPU yet: run once, for a minute, "
        f"`deshift bench {model} --provider tensorrt --channels 1`\n"
    ), ran.stderr
    assert not (tmp_path / "cache" / "deshift").exists()
