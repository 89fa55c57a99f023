"""From settings to an engine: open the device, load the chain, put the DSP inverse beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from realtime.live.clock_device import ClockDevice, is_clock_device
from realtime.live.device import Device, DeviceChoice, FeedbackError
from realtime.live.settings import LiveSettings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from realtime.contract import Facts
    from realtime.live.engine import Engine
    from realtime.live.pipeline import Source, Tap
    from realtime.live.self_test import SelfTest
    from realtime.plugins.chain import Chain
    from realtime.plugins.vocoder import Vocoder

# What a device is called that nothing sounds in.
VIRTUAL = ("loopback", "loop-back", "blackhole", "soundflower", "cable", "virtual", "voicemeeter", "null")
NO_MICROPHONE = (*VIRTUAL, "monitor of", ".monitor", "stereo mix", "what u hear", "wave out mix", "line in")
NO_LOUDSPEAKER = (*VIRTUAL, "headphone", "headset", "earphone", "earbud", "airpods", "buds", "kopfhörer", "casque")
VOCODER_WINDOWS = (1024, 512, 2048)  # 21 ms first: as good as it gets before the latency is heard
SILENT_WORDS = {"microphone", "mic", "speaker", "speakers", "input", "output", "in", "out", "capture", "playback"}


@dataclass(frozen=True)
class LoadedChain:
    """A chain ready to run, and what it was made of: the facts of its first model (None: it has none)."""

    chain: Chain
    inverse: Vocoder | None
    facts: Facts | None

    def take_shift_of(self, other: LoadedChain) -> None:
        """Go on undoing what another chain was told to undo, where this one can be told."""
        from realtime.contract import SHIFT_CONTROL
        from realtime.shift import set_shift, shift_control, undone_shift

        now, before = shift_control(self.chain), shift_control(other.chain)
        told = undone_shift(other.chain)
        if now is not None and before is not None and told is not None and now.minimum <= told[0] <= now.maximum:
            set_shift(self.chain, told[0])
            if self.inverse is not None:
                self.inverse.set_control(SHIFT_CONTROL, -told[0])

    def to_json_object(self) -> dict[str, Any]:
        """What a host shows of it: its members, their knobs, its model."""
        from realtime.shift import shift_control, undone_shift

        controls = [
            {name: getattr(control, name) for name in ("name", "unit", "minimum", "maximum", "default", "member")}
            for control in self.chain.controls
        ]
        model = None
        if self.facts is not None:
            model = {
                "name": self.facts.name,
                "weights_sha256": self.facts.weights_sha256,
                "shift_semitones": list(self.facts.shift_semitones),
                "training_steps": self.facts.training.get("steps"),
            }
        control, undone = shift_control(self.chain), undone_shift(self.chain)
        return {
            "chain": list(self.chain.names),
            "sample_rate": self.chain.sample_rate,
            "hop_samples": self.chain.hop_samples,
            "latency_samples": self.chain.latency_samples,
            "controls": controls,
            "model": model,
            "shift_control": None if control is None else control.name,
            "undone_semitones": None if undone is None else list(undone),
        }


def open_device(settings: LiveSettings) -> Device:
    """The device that was chosen, opened, not started.

    Raises: DeviceError, one line, where it cannot be opened; FeedbackError where its loudspeaker would be heard by its
    microphone.
    """
    choice = settings.device
    if is_clock_device(choice):
        return ClockDevice(choice)
    from realtime.live.devices import SoundCard

    device: Device = SoundCard(choice)
    defaults = choice.input is None and choice.output is None
    guarded = not settings.allow_feedback and settings.self_test is None
    if guarded and would_feed_back(device.input_name, device.output_name, defaults):
        device.stop(1.0)
        raise FeedbackError(
            f"{device.input_name} → {device.output_name}: a microphone and a loudspeaker of the same machine howl: "
            "use headphones and --allow-feedback"
        )
    return device


def would_feed_back(input_label: str, output_label: str, defaults: bool = False) -> bool:
    """Whether the output may be heard by the input: both belong to one card, or are the machine's own defaults.

    A name that says loop-back, monitor, virtual cable or headphones is believed.

    Args:
        input_label, output_label: "name, host API".
        defaults: both were left to the system.
    """
    source, target = input_label.lower(), output_label.lower()
    if any(word in source for word in NO_MICROPHONE) or any(word in target for word in NO_LOUDSPEAKER):
        return False
    return defaults or card_of(input_label) == card_of(output_label)


def card_of(label: str) -> str:
    """The physical card in a device's name, as far as the name tells.

    "HDA Intel PCH: ALC257 Analog (hw:0,0), ALSA" → "hw:0"; "Speakers (Realtek(R) Audio), MME" → "realtek(r) audio";
    "MacBook Pro Microphone, Core Audio" → "macbook pro".
    """
    name = label.rpartition(", ")[0] or label
    name = name.lower().strip()
    hardware = re.search(r"\(hw:([^,()]+)(?:,\d+)?\)", name)
    if hardware:
        return f"hw:{hardware[1]}"
    inside = re.fullmatch(r"[^()]+\((?:\d+- ?)?(.+?)\)?", name)  # MME cuts names after 31 characters
    if inside:
        return inside[1]
    words = [word for word in re.split(r"[\s\-]+", name) if word and word not in SILENT_WORDS]
    return " ".join(words)


def load_chain(settings: LiveSettings) -> LoadedChain:
    """The chain of the settings, loaded and warmed up, with its inverse where `compare` asks for one.

    Raises: ValueError (ContractError, ChainError, PresetError, SettingsError, ShiftError), one line, where there is
        none.
    """
    from realtime.plugins.chain import Chain
    from realtime.shift import set_shift

    if settings.preset is not None:
        from realtime.plugins import presets

        chain = presets.load_chain(settings.preset, None, settings.channels, settings.threads, settings.provider)
    else:
        from realtime.bundled import find_model
        from realtime.plugins.plugin_file import PluginFile

        file = find_model(settings.model)
        chain = Chain([PluginFile(file, settings.channels, settings.threads, settings.provider)])
    if settings.semitones is not None:
        set_shift(chain, settings.semitones)
    facts = facts_of(chain)
    inverse = make_inverse(chain) if settings.compare else None
    return LoadedChain(chain, inverse, facts)


def facts_of(chain: Chain) -> Facts | None:
    """The facts of the first plugin file in the chain."""
    return next((plugin.facts for plugin in chain.plugins if hasattr(plugin, "facts")), None)


def shift_of_test(chain: Chain) -> float:
    """The shift that compare and self-test go by, in semitones, positive is up: what the chain undoes as it is set.

    Of a model that was trained for a range and takes no shift, it is the middle.
    Raises: SettingsError where there is no model.
    """
    from realtime.shift import undone_shift

    undone = undone_shift(chain)
    if undone is None:
        raise SettingsError("compare and self-test need a chain with a model: the shift that it undoes is theirs")
    return sum(undone) / 2


def make_inverse(chain: Chain) -> Vocoder:
    """The DSP inverse for a comparison: shifts back by what the model undoes, in step with the chain.

    Raises: SettingsError where the vocoder cannot shift so far, or its hops do not divide the chain's.
    """
    from realtime.plugins.vocoder import LARGEST_SHIFT_SEMITONES, Vocoder

    semitones = -shift_of_test(chain)
    if abs(semitones) > LARGEST_SHIFT_SEMITONES:
        raise SettingsError(
            f"compare: the DSP inverse shifts by ±{LARGEST_SHIFT_SEMITONES:g} semitones, not by {semitones:g}"
        )
    for window in VOCODER_WINDOWS:
        inverse = Vocoder(chain.sample_rate, chain.channels, semitones, window)
        if chain.hop_samples % inverse.hop_samples == 0:
            return inverse
    raise SettingsError(f"compare: no window of the DSP inverse fits a hop of {chain.hop_samples} samples")


def make_source(settings: LiveSettings, loaded: LoadedChain) -> SelfTest | None:
    """What takes the microphone's place: the self-test, where the settings ask for one.

    Raises: ValueError, one line, where its recording or its shift cannot be used.
    """
    if settings.self_test is None:
        return None
    from realtime.live.self_test import SelfTest

    chain, path = loaded.chain, FilePath(settings.self_test)
    return SelfTest(path, chain.sample_rate, chain.channels, shift_of_test(chain), settings.shifter)


def make_engine(
    settings: LiveSettings,
    device: Device,
    loaded: LoadedChain,
    taps: Sequence[Tap] = (),
    source: Source | None = None,
) -> Engine:
    """The engine, prepared.

    Raises: ValueError where parts do not go together.
    """
    from realtime.live.engine import Engine, EngineSettings

    engine_settings = EngineSettings(settings.deadline_ms, settings.concealment, settings.controls)
    return Engine(device, loaded.chain, engine_settings, loaded.inverse, taps, source)


def by_name(choice: DeviceChoice, input_name: str, output_name: str) -> DeviceChoice:
    """The same choice, bound to the devices it found: never another one when it is opened again."""
    from dataclasses import replace

    return replace(choice, input=input_name, output=output_name)
