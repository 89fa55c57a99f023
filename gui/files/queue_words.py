"""A queue's numbers as people read them: functions of values alone, without a widget."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.batch_items import BatchItem, BatchStatus, State

STATE_WORDS: dict[State, str] = {
    "waiting": "Waiting",
    "running": "Running",
    "done": "Done",
    "skipped": "Skipped",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


def length_words(seconds: float) -> str:
    """ "12.3 s", "4:05" or "1:02:03"; empty where it is not known."""
    if seconds <= 0:
        return ""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def left_words(seconds: float) -> str:
    """ "8 s left", "3 min 20 s left", "25 min left", "2 h 5 min left"."""
    minutes, second = divmod(max(1, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minute} min left"
    if minute:
        return f"{minute} min left" if minute >= 10 else f"{minute} min {second} s left"
    return f"{second} s left"


def speed_words(times_real_time: float | None) -> str:
    """ "8.9", "120"; empty where it is not known."""
    if times_real_time is None:
        return ""
    return f"{times_real_time:.1f}" if times_real_time < 99.5 else f"{times_real_time:.0f}"


def progress_words(item: BatchItem) -> str:
    """ "42 % · 8 s left" of a file that runs; empty else."""
    if item.state != "running":
        return ""
    return " · ".join([f"{100 * item.fraction:.0f} %", *([] if item.eta_s is None else [left_words(item.eta_s)])])


def note_words(item: BatchItem) -> str:
    """Why it failed, or what became of it: one sentence without the path, which stands beside it."""
    if item.reason:
        return _sentence(item.reason.removeprefix(f"{item.input}: "))
    if item.state == "done" and item.output is not None:
        return "; ".join([*map(_sentence, item.warnings), f"→ {item.output.name}"])
    return ""


def whole_note(item: BatchItem) -> str:
    """Everything there is to say about an item, with its paths; as much as fits on a few lines."""
    if item.reason:
        return item.reason if str(item.input) in item.reason else f"{item.input}: {item.reason}"
    target = f" → {item.output}" if item.state == "done" and item.output is not None else ""
    return "\n".join([f"{item.input}{target}", *map(_sentence, item.warnings)])


def total_words(status: BatchStatus) -> str:
    """ "3 of 12 files · 1 failed · 8.9 × real time · 4 min 10 s left"."""
    counts = status.counts
    number = sum(counts.values())
    if not number:
        return "No files yet"
    over = counts.get("done", 0)
    words = [f"{over} of {number} {'file' if number == 1 else 'files'} done"]
    words += [f"{counts[state]} {state}" for state in ("failed", "skipped", "cancelled") if counts.get(state, 0)]
    if status.times_real_time is not None:
        words.append(f"{speed_words(status.times_real_time)} × real time")
    if status.paused:
        words.append("paused")
    elif status.eta_s is not None:
        words.append(left_words(status.eta_s))
    return " · ".join(words)


def end_words(items: Sequence[BatchItem]) -> str:
    """What a run has brought: "12 files done, 1 failed"."""
    counts = {state: sum(1 for item in items if item.state == state) for state in STATE_WORDS}
    words = [f"{counts['done']} {'file' if counts['done'] == 1 else 'files'} done"]
    words += [f"{counts[state]} {state}" for state in ("failed", "skipped", "cancelled") if counts[state]]
    return ", ".join(words) + "."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
