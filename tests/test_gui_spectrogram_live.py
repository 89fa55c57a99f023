"""The rolling spectrograms of a session: fed from the engine's memory, thinned out under load, gaps left open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from gui.live.spectrogram_controller import LEAST_COLUMNS_A_TICK, SHORTEST_GAP_COLUMNS, SpectrogramController
from gui.live.spectrogram_pace import RATES
from gui.widgets.spectrogram import FREQUENCIES_HZ, SpectrogramView
from realtime.live.host import Host
from realtime.live.shared import RING_FRAMES, SharedMemory
from realtime.quality.spectrogram import LogSpectrogram
from tests.live_session import half_into_nowhere, wait_for_sound
from tests.signals import SAMPLE_RATE, noise, tone
from tests.spectrogram_parts import Clock, plots_of


class Session:
    """The engine's memory, written by the test, and the controller that reads it, ticked by the test."""

    def __init__(self, view: SpectrogramView, sample_rate: int = SAMPLE_RATE) -> None:
        self.view, self.clock = view, Clock()
        self.shared = SharedMemory.create()
        self.shared.begin_audio(sample_rate, False)
        self.sample_rate = sample_rate
        self.controller = SpectrogramController(view, self.shared.newest_audio, view, self.clock)
        self.controller.start()
        self.controller.tick()  # what was before the start is not shown

    def play(self, raw: np.ndarray, heard: np.ndarray | None = None, block: int = 4096) -> None:
        """Write, without a look between."""
        heard = raw if heard is None else heard
        for at in range(0, len(raw), block):
            part = slice(at, at + block)
            self.shared.write_audio(raw[part], heard[part], heard[part], np.zeros_like(raw[part]))
        self.clock.now_s += len(raw) / self.sample_rate

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.controller.tick()

    def end(self) -> None:
        self.controller.stop()
        self.shared.close()

    def levels(self, which: int, columns: int) -> np.ndarray:
        """``(R, columns)``: what the picture holds, the newest last."""
        image = plots_of(self.view).images[which]
        rows = range(len(FREQUENCIES_HZ))
        return np.array([[image.level_db(age, row) for age in range(columns)[::-1]] for row in rows], np.float32)


@pytest.fixture
def view(qtbot: QtBot) -> SpectrogramView:
    made = SpectrogramView()
    qtbot.addWidget(made)
    made.resize(600, 300)
    made.show()
    qtbot.waitExposed(made)
    return made


@pytest.fixture
def session(view: SpectrogramView) -> Iterator[Session]:
    made = Session(view)
    yield made
    made.end()


# -- sound


@pytest.mark.parametrize("size", [1, 65, 511, 513, 8193])
def test_looks_of_any_length_show_every_column_once(session: Session, size: int) -> None:
    raw, heard = noise(9000, 1), noise(9000, 2)
    step = size if size > 1 else 500
    if size == 1:
        session.play(raw[:1], heard[:1])
        session.tick()
        raw, heard = raw[1:], heard[1:]
    for at in range(0, len(raw), step):
        session.play(raw[at : at + step], heard[at : at + step])
        session.tick(2)  # the second finds nothing new
    for which, seed in ((0, 1), (1, 2)):
        expected = LogSpectrogram(SAMPLE_RATE).columns(noise(9000, seed))
        np.testing.assert_allclose(session.levels(which, expected.shape[1]), expected, atol=1e-3)
        assert np.isnan(session.levels(which, expected.shape[1] + 1)[:, 0]).all(), "and nothing before it"


@pytest.mark.parametrize("sample_rate", [16_000, 44_100, 96_000])
def test_any_rate_is_shown_at_its_frequency_and_in_its_time(view: SpectrogramView, sample_rate: int) -> None:
    session = Session(view, sample_rate)
    for _ in range(10):
        session.play(tone(997, sample_rate // 10, sample_rate, level=1.0)[: sample_rate // 10])
        session.tick()
    shown = session.levels(0, 60)
    strongest = FREQUENCIES_HZ[shown[:, 40].argmax()]
    assert abs(np.log2(strongest / 997)) < 1.2 * np.log2(FREQUENCIES_HZ[1] / FREQUENCIES_HZ[0])
    plots = plots_of(view)
    assert plots.column_s == pytest.approx(512 / 48_000, rel=0.01)
    total = np.flatnonzero(~np.isnan(session.levels(0, 120)[0]))
    assert len(total) * plots.column_s == pytest.approx(1.0, abs=2 * plots.column_s)
    session.end()


def test_a_new_beginning_leaves_a_gap(session: Session) -> None:
    session.play(noise(5120))
    session.tick()
    session.shared.begin_audio(SAMPLE_RATE, False)
    session.play(noise(5120))
    session.tick()
    known = ~np.isnan(session.levels(0, 10 + SHORTEST_GAP_COLUMNS + 10)[0])
    np.testing.assert_array_equal(known, [True] * 10 + [False] * SHORTEST_GAP_COLUMNS + [True] * 10)
    expected = LogSpectrogram(SAMPLE_RATE).columns(noise(5120))
    np.testing.assert_allclose(session.levels(0, 10), expected, atol=1e-3, err_msg="the new sound begins from silence")


def test_a_pause_of_the_engine_is_a_gap_as_long_as_it_was(session: Session) -> None:
    session.play(noise(5120))
    session.tick()
    session.clock.now_s += 2.0
    session.shared.begin_audio(SAMPLE_RATE, False)
    session.play(noise(512))
    session.tick()
    known = ~np.isnan(session.levels(0, 250)[0])
    gap = np.flatnonzero(known)[-1] - np.flatnonzero(known)[-2] - 1
    assert gap == pytest.approx(2.0 * 93.75, abs=1)


def test_what_was_overwritten_before_it_was_seen_is_a_gap_of_its_length(session: Session) -> None:
    session.play(noise(5120))
    session.tick()
    lost = RING_FRAMES + 100 * 512
    session.play(np.zeros(lost, np.float32), block=65_536)
    session.tick()
    missing = (lost - (RING_FRAMES - 65_536)) / 512
    known = ~np.isnan(session.levels(0, 400)[0])
    edges = np.flatnonzero(np.diff(known.astype(int)))
    assert np.diff(edges)[-1] == pytest.approx(missing, abs=1)


def test_a_screen_that_stood_still_catches_up_in_ticks_that_stay_short(session: Session) -> None:
    audio = noise(3 * SAMPLE_RATE)
    session.play(audio)
    seen = []
    for _ in range(24):
        session.tick()
        seen.append(int((~np.isnan(session.levels(0, 300)[0])).sum()))
    assert seen[0] <= LEAST_COLUMNS_A_TICK and max(np.diff(seen)) <= LEAST_COLUMNS_A_TICK
    expected = LogSpectrogram(SAMPLE_RATE).columns(audio)
    assert seen[-1] == expected.shape[1]
    np.testing.assert_allclose(session.levels(0, expected.shape[1]), expected, atol=1e-3)


def test_a_held_picture_takes_up_what_was_heard_meanwhile(session: Session, view: SpectrogramView) -> None:
    audio = noise(2 * SAMPLE_RATE)
    session.play(audio[:5120])
    session.tick()
    view.pause_clicked.emit()
    session.play(audio[5120:])
    before = session.levels(0, 50)
    session.tick(10)
    np.testing.assert_array_equal(session.levels(0, 50), before)
    session.controller.toggle_pause()
    session.tick(16)
    expected = LogSpectrogram(SAMPLE_RATE).columns(audio)
    np.testing.assert_allclose(session.levels(0, expected.shape[1]), expected, atol=1e-3)
    assert session.controller.frames_per_second == RATES[0], "to wait on purpose is not to be late"


def test_a_hidden_view_costs_nothing_and_catches_up_when_it_is_shown(session: Session, view: SpectrogramView) -> None:
    view.hide()
    session.play(noise(5120))
    session.tick()
    assert np.isnan(session.levels(0, 10)).all()
    view.show()
    session.tick()
    assert not np.isnan(session.levels(0, 10)).any()


def test_nothing_runs_and_nothing_is_drawn(view: SpectrogramView) -> None:
    controller = SpectrogramController(view, lambda frames: None, view)
    controller.start()
    controller.tick()
    controller.stop()
    assert np.isnan([plots_of(view).images[0].level_db(age, 5) for age in range(10)]).all()


def test_a_live_session_is_seen_with_its_output_level_under_its_input(
    view: SpectrogramView, qtbot: QtBot, tmp_path: Path
) -> None:
    with Host(half_into_nowhere(tmp_path)) as host:
        wait_for_sound(host)
        controller = SpectrogramController(view, host.newest_audio, view)
        controller.start()
        image = [plots_of(view).images[which] for which in (0, 1)]
        qtbot.waitUntil(lambda: not np.isnan(image[0].level_db(60, 96)), timeout=15_000)
        controller.stop()
        input_db, output_db = (
            np.array([[part.level_db(age, row) for age in range(40)] for row in range(192)]) for part in image
        )
    loud = input_db > -70
    assert loud.any()
    np.testing.assert_allclose(output_db[loud], input_db[loud] - 6.02, atol=0.1, err_msg="half of it, at the same time")


# -- load


def test_the_controller_thins_out_and_says_so(session: Session, view: SpectrogramView) -> None:
    texts = []
    view.set_rate_text = texts.append  # type: ignore[method-assign]
    session.controller.set_load(0.3, 0)
    session.controller.set_load(0.3, 5)
    for _ in range(40):
        session.play(noise(1600))
        session.tick()
    assert session.controller.frames_per_second == 15 and texts[-1] == "15 fps: sound comes first"
    assert session.controller._timer.interval() == 66
    session.controller.set_load(0.3, 5)
    for _ in range(200):
        session.play(noise(3200))
        session.tick()
        if session.controller.frames_per_second == 30:
            break
    assert texts[-1] == "30 fps" and session.controller._timer.interval() == 33
    session.controller.stop()
    assert texts[-1] == "" and not session.controller._timer.isActive()


def test_misses_of_another_session_are_no_load_on_this_one(session: Session) -> None:
    session.controller.set_load(0.3, 0)
    session.controller.start()
    session.controller.set_load(0.3, 9)
    for _ in range(40):
        session.play(noise(1600))
        session.tick()
    assert session.controller.frames_per_second == 30
