"""What the LV2 plugin of a model reports as its latency, by session rate and block.

python -m benchmarks.lv2_latency [--model NAME|PATH]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from realtime.bundled import find_model
from tests.lv2_bundles import compiled
from tests.lv2_host import instance

RATES = (48_000, 44_100, 88_200, 96_000, 192_000, 22_050, 16_000)
BLOCKS = (64, 256, 512, 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = compiled(Path(folder) / "model.lv2")
        (bundle / "model.onnx").write_bytes(find_model(options.model).read_bytes())
        print("| session | " + " | ".join(f"blocks of {block}" for block in BLOCKS) + " |")
        print("|---" * (1 + len(BLOCKS)) + "|")
        for rate in RATES:
            latencies_ms = [_latency_ms(bundle, rate, block) for block in BLOCKS]
            print(f"| {rate / 1000:g} kHz | " + " | ".join(f"{latency:.1f} ms" for latency in latencies_ms) + " |")


def _latency_ms(bundle: Path, rate: int, block: int) -> float:
    with instance(bundle, rate=rate, block=block) as plugin:
        return 1000 * plugin.run(np.zeros((1, 1), np.float32), [1]).latency_samples / rate


if __name__ == "__main__":
    main()
