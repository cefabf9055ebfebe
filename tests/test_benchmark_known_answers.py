"""Public known answers of others' programs; they run where the pictures are, and skip elsewhere.

MRFASHION_TEST_DATA/known/tid2013/{ref,dist}/I03.bmp ...: five pairs of TID2013, as kept under
`ResultsCalibra` of github.com/chaofengc/IQA-PyTorch with the values of the official MATLAB code.
MRFASHION_TEST_DATA/known/goldhill.gif, goldhill_jpeg.gif: `tests/assets` of
github.com/photosynthesis-team/piq.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.disagreement import value

pytestmark = pytest.mark.realdata
PAIRS = ("I03", "I04", "I06", "I08", "I19")
PSNR = (21.11, 20.99, 27.01, 23.30, 21.62)
SSIM = (0.6993, 0.9978, 0.9989, 0.9669, 0.6519)  # of MATLAB's grey
MS_SSIM = (0.6733, 0.9996, 0.9998, 0.9566, 0.8462)
WRAPPED = (28.99, 28.39, 30.89, 42.98, 28.95)  # what DisCo printed until 2024


@pytest.fixture(scope="module")
def known(realdata: Path) -> Path:
    if not (realdata / "known").is_dir():
        pytest.skip(f"{realdata / 'known'} does not hold the pictures")
    return realdata / "known"


def pair(known: Path, name: str) -> list[np.ndarray]:
    folders = (known / "tid2013" / "ref", known / "tid2013" / "dist")
    return [np.asarray(Image.open(folder / f"{name}.bmp").convert("RGB")) for folder in folders]


def grey(image: np.ndarray) -> np.ndarray:
    """MATLAB's rgb2gray, three times over: each channel then has its SSIM."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat(luma[..., None], 3, -1)


@pytest.mark.parametrize(("name", "psnr", "wrapped"), [*zip(PAIRS, PSNR, WRAPPED, strict=True)])
def test_psnr_is_the_official_one(known: Path, name: str, psnr: float, wrapped: float) -> None:
    a, b = pair(known, name)
    assert value("psnr", a, b) == pytest.approx(psnr, abs=5.1e-3)
    assert value("psnr-disco-2023", a, b) == pytest.approx(wrapped, abs=5.1e-3)


@pytest.mark.parametrize(("name", "ssim", "ms_ssim"), [*zip(PAIRS, SSIM, MS_SSIM, strict=True)])
def test_ssim_is_matlabs(known: Path, name: str, ssim: float, ms_ssim: float) -> None:
    a, b = (grey(image) for image in pair(known, name))
    assert value("ssim", a, b) == pytest.approx(ssim, abs=1e-4)
    assert value("ms-ssim", a, b) == pytest.approx(ms_ssim, abs=5e-3)  # its low-pass differs


def test_ssim_without_matlabs_own_shrinking(known: Path) -> None:
    names = ("goldhill.gif", "goldhill_jpeg.gif")
    a, b = (np.asarray(Image.open(known / name).convert("RGB")) for name in names)
    assert value("ssim", a, b) == pytest.approx(0.6824, abs=1e-4)
