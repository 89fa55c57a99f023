"""The training loop: one batch a step, checked, logged, saved; it stops when asked and goes on where it stopped."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training import checkpoint
from training.adversary import Adversary
from training.checkpoint import Checkpoint
from training.crops import Audio, Crops
from training.logbook import Logbook
from training.losses import DeshiftLoss
from training.machine import Machine, versions
from training.models import Model, build
from training.optimizers import Optimizers
from training.recipes import Recipe
from training.settings import DataFacts, TrainingError, TrainSettings, changed_keys
from training.spectrogram_unet import HOP as SPECTROGRAM_HOP
from training.validation import Clip, Scores, restore, score

LAST, BEST = "last.safetensors", "best.safetensors"
PROBE, PROBE_CLIPS = "probe.flac", 4  # real shifted sound, for the certificate of an exported file
LISTENED_CLIPS = 3


@dataclass(frozen=True)
class Progress:
    """What the terminal shows after a step; times in seconds."""

    step: int
    steps: int
    loss: float
    seconds_per_step: float
    scores: Scores | None = None
    floor: Scores | None = None


class Trainer:
    """One run in one folder: ``last.safetensors`` to go on from, ``best.safetensors`` (lowest MR-STFT) to use.

    Args:
        crops: batches by step; clips: what is validated on; facts: of the data, kept in every checkpoint.
        folder: of the run; machine: device and process; sample_rate: Hz.
    """

    def __init__(
        self,
        recipe: Recipe,
        settings: TrainSettings,
        facts: DataFacts,
        crops: Crops,
        clips: Sequence[Clip],
        folder: Path,
        machine: Machine,
    ) -> None:
        self.recipe, self.settings, self.facts = recipe, settings, facts
        self.crops, self.clips, self.folder, self.machine = crops, clips, folder, machine
        torch.manual_seed(settings.seed)
        self.model: Model = build(recipe).to(machine.device)
        stage = settings.adversarial
        mel_weight = stage.mel_weight if stage else 1.0
        self.loss = DeshiftLoss(facts.pairs.sample_rate, settings.l1_weight, mel_weight).to(machine.device)
        self.optimizers = Optimizers(
            self.model, settings.muon_lr, settings.adamw_lr, settings.optimizer == "muon", settings.adamw_betas
        )
        self.adversary = Adversary(stage, settings, machine) if stage else None
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()} if settings.ema else {}
        self.origin: dict[str, Any] | None = None
        self.step = 0
        self.seconds = 0.0
        self.best_mr_stft = float("inf")
        self._stop = False

    def start_from(self, path: Path) -> None:
        """Take released weights; the optimisers and the step count start anew, where they came from is remembered."""
        checkpoint.put_weights(self.model, checkpoint.read_weights(path), path)
        self.origin = checkpoint.read_origin(path)
        for name in self.average:
            self.average[name].copy_(self.model.state_dict()[name])
        if self.adversary:
            self.adversary.start_from(checkpoint.read_adversary(path), path)

    def resume(self) -> None:
        """Go on as if the run had never stopped. Raises: TrainingError if its recipe or settings were others."""
        saved = checkpoint.load(self.folder / LAST)
        mine = self._fixed_facts()
        for name in ("recipe", "settings", "data"):
            theirs, ours = saved.facts[name], mine[name]
            changed = changed_keys(theirs, ours)
            if changed:
                raise TrainingError(
                    f"{self.folder} was trained with another {name} ({', '.join(changed)} differ): give the same "
                    f"again, or start a new run with --init {self.folder}"
                )
        self.model.load_state_dict(saved.weights)
        self.optimizers.load_state(saved.optimizer)
        if self.adversary:
            self.adversary.load_state(saved.adversary)
        self.average = {name: value.to(self.machine.device) for name, value in saved.ema.items()}
        self.step, self.seconds = saved.facts["step"], saved.facts["seconds"]
        self.origin = saved.facts["origin"]
        self.best_mr_stft = saved.facts["best_mr_stft"]

    def run(self, report: Callable[[Progress], None], time_limit: float | None = None) -> bool:
        """Train to the last step, a signal or the time limit (s), and save. Returns: whether the last step was reached.

        Raises: TrainingError, with the step, when the loss or a gradient stops being a number; the last good
        checkpoint stays.
        """
        logbook = Logbook(self.folder, self.step, self.facts.pairs.sample_rate) if self.machine.leads else None
        started = time.monotonic()
        try:
            with self._stopping_on_signals():
                if logbook:
                    self._leave_probe()
                floor = self._floor(logbook)
                trained = self._trained_model()
                for shifted, original, semitones in self._batches():
                    begun = time.monotonic()
                    figures = self._learn(trained, shifted, original, semitones)
                    self.step += 1
                    self.seconds += time.monotonic() - begun
                    over = time_limit is not None and time.monotonic() - started > time_limit
                    last = self.machine.any(self._stop or over) or self.step == self.settings.steps
                    scores = self._after_step(logbook, figures, last)
                    seconds = time.monotonic() - begun
                    report(Progress(self.step, self.settings.steps, figures["loss"], seconds, scores, floor))
                    if last:  # not self._stop: a signal that came after the save waits for the next step
                        break
        finally:
            if logbook:
                logbook.close()
        return self.step == self.settings.steps

    def _learn(self, trained: nn.Module, shifted: Tensor, original: Tensor, semitones: Tensor) -> dict[str, float]:
        rate = self.settings.rate_factor(self.step)
        with self.machine.autocast(self.settings.precision):
            heard = trained(shifted, semitones) if self.recipe.conditioned else trained(shifted)
        estimate = heard.float()
        loss = self.loss(estimate, original)
        figures = {"loss": loss.total, "mel": loss.mel, "l1": loss.l1}
        if self.adversary:
            figures |= self.adversary.play(estimate, original, rate)
            figures["loss"] = loss.total + figures["adversarial"]
        figures["loss"].backward()
        figures["gradient_norm"] = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        values = {name: float(self.machine.mean(value.detach())) for name, value in figures.items()}
        for name, value in values.items():
            if not abs(value) < float("inf"):
                told = f"step {self.step + 1}: the {name.replace('_', ' ')} is {value}"
                raise TrainingError(f"{told}; {self._advice()}")
        self.optimizers.step(rate)
        if self.average:
            self._update_average()
        return {**values, "rate_factor": rate}

    def _advice(self) -> str:
        """What to do when a run has broken down."""
        kept = f"the last good checkpoint in {self.folder} stays as it is" if (self.folder / LAST).exists() else ""
        start = f"start anew with --init {self.folder}" if kept else "start anew"
        return f"{kept or 'nothing was saved yet'}. Lower the learning rates or the clip and {start}"

    @torch.no_grad()
    def _update_average(self) -> None:
        # The first steps count more than their share would say, or the average would remember the random start.
        keep = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)

    def _after_step(self, logbook: Logbook | None, figures: dict[str, float], last: bool) -> Scores | None:
        """Log, validate and save as this step asks for. Every process comes here; only the leading one writes."""
        validating = last or self.step % self.settings.validate_every == 0
        scores = None
        if logbook:
            logbook.write(self.step, "train", figures)
            if validating:
                scores = self._validate(logbook)
                self._save(scores)
        if validating:
            self.machine.wait_for_all()
        return scores

    def _validate(self, logbook: Logbook) -> Scores:
        weights = self.model.state_dict()
        kept = {name: value.clone() for name, value in weights.items()} if self.average else {}
        if self.average:
            self.model.load_state_dict(self.average)
        device = self.machine.device
        estimates = [restore(self.model, self.fit(clip.shifted), clip.semitones, device) for clip in self.clips]
        if kept:
            self.model.load_state_dict(kept)
        if not all(np.isfinite(estimate).all() for estimate in estimates):
            raise TrainingError(f"step {self.step}: the output of the model is no longer a number; {self._advice()}")
        clips = [Clip(clip.name, self.fit(clip.shifted), self.fit(clip.original)) for clip in self.clips]
        scores = score(estimates, clips, self.facts.pairs.sample_rate)
        logbook.write(self.step, "validation", asdict(scores))
        for clip, estimate in list(zip(clips, estimates, strict=True))[:LISTENED_CLIPS]:
            sounds = {"input": clip.shifted, "output": estimate, "original": clip.original}
            logbook.listen(self.step, clip.name, sounds)
        return scores

    def _floor(self, logbook: Logbook | None) -> Scores | None:
        """What doing nothing scores, on the same clips."""
        if not logbook:
            return None
        clips = [Clip(clip.name, self.fit(clip.shifted), self.fit(clip.original)) for clip in self.clips]
        floor = score([clip.shifted for clip in clips], clips, self.facts.pairs.sample_rate)
        if self.step == 0:
            logbook.write(0, "floor", asdict(floor))
        return floor

    def _leave_probe(self) -> None:
        shifted = np.concatenate([clip.shifted[0] for clip in self.clips[:PROBE_CLIPS]])
        soundfile.write(self.folder / PROBE, shifted, self.facts.pairs.sample_rate, subtype="PCM_24")

    def fit(self, audio: Audio) -> Audio:
        """The log cut one hop off for its spectrogram model, so that no frame is padding."""
        return audio[..., :-SPECTROGRAM_HOP] if self.recipe.kind == "spectrogram" else audio

    def _save(self, scores: Scores) -> None:
        best = scores.mr_stft < self.best_mr_stft
        self.best_mr_stft = min(self.best_mr_stft, scores.mr_stft)
        facts = {
            **self._fixed_facts(),
            "step": self.step,
            "seconds": self.seconds,
            "origin": self.origin,
            "best_mr_stft": self.best_mr_stft,
            "validation": asdict(scores),
            "versions": versions(),
        }
        weights = self.model.state_dict()
        adversary = self.adversary.state() if self.adversary else {}
        whole = Checkpoint(weights, self.average, self.optimizers.state(), facts, adversary)
        checkpoint.save(self.folder / LAST, whole)
        if best:
            checkpoint.save(self.folder / BEST, Checkpoint(self.average or weights, {}, {}, facts))

    def _fixed_facts(self) -> dict[str, Any]:
        facts = {
            "recipe": self.recipe.to_json(),
            "settings": self.settings.to_json(),
            "data": self.facts.to_json(),
        }
        return checkpoint.as_json(facts)

    def _trained_model(self) -> nn.Module:
        """The model as the loop calls it: compiled and spread over processes where that was asked for."""
        model = torch.compile(self.model) if self.settings.compile else self.model
        assert isinstance(model, nn.Module)
        return DistributedDataParallel(model) if self.machine.world > 1 else model

    def _batches(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Batches from this step on, read ahead by threads; none for a finished run that is resumed."""
        waiting: list[Future[tuple[Audio, Audio, Audio]]] = []
        with ThreadPoolExecutor(self.settings.readers) as readers:
            step = self.step
            try:
                while self.step < self.settings.steps:
                    while len(waiting) <= self.settings.readers:
                        waiting.append(readers.submit(self.crops.batch, step, self.machine.rank, self.machine.world))
                        step += 1
                    shifted, original, semitones = waiting.pop(0).result()
                    parts = (self.fit(shifted), self.fit(original), semitones)
                    yield tuple(self.machine.tensor(part) for part in parts)  # type: ignore[misc]
            finally:
                for future in waiting:
                    future.cancel()

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end the run after the step in hand, which is saved; a second one ends it at once."""

        def ask(number: int, frame: FrameType | None) -> None:
            if self._stop:
                signal.default_int_handler(number, frame)
            self._stop = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
