"""What keypoints say of yaw in one frame: offsets between joints, and the scores of hidden ones.

A joint that lies `l` to the body's left and `d` ahead of another lies l cos(yaw) + d sin(yaw) to
its right in the picture. So every cue is linear in (cos, sin, 1), with coefficients that differ
from person to person and from estimator to estimator: known roughly beforehand, and fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mrfashion.generation import Keypoints

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Places in the COCO-WholeBody order; pairs are (left, right).
NOSE, FACE, HEAD = 0, (0, 1, 2), (0, 1, 2, 3, 4)
EARS, SHOULDERS, ELBOWS, HIPS = (3, 4), (5, 6), (7, 8), (11, 12)
FEET = ((17, 19), (20, 22))  # big toe and heel

# Far joints and toes behind their heel are hidden and still good witnesses, at the weight of
# their score: our renderer scores hidden joints 0.2. Noses are not: a hidden one is a guess.
PLACED, TRUSTED, TRUSTED_NOSE = 0.1, 0.3, 0.55
# Faces tell front from back only where the estimator lets go of hidden ones. BlazePose does not:
# its nose scores 0.98 and more in pure back views.
FACE_CONTRAST, FACE_HIDDEN = 0.2, 0.35
TORSO_S = 1.0  # people walk up to the camera: the torso's length holds for about as long


@dataclass(frozen=True, eq=False)
class Cue:
    """One measurement a frame, as a function of yaw."""

    value: Floats  # f
    weight: Floats  # f, 0..1, 0 where a joint is missing
    prior: tuple[float, float, float]  # of cos, sin, 1
    spread: tuple[float, float, float]  # of the prior, from clip to clip
    noise: float
    labelled: bool  # a mistaken left for right makes it tell 180 - yaw


@dataclass(frozen=True, eq=False)
class Joints:
    """Keypoints of a clip as the cues need them: outside the picture counts as not seen."""

    x: Floats  # f k, torso lengths
    y: Floats
    score: Floats  # f k, 0..1, 0 where missing

    def head(self) -> Flags:
        """Frames that show a part of the head => f."""
        return np.asarray(self.score[:, HEAD].max(1) >= TRUSTED)

    def torso(self) -> Flags:
        """Frames that show both shoulders or both hips => f."""
        return np.asarray(np.maximum(self.sure(SHOULDERS), self.sure(HIPS)) > 0)

    def feet(self) -> Flags:
        """Frames that show a foot => f."""
        return np.asarray(np.max([self.score[:, foot].min(1) for foot in FEET], 0) >= TRUSTED)

    def sure(self, joints: tuple[int, ...], least: float = PLACED) -> Floats:
        """The least score of some joints, 0 where one of them scores below `least` => f."""
        score = self.score[:, joints].min(1)
        return np.where(score >= least, score, 0.0)


def joints_in_frame(keypoints: Keypoints, fps: float, size_hw: tuple[int, int]) -> Joints | None:
    """Keypoints f 133 3 of a clip; None where no frame shows both shoulders and both hips."""
    x, y, score = np.moveaxis(keypoints.astype(np.float64), -1, 0)
    inside = (x >= 0) & (x <= size_hw[1]) & (y >= 0) & (y <= size_hw[0]) & (score > 0)
    x, y, score = np.where(inside, x, 0), np.where(inside, y, 0), np.where(inside, score, 0)
    whole = score[:, SHOULDERS + HIPS].min(1) >= PLACED
    across, along = (v[:, SHOULDERS].mean(1) - v[:, HIPS].mean(1) for v in (x, y))
    length = np.hypot(across, along)
    known = np.flatnonzero(whole & (length > 0))
    if not len(known):
        return None
    torso_px = _running_median(
        np.interp(np.arange(len(length)), known, length[known]), round(TORSO_S * fps / 2)
    )[:, None]
    return Joints(x / torso_px, y / torso_px, np.minimum(score, 1))


def _running_median(values: Floats, reach: int) -> Floats:
    padded = np.pad(values, reach, constant_values=np.nan)
    return np.asarray(np.nanmedian(sliding_window_view(padded, 2 * reach + 1), 1))


def cues(joints: Joints) -> list[Cue]:
    """Everything a clip's joints say; figures are in torso lengths, and of human bodies."""
    return [
        _offset(joints, SHOULDERS, (0.72, 0, 0), (0.10, 0.03, 0), 0.06),
        _offset(joints, HIPS, (0.42, 0, 0), (0.08, 0.03, 0), 0.06),
        # Toes lie ahead of heels and turn outwards.
        _offset(joints, FEET[0], (0.10, 0.42, 0), (0.08, 0.06, 0), 0.09),
        _offset(joints, FEET[1], (-0.10, 0.42, 0), (0.08, 0.06, 0), 0.09),
        # The noise of the nose is the head's own turning.
        _nose(joints, EARS, 0.24, 0.05, 0.09),
        _nose(joints, SHOULDERS, 0.28, 0.07, 0.11),
        _feet_from_above(joints),
        _near_side(joints),
        _face(joints),
    ]


def _offset(
    joints: Joints,
    pair: tuple[int, int],
    prior: tuple[float, float, float],
    spread: tuple[float, float, float],
    noise: float,
) -> Cue:
    value = joints.x[:, pair[0]] - joints.x[:, pair[1]]
    return Cue(value, joints.sure(pair), prior, spread, noise, labelled=True)


def _nose(joints: Joints, pair: tuple[int, int], ahead: float, spread: float, noise: float) -> Cue:
    value = joints.x[:, NOSE] - joints.x[:, pair].mean(1)
    weight = joints.sure((NOSE, *pair), TRUSTED_NOSE)
    return Cue(value, weight, (0, ahead, 0), (0.03, spread, 0), noise, labelled=True)


def _feet_from_above(joints: Joints) -> Cue:
    """Toes of someone who faces a camera above the ground lie lower than the heels.

    No labels are needed for that: it holds for either foot. Shoes with heels add a constant. But
    where no head shows BlazePose imagines whole fronts and backs, down to the feet.
    """
    weight = np.stack([joints.sure(foot) * joints.head() for foot in FEET])
    below = np.stack([joints.y[:, toe] - joints.y[:, heel] for toe, heel in FEET])
    value = _mean(below, weight)
    return Cue(value, weight.max(0), (0.09, 0, 0.04), (0.03, 0, 0.05), 0.08, labelled=False)


def _near_side(joints: Joints) -> Cue:
    """Joints of the far side are hidden and score less: the left ones, in who faces right."""
    pairs = (EARS, SHOULDERS, ELBOWS, HIPS)
    seen = np.stack([joints.score[:, pair].min(1) > 0 for pair in pairs]).astype(np.float64)
    right_more = np.stack([joints.score[:, right] - joints.score[:, left] for left, right in pairs])
    value, weight = _mean(right_more, seen), seen.max(0)
    return Cue(value, weight, (0, 0.2, 0), (0, 0.15, 0), 0.2, labelled=False)


def _face(joints: Joints) -> Cue:
    """Scores of nose and eyes, which fall in back views; ears still show there that it is a head.

    Silent in clips where the scores hardly change, unless all of them are low.
    """
    value = joints.score[:, FACE].mean(1)
    low, high = np.percentile(value, (10, 90))
    tells = high - low >= FACE_CONTRAST or high < FACE_HIDDEN
    weight = (joints.head() & tells).astype(np.float64)
    return Cue(value, weight, (0.3, 0, 0.5), (0.15, 0, 0.15), 0.25, labelled=False)


def _mean(values: Floats, weights: Floats) -> Floats:
    """Weighted mean over the first axis, 0 where nothing counts."""
    total = weights.sum(0)
    sums = (weights * values).sum(0)
    return np.asarray(np.divide(sums, total, out=np.zeros_like(total), where=total > 0))
