"""Legacy variants: the libraries and formulas they repeat, and what is wrong with one of them."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch.nn import functional
from torchmetrics.functional.image import structural_similarity_index_measure

from benchmark.metrics.legacy.disco import l1_256, psnr_2023, psnr_2024
from mrfashion.errors import ItemError
from tests.disagreement import copies, photograph, value
from tests.test_benchmark_metrics import pair

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(11, 90), st.integers(11, 60))


def tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].double()


def zero_padded(a: np.ndarray, b: np.ndarray) -> float:
    """Eq. 13 with a grouped convolution over zeros outside, mean over all of the frame."""
    line = torch.exp(-(torch.arange(-5, 6).double() ** 2) / (2 * 1.5**2))
    window = torch.outer(line, line)
    window = (window / window.sum())[None, None]
    x, y = tensor(a)[0, :, None], tensor(b)[0, :, None]  # channels as a batch: faster

    def blur(image: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(image, window, padding=5)

    mean_x, mean_y = blur(x), blur(y)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    upper = (2 * mean_x * mean_y + c1) * (2 * (blur(x * y) - mean_x * mean_y) + c2)
    spread = blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2
    return float((upper / ((mean_x**2 + mean_y**2 + c1) * (spread + c2))).mean())


ORACLES = {
    "ssim-skimage": lambda a, b: structural_similarity(a, b, channel_axis=2),
    "ssim-disco": lambda a, b: structural_similarity(
        cv2.cvtColor(a[..., ::-1], cv2.COLOR_BGR2GRAY),
        cv2.cvtColor(b[..., ::-1], cv2.COLOR_BGR2GRAY),
    ),
    "ssim-torchmetrics": lambda a, b: float(
        structural_similarity_index_measure(tensor(b), tensor(a), data_range=255.0)
    ),
    "ssim-3dgs": zero_padded,
    "psnr-y": lambda a, b: 20 * math.log10(255 / np.sqrt(np.mean(np.square(luma(a) - luma(b))))),
}


def luma(image: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(image.astype(np.float64), 2, 0)
    return 16 + 0.256788235294118 * red + 0.504129411764706 * green + 0.097905882352941 * blue


@pytest.mark.parametrize("name", ORACLES)
@settings(max_examples=15, deadline=None)
@given(seeds, sizes)
def test_a_variant_equals_its_source(name: str, seed: int, size: tuple[int, int]) -> None:
    a, b = pair(seed, size)
    if name == "psnr-y" and (a == b).all():
        return
    assert value(name, a, b) == pytest.approx(ORACLES[name](a, b), abs=5e-6)


@settings(max_examples=25, deadline=None)
@given(seeds, sizes)
def test_the_wrapped_psnr_is_that_of_the_differences_modulo_256(
    seed: int, size: tuple[int, int]
) -> None:
    a, b = pair(seed, size)
    squares = np.square(a.astype(int) - b) % 256
    want = 10 * math.log10(255**2 / squares.mean()) if squares.any() else 100
    assert psnr_2023(a, b).whole == pytest.approx(want, abs=1e-9)


def test_the_wrapped_psnr_puts_a_blur_before_slight_noise_and_gives_anything_28_db() -> None:
    image = photograph()
    noise, blur, _, _, black = copies(image).values()
    assert psnr_2023(image, blur).whole > psnr_2023(image, noise).whole
    assert psnr_2024(image, blur).whole < psnr_2024(image, noise).whole
    assert psnr_2023(image, black).whole == pytest.approx(28.41, abs=0.005)
    assert psnr_2024(image, black).whole == pytest.approx(4.96, abs=0.005)
    a, b = np.random.default_rng(0).integers(0, 256, (2, 400, 400, 3)).astype(np.uint8)
    assert psnr_2023(a, b).whole == pytest.approx(27.9, abs=0.05)


def test_the_wrapped_psnr_is_blind_to_multiples_of_16() -> None:
    black = np.zeros((16, 16, 3), np.uint8)
    assert psnr_2023(black, black + np.uint8(16)).whole == 100
    assert psnr_2024(black, black + np.uint8(16)).whole == pytest.approx(24.05, abs=0.005)


def test_an_exact_frame_is_100_db_and_a_nearly_exact_one_may_be_more() -> None:
    a = np.zeros((400, 400, 3), np.uint8)
    b = a.copy()
    b[0, 0, 0] = 1
    assert psnr_2024(a, a).whole == 100
    assert psnr_2024(a, b).whole == pytest.approx(10 * math.log10(255**2 * a.size), abs=1e-9)


def test_discos_l1_is_divided_by_the_area_and_refused_at_another_size() -> None:
    a = np.zeros((256, 256, 3), np.uint8)
    b = np.full_like(a, 40)
    b[:128] = 0
    mapped = np.absolute(a.astype(float) - b.astype(float)) / float(a.shape[0] * a.shape[1])
    assert value("l1-disco-256x256", a, b) == pytest.approx(mapped.mean(), rel=1e-12)
    with pytest.raises(ItemError, match="frames are 255x256; DisCo's L1 is divided"):
        l1_256(a[:, :255], b[:, :255])
