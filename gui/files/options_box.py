"""How results are made and where they go: the box beside the queue. Widgets and signals only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PyQt6.QtCore import QEvent, QSignalBlocker, Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QSpinBox,
    QToolButton,
    QWidget,
)

from gui.files.options_memory import ENCODINGS, EXISTING_WORDS, FilesSettings
from gui.icons import icon
from gui.widgets.choice_box import ChoiceBox
from gui.widgets.named import named
from realtime.audio_formats import Encoding
from realtime.batch_items import BatchOptions, Existing
from realtime.contract import MAX_SHIFT_SEMITONES, Control

DEFAULT_MODEL = "Default model"
LIVE_TIP = (
    "Exactly what the live page would have given of this sound, sample for sample.\n"
    "Presets are always rendered so. Without a chosen model it takes the default model of the live page."
)
SHIFT_TIP = (
    "How far the files were shifted: 12 for sounds that were raised by an octave, −5 for such that were lowered by a "
    "fourth.\nAt 0 a model is not told, and refuses to begin."
)
MODEL_FILES = "Models and presets (*.onnx *.json)"


class OptionsBox(QGroupBox):
    """Emits `changed` with a FilesSettings whenever the user changed something."""

    changed = pyqtSignal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Results", parent)
        self._settings = FilesSettings()
        self._names: tuple[str, ...] = ()
        self._form = QFormLayout(self)
        self._form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapAllRows)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._build_model()
        self._build_shift()
        self._build_mix()
        self._build_folder()
        self._build_files()
        self.show_settings(self._settings)

    def show_models(self, names: Sequence[str]) -> None:
        """Offer the models that came with the app."""
        self._names = tuple(names)
        self._show_model(self._settings.options.model)

    def show_shift(self, control: Control | None) -> None:
        """Offer the shift to undo, for a model that takes it; `changed` is not emitted."""
        self._form.setRowVisible(self._shift, control is not None)
        if control is not None:
            blocker = QSignalBlocker(self._shift)
            self._shift.setRange(control.minimum, control.maximum)
            self._shift.setValue(self._settings.options.semitones)
            blocker.unblock()

    def show_settings(self, settings: FilesSettings) -> None:
        """Show these settings; `changed` is not emitted."""
        self._settings = settings
        options = settings.options
        self._show_model(options.model)
        self._live.setChecked(options.runs_live)
        self._live.setEnabled(not options.is_preset)
        for widget in (self._mix, self._mix_slider):
            blocker = QSignalBlocker(widget)
            widget.setValue(round(100 * options.mix))
            blocker.unblock()
        blocker = QSignalBlocker(self._shift)
        self._shift.setValue(options.semitones)
        blocker.unblock()
        self._place.show_value(options.folder is not None)
        self._path.setText("" if options.folder is None else str(options.folder))
        self._path.setToolTip(str(options.folder or ""))
        self._folder_row.setVisible(options.folder is not None)
        self._format.show_value(options.encoding)
        self._existing.show_value(options.existing)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802 - Qt's name
        """Icons follow the palette."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange and hasattr(self, "_browse_folder"):
            for button in (self._browse_model, self._browse_folder):
                button.setIcon(icon("open"))

    def _build_model(self) -> None:
        self._model = named(ChoiceBox("Model or preset", "What undoes the shift"), "files_model")
        self._model.chosen.connect(self._model_chosen)
        self._browse_model = _browse_button("files_open_model", "Open another plugin file or a preset…")
        self._browse_model.clicked.connect(self._ask_model)
        self._add_row("&Model", self._model, _row(self._model, self._browse_model))
        self._live = named(QCheckBox("Render as &live"), "files_as_live", "Render as live", LIVE_TIP)
        self._live.clicked.connect(self._live_clicked)
        self._form.addRow(self._live)

    def _build_shift(self) -> None:
        self._shift = named(QDoubleSpinBox(), "files_semitones", "Shift to undo in semitones", SHIFT_TIP)
        self._shift.setDecimals(1)
        self._shift.setRange(-MAX_SHIFT_SEMITONES, MAX_SHIFT_SEMITONES)
        self._shift.setSuffix(" st")
        self._shift.setKeyboardTracking(False)  # half a number is no shift
        field = self._shift.lineEdit()
        if field is not None:
            field.setAcceptDrops(False)
        self._shift.valueChanged.connect(self._shift_changed)
        self._add_row("Shift to &undo", self._shift, self._shift)
        self._form.setRowVisible(self._shift, False)

    def _build_mix(self) -> None:
        tip = "0 % is the original, 100 % the model's result"
        self._mix_slider = named(QSlider(Qt.Orientation.Horizontal), "files_mix_slider", "Mix in percent, slider", tip)
        self._mix = named(QSpinBox(), "files_mix", "Mix in percent", tip)
        for widget in (self._mix_slider, self._mix):
            widget.setRange(0, 100)
        self._mix_slider.setPageStep(10)
        self._mix.setSuffix(" %")
        field = self._mix.lineEdit()
        if field is not None:
            field.setAcceptDrops(False)  # a file dropped here is meant for the queue
        self._mix.setSingleStep(5)
        self._mix_slider.valueChanged.connect(self._mix_changed)
        self._mix.valueChanged.connect(self._mix_changed)
        self._add_row("Mi&x", self._mix, _row(self._mix_slider, self._mix))

    def _build_folder(self) -> None:
        self._place = named(ChoiceBox("Output folder", "Results are called NAME_deshifted"), "files_place")
        beside = ("Beside each file", False, "Each result lies in the folder of its input")
        chosen = (
            "In one folder",
            True,
            "All results lie in one folder, with the sub-folders of a folder that was added",
        )
        self._place.show_options([beside, chosen], False)
        self._place.chosen.connect(self._place_chosen)
        self._add_row("Output fol&der", self._place, self._place)
        self._path = named(QLineEdit(), "files_folder", "Path of the output folder")
        self._path.setReadOnly(True)
        self._browse_folder = _browse_button("files_choose_folder", "Choose another output folder…")
        self._browse_folder.clicked.connect(self._ask_folder)
        self._folder_row = _row(self._path, self._browse_folder)
        self._form.addRow(self._folder_row)

    def _build_files(self) -> None:
        tip = "File format and bits per sample; rate, channels and length stay those of the input"
        self._format = named(ChoiceBox("Format", tip), "files_format")
        self._format.show_options([(words, encoding, "") for words, encoding in ENCODINGS], ENCODINGS[0][1])
        self._format.chosen.connect(self._format_chosen)
        tip = "What becomes of results that are there already; an input is never replaced"
        self._existing = named(ChoiceBox("Existing results", tip), "files_existing")
        self._existing.show_options([(words, value, "") for value, words in EXISTING_WORDS.items()], "skip")
        self._existing.chosen.connect(self._existing_chosen)
        self._add_row("F&ormat", self._format, self._format)
        self._add_row("&Existing results", self._existing, self._existing)

    def _add_row(self, words: str, buddy: QWidget, field: QWidget) -> None:
        label = QLabel(words)
        label.setBuddy(buddy)
        self._form.addRow(label, field)

    def _show_model(self, model: str) -> None:
        options = [(DEFAULT_MODEL, "", "The one for files, or for live sound where it is rendered as live")]
        options += [(name, name, "Came with the app") for name in self._names]
        if model and model not in self._names:
            options.append((Path(model).name, model, model))
        self._model.show_options(options, model)

    def _change(self, options: BatchOptions) -> None:
        self.show_settings(FilesSettings(options, options.folder or self._settings.last_folder))
        self.changed.emit(self._settings)

    def _model_chosen(self, name_or_path: str) -> None:
        self._change(replace(self._settings.options, model=name_or_path))

    def _live_clicked(self, checked: bool) -> None:
        self._change(replace(self._settings.options, as_live=checked))

    def _shift_changed(self, semitones: float) -> None:
        self._change(replace(self._settings.options, semitones=semitones))

    def _mix_changed(self, percent: int) -> None:
        self._change(replace(self._settings.options, mix=percent / 100))

    def _format_chosen(self, encoding: Encoding) -> None:
        self._change(replace(self._settings.options, encoding=encoding))

    def _existing_chosen(self, existing: Existing) -> None:
        self._change(replace(self._settings.options, existing=existing))

    def _place_chosen(self, in_folder: bool) -> None:
        if in_folder and self._settings.last_folder is None:
            self._ask_folder()
        else:
            self._change(replace(self._settings.options, folder=self._settings.last_folder if in_folder else None))

    def _ask_folder(self) -> None:
        dialog = QFileDialog(self, "Folder for the results", str(self._settings.last_folder or Path.home()))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._folder_chosen)
        dialog.rejected.connect(self._nothing_chosen)
        dialog.open()

    def _ask_model(self) -> None:
        dialog = QFileDialog(self, "Model or preset", str(Path.home()), MODEL_FILES)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self._model_chosen)
        dialog.open()

    def _folder_chosen(self, folder: str) -> None:
        self._change(replace(self._settings.options, folder=Path(folder)))

    def _nothing_chosen(self) -> None:
        self.show_settings(self._settings)


def _browse_button(name: str, tip: str) -> QToolButton:
    button = named(QToolButton(), name, tip.rstrip("…"), tip)
    button.setIcon(icon("open"))
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return button


def _row(stretched: QWidget, fixed: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(stretched, 1)
    layout.addWidget(fixed)
    return row
