"""The one registry of metrics: a new one is a file here and a line below."""

from __future__ import annotations

from benchmark.metrics import l1, psnr, ssim
from benchmark.metrics.spec import Metric

METRICS: dict[str, Metric] = {
    "psnr": psnr.METRIC,
    "ssim": ssim.METRIC,
    "l1": l1.METRIC,
}
