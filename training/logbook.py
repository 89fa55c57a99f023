"""Where a run writes what happened: metrics.jsonl for programs, TensorBoard for people."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # a run may have no screen
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

Audio = NDArray[np.float32]


class Logbook:
    """Appends to ``folder/metrics.jsonl`` and ``folder/tensorboard``; lines after `step` are cut off, so that a
    resumed run does not tell the same step twice."""

    def __init__(self, folder: Path, step: int, sample_rate: int) -> None:
        self._path = folder / "metrics.jsonl"
        self._sample_rate = sample_rate
        if self._path.exists():
            written = self._path.read_text().splitlines(keepends=True)
            whole = [line for line in written if line.endswith("\n")]  # a kill may have cut the last one short
            kept = [line for line in whole if step and json.loads(line)["step"] <= step]
            partial = self._path.with_name("metrics.jsonl.part")
            partial.write_text("".join(kept))
            partial.replace(self._path)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def write(self, step: int, kind: str, figures: Mapping[str, Any]) -> None:
        """One line; numbers become scalars ``kind/name`` in TensorBoard."""
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, "kind": kind, **figures}) + "\n")
        for name, value in figures.items():
            if isinstance(value, int | float):
                self._board.add_scalar(f"{kind}/{name}", value, step)

    def listen(self, step: int, name: str, sounds: Mapping[str, Audio]) -> None:
        """Sounds ``(1, T)`` of one clip, to play and to look at."""
        for title, audio in sounds.items():
            self._board.add_audio(f"{name}/{title}", np.clip(audio, -1, 1), step, sample_rate=self._sample_rate)
        figure = spectrograms(sounds, self._sample_rate)
        self._board.add_figure(f"{name}/spectrograms", figure, step)
        plt.close(figure)

    def close(self) -> None:
        self._board.close()


def spectrograms(sounds: Mapping[str, Audio], sample_rate: int) -> Figure:
    """One picture, a row for each sound ``(1, T)``: time in s, frequency in kHz, level in dB on one scale."""
    figure, axes = plt.subplots(len(sounds), 1, figsize=(8, 2 * len(sounds)), sharex=True, squeeze=False)
    for axis, (title, audio) in zip(axes[:, 0], sounds.items(), strict=True):
        padded = np.concatenate([audio[0], np.zeros(max(0, 2048 - audio.shape[1]), np.float32)])
        frames = np.lib.stride_tricks.sliding_window_view(padded, 2048)[::512]
        spectrum = np.abs(np.fft.rfft(frames * np.hanning(2048))).T / 512
        axis.imshow(
            20 * np.log10(spectrum + 1e-6),
            origin="lower",
            aspect="auto",
            cmap="cividis",
            vmin=-90,
            vmax=-20,
            extent=(0, audio.shape[1] / sample_rate, 0, sample_rate / 2000),
        )
        axis.set_ylabel(f"{title}\nkHz")
    axes[-1, 0].set_xlabel("s")
    figure.tight_layout()
    return figure
