"""The estimator interface: frames of one clip in, the keypoints of its person out.

Making one loads nothing; `track` loads its weights on first use, and `settings` where they decide
what the networks run on. The registry is `ESTIMATORS` in `mrfashion/poses/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import KEYPOINTS, Keypoints

Image = NDArray[np.uint8]  # h w 3, RGB
DETECTOR_SKIPPED = -1  # value of `people` in frames where the detector did not run


@dataclass(frozen=True, eq=False)
class PoseTrack:
    """One person's keypoints through a clip, and what the detector said of each frame.

    `people` counts the separate persons of that frame: those the detector saw above its threshold,
    and the one followed where it saw only others. `detector_scores` is that of the box the person
    was found by, NaN where the detector did not run or did not see them. `boxes_xyxy_px` is NaN
    where there is no person.
    """

    keypoints: Keypoints  # f 133 3
    boxes_xyxy_px: NDArray[np.float32]  # f 4
    detector_scores: NDArray[np.float32]  # f, 0..1 or NaN
    people: NDArray[np.int16]  # f, DETECTOR_SKIPPED where the detector did not run

    def __post_init__(self) -> None:
        frames = len(self.keypoints)
        _check(self.keypoints, np.float32, (frames, KEYPOINTS, 3), "keypoints")
        _check(self.boxes_xyxy_px, np.float32, (frames, 4), "boxes_xyxy_px")
        _check(self.detector_scores, np.float32, (frames,), "detector_scores")
        _check(self.people, np.int16, (frames,), "people")
        missing = self.keypoints[..., 2] == 0
        if not np.array_equal(missing, np.isnan(self.keypoints[..., :2]).all(-1)):
            raise ValueError("a keypoint is missing as (NaN, NaN, 0) or not at all")
        if not (missing | np.isfinite(self.keypoints).all(-1)).all():
            raise ValueError("a keypoint that is not missing has a value that is not finite")

    @property
    def frames(self) -> int:
        """Frames of the clip."""
        return len(self.keypoints)


class Estimator(Protocol):
    """Finds the most prominent person of a clip and their keypoints."""

    name: str
    version: int  # raised when the same settings give other keypoints
    shared: bool  # whether threads may use one instance at a time; if not, make one per thread

    def settings(self) -> dict[str, Any]:
        """What decides the keypoints, plain JSON values, and `provider` where there is a choice."""
        ...

    def check(self) -> list[str]:
        """What is missing on this machine, in words; empty when it can run."""
        ...

    def track(self, frames: Iterable[Image], fps: float) -> PoseTrack:
        """Keypoints of every frame (uint8 h w 3 RGB, one size). Missing: MissingRequirement."""
        ...


def _check(array: NDArray[Any], dtype: type, shape: tuple[int, ...], what: str) -> None:
    if array.dtype != dtype or array.shape != shape:
        wanted = f"{np.dtype(dtype)} {shape}"
        raise ValueError(f"{what} are {array.dtype} {array.shape}; {wanted} is needed")
