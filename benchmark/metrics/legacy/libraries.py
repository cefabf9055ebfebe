"""SSIM as widespread libraries compute it when nothing is chosen."""

from __future__ import annotations

from collections.abc import Mapping

import cv2

from benchmark.metrics.frames import FrameScore, frame_metric
from benchmark.metrics.legacy.windows import Blur, gaussian, mean_ssim, uniform
from benchmark.metrics.spec import Image, Mask, Metric, MetricSpec, check_pair, check_side
from benchmark.metrics.ssim import WINDOW

COLOUR = "uint8 RGB, each channel by itself, L=255, K=(0.01, 0.03)"
GAUSSIAN = "Gaussian 11x11, sigma 1.5"
FRAMES = "mean over pixels and channels, then frames of a clip"
SQUARE = 7  # scikit-image's window


def _variant(
    name: str,
    title: str,
    definition: Mapping[str, str],
    citation: str,
    *,
    blur: Blur,
    least_side_px: int,
    cut: int = 0,
    correction: float = 1.0,
) -> Metric:
    def compare(target: Image, generated: Image, _: Mask | None = None) -> FrameScore:
        check_pair(target, generated, None)
        check_side(target, least_side_px, title)
        return FrameScore(mean_ssim(target, generated, blur, cut, correction))

    spec = MetricSpec(
        name=name,
        version=1,
        higher_is_better=True,
        unit="",
        range=(-1.0, 1.0),
        definition={"colour": COLOUR, **definition, "mean": FRAMES},
        regions={"whole": "all pixels"},
        status="comparability",
        citation=citation,
    )
    return frame_metric(spec, compare, title=title, decimals=4)


SCIKIT_IMAGE = _variant(
    "ssim-skimage",
    "SSIM (scikit-image's defaults)",
    {
        "window": "uniform 7x7",
        "covariance": "sample: 49/48 of the population's",
        "border": "3 pixels cut off each side",
    },
    "scikit-image 0.26, structural_similarity(a, b, channel_axis=2)",
    blur=uniform(SQUARE),
    least_side_px=SQUARE,
    cut=SQUARE // 2,
    correction=SQUARE**2 / (SQUARE**2 - 1),
)
TORCHMETRICS = _variant(
    "ssim-torchmetrics",
    "SSIM (torchmetrics)",
    {
        "window": GAUSSIAN,
        "covariance": "population",
        "border": "mirrored without repeating the edge, and kept in the mean",
    },
    "torchmetrics 1.4.2 and later (pull request 2721), data_range=255",
    blur=gaussian(cv2.BORDER_REFLECT_101),
    least_side_px=WINDOW,
)
GAUSSIAN_SPLATTING = _variant(
    "ssim-3dgs",
    "SSIM (3D Gaussian Splatting)",
    {
        "window": GAUSSIAN,
        "covariance": "population",
        "border": "zeros outside, kept in the mean",
    },
    "github.com/graphdeco-inria/gaussian-splatting utils/loss_utils.py, also in HumanVid",
    blur=gaussian(cv2.BORDER_CONSTANT),
    least_side_px=WINDOW,
)
