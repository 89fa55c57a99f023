"""The files page: files dropped, worked through, cancelled, tried again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PyQt6.QtCore import QEvent, QObject, Qt, QUrl
from PyQt6.QtWidgets import QProgressBar, QSlider, QSpinBox, QWidget

from gui.files.queue_model import NAME, NOTE, STATE
from tests.gui_watchdog import Watchdog
from tests.queue_page import LIMIT_MS, Page, add, drop, open_pages, run, urls
from tests.queue_parts import make_models, write


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def open_page(qtbot, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    yield from open_pages(qtbot, tmp_path)


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


@pytest.mark.real_time
def test_closing_in_mid_file_returns_at_once_and_leaves_nothing(qtbot, tmp_path: Path, open_page, models) -> None:
    page = open_page(model=str(models / "slow.onnx"))
    add(qtbot, page, write(tmp_path / "in/a.wav", 48_000 * 600))
    page.controller.start()
    qtbot.waitUntil(page.has_fraction, timeout=LIMIT_MS)
    with Watchdog() as dog:
        page.controller.close()
        qtbot.waitUntil(lambda: not page.controller.busy, timeout=LIMIT_MS)
        assert dog.look().held
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
    page.controller.compare_requested.connect(lambda before, after, _: asked.append((before, after)))
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


@pytest.fixture
def only_own_garbage() -> Iterator[None]:
    """The collector looks at what comes from now on; what the tests before left behind is not the page's fault."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.real_time
def test_ten_thousand_files_do_not_hold_up_the_screen(
    qtbot, tmp_path: Path, open_page, models: Path, only_own_garbage: None
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(10_000):
        (folder / f"{n:05}.wav").touch()  # empty: each fails with a sentence
    page, last = open_page(model="voice_octave"), write(tmp_path / "last.wav", 48_000 * 600)
    with Watchdog() as dog:
        page.controller.add([folder, last])
        qtbot.waitUntil(lambda: len(page.said) > 0, timeout=LIMIT_MS)
        page.controller.start()
        qtbot.wait(1500)
        looked = dog.look()
        assert looked.held, looked
        page.table.scrollToBottom()
        page.table.selectAll()
        qtbot.wait(300)
        page.controller.cancel()
        qtbot.waitUntil(lambda: len(page.said) == 2, timeout=LIMIT_MS)
        qtbot.keyClick(page.table, Qt.Key.Key_Delete)
        qtbot.wait(100)
        looked = dog.look()
        assert looked.held, looked
    assert page.said == ["10001 files added.", "0 files done, 10000 failed, 1 cancelled."] and page.column(NAME) == []
