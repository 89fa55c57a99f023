"""Runs in the Neutone SDK's environment: plays a saved .nm block by block, as Neutone's plugin does.

Words: MODEL.nm AUDIO.npy RESULTS.npz, then one `RATE:BLOCK:CHANNELS` for each way to play. Each way starts with a
reset; one that was played before is noted with an `again`.
"""

import sys

import numpy as np
import torch
from neutone_sdk.utils import load_neutone_model


@torch.no_grad()
def play(model, audio, rate, block):
    """``(C, N)`` -> the same shape: the last block is filled with silence. Also the delay that was reported."""
    model.set_daw_sample_rate_and_buffer_size(rate, block)
    model.reset()
    padded = np.pad(audio, ((0, 0), (0, -audio.shape[1] % block)))
    heard = [
        model.forward(torch.from_numpy(part)).numpy().copy() for part in np.split(padded, padded.shape[1] // block, 1)
    ]
    delay = model.calc_buffering_delay_samples() + model.calc_model_delay_samples()
    return np.concatenate(heard, axis=1)[:, : audio.shape[1]], delay


def main():
    torch.set_num_threads(1)
    model_path, audio_path, results_path, *ways = sys.argv[1:]
    model, _ = load_neutone_model(model_path)
    audio, results = np.load(audio_path), {}
    for way in ways:
        rate, block, channels = map(int, way.split(":"))
        key = f"{way} again" if way in results else way
        results[key], results[f"{key} delay"] = play(model, audio[:channels], rate, block)
    np.savez(results_path, **results)


if __name__ == "__main__":
    main()
