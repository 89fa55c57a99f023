"""What the app remembers: sections in one file, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gui.memory import FILE_NAME, Memory

PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | st.text(max_size=20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings" / FILE_NAME


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(max_size=10), st.dictionaries(st.text(max_size=10), PLAIN, max_size=4), max_size=4))
def test_what_was_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, sections: dict[str, dict]) -> None:
    path = tmp_path_factory.mktemp("memory") / FILE_NAME
    memory = Memory(path)
    for name, values in sections.items():
        memory.write(name, values)
    again = Memory(path)
    assert {name: again.read(name) for name in sections} == sections and again.note == ""


def test_nothing_is_made_before_something_is_written(path: Path) -> None:
    assert Memory(path).read("window") == {}
    assert not path.parent.exists()


def test_a_section_that_was_read_is_a_copy(path: Path) -> None:
    memory = Memory(path)
    memory.write("window", {"theme": "dark"})
    memory.read("window")["theme"] = "light"
    assert memory.read("window") == {"theme": "dark"}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 2, "sections": {}}', b'{"version": 1}', b"\xff\xfe"]
)
def test_a_damaged_file_is_put_aside_and_told(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    memory = Memory(path)
    assert memory.read("window") == {} and "damaged" in memory.note and "\n" not in memory.note
    assert not path.exists() and path.with_name(f"{FILE_NAME}.damaged").read_bytes() == content
    memory.write("window", {"theme": "dark"})
    assert Memory(path).read("window") == {"theme": "dark"}


def test_a_section_that_is_no_object_counts_as_damage(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"version": 1, "sections": {"window": 3}}))
    assert "no sections" in Memory(path).note


def test_a_folder_that_cannot_be_written_is_an_error_and_the_values_last_until_the_end(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    memory = Memory(blocked / FILE_NAME)
    with pytest.raises(OSError):
        memory.write("window", {"theme": "dark"})
    assert memory.read("window") == {"theme": "dark"}


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(path: Path) -> None:
    memory = Memory(path)
    memory.write("window", {"theme": "dark"})
    before = path.read_bytes()
    with pytest.raises(ValueError):
        memory.write("window", {"zoom": float("nan")})
    assert path.read_bytes() == before and [file.name for file in path.parent.iterdir()] == [FILE_NAME]


def test_clearing_forgets_everything(path: Path) -> None:
    memory = Memory(path)
    memory.write("window", {"theme": "dark"})
    memory.clear()
    assert memory.read("window") == {} and Memory(path).read("window") == {}
