"""What LPIPS costs on one core: `OMP_NUM_THREADS=1 python -m benchmark.perf.perceptual [HxW]`.

CPU time of a frame pair in memory, for the first entrant and for the next, whose target features
are kept. The weights are made up: they decide the numbers, not the time.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from benchmark.backbones.perceptual import TRUNKS, PerceptualDistance
from benchmark.metrics.perceptual import BATCH_PIXELS

ROUNDS = 4


def main() -> None:
    """Print CPU-ms a pair of each network, best of several rounds."""
    torch.set_num_threads(1)
    height, width = map(int, (sys.argv[1] if len(sys.argv) > 1 else "256x256").split("x"))
    frames = max(1, BATCH_PIXELS // (height * width))
    print(f"{'CPU-ms a pair':16}{'first':>10}{'next':>10}{'gain':>8}   {frames}x{height}x{width}")
    for name in TRUNKS:
        first, following = _best(name, (frames, height, width, 3))
        print(f"{name:16}{first:10.1f}{following:10.1f}{first / following:7.2f}x")


def _best(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    judge, rng = _made_up(name), np.random.default_rng(0)
    times: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        target, one, other = torch.from_numpy(rng.integers(0, 256, (3, *shape)).astype(np.uint8))
        times.append((_cpu_ms(judge, target, one), _cpu_ms(judge, target, other)))
    return min(t for t, _ in times), min(t for _, t in times)


def _cpu_ms(judge: PerceptualDistance, target: torch.Tensor, generated: torch.Tensor) -> float:
    started = time.process_time()
    judge(judge.target_features(target), judge.features(generated)).tolist()
    return (time.process_time() - started) / len(target) * 1000


def _made_up(name: str) -> PerceptualDistance:
    judge, random = PerceptualDistance(TRUNKS[name]()), torch.Generator().manual_seed(0)
    state = {
        key: 0.05 * torch.randn(tensor.shape, generator=random) if tensor.is_meta else tensor
        for key, tensor in judge.state_dict().items()
    }
    judge.load_state_dict(state, assign=True)
    return judge.eval()


if __name__ == "__main__":
    main()
