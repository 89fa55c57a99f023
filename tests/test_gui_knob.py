"""One parameter on one line: slider, keys, wheel and typed numbers say the same, and only the user is reported."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QWheelEvent
from PyQt6.QtTest import QSignalSpy
from PyQt6.QtWidgets import QApplication, QDoubleSpinBox, QSlider, QWidget
from pytestqt.qtbot import QtBot

from gui.widgets.knob import ParameterRow, label_of
from gui.widgets.knob_slider import POSITIONS, Scale
from realtime.plugins.effects import KINDS

CONTROLS = [control for kind in KINDS.values() for control in (*kind.controls, *kind.fixed)]


def shown(qtbot: QtBot, row: ParameterRow) -> ParameterRow:
    qtbot.addWidget(row)
    row.resize(330, row.sizeHint().height())
    row.show()
    return row


def semitones(qtbot: QtBot) -> ParameterRow:
    return shown(qtbot, ParameterRow("Semitones", "semitones", -12, 12, -12))


def wheel(widget: QWidget, notches: int) -> None:
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        *(middle, widget.mapToGlobal(middle), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton),
        *(Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False),
    )
    QApplication.sendEvent(widget, event)


def test_set_value_shows_a_value_and_reports_nothing(qtbot: QtBot) -> None:
    row = semitones(qtbot)
    spy = QSignalSpy(row.value_changed)
    row.set_value(-5.125)
    assert row.value == -5.125 and row.box.value() == pytest.approx(-5.125, abs=0.006)
    assert row.slider.value() == round(POSITIONS * (12 - 5.125) / 24)
    assert len(spy) == 0
    row.set_value(40)  # a file may say anything
    assert row.box.value() == 12 and row.slider.value() == POSITIONS and len(spy) == 0


def test_a_typed_number_is_reported_once_it_is_entered(qtbot: QtBot) -> None:
    row = semitones(qtbot)
    spy = QSignalSpy(row.value_changed)
    row.box.setFocus()
    row.box.selectAll()
    qtbot.keyClicks(row.box, "-3.25")
    assert len(spy) == 0
    qtbot.keyClick(row.box, Qt.Key.Key_Return)
    assert [list(call) for call in spy] == [[-3.25]] and row.value == -3.25
    assert row.box.text() == "-3.25 st"


def test_entering_the_box_and_leaving_it_changes_nothing_that_is_finer_than_its_digits(qtbot: QtBot) -> None:
    row = semitones(qtbot)
    row.set_value(1 / 3)
    spy = QSignalSpy(row.value_changed)
    row.box.setFocus()
    qtbot.keyClick(row.box, Qt.Key.Key_Return)
    row.slider.setFocus()
    assert row.value == 1 / 3 and len(spy) == 0


@pytest.mark.parametrize(
    "key, value",
    [
        (Qt.Key.Key_Right, 0.1),
        (Qt.Key.Key_Up, 0.1),
        (Qt.Key.Key_Left, -0.1),
        (Qt.Key.Key_PageUp, 1.0),
        (Qt.Key.Key_PageDown, -1.0),
        (Qt.Key.Key_Home, -12.0),
        (Qt.Key.Key_End, 12.0),
        (Qt.Key.Key_Backspace, -12.0),
    ],
)
def test_keys_turn_the_slider(qtbot: QtBot, key: Qt.Key, value: float) -> None:
    row = semitones(qtbot)
    row.set_value(0)
    spy = QSignalSpy(row.value_changed)
    qtbot.keyClick(row.slider, key)
    assert row.value == pytest.approx(value) and row.box.value() == pytest.approx(value)
    assert [list(call) for call in spy] == [[row.value]]


def test_the_mouse_drags_from_where_it_is_pressed(qtbot: QtBot) -> None:
    row = semitones(qtbot)
    spy = QSignalSpy(row.value_changed)
    slider = row.slider
    y = slider.height() // 2
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() // 2, y))
    assert row.value == pytest.approx(0, abs=1)
    qtbot.mouseMove(slider, QPoint(slider.width() - 1, y))
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() - 1, y))
    assert row.value == 12 and len(spy) >= 2
    assert all(round(value * 10) == pytest.approx(value * 10) for (value,) in map(list, spy))  # in steps of 0.1


@pytest.mark.parametrize("where", ["label", "slider"])
def test_a_double_click_resets_to_the_default(qtbot: QtBot, where: str) -> None:
    row = semitones(qtbot)
    row.set_value(3)
    spy = QSignalSpy(row.value_changed)
    qtbot.mouseDClick(getattr(row, where), Qt.MouseButton.LeftButton)
    assert row.value == -12 and list(spy[-1]) == [-12.0]


@pytest.mark.parametrize("kind", [QSlider, QDoubleSpinBox])
def test_the_wheel_turns_only_what_has_the_focus(qtbot: QtBot, kind: type[QWidget]) -> None:
    row = semitones(qtbot)
    row.set_value(0)
    widget, other = (row.slider, row.box) if kind is QSlider else (row.box, row.slider)
    with qtbot.waitExposed(row):
        row.activateWindow()
    other.setFocus()
    wheel(widget, 1)
    assert row.value == 0
    widget.setFocus()
    qtbot.waitUntil(widget.hasFocus)
    wheel(widget, 1)
    assert row.value == pytest.approx(0.1)


def test_what_is_costly_to_change_is_reported_where_the_drag_ends(qtbot: QtBot) -> None:
    row = shown(qtbot, ParameterRow("Lookahead", "ms", 0.1, 20, 2, live=False))
    spy = QSignalSpy(row.value_changed)
    slider, y = row.slider, row.slider.height() // 2
    at = QPoint(slider.width() // 2, y)
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=QPoint(slider.width() * 2 // 3, y))
    before = len(spy)
    qtbot.mouseMove(slider, at)
    assert len(spy) == before
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=at)
    assert len(spy) == before + 1


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(CONTROLS), st.integers(0, POSITIONS))
def test_every_place_of_the_slider_is_a_value_in_range_and_comes_back_to_its_place(control, position) -> None:
    scale = Scale(control.unit, control.minimum, control.maximum)
    value = scale.value(position)
    assert control.minimum <= value <= control.maximum
    assert round(value, scale.decimals) == pytest.approx(value)
    if scale.is_logarithmic:
        exact = control.minimum * math.exp(math.log(control.maximum / control.minimum) * position / POSITIONS)
        assert value == pytest.approx(exact, rel=0.006, abs=0.51 * 10**-scale.decimals)
    else:
        exact = control.minimum + (control.maximum - control.minimum) * position / POSITIONS
        assert value == pytest.approx(exact, abs=0.51 * scale.step)
    assert scale.value(scale.position(value)) == pytest.approx(value, rel=0.01, abs=scale.step)


@pytest.mark.parametrize("unit, low, high, logarithmic", [("Hz", 20, 20_000, True), ("ms", 0.1, 20, True),
                                                           ("ms", 1, 50, False), ("dB", -60, 24, False)])  # fmt: skip
def test_a_scale_of_two_decades_is_logarithmic(unit: str, low: float, high: float, logarithmic: bool) -> None:
    scale = Scale(unit, low, high)
    assert scale.is_logarithmic == logarithmic
    middle = math.sqrt(low * high) if logarithmic else (low + high) / 2
    assert scale.value(POSITIONS // 2) == pytest.approx(middle, rel=0.01, abs=0.51)


def test_a_range_of_one_value_stands_still(qtbot: QtBot) -> None:
    row = shown(qtbot, ParameterRow("Level", "", 1, 1, 1))
    qtbot.keyClick(row.slider, Qt.Key.Key_Right)
    assert row.value == 1


def test_a_default_out_of_range_is_refused(qtbot: QtBot) -> None:
    with pytest.raises(ValueError, match="Level: the default 3 must lie within 0 … 1"):
        ParameterRow("Level", "", 0, 1, 3)


def test_each_part_has_a_name_a_tip_with_the_unit_and_is_reached_by_tab(qtbot: QtBot) -> None:
    row = semitones(qtbot)
    assert (row.slider.accessibleName(), row.box.accessibleName()) == ("Semitones, slider", "Semitones in semitones")
    for part in (row.label, row.slider, row.box):
        assert "−12.00 … 12.00 semitones" in part.toolTip()
    for part in (row.slider, row.box):
        assert part.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_a_row_grows_with_the_font_and_cuts_no_number(qtbot: QtBot) -> None:
    row = shown(qtbot, ParameterRow("Cutoff", "Hz", 20, 20_000, 80))
    font = row.font()
    font.setPointSizeF(2 * font.pointSizeF())
    row.setFont(font)
    row.box.setValue(20_000)
    edit = row.box.lineEdit()
    assert edit is not None
    assert edit.fontMetrics().horizontalAdvance(row.box.text()) < edit.width()


@pytest.mark.parametrize("name, label", [("threshold_db", "Threshold"), ("q", "Q"), ("delay_seconds", "Delay"),
                                         ("cutoff_frequency_hz", "Frequency"), ("semitones", "Semitones")])  # fmt: skip
def test_controls_have_names_that_people_say(name: str, label: str) -> None:
    assert label_of(name) == label
