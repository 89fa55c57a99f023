"""What a new user sees: three steps, and an example to hear, for which no microphone is needed."""

from __future__ import annotations

from PyQt6.QtCore import Qt, pyqtSignal
from PyQt6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from gui.icons import icon
from gui.theme import meanings
from gui.widgets.named import named

STEPS = (
    (
        "1 of 3: what it does",
        "deshift undoes pitch shifting: a voice or an instrument that was shifted comes back as it was, live from the "
        "microphone or from files.\n\nHere is a sentence that was shifted an octave up. Hear it as it is, shifted "
        "back by plain signal processing, and as the model gives it back. You can switch while it plays.",
    ),
    (
        "2 of 3: live",
        "On the Live page choose where the sound comes from and where it goes to, put on headphones, check the level, "
        "and press Start (space bar).\n\nOn the right you see at every moment how much delay there is, where it comes "
        "from, and how good the output is. B is bypass; 1, 2 and 3 switch between the raw input, the DSP inverse and "
        "the model.",
    ),
    (
        "3 of 3: files",
        "On the Files page drop files or whole folders: each is written again, de-shifted, beside the original or into "
        "a folder of your choice.\n\nThe Compare page shows and plays before and after, switching instantly. F1 lists "
        "all keys.",
    ),
)
EXAMPLES = (
    ("play_shifted_button", "A  Shifted", "Play the shifted sentence"),
    ("play_inverse_button", "B  DSP", "Play it shifted back by the phase vocoder"),
    ("play_model_button", "C  Model", "Play what the model makes of it"),
)


class FirstSteps(QDialog):
    """The three steps; `play_clicked` asks for one of `EXAMPLES`."""

    play_clicked = pyqtSignal(int)
    stop_clicked = pyqtSignal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("first_steps")
        self.setWindowTitle("deshift: first steps")
        self._pages = QStackedWidget()
        for number, (title, text) in enumerate(STEPS):
            self._pages.addWidget(self._page(title, text, self._example() if number == 0 else None))
        self._back = named(QPushButton("Back"), "back_button")
        self._next = named(QPushButton("Next"), "next_button")
        self._next.setDefault(True)
        self._back.setAutoDefault(False)
        self._back.clicked.connect(self._go_back)
        self._next.clicked.connect(self._go_on)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self._back)
        buttons.addWidget(self._next)
        layout = QVBoxLayout(self)
        layout.addWidget(self._pages, 1)
        layout.addLayout(buttons)
        self.setMinimumWidth(70 * self.fontMetrics().averageCharWidth())
        self._show_buttons()

    def show_playing(self, which: int | None, words: str) -> None:
        """Which of the two is heard, None for neither, and a line about it."""
        for number in range(len(EXAMPLES)):
            button = self._play.button(number)
            if button is not None:
                button.setChecked(number == which)
        self._stop.setEnabled(which is not None)
        self._words.setText(words)

    def _example(self) -> QWidget:
        box = QWidget()
        row = QHBoxLayout()
        self._play = QButtonGroup(self)
        self._play.setExclusive(False)
        colours = meanings()
        for number, (name, text, accessible) in enumerate(EXAMPLES):
            button = named(QPushButton(text), name, accessible, accessible)
            button.setCheckable(True)
            button.setAutoDefault(False)  # Return goes on to the next step
            button.setIcon(icon("start"))
            colour = (colours.raw, colours.inverse, colours.model)[number]
            ink = colours.background
            button.setStyleSheet(f"QPushButton:checked {{ background: {colour}; color: {ink}; font-weight: bold; }}")
            self._play.addButton(button, number)
            row.addWidget(button)
        self._play.idClicked.connect(self.play_clicked)
        self._stop = named(QPushButton("Stop"), "stop_example_button")
        self._stop.setIcon(icon("stop"))
        self._stop.setEnabled(False)
        self._stop.setAutoDefault(False)
        self._stop.clicked.connect(self.stop_clicked)
        row.addWidget(self._stop)
        self._words = named(QLabel(), "example_words", "About the example")
        self._words.setWordWrap(True)
        layout = QVBoxLayout(box)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._words)
        return box

    def _page(self, title: str, text: str, more: QWidget | None) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        heading = QLabel(f"<h2>{title}</h2>")
        body = QLabel(text)
        body.setWordWrap(True)
        body.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(heading)
        layout.addWidget(body)
        if more is not None:
            layout.addWidget(more)
        layout.addStretch(1)
        return page

    def _go_back(self) -> None:
        self._pages.setCurrentIndex(max(0, self._pages.currentIndex() - 1))
        self._show_buttons()

    def _go_on(self) -> None:
        if self._pages.currentIndex() == self._pages.count() - 1:
            self.accept()
        else:
            self._pages.setCurrentIndex(self._pages.currentIndex() + 1)
            self._show_buttons()

    def _show_buttons(self) -> None:
        index = self._pages.currentIndex()
        self._back.setEnabled(index > 0)
        self._next.setText("Let me try" if index == self._pages.count() - 1 else "Next")
