"""The files page in its parts: options that are kept, dialogs, the table, words, names, sizes, colours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import QObject, Qt, QUrl, pyqtSlot
from PyQt6.QtGui import QDesktopServices
from PyQt6.QtTest import QAbstractItemModelTester
from PyQt6.QtWidgets import QApplication, QCheckBox, QFileDialog, QPushButton, QSlider, QSpinBox

from gui import theme
from gui.files.options_memory import ENCODINGS, FilesSettings, from_memory, to_memory
from gui.files.queue_model import NAME, QueueModel
from gui.files.queue_table import QueueTable
from gui.files.queue_words import left_words, length_words, total_words
from gui.widgets.choice_box import ChoiceBox
from realtime.audio_formats import Encoding
from realtime.batch_items import EXISTING, STATES, BatchItem, BatchOptions, BatchStatus
from tests.queue_page import LIMIT_MS, Page, add, open_pages, run
from tests.queue_parts import make_models, write


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def open_page(qtbot, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    yield from open_pages(qtbot, tmp_path)


def test_the_output_folder_is_opened_in_the_file_manager(qtbot, tmp_path: Path, open_page, models: Path) -> None:
    class Manager(QObject):
        opened: list[str] = []  # noqa: RUF012 - of this test alone

        @pyqtSlot(QUrl)
        def open(self, url: QUrl) -> None:
            self.opened.append(url.toLocalFile())

    page = open_page(model=str(models / "gain.onnx"), folder=tmp_path / "out")
    add(qtbot, page, write(tmp_path / "in/a.wav").parent)
    run(qtbot, page)
    manager = Manager()
    QDesktopServices.setUrlHandler("file", manager, "open")
    try:
        qtbot.mouseClick(page.button("open_folder"), Qt.MouseButton.LeftButton)
    finally:
        QDesktopServices.unsetUrlHandler("file")
    assert manager.opened == [str(tmp_path / "out")]


def test_bundled_models_are_offered_and_a_preset_is_always_as_live(qtbot, tmp_path: Path, open_page) -> None:
    page = open_page(model=str(tmp_path / "mine.json"))
    live = page.view.findChild(QCheckBox)
    assert live is not None and live.isChecked() and not live.isEnabled()
    box = page.choice("model")
    qtbot.waitUntil(lambda: box.findText("voice_octave") >= 0, timeout=LIMIT_MS)
    assert box.currentText() == "mine.json"
    box.setCurrentIndex(box.findText("voice_octave"))
    box.activated.emit(box.currentIndex())
    assert live.isEnabled() and not live.isChecked()


def test_a_folder_that_was_not_chosen_after_all_changes_nothing(qtbot, open_page) -> None:
    page = open_page()
    place = page.choice("place")
    place.setCurrentIndex(1)
    place.activated.emit(1)
    dialog = page.view.findChild(QFileDialog)
    assert dialog is not None
    dialog.reject()
    assert place.currentText() == "Beside each file"


def test_files_can_be_chosen_in_a_dialog(qtbot, tmp_path: Path, open_page) -> None:
    page = open_page()
    qtbot.mouseClick(page.button("add_files"), Qt.MouseButton.LeftButton)
    dialog = page.view.findChild(QFileDialog)
    assert dialog is not None
    dialog.selectFile(str(write(tmp_path / "a.wav")))
    dialog.accept()
    qtbot.waitUntil(lambda: page.column(NAME) == ["a.wav"], timeout=LIMIT_MS)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("/music")


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["in_folder", "folder", "suffix", "subtype", "mix", "model", "as_live", "existing"]), VALUES
    )
)
def test_whatever_was_remembered_gives_options_that_make_sense(values: dict[str, Any]) -> None:
    options = from_memory(values).options
    assert 0 <= options.mix <= 1 and options.existing in EXISTING and isinstance(options.as_live, bool)
    assert options.encoding in [encoding for _, encoding in ENCODINGS]
    assert options.folder is None or options.folder.is_absolute()


def test_options_come_back_from_the_memory_as_they_were() -> None:
    kept = FilesSettings(
        BatchOptions(Path("/out"), Encoding(".flac", "PCM_24"), 0.25, "voice_octave", True, -4.5, "number"),
        Path("/out"),
    )
    assert from_memory(json.loads(json.dumps(to_memory(kept)))) == kept
    beside = FilesSettings(replace(kept.options, folder=None), Path("/out"))
    assert from_memory(to_memory(beside)) == beside


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 40), st.sampled_from(STATES)), unique_by=lambda pair: pair[0]),
        min_size=1,
        max_size=4,
    )
)
def test_the_table_follows_any_change_of_the_queue(qapp, shown: list[list[tuple[int, Any]]]) -> None:
    model = QueueModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    resets: list[int] = []
    model.modelReset.connect(lambda: resets.append(1))
    newest = 0
    for pairs in shown:
        old = {item.id for item in model.items}
        pairs = [pair for pair in sorted(pairs) if pair[0] in old or pair[0] > newest]  # ids are given out upwards
        newest = max([newest, *(number for number, _ in pairs)])
        items = tuple(BatchItem(number, Path(f"{number}.wav"), state=state) for number, state in pairs)
        model.show_items(items)
        assert model.items == items and model.rowCount() == len(items)
        assert [model.data(model.index(row, NAME)) for row in range(len(items))] == [item.input.name for item in items]
    assert resets == []
    tester.deleteLater()


def test_every_widget_for_input_has_a_name_and_can_be_reached_by_tab(qtbot, open_page) -> None:
    page = open_page(folder=Path("/music"))
    kinds = (QPushButton, ChoiceBox, QSpinBox, QSlider, QCheckBox, QueueTable)
    inputs = [widget for kind in kinds for widget in page.view.findChildren(kind)]
    assert len(inputs) >= 17
    for widget in inputs:
        assert widget.accessibleName() and (widget.toolTip() or isinstance(widget, QueueTable)), widget.objectName()
        assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget.objectName()


def test_the_page_fits_into_a_small_window(qtbot, open_page) -> None:
    page = open_page(folder=Path("/a/folder/with/a/rather/long/path/that/goes/on/and/on/and/on"))
    hint = page.view.minimumSizeHint()
    assert hint.width() <= 1000 and hint.height() <= 560


def test_icons_follow_dark_and_light(qtbot, open_page) -> None:
    page, app = open_page(), QApplication.instance()
    assert isinstance(app, QApplication)

    def brightness() -> float:
        picture = page.button("add_files").icon().pixmap(32, 32).toImage()
        solid = [
            picture.pixelColor(x, y) for x in range(32) for y in range(32) if picture.pixelColor(x, y).alpha() > 250
        ]
        return float(np.mean([colour.lightnessF() for colour in solid]))

    try:
        theme.apply(app, "dark")
        qtbot.waitUntil(lambda: brightness() > 0.8, timeout=2000)
        theme.apply(app, "light")
        qtbot.waitUntil(lambda: brightness() < 0.2, timeout=2000)
    finally:
        theme.apply(app, "dark")


@pytest.mark.parametrize("seconds, words", [(0, ""), (0.5, "0.5 s"), (59.96, "1:00"), (245, "4:05"), (3723, "1:02:03")])
def test_lengths_are_read_at_a_glance(seconds: float, words: str) -> None:
    assert length_words(seconds) == words


@pytest.mark.parametrize(
    "seconds, words",
    [(0.2, "1 s left"), (59, "59 s left"), (200, "3 min 20 s left"), (1500, "25 min left"), (7500, "2 h 5 min left")],
)
def test_time_left_is_read_at_a_glance(seconds: float, words: str) -> None:
    assert left_words(seconds) == words


def test_the_total_tells_files_failures_speed_and_time_left() -> None:
    status = BatchStatus((), 10, 100, 250.0, 8.91, True, False, {"done": 3, "failed": 1, "waiting": 8, "running": 0})
    assert total_words(status) == "3 of 12 files done · 1 failed · 8.9 × real time · 4 min 10 s left"
    assert total_words(BatchStatus()) == "No files yet"
