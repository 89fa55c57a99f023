"""Chains as files: a preset is JSON, checked key by key, and saved in one step (docs/chains.md)."""

from __future__ import annotations

import contextlib
import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.bundled import bundled_models
from realtime.plugins.base import Plugin
from realtime.plugins.chain import EMPTY_HOP_SAMPLES, Chain
from realtime.plugins.effects import Effect
from realtime.plugins.plugin_file import PluginFile
from realtime.plugins.preset_entries import (
    EffectEntry,
    Entry,
    ModelEntry,
    PresetError,
    VocoderEntry,
    Vst3Entry,
    at,
    from_json,
    to_json,
)
from realtime.plugins.vocoder import Vocoder
from realtime.plugins.vst3 import Vst3
from realtime.trust import TrustedFile, read_plugin_file

DEFAULT_RATE = 48_000  # of a preset in which nothing asks for another
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Preset:
    """A chain to be built: its members in order, and the folder at which relative paths start."""

    name: str
    plugins: tuple[Entry, ...]
    folder: Path = Path()

    def build(
        self, sample_rate: int | None = None, channels: int = 1, threads: int = 1, provider: str = "cpu"
    ) -> Chain:
        """The chain, ready to run. Without a sample rate: that of the models, or 48 kHz where there is none.

        Effects run in the hop of the others, so that they add none of their own.
        Args: provider: of the models.
        Raises: PresetError, one line naming the entry, where a member cannot be made or does not fit.
        """
        files = self.model_files()
        rate = sample_rate or next((file.facts.sample_rate for file in files.values()), DEFAULT_RATE)
        made: dict[int, Plugin] = {}
        for index, entry in enumerate(self.plugins):
            with at(f"plugins[{index}]"):
                if index in files:
                    made[index] = _model(files[index], rate, channels, threads, provider)
                elif isinstance(entry, VocoderEntry):
                    made[index] = Vocoder(rate, channels, entry.semitones, entry.window_samples)
        hop = math.lcm(*(plugin.hop_samples for plugin in made.values())) if made else EMPTY_HOP_SAMPLES
        for index, entry in enumerate(self.plugins):
            with at(f"plugins[{index}]"):
                if isinstance(entry, EffectEntry):
                    made[index] = Effect(entry.effect, entry.parameters, rate, channels, hop)
                elif isinstance(entry, Vst3Entry):
                    made[index] = Vst3(self.folder / entry.path, entry.parameters, rate, channels, hop)
        with at("plugins"):
            chain = Chain([made[index] for index in range(len(made))], sample_rate=rate, channels=channels)
        self._set(chain)
        return chain

    def model_files(self) -> dict[int, TrustedFile]:
        """The plugin files of the chain, checked, each by its place. Raises: PresetError naming the entry."""
        files, bundled = {}, bundled_models()
        for index, entry in enumerate(self.plugins):
            if isinstance(entry, ModelEntry):
                path = bundled.get(entry.model, self.folder / entry.model)
                with at(f"plugins[{index}].model"):
                    if not path.exists():
                        known = ", ".join(bundled) or "none"
                        raise PresetError(f"{path}: no such plugin file; the bundled models are: {known}")
                    files[index] = read_plugin_file(path)
        return files

    def _set(self, chain: Chain) -> None:
        for index, entry in enumerate(self.plugins):
            chain.set_bypass(index, entry.bypass)
            for name, value in entry.controls.items() if isinstance(entry, ModelEntry) else ():
                with at(f"plugins[{index}].controls"):
                    chain.set_control(f"{index}.{name}", value)
        chain.reset()  # or a bypass from the start would begin with a crossfade


def _model(file: TrustedFile, rate: int, channels: int, threads: int, provider: str) -> PluginFile:
    if file.facts.sample_rate != rate:
        raise PresetError(f"{file.path} works at {file.facts.sample_rate} Hz, not at {rate} Hz")
    return PluginFile(file, channels, threads, provider)


def preset_from_chain(name: str, chain: Chain) -> Preset:
    """The preset that builds this chain again: its members, what their controls are set to, and their bypasses.

    Raises: PresetError where a member is of a kind that presets do not know.
    """
    entries: list[Entry] = []
    for index, (plugin, bypass) in enumerate(zip(chain.plugins, chain.bypassed, strict=True)):
        values = chain.control_values(index)
        if isinstance(plugin, PluginFile):
            entries.append(ModelEntry(_model_name(plugin), values, bypass))
        elif isinstance(plugin, Vocoder):
            entries.append(VocoderEntry(values["semitones"], plugin.latency_samples, bypass))
        elif isinstance(plugin, Effect):
            entries.append(EffectEntry(plugin.name, plugin.parameters, bypass))
        elif isinstance(plugin, Vst3):
            entries.append(Vst3Entry(str(plugin.path.resolve()), plugin.parameters, bypass))
        else:
            raise PresetError(f"plugins[{index}]: {chain.names[index]} is no model, vocoder, effect or VST3")
    return Preset(name, tuple(entries))


def _model_name(plugin: PluginFile) -> str:
    """The name of a bundled model, or the whole path of another."""
    path = plugin.path.resolve()  # the file that was read
    return next((name for name, bundled in bundled_models().items() if bundled.resolve() == path), str(path))


def load_preset(path: str | Path) -> Preset:
    """Read and check a preset. No file that it names is opened before `Preset.build`.

    Raises: PresetError, one line naming the file and the key, where it cannot be read or says what cannot be.
    """
    path = Path(path)
    with at(str(path)):
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise PresetError(f"cannot be read: {error.strerror or error}") from error
        if len(content) > MAX_BYTES:
            raise PresetError("larger than 1 MiB, which no preset is")
        name, plugins = from_json(content)
        return Preset(name, plugins, path.parent)


def load_chain(
    path: str | Path, sample_rate: int | None = None, channels: int = 1, threads: int = 1, provider: str = "cpu"
) -> Chain:
    """`load_preset` and `Preset.build` in one.

    Raises: PresetError, one line naming the file and the key.
    """
    preset = load_preset(path)
    with at(str(path)):
        return preset.build(sample_rate, channels, threads, provider)


def save_preset(path: str | Path, preset: Preset) -> None:
    """Write a preset beside its name and then over it, so that there is always a whole one.

    Relative paths are rewritten, so that they lead from the new folder to the same files.
    Raises: PresetError where it cannot be written.
    """
    path = Path(path)
    moved = Preset(preset.name, tuple(_moved(entry, preset.folder, path.parent) for entry in preset.plugins))
    with at(str(path)):  # what could not be read again is not written
        text = json.dumps(to_json(moved.name, moved.plugins), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        from_json(text)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise PresetError(f"{path}: cannot be saved: {error.strerror or error}") from error


def _moved(entry: Entry, old: Path, new: Path) -> Entry:
    if old.resolve() == new.resolve():
        return entry
    if isinstance(entry, ModelEntry) and entry.model not in bundled_models():
        return replace(entry, model=_moved_path(entry.model, old, new))
    return replace(entry, path=_moved_path(entry.path, old, new)) if isinstance(entry, Vst3Entry) else entry


def _moved_path(path: str, old: Path, new: Path) -> str:
    if Path(path).is_absolute():
        return path
    try:
        return Path(os.path.relpath((old / path).resolve(), new.resolve())).as_posix()
    except ValueError:  # Windows: another drive
        return str((old / path).resolve())
