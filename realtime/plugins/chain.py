"""Plugins in a row as one plugin: honest latency, a bypass for each member, and a fault in one stops nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from realtime.plugins.base import Plugin, Samples
from realtime.plugins.member import Member, controls_of, name_of

MAX_HOP_SAMPLES = 16_384
EMPTY_HOP_SAMPLES = 128
BYPASS = "bypass"  # ``<index>.bypass`` takes a member out like any other knob is turned: 1 out, 0 in


class ChainError(ValueError):
    """These plugins cannot stand in a row, or there is no such member or control."""


@dataclass(frozen=True)
class MemberControl:
    """A knob of one member, as the chain's own: `name` is ``<index>.<control>``; the rest is as in `Control`."""

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    member: str


@dataclass(frozen=True)
class Fault:
    """What went wrong in one member so far: `count` hops failed, the last for `message`.

    `stopped` says that it failed too often in a row and is left out until its bypass is switched off again.
    """

    index: int
    name: str
    count: int
    message: str
    stopped: bool


class Chain:
    """Plugins in a row: a plugin whose hop is the least common multiple of theirs.

    Args:
        plugins: in the order in which the sound runs through them.
        names: what to call the members; without it, what they call themselves.
        sample_rate, channels: of an empty chain, which changes nothing; otherwise the members'.
    Raises: ChainError, one line, where two members differ in rate or channels, or their hops have no common multiple
        up to MAX_HOP_SAMPLES.
    """

    def __init__(
        self,
        plugins: Sequence[Plugin],
        names: Sequence[str] | None = None,
        sample_rate: int | None = None,
        channels: int | None = None,
    ) -> None:
        self._plugins = tuple(plugins)
        self._names = tuple(names) if names is not None else tuple(map(name_of, plugins))
        if len(self._names) != len(self._plugins):
            raise ChainError(f"{len(self._plugins)} plugins need as many names, not {len(self._names)}")
        self._sample_rate = self._agreed("sample_rate", "sample rate", sample_rate)
        self._channels = self._agreed("channels", "number of channels", channels)
        self._hop = self._common_hop()
        for name, plugin in zip(self._names, self._plugins, strict=True):
            if plugin.latency_samples < plugin.hop_samples:
                raise ChainError(f"{name}: its latency, {plugin.latency_samples} samples, is below its own hop")
        pairs = zip(self._plugins, self._names, strict=True)
        self._members = tuple(Member(plugin, name, self._hop) for plugin, name in pairs)
        self._finite = np.zeros((self._channels, self._hop), dtype=np.bool_)
        self.replaced_samples = 0  # of the input: NaN or infinite, taken as 0

    def _agreed(self, attribute: str, words: str, given: int | None) -> int:
        values: list[int] = [getattr(plugin, attribute) for plugin in self._plugins]
        for index, value in enumerate(values):
            if value != values[0]:
                raise ChainError(
                    f"members 0 ({self._names[0]}) and {index} ({self._names[index]}) cannot stand in one chain: "
                    f"their {words} differs, {values[0]} and {value}"
                )
        if not values and given is None:
            raise ChainError("an empty chain must be told its sample rate and channels")
        if values and given not in (None, values[0]):
            raise ChainError(f"the chain's {words} is that of its members, {values[0]}, not {given}")
        agreed = values[0] if values else given
        if not agreed or agreed < 1:
            raise ChainError(f"the {words} of a chain must be 1 or more, not {agreed}")
        return agreed

    def _common_hop(self) -> int:
        hops = [plugin.hop_samples for plugin in self._plugins]
        hop = math.lcm(*hops) if hops else EMPTY_HOP_SAMPLES
        if hop > MAX_HOP_SAMPLES:
            listed = ", ".join(f"{name} {hop}" for name, hop in zip(self._names, hops, strict=True))
            raise ChainError(
                f"the hops of these members ({listed}) meet only every {hop} samples, above the limit of "
                f"{MAX_HOP_SAMPLES}: choose hops of which one divides the other"
            )
        return hop

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The members, in order."""
        return self._plugins

    @property
    def names(self) -> tuple[str, ...]:
        """What the members are called, in order; not necessarily all different."""
        return self._names

    @property
    def sample_rate(self) -> int:
        """Samples per second, of every member."""
        return self._sample_rate

    @property
    def channels(self) -> int:
        """Rows of a block."""
        return self._channels

    @property
    def hop_samples(self) -> int:
        """Samples per channel of one block: the least common multiple of the members' hops."""
        return self._hop

    @property
    def latency_samples(self) -> int:
        """One hop of the chain, and what each member waits for beyond its own hop. A bypass does not change it."""
        return self._hop + sum(plugin.latency_samples - plugin.hop_samples for plugin in self._plugins)

    @property
    def bypassed(self) -> tuple[bool, ...]:
        """Which members are taken out by `set_bypass`."""
        return tuple(member.bypassed for member in self._members)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The members that have failed so far; counted since the chain was built."""
        return tuple(
            Fault(index, member.name, member.fault_count, member.message, member.stopped)
            for index, member in enumerate(self._members)
            if member.fault_count
        )

    @property
    def muted_blocks(self) -> int:
        """Blocks that members muted by themselves, because their result was not finite."""
        return sum(int(getattr(plugin, "muted_blocks", 0)) for plugin in self._plugins)

    @property
    def controls(self) -> tuple[MemberControl, ...]:
        """The knobs of all members, named ``<index>.<control>``."""
        return tuple(
            MemberControl(f"{index}.{c.name}", c.unit, c.minimum, c.maximum, c.default, member.name)
            for index, member in enumerate(self._members)
            for c in controls_of(member.plugin)
        )

    def control_values(self, member: int | str) -> dict[str, float]:
        """The knobs of one member as `set_control` left them, by their own names."""
        return dict(self._members[self._index(member)].values)

    def set_control(self, name: str, value: float) -> None:
        """Turn a member's knob: ``<index>.<control>`` or ``<member's name>.<control>``.

        Every member has ``bypass`` too (1 out, 0 in: `set_bypass`), but for one that has a control of that name itself.
        Raises: ValueError where there is no such member or control, or the value is out of its range.
        """
        heads = [str(index) for index in range(len(self._names))] + sorted(self._names, key=len, reverse=True)
        head = next((head for head in heads if name.startswith(f"{head}.")), None)
        if head is None:
            known = ", ".join(control.name for control in self.controls) or "none"
            raise ChainError(f"{name!r} is no control of this chain; write index.control or name.control, of: {known}")
        member, control = self._members[self._index(head)], name[len(head) + 1 :]
        if control == BYPASS and control not in member.values:
            if value not in (0, 1):
                raise ChainError(f"{name} takes 0 (in) or 1 (out), not {value!r}")
            member.set_bypass(bool(value))
            return
        if control not in member.values:
            known = ", ".join(member.values) or "none"
            raise ChainError(f"{member.name} has no control {control!r}; it has: {known}")
        member.plugin.set_control(control, value)  # type: ignore[attr-defined]  # what has controls has this too
        member.values[control] = value

    def set_bypass(self, member: int | str, bypassed: bool) -> None:
        """Take a member out, or back in, by a crossfade; a delay as long as its own keeps the chain's latency.

        Taking in a member that was stopped after too many faults tries it again.
        Raises: ChainError where there is no such member.
        """
        self._members[self._index(member)].set_bypass(bypassed)

    def _index(self, member: int | str) -> int:
        listed = ", ".join(f"{index} {name}" for index, name in enumerate(self._names)) or "none"
        if isinstance(member, int) or member.isdecimal():
            if not 0 <= int(member) < len(self._names):
                raise ChainError(f"there is no member {member} in this chain; its members are: {listed}")
            return int(member)
        if self._names.count(member) != 1:
            many = "more than one member" if member in self._names else "no member"
            raise ChainError(f"{many} of this chain is called {member!r}; its members are: {listed}")
        return self._names.index(member)

    def reset(self) -> None:
        """Back to silence; controls, bypasses and counters stay."""
        for member in self._members:
            member.reset()

    def process(self, block: Samples) -> Samples:
        """One hop ``(C, hop)`` -> ``(C, hop)``, always finite. What a member does wrong is counted in `faults`.

        Raises: ValueError where the block has another shape, which is the caller's mistake alone.
        """
        audio = np.array(block, dtype=np.float32)
        if audio.shape != self._finite.shape:
            raise ValueError(f"a block for this chain must have the shape {self._finite.shape}, not {audio.shape}")
        if not np.isfinite(audio, out=self._finite).all():
            self.replaced_samples += int(np.count_nonzero(~self._finite))
            audio[~self._finite] = 0
        for member in self._members:
            audio = member.process(audio)
        return audio
