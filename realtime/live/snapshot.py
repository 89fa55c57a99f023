"""Parts of the engine's status, each from what it describes."""

from __future__ import annotations

from realtime.live.device import Device, Health
from realtime.live.pipeline import Pipeline
from realtime.live.plan import Plan
from realtime.live.status import DeviceStatus, Latency
from realtime.plugins.base import Plugin
from realtime.plugins.chain import Chain

SILENT_INPUT_SECONDS = 2.0


def latency_of(plan: Plan, chain: Plugin, health: Health | None, measured_ms: float | None) -> Latency:
    """Where the time goes: what a model waits for is lookahead, what any other plugin waits for is a window."""
    members = chain.plugins if isinstance(chain, Chain) else (chain,)
    lookahead = sum(m.latency_samples - m.hop_samples for m in members if hasattr(m, "facts"))
    window = plan.chain_latency_samples - plan.hop_samples - lookahead
    inputs = health.input_latency_s if health else None
    outputs = health.output_latency_s if health else None
    return Latency(
        hop_ms=1000 * plan.hop_samples / plan.plugin_rate,
        lookahead_ms=1000 * lookahead / plan.plugin_rate,
        window_ms=1000 * window / plan.plugin_rate,
        buffering_ms=plan.buffering_ms,
        device_input_ms=None if inputs is None else 1000 * inputs,
        device_output_ms=None if outputs is None else 1000 * outputs,
        measured_ms=measured_ms,
    )


def device_status(device: Device, health: Health | None, block_frames: int, drift_ppm: float) -> DeviceStatus:
    """The device as it is used, and what it reported."""
    return DeviceStatus(
        device.input_name,
        device.output_name,
        device.input_rate,
        device.output_rate,
        block_frames,
        device.one_clock,
        priority=health.priority if health else "",
        callbacks=health.callbacks if health else 0,
        input_overflows=health.input_overflows if health else 0,
        output_underflows=health.output_underflows if health else 0,
        gaps=health.gaps if health else 0,
        drift_ppm=drift_ppm,
    )


def warnings_of(pipeline: Pipeline, input_name: str) -> tuple[str, ...]:
    """Sentences about what a listener can mend."""
    warnings = []
    if pipeline.input_meter.zero_samples / pipeline.plan.plugin_rate > SILENT_INPUT_SECONDS:
        warnings.append(
            f"{input_name} delivers only zeros: is it muted, or is deshift not allowed to use the microphone?"
        )
    if pipeline.output_meter.read().clipped:
        warnings.append("the output clipped: lower the output gain or switch the limiter on")
    return tuple(warnings)


def faults_of(chain: Plugin) -> tuple[str, ...]:
    """A sentence for each member of the chain that failed."""
    if not isinstance(chain, Chain):
        return ()
    return tuple(
        f"{fault.name}: {fault.count} hops failed, the last one: {fault.message}" + " (left out)" * fault.stopped
        for fault in chain.faults
    )
