"""The one registry of metrics: a new one is a file here and a line below."""

from __future__ import annotations

from benchmark.metrics import flicker, l1, ms_ssim, poses, psnr, ssim, tof, warping_error
from benchmark.metrics.legacy import disco, libraries, tecogan
from benchmark.metrics.spec import Metric

METRICS: dict[str, Metric] = {
    "psnr": psnr.METRIC,
    "ssim": ssim.METRIC,
    "ms-ssim": ms_ssim.METRIC,
    "l1": l1.METRIC,
    "warping-error": warping_error.METRIC,
    "warping-error-target": warping_error.TARGET_METRIC,
    "tof": tof.METRIC,
    "flicker": flicker.METRIC,
    "keypoint-error": poses.KEYPOINT_ERROR,
    "keypoint-noise": poses.KEYPOINT_NOISE,
    "pck-0.05": poses.PCK_5,
    "pck-0.1": poses.PCK_10,
    "missing-joints": poses.MISSING_JOINTS,
    # As others compute it: only where asked for.
    "psnr-disco-2024": disco.PSNR_2024,
    "psnr-disco-2023": disco.PSNR_2023,
    "psnr-y": tecogan.PSNR_Y,
    "ssim-disco": disco.SSIM,
    "ssim-skimage": libraries.SCIKIT_IMAGE,
    "ssim-torchmetrics": libraries.TORCHMETRICS,
    "ssim-3dgs": libraries.GAUSSIAN_SPLATTING,
    "l1-disco-256x256": disco.L1_256,
}

DEFAULT = tuple(name for name, metric in METRICS.items() if metric.spec.status == "standard")

# What `mrfashion score --as NAME` measures: the numbers that a publication or library prints.
BUNDLES: dict[str, tuple[str, ...]] = {
    "default": DEFAULT,
    "disco-2024": ("psnr-disco-2024", "ssim-disco", "l1-disco-256x256"),
    "disco-2023": ("psnr-disco-2023", "ssim-disco", "l1-disco-256x256"),
    "junyaohu": ("psnr", "ssim"),  # its formulas for these two are ours
    "scikit-image": ("psnr", "ssim-skimage"),
    "torchmetrics": ("ssim-torchmetrics",),
    "3dgs": ("ssim-3dgs",),
}
