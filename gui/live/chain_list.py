"""The members of a chain one below the other, to be dragged into another order."""

from __future__ import annotations

from PyQt6.QtCore import QPoint, pyqtSignal
from PyQt6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PyQt6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from gui.live.chain_member_box import MemberBox


class MemberList(QWidget):
    """The cards one below the other; where a dragged one would go is a line between them."""

    moved = pyqtSignal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[MemberBox] = []
        self._gap: int | None = None  # before which card the line stands
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 3, 0, 3)
        self._layout.setSpacing(5)

    def put(self, index: int, card: MemberBox) -> None:
        """A card in place of the one there, or at the end."""
        if index < len(self.cards):
            self.take(index)
        self.cards.insert(index, card)
        self._layout.insertWidget(index, card)
        card.show()  # at once, so that it can take the focus
        card.grip.dragged.connect(self._dragged)
        card.grip.dropped.connect(self._dropped)

    def take(self, index: int) -> None:
        """Away with a card."""
        card = self.cards.pop(index)
        self._layout.removeWidget(card)
        card.hide()
        card.deleteLater()

    def _dragged(self, point: QPoint) -> None:
        self._gap = self._gap_at(point)
        self.update()

    def _dropped(self, point: QPoint) -> None:
        dragged, gap = self._gap is not None, self._gap_at(point)
        self._gap = None
        self.update()
        grips: list[object] = [card.grip for card in self.cards]
        if not dragged or self.sender() not in grips:
            return
        source = grips.index(self.sender())
        target = gap - 1 if gap > source else gap
        if target != source:
            self.moved.emit(source, target)

    def _gap_at(self, point: QPoint) -> int:
        y = self.mapFromGlobal(point).y()
        return sum(card.geometry().center().y() < y for card in self.cards)

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  # Qt's name
        """The line where a dragged card would go."""
        if self._gap is None or not self.cards:
            return
        last = self.cards[-1].geometry().bottom() + 3
        y = self.cards[self._gap].y() - 3 if self._gap < len(self.cards) else last
        painter = QPainter(self)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Highlight), 3))
        painter.drawLine(0, y, self.width(), y)
