"""The chain as a document: every edit can be undone and done again, and what is saved is what is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PyQt6.QtTest import QSignalSpy

from gui.live.chain_document import ChainDocument
from realtime.contract import Control
from realtime.plugins.effects import KINDS
from realtime.plugins.preset_entries import EffectEntry, Entry, ModelEntry, PresetError, VocoderEntry, Vst3Entry
from realtime.plugins.presets import Preset, load_preset, save_preset
from tests.plugin_files import gain_plugin

HIGHPASS, WALL = EffectEntry("highpass"), EffectEntry("brickwall")
ENTRIES: tuple[Entry, ...] = (ModelEntry("voice_octave"), VocoderEntry(), HIGHPASS, WALL, Vst3Entry("/x/room.vst3"))
EDITS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(ENTRIES), st.integers(0, 9)),
    st.tuples(st.just("remove"), st.integers(0, 9)),
    st.tuples(st.just("move"), st.integers(0, 9), st.integers(0, 9)),
    st.tuples(st.just("set_bypass"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("turn"), st.integers(0, 9), st.floats(0, 1)),
    st.tuples(st.just("set_model"), st.sampled_from(["voice_octave", "/x/other.onnx"])),
)


def document_of(*entries: Entry) -> ChainDocument:
    return ChainDocument(preset=Preset("start", entries))


def do(document: ChainDocument, edit: tuple[Any, ...]) -> None:
    """One edit, its places taken modulo the chain's length."""
    what, *given = edit
    count = len(document.preset.plugins)
    if what == "add":
        document.add(given[0], given[1] % (count + 1))
    elif what == "set_model":
        document.set_model(given[0])
    elif count and what == "turn":
        index = given[0] % count
        entry = document.preset.plugins[index]
        controls = document.controls_of(entry) or ()
        for control in controls:
            document.set_parameter(
                index, control.name, control.minimum + given[1] * (control.maximum - control.minimum)
            )
    elif count:
        first, second = given[0] % count, given[-1]
        getattr(document, what)(first, *(() if what == "remove" else (second % count if what == "move" else second,)))


class Engine:
    """Does what a running engine is told: a chain anew, or a knob turned."""

    def __init__(self, document: ChainDocument) -> None:
        self._document = document
        self.swaps, self.turns = 0, 0
        self._swap()
        document.structure_changed.connect(self._swap)
        document.control_turned.connect(self._turn)

    def _swap(self) -> None:
        self.swaps += 1
        self.values = dict(self._document.control_values)
        for index, entry in enumerate(self._document.preset.plugins):
            for control in self._document.controls_of(entry) or ():
                self.values.setdefault(f"{index}.{control.name}", control.default)

    def _turn(self, name: str, value: float) -> None:
        assert name in self.values
        self.turns += 1
        self.values[name] = value

    def is_up_to_date(self) -> bool:
        heard = dict(self.values)
        self._swap()
        return heard == self.values


@settings(max_examples=25, deadline=None)
@given(st.lists(EDITS, max_size=12))
def test_random_edits_are_undone_to_the_start_and_done_again_to_the_end(edits: list[tuple[Any, ...]]) -> None:
    document = document_of(ModelEntry("voice_octave"), HIGHPASS)
    engine = Engine(document)
    start = document.preset
    for edit in edits:
        do(document, edit)
    end = document.preset
    assert engine.is_up_to_date()
    while document.undo_stack.canUndo():
        document.undo_stack.undo()
    assert document.preset == start and document.is_saved and engine.is_up_to_date()
    while document.undo_stack.canRedo():
        document.undo_stack.redo()
    assert document.preset == end and engine.is_up_to_date()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EDITS, max_size=8))
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, edits: list[tuple[Any, ...]]) -> None:
    document = document_of()
    for edit in edits:
        do(document, edit)
    path = tmp_path / "My chain.json"
    document.save(path)
    assert document.is_saved and document.path == path and document.preset.name == "My chain"
    assert load_preset(path).plugins == document.preset.plugins
    other = ChainDocument()
    other.load(path)
    assert other.is_saved and other.control_values == document.control_values


TURNED: list[tuple[Callable[[ChainDocument], None], dict[str, float] | None]] = [
    (lambda document: document.set_parameter(1, "semitones", -5), {"1.semitones": -5.0}),
    (lambda document: document.set_parameter(2, "cutoff_frequency_hz", 120), {"2.cutoff_frequency_hz": 120.0}),
    (lambda document: document.set_parameter(3, "ceiling_db", -3), {"3.ceiling_db": -3.0}),
    (lambda document: document.set_parameter(4, "room_size", 0.5), {"4.room_size": 0.5}),
    (lambda document: document.set_bypass(0, True), {"0.bypass": 1.0}),
    (lambda document: document.set_parameter(1, "window_samples", 512), None),
    (lambda document: document.set_parameter(3, "lookahead_ms", 3), None),
    (lambda document: document.set_parameter(4, "mode", "hall"), None),
    (lambda document: document.add(HIGHPASS), None),
    (lambda document: document.remove(2), None),
    (lambda document: document.move(0, 2), None),
    (lambda document: document.set_model("/x/other.onnx"), None),
]


@pytest.mark.parametrize("edit, turned", TURNED)
def test_a_knob_is_turned_and_anything_else_asks_for_the_chain_anew(
    edit: Callable[[ChainDocument], None], turned: dict[str, float] | None
) -> None:
    document = document_of(*ENTRIES[:4], Vst3Entry("/x/room.vst3", {"room_size": 0.1, "mode": "room"}))
    told, anew, changed = (
        QSignalSpy(signal) for signal in (document.control_turned, document.structure_changed, document.changed)
    )
    for step in (partial_edit(edit, document), document.undo_stack.undo, document.undo_stack.redo):
        step()
    assert len(changed) == 3 and not document.is_saved
    if turned is None:
        assert len(anew) == 3 and len(told) == 0
    else:
        assert len(anew) == 0 and len(told) == 3
        assert dict([list(told[0])]) == dict([list(told[2])]) == turned
        assert list(told[1])[1] != list(told[0])[1]


def partial_edit(edit: Callable[[ChainDocument], None], document: ChainDocument) -> Callable[[], None]:
    return lambda: edit(document)


def test_a_drag_of_a_knob_is_one_step_and_another_knob_is_another(qtbot: Any) -> None:
    document = document_of(VocoderEntry(0.0), HIGHPASS)
    for value in (-1, -2, -3.5):
        document.set_parameter(0, "semitones", value)
    for value in (90, 100):
        document.set_parameter(1, "cutoff_frequency_hz", value)
    assert document.undo_stack.count() == 2
    document.undo_stack.undo()
    assert document.control_values["0.semitones"] == -3.5
    document.undo_stack.undo()
    assert document.preset.plugins == (VocoderEntry(0.0), HIGHPASS)


def test_a_turn_after_a_pause_is_a_step_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    document = document_of(VocoderEntry(0.0))
    monkeypatch.setattr("gui.live.chain_document.MERGE_SECONDS", -1.0)
    document.set_parameter(0, "semitones", -1)
    document.set_parameter(0, "semitones", -2)
    assert document.undo_stack.count() == 2


def test_turning_a_knob_there_and_back_leaves_nothing_to_undo() -> None:
    document = document_of(VocoderEntry(0.0))
    document.set_parameter(0, "semitones", -1)
    document.set_parameter(0, "semitones", 0.0)
    assert not document.undo_stack.canUndo() and document.is_saved


def test_undo_of_a_first_turn_goes_back_to_the_default_that_was_learnt() -> None:
    model = ModelEntry("/x/level.onnx")
    document = document_of(model)
    told, anew = QSignalSpy(document.control_turned), QSignalSpy(document.structure_changed)
    document.set_parameter(0, "level", 0.25)
    assert len(anew) == 1  # what it was before is not known yet
    document.undo_stack.undo()
    document.learn(model, [Control("level", "", 0.0, 1.0, 0.5)])
    document.set_parameter(0, "level", 0.25)
    document.undo_stack.undo()
    assert [list(call) for call in told] == [["0.level", 0.25], ["0.level", 0.5]]
    with pytest.raises(PresetError, match="level takes 0 … 1, not 2"):
        document.set_parameter(0, "level", 2.0)


@pytest.mark.parametrize(
    "edit, line",
    [
        (lambda document: document.set_parameter(0, "semitones", 12.5), "semitones takes -12 … 12 semitones, not 12.5"),
        (lambda document: document.set_parameter(0, "semitones", float("nan")), "semitones takes"),
        (lambda document: document.set_parameter(0, "window_samples", 1000), "choose 512, 1024, 2048"),
        (lambda document: document.set_parameter(0, "pitch", 1), "no parameter 'pitch'; there are: semitones"),
        (lambda document: document.set_parameter(1, "lookahead_ms", 99), "lookahead_ms takes 0.1 … 20 ms"),
        (lambda document: document.remove(2), "there is no plugin 3: the chain has 2"),
        (lambda document: document.move(0, -1), "there is no plugin 0: the chain has 2"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_in_one_line_and_changes_nothing(
    edit: Callable[[ChainDocument], None], line: str
) -> None:
    document = document_of(VocoderEntry(), WALL)
    changed = QSignalSpy(document.changed)
    with pytest.raises(PresetError, match=line) as refused:
        edit(document)
    assert "\n" not in str(refused.value) and len(changed) == 0 and not document.undo_stack.canUndo()


def test_a_chain_takes_64_plugins_and_not_one_more() -> None:
    document = document_of(*[HIGHPASS] * 63)
    document.add(WALL)
    with pytest.raises(PresetError, match="up to 64 plugins: remove one first"):
        document.add(WALL)


def test_set_model_replaces_the_first_model_or_comes_first() -> None:
    document = document_of(HIGHPASS)
    assert document.model is None
    document.set_model("voice_octave")
    assert document.preset.plugins == (ModelEntry("voice_octave"), HIGHPASS) and document.model == "voice_octave"
    document.set_bypass(0, True)
    document.set_model("studio")
    assert document.preset.plugins[0] == ModelEntry("studio", {}, True)
    steps = document.undo_stack.count()
    document.set_model("studio")
    assert document.undo_stack.count() == steps


def test_a_loaded_preset_can_be_undone_with_its_name_and_its_file(tmp_path: Path) -> None:
    save_preset(tmp_path / "low.json", Preset("Low", (VocoderEntry(-7.0),)))
    document = document_of(HIGHPASS)
    document.load(tmp_path / "low.json")
    assert (document.preset.name, document.path, document.is_saved) == ("Low", tmp_path / "low.json", True)
    document.set_parameter(0, "semitones", -6)
    assert not document.is_saved
    document.undo_stack.undo()
    assert document.is_saved
    document.undo_stack.undo()
    assert (document.preset.name, document.path, document.preset.plugins) == ("start", None, (HIGHPASS,))
    document.undo_stack.redo()
    assert document.preset.name == "Low" and document.path == tmp_path / "low.json"


def test_an_edit_undone_after_saving_stays_in_the_file_that_was_saved(tmp_path: Path) -> None:
    document = document_of(HIGHPASS)
    document.set_bypass(0, True)
    document.save(tmp_path / "mine.json")
    document.undo_stack.undo()
    assert (document.path, document.preset.name, document.is_saved) == (tmp_path / "mine.json", "mine", False)


def test_a_preset_that_cannot_be_read_leaves_all_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"format": 1, "name": "x", "plugins": [{"kind": "reverb"}]}')
    document = document_of(HIGHPASS)
    with pytest.raises(PresetError, match=r"bad\.json: plugins\[0\]: kind: must be one of"):
        document.load(tmp_path / "bad.json")
    assert document.preset.plugins == (HIGHPASS,) and not document.undo_stack.canUndo()


def test_a_model_beside_the_preset_is_saved_by_a_relative_path_and_others_keep_theirs(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    beside = gain_plugin(tmp_path / "shared" / "half.onnx")
    away = str(tmp_path / "away.onnx")
    entries = (ModelEntry(str(beside)), ModelEntry(away), ModelEntry("voice_octave"), ModelEntry("models/near.onnx"))
    document = ChainDocument(preset=Preset("x", entries, tmp_path))
    document.save(tmp_path / "shared" / "all.json")
    written = json.loads((tmp_path / "shared" / "all.json").read_text(encoding="utf-8"))
    assert [plugin["model"] for plugin in written["plugins"]] == [
        *("half.onnx", away, "voice_octave", "../models/near.onnx")
    ]
    assert document.is_saved


def test_the_engine_s_file_holds_the_chain_and_has_another_name_for_another_chain(tmp_path: Path) -> None:
    model = gain_plugin(tmp_path / "half.onnx", 0.5)
    document = ChainDocument(preset=Preset("x", (ModelEntry(model.name), HIGHPASS), tmp_path))
    folder = tmp_path / "engine"
    folder.mkdir()
    first = document.write_for_engine(folder)
    assert load_preset(first).build().names == ("test plugin", "highpass")
    assert document.write_for_engine(folder) == first
    document.set_bypass(1, True)
    second = document.write_for_engine(folder)
    assert second != first and load_preset(second).plugins[1] == replace(HIGHPASS, bypass=True)
    assert sorted(folder.iterdir()) == sorted([first, second])


def test_every_control_of_every_effect_is_turned_live_and_every_fixed_one_is_not() -> None:
    for name, kind in KINDS.items():
        document = document_of(EffectEntry(name))
        told, anew = QSignalSpy(document.control_turned), QSignalSpy(document.structure_changed)
        for control in (*kind.controls, *kind.fixed):
            document.set_parameter(0, control.name, control.maximum if control.default < control.maximum else 0.5)
        assert [name for name, _ in map(list, told)] == [f"0.{control.name}" for control in kind.controls]
        assert len(anew) == len(kind.fixed)
