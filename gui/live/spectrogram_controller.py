"""Takes the newest sound out of the engine's memory and gives it to the spectrograms, column by column."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from PyQt6.QtCore import QObject, Qt, QTimer

from gui.live.spectrogram_pace import Load, Pace
from gui.widgets.spectrogram import FREQUENCIES_HZ, SpectrogramView
from realtime.live.shared import GUARD_FRAMES, RING_FRAMES, Audio
from realtime.quality.spectrogram import LogSpectrogram

WINDOW_S = 2048 / 48_000
COLUMNS_PER_S = 48_000 / 512
LEAST_COLUMNS_A_TICK = 16  # a backlog is caught up with in the next ticks, so that none takes long
SHORTEST_GAP_COLUMNS = 6
LONGEST_GAP_COLUMNS = 1024


class SpectrogramController(QObject):
    """Rolls the pictures of what comes in and what is heard.

    Where sound is missing, or begins anew, a gap is left, as long as the sound was away.

    Args:
        newest: the last frames, as `Host.newest_audio` gives them; None while nothing runs.
        clock: seconds, steady.
    """

    def __init__(
        self,
        view: SpectrogramView,
        newest: Callable[[int], Audio | None],
        parent: QObject | None = None,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        super().__init__(parent)
        self._view, self._newest, self._clock = view, newest, clock
        self._pace = Pace(clock())
        self._paused = False
        self._pictures: tuple[LogSpectrogram, LogSpectrogram] | None = None
        self._epoch: int | None = None
        self._rate = 0
        self._next = 0  # frame
        self._last_sound_s: float | None = None
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        view.pause_clicked.connect(self.toggle_pause)

    def start(self) -> None:
        """Roll; a session began, or goes on."""
        self._epoch = None
        self._pace.new_session()
        self._pace.interrupted(self._clock())
        self._set_interval()
        self._timer.start()

    def stop(self) -> None:
        """Hold still; what was drawn stays."""
        self._timer.stop()
        self._view.set_rate_text("")

    def toggle_pause(self) -> None:
        """Hold the pictures, or roll on; what was heard meanwhile comes after, as far back as the engine remembers."""
        self._paused = not self._paused
        self._view.set_paused(self._paused)
        self._pace.interrupted(self._clock())
        self._view.set_rate_text("held" if self._paused else self._pace.text)

    @property
    def frames_per_second(self) -> int:
        """How often the pictures are to be drawn now."""
        return self._pace.frames_per_second

    def set_load(self, rtf: float, misses: int) -> None:
        """The engine's real-time factor and its misses so far, about once a second."""
        self._pace.load(Load(rtf, misses))

    def tick(self) -> None:
        """Draw what is new."""
        began_s = self._clock()
        if self._paused or not self._view.isVisible():
            self._pace.interrupted(began_s)
            return
        self._take()
        before = self._pace.frames_per_second
        ended_s = self._clock()
        self._pace.frame(ended_s, ended_s - began_s + self._view.take_paint_s())
        if self._pace.frames_per_second != before:
            self._set_interval()

    # -- parts

    def _set_interval(self) -> None:
        self._timer.setInterval(1000 // self._pace.frames_per_second)
        self._view.set_rate_text("held" if self._paused else self._pace.text)

    def _take(self) -> None:
        audio = self._unseen()
        if audio is None or not audio.sample_rate:
            return
        now_s = self._clock()
        known = audio.epoch == self._epoch and audio.sample_rate == self._rate
        if not known or audio.start + audio.frames < self._next:
            away_s = 0.0 if self._last_sound_s is None else now_s - self._last_sound_s
            self._begin(audio, away_s - audio.frames / audio.sample_rate)
        elif audio.start > self._next:
            self._begin(audio, (audio.start - self._next) / audio.sample_rate)
        skip = max(0, self._next - audio.start)
        if audio.frames > skip:
            self._last_sound_s = now_s
            self._draw(audio, skip)

    def _unseen(self) -> Audio | None:
        """From the next frame on, or what there is; a short look first, since a long one costs time."""
        wanted = int(self._rate * 2 / self._pace.frames_per_second)
        audio = self._newest(wanted)
        if audio is None or self._epoch is None:
            return audio
        if audio.epoch != self._epoch:
            away_s = 0.0 if self._last_sound_s is None else self._clock() - self._last_sound_s
            wanted += int(away_s * audio.sample_rate)
        elif audio.start > self._next:
            wanted += audio.start - self._next + wanted
        else:
            return audio
        return self._newest(min(wanted, RING_FRAMES - GUARD_FRAMES))

    def _begin(self, audio: Audio, away_s: float) -> None:
        """Leave a gap, and let the sound start from silence after it."""
        first = self._pictures is None
        self._epoch, self._next = audio.epoch, audio.start
        if audio.sample_rate != self._rate or self._pictures is None:
            self._rate = audio.sample_rate
            self._pictures = _picture(self._rate), _picture(self._rate)
            self._view.set_column_time(self._pictures[0].column_s)
        for picture in self._pictures:
            picture.reset()
        if not first:
            columns = round(away_s * COLUMNS_PER_S)
            self._view.append_gap(min(max(columns, SHORTEST_GAP_COLUMNS), LONGEST_GAP_COLUMNS))

    def _draw(self, audio: Audio, skip: int) -> None:
        assert self._pictures is not None
        columns_a_tick = max(LEAST_COLUMNS_A_TICK, round(2 * COLUMNS_PER_S / self.frames_per_second))
        most = columns_a_tick * self._pictures[0].hop_samples
        stretch = slice(skip, min(audio.frames, skip + most))
        self._next = audio.start + stretch.stop
        raw, heard = (audio.signals[name][stretch] for name in ("raw", "heard"))
        columns = [picture.columns(sound) for picture, sound in zip(self._pictures, (raw, heard), strict=True)]
        if columns[0].shape[1]:
            self._view.append(columns[0], columns[1])


def _picture(sample_rate: int) -> LogSpectrogram:
    """The same window and hop in seconds at any rate."""
    return LogSpectrogram(
        sample_rate,
        low_hz=float(FREQUENCIES_HZ[0]),
        high_hz=float(FREQUENCIES_HZ[-1]),
        rows=len(FREQUENCIES_HZ),
        window_samples=round(WINDOW_S * sample_rate),
        hop_samples=round(sample_rate / COLUMNS_PER_S),
    )
