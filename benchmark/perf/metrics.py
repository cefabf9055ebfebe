"""Our metrics against their peers: `OMP_NUM_THREADS=1 python -m benchmark.perf.metrics`.

CPU time on one thread of functions on data in memory. The peers get float tensors made beforehand,
in the batch that suits them best; ours get the uint8 frames, one pair at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.frechet import frechet_distance
from benchmark.metrics.ms_ssim import ms_ssim
from benchmark.metrics.psnr import psnr
from benchmark.metrics.ssim import ssim

SIZES = ((512, 384), (256, 256))  # h, w; the bars are for the first
BATCHES = (1, 4, 16)
ROUNDS = 5
LEAST_S = 0.1  # of each round: calls are repeated to fill it
FEATURES, DIMENSIONS = 128, 2048
BARS = {
    ("psnr", "numpy"): 5,
    ("psnr", "scikit-image"): 5,
    ("psnr", "torchmetrics"): 5,
    ("ssim", "torchmetrics"): 15,
    ("ssim", "scikit-image"): 6,
    ("ms-ssim", "pytorch-msssim"): 6,
    ("frechet", "scipy sqrtm"): 500,
}
Frame = NDArray[np.uint8]


@dataclass(frozen=True)
class Job:
    """A call on `pairs` frame pairs; it answers with their mean score."""

    entrant: str
    pairs: int
    call: Callable[[], Any]


def main() -> None:
    """Print CPU-ms a pair, best of several rounds, the ratios and whether they reach the bars."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    print(f"{'':24}{'CPU-ms':>12}{'ratio':>10}{'value':>14}")
    for height, width in SIZES:
        pair = _pair(height, width)
        for metric, jobs in (("psnr", _psnr), ("ssim", _ssim), ("ms-ssim", _ms_ssim)):
            _compare(metric, f"{height}x{width}", list(jobs(*pair)), (height, width) == SIZES[0])
    _compare("frechet", f"n={FEATURES} d={DIMENSIONS}", list(_frechet()), barred=True, rounds=1)


def _compare(metric: str, size: str, jobs: list[Job], barred: bool, rounds: int = ROUNDS) -> None:
    """The first job is ours; of those with one name the fastest counts."""
    scores = {job.entrant: float(job.call()) for job in jobs}  # and all are warm
    best: dict[str, float] = {}
    for _ in range(rounds):  # by turns, so that a busy machine slows all alike
        for job in jobs:
            best[job.entrant] = min(best.get(job.entrant, float("inf")), _cpu_ms(job))
    ours = best[jobs[0].entrant]
    print(f"{metric} {size}")
    for name, value in best.items():
        bar = BARS.get((metric, name)) if barred else None
        verdict = (
            "" if bar is None else f"  bar {bar}: {'held' if value >= bar * ours else 'MISSED'}"
        )
        print(f"  {name:22}{value:12.4f}{value / ours:9.1f}x{scores[name]:14.6f}{verdict}")


def _cpu_ms(job: Job) -> float:
    started, calls = time.process_time(), 0
    while calls == 0 or time.process_time() - started < LEAST_S:
        job.call()
        calls += 1
    return (time.process_time() - started) / calls / job.pairs * 1000


def _pair(height: int, width: int) -> tuple[Frame, Frame]:
    """A smooth picture and a noisy copy."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3)).astype(np.uint8)
    a = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    b = np.clip(a + rng.normal(0, 10, a.shape), 0, 255)
    return np.asarray(a, np.uint8), b.astype(np.uint8)


def _batches(a: Frame, b: Frame) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    for size in BATCHES:
        x, y = (torch.from_numpy(frame).permute(2, 0, 1)[None].float() for frame in (a, b))
        yield size, x.repeat(size, 1, 1, 1), y.repeat(size, 1, 1, 1)


def _psnr(a: Frame, b: Frame) -> Iterator[Job]:
    from skimage import metrics
    from torchmetrics.functional import image  # type: ignore[import-not-found,unused-ignore]

    functional: Any = image
    skimage: Any = metrics

    def by_numpy() -> float:
        """In float32, its fastest type that does not wrap."""
        gap = a.astype(np.float32) - b
        return float(10 * np.log10(255**2 / np.mean(gap * gap)))

    yield Job("mrfashion", 1, lambda: psnr(a, b).whole)
    yield Job("numpy", 1, by_numpy)
    yield Job("scikit-image", 1, lambda: skimage.peak_signal_noise_ratio(a, b))
    for n, x, y in _batches(a, b):
        call = _bound(functional.peak_signal_noise_ratio, x, y, data_range=255.0)
        yield Job("torchmetrics", n, call)


def _ssim(a: Frame, b: Frame) -> Iterator[Job]:
    from skimage import metrics
    from torchmetrics.functional import image  # type: ignore[import-not-found,unused-ignore]

    functional: Any = image
    skimage: Any = metrics
    # Its mean cuts off the window's radius too: the same valid region as ours.
    wang = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    call = _bound(skimage.structural_similarity, a, b, channel_axis=2, data_range=255, **wang)
    yield Job("mrfashion", 1, lambda: ssim(a, b).whole)
    yield Job("scikit-image", 1, call)
    for n, x, y in _batches(a, b):
        call = _bound(functional.structural_similarity_index_measure, y, x, data_range=255.0)
        yield Job("torchmetrics", n, call)


def _ms_ssim(a: Frame, b: Frame) -> Iterator[Job]:
    import pytorch_msssim

    yield Job("mrfashion", 1, lambda: ms_ssim(a, b).whole)
    for n, x, y in _batches(a, b):
        yield Job("pytorch-msssim", n, _bound(pytorch_msssim.ms_ssim, x, y, data_range=255))


def _frechet() -> Iterator[Job]:
    from scipy import linalg

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, FEATURES, DIMENSIONS)) * np.linspace(0.1, 2, DIMENSIONS)

    def by_sqrtm() -> float:
        one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        gap = a.mean(0) - b.mean(0)
        root = np.real(linalg.sqrtm(one @ two))
        return float(gap @ gap + np.trace(one) + np.trace(two) - 2 * np.trace(root))

    yield Job("mrfashion", 1, lambda: frechet_distance(a, b))
    yield Job("scipy sqrtm", 1, by_sqrtm)


def _bound(function: Callable[..., Any], *positional: Any, **named: Any) -> Callable[[], Any]:
    return lambda: function(*positional, **named)


if __name__ == "__main__":
    main()
