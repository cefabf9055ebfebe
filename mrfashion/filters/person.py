"""Filters on who is in the picture: exactly one whole, plausible person, near enough, all along.

Figures after "measured" are of BlazePose on real clips and of the turntable's exact keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mrfashion.filters.verdict import Verdict
from mrfashion.generation import Keypoints

BODY = slice(5, 17)  # shoulders to ankles: what a garment hangs on
KNOWN = 0.15  # the turntable scores a self-occluded joint 0.2: known, though not seen
# COCO-WholeBody places; a part is there when any of its joints is.
PARTS = {
    "head": (0, 1, 2, 3, 4),
    "shoulders": (5, 6),
    "hips": (11, 12),
    "knees": (13, 14),
    "feet": (15, 16),
}
HALF = ("head", "shoulders", "hips")
# Joint pairs, left and right, and their lengths in torso lengths: least (at the 90th percentile,
# since foreshortening only shortens) and most (at the median). Measured medians: thighs 0.60 to
# 0.87, shins 0.58 to 0.85, upper arms 0.46 to 0.61, forearms 0.40 to 0.53.
LIMBS = {
    "thigh": (((11, 13), (12, 14)), 0.4, 1.2),
    "shin": (((13, 15), (14, 16)), 0.4, 1.2),
    "upper arm": (((5, 7), (6, 8)), 0.2, 0.9),
    "forearm": (((7, 9), (8, 10)), 0.15, 0.9),
    "neck": (((0, 5), (0, 6)), 0.15, 1.0),
}


@dataclass(frozen=True, eq=False)
class PosedShot:
    """What the filters see of a posed clip."""

    keypoints: Keypoints  # f 133 3
    fps: float
    width: int
    height: int
    people: NDArray[np.int16] | None = None  # f, -1 where no detector ran; None: none ever did
    yaw_deg: NDArray[np.float32] | None = None  # f, NaN where unknown; None: nowhere known

    def inside(self) -> NDArray[np.bool_]:
        """f 17, known joints within the frame: estimators go on guessing beyond its edge."""
        x, y, score = np.moveaxis(self.keypoints[:, :17], -1, 0)
        in_x = (x >= 0) & (x < self.width)
        return np.asarray((score >= KNOWN) & in_x & (y >= 0) & (y < self.height), bool)

    def torso_px(self) -> NDArray[np.float64]:
        """f, shoulder middle to hip middle; NaN where a joint is missing."""
        return np.asarray(np.linalg.norm(self._middle(5, 6) - self._middle(11, 12), axis=-1))

    def body_px(self) -> float:
        """Torso length of the clip: the 75th percentile, since bending only shortens; or NaN."""
        torso = self.torso_px()
        return float(np.nanpercentile(torso, 75)) if np.isfinite(torso).any() else float("nan")

    def centre_px(self) -> NDArray[np.float64]:
        """f 2, middle of the torso; NaN where a joint is missing."""
        return (self._middle(5, 6) + self._middle(11, 12)) / 2

    def length_px(self, first: int, second: int) -> NDArray[np.float64]:
        """f, distance of two joints."""
        between = self.keypoints[:, first, :2] - self.keypoints[:, second, :2]
        return np.asarray(np.linalg.norm(between.astype(np.float64), axis=-1))

    def _middle(self, left: int, right: int) -> NDArray[np.float64]:
        pair = self.keypoints[:, (left, right), :2].astype(np.float64)
        return np.asarray(pair.mean(1))


@dataclass(frozen=True)
class Present:
    """A body in most frames: share of frames with at least 8 of the 12 joints below the neck."""

    min_share: float = 0.8
    min_joints: int = 8

    def judge(self, shot: PosedShot) -> Verdict:
        """Share of frames with a body."""
        joints = (shot.keypoints[:, BODY, 2] >= KNOWN).sum(1)
        share = float(np.mean(joints >= self.min_joints))
        return Verdict(share >= self.min_share, "no person found", share, self.min_share)


@dataclass(frozen=True)
class LargeEnough:
    """Enough of the frame for a garment to be seen: median body height, as a share of it."""

    min_share: float = 0.25  # measured: people filmed for themselves 0.32 and more, passers-by 0.14

    def judge(self, shot: PosedShot) -> Verdict:
        """Median over the frames in which anything is known."""
        inside = shot.inside()
        y = np.where(inside, shot.keypoints[:, :17, 1], np.nan)[inside.any(1)]
        height = np.nanmax(y, 1) - np.nanmin(y, 1) if len(y) else np.zeros(1)
        share = float(np.median(height)) / shot.height
        return Verdict(share >= self.min_share, "person too small", share, self.min_share)


@dataclass(frozen=True)
class Single:
    """One person: share of the frames the detector looked at in which it saw more.

    BlazePose's detector seeing two is trustworthy, its seeing one is weak evidence of being alone:
    it misses people far behind, as it should here. Without a detector nothing is judged.
    """

    max_share: float = 0.2  # measured: single people 0, two people 0.71 to 0.86

    def judge(self, shot: PosedShot) -> Verdict:
        """Share of frames with more than one person; 0 where no detector ran."""
        looked = shot.people[shot.people >= 0] if shot.people is not None else np.zeros(0)
        share = float(np.mean(looked > 1)) if len(looked) else 0.0
        return Verdict(share <= self.max_share, "more than one person", share, self.max_share)


@dataclass(frozen=True)
class Steady:
    """No jumps: frames to which the torso moved faster than people do.

    Either the keypoints go from person to person (measured: 1.4 to 8.8 torso lengths at once), or
    the estimator slips on one (0.5, hips at the knees); keypoints alone do not tell which.
    """

    max_jumps_per_10_s: float = 1.0
    # A sprint is about 20, but nobody models a dress at that. Measured: dancing 2.9 at most.
    fastest: float = 8.0  # torso lengths a second
    least: float = 0.3  # torso lengths: at 60 fps the jitter of a still person reaches 0.12

    def judge(self, shot: PosedShot) -> Verdict:
        """Jumps in ten seconds."""
        centre = shot.centre_px()
        known = np.flatnonzero(np.isfinite(centre).all(1))
        moved = np.linalg.norm(np.diff(centre[known], axis=0), axis=1)
        seconds = np.diff(known) / shot.fps
        reach = np.maximum(self.fastest * seconds, self.least) * shot.body_px()
        jumps = int(np.sum(moved > reach))
        rate = jumps / (len(centre) / shot.fps) * 10
        kept = rate <= self.max_jumps_per_10_s
        return Verdict(kept, "keypoints jump", rate, self.max_jumps_per_10_s)


@dataclass(frozen=True)
class WholeBody:
    """Head to feet in the frame; `half` asks for head to hips."""

    body: Literal["full", "half"] = "full"
    min_share: float = 0.8  # of frames: a walk up to the camera at the end is tolerated

    def judge(self, shot: PosedShot) -> Verdict:
        """Share of frames that hold every part; the reason names the part missing most."""
        inside = shot.inside()
        parts = HALF if self.body == "half" else tuple(PARTS)
        there = {part: inside[:, PARTS[part]].any(1) for part in parts}
        share = float(np.mean(np.logical_and.reduce(list(there.values()))))
        worst = min(there, key=lambda part: float(there[part].mean()))
        return Verdict(share >= self.min_share, f"{worst} out of frame", share, self.min_share)


@dataclass(frozen=True)
class InFrame:
    """Stays in the frame: share of frames with nine in ten of the known joints inside."""

    min_share: float = 0.8

    def judge(self, shot: PosedShot) -> Verdict:
        """Share of frames; frames in which nothing is known count as outside."""
        known = (shot.keypoints[:, :17, 2] >= KNOWN).sum(1)
        inside = shot.inside().sum(1)
        share = float(np.mean((inside >= 0.9 * known) & (known > 0)))
        return Verdict(share >= self.min_share, "leaves the frame", share, self.min_share)


@dataclass(frozen=True)
class Proportions:
    """Limbs as long as people's: not all that gets a confident skeleton is a person.

    Measured is the worst factor by which a limb is longer or shorter than LIMBS allows; 1 fits.
    People have 0.57 to 0.72; so has the one close-up of a handbag we know (0.66), which only its
    shortness drops.
    """

    max_factor: float = 1.0

    def judge(self, shot: PosedShot) -> Verdict:
        """Worst factor over the limbs that are known."""
        body = shot.body_px()
        factors = [0.0]
        for pairs, least, most in LIMBS.values():
            length = np.concatenate([shot.length_px(*pair) for pair in pairs]) / body
            known = length[np.isfinite(length)]
            if len(known):
                factors += [float(np.median(known)) / most]
                factors += [least / max(float(np.percentile(known, 90)), 1e-6)]
        worst = max(factors)
        return Verdict(worst <= self.max_factor, "implausible limbs", worst, self.max_factor)
