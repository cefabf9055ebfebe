"""The one registry of metrics: a new one is a file here and a line below."""

from __future__ import annotations

from benchmark.metrics import (
    flicker,
    l1,
    lettering,
    lpips,
    ms_ssim,
    poses,
    psnr,
    reference_fidelity,
    ssim,
    st_lpips,
    tof,
    warping_error,
    wrong_side,
)
from benchmark.metrics.legacy import disco, libraries, tecogan
from benchmark.metrics.legacy import lpips as lpips_variants
from benchmark.metrics.spec import Metric

METRICS: dict[str, Metric] = {
    "psnr": psnr.METRIC,
    "ssim": ssim.METRIC,
    "ms-ssim": ms_ssim.METRIC,
    "l1": l1.METRIC,
    "lpips-alex": lpips.ALEX,
    "st-lpips-alex": st_lpips.ALEX,
    "warping-error": warping_error.METRIC,
    "warping-error-target": warping_error.TARGET_METRIC,
    "tof": tof.METRIC,
    "flicker": flicker.METRIC,
    "keypoint-error": poses.KEYPOINT_ERROR,
    "keypoint-noise": poses.KEYPOINT_NOISE,
    "pck-0.05": poses.PCK_5,
    "pck-0.1": poses.PCK_10,
    "missing-joints": poses.MISSING_JOINTS,
    "wrong-side": wrong_side.METRIC,
    "reference-fidelity": reference_fidelity.METRIC,
    "reference-fidelity-target": reference_fidelity.TARGET_METRIC,
    "lettering": lettering.METRIC,
    # As others compute it: only where asked for.
    "psnr-disco-2024": disco.PSNR_2024,
    "psnr-disco-2023": disco.PSNR_2023,
    "psnr-y": tecogan.PSNR_Y,
    "ssim-disco": disco.SSIM,
    "ssim-skimage": libraries.SCIKIT_IMAGE,
    "ssim-torchmetrics": libraries.TORCHMETRICS,
    "ssim-3dgs": libraries.GAUSSIAN_SPLATTING,
    "l1-disco-256x256": disco.L1_256,
    "lpips-vgg": lpips.VGG,
    "lpips-squeeze": lpips.SQUEEZE,
    "st-lpips-vgg": st_lpips.VGG,
    "lpips-disco": lpips_variants.DISCO,
    "lpips-junyaohu": lpips_variants.JUNYAOHU,
}

DEFAULT = tuple(name for name, metric in METRICS.items() if metric.spec.status == "standard")

# What `mrfashion score --as NAME` measures: the numbers that a publication or library prints.
BUNDLES: dict[str, tuple[str, ...]] = {
    "default": DEFAULT,
    "disco-2024": ("psnr-disco-2024", "ssim-disco", "l1-disco-256x256", "lpips-disco"),
    "disco-2023": ("psnr-disco-2023", "ssim-disco", "l1-disco-256x256", "lpips-disco"),
    "junyaohu": ("psnr", "ssim", "lpips-junyaohu"),  # its formulas for the first two are ours
    "scikit-image": ("psnr", "ssim-skimage"),
    "torchmetrics": ("ssim-torchmetrics",),
    "3dgs": ("ssim-3dgs",),
}
