"""The files page: files dropped, worked through, cancelled, tried again; its options are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PyQt6.QtCore import QEvent, QMimeData, QObject, QPoint, QPointF, Qt, QUrl, pyqtSlot
from PyQt6.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent
from PyQt6.QtTest import QAbstractItemModelTester
from PyQt6.QtWidgets import QApplication, QCheckBox, QFileDialog, QProgressBar, QPushButton, QSlider, QSpinBox, QWidget

from gui import theme
from gui.files.options_memory import ENCODINGS, FilesSettings, from_memory, to_memory
from gui.files.queue_controller import QueueController
from gui.files.queue_model import NAME, NOTE, PROGRESS, STATE, QueueModel
from gui.files.queue_table import QueueTable
from gui.files.queue_view import QueueView
from gui.files.queue_words import left_words, length_words, total_words
from gui.memory import Memory
from gui.tasks import Tasks
from gui.widgets.choice_box import ChoiceBox
from realtime.audio_formats import Encoding
from realtime.batch_items import EXISTING, STATES, BatchItem, BatchOptions, BatchStatus
from tests import plugin_files as files
from tests import signals
from tests.gui_watchdog import Watchdog

LIMIT_MS = 60_000


def write(path: Path, frames: int = 4800) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, signals.noise(frames), files.RATE)
    return path


@dataclass
class Page:
    """The page in use: its view and controller, and what they told."""

    view: QueueView
    controller: QueueController
    tasks: Tasks
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def button(self, name: str) -> QPushButton:
        found = self.view.findChild(QPushButton, f"queue_{name}")
        assert found is not None
        return found

    @property
    def table(self) -> QueueTable:
        found = self.view.findChild(QueueTable)
        assert found is not None
        return found

    def choice(self, name: str) -> ChoiceBox:
        found = self.view.findChild(ChoiceBox, f"files_{name}")
        assert found is not None
        return found

    def column(self, column: int) -> list[str]:
        model = self.table.model()
        assert model is not None
        return [model.data(model.index(row, column)) for row in range(model.rowCount())]

    def has_fraction(self) -> bool:
        return any("%" in text and not text.startswith("0 %") for text in self.column(PROGRESS))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    files.gain_plugin(folder / "gain.onnx", 0.5)
    files.gain_plugin(folder / "slow.onnx", 0.5, hop_samples=4)
    return folder


@pytest.fixture
def open_page(qtbot, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """``open_page(model=…)``: a page that remembers in one file; opened again, it is the next start of the app."""
    pages: list[Page] = []

    def build(**options: Any) -> Page:
        memory = Memory(tmp_path / "settings" / "gui.json")
        if options:
            memory.write("files", to_memory(FilesSettings(BatchOptions(**options), options.get("folder"))))
        view, tasks, said, complaints = QueueView(), Tasks("queue"), [], []
        qtbot.addWidget(view)
        controller = QueueController(view, tasks, memory, said.append, complaints.append)
        pages.append(Page(view, controller, tasks, said, complaints))
        view.resize(1012, 620)
        view.show()
        return pages[-1]

    yield build
    for page in pages:
        page.controller.close()
        page.tasks.end()
        qtbot.waitUntil(lambda page=page: not page.controller.busy, timeout=LIMIT_MS)


def drop(target: QWidget, urls: list[QUrl]) -> bool:
    """As Qt tells it when a file manager drops files there."""
    mime = QMimeData()
    mime.setUrls(urls)
    words = Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    entering = QDragEnterEvent(QPoint(5, 5), *words)
    QApplication.sendEvent(target, entering)
    if entering.isAccepted():
        QApplication.sendEvent(target, QDropEvent(QPointF(5, 5), *words))
    return entering.isAccepted()


def urls(*paths: Path) -> list[QUrl]:
    return [QUrl.fromLocalFile(str(path)) for path in paths]


def run(qtbot, page: Page) -> None:
    qtbot.mouseClick(page.button("start"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not page.controller.busy, timeout=LIMIT_MS)
    qtbot.waitUntil(lambda: not {"Waiting", "Running"} & set(page.column(STATE)), timeout=LIMIT_MS)


def add(qtbot, page: Page, *paths: Path) -> None:
    before = len(page.said)
    page.controller.add(paths)
    qtbot.waitUntil(lambda: len(page.said) > before, timeout=LIMIT_MS)


@pytest.mark.parametrize("place", ["page", "hint", "table", "mix", "folder", "total"])
def test_files_and_folders_can_be_dropped_anywhere(qtbot, tmp_path: Path, open_page, models: Path, place: str) -> None:
    page = open_page(model=str(models / "gain.onnx"), folder=tmp_path / "out")
    if place == "table":
        add(qtbot, page, write(tmp_path / "first.wav"))
    places: dict[str, QWidget | None] = {
        "page": page.view,
        "hint": page.view.findChild(QWidget, "queue_hint"),
        "table": page.table.viewport(),
        "mix": page.view.findChild(QSpinBox).lineEdit(),  # type: ignore[union-attr]
        "folder": page.view.findChild(QWidget, "files_folder"),
        "total": page.view.findChild(QProgressBar),
    }
    target = places[place]
    assert target is not None
    assert drop(target, urls(write(tmp_path / "a.wav"), write(tmp_path / "in/b/c.wav").parents[1]))
    qtbot.waitUntil(lambda: page.column(NAME)[-2:] == ["a.wav", "c.wav"], timeout=LIMIT_MS)
    run(qtbot, page)
    assert set(page.column(STATE)) == {"Done"} and (tmp_path / "out/b/c_deshifted.wav").is_file()
    assert page.said[-1].endswith("files done.") and page.complaints == []


def test_what_is_no_file_of_this_computer_is_refused_with_a_word(qtbot, tmp_path: Path, open_page) -> None:
    page = open_page()
    assert not drop(page.view, [QUrl("https://example.org/a.wav")])
    assert drop(page.view, [QUrl("https://example.org/a.wav"), *urls(write(tmp_path / "a.wav"))])
    assert page.said == ["Only files and folders of this computer can be dropped here."]
    qtbot.waitUntil(lambda: page.column(NAME) == ["a.wav"], timeout=LIMIT_MS)


def test_a_broken_file_among_good_ones_is_marked_and_the_rest_goes_on(qtbot, tmp_path, open_page, models) -> None:
    page = open_page(model=str(models / "gain.onnx"))
    (tmp_path / "b.wav").write_bytes(b"no audio" * 20)
    add(qtbot, page, write(tmp_path / "a.wav"), tmp_path / "b.wav", write(tmp_path / "c.wav"))
    run(qtbot, page)
    assert page.column(STATE) == ["Done", "Failed", "Done"]
    assert page.column(NOTE)[1].startswith("Not an audio file that can be read")
    page.table.selectRow(1)
    detail = page.view.findChild(QWidget, "queue_detail")
    assert detail is not None and detail.isVisible() and detail.accessibleName().startswith(str(tmp_path / "b.wav"))
    assert page.said[-1] == "2 files done, 1 failed."


def test_retry_works_after_the_cause_is_gone(qtbot, tmp_path: Path, open_page, models: Path) -> None:
    page = open_page(model=str(models / "gain.onnx"), folder=tmp_path / "out")
    (tmp_path / "out").write_text("a file in place of the folder")
    add(qtbot, page, write(tmp_path / "a.wav"))
    run(qtbot, page)
    assert page.column(STATE) == ["Failed"] and "choose another output folder" in page.column(NOTE)[0]
    (tmp_path / "out").unlink()
    qtbot.mouseClick(page.button("retry"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.column(STATE) == ["Done"], timeout=LIMIT_MS)
    assert not page.button("retry").isEnabled() and page.column(NOTE) == ["→ a_deshifted.wav"]


def test_no_permission_to_write_is_a_sentence_with_what_to_do(qtbot, tmp_path: Path, open_page, models: Path) -> None:
    page = open_page(model=str(models / "gain.onnx"), folder=Path("/proc/deshift"))
    add(qtbot, page, write(tmp_path / "a.wav"))
    run(qtbot, page)
    (note,) = page.column(NOTE)
    assert "cannot be written" in note and note.endswith("choose another output folder")


def test_cancel_in_mid_file_leaves_nothing_behind(qtbot, tmp_path: Path, open_page, models: Path) -> None:
    page = open_page(model=str(models / "slow.onnx"), folder=tmp_path / "out")
    add(qtbot, page, write(tmp_path / "a.wav", 48_000 * 600))
    qtbot.mouseClick(page.button("start"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(page.has_fraction, timeout=LIMIT_MS)
    assert page.controller.busy and page.button("start").text() == "Pause" and list((tmp_path / "out").iterdir())
    assert page.button("cancel").text() == "Cancel all"
    qtbot.mouseClick(page.button("cancel"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.column(STATE) == ["Cancelled"], timeout=LIMIT_MS)
    assert not page.controller.busy and list((tmp_path / "out").iterdir()) == []
    assert page.button("start").text() == "Start" and not page.button("start").isEnabled()


def test_closing_in_mid_file_returns_at_once_and_leaves_nothing(qtbot, tmp_path: Path, open_page, models) -> None:
    page = open_page(model=str(models / "slow.onnx"))
    add(qtbot, page, write(tmp_path / "in/a.wav", 48_000 * 600))
    page.controller.start()
    qtbot.waitUntil(page.has_fraction, timeout=LIMIT_MS)
    with Watchdog() as dog:
        page.controller.close()
        qtbot.waitUntil(lambda: not page.controller.busy, timeout=LIMIT_MS)
        assert dog.look().over_limit == 0
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a.wav"]


def test_a_selection_is_cancelled_alone(qtbot, tmp_path: Path, open_page, models: Path) -> None:
    page = open_page(model=str(models / "slow.onnx"))
    add(qtbot, page, write(tmp_path / "a.wav", 48_000 * 600), write(tmp_path / "b.wav"))
    page.controller.start()
    qtbot.waitUntil(page.has_fraction, timeout=LIMIT_MS)
    page.table.selectRow(1)
    assert page.button("cancel").text() == "Cancel selected"
    page.controller.cancel()
    assert page.column(STATE) == ["Running", "Cancelled"]
    page.controller.start()
    assert page.button("start").text() == "Resume" and page.controller.busy


def test_delete_removes_return_and_double_click_compare_and_space_is_for_the_page(
    qtbot, tmp_path: Path, open_page, models: Path
) -> None:
    page = open_page(model=str(models / "gain.onnx"))
    add(qtbot, page, write(tmp_path / "a.wav"), write(tmp_path / "b.wav"))
    run(qtbot, page)
    asked: list[tuple[Path, Path]] = []
    page.controller.compare_requested.connect(lambda before, after: asked.append((before, after)))
    page.table.selectRow(0)
    qtbot.keyClick(page.table, Qt.Key.Key_Return)
    model, viewport = page.table.model(), page.table.viewport()
    assert model is not None and viewport is not None
    place = page.table.visualRect(model.index(0, NAME)).center()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseClick(page.button("compare"), Qt.MouseButton.LeftButton)
    assert asked == [(tmp_path / "a.wav", tmp_path / "a_deshifted.wav")] * 3
    heard: list[int] = []

    class Listener(QObject):
        def eventFilter(self, _watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802 - Qt's name
            if event is not None and event.type() == QEvent.Type.KeyPress:
                heard.append(event.key())  # type: ignore[attr-defined]
            return False

    listener = Listener()
    page.view.installEventFilter(listener)
    qtbot.keyClick(page.table, Qt.Key.Key_Space)
    assert heard == [Qt.Key.Key_Space]
    qtbot.keyClick(page.table, Qt.Key.Key_Delete)
    assert page.column(NAME) == ["b.wav"] and (tmp_path / "a.wav").is_file()
    qtbot.mouseClick(page.button("clear"), Qt.MouseButton.LeftButton)
    assert page.column(NAME) == [] and not page.button("clear").isEnabled()


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


def test_options_reach_the_results_and_are_remembered(qtbot, tmp_path: Path, open_page, models: Path) -> None:
    page = open_page(model=str(models / "gain.onnx"), folder=tmp_path / "out")
    for name, steps in (("format", 5), ("existing", 1)):
        for _ in range(steps):
            qtbot.keyClick(page.choice(name), Qt.Key.Key_Down)
    page.view.findChild(QSpinBox).setValue(50)  # type: ignore[union-attr]
    assert page.view.findChild(QSlider).value() == 50  # type: ignore[union-attr]
    add(qtbot, page, write(tmp_path / "a.wav"))
    run(qtbot, page)
    heard, expected = soundfile.read(tmp_path / "out/a_deshifted.flac")[0], soundfile.read(tmp_path / "a.wav")[0]
    np.testing.assert_allclose(heard, 0.75 * expected, atol=2**-22)
    page.controller.close()
    again = open_page()
    shown = [again.choice(name).currentText() for name in ("format", "existing", "place", "model")]
    assert shown == ["FLAC, 24 bit", "Number the new ones", "In one folder", "gain.onnx"]
    assert again.view.findChild(QSpinBox).value() == 50  # type: ignore[union-attr]


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
        BatchOptions(Path("/out"), Encoding(".flac", "PCM_24"), 0.25, "voice_octave", True, "number"), Path("/out")
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


def test_ten_thousand_files_do_not_hold_up_the_screen(qtbot, tmp_path: Path, open_page, models: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(10_000):
        (folder / f"{n:05}.wav").touch()  # empty: each fails with a sentence
    page, last = open_page(model=str(models / "slow.onnx")), write(tmp_path / "last.wav", 48_000 * 600)
    with Watchdog() as dog:
        page.controller.add([folder, last])
        qtbot.waitUntil(lambda: len(page.said) > 0, timeout=LIMIT_MS)
        page.controller.start()
        qtbot.wait(1500)
        looked = dog.look()
        assert looked.over_limit == 0, looked
        page.table.scrollToBottom()
        page.table.selectAll()
        qtbot.wait(300)
        page.controller.cancel()
        qtbot.waitUntil(lambda: len(page.said) == 2, timeout=LIMIT_MS)
        qtbot.keyClick(page.table, Qt.Key.Key_Delete)
        qtbot.wait(100)
        looked = dog.look()
        assert looked.over_limit == 0, looked
    assert page.said == ["10001 files added.", "0 files done, 10000 failed, 1 cancelled."] and page.column(NAME) == []


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
