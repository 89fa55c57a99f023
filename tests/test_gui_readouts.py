"""The readouts of a live session, shown from what real engines say."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from PyQt6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from gui import theme
from gui.live.quality import NOT_YET, QualityPanel
from gui.live.readouts import LevelPair, LiveHistory, ReadoutsPanel
from gui.live.readouts_history import RISING_S, Chronicle, Rising
from realtime.live.exchange import Event, Misses
from realtime.live.host import Host
from realtime.live.host_status import LiveStatus
from realtime.live.status import Latency, Speed, Status
from tests.live_session import half_into_nowhere, is_alive, pid_of, wait_for_sound, wait_until
from tests.statuses import live_statuses

pytestmark = pytest.mark.real_time

FRAME_MS = 16.0
STATUS_MS = 4.0


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[LiveStatus]:
    """Statuses of one real session: running, and with quality figures; killed, back, and with another model."""
    folder = tmp_path_factory.mktemp("session")
    statuses = []
    with Host(replace(half_into_nowhere(folder), quality=True)) as host:
        wait_for_sound(host)
        wait_until(
            lambda: (quality := host.status().quality) is not None and quality.reference.mel_distance is not None
        )
        statuses.append(host.status())
        pid = pid_of(host)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: host.status().engine.state == "lost" or host.status().restarts > 0)
        statuses.append(host.status())
        wait_until(lambda: not is_alive(pid) and host.status().engine.state == "running")
        wait_for_sound(host)
        statuses.append(host.status())
        host.swap(folder / "half.onnx")
        wait_until(lambda: host.status().engine.swaps > 0)
        statuses.append(host.status())
    return statuses


@pytest.fixture
def panel(qtbot: QtBot) -> ReadoutsPanel:
    panel = ReadoutsPanel()
    qtbot.addWidget(panel)
    return panel


def median_ms(work: Callable[[int], None], qapp: QApplication, times: int = 31) -> float:
    """Of this thread's processor for the work and the painting after it: other programs are not counted."""
    taken = []
    for turn in range(times):
        began = time.thread_time()
        work(turn)
        qapp.processEvents()
        taken.append(1000 * (time.thread_time() - began))
    return sorted(taken)[times // 2]


# -- readouts


def test_a_running_session_is_told_in_full(told: list[LiveStatus], panel: ReadoutsPanel) -> None:
    status = told[0]
    panel.show_status(status, 0.0)
    latency, speed = status.engine.latency, status.engine.speed
    assert latency is not None
    assert latency.total_ms is not None
    assert panel.latency.total.text() == f"{latency.total_ms:.1f} ms"
    assert f"p99 {speed.p99_ms:.2f}" in panel.rows.text("Model")
    assert panel.rows.text("Load") == f"RTF {speed.rtf:.2f} · CPU {speed.cpu_percent:.0f} %"
    assert panel.rows.text("Device") == "none"
    assert panel.rows.text("Format").startswith("48 kHz · block 256")
    assert panel.rows.text("Clock").startswith("one clock · 0 xruns")
    assert panel.output_fill.format() == f"out {status.engine.output_fill_ms:.0f} ms"
    share = panel.output_fill.value() / panel.output_fill.maximum()
    assert 0.2 < share < 0.8, "the planned fill lies in the middle of the bar"


def test_rising_misses_are_shown_and_calm_down(panel: ReadoutsPanel) -> None:
    misses = (0, 0, 2, 2, 2)
    tones = []
    for at_s, count in zip((0.0, 1.0, 2.0, 2.0 + RISING_S / 2, 2.1 + RISING_S), misses, strict=True):
        panel.show_status(LiveStatus(Status("running", misses=Misses(late_model=count))), at_s)
        tones.append((panel.rows.tone("Misses"), panel.rows.text("Misses")))
    rising, calm = ("bad", "▲ 2 late model"), ("plain", "2 late model")
    assert tones == [("plain", "none"), ("plain", "none"), rising, rising, calm]


def test_old_misses_of_a_session_that_is_looked_at_late_do_not_rise() -> None:
    rising = Rising()
    assert not rising.update(7, 0.0)
    assert rising.update(8, 1.0)
    assert not rising.update(0, 2.0), "a new session"
    assert rising.update(1, 3.0)


def test_a_model_that_does_not_keep_up_is_a_warning(panel: ReadoutsPanel) -> None:
    engine = Status("running", latency=Latency(10.0, 0, 0, 0), speed=Speed(hops=9, p50_ms=5.0, p99_ms=10.1))
    panel.show_status(LiveStatus(engine), 0.0)
    assert panel.rows.tone("Model") == "warning"
    panel.show_status(LiveStatus(replace(engine, speed=replace(engine.speed, p99_ms=9.9))), 0.0)
    assert panel.rows.tone("Model") == "plain"


def test_only_a_running_session_can_be_measured(panel: ReadoutsPanel, qtbot: QtBot, told: list[LiveStatus]) -> None:
    assert not panel.latency.measure.isEnabled()
    assert panel.latency.sentence.text() == "Known once the sound runs."
    panel.show_status(replace(told[0], engine=replace(told[0].engine, state="stopped")), 0.0)
    assert not panel.latency.measure.isEnabled()
    panel.show_status(told[0], 0.0)
    with qtbot.waitSignal(panel.measure_clicked, timeout=1000):
        panel.latency.measure.click()


# -- quality


def test_quality_figures_of_a_self_test_are_shown_with_their_ages(told: list[LiveStatus], qtbot: QtBot) -> None:
    quality = QualityPanel()
    qtbot.addWidget(quality)
    assert (quality.notes.text(), quality.rows.is_shown("Self-test")) == (NOT_YET, False)
    status = replace(told[0], quality_ages_s={"pitch": 8.0, "consistency": 3.0, "reference": 65.0})
    quality.show_status(status)
    assert status.quality is not None
    mel = status.quality.reference.mel_distance
    assert quality.rows.text("Self-test").startswith(f"mel {mel:.2f} · MR-STFT")
    assert quality.rows.is_shown("Self-test")
    assert quality.rows.age("Self-test") == "1 min 5 s ago"
    assert quality.rows.age("Pitch") == "3 s ago", "the pitch is measured with the consistency as well"
    assert "Hz → " in quality.rows.text("Pitch")
    assert quality.rows.text("Shift").startswith("+0.0 st (certain ")
    assert quality.warning.text().startswith("⚠ The model moved the pitch by +0.0 semitones")
    quality.show_status(replace(status, quality=None))
    assert not quality.rows.is_shown("Self-test")
    assert quality.rows.text("Shift") == "—"


def test_reasons_for_missing_figures_are_told(told: list[LiveStatus], qtbot: QtBot) -> None:
    quality = QualityPanel("Reference")
    qtbot.addWidget(quality)
    assert told[0].quality is not None
    quality.show_status(replace(told[0], quality=replace(told[0].quality, notes=("There are no samples.",))))
    assert quality.notes.text() == "There are no samples."
    assert quality.rows.is_shown("Reference")


# -- levels


def test_the_meters_show_input_and_output(told: list[LiveStatus], qtbot: QtBot) -> None:
    pair = LevelPair()
    qtbot.addWidget(pair)
    pair.show_levels(told[0])
    engine = told[0].engine
    assert pair.input.figure.text() == f"{engine.input_level.peak_db:.1f} dBFS".replace("-", "−")
    assert (pair.output.bar.rms_db, pair.output.bar.peak_db) == (
        engine.output_level.rms_db,
        engine.output_level.peak_db,
    )


# -- history


def test_a_killed_engine_and_a_swap_leave_marks_with_their_causes(told: list[LiveStatus], qtbot: QtBot) -> None:
    strip = LiveHistory()
    qtbot.addWidget(strip)
    for now_s, status in enumerate(told):
        strip.append_status(status, 100.0 + now_s)
        strip.append_status(status, 100.5 + now_s)
    marks = [mark for mark in strip.record.marks if mark.kind != "miss"]
    kinds = [mark.kind for mark in marks]
    assert kinds[0] in ("lost", "restart")
    assert kinds[-1] in ("swap", "note")
    assert "SIGKILL" in marks[0].words or "killed" in marks[0].words or "ended" in marks[0].words
    swaps = [mark for mark in marks if "changed to" in mark.words]
    assert [mark.words for mark in swaps] == ["changed to test plugin"]
    assert len(marks) == len({mark.words for mark in marks}), "each once"
    levels = strip.record.since(0.0)
    assert levels[0, 1] == pytest.approx(told[0].engine.input_level.peak_db)


def session(events: tuple[Event, ...] = (), elapsed_s: float = 10.0, **changes: object) -> LiveStatus:
    return LiveStatus(replace(Status("running", events=events, elapsed_s=elapsed_s), **changes))  # type: ignore[arg-type]


def test_each_miss_is_marked_once_when_it_happened() -> None:
    chronicle = Chronicle()
    first, second, third = (Event(at_s, "late model") for at_s in (9.0, 10.2, 10.3))
    gap = Event(10.4, "device gap")
    looks = [session((first,)), session((first,), 10.25), session((first, second, third, gap), 10.5)]
    seen = [chronicle.look(status, 500.0 + status.engine.elapsed_s).marks for status in looks]
    assert [(mark.at_s, mark.words) for mark in seen[0]] == [(509.0, "late model")]
    assert seen[1] == ()
    assert [(round(mark.at_s, 3), mark.words) for mark in seen[2]] == [(510.2, "2 × late model"), (510.4, "device gap")]
    assert {mark.kind for mark in seen[2]} == {"miss"}


def test_a_lost_device_and_its_return_are_marked() -> None:
    chronicle = Chronicle()
    gone = LiveStatus(Status("lost", message="Mic is gone"), note="Mic is gone; starting anew", restarts=1)
    back = LiveStatus(Status("running"), note="Mic runs again after 2.0 s", restarts=1)
    looks = [session(elapsed_s=0.5), gone, replace(gone, lost_s=1.0), back]
    marks = [
        [(mark.kind, mark.words) for mark in chronicle.look(status, float(at)).marks] for at, status in enumerate(looks)
    ]
    assert marks == [
        [],
        [("lost", "Mic is gone; starting anew"), ("lost", "Mic is gone")],
        [],
        [("restart", "Mic runs again after 2.0 s")],
    ]


def test_a_note_that_stays_while_the_device_goes_is_not_marked_again() -> None:
    chronicle = Chronicle()
    changed = replace(session(), note="changed to half")
    chronicle.look(changed, 0.0)
    lost = replace(changed, engine=replace(changed.engine, state="lost", message="Mic is gone"))
    assert [(mark.kind, mark.words) for mark in chronicle.look(lost, 1.0).marks] == [("lost", "Mic is gone")]


def test_a_warning_that_comes_and_goes_is_marked_twice_a_minute_at_most() -> None:
    chronicle = Chronicle()
    marks = [
        (at_s, mark.words)
        for at_s in range(60)
        for mark in chronicle.look(session(warnings=("only zeros",) if at_s % 2 else ()), float(at_s)).marks
    ]
    assert marks == [(1, "only zeros"), (31, "only zeros")]


def test_a_miss_from_before_the_first_look_keeps_its_time() -> None:
    chronicle = Chronicle()
    old, new = Event(1.0, "late model"), Event(5.0, "device gap")
    assert [mark.at_s for mark in chronicle.look(session((old,), 10.0), 510.0).marks] == [501.0]
    found = chronicle.look(session((old, new), 10.2), 510.2).marks
    assert [mark.at_s for mark in found] == [510.2 - 2.0], "the device's clock lags; it was seen at most 2 s late"


def test_a_second_session_begins_anew() -> None:
    chronicle, event = Chronicle(), Event(0.2, "late model")
    chronicle.look(session((event,), 60.0), 60.0)
    marks = chronicle.look(session((event,), 0.5), 70.0).marks
    assert [mark.words for mark in marks] == ["late model"]


def test_a_session_that_stands_still_leaves_a_gap() -> None:
    moment = Chronicle().look(LiveStatus(Status("stopped")), 1.0)
    assert (moment.input_db, moment.output_db, moment.load_percent) == (None, None, None)


# -- all of it


@given(live_statuses())
@settings(max_examples=40, deadline=None)
def test_any_status_can_be_shown(qapp: QApplication, status: LiveStatus) -> None:
    readouts, quality, pair, strip = ReadoutsPanel(), QualityPanel(), LevelPair(), LiveHistory()
    parts = (readouts, quality, pair, strip)
    readouts.show_status(status, 1.0)
    quality.show_status(status)
    pair.show_levels(status)
    strip.append_status(status, 1.0)
    for part in parts:
        assert part.minimumSizeHint().width() <= 75 * part.fontMetrics().averageCharWidth()
        part.grab()
        part.deleteLater()


@pytest.mark.parametrize("name", ["dark", "light"])
def test_the_readouts_fit_their_column(
    told: list[LiveStatus], panel: ReadoutsPanel, qtbot: QtBot, qapp: QApplication, name: theme.Theme
) -> None:
    theme.apply(qapp, name)
    quality = QualityPanel()
    qtbot.addWidget(quality)
    for part, height in ((panel, 330), (quality, 220)):
        part.setFixedWidth(340)
        part.show_status(told[0])
        part.show()
        qapp.processEvents()
        assert part.minimumSizeHint().width() <= 340
        assert (part.heightForWidth(340) if part.hasHeightForWidth() else part.sizeHint().height()) <= height


def test_every_input_is_named_and_reached_by_tab(panel: ReadoutsPanel, qtbot: QtBot) -> None:
    pair, strip = LevelPair(), LiveHistory()
    qtbot.addWidget(pair)
    qtbot.addWidget(strip)
    for widget in (panel.latency.measure, pair.input.lamp, pair.output.lamp, strip, strip.span):
        assert widget.accessibleName()
        assert widget.toolTip()
        assert widget.focusPolicy().value & 1, "Qt.FocusPolicy.TabFocus"


def test_showing_a_status_takes_a_small_part_of_a_frame(
    told: list[LiveStatus], panel: ReadoutsPanel, qtbot: QtBot, qapp: QApplication
) -> None:
    quality, pair, strip = QualityPanel(), LevelPair(), LiveHistory()
    for part in (panel, quality, pair, strip):
        qtbot.addWidget(part)
        part.show()
    statuses = [told[0], replace(told[0], engine=replace(told[0].engine, output_fill_ms=1.0, speed=Speed(9, 1.5)))]
    quiet = replace(told[0], engine=replace(told[0].engine, input_level=told[0].engine.output_level))
    took_ms = {
        "readouts": median_ms(lambda turn: panel.show_status(statuses[turn % 2], turn / 4), qapp),
        "quality": median_ms(lambda turn: quality.show_status(replace(told[0], quality_ages_s={"pitch": turn})), qapp),
        "levels": median_ms(lambda turn: pair.show_levels((told[0], quiet)[turn % 2]), qapp),
        "history": median_ms(lambda turn: strip.append_status(statuses[turn % 2], turn / 4), qapp),
    }
    assert took_ms["readouts"] < STATUS_MS, took_ms
    assert took_ms["quality"] < STATUS_MS, took_ms
    assert took_ms["levels"] < STATUS_MS, took_ms
    assert took_ms["history"] < FRAME_MS, took_ms
