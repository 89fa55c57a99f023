"""The waveform: true to the samples at every zoom, and cheap at any length."""

import time
from collections.abc import Iterator

import numpy as np
import pyqtgraph as pg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtGui import QColor
from pytestqt.qtbot import QtBot

from gui.widgets import waveform_envelope
from gui.widgets.waveform import Waveform
from gui.widgets.waveform_envelope import Envelope, EnvelopeBuilder
from tests.signals import noise, tone

RATE = 1000


def envelope_of(audio: np.ndarray, rate: int = RATE, claimed: int | None = None, cut: int = 511) -> Envelope:
    builder = EnvelopeBuilder(rate, audio.shape[1] if claimed is None else claimed)
    for start in range(0, audio.shape[1], cut):
        builder.add(audio[:, start : start + cut])
    return builder.finish()


@pytest.mark.parametrize("frames", [0, 1, 65, 511, 513, 8193])
@pytest.mark.parametrize("cut", [1, 64, 10_000])
def test_the_outline_is_that_of_the_samples_however_they_come(frames: int, cut: int) -> None:
    audio = np.stack([noise(frames, 1), noise(frames, 2)])
    found = envelope_of(audio, cut=cut)
    assert found.frames == frames and found.duration_s == frames / RATE
    assert found.levels[0].shape == (2, frames)
    np.testing.assert_array_equal(found.levels[0], np.stack([audio.min(axis=0), audio.max(axis=0)]))


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, 3000), level=st.integers(0, 6))
def test_each_level_holds_the_outermost_samples_of_its_bins(frames: int, level: int) -> None:
    audio = noise(frames, seed=frames)
    levels = envelope_of(audio[None]).levels
    size = 2 ** min(level, len(levels) - 1)
    expected = [(part.min(), part.max()) for part in np.split(audio, range(size, frames, size))]
    np.testing.assert_array_equal(levels[min(level, len(levels) - 1)].T, expected)


def test_a_header_that_lies_about_the_length_only_makes_bins_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveform_envelope, "MOST_BINS", 256)
    audio = noise(8193)[None]
    found = envelope_of(audio, claimed=0, cut=511)
    size = found.bin_samples
    assert size > 1 and found.levels[0].shape[1] <= 3 * 256
    expected = [part.max() for part in np.split(audio[0], range(size, 8193, size))]
    np.testing.assert_array_equal(found.levels[0][1], expected)


def test_what_is_drawn_of_a_stretch_covers_it_with_enough_bins_and_not_too_many() -> None:
    found = envelope_of(noise(100_000)[None])
    for from_s, to_s in ((0.0, 100.0), (20.0, 30.0), (50.0, 50.2), (-5.0, 200.0)):
        times_s, bounds = found.outline(from_s, to_s, 500)
        inside = min(to_s, 100.0) - max(from_s, 0.0)
        assert len(times_s) == bounds.shape[1] <= 2 * 500 + 4
        assert len(times_s) >= min(500 * inside / (to_s - from_s), inside * RATE) - 4
        assert times_s[0] <= max(from_s, 0.0) + 0.2 and times_s[-1] >= min(to_s, 100.0) - 0.2


@pytest.fixture
def plot(qtbot: QtBot) -> Iterator[pg.ViewBox]:
    widget = pg.GraphicsView()
    qtbot.addWidget(widget)
    view = pg.ViewBox(enableMenu=False)
    widget.setCentralItem(view)
    widget.setBackground("#000000")
    widget.resize(400, 100)
    view.setYRange(-1, 1, padding=0)
    widget.show()
    qtbot.waitExposed(widget)
    view.test_widget = widget
    yield view


def lit(view: pg.ViewBox) -> np.ndarray:
    """Which pixels are not black: ``(height, width)``."""
    image = view.test_widget.grab().toImage()
    rows = [[QColor(image.pixel(x, y)).lightness() > 30 for x in range(image.width())] for y in range(image.height())]
    return np.array(rows)


def test_the_picture_is_high_where_the_sound_is_loud(plot: pg.ViewBox) -> None:
    audio = np.concatenate([tone(100, 2000, RATE, 0.1), tone(100, 2000, RATE, 0.9)])
    waveform = Waveform(plot, "#ffffff")
    waveform.set_envelope(envelope_of(audio[None]))
    plot.setXRange(0, 4, padding=0)
    heights = lit(plot).sum(axis=0)
    assert np.median(heights[20:180]) == pytest.approx(10, abs=4)
    assert np.median(heights[220:380]) == pytest.approx(90, abs=6)


def test_a_shifted_waveform_is_drawn_later(plot: pg.ViewBox) -> None:
    audio = np.zeros((1, 4000), np.float32)
    audio[0, 1000] = 1.0
    waveform = Waveform(plot, "#ffffff")
    waveform.set_envelope(envelope_of(audio), shift_s=1.0)
    plot.setXRange(0, 4, padding=0)
    assert int(np.argmax(lit(plot)[10])) == pytest.approx(200, abs=2)


def test_an_hour_is_drawn_within_16_ms_at_every_zoom(plot: pg.ViewBox) -> None:
    builder = EnvelopeBuilder(48_000, 3600 * 48_000)
    block = noise(1 << 20)[None]
    for _ in range(3600 * 48_000 >> 20):
        builder.add(block)
    waveform = Waveform(plot, "#ffffff")
    waveform.set_envelope(builder.finish())
    for width_s in (3600.0, 600.0, 60.0, 5.0, 0.5, 0.05):
        plot.setXRange(100, 100 + width_s / 2, padding=0)
        started = time.thread_time()
        plot.setXRange(100, 100 + width_s, padding=0)
        assert time.thread_time() - started < 0.016
        assert 0 < waveform.drawn_points() <= 2 * (2 * 400 + 4)


def test_without_a_sound_nothing_is_drawn(plot: pg.ViewBox) -> None:
    waveform = Waveform(plot, "#ffffff")
    waveform.set_envelope(envelope_of(tone(100, 1000, RATE)[None]))
    waveform.set_envelope(None)
    assert waveform.drawn_points() == 0 and not lit(plot).any()
