"""Work beside the screen: in order, results on the screen's thread, errors told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from gui.tasks import Tasks


@pytest.fixture
def tasks(qapp) -> Iterator[Tasks]:
    made = Tasks("test")
    yield made
    made.end()


def test_results_come_in_order_on_the_screens_thread(qtbot, tasks: Tasks) -> None:
    heard: list[tuple[int, bool]] = []
    screen = threading.current_thread()

    def take(number: int) -> None:
        heard.append((number, threading.current_thread() is screen))

    workers = set()

    def work(number: int) -> int:
        workers.add(threading.current_thread())
        return number

    for number in range(65):
        tasks.run(partial(work, number), take)
    assert tasks.busy
    qtbot.waitUntil(lambda: len(heard) == 65)
    assert heard == [(number, True) for number in range(65)] and not tasks.busy
    assert len(workers) == 1 and screen not in workers


def test_no_result_comes_before_run_has_returned(qtbot, tasks: Tasks) -> None:
    heard: list[int] = []
    tasks.run(lambda: 1, heard.append)
    threading.Event().wait(0.05)
    assert heard == []
    qtbot.waitUntil(lambda: heard == [1])


@pytest.mark.parametrize("error", [ValueError("a bad value"), OSError("a full disk")])
def test_what_users_can_cause_goes_to_failed(qtbot, tasks: Tasks, error: Exception) -> None:
    told: list[Exception] = []

    def work() -> None:
        raise error

    tasks.run(work, None, told.append)
    qtbot.waitUntil(lambda: told == [error])


def test_a_fault_in_the_program_is_raised_on_the_screens_thread(qtbot, tasks: Tasks) -> None:
    def work() -> None:
        raise ZeroDivisionError

    told: list[Exception] = []
    with qtbot.captureExceptions() as raised:
        tasks.run(work, None, told.append)
        qtbot.waitUntil(lambda: bool(raised))
    assert raised[0][0] is ZeroDivisionError and told == []


def test_after_the_end_nothing_is_called(qtbot, tasks: Tasks) -> None:
    heard: list[int] = []
    go = threading.Event()
    tasks.run(lambda: go.wait(5), heard.append)
    tasks.run(lambda: heard.append(1))
    go.set()
    tasks.end()
    tasks.run(lambda: 3, heard.append)
    qtbot.wait(50)
    assert heard == []
