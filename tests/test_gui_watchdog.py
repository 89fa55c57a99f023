"""The watchdog that other tests rely on: it sees a busy screen, and does not blame a waiting one."""

from __future__ import annotations

import time

import pytest
from PyQt6.QtCore import QTimer

from tests.gui_watchdog import LIMIT_MS, Watchdog

pytestmark = pytest.mark.real_time
LONG_MS = 10 * LIMIT_MS  # the watchdog's own thread may be late, too


def test_a_busy_stretch_is_seen_and_forgotten_after_the_look(qtbot) -> None:
    with Watchdog() as dog:
        qtbot.wait(50)
        calm = dog.look()
        assert calm.knocks > 0 and calm.held

        def busy() -> None:
            until = time.thread_time() + LONG_MS / 1000
            while time.thread_time() < until:
                pass

        QTimer.singleShot(10, busy)
        qtbot.wait(400)
        seen = dog.look()
        assert seen.over_limit == 1 and seen.longest_cpu_ms >= 2 * LIMIT_MS and seen.longest_wall_ms >= 2 * LIMIT_MS
        assert "busy" in seen.places[0]
        qtbot.wait(50)
        assert dog.look().held


def test_waiting_is_no_work(qtbot) -> None:
    with Watchdog() as dog:
        QTimer.singleShot(10, lambda: time.sleep(LONG_MS / 1000))
        qtbot.wait(400)
        seen = dog.look()
    assert seen.longest_wall_ms >= 2 * LIMIT_MS and seen.held
