"""The training loop in this process: it learns, resumes bit for bit, averages, clips, and stops without losing work."""

import warnings

import numpy as np
import pytest
import soundfile
import torch

from realtime.quality.metrics import mel_distance, mr_stft, si_sdr
from tests.runs import BEST, ignore, lines
from training import checkpoint
from training.crops import Pair
from training.loop import LAST
from training.recipes import find
from training.settings import TrainingError, TrainSettings
from training.validation import Clip, fixed_clips, score


def test_the_loss_falls(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=30, validate_every=30)
    assert trainer.run(ignore)
    losses = [row["loss"] for row in lines(tmp_path, "train")]
    assert len(losses) == 30
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:2])


def test_the_average_and_the_decay_are_those_worked_out_by_hand(make_trainer, tmp_path):
    steps, ema = 4, 0.6
    trainer = make_trainer(tmp_path, steps=steps, ema=ema, rate_decay=True, validate_every=100)
    average = {name: value.double() for name, value in trainer.model.state_dict().items()}

    def by_hand(progress) -> None:
        keep = min(ema, progress.step / (9 + progress.step))
        for name, value in trainer.model.state_dict().items():
            average[name] = keep * average[name] + (1 - keep) * value.double()

    trainer.run(by_hand)
    for name, value in checkpoint.load(tmp_path / LAST).ema.items():
        torch.testing.assert_close(value.double(), average[name], rtol=1e-5, atol=1e-7)
    assert [row["rate_factor"] for row in lines(tmp_path, "train")] == [1, 0.75, 0.5, 0.25]
    groups = {kind: optimizer.param_groups[0]["lr"] for kind, optimizer in trainer.optimizers._both.items()}
    assert groups == {"muon": 0.25 * 5e-3, "adamw": 0.25 * 5e-4}
    best = checkpoint.load(tmp_path / BEST)
    assert all(torch.equal(best.weights[name], value) for name, value in trainer.average.items())


def test_validation_hears_the_average_and_gives_the_weights_back(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=3, ema=0.9, validate_every=100)
    trainer.run(ignore)
    saved = checkpoint.load(tmp_path / LAST)
    assert any(not torch.equal(saved.weights[name], saved.ema[name]) for name in saved.ema)
    assert all(torch.equal(saved.weights[name], value) for name, value in trainer.model.state_dict().items())
    (clip,) = trainer.clips
    trainer.model.load_state_dict(saved.ema)
    with torch.no_grad():
        estimate = trainer.model(torch.from_numpy(clip.shifted)[None])[0].numpy()
    (row,) = lines(tmp_path, "validation")
    assert row["mr_stft"] == pytest.approx(mr_stft(estimate, clip.original, 48_000), rel=1e-5)
    assert row["mel"] == pytest.approx(mel_distance(estimate, clip.original, 48_000), rel=1e-5)
    assert row["si_sdr_db"] == pytest.approx(si_sdr(estimate, clip.original), rel=1e-4)


def test_without_an_average_nothing_is_averaged(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=1)
    trainer.run(ignore)
    assert checkpoint.load(tmp_path / LAST).ema == {}


def test_the_clip_limits_the_whole_gradient(make_trainer, tmp_path):
    limit = 1e-9
    trainer = make_trainer(tmp_path, steps=1, clip=limit, optimizer="adamw", adamw_lr=1e-30)
    trainer.run(ignore)
    (row,) = lines(tmp_path, "train")
    moments = [v for name, v in trainer.optimizers.state().items() if name.endswith("exp_avg")]
    applied = torch.sqrt(sum((moment / 0.1).double().pow(2).sum() for moment in moments))  # (1 - β₁) of the first
    assert row["gradient_norm"] > 1e3 * limit
    assert applied.item() == pytest.approx(limit, rel=1e-3)


def test_metrics_tell_the_floor_every_step_and_every_validation(trained_run):
    assert [row["step"] for row in lines(trained_run, "train")] == [1, 2, 3, 4, 5, 6]
    assert {"loss", "mel", "l1", "gradient_norm", "rate_factor"} <= lines(trained_run, "train")[0].keys()
    assert [row["step"] for row in lines(trained_run, "validation")] == [3, 6]
    (floor,) = lines(trained_run, "floor")
    assert lines(trained_run)[0] == floor
    for row in lines(trained_run, "train"):
        assert row["loss"] == pytest.approx(row["mel"] + 10 * row["l1"], rel=1e-5)


def test_the_floor_is_the_score_of_doing_nothing(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=1, validation_clips=2)
    trainer.run(ignore)
    rows = [
        (mr_stft(clip.shifted, clip.original, 48_000), si_sdr(clip.shifted, clip.original)) for clip in trainer.clips
    ]
    assert len(rows) == 2
    (floor,) = lines(tmp_path, "floor")
    assert (floor["mr_stft"], floor["si_sdr_db"]) == pytest.approx(tuple(np.mean(rows, axis=0)), rel=1e-6)


def test_tensorboard_has_scalars_sounds_and_pictures(trained_run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports, not ours
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        board = EventAccumulator(str(trained_run / "tensorboard"))
        board.Reload()
    tags = board.Tags()
    assert {"train/loss", "train/gradient_norm", "validation/mr_stft", "floor/mr_stft"} <= set(tags["scalars"])
    assert [event.step for event in board.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
    written = [row["loss"] for row in lines(trained_run, "train")]
    assert [event.value for event in board.Scalars("train/loss")] == pytest.approx(written, rel=1e-6)
    for title in ("input", "output", "original"):
        (tag, *_) = [tag for tag in tags["audio"] if tag.endswith(f"/{title}")]
        sound = board.Audio(tag)[0]
        assert (sound.sample_rate, sound.length_frames) == (48_000, 8192)
    assert [tag for tag in tags["images"] if tag.endswith("/spectrograms")]


def test_the_run_leaves_shifted_sound_for_the_certificate(make_trainer, tmp_path):
    trainer = make_trainer(tmp_path, steps=1, validation_clips=2)
    trainer.run(ignore)
    probe, rate = soundfile.read(tmp_path / "probe.flac", dtype="float32")
    expected = np.concatenate([clip.shifted[0] for clip in trainer.clips])
    assert rate == 48_000
    np.testing.assert_allclose(probe, expected, atol=2**-23)


def test_released_weights_start_a_run(make_trainer, trained_run, exported_file, tmp_path):
    best = checkpoint.load(trained_run / BEST).weights
    for source in (trained_run, trained_run / BEST):
        trainer = make_trainer(tmp_path, steps=1, ema=0.5)
        trainer.start_from(source)
        assert all(torch.equal(value, best[name]) for name, value in trainer.model.state_dict().items())
        assert all(torch.equal(value, best[name]) for name, value in trainer.average.items())
        assert trainer.step == 0
        assert trainer.optimizers.state() == {}
    trainer = make_trainer(tmp_path, steps=1)
    trainer.start_from(exported_file)
    for name, value in trainer.model.state_dict().items():
        half = best[name].half().float() if best[name].numel() >= 64 else best[name]
        assert torch.equal(value, half), name


def test_weights_of_another_recipe_do_not_start_a_run(make_trainer, trained_run, exported_file, tmp_path):
    for source in (trained_run, exported_file):
        trainer = make_trainer(tmp_path, find("light"), steps=1)
        with pytest.raises(checkpoint.CheckpointError, match=r"conv_in\.weight has shape \(8, 4, 5\).*\(16, 4, 5\)"):
            trainer.start_from(source)


def test_the_spectrogram_recipe_runs_through_the_same_loop(make_trainer, tmp_path):
    recipe = type(find("output1"))("image", (4, 16, 32), (1, 1), 1, (4, 2), "spectrogram", kernels=(7,), mid_kernel=7)
    trainer = make_trainer(tmp_path, recipe, steps=1)
    assert trainer.run(ignore)
    assert np.isfinite(lines(tmp_path, "validation")[0]["mr_stft"])


@pytest.mark.parametrize(
    "changes, told",
    [({"steps": 0}, "steps is 0"), ({"batch": -1}, "batch is -1"), ({"ema": 1.0}, "ema is 1.0"),
     ({"clip": 0}, "clip is 0"), ({"muon_lr": float("nan")}, "muon_lr is nan"), ({"crop": 0}, "crop is 0")],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(changes, told):
    with pytest.raises(ValueError, match=told):
        TrainSettings(**changes)


def test_the_defaults_are_the_logs_protocol():
    defaults = TrainSettings()
    assert (defaults.steps, defaults.batch, defaults.crop, defaults.l1_weight) == (10_000, 32, 32_768, 10)
    assert (defaults.optimizer, defaults.muon_lr, defaults.adamw_lr, defaults.clip) == ("muon", 5e-3, 5e-4, 1e3)
    assert (defaults.validate_every, defaults.validation_clips, defaults.validation_crop) == (1000, 32, 131_072)
    assert (defaults.precision, defaults.rate_decay, defaults.ema, defaults.seed) == ("tf32", False, 0, 0)


def test_validation_clips_that_are_all_silent_are_refused(tmp_path):
    path = tmp_path / "0000000000000000_0000.flac"
    soundfile.write(path, np.zeros((48_000, 2), np.float32), 48_000, subtype="PCM_24")
    pair = Pair(path, 48_000, "vocoder", 12.0, "silent.wav")
    with pytest.raises(TrainingError, match=r"silent.*--validation"):
        fixed_clips([pair], TrainSettings())


def test_scores_are_means_over_the_clips():
    random = np.random.default_rng(0)
    clips = [Clip(str(n), *(random.standard_normal((2, 1, 8192)).astype(np.float32) / 9)) for n in range(2)]
    both = score([clip.shifted for clip in clips], clips, 48_000)
    apart = [score([clip.shifted], [clip], 48_000) for clip in clips]
    assert both.si_sdr_db == pytest.approx((apart[0].si_sdr_db + apart[1].si_sdr_db) / 2)
    assert both.mr_stft == pytest.approx((apart[0].mr_stft + apart[1].mr_stft) / 2)
