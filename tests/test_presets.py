"""Presets: what is saved is what is built again, every mistake is named by its key, no file is half written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from realtime.contract import Control
from realtime.plugins.chain import Chain
from realtime.plugins.effects import KINDS, Effect
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.preset_entries import EffectEntry, ModelEntry, PresetError, VocoderEntry, Vst3Entry
from realtime.plugins.presets import Preset, load_chain, load_preset, preset_from_chain, save_preset
from tests import plugin_files as files
from tests.signals import noise
from tests.test_effects import vst3

PAGE = (Path(__file__).parents[1] / "docs" / "chains.md").read_text(encoding="utf-8")
WHOLE = {
    "format": 1,
    "name": "Stimme, tiefer",
    "plugins": [
        {"kind": "model", "model": "voice_octave", "controls": {}, "bypass": False},
        {"kind": "vocoder", "semitones": -12, "window_samples": 1024, "bypass": True},
        {"kind": "effect", "effect": "highpass", "parameters": {"cutoff_frequency_hz": 80}},
        {"kind": "vst3", "path": "some.vst3", "parameters": {"gain_db": 1.5, "mode": "warm", "on": True}},
    ],
}


def write(folder: Path, content: object) -> Path:
    path = folder / "preset.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def with_plugin(**plugin: Any) -> dict[str, Any]:
    return {"format": 1, "name": "test", "plugins": [plugin]}


def hops(chain: Chain, audio: np.ndarray) -> np.ndarray:
    hop = chain.hop_samples
    ends = range(0, audio.shape[1] - hop + 1, hop)
    return np.concatenate([chain.process(audio[:, at : at + hop]) for at in ends], axis=1)


def level_plugin(path: Path) -> Path:
    """y = level * x, with a control."""
    model = files.make_model(
        [helper.make_node("Mul", ["audio", "control_level"], ["audio_out"])], [], controls=("level",)
    )
    facts = files.make_facts(model, controls=(Control("level", "", 0.0, 2.0, 1.0),))
    return files.save(path, model, facts.to_metadata())


def test_a_preset_is_read_as_it_stands(tmp_path: Path) -> None:
    assert load_preset(write(tmp_path, WHOLE)) == Preset(
        "Stimme, tiefer",
        (
            ModelEntry("voice_octave"),
            VocoderEntry(-12.0, 1024, bypass=True),
            EffectEntry("highpass", {"cutoff_frequency_hz": 80.0}),
            Vst3Entry("some.vst3", {"gain_db": 1.5, "mode": "warm", "on": True}),
        ),
        tmp_path,
    )


@settings(max_examples=30, deadline=None)
@given(
    name=st.text(st.characters(categories=("L", "N", "Zs"))).filter(lambda text: text.strip() and text.isprintable()),
    plugins=st.lists(
        st.one_of(
            st.builds(ModelEntry, st.just("voice_octave"), st.dictionaries(st.just("level"), st.floats(-9, 9))),
            st.builds(VocoderEntry, st.floats(-12, 12), st.sampled_from([1024, 2048]), st.booleans()),
            st.builds(EffectEntry, st.sampled_from(sorted(KINDS)), st.just({}), st.booleans()),
            st.builds(Vst3Entry, st.just("/some.vst3"), st.dictionaries(st.just("on"), st.booleans()), st.booleans()),
        ),
        max_size=5,
    ),
)
def test_what_is_saved_is_what_is_loaded(name: str, plugins: list, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    preset = Preset(name, tuple(plugins), folder)
    save_preset(folder / "any.json", preset)
    assert load_preset(folder / "any.json") == preset


LINES = [
    ("{", "is not JSON"),
    ("[]", r"a preset must be a JSON object, not \[\]"),
    ("[" * 5000, "is not JSON"),
    ('{"format": 1, "format": 1}', 'the key "format" stands twice'),
    ('{"format": 1, "name": NaN}', "NaN is not JSON"),
    (b"\xff\xfe\x00", "is not JSON"),
    ({}, "format: must be 1, not nothing"),
    ({"format": 2}, r"format: made by a newer deshift \(2, this one reads 1\): update"),
    ({"format": True}, "format: must be 1, not true"),
    ({"format": 1, "name": "x", "plugins": [], "plugin": 1}, 'unknown key "plugin"; known are: format, name, plugins'),
    ({"format": 1, "name": "x"}, "plugins: must be a list"),
    ({"format": 1, "name": "x", "plugins": [{}] * 65}, "plugins: must be a list of up to 64"),
    ({"format": 1, "plugins": []}, "name: must be a text on one line, not nothing"),
    ({"format": 1, "name": "a\x1b[2Jb", "plugins": []}, r"name: must be a text on one line, not \"a\\u001b"),
    ({"format": 1, "name": "x", "plugins": [7]}, r"plugins\[0\]: a plugin must be a JSON object, not 7"),
    (with_plugin(kind="lv2"), r'plugins\[0\]: kind: must be one of model, vocoder, effect, vst3, not "lv2"'),
    (with_plugin(model="x"), r"plugins\[0\]: kind: must be one of"),
    (with_plugin(kind="model"), r"plugins\[0\]: model: must be a text"),
    (with_plugin(kind="model", model="a\0b"), r"plugins\[0\]: model: must be a text"),
    (with_plugin(kind="model", model="x", gain=1), r'plugins\[0\]: unknown key "gain"; known are: kind, model, c'),
    (with_plugin(kind="model", model="x", controls=[]), r"plugins\[0\]: controls: it must be a JSON object"),
    (with_plugin(kind="model", model="x", controls={"a": "1"}), r'\[0\]: controls: a: must be a number, not "1"'),
    (with_plugin(kind="model", model="x", bypass=0), r"plugins\[0\]: bypass: must be true or false, not 0"),
    (with_plugin(kind="vocoder", semitones=True), r"plugins\[0\]: semitones: must be a number, not true"),
    (with_plugin(kind="vocoder", semitones=1, window_samples=1024.5), r"window_samples: must be a whole number"),
    (with_plugin(kind="effect", effect="pitch"), r"plugins\[0\]: effect: there is no effect 'pitch'; the effects are"),
    (with_plugin(kind="effect", effect="gain", parameters={"q": 1}), r'parameters: unknown key "q"; known are: gain'),
    (with_plugin(kind="effect", effect="gain", parameters={"gain_db": 99}), "gain: gain_db takes -60 … 24 dB, not 99"),
    (with_plugin(kind="vst3", path=""), r"plugins\[0\]: path: must be a text"),
    (with_plugin(kind="vst3", path="x", parameters={"a": None}), r"parameters: a: must be a number, not nothing"),
]  # fmt: skip


@pytest.mark.parametrize("content, line", LINES)
def test_a_mistake_in_a_preset_is_named_by_its_key_in_one_line(tmp_path: Path, content: Any, line: str) -> None:
    path = tmp_path / "preset.json"
    path.write_bytes(content if isinstance(content, bytes) else
                     (content if isinstance(content, str) else json.dumps(content)).encode())  # fmt: skip
    with pytest.raises(PresetError, match=line) as refused:
        load_preset(path)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match=r"absent.json: cannot be read: No such file"):
        load_preset(tmp_path / "absent.json")
    with pytest.raises(PresetError, match="cannot be read"):
        load_preset(tmp_path)
    (tmp_path / "big.json").write_bytes(b" " * (1 << 20) + b"{}")
    with pytest.raises(PresetError, match="larger than 1 MiB"):
        load_preset(tmp_path / "big.json")


def test_a_preset_builds_the_chain_it_describes(tmp_path: Path) -> None:
    level_plugin(tmp_path / "level ü.onnx")
    plugins = [
        {"kind": "effect", "effect": "gain", "parameters": {"gain_db": -6}},
        {"kind": "model", "model": "level ü.onnx", "controls": {"level": 0.5}},
        {"kind": "vocoder", "semitones": 7, "window_samples": 1024, "bypass": True},
    ]
    chain = load_chain(write(tmp_path, {"format": 1, "name": "x", "plugins": plugins}), channels=2)
    assert chain.names == ("gain", "test plugin", "vocoder") and chain.bypassed == (False, False, True)
    assert (chain.hop_samples, chain.channels, chain.sample_rate) == (128, 2, files.RATE)
    assert chain.plugins[0].hop_samples == 128 and chain.latency_samples == 1024
    audio = np.stack([noise(12_800), noise(12_800, 1)])
    expected = np.pad(audio, ((0, 0), (896, 0)))[:, :12_800] * np.float32(10 ** (-6 / 20) / 2)
    np.testing.assert_allclose(hops(chain, audio), expected, atol=1e-6)  # the bypass holds from the first sample on


def test_a_bundled_model_is_found_by_name_from_any_folder(tmp_path: Path) -> None:
    chain = load_chain(write(tmp_path, with_plugin(kind="model", model="voice_octave")))
    assert chain.sample_rate == 48_000 and isinstance(chain.plugins[0], PluginFile)
    assert preset_from_chain("x", chain).plugins[0] == ModelEntry("voice_octave", chain.control_values(0))


def test_the_sample_rate_is_the_models_or_the_given_or_48_khz(tmp_path: Path) -> None:
    files.gain_plugin(tmp_path / "slow.onnx", sample_rate=16_000)
    path = write(tmp_path, with_plugin(kind="model", model="slow.onnx"))
    assert load_chain(path).sample_rate == 16_000
    with pytest.raises(PresetError, match=r"plugins\[0\]: .*slow.onnx works at 16000 Hz, not at 48000 Hz"):
        load_chain(path, 48_000)
    effect = write(tmp_path, with_plugin(kind="effect", effect="gain"))
    assert load_chain(effect).sample_rate == 48_000 and load_chain(effect, 44_100).sample_rate == 44_100
    empty = load_chain(write(tmp_path, {"format": 1, "name": "empty", "plugins": []}), 96_000, channels=2)
    assert (empty.sample_rate, empty.channels, empty.plugins) == (96_000, 2, ())


@pytest.mark.parametrize("plugin, line", [
    ({"kind": "model", "model": "absent.onnx"}, r"\[0\].model: .*absent.onnx: no such plugin file; .*: .*voice_octave"),
    ({"kind": "model", "model": "text.onnx"}, r"plugins\[0\].model: .*text.onnx: "),
    ({"kind": "model", "model": "level.onnx", "controls": {"level": 3}}, r"\[0\].controls: .*takes 3; it has: level 0"),
    ({"kind": "model", "model": "level.onnx", "controls": {"q": 3}}, r"\[0\].controls: .*no control 'q'; it has: l"),
    ({"kind": "vocoder", "semitones": -12, "window_samples": 1000}, r"plugins\[0\]: vocoder: .*1000"),
    ({"kind": "vocoder", "semitones": 90}, r"plugins\[0\]: vocoder .*90"),
    ({"kind": "vst3", "path": "absent.vst3"}, r"plugins\[0\]: .*absent.vst3: there is no such VST3"),
])  # fmt: skip
def test_what_cannot_be_built_is_named_by_its_entry(tmp_path: Path, plugin: dict, line: str) -> None:
    level_plugin(tmp_path / "level.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    path = write(tmp_path, with_plugin(**plugin))
    load_preset(path)  # reading opens none of the files
    with pytest.raises(PresetError, match=line) as refused:
        load_chain(path)
    assert str(refused.value).startswith(str(path)) and "\n" not in str(refused.value)


def test_a_tilde_or_a_variable_in_a_path_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    level_plugin(tmp_path / "level.onnx")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FOLDER", str(tmp_path))
    for model in ("~/level.onnx", "$FOLDER/level.onnx", "*.onnx"):
        with pytest.raises(PresetError, match=r"no such plugin file"):
            load_chain(write(tmp_path, with_plugin(kind="model", model=model)))


def test_relative_paths_start_at_the_preset_and_follow_it_when_it_is_saved_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "presets" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    level_plugin(tmp_path / "level.onnx")
    path = write(tmp_path / "presets", with_plugin(kind="model", model="../level.onnx"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    preset = load_preset(path)
    save_preset(tmp_path / "presets" / "deep" / "moved.json", preset)
    moved = load_preset(tmp_path / "presets" / "deep" / "moved.json")
    assert moved.plugins == (ModelEntry("../../level.onnx"),)
    assert moved.build().names == preset.build().names == ("test plugin",)
    save_preset("here.json", preset)
    assert load_preset("here.json").plugins == (ModelEntry("../level.onnx"),)


def test_a_chain_becomes_the_preset_that_builds_it_again(tmp_path: Path) -> None:
    level_plugin(tmp_path / "level.onnx")
    plugins = [
        {"kind": "model", "model": "level.onnx"},
        {"kind": "vocoder", "semitones": -5, "window_samples": 2048},
        {"kind": "effect", "effect": "peak", "parameters": {"gain_db": 3}, "bypass": True},
    ]
    chain = load_chain(write(tmp_path, {"format": 1, "name": "x", "plugins": plugins}))
    chain.set_control("0.level", 0.25)
    chain.set_control("vocoder.semitones", -7.5)
    chain.set_control("peak.q", 2.0)
    chain.set_bypass(2, False)
    chain.set_bypass(0, True)
    save_preset(tmp_path / "again.json", preset_from_chain("again", chain))
    again = load_chain(tmp_path / "again.json")
    assert again.bypassed == (True, False, False) and again.latency_samples == chain.latency_samples
    assert [again.control_values(index) for index in range(3)] == [
        {"level": 0.25},
        {"semitones": -7.5},
        {"cutoff_frequency_hz": 1000.0, "gain_db": 3.0, "q": 2.0},
    ]
    chain.reset()
    audio = noise(20_480)[None]
    np.testing.assert_allclose(hops(again, audio), hops(chain, audio), atol=1e-6)


def test_a_vst3_goes_into_a_preset_and_comes_back(tmp_path: Path) -> None:
    path = vst3("ZamEQ2.vst3")
    preset = Preset("eq", (Vst3Entry(str(path), {"master_gain_db": -6.0}),))
    chain = preset.build(44_100, channels=2)
    chain.set_control("0.master_gain_db", -3.0)
    save_preset(tmp_path / "eq.json", preset_from_chain("eq", chain))
    assert load_preset(tmp_path / "eq.json").plugins == (Vst3Entry(str(path.resolve()), {"master_gain_db": -3.0}),)


def test_a_plugin_of_an_unknown_kind_is_not_saved() -> None:
    inner = Chain([Effect("gain", {}, 48_000, 1)])
    with pytest.raises(PresetError, match=r"plugins\[0\]: chain is no model, vocoder, effect or VST3"):
        preset_from_chain("x", Chain([inner]))


def test_saving_replaces_the_old_preset_in_one_step_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    save_preset(path, Preset("first", ()))
    save_preset(path, Preset("second", ()))
    assert load_preset(path).name == "second" and [p.name for p in tmp_path.iterdir()] == ["mine.json"]
    with pytest.raises(PresetError, match=r"mine.json: name: must be a text on one line"):
        save_preset(path, Preset("two\nlines", ()))
    with pytest.raises(PresetError, match="cannot be saved"):
        save_preset(tmp_path / "absent" / "x.json", Preset("x", ()))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(PresetError, match=r"folder.json: cannot be saved"):
        save_preset(tmp_path / "folder.json", Preset("x", ()))
    assert load_preset(path).name == "second"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.json", "mine.json"]


def test_the_page_on_chains_runs_as_it_is_written(tmp_path: Path) -> None:
    (preset,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "voice.json").write_text(preset, encoding="utf-8")
    environment = {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-c", program]
    ran = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    chain = load_chain(tmp_path / "voice.json")
    assert ran.stdout.strip() == f"{chain.names} {chain.hop_samples} {chain.latency_samples}"
    changed = load_preset(tmp_path / "changed.json")
    assert changed.plugins[0] == EffectEntry("highpass", {"cutoff_frequency_hz": 120.0})
    assert [entry.bypass for entry in changed.plugins] == [False, True, False, False, False]


def test_the_page_on_chains_names_every_effect_and_parameter() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for kind, facts in KINDS.items():
        row = next(row for row in rows if f"`{kind}`" in row.split("|")[1])
        assert [c.name for c in (*facts.controls, *facts.fixed) if f"`{c.name}`" not in row] == [], kind
