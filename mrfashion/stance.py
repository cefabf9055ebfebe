"""What the joints say of a frame as a reference: how much of the body it shows, how neutral."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import Keypoints

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Places in the COCO-WholeBody order; pairs and chains are the left one, then the right one.
HEAD, LIMBS = slice(0, 5), slice(5, 17)  # limbs: pairs from shoulders to ankles
SHOULDERS, HIPS, ANKLES = (5, 6), (11, 12), (15, 16)
FOREARMS = ((7, 9), (8, 10))
TORSO = (5, 6, 12, 11)  # around the torso
ARM_CHAINS, LEG_CHAINS = ((5, 7, 9), (6, 8, 10)), ((11, 13, 15), (12, 14, 16))
FOREARM_POINTS = 16  # where along a forearm it is asked whether it lies over the torso
# In profile limbs lie over the body and over each other whatever they do, and a torso is too thin
# to say over what: its arms flickered from clear to covered between frames that looked the same.
FLAT = ("front", "back")


@dataclass(frozen=True)
class StanceConfig:
    """When a body counts as seen, whole, still and neutral; "ours" is our choice, not measured."""

    trust: float = 0.3  # ankles score 0.34-0.65 while plainly visible (our measurement)
    margin: float = 0.02  # share of the frame's sides, facts of curation
    still_speed: float = 0.5  # body heights a second at which `still` is one half; ours
    lean_deg: float = 30.0  # from the vertical, at which `upright` is one half; ours
    covered: float = 0.6  # what a forearm wholly over the torso takes from `arms_clear`; ours
    crossed: float = 0.4  # what arms, and legs, that cross take from `uncrossed`; ours

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in ("trust", "covered", "crossed")}
        for name, value in {**shares, "margin": 2 * self.margin}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"stance: {name} is {getattr(self, name)}; allowed: 0 to 1, "
                                 "for margin to 0.5")  # fmt: skip
        if not (self.still_speed > 0 and self.lean_deg > 0):
            raise ValueError(
                f"stance: still_speed {self.still_speed}, lean_deg {self.lean_deg}; needed: above 0"
            )


def stance_parts(
    keypoints: Keypoints,
    frame: int,
    view: str | None,
    size: tuple[int, int],
    fps: float,
    config: StanceConfig,
) -> dict[str, float]:
    """Parts of a score, each 0..1; what cannot be seen lowers `visible` and no other.

    `arms_clear` and `uncrossed` are judged in front and back views alone.
    """
    pose = keypoints[frame].astype(np.float64)
    trusted = pose[:, 2] >= config.trust
    profile = view is not None and view not in FLAT
    seen = _body(trusted, profile)
    inside = _body(trusted & _inside(pose, size, config.margin), profile)
    speed = _speed(keypoints, frame, fps, config.trust)
    flat = view in FLAT
    over = [_share_over_torso(pose, trusted, forearm) for forearm in FOREARMS if flat]
    crossed = sum(_cross(pose, trusted, chains) for chains in (ARM_CHAINS, LEG_CHAINS) if flat)
    return {
        "visible": seen,
        "in_frame": inside / seen if seen else 0.0,
        "still": _fall(speed, config.still_speed),
        "upright": _fall(_lean_deg(pose, trusted), config.lean_deg),
        "arms_clear": math.prod(1.0 - config.covered * share for share in over),
        "uncrossed": (1.0 - config.crossed) ** crossed,
    }


def _fall(value: float, half: float) -> float:
    """1 at 0, one half at `half`, falling on with the square."""
    return 1.0 / (1.0 + (value / half) ** 2)


def _body(mask: Mask, either: bool) -> float:
    """Share of shoulders to ankles, and the head as one, since a back view shows no face.

    `either`: one of each pair is enough, since in profile the body hides the other.
    """
    pairs = mask[LIMBS].reshape(-1, 2)
    limbs = np.asarray(pairs.any(1)) if either else pairs.ravel()
    return (int(limbs.sum()) + bool(mask[HEAD].any())) / (len(limbs) + 1)


def _inside(pose: Floats, size: tuple[int, int], margin: float) -> Mask:
    height, width = size
    least = margin * np.array((width, height))
    most = np.array((width - 1, height - 1)) - least  # integers are centres of pixels
    return np.asarray(((pose[:, :2] >= least) & (pose[:, :2] <= most)).all(1))


def _speed(keypoints: Keypoints, frame: int, fps: float, trust: float) -> float:
    """Median speed of the trusted joints about a frame, in body heights a second.

    Without neighbours, or without a joint in both, nothing is seen to move: 0.
    """
    before, after = max(0, frame - 1), min(len(keypoints) - 1, frame + 1)
    pair = keypoints[[before, after], :17].astype(np.float64)
    both = (pair[..., 2] >= trust).all(0)
    if before == after or not both.any():
        return 0.0
    body_px = np.ptp(pair[:, both, 1], axis=1).mean()
    moved_px = np.median(np.hypot(*(pair[1, both, :2] - pair[0, both, :2]).T))
    return float(moved_px / body_px * fps / (after - before)) if body_px > 0 else 0.0


def _lean_deg(pose: Floats, trusted: Mask) -> float:
    """The larger angle of torso and legs from the vertical; 0 where neither is seen."""
    found = [_middle(pose, trusted, pair) for pair in (SHOULDERS, HIPS, ANKLES)]
    angles = [0.0]
    for upper, lower in pairwise(found):
        if upper is not None and lower is not None:
            x, y = lower - upper
            angles.append(abs(math.degrees(math.atan2(x, y))))
    return max(angles)


def _middle(pose: Floats, trusted: Mask, pair: tuple[int, int]) -> Floats | None:
    """Between a pair of joints, or the trusted one of them."""
    seen = [joint for joint in pair if trusted[joint]]
    return np.asarray(pose[seen, :2].mean(0)) if seen else None


def _share_over_torso(pose: Floats, trusted: Mask, forearm: tuple[int, int]) -> float:
    """Share of a forearm's length that lies over the torso; 0 where a joint is missing."""
    if not trusted[[*forearm, *TORSO]].all():
        return 0.0
    elbow, wrist = pose[forearm[0], :2], pose[forearm[1], :2]
    along = (np.arange(FOREARM_POINTS) + 0.5) / FOREARM_POINTS
    points = elbow + along[:, None] * (wrist - elbow)
    corners = pose[list(TORSO), :2]
    return sum(_within(point, corners) for point in points) / FOREARM_POINTS


def _within(point: Floats, corners: Floats) -> bool:
    """Whether a point lies in a polygon (even-odd rule)."""
    x, y = point
    inside = False
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def _cross(pose: Floats, trusted: Mask, chains: tuple[tuple[int, ...], tuple[int, ...]]) -> bool:
    """Whether the left limb crosses the right one, in the picture."""
    return any(
        bool(trusted[[*one, *other]].all())
        and _segments_cross(*(pose[joint, :2] for joint in (*one, *other)))
        for one in pairwise(chains[0])
        for other in pairwise(chains[1])
    )


def _segments_cross(a: Floats, b: Floats, c: Floats, d: Floats) -> bool:
    """Whether segment a-b properly crosses segment c-d."""
    return _side(a, b, c) * _side(a, b, d) < 0 and _side(c, d, a) * _side(c, d, b) < 0


def _side(a: Floats, b: Floats, p: Floats) -> float:
    """Positive where p lies on one side of the line a-b, negative on the other."""
    return float((b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]))
