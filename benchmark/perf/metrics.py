"""Our SSIM and PSNR against scikit-image and torchmetrics: `python -m benchmark.perf.ssim`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.psnr import psnr
from benchmark.metrics.ssim import ssim

SIZES = ((256, 256), (512, 384))  # h, w
REPEATS, ROUNDS = 4, 5
Frame = NDArray[np.uint8]
Compare = Callable[[Frame, Frame], float]


def main() -> None:
    """Print CPU-ms a frame pair on one thread, best of several rounds, and the ratios."""
    cv2.setNumThreads(1)
    rivals: dict[str, dict[str, Compare]] = {"ssim": {}, "psnr": {}}
    for load in (_scikit_image, _torchmetrics):
        try:
            loaded = load()
        except ImportError as error:
            print(f"left out: {error}")
            continue
        for metric, named in loaded.items():
            rivals[metric] |= named
    print(f"{'':38}{'CPU-ms':>10}{'ours is':>10}{'value':>12}")
    for height, width in SIZES:
        a, b = _pair(height, width)
        for metric, named in rivals.items():
            _compare(f"{metric} {height}x{width}", _ours(metric), named, a, b)


def _compare(what: str, ours: Compare, rivals: dict[str, Compare], a: Frame, b: Frame) -> None:
    entrants = {"mrfashion": ours, **rivals}
    best = dict.fromkeys(entrants, float("inf"))
    for _ in range(ROUNDS):  # by turns, so that a busy machine slows all alike
        for name, function in entrants.items():
            best[name] = min(best[name], _cpu_ms(function, a, b))
    for name, function in entrants.items():
        ratio = best[name] / best["mrfashion"]
        print(f"{what + ' ' + name:38}{best[name]:10.3f}{ratio:9.1f}x{function(a, b):12.6f}")


def _cpu_ms(function: Compare, a: Frame, b: Frame) -> float:
    started = time.process_time()
    for _ in range(REPEATS):
        function(a, b)
    return (time.process_time() - started) / REPEATS * 1000


def _pair(height: int, width: int) -> tuple[Frame, Frame]:
    """A smooth picture and a noisy copy."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3)).astype(np.uint8)
    a = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    b = np.clip(a + rng.normal(0, 10, a.shape), 0, 255)
    return np.asarray(a, np.uint8), b.astype(np.uint8)


def _ours(metric: str) -> Compare:
    compare = {"ssim": ssim, "psnr": psnr}[metric]
    return lambda a, b: compare(a, b).whole


def _scikit_image() -> dict[str, dict[str, Compare]]:
    from skimage import metrics

    skimage: Any = metrics  # untyped

    def ssim(a: Frame, b: Frame) -> float:
        """Its mean crops the window's radius too: the same valid region."""
        return float(
            skimage.structural_similarity(
                a,
                b,
                channel_axis=2,
                data_range=255,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
        )

    def psnr(a: Frame, b: Frame) -> float:
        return float(skimage.peak_signal_noise_ratio(a, b))

    return {"ssim": {"scikit-image": ssim}, "psnr": {"scikit-image": psnr}}


def _torchmetrics() -> dict[str, dict[str, Compare]]:
    import torch
    from torchmetrics.functional import image  # type: ignore[import-not-found,unused-ignore]

    functional: Any = image
    torch.set_num_threads(1)

    def tensor(image: Frame) -> torch.Tensor:
        return torch.from_numpy(image).permute(2, 0, 1)[None].float()

    def ssim(a: Frame, b: Frame) -> float:
        return float(
            functional.structural_similarity_index_measure(tensor(b), tensor(a), data_range=255.0)
        )

    def psnr(a: Frame, b: Frame) -> float:
        return float(functional.peak_signal_noise_ratio(tensor(b), tensor(a), data_range=255.0))

    return {"ssim": {"torchmetrics": ssim}, "psnr": {"torchmetrics": psnr}}


if __name__ == "__main__":
    main()
