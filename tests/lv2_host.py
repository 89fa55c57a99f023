"""A small LV2 host: it loads a bundle's binary with ctypes and runs it in blocks of any sizes."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.lv2.check import Descriptor, descriptors
from tests.signals import Audio

FIXED_PORTS = ("enabled", "mix", "latency", "freewheel", "misses", "faults")
NOMINAL = "http://lv2plug.in/ns/ext/buf-size#nominalBlockLength"
LARGEST = "http://lv2plug.in/ns/ext/buf-size#maxBlockLength"
OPTIONS = "http://lv2plug.in/ns/ext/options#options"
OPTIONS_INTERFACE = b"http://lv2plug.in/ns/ext/options#interface"
INTEGER = "http://lv2plug.in/ns/ext/atom#Int"
MAP = "http://lv2plug.in/ns/ext/urid#map"


class Feature(ctypes.Structure):
    """LV2_Feature of lv2/core/lv2.h."""

    _fields_ = (("uri", ctypes.c_char_p), ("data", ctypes.c_void_p))


class Option(ctypes.Structure):
    """LV2_Options_Option of lv2/options/options.h."""

    _fields_ = (
        ("context", ctypes.c_uint32),
        ("subject", ctypes.c_uint32),
        ("key", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("value", ctypes.c_void_p),
    )


LOG = "http://lv2plug.in/ns/ext/log#log"

MapFunction = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.c_char_p)
OptionsFunction = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p, ctypes.POINTER(Option))


class Map(ctypes.Structure):
    """LV2_URID_Map of lv2/urid/urid.h."""

    _fields_ = (("handle", ctypes.c_void_p), ("map", MapFunction))


PrintFunction = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_void_p)
_LIBC = ctypes.CDLL(None)
_LIBC.vsnprintf.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p]


class Log(ctypes.Structure):
    """LV2_Log_Log of lv2/log/log.h. The plugin calls vprintf alone."""

    _fields_ = (("handle", ctypes.c_void_p), ("printf", ctypes.c_void_p), ("vprintf", PrintFunction))


class OptionsInterface(ctypes.Structure):
    """LV2_Options_Interface of lv2/options/options.h."""

    _fields_ = (("get", OptionsFunction), ("set", OptionsFunction))


_NUMBERS: dict[bytes, int] = {}


@MapFunction
def _map(_: int, uri: bytes) -> int:
    return _NUMBERS.setdefault(uri, len(_NUMBERS) + 1)


_MAP = Map(None, _map)


def _options(blocks: dict[str, int]) -> tuple[ctypes.Array[Option], list[ctypes.c_int32]]:
    """A list of options that ends with an empty one, and the numbers that it points to."""
    values = [ctypes.c_int32(value) for value in blocks.values()]
    filled = [
        Option(0, 0, _map(None, uri.encode()), 4, _map(None, INTEGER.encode()), ctypes.addressof(value))
        for uri, value in zip(blocks, values, strict=True)
    ]
    return (Option * (len(filled) + 1))(*filled), values


def _print(lines: list[str], _: int, kind: int, form: bytes, arguments: int) -> int:
    assert kind == _map(None, b"http://lv2plug.in/ns/ext/log#Error")
    text = ctypes.create_string_buffer(2000)
    count: int = _LIBC.vsnprintf(text, len(text), form, arguments)
    lines.append(text.value.decode())
    return count


@dataclass(frozen=True)
class Heard:
    """What came out, with the ports as they stood at the end. `audio` is ``(C, N)``."""

    audio: Audio
    latency_samples: int
    misses: int
    faults: int


class Instance:
    """One instance of a bundle's plugin. `controls` counts the model's controls, whose ports come last."""

    def __init__(
        self,
        bundle: Path,
        channels: int = 1,
        rate: float = 48_000,
        blocks: dict[str, int] | None = None,
        controls: int = 0,
        log: list[str] | None = None,
    ) -> None:
        self.channels = channels
        self._plugin: Descriptor = descriptors(bundle)[channels - 1]
        options, self._values = _options(blocks or {})
        given = [Feature(MAP.encode(), ctypes.addressof(_MAP))]
        if blocks is not None:
            given.append(Feature(OPTIONS.encode(), ctypes.addressof(options)))
        if log is not None:
            self._log = Log(None, None, PrintFunction(lambda *words: _print(log, *words)))
            given.append(Feature(LOG.encode(), ctypes.addressof(self._log)))
        pointers = (ctypes.c_void_p * (len(given) + 1))(*map(ctypes.addressof, given), None)
        place = str(bundle.resolve()).encode() + b"/"
        self._handle = self._plugin.instantiate(ctypes.addressof(self._plugin), rate, place, pointers)
        if not self._handle:
            raise RuntimeError("instantiate gave NULL")
        self.ports = dict.fromkeys((*FIXED_PORTS, *(f"control {n}" for n in range(controls))), ctypes.c_float())
        for index, name in enumerate(self.ports):
            self.ports[name] = ctypes.c_float()
            self._plugin.connect_port(self._handle, 2 * channels + index, ctypes.addressof(self.ports[name]))
        self.set(enabled=1, mix=1)

    def set(self, **values: float) -> None:
        """Turn the fixed ports, by name."""
        for name, value in values.items():
            self.ports[name].value = value

    def activate(self) -> None:
        self._plugin.activate(self._handle)

    def deactivate(self) -> None:
        self._plugin.deactivate(self._handle)

    def close(self) -> None:
        self._plugin.cleanup(self._handle)

    def set_blocks(self, blocks: dict[str, int]) -> int:
        """The host's block changes: what the plugin answers (0: taken)."""
        found = self._plugin.extension_data(OPTIONS_INTERFACE)
        options, values = _options(blocks)
        answer = OptionsInterface.from_address(found).set(self._handle, options)
        assert values
        return answer

    def run_block(self, block: Audio, in_place: bool = False) -> Audio:
        """One call of run(): ``(C, N)`` -> ``(C, N)``."""
        source = np.array(block, np.float32, order="C")
        target = source if in_place else np.full_like(source, np.nan)
        for channel in range(self.channels):
            self._plugin.connect_port(self._handle, channel, source[channel].ctypes.data)
            self._plugin.connect_port(self._handle, self.channels + channel, target[channel].ctypes.data)
        self._plugin.run(self._handle, source.shape[1])
        return target

    def run(self, audio: Audio, sizes: Iterable[int], in_place: bool = False, pause_s: float = 0.0) -> Heard:
        """All of `audio` in blocks of `sizes`, over and over."""
        heard, at, each = [], 0, _cycle(sizes)
        while at < audio.shape[1]:
            count = next(each)
            heard.append(self.run_block(audio[:, at : at + count], in_place))
            at += count
            if pause_s:
                time.sleep(pause_s)
        return self.heard(np.concatenate(heard, axis=1))

    def heard(self, audio: Audio) -> Heard:
        """The audio with the ports as they stand."""
        return Heard(audio, *(int(self.ports[name].value) for name in ("latency", "misses", "faults")))


def _cycle(sizes: Iterable[int]) -> Iterator[int]:
    kept = list(sizes)
    while True:
        yield from kept


@contextmanager
def instance(
    bundle: Path,
    channels: int = 1,
    rate: float = 48_000,
    block: int | None = None,
    controls: int = 0,
    freewheel: bool = True,
) -> Iterator[Instance]:
    """An activated instance in a host whose usual block is `block`; it is closed in the end."""
    made = Instance(bundle, channels, rate, None if block is None else {NOMINAL: block}, controls)
    try:
        made.set(freewheel=freewheel)
        made.activate()
        yield made
        made.deactivate()
    finally:
        made.close()
