"""The two rolling pictures as they are seen: tones, gaps, the cursor, pausing, dark and light."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pyqtgraph
import pytest
from PyQt6.QtCore import QPoint, Qt
from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import QApplication, QToolButton
from pytestqt.qtbot import QtBot

from gui import theme
from gui.widgets.spectrogram import FREQUENCIES_HZ, SpectrogramView
from gui.widgets.spectrogram_image import SecondsBeforeNowAxis, frequency_text, log_frequency_axis, log_span
from gui.widgets.spectrogram_rolling import CAPACITY
from realtime.quality.spectrogram import LogSpectrogram
from tests.signals import SAMPLE_RATE, tone
from tests.spectrogram_parts import brightness, picture, pixels_of, place_of, plots_of, point_at, row_hz

ROWS = len(FREQUENCIES_HZ)


@pytest.fixture
def view(qtbot: QtBot) -> SpectrogramView:
    theme.apply(pyqtgraph.mkQApp(), "dark")
    made = SpectrogramView("Input", "Output")
    qtbot.addWidget(made)
    made.resize(700, 360)
    made.show()
    qtbot.waitExposed(made)
    return made


def random_db(columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-90, 0, (ROWS, columns)).astype(np.float32)


def quiet(columns: int) -> np.ndarray:
    return np.full((ROWS, columns), -90, np.float32)


# -- pictures


@pytest.mark.parametrize("frequency_hz", [60.0, 440.0, 5000.0])
def test_a_tone_is_seen_at_its_frequency_and_its_time(view: SpectrogramView, frequency_hz: float) -> None:
    columns = LogSpectrogram(SAMPLE_RATE).columns(tone(frequency_hz, 100 * 512, level=1.0))
    view.append(columns, quiet(100))
    view.append(quiet(30), quiet(30))
    seen = brightness(picture(view, 0))
    strongest = seen[:, -60].argmax()  # 30 columns into the tone's end
    row_ratio = FREQUENCIES_HZ[1] / FREQUENCIES_HZ[0]
    assert abs(np.log(row_hz(view, 0, int(strongest)) / frequency_hz) / np.log(row_ratio)) < 2
    lit = np.flatnonzero(seen[strongest] > seen[strongest].max() - 60)
    assert lit[-1] == view.columns - 31, "the newest column of the tone lies 30 columns before now"
    assert brightness(picture(view, 1))[:, -130:].max() < seen.max() / 2, "the other picture stays dark"


def test_both_pictures_are_aligned_to_one_column_and_one_row(view: SpectrogramView) -> None:
    bang = quiet(200)
    bang[90, 120] = 0
    view.append(bang, bang)
    seen = [brightness(picture(view, which)) for which in (0, 1)]
    places = [np.unravel_index(pixels.argmax(), pixels.shape) for pixels in seen]
    assert places[0][1] == places[1][1] == view.columns - 80
    assert abs(places[0][0] - places[1][0]) <= 1 and abs(place_of(view, 0).height() - place_of(view, 1).height()) <= 1
    assert place_of(view, 0).x() == place_of(view, 1).x()


@pytest.mark.parametrize("size", [0, 1, 65, 511, 513, 8193])
def test_columns_appended_in_any_pieces_give_the_same_picture(view: SpectrogramView, size: int) -> None:
    levels = random_db(CAPACITY + 700 if size != 1 else 900)
    for at in range(0, levels.shape[1], max(size, 300 if size == 0 else 1)):
        view.append(levels[:, at : at + size], levels[:, at : at + size])
        if size == 0:
            view.append(levels[:, at : at + 300], levels[:, at : at + 300])
    seen = picture(view, 0)
    view.clear()
    view.append(levels[:, -view.columns :], levels[:, -view.columns :])
    np.testing.assert_array_equal(picture(view, 0), seen)
    assert len(np.unique(brightness(seen))) > 100


def test_a_gap_is_seen_as_the_background_and_nothing_is_glued(view: SpectrogramView) -> None:
    view.append(quiet(50), quiet(50))
    view.append_gap(20)
    view.append(quiet(50), quiet(50))
    background = QColor(theme.meanings().background)
    for which in (0, 1):
        empty = (picture(view, which) == [background.red(), background.green(), background.blue()]).all(axis=(0, 2))
        expected = np.ones(view.columns, bool)
        expected[-50:] = expected[-120:-70] = False
        np.testing.assert_array_equal(empty, expected)


def test_louder_is_lighter_all_the_way_for_every_kind_of_eye(view: SpectrogramView) -> None:
    view.append(np.tile(np.linspace(-90, 0, 91, dtype=np.float32), (ROWS, 1)), quiet(91))
    red, green, blue = (picture(view, 0)[60, -91:].astype(float) / 255).T
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2  # of sRGB, ITU-R BT.709
    assert (np.diff(luminance) > -1e-3).all() and luminance[-1] - luminance[0] > 0.6


def test_two_pictures_that_do_not_fit_together_are_refused(view: SpectrogramView) -> None:
    with pytest.raises(ValueError, match="two pictures of 192 rows"):
        view.append(quiet(3), quiet(4))
    with pytest.raises(ValueError, match="two pictures of 192 rows"):
        view.append(quiet(3)[:9], quiet(3)[:9])


def test_a_wider_view_shows_a_longer_time(view: SpectrogramView, qtbot: QtBot) -> None:
    levels = random_db(2000)
    view.append(levels, levels)
    before, seen = view.columns, picture(view, 0)
    view.resize(900, 360)
    qtbot.waitUntil(lambda: view.columns == before + 200 and place_of(view, 0).x() > 0)
    now = picture(view, 0)
    assert now.shape[1] == before + 200
    np.testing.assert_allclose(now[:, -before:].astype(int), seen.astype(int), atol=1)  # one step where a piece ends


# -- pausing


def test_a_held_view_stays_as_it_is_and_rolls_on_when_it_is_released(view: SpectrogramView, qtbot: QtBot) -> None:
    view.append(random_db(300), random_db(300))
    button = view.findChild(QToolButton)
    assert isinstance(button, QToolButton) and button.accessibleName() == "Hold the spectrograms"
    with qtbot.waitSignal(view.pause_clicked):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    view.set_paused(True)
    assert button.accessibleName() == "Let the spectrograms roll" and "the sound goes on" in button.toolTip()
    seen = picture(view, 1)
    view.append(quiet(40), quiet(40))
    np.testing.assert_array_equal(picture(view, 1), seen)
    view.set_paused(False)
    view.append(quiet(40), quiet(40))
    np.testing.assert_array_equal(picture(view, 1)[:, :-40], seen[:, 40:])


# -- cursor


def test_the_mouse_reads_frequency_note_and_both_levels(view: SpectrogramView, qtbot: QtBot) -> None:
    levels = quiet(300)
    row = int(np.abs(FREQUENCIES_HZ - 1244.5).argmin())
    levels[row - 2 : row + 3, 200] = -38
    view.append(levels, levels - 4)
    for which in (0, 1):
        qtbot.mouseMove(plots_of(view).viewport(), point_at(view, which, 99, 1244.5))
        qtbot.waitUntil(lambda: "−38 dB" in view.readout)
        parts = view.readout.split(" · ")
        assert parts[0].startswith("1.2") and parts[0].endswith(" kHz") and parts[1].startswith("D#6 ")
        assert parts[2:] == ["Input −38 dB", "Output −42 dB", "1.06 s ago"]
    qtbot.mouseMove(plots_of(view).viewport(), QPoint(1, 1))
    qtbot.waitUntil(lambda: view.readout == "")


def test_the_arrow_keys_move_the_cursor_and_escape_hides_it(view: SpectrogramView, qtbot: QtBot) -> None:
    levels = random_db(1000)
    view.append(levels, levels[::-1])
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Up)
    middle = f"{FREQUENCIES_HZ[96]:.0f} Hz"
    assert view.readout.startswith(middle) and view.readout.endswith(f"{(view.columns // 2 + 0.5) / 93.75:.2f} s ago")
    qtbot.keyClick(view, Qt.Key.Key_Up)
    qtbot.keyClick(view, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(view, Qt.Key.Key_Right)
    qtbot.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    age, row = view.columns // 2 - 1 + 10, 96 + 11
    assert view.readout.split(" · ")[0] == frequency_text(FREQUENCIES_HZ[row])
    expected = [
        f"{title} {level:.0f} dB".replace("-", "−")
        for title, level in (("Input", levels[row, -1 - age]), ("Output", levels[::-1][row, -1 - age]))
    ]
    assert view.readout.split(" · ")[2:4] == expected
    for _ in range(30):
        qtbot.keyClick(view, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
        qtbot.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert view.readout.startswith("40 Hz · D#1 +49 ct"), "the lowest row is where it ends"
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.readout == ""


def test_the_readout_follows_the_sound_under_a_cursor_that_stands_still(view: SpectrogramView, qtbot: QtBot) -> None:
    qtbot.keyClick(view, Qt.Key.Key_Up)
    assert "Input no sound · Output no sound" in view.readout
    view.append(quiet(1000) + 20, quiet(1000) + 30)
    assert "Input −70 dB · Output −60 dB" in view.readout
    view.clear()
    assert "Input no sound" in view.readout


def test_the_view_tells_its_name_and_keys_and_is_reached_by_tab(view: SpectrogramView) -> None:
    assert view.accessibleName() == "Spectrograms: Input above Output"
    assert "Arrow keys" in view.accessibleDescription() and "Escape" in view.accessibleDescription()
    assert view.focusPolicy() & Qt.FocusPolicy.TabFocus
    before = pixels_of(view)[0, 5:-5].copy()
    view.activateWindow()
    view.setFocus()
    QApplication.processEvents()
    assert view.hasFocus() and (pixels_of(view)[0, 5:-5] != before).any(), "where the keys go is seen"


# -- axes and colours


def test_light_and_dark_are_followed_at_once(view: SpectrogramView) -> None:
    application = pyqtgraph.mkQApp()
    for name, meanings in (("light", theme.LIGHT), ("dark", theme.DARK)):
        theme.apply(application, name)  # type: ignore[arg-type]
        QApplication.processEvents()
        assert QColor(*picture(view, 0)[50, 50].tolist()).name() == meanings.background


def test_a_new_column_paints_no_axis(view: SpectrogramView, monkeypatch: pytest.MonkeyPatch) -> None:
    view.append(random_db(3), random_db(3))
    QApplication.processEvents()  # the whole is painted once
    painted: list[object] = []
    paint: Callable[..., None] = pyqtgraph.AxisItem.paint

    def counted(axis: pyqtgraph.AxisItem, *arguments: object) -> None:
        painted.append(axis)
        paint(axis, *arguments)

    monkeypatch.setattr(pyqtgraph.AxisItem, "paint", counted)
    view.take_paint_s()
    view.append(random_db(3), random_db(3))
    QApplication.processEvents()
    assert view.take_paint_s() > 0 and not painted
    view.resize(720, 360)
    QApplication.processEvents()
    assert painted


def test_a_frame_takes_the_screens_thread_less_than_16_ms(view: SpectrogramView) -> None:
    view.resize(1400, 700)
    levels, spent_s = random_db(24), []
    for _ in range(12):
        began_s = time.thread_time()
        view.append(levels, levels)
        QApplication.processEvents()
        spent_s.append(time.thread_time() - began_s)
    assert np.median(spent_s) < 0.016


def test_frequencies_are_labelled_by_decade_and_evenly_where_little_is_seen() -> None:
    axis = log_frequency_axis()
    low, high = log_span(FREQUENCIES_HZ)
    labels = {
        text
        for spacing, places in axis.tickValues(low, high, 200)
        for text in axis.tickStrings(places, 1, spacing)
        if text
    }
    assert labels == {"50", "100", "200", "500", "1k", "2k", "5k", "10k"}
    inside = axis.tickValues(np.log10(900), np.log10(950), 200)
    near = [text for spacing, places in inside[:1] for text in axis.tickStrings(places, 1, spacing)]
    assert near and all(900 <= float(text) <= 950 for text in near)


def test_seconds_are_counted_back_from_now() -> None:
    assert SecondsBeforeNowAxis("bottom").tickStrings([-2.0, -0.5, 0.0], 1, 0.5) == ["−2 s", "−0.5 s", "now"]


@pytest.mark.parametrize(
    ("frequency_hz", "text"),
    [(40, "40 Hz"), (999.4, "999 Hz"), (999.6, "1.00 kHz"), (1244.5, "1.24 kHz"), (16_000, "16.0 kHz")],
)
def test_frequencies_are_told_in_three_digits(frequency_hz: float, text: str) -> None:
    assert frequency_text(frequency_hz) == text
