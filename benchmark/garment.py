"""Where the garment is: a box from the keypoints, the same for every method and metric."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.spec import Box
from mrfashion.letterbox import Size

SHOULDERS, HIPS, KNEES = (5, 6), (11, 12), (13, 14)
# Our choice: cloth stands off the joints by about this share of the torso's length.
MARGIN = 0.2
LEAST_SIDE_PX = 16  # below it no metric's window fits, or it says nothing


def garment_box(pose: NDArray[np.float32], size: Size) -> Box | None:
    """k 3 in pixels of an image of `size` (h, w) => the box of torso and thighs inside the image.

    Around shoulders, hips and, where they are placed, knees, with a margin of 0.2 torso lengths.
    None where a shoulder or hip is missing, or too little of the box lies inside.
    """
    placed = (pose[:, 2] > 0) & np.isfinite(pose[:, :2]).all(1)
    if not placed[[*SHOULDERS, *HIPS]].all():
        return None
    joints = [*SHOULDERS, *HIPS, *(knee for knee in KNEES if placed[knee])]
    xy = pose[joints, :2].astype(np.float64)
    torso = pose[list(HIPS), :2].mean(0) - pose[list(SHOULDERS), :2].mean(0)
    margin = MARGIN * float(np.hypot(*torso.astype(np.float64)))
    height, width = size
    left, top = np.floor(xy.min(0) - margin).clip(0, (width, height)).astype(int)
    right, bottom = np.ceil(xy.max(0) + margin + 1).clip(0, (width, height)).astype(int)
    if min(bottom - top, right - left) < LEAST_SIDE_PX:
        return None
    return int(top), int(left), int(bottom), int(right)
