"""Processes side by side: one thread each, whatever this process has, and an environment that is as it was."""

from __future__ import annotations

import os

import pytest

from realtime.quality.worker_pool import ONE_THREAD, worker_pool


def threads_of_numpy() -> list[int]:
    """Of each of its arithmetic libraries, as the loaded library itself says."""
    import numpy  # noqa: F401 - loads them
    from threadpoolctl import threadpool_info

    return [library["num_threads"] for library in threadpool_info()]


def test_a_worker_s_arithmetic_has_one_thread_however_many_are_asked_for_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "2")
    with worker_pool(1) as pool:
        told = pool.submit(threads_of_numpy).result()
    assert told and set(told) == {1}


@pytest.mark.parametrize("before", ["2", None])
def test_the_environment_is_as_it_was_after_work_that_failed_too(
    before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ONE_THREAD:
        if before is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, before)
    with pytest.raises(ZeroDivisionError), worker_pool(1) as pool:
        pool.submit(divmod, 1, 0).result()
    assert {os.environ.get(name) for name in ONE_THREAD} == {before}
