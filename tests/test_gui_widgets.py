"""The small widgets of the readouts: meter, latency bar, history strip, and texts that are shortened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QImage
from PyQt6.QtWidgets import QApplication, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from gui import theme
from gui.widgets.history import HistoryStrip
from gui.widgets.history_record import KEPT_MARKS, KEPT_MOMENTS, Mark, Moment, Record
from gui.widgets.latency_bar import LatencyBar, LatencyPicture, Part, StackedBar
from gui.widgets.level_meter import ClipLamp, LevelBar, LevelMeter, PeakHold
from gui.widgets.words import Words, ink_on
from realtime.live.meters import Level

PARTS = (Part("hop", 10.0), Part("window", 30.0), Part("buffering", 0.0), Part("device in", None))


@pytest.fixture(autouse=True)
def dark(qapp: QApplication) -> Iterator[None]:
    theme.apply(qapp, "dark")
    yield
    theme.apply(qapp, "dark")


def colour_at(widget: QWidget, x: int, y: int) -> str:
    image: QImage = widget.grab().toImage()
    return QColor(image.pixel(QPoint(x, y))).name()


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


# -- level meter


def test_a_peak_is_held_for_a_second_and_a_half_and_then_falls() -> None:
    hold = PeakHold()
    assert hold.update(-6.0, 10.0) == -6.0
    assert hold.update(-40.0, 11.49) == -6.0
    assert hold.update(-40.0, 12.5) == pytest.approx(-6.0 - 20.0)
    assert hold.update(-20.0, 12.5) == -20.0, "a higher peak takes over"


@given(st.lists(st.tuples(st.floats(-200, 40), st.floats(0, 3)), max_size=20))
@settings(max_examples=30, deadline=None)
def test_the_highest_peak_of_all_stays_for_a_second_and_a_half(steps: list[tuple[float, float]]) -> None:
    hold, now_s, seen = PeakHold(), 0.0, list[tuple[float, float]]()
    for peak_db, wait_s in steps:
        now_s += wait_s
        seen.append((peak_db, now_s))
        held_db = hold.update(peak_db, now_s)
        highest_db = max(peak for peak, _ in seen)
        since_s = now_s - max(at_s for peak, at_s in seen if peak == highest_db)
        assert peak_db <= held_db <= highest_db
        assert (held_db == highest_db) or since_s > 1.5


def test_the_bar_is_as_long_as_the_level_in_decibels(qtbot: QtBot) -> None:
    bar = LevelBar()
    qtbot.addWidget(bar)
    bar.resize(600, 20)
    bar.show_db(rms_db=-45.0, peak_db=-30.0, held_db=-15.0)
    rms, peak, empty = (colour_at(bar, x, 12) for x in (140, 290, 310))  # 10 pixels are 1 dB
    assert len({rms, peak, empty}) == 3
    assert (colour_at(bar, 160, 12), colour_at(bar, 440, 12)) == (peak, empty)
    assert colour_at(bar, 451, 12) == rms == theme.DARK.good, "the line of the held peak"


def test_the_bar_warns_near_full_scale(qtbot: QtBot) -> None:
    bar = LevelBar()
    qtbot.addWidget(bar)
    bar.resize(600, 20)
    bar.show_db(3.0, 3.0, 3.0)
    colours = [colour_at(bar, x, 12) for x in (530, 560, 595)]
    assert colours == [theme.DARK.good, theme.DARK.warning, theme.DARK.bad]


def test_the_meter_tells_the_held_peak_in_figures(qtbot: QtBot) -> None:
    clock = Clock()
    meter = LevelMeter("Input", clock)
    qtbot.addWidget(meter)
    assert meter.figure.text() == "silent"
    meter.set_level(Level(-6.04, -20.0, 0))
    clock.now_s += 1
    meter.set_level(Level(-50.0, -60.0, 0))
    assert meter.figure.text() == "−6.0 dBFS"
    clock.now_s += 20
    meter.set_level(Level(-200.0, -200.0, 0))
    assert meter.figure.text() == "silent"


def test_the_clip_lamp_stays_lit_until_it_is_clicked(qtbot: QtBot) -> None:
    meter = LevelMeter("Output")
    qtbot.addWidget(meter)
    meter.set_level_db(1.0, -3.0, 5)
    meter.set_level_db(-60.0, -60.0, 5)
    assert meter.lamp.lit
    assert meter.lamp.accessibleName() == "Output clip lamp, lit, 5 samples clipped"
    qtbot.mouseClick(meter.lamp, Qt.MouseButton.LeftButton)
    assert not meter.lamp.lit
    meter.set_level_db(-60.0, -60.0, 5)
    assert not meter.lamp.lit, "nothing new was clipped"
    meter.set_level_db(0.0, -60.0, 6)
    assert meter.lamp.lit
    assert "1 samples" in meter.lamp.accessibleName()


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter])
def test_the_clip_lamp_is_cleared_by_key(qtbot: QtBot, key: Qt.Key) -> None:
    lamp = ClipLamp("Input")
    qtbot.addWidget(lamp)
    lamp.count(3)
    lamp.setFocus()
    qtbot.keyClick(lamp, key)
    assert not lamp.lit
    assert lamp.focusPolicy() & Qt.FocusPolicy.TabFocus == Qt.FocusPolicy.TabFocus


def test_a_new_session_with_fewer_clips_lights_the_lamp_anew(qtbot: QtBot) -> None:
    lamp = ClipLamp("Input")
    qtbot.addWidget(lamp)
    lamp.count(9)
    lamp.clear()
    lamp.count(0)
    assert not lamp.lit
    lamp.count(2)
    assert lamp.lit


# -- latency bar


@given(st.lists(st.none() | st.floats(0, 1e6), max_size=6), st.none() | st.floats(0, 1e6))
@settings(max_examples=40, deadline=None)
def test_parts_lie_side_by_side_and_are_as_wide_as_they_last(
    qapp: QApplication, lengths: list[float | None], measured_ms: float | None
) -> None:
    bar = StackedBar()
    bar.resize(300, 30)
    bar.picture = LatencyPicture(tuple(Part("part", ms) for ms in lengths), measured_ms=measured_ms)
    areas, whole = bar.areas(), max(sum(ms or 0 for ms in lengths), measured_ms or 0)
    for place, (area, ms) in enumerate(zip(areas, lengths, strict=True)):
        assert area.width() == pytest.approx(300 * (ms or 0) / whole if whole else 0, abs=1e-6)
        assert area.left() == pytest.approx(sum(other.width() for other in areas[:place]), abs=1e-6)
    bar.grab()


def test_the_measured_time_has_a_mark_on_the_bar(qtbot: QtBot) -> None:
    bar = StackedBar()
    qtbot.addWidget(bar)
    bar.resize(400, 40)
    bar.picture = LatencyPicture(PARTS)
    before = [colour_at(bar, x, 30) for x in (200, 300)]
    bar.picture = LatencyPicture(PARTS, measured_ms=30.0)
    after = [colour_at(bar, x, 30) for x in (200, 300)]
    assert before[0] == after[0]
    assert before[1] != after[1], "30 of 40 ms lie at three quarters"


def test_the_legend_names_every_part_and_says_what_is_not_known(qtbot: QtBot) -> None:
    bar = LatencyBar()
    qtbot.addWidget(bar)
    bar.show_picture(LatencyPicture(PARTS, "≥ 40.0 ms", 52.0, "measured 52.0 ms", "Off by 12.0 ms.", warning=True))
    bar.show()
    legend = [words.text() for words in bar.findChildren(Words) if words.isVisible()]
    assert [text for text in legend if text.startswith(("hop", "window", "buffering", "device"))] == [
        "hop 10.0",
        "window 30.0",
        "buffering 0",
        "device in ?",
    ]
    assert bar.total.text() == "≥ 40.0 ms"
    assert (bar.measured.tone, bar.sentence.tone, bar.sentence.isVisible()) == ("warning", "warning", True)
    assert "52.0" in bar.accessibleDescription()
    bar.show_picture(LatencyPicture((Part("hop", 201.33),), "201.3 ms"))
    assert [words.text() for words in bar.findChildren(Words) if words.text().startswith("hop")] == ["hop 201"]
    assert not bar.sentence.isVisible()


def test_measure_is_asked_for_by_mouse_and_by_key(qtbot: QtBot) -> None:
    bar = LatencyBar()
    qtbot.addWidget(bar)
    with qtbot.waitSignal(bar.measure_clicked, timeout=1000):
        qtbot.mouseClick(bar.measure, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(bar.measure_clicked, timeout=1000):
        qtbot.keyClick(bar.measure, Qt.Key.Key_Space)
    assert "loop-back" in bar.measure.toolTip()


# -- words


def test_ink_has_a_contrast_of_at_least_four_and_a_half_on_every_colour() -> None:
    for value in ("#000000", "#ffffff", "#e69f00", "#0072b2", "#777777", "#2bbd8e", "#7d4f92"):
        ink, ground = (_luminance(QColor(name)) for name in (ink_on(QColor(value)).name(), value))
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5, value


def _luminance(colour: QColor) -> float:
    """As WCAG 2.2 defines it."""
    parts = [part / 255 for part in (colour.red(), colour.green(), colour.blue())]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_long_text_is_shortened_and_does_not_widen_the_window(qtbot: QtBot) -> None:
    window, words = QWidget(), Words("what it means")
    qtbot.addWidget(window)
    QVBoxLayout(window).addWidget(words)
    words.say("a name of a device " * 20)
    window.resize(150, 40)
    window.show()
    assert window.width() == 150
    assert words.toolTip().startswith("a name of a device")
    assert words.toolTip().endswith("what it means")
    words.say("short")
    assert words.toolTip() == "what it means"
    assert words.accessibleName() == "short"


def test_a_name_with_markup_is_shown_as_it_is(qtbot: QtBot) -> None:
    plain, words = Words(), Words()
    qtbot.addWidget(plain)
    qtbot.addWidget(words)
    words.say("<h1>x</h1>")
    plain.say("<hx>x</hx>")
    assert words.sizeHint().height() == plain.sizeHint().height()


def test_tones_follow_the_theme(qtbot: QtBot, qapp: QApplication) -> None:
    words = Words()
    qtbot.addWidget(words)
    words.say("████", "warning")
    words.resize(words.sizeHint())
    seen = {}
    for name, meaning in (("dark", theme.DARK), ("light", theme.LIGHT)):
        theme.apply(qapp, name)  # type: ignore[arg-type]
        seen[colour_at(words, words.width() // 2, words.height() // 2)] = meaning.warning
    assert list(seen) == list(seen.values())


# -- history


@given(st.lists(st.none() | st.floats(-200, 40), max_size=30), st.floats(0, 20))
@settings(max_examples=30, deadline=None)
def test_the_record_gives_back_what_was_told(levels: list[float | None], since_s: float) -> None:
    record = Record()
    for at_s, level_db in enumerate(levels):
        record.append(Moment(float(at_s), level_db, None, 50.0))
    kept = record.since(since_s)
    expected = [(at_s, level) for at_s, level in enumerate(levels) if at_s >= since_s]
    assert [(row[0], None if row[1] != row[1] else row[1]) for row in kept] == expected


def test_the_record_forgets_what_is_older_than_a_quarter_of_an_hour() -> None:
    record = Record()
    for step in range(KEPT_MOMENTS + 65):
        record.append(Moment(step / 4, -10.0, marks=(Mark(step / 4, "note", str(step)),)))
    kept = record.since(0.0)
    assert len(kept) == KEPT_MOMENTS == 15 * 60 * 4
    assert kept[0, 0] == 65 / 4
    assert list(kept[:, 0]) == sorted(kept[:, 0])
    assert len(record.marks) == KEPT_MARKS


def test_a_mark_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind 'miss!'"):
        Mark(0.0, "miss!", "why")  # type: ignore[arg-type]


@pytest.fixture
def strip(qtbot: QtBot) -> HistoryStrip:
    """Ten minutes, with marks 590, 200, 125 and 4 s ago."""
    strip = HistoryStrip()
    qtbot.addWidget(strip)
    strip.resize(700, 140)
    marks = {10: Mark(10, "lost", "gone"), 400: Mark(400, "restart", "back"), 475: Mark(475, "miss", "late model")}
    marks[596] = Mark(596, "swap", "changed to half")
    for second in range(601):
        mark = marks.get(second)
        strip.append(Moment(float(second), -12.0, None, 30.0, (mark,) if mark else ()))
    strip.show()
    return strip


def test_the_length_of_the_history_is_chosen(strip: HistoryStrip) -> None:
    assert strip.minutes == 5
    assert [mark.words for mark in strip.visible_marks()] == ["back", "late model", "changed to half"]
    strip.set_minutes(15)
    assert len(strip.visible_marks()) == 4
    strip.set_minutes(1)
    assert [mark.words for mark in strip.visible_marks()] == ["changed to half"]
    strip.set_minutes(7)
    assert strip.minutes == 5, "one that makes no sense falls back"


def test_arrow_keys_go_from_mark_to_mark_and_tell_time_and_cause(strip: HistoryStrip, qtbot: QtBot) -> None:
    strip.setFocus()
    said = []
    for key in ("Left", "Left", "Left", "Left", "Right", "End", "Home", "Escape"):
        qtbot.keyClick(strip, Qt.Key[f"Key_{key}"])
        said.append(strip.words.text())
    back, late, changed = (
        "3 min 20 s ago: started anew: back",
        "2 min 5 s ago: miss: late model",
        "4 s ago: changed to half",
    )
    assert said == [changed, late, back, back, late, changed, back, changed]
    assert strip.accessibleDescription() == changed
    assert strip.selected is None, "Esc leaves the newest one"


def test_pointing_at_a_mark_tells_it(strip: HistoryStrip) -> None:
    box = strip.plot.getPlotItem().vb
    strip.plot.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(-126.0, 1.0)))
    assert strip.selected is not None
    assert strip.words.text() == "2 min 5 s ago: miss: late model"
    strip.plot.scene().sigMouseMoved.emit(box.mapViewToScene(QPointF(-60.0, 1.0)))
    assert strip.selected is None, "far from any"


def test_a_mark_that_leaves_the_strip_is_no_longer_selected(strip: HistoryStrip) -> None:
    strip.select(strip.visible_marks()[0])
    strip.set_minutes(1)
    assert strip.selected is None
    strip.set_minutes(5)
    strip.select(strip.visible_marks()[0])
    strip.append(Moment(701.0))
    assert strip.selected is None


def test_an_empty_strip_and_one_with_gaps_are_drawn(qtbot: QtBot, qapp: QApplication) -> None:
    strip = HistoryStrip()
    qtbot.addWidget(strip)
    strip.show()
    strip.grab()
    assert strip.words.text() == "nothing to report in the last 5 min"
    for at_s, level in enumerate((None, -10.0, None, None, -200.0, 40.0, None)):
        strip.append(Moment(float(at_s), level, level, level))
    theme.apply(qapp, "light")
    qapp.processEvents()
    strip.grab()
    assert colour_at(strip.plot, 2, 2) == theme.LIGHT.background
