"""MS-SSIM: pytorch-msssim in float64, its limits, and clips too small for it."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_msssim
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.clip_scores import score_clip
from benchmark.metrics import METRICS
from benchmark.metrics.ms_ssim import LEAST_SIDE_PX, WEIGHTS, ms_ssim
from benchmark.metrics.spec import ClipContext
from mrfashion.errors import ItemError
from tests.test_benchmark_metrics import pair

sides = st.integers(LEAST_SIDE_PX, LEAST_SIDE_PX + 30)  # odd sides at every scale


def by_peer(a: np.ndarray, b: np.ndarray) -> float:
    """Channels as a batch: the same mean, and a convolution that torch has a fast way for.

    Its own window is rounded to float32; on flat bright ground that alone costs 2e-5.
    """
    x, y = (torch.from_numpy(image).permute(2, 0, 1)[:, None].double() for image in (a, b))
    window = torch.exp(-(torch.arange(-5, 6).double() ** 2) / (2 * 1.5**2))
    window = (window / window.sum())[None, None, None]
    return float(pytorch_msssim.ms_ssim(x, y, data_range=255, win=window))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), sides, sides)
def test_it_equals_pytorch_msssim(seed: int, height: int, width: int) -> None:
    a, b = pair(seed, (height, width))
    assert ms_ssim(a, b).whole == pytest.approx(by_peer(a, b), abs=1e-5)


def test_several_strips_equal_pytorch_msssim() -> None:
    a, b = pair(3, (701, 177))
    assert ms_ssim(a, b).whole == pytest.approx(by_peer(a, b), abs=1e-5)


def test_on_flat_frames_only_the_last_scale_sees_the_light() -> None:
    black = np.zeros((176, 176, 3), np.uint8)
    c1 = (0.01 * 255) ** 2
    luminance = c1 / (200**2 + c1)
    got = ms_ssim(black, black + np.uint8(200)).whole
    assert got == pytest.approx(luminance ** WEIGHTS[-1], rel=1e-4)


def test_a_negative_is_zero_and_no_complex_number() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (176, 176, 3)).astype(np.uint8)
    assert ms_ssim(noise, 255 - noise).whole == 0


@pytest.mark.parametrize("size", [(160, 400), (400, 160)])
def test_the_window_must_fit_into_the_last_scale(size: tuple[int, int]) -> None:
    a = np.zeros((*size, 3), np.uint8)
    with pytest.raises(ItemError, match="MS-SSIM needs 161 pixels a side"):
        ms_ssim(a, a)
    rows = score_clip(ClipContext(["front"]), [a], [a], [METRICS["ms-ssim"], METRICS["l1"]])
    whole = {row.metric: row for row in rows if row.region == "whole" and row.stratum == "all"}
    assert whole["l1"].value == 0
    assert whole["ms-ssim"].value is None
    assert "needs 161 pixels" in (whole["ms-ssim"].note or "")
