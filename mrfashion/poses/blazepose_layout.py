"""BlazePose's 33 landmarks as COCO-WholeBody keypoints; what BlazePose does not see is missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import KEYPOINTS

BODY_LANDMARKS = 33  # the first of the network's 39
# COCO-WholeBody index -> BlazePose index: body 0-16, big toes and heels. The small toes (18, 21),
# the face (23-90) and the hands (91-132) have no landmark of their own: BlazePose's three hand
# points are knuckles of a hand seen from afar, not fingertips.
LANDMARK_OF = {
    **dict(enumerate((0, 2, 5, 7, 8))),  # nose, left and right eye, left and right ear
    **dict(enumerate((11, 12, 13, 14, 15, 16), start=5)),  # shoulders, elbows, wrists
    **dict(enumerate((23, 24, 25, 26, 27, 28), start=11)),  # hips, knees, ankles
    **{17: 31, 19: 29, 20: 32, 22: 30},  # left big toe, left heel, right big toe, right heel
}


def to_wholebody(
    xy_px: NDArray[np.floating], visibility: NDArray[np.floating]
) -> NDArray[np.float32]:
    """33 (or more) landmarks, x and y, and their visibility 0..1 => 133 3; score = visibility."""
    keypoints = np.full((KEYPOINTS, 3), np.nan, np.float32)
    ours, theirs = list(LANDMARK_OF), list(LANDMARK_OF.values())
    keypoints[ours, :2] = xy_px[theirs]
    keypoints[ours, 2] = visibility[theirs]
    seen = np.isfinite(keypoints).all(-1) & (keypoints[:, 2] > 0)
    keypoints[~seen] = (np.nan, np.nan, 0)
    return keypoints
