"""How far definitions of one name disagree: `python -m tests.disagreement` prints the tables.

Of one photograph that scikit-image ships, 512x384, against copies changed in ways that leave no
choice open. `docs/metrics.md` shows the tables; a test keeps them true.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from skimage import data

from benchmark.metrics import METRICS
from benchmark.metrics.spec import WHOLE, ClipContext, FramePair

SSIM = ("ssim", "ssim-disco", "ssim-skimage", "ssim-torchmetrics", "ssim-3dgs", "ms-ssim")
PSNR = ("psnr", "psnr-disco-2023", "psnr-y")
Image = np.ndarray


def photograph() -> Image:
    """Columns 64 to 447 of the astronaut, h w 3."""
    return np.ascontiguousarray(data.astronaut()[:, 64:448])


def copies(image: Image) -> dict[str, Image]:
    """What was done to the photograph, and the result."""
    noise = np.random.default_rng(0).normal(0, 10, image.shape)
    return {
        "noise, sigma 10": np.clip(np.rint(image + noise), 0, 255).astype(np.uint8),
        "blur, sigma 2": np.asarray(cv2.GaussianBlur(image, (0, 0), 2), np.uint8),
        "moved by 2 px": np.roll(image, 2, axis=1),
        "brighter by 12": np.clip(image.astype(int) + 12, 0, 255).astype(np.uint8),
        "black": np.zeros_like(image),
    }


def value(metric: str, target: Image, generated: Image) -> float:
    """The metric of a clip of one whole frame."""
    measure = METRICS[metric].start(ClipContext(["front"]))
    measure.update(FramePair(target, generated))
    found = measure.result()[WHOLE][0]
    assert isinstance(found, float), found
    return found


def table(metrics: Sequence[str], decimals: int) -> str:
    """Markdown: a row a metric, a column a copy."""
    image = photograph()
    changed = copies(image)
    lines = [["metric", *changed], ["---", *["---:"] * len(changed)]]
    lines += [
        [f"`{name}`", *(f"{value(name, image, copy):.{decimals}f}" for copy in changed.values())]
        for name in metrics
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print both tables."""
    print(table(SSIM, 4), table(PSNR, 2), sep="\n\n")


if __name__ == "__main__":
    main()
