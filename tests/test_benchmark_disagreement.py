"""The page on metrics: every metric is on it, and its tables are what the code computes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.metrics import BUNDLES, METRICS
from tests.disagreement import PSNR, SSIM, copies, photograph, table, value

PAGE = (Path(__file__).parent.parent / "docs/metrics.md").read_text("utf-8")
# Of the same photograph, measured with the libraries named, to five decimals.
PUBLISHED = {
    "ssim": (0.65068, 0.79286, 0.65994, 0.86831),  # scikit-image, pytorch-msssim
    "ssim-disco": (0.76760, 0.81714, 0.69167, 0.88297),  # its own script
    "ssim-skimage": (0.66605, 0.80651, 0.67585, 0.87272),
    "ssim-torchmetrics": (0.64678, 0.79551, 0.65789, 0.86727),
    "ssim-3dgs": (0.65738, 0.79934, 0.66529, 0.86709),
}


@pytest.mark.parametrize(("metrics", "decimals"), [(SSIM, 4), (PSNR, 2)])
def test_the_page_shows_what_the_code_computes(metrics: tuple[str, ...], decimals: int) -> None:
    assert table(metrics, decimals) in PAGE, "run `python -m tests.disagreement`"


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_variants_have_the_values_of_their_sources(name: str) -> None:
    image = photograph()
    got = [value(name, image, copy) for copy in list(copies(image).values())[:4]]
    assert got == pytest.approx(PUBLISHED[name], abs=6e-6)


def test_every_metric_and_bundle_is_on_the_page() -> None:
    for name in (*METRICS, *BUNDLES):
        assert f"`{name}`" in PAGE, name


def test_a_legacy_metric_names_its_status_and_source() -> None:
    for name, metric in METRICS.items():
        spec = metric.spec
        if spec.status == "standard":
            continue
        assert spec.citation, name
        assert "(" in metric.title, name  # whose it is
        assert ("invalid" in metric.title) is (spec.status == "invalid"), name
        assert f"\n| `{name}` | {spec.status} |" in PAGE, name
