"""The file against its model, and the stream against the whole: measured on real audio, or no export."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from export.graph import ExportError
from export.reference import run_steps, run_whole
from realtime.contract import SHIFT_CONTROL
from training.unet import UNet

Audio = NDArray[np.float32]

LARGEST_DIFFERENCE = 1e-4
LARGEST_ROUNDING = 1e-2  # a sound model loses far less to float16; more means that the file holds other weights
LARGEST_QUANTISATION = 0.1  # 8 bit against the model
LEAST_PRESTAGE_SNR_DB = 40.0  # rounding moves a weak peak to another bin now and then; a fault is far above
LEAST_QUANTISATION_SNR_DB = 20.0  # far below, the ear hears the rounding; trained models have more than 40
LEAST_BLOCKS = 64
CONTROL_INPUT = f"control_{SHIFT_CONTROL}"


@dataclass(frozen=True)
class Certificate:
    """Largest absolute differences on `seconds` of audio, full scale ±1.

    `stream_vs_offline`: the file fed hop by hop against the model over the whole; `torch_vs_onnx`: file against model,
    with the weights as the file stores them; `weight_rounding`: what storing them so changed; `causality_samples`: how
    far ahead of a change in the input the output was seen to change (for a stream: less than one hop).
    `quantisation_error`: of an 8-bit file, its largest difference from the model, 0 for others, and then also its
    `stream_vs_offline` and `torch_vs_onnx`; `quantisation_snr_db`: how far below the model's output the whole of that
    difference lies. The other figures of an 8-bit file are those of the same graph with float weights. Of a file with a
    vocoder in it the figures are its network's, told the ends of its range; `prestage_snr_db` is how far below the
    output the difference of the whole from numpy's vocoder and the model lies, at the same ends: not as far, since
    float32 decides otherwise where two bins are almost equal.
    """

    stream_vs_offline: float
    torch_vs_onnx: float
    weight_rounding: float
    causality_samples: int
    blocks: int
    seconds: float
    onnxruntime: str
    torch: str
    quantisation_error: float = 0.0
    quantisation_snr_db: float | None = None
    prestage_snr_db: float | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def certify_stream(
    model_bytes: bytes,
    stored: UNet,
    exact: UNet,
    audio: Audio,
    hop: int,
    rate: int,
    told: Sequence[float] = (0.0,),
) -> Certificate:
    """Measure a stream file, and keep the largest of each figure.

    Args: stored, exact: the model with the file's weights and with its own; audio: ``(N,)``; told: the intervals that
        a conditioned model is told, one run for each.
    Raises: ExportError beyond `LARGEST_DIFFERENCE` or `LARGEST_ROUNDING`, or if the output runs ahead of the input.
    """
    blocks = len(audio) // hop
    if blocks < LEAST_BLOCKS:
        raise ExportError(
            f"the certificate needs {LEAST_BLOCKS * hop / rate:.1f} s of audio, there are {len(audio) / rate:.1f} s: "
            "give --audio with a longer recording"
        )
    audio = audio[: blocks * hop]
    against_whole, against_steps, rounding = [], [], []
    for semitones in told:
        streamed = np.concatenate(list(_run_hops(model_bytes, audio, hop, semitones)))
        stepped = np.concatenate(list(run_steps(stored, audio, hop, semitones)))
        whole = run_whole(stored, audio, semitones)
        against_whole.append(_difference(streamed, whole))
        against_steps.append(_difference(streamed, stepped))
        rounding.append(_difference(whole, run_whole(exact, audio, semitones)))
    ahead = causality_samples(stored, audio, hop, told[-1])
    if ahead >= hop:
        raise ExportError(f"the model looks {ahead} samples ahead, a hop is {hop}: this is not a causal model")
    return _checked(
        stream_vs_offline=max(against_whole),
        torch_vs_onnx=max(against_steps),
        weight_rounding=max(rounding),
        causality_samples=ahead,
        blocks=blocks,
        seconds=len(audio) / rate,
    )


def certify_int8(
    in_float: Certificate, model_bytes: bytes, exact: UNet, audio: Audio, hop: int, semitones: float = 0.0
) -> Certificate:
    """Measure an 8-bit stream file, told to undo `semitones`, whose graph with float weights has passed already.

    Raises: ExportError where the rounding is more than an ear would pass over.
    """
    audio = audio[: len(audio) // hop * hop]
    streamed = np.concatenate(list(_run_hops(model_bytes, audio, hop, semitones)))
    whole = run_whole(exact, audio, semitones)
    error, snr_db = _difference(streamed, whole), below_db(whole, streamed)
    if not (error <= LARGEST_QUANTISATION and snr_db >= LEAST_QUANTISATION_SNR_DB):
        raise ExportError(
            f"8 bit changes the output by up to {error:.1e}, {snr_db:.0f} dB below it (allowed: "
            f"{LARGEST_QUANTISATION:g} and {LEAST_QUANTISATION_SNR_DB:.0f} dB): the file was not written; leave out "
            "--int8"
        )
    return replace(
        in_float,
        stream_vs_offline=error,
        torch_vs_onnx=error,
        quantisation_error=error,
        quantisation_snr_db=round(snr_db, 1),
    )


def certify_prestage(
    plain: Certificate, model_bytes: bytes, stored: UNet, audio: Audio, hop: int, semitones: Sequence[float]
) -> Certificate:
    """Measure what a vocoder in the file does, at each of `semitones`, against the same in numpy and torch.

    Raises: ExportError where it is not the host's vocoder, or, at 0 semitones, not a delay alone.
    """
    audio = audio[: len(audio) // hop * hop]
    bent = _difference(np.concatenate(list(_run_hops(model_bytes, audio, hop))), run_whole(stored, audio))
    if not bent <= LARGEST_DIFFERENCE:  # also catches NaN
        raise ExportError(f"told to undo nothing, the file differs from the model by {bent:.1e}: it was not written")
    least = float("inf")
    for shift in semitones:
        streamed = np.concatenate(list(_run_hops(model_bytes, audio, hop, shift)))
        snr_db = below_db(run_whole(stored, audio, shift), streamed)
        least = min(least, snr_db)
        if not snr_db >= LEAST_PRESTAGE_SNR_DB:  # also catches NaN
            raise ExportError(
                f"undoing {shift:+g} semitones, the vocoder in the file differs from the host's by {snr_db:.0f} dB "
                f"below the output, {LEAST_PRESTAGE_SNR_DB:.0f} dB at least: the file was not written"
            )
    return replace(plain, prestage_snr_db=round(least, 1))


def certify_whole(model_bytes: bytes, stored: UNet, exact: UNet, audio: Audio, rate: int) -> Certificate:
    """Measure an offline file: there is no stream, so its figure is that of the file over the whole.

    Raises: ExportError beyond `LARGEST_DIFFERENCE` or `LARGEST_ROUNDING`.
    """
    stride = stored.total_stride
    audio = audio[: len(audio) // stride * stride]
    if len(audio) < 2 * stride:
        raise ExportError(f"the certificate needs {2 * stride} samples of audio: give --audio with a longer recording")
    session = _session(model_bytes)
    from_file = session.run(["audio_out"], {"audio": audio[None, None]})[0][0, 0]
    whole = run_whole(stored, audio)
    return _checked(
        stream_vs_offline=_difference(from_file, whole),
        torch_vs_onnx=_difference(from_file, whole),
        weight_rounding=_difference(whole, run_whole(exact, audio)),
        causality_samples=causality_samples(stored, audio, stride),
        blocks=1,
        seconds=len(audio) / rate,
    )


def causality_samples(model: UNet, audio: Audio, hop: int, semitones: float = 0.0) -> int:
    """How far ahead of the input sample that was changed the output changed, at most, over probes in mid-recording."""
    middle = len(audio) // 2 // hop * hop
    ahead = 0
    before = run_whole(model, audio, semitones)
    for place in (middle, middle + hop - 1, middle + hop // 2):
        probe = audio.copy()
        probe[place] += 0.5
        changed = np.flatnonzero(run_whole(model, probe, semitones) != before)
        if len(changed):
            ahead = max(ahead, place - int(changed[0]))
    return ahead


def trial(
    model_bytes: bytes, model: UNet, audio: Audio, hop: int, semitones: float = 0.0
) -> tuple[Iterator[Audio], Iterator[Audio]]:
    """A stream file and a model, each run over the same hops: what they give, hop by hop."""
    return _run_hops(model_bytes, audio, hop, semitones), run_steps(model, audio, hop, semitones)


def _checked(**figures: Any) -> Certificate:
    certificate = Certificate(**figures, onnxruntime=onnxruntime.__version__, torch=torch.__version__)
    limits = {
        "stream_vs_offline": LARGEST_DIFFERENCE,
        "torch_vs_onnx": LARGEST_DIFFERENCE,
        "weight_rounding": LARGEST_ROUNDING,
    }
    for name, limit in limits.items():
        value = getattr(certificate, name)
        if not value <= limit:  # also catches NaN
            advice = "; try --fp32" if name == "weight_rounding" else ""
            raise ExportError(f"{name} is {value:.1e}, the limit is {limit:.0e}: the file was not written{advice}")
    return certificate


def _difference(one: Audio, other: Audio) -> float:
    return float(np.abs(one.astype(np.float64) - other).max())


def _session(model_bytes: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_free_dimension_override_by_name("channels", 1)
    options.add_session_config_entry("session.x64quantprecision", "1")  # exact on every processor, if slower
    return onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])


def _run_hops(model_bytes: bytes, audio: Audio, hop: int, semitones: float = 0.0) -> Iterator[Audio]:
    session = _session(model_bytes)
    inputs = {value.name: np.zeros(value.shape, np.float32) for value in session.get_inputs()}
    if CONTROL_INPUT in inputs:
        inputs[CONTROL_INPUT][:] = semitones
    outputs = [value.name for value in session.get_outputs()]
    for block in audio.reshape(-1, 1, 1, hop):
        results = dict(zip(outputs, session.run(outputs, {**inputs, "audio": block}), strict=True))
        inputs |= {f"state_{name.removeprefix('next_')}": results[name] for name in outputs if name != "audio_out"}
        yield results["audio_out"][0, 0]


def below_db(expected: Audio, heard: Audio) -> float:
    """How far below `expected` the difference lies."""
    signal = float(np.sum(expected.astype(np.float64) ** 2))
    noise = float(np.sum((heard.astype(np.float64) - expected) ** 2))
    return 10 * float(np.log10(max(signal, 1e-30) / max(noise, 1e-30)))
