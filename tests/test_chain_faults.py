"""A plugin of a chain that fails: the sound goes on, nobody hears a click, and somebody can read what happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from realtime.plugins.base import Samples
from realtime.plugins.chain import Chain
from realtime.plugins.member import MAX_FAULTS_IN_A_ROW
from realtime.plugins.plugin_file import PluginFile
from tests import plugin_files as files
from tests.chain_parts import Scale, delayed, hops, loudest_step
from tests.signals import noise, tone


@pytest.mark.parametrize("wrong, message", [
    ("raise", "RuntimeError: broken for good"),
    ("nan", "gave NaN or infinite samples"),
    ("shape", r"gave (1, 32) for (1, 64)"),
    ("reset", "RuntimeError: broken for good; reset: OSError: no way back"),
])  # fmt: skip
def test_a_failing_member_gives_way_to_its_delayed_input_and_returns(wrong: str, message: str) -> None:
    bad = Scale(64, 100, gain=0.5)
    chain = Chain([Scale(128, 9), bad], names=["good", "bad"])
    audio = noise(12_800)[None]
    reference = delayed(audio, 109)
    np.testing.assert_array_equal(hops(chain, audio[:, :3840]), reference[:, :3840] / 2)
    bad.wrong = wrong
    during = hops(chain, audio[:, 3840:4608])
    np.testing.assert_array_equal(during[:, 256:], reference[:, 3840 + 256 : 4608])
    (fault,) = chain.faults
    assert (fault.index, fault.name, fault.count, fault.message, fault.stopped) == (1, "bad", 6, message, False)
    bad.wrong = ""
    after = hops(chain, audio[:, 4608:])
    np.testing.assert_array_equal(after[:, 1024:], reference[:, 4608 + 1024 :] / 2)
    assert chain.faults == (fault,)


def test_nothing_of_a_failed_member_s_silence_is_heard_when_it_returns() -> None:
    """After its reset the member gives 500 samples of silence: the dry signal stands in until they are over."""
    bad = Scale(64, 500)
    chain, audio = Chain([bad]), noise(6400)[None]
    first = hops(chain, audio[:, :1280])
    bad.wrong = "raise"
    heard = hops(chain, audio[:, 1280:1344])
    bad.wrong = ""
    whole = np.concatenate([first, heard, hops(chain, audio[:, 1344:])], axis=1)
    reference = delayed(audio, 500)
    np.testing.assert_allclose(whole[:, 1344 + 240 :], reference[:, 1344 + 240 :], atol=1e-7)


@pytest.mark.parametrize("hop", [1, 64, 512])
def test_a_fault_makes_no_click(hop: int) -> None:
    bad = Scale(hop, gain=-1.0)
    chain, audio = Chain([bad, Scale(512)]), tone(100, 30 * 512)[None]
    heard = []
    for turn, wrong in enumerate(["", "raise", ""]):
        bad.wrong = wrong
        heard.append(hops(chain, audio[:, turn * 5120 : turn * 5120 + 5120]))
    assert loudest_step(np.concatenate(heard, axis=1)) < loudest_step(audio) + 2 * 0.3 / 239


def test_the_samples_before_a_failure_within_the_hop_are_kept() -> None:
    class ThirdCallFails(Scale):
        def process(self, block: Samples) -> Samples:
            heard = super().process(block)
            if self.calls == 3:
                raise RuntimeError("third")
            return heard

    audio = noise(256)[None]
    chain = Chain([ThirdCallFails(64, gain=0.5), Scale(256)])
    heard = chain.process(audio)
    np.testing.assert_array_equal(heard[:, :128], audio[:, :128] / 2)
    held, ramp = heard[0, 127], np.arange(1, 129) / 256
    np.testing.assert_allclose(heard[0, 128:], held * (1 - ramp) + audio[0, 128:] * ramp, atol=1e-7)


def test_ten_faults_in_a_row_stop_a_member_until_it_is_taken_in_again() -> None:
    bad = Scale(256, 30, gain=0.5)
    chain, audio = Chain([bad]), noise(256 * 60)[None]
    bad.wrong = "raise"
    hops(chain, audio[:, : 256 * 15])
    assert bad.calls == MAX_FAULTS_IN_A_ROW and chain.faults[0].count == MAX_FAULTS_IN_A_ROW and chain.faults[0].stopped
    bad.wrong = ""
    np.testing.assert_array_equal(
        hops(chain, audio[:, 256 * 15 : 256 * 20]), delayed(audio, 30)[:, 256 * 15 : 256 * 20]
    )
    chain.reset()
    assert chain.faults[0].stopped and chain.bypassed == (False,)
    chain.set_bypass(0, False)
    hops(chain, audio[:, 256 * 20 : 256 * 24])
    expected = delayed(audio, 30)[:, 256 * 24 :] / 2
    np.testing.assert_array_equal(hops(chain, audio[:, 256 * 24 :]), expected)
    assert not chain.faults[0].stopped


def test_faults_that_are_not_in_a_row_never_stop_a_member() -> None:
    bad = Scale(64)
    chain, audio = Chain([bad]), noise(64)[None]
    for turn in range(60):
        bad.wrong = "" if turn % MAX_FAULTS_IN_A_ROW == 0 else "raise"
        chain.process(audio)
    assert chain.faults[0].count == 54 and not chain.faults[0].stopped


def test_the_member_behind_a_failing_one_hears_its_delayed_input() -> None:
    bad, behind = Scale(64, 10), Scale(64, 20, gain=0.5)
    bad.wrong = "nan"
    chain, audio = Chain([bad, behind]), noise(1280)[None]
    np.testing.assert_array_equal(hops(chain, audio)[:, 320:], delayed(audio, 30)[:, 320:] / 2)
    assert [fault.index for fault in chain.faults] == [0]


def test_a_model_that_mutes_itself_is_counted_but_is_no_fault(tmp_path: Path) -> None:
    nodes = [helper.make_node("Log", ["audio"], ["audio_out"])]
    model = files.make_model(nodes, [])
    chain = Chain([PluginFile(files.save(tmp_path / "log.onnx", model, files.make_facts(model).to_metadata()))])
    heard = chain.process(np.full((1, files.HOP), -1, dtype=np.float32))
    assert not heard.any() and chain.muted_blocks == 1 and chain.faults == ()


def test_nan_and_infinite_input_is_silence_for_every_member() -> None:
    chain, audio = Chain([Scale(64, gain=2.0)]), noise(64)[None]
    clean = audio.copy()
    audio[0, 5], audio[0, 9], clean[0, 5], clean[0, 9] = np.nan, -np.inf, 0, 0
    np.testing.assert_array_equal(chain.process(audio), 2 * clean)
    assert chain.replaced_samples == 2 and chain.faults == ()


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.sampled_from(["", "raise", "nan", "infinite", "shape", "reset", "bypass", "return"]), max_size=40)
)
def test_whatever_a_member_does_the_audio_goes_on(steps: list[str]) -> None:
    bad = Scale(32, 40)
    chain, audio = Chain([Scale(64), bad]), tone(200, 64 * 41)[None]
    heard = []
    for turn, wrong in enumerate([*steps, ""]):
        if wrong in ("bypass", "return"):
            chain.set_bypass(1, wrong == "bypass")
        else:
            bad.wrong = wrong
        heard.append(chain.process(audio[:, turn * 64 : turn * 64 + 64]))
    # The member changes nothing but the delay, so only the held sample of a fault may differ from the input.
    whole = np.concatenate(heard, axis=1)
    assert np.isfinite(whole).all() and loudest_step(whole) < loudest_step(audio) + 0.3 * 2 / 239 + 1e-6


def test_infinite_samples_at_the_end_of_a_fade_leave_no_warning() -> None:
    """Pytest turns warnings into errors here; in a live engine they would be written from the audio path."""
    bad, audio = Scale(512), noise(512)[None]
    chain = Chain([bad])
    chain.process(audio)
    bad.wrong = "infinite"
    chain.set_bypass(0, True)
    assert np.isfinite(chain.process(audio)).all() and chain.faults[0].count == 1
