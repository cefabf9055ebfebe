"""How sharp a person is in a picture, in whole numbers, so that every machine says the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BODY = [*range(7), *range(11, 17)]  # all of the body's 17 but elbows and wrists
WIDTH = 0.4
LUMA = np.array((77, 150, 29), np.int32)  # Rec. 601 in 256ths


def person_crop(
    image: NDArray[np.uint8], pose: NDArray[np.float32], trust: float
) -> NDArray[np.uint8]:
    """h w 3 => the box around head, trunk and legs, or the whole image where none is seen.

    At least `WIDTH` of its height wide, and without the arms: what is measured should change
    with the sharpness, not with a profile's narrow box or the backdrop between spread arms. On
    turntables, which have no blur, a tenth of the frames measured below 0.89 of their view's
    median; below 0.82 with the box of all joints, and 0.68 with that of shoulders to knees.
    """
    xy = pose[BODY, :2][pose[BODY, 2] >= trust].astype(np.float64)
    if not len(xy):
        return image
    height, width = image.shape[:2]
    low, high = xy.min(0), xy.max(0)
    wider = max(0.0, WIDTH * (high[1] - low[1]) - (high[0] - low[0])) / 2
    low[0], high[0] = low[0] - wider, high[0] + wider
    left, top = np.floor(low).clip(0, (width, height)).astype(int)
    right, bottom = np.ceil(high + 1).clip(0, (width, height)).astype(int)
    crop = image[top:bottom, left:right]
    return crop if min(crop.shape[:2]) >= 3 else image


def laplacian_variance(image: NDArray[np.uint8]) -> float:
    """Variance of the four-neighbour Laplacian of luma, in levels squared; 0 without a middle.

    Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, 2000: LAP_VAR.
    """
    grey = image @ LUMA
    middle = grey[1:-1, 1:-1]
    if not middle.size:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    edges = (around - 4 * middle).astype(np.int64)
    n, total, squares = edges.size, int(edges.sum()), int((edges * edges).sum())
    return float((n * squares - total * total) / (n * n * 256 * 256))


def relative(detail: Sequence[float], views: Sequence[str | None]) -> list[float]:
    """Detail over the median of its own view's candidates, at most 1.

    Own view: a printed front has more detail than a plain back, which is not therefore blurred.
    """
    medians = {
        view: float(np.median([d for d, v in zip(detail, views, strict=True) if v == view]))
        for view in set(views)
    }
    return [
        min(1.0, d / medians[view]) if medians[view] > 0 else 1.0
        for d, view in zip(detail, views, strict=True)
    ]
