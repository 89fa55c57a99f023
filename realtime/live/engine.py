"""The engine: a device, an exchange, a worker thread. Prepare, start, stop, status."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from realtime.live.controls import Controls
from realtime.live.device import Device, Health
from realtime.live.exchange import Concealment, Exchange, Misses
from realtime.live.path import Path
from realtime.live.pipeline import Pipeline, Source, Tap
from realtime.live.plan import DEFAULT_DEADLINE_MS, Plan
from realtime.live.probe import Measurement, Probe, ProbeError
from realtime.live.rates import LiveResampler
from realtime.live.snapshot import device_status, faults_of, latency_of, warnings_of
from realtime.live.status import Speed, State, Status
from realtime.live.threads import WORKER_PRIORITY, raise_priority
from realtime.plugins.base import Plugin
from realtime.plugins.chain import Chain

IDLE_SECONDS = 0.1


@dataclass(frozen=True)
class EngineSettings:
    """How the engine is set up.

    Args:
        deadline_ms: the time every hop has, at least; more is safer and costs latency.
        concealment: what is heard in place of a late hop. The captured sound needs one clock and equal rates;
            elsewhere it is silence, and `Status.concealment` says so.
    """

    deadline_ms: float = DEFAULT_DEADLINE_MS
    concealment: Concealment = "dry"
    controls: Controls = field(default_factory=Controls)

    def __post_init__(self) -> None:
        if not 0 <= self.deadline_ms <= 1000:
            raise ValueError(f"the deadline must lie within 0 … 1000 ms, not {self.deadline_ms:g}")


class Engine:
    """Runs a chain on a device that was opened.

    `prepare` makes everything that allocates, `start` begins the sound, `stop` ends it; then it may be started anew.
    `status` and `set_control` may be called from any thread at any time; `tick` a few times a second, from one.
    """

    def __init__(
        self,
        device: Device,
        chain: Plugin,
        settings: EngineSettings | None = None,
        inverse: Plugin | None = None,
        taps: Sequence[Tap] = (),
        source: Source | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._device, self._settings = device, settings or EngineSettings()
        self._path, self._taps, self._source = Path(chain, inverse), tuple(taps), source
        self._controls = self._settings.controls
        self._block_frames, self._blocks_vary = device.block_frames, False
        self._state: State = "stopped"
        self._message = ""
        self._worker: threading.Thread | None = None
        self._ending = False
        self._priority = ""
        self._started_at = self._cpu_at = self._cpu_wall = 0.0
        self._measured_ms: float | None = None
        self._health: Health | None = None
        self.prepare()

    # -- life

    def prepare(self) -> None:
        """Allocate, plan the latency, run a few hops of silence through everything, and go back to silence."""
        plan = self._plan(self._path)
        device = self._device
        same = device.one_clock and device.input_rate == device.output_rate
        self._exchange = Exchange(
            device.input_channels,
            device.output_channels,
            device.input_rate,
            plan.prefill_frames,
            plan.content_delay_frames,
            plan.hop_frames,
            device.output_rate / device.input_rate,
            self._settings.concealment if same else "silence",
            device.one_clock,
            self._clock,
        )
        self._probe = Probe(self._exchange, device.input_rate, device.output_rate, device.one_clock)
        steered = not device.one_clock
        warm = Pipeline(self._exchange, self._path, plan, self._controls, steered)
        silence = np.zeros((self._path.chain.channels, self._path.chain.hop_samples), dtype=np.float32)
        for _ in range(3):
            warm.mixer.process(*self._path.process(silence), self._controls)
        self._path.chain.reset()
        if self._path.inverse is not None:
            self._path.inverse.reset()
        self._pipeline = Pipeline(self._exchange, self._path, plan, self._controls, steered, self._taps, self._source)
        self._state = "prepared"

    def start(self, threaded: bool = True) -> None:
        """Begin the sound. Without a thread of its own the caller runs `step`: a simulation, in its own time.

        Raises: DeviceError where the device cannot be started; the engine is then as it was before.
        """
        if self._state == "running":
            raise RuntimeError("the engine runs already")
        if self._state != "prepared":
            self.prepare()
        self._ending = False
        if threaded:
            self._worker = threading.Thread(target=self._work, name="deshift worker", daemon=True)
            self._worker.start()
        try:
            self._device.start(self._probe, self._exchange.prefill_frames)
        except BaseException:
            self._join(1.0)
            raise
        self._state, self._message = "running", ""
        self._started_at = self._cpu_wall = time.monotonic()
        self._cpu_at = time.process_time()

    def step(self) -> bool:
        """One hop of work, for a caller who started without a thread; False where the input does not suffice."""
        return self._pipeline.step()

    @property
    def plan(self) -> Plan:
        """Rates and latency of what is heard now."""
        return self._pipeline.plan

    def misses(self) -> Misses:
        """The counts so far."""
        return self._exchange.misses()

    def stop(self, limit_s: float = 2.0) -> bool:
        """End the sound within a time limit; False where the sound system or the model hung."""
        stopped = self._device.stop(limit_s)
        joined = self._join(limit_s)
        self._state = "stopped"
        return stopped and joined

    def _join(self, limit_s: float) -> bool:
        self._ending = True
        if self._worker is None:
            return True
        self._exchange.wake()
        self._worker.join(limit_s)
        alive = self._worker.is_alive()
        self._worker = None
        return not alive

    def _work(self) -> None:
        self._priority = raise_priority(WORKER_PRIORITY)
        try:
            while not self._ending:
                if not self._pipeline.step():
                    self._exchange.wait_input(IDLE_SECONDS)
        except Exception as error:  # noqa: BLE001  # the sound goes on as a concealment; the owner is told
            self._state, self._message = "failed", f"the engine's worker ended: {type(error).__name__}: {error}"

    # -- while it runs

    def set_control(self, name: str, value: Any) -> None:
        """Turn a knob of the host, or, with a dot in its name, of the chain: ``mix``, ``0.semitones``.

        Raises: ValueError where there is none, or it does not take the value.
        """
        if "." in name:
            self._pipeline.path.set_control(name, value)
            return
        self._controls = self._controls.change(name, value)
        self._pipeline.controls = self._controls

    def swap(self, chain: Plugin, inverse: Plugin | None = None) -> None:
        """Change to another chain without a click; it should have been loaded and warmed up by the caller."""
        self._path = Path(chain, inverse)
        self._pipeline.swap(self._path, self._plan(self._path))

    def set_source(self, source: Source) -> None:
        """Another sound in the microphone's place, from the next hop on."""
        self._source = self._pipeline.source = source

    def measure(self, limit_s: float = 5.0) -> Measurement:
        """Measure the round trip through a loop-back; meanwhile a chirp and silence are heard.

        The chirp is followed through the raw input's path, which is delayed as the model's is: a model may change it.

        Raises: ProbeError where the engine does not run or the chirp does not come back.
        """
        if self._state != "running":
            raise ProbeError("the round trip can only be measured while the engine runs")
        self._pipeline.controls = Controls(bypass=True, limiter=False)
        try:
            self._probe.begin()
            over = time.monotonic() + limit_s
            while not self._probe.ready:
                if time.monotonic() > over:
                    raise ProbeError("the device stopped while the round trip was measured")
                time.sleep(0.02)
            result = self._probe.result()
        finally:
            self._pipeline.controls = self._controls
        self._measured_ms = result.total_ms
        return result

    def tick(self) -> None:
        """Look after the device: found lost, come back, or moving larger blocks than were planned for."""
        self._health = health = self._device.health()
        if self._state == "running" and not health.running:
            self._state = "lost"
            self._message = health.error or f"the device {self._device.input_name} stopped delivering sound"
        elif self._state == "lost" and health.running:
            self._state, self._message = "running", ""
        if health.block_frames > self._block_frames or health.blocks_vary > self._blocks_vary:
            self._block_frames = max(self._block_frames, health.block_frames)
            self._blocks_vary = health.blocks_vary
            self._pipeline.replan(self._plan(self._pipeline.path))

    def status(self) -> Status:
        """A snapshot; never blocks."""
        pipeline, exchange, plan = self._pipeline, self._exchange, self._pipeline.plan
        chain = pipeline.path.chain
        return Status(
            state=self._state,
            message=self._message,
            elapsed_s=time.monotonic() - self._started_at if self._started_at else 0.0,
            chain=chain.names if isinstance(chain, Chain) else (type(chain).__name__,),
            channels=chain.channels,
            device=device_status(self._device, self._health, self._block_frames, pipeline.ppm),
            latency=latency_of(plan, chain, self._health, self._measured_ms),
            speed=self._speed(),
            misses=exchange.misses(),
            events=exchange.events,
            input_fill_ms=1000 * exchange.input.readable / plan.input_rate,
            output_fill_ms=1000 * (exchange.output.readable + exchange.device_queue_frames) / plan.output_rate,
            input_level=pipeline.input_meter.read(),
            output_level=pipeline.output_meter.read(),
            controls=self._controls,
            concealment=exchange.concealment,
            limited_hops=pipeline.mixer.limiter.limited_hops,
            muted_blocks=chain.muted_blocks if isinstance(chain, Chain) else 0,
            replaced_samples=exchange.replaced_samples,
            faults=faults_of(chain),
            swaps=pipeline.swaps,
            warnings=warnings_of(pipeline, self._device.input_name) if self._state == "running" else (),
        )

    # -- what the status is made of

    def _plan(self, path: Path) -> Plan:
        device, chain = self._device, path.chain
        block = self._block_frames
        into = LiveResampler(device.input_rate, chain.sample_rate, 1).lag_frames(block)
        out = LiveResampler(chain.sample_rate, device.output_rate, 1, not device.one_clock)
        held = into * chain.sample_rate / device.input_rate + out.lag_frames(chain.hop_samples)
        return Plan(
            device.input_rate,
            device.output_rate,
            chain.sample_rate,
            block,
            chain.hop_samples,
            path.latency_samples,
            held,
            self._settings.deadline_ms,
            not device.one_clock,
            self._blocks_vary,
        )

    def _speed(self) -> Speed:
        pipeline = self._pipeline
        p50, p95, p99, most = pipeline.chain_times.percentiles_ms()
        other50, _, other99, _ = pipeline.other_times.percentiles_ms()
        now, cpu = time.monotonic(), time.process_time()
        percent = 100 * (cpu - self._cpu_at) / max(1e-3, now - self._cpu_wall)
        self._cpu_at, self._cpu_wall = cpu, now
        hop_ms = 1000 * pipeline.plan.hop_samples / pipeline.plan.plugin_rate
        return Speed(pipeline.hops, p50, p95, p99, most, p50 / hop_ms, other50, other99, percent)
