"""Parts of the dressed body in the picture plane: bones with flesh, found from keypoints.

Lengths are in *units*: one unit is about a torso (shoulder middle to hip middle), measured so that
turning the body leaves it alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Places in the COCO-WholeBody order; pairs are (left, right).
NOSE, EYES, EARS = 0, (1, 2), (3, 4)
SHOULDERS, ELBOWS, WRISTS = (5, 6), (7, 8), (9, 10)
HIPS, KNEES, ANKLES = (11, 12), (13, 14), (15, 16)
BIG_TOES, HEELS = (17, 20), (19, 22)

TORSO_AND_LEG = 2.6  # units in a torso and a leg; the same person has the same share
HIDDEN = 0.5  # below this score a joint is taken for covered by the body
FLAT_UNIT = 0.05  # of the torso's length: a shorter bone has no direction
LEAST_UNIT_PX, MOST_UNIT_PX = 2.0, 8000.0  # of a body that can be drawn
THROAT = 0.3  # of the way from the shoulders to the ears; the head starts here
BINS = (6, 20, 12)  # rows of a part: before its first joint, along its bone, beyond the second


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of body part: a bone between two points, and the flesh or cloth about it."""

    name: str
    radius: float  # units; a first guess, silhouettes decide
    before: float  # units that the part reaches beyond its first point
    beyond: float  # and beyond its second
    turns: bool  # an upright round thing whose surface turns with the body
    depth: float = 1.0  # its depth, seen from the side, over its width


def _limbs(side: str) -> tuple[Part, ...]:
    return (
        Part(f"{side}_foot", 0.11, 0.1, 0.14, False),
        Part(f"{side}_shin", 0.13, 0.05, 0.1, True),
        Part(f"{side}_thigh", 0.18, 0.1, 0.05, True),
        Part(f"{side}_upper_arm", 0.12, 0.12, 0.05, False),
        Part(f"{side}_forearm", 0.09, 0.05, 0.36, False),
    )


PARTS = {
    part.name: part
    for part in (
        *_limbs("left"),
        *_limbs("right"),
        Part("skirt", 0.42, 0.12, 0.03, True, 0.8),
        Part("torso", 0.36, 0.24, 0.12, True, 0.7),
        Part("head", 0.19, 0.12, 0.4, True),
    )
}
LIMB_JOINTS = {
    "foot": (HEELS, BIG_TOES),
    "shin": (KNEES, ANKLES),
    "thigh": (HIPS, KNEES),
    "upper_arm": (SHOULDERS, ELBOWS),
    "forearm": (ELBOWS, WRISTS),
}
ARMS = ("upper_arm", "forearm")
CHAINS = (("torso", "skirt"), ARMS, ("thigh", "shin", "foot"))  # each goes on in the next


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """Where the parts of one picture are."""

    unit_px: float
    yaw_rad: float
    axes: dict[str, Floats]  # part => 2 2: its two points, x y in pixels; absent where unknown
    seen: dict[str, float]  # part => 0..1, how well its joints are seen

    def rows_px(self, part: Part) -> Floats:
        """Place along the bone of every row of a part, in pixels from its first point."""
        length = float(np.hypot(*(self.axes[part.name][1] - self.axes[part.name][0])))
        before, along, beyond = BINS
        return np.concatenate(
            (
                np.linspace(-part.before * self.unit_px, 0, before, endpoint=False),
                np.linspace(0, length, along),
                np.linspace(length, length + part.beyond * self.unit_px, beyond + 1)[1:],
            )
        )

    def directions(self, name: str) -> tuple[Floats, Floats]:
        """Along the bone, and across it: to the right in the picture where the bone hangs."""
        along = self.axes[name][1] - self.axes[name][0]
        length = float(np.hypot(*along))
        along = along / length if length > FLAT_UNIT * self.unit_px else np.array((0.0, 1.0))
        return along, np.array((along[1], -along[0]))


def make_pose(joints: Floats, yaw_deg: float, hem_units: float | None = None) -> Pose | None:
    """Joints k 3 => parts; None without shoulders and hips, or a size.

    The skirt ends at `hem_units`; without them there is none.
    """
    neck, pelvis = _middle(joints, SHOULDERS), _middle(joints, HIPS)
    if neck is None or pelvis is None:
        return None
    torso_px = float(np.hypot(*(pelvis - neck)))
    legs_px = [
        float(
            np.hypot(*(joints[b, :2] - joints[a, :2])) + np.hypot(*(joints[c, :2] - joints[b, :2]))
        )
        for a, b, c in zip(HIPS, KNEES, ANKLES, strict=True)
        if (joints[[a, b, c], 2] > 0).all()
    ]
    unit_px = (torso_px + max(legs_px)) / TORSO_AND_LEG if legs_px else torso_px
    if not LEAST_UNIT_PX <= unit_px <= MOST_UNIT_PX:
        return None
    axes, seen = {"torso": np.stack((neck, pelvis))}, {"torso": 1.0, "skirt": 1.0, "head": 1.0}
    for name, (first, second) in LIMB_JOINTS.items():
        for side, a, b in zip(("left", "right"), first, second, strict=True):
            if joints[a, 2] > 0 and joints[b, 2] > 0:
                axes[f"{side}_{name}"] = joints[[a, b], :2]
                seen[f"{side}_{name}"] = float(joints[b, 2])
    ears = _middle(joints, EARS)
    if ears is not None:
        axes["head"] = np.stack((neck + THROAT * (ears - neck), ears))
    if hem_units is not None:
        axes["skirt"] = np.stack((pelvis, pelvis + hem_units * unit_px * _down(joints, pelvis)))
    return Pose(unit_px, float(np.radians(yaw_deg)), axes, seen)


def in_front(pose: Pose, name: str) -> bool:
    """Whether an arm lies before the body, as far as its farther joint is seen."""
    return pose.seen.get(name, 0.0) >= HIDDEN


def chain(name: str) -> tuple[str, ...]:
    """The parts that a part goes over into without an edge, itself among them."""
    side, _, bone = name.partition("_")
    for links in CHAINS:
        if bone in links:
            return tuple(f"{side}_{link}" for link in links)
        if name in links:
            return links
    return (name,)


def back_to_front(pose: Pose) -> list[str]:
    """Parts in the order of painting: hidden arms, legs, cloth, head, arms that are seen."""
    near, far = ("right", "left") if np.sin(pose.yaw_rad) > 0 else ("left", "right")
    arms = [f"{side}_{arm}" for side in (far, near) for arm in ARMS]
    legs = [f"{side}_{bone}" for side in (far, near) for bone in ("foot", "shin", "thigh")]
    hidden = [name for name in arms if not in_front(pose, name)]
    order = [*hidden, *legs, "skirt", "torso", "head", *(n for n in arms if n not in hidden)]
    return [name for name in order if name in pose.axes]


def _middle(joints: Floats, pair: tuple[int, int]) -> Floats | None:
    if not (joints[list(pair), 2] > 0).all():
        return None
    middle: Floats = joints[list(pair), :2].mean(0)
    return middle


def _down(joints: Floats, pelvis: Floats) -> Floats:
    """Where cloth hangs: half the way between the legs' and straight down."""
    down = np.array((0.0, 1.0))
    feet = _middle(joints, ANKLES)
    if feet is None or np.hypot(*(feet - pelvis)) < 1:
        return down
    hanging = down + (feet - pelvis) / np.hypot(*(feet - pelvis))
    length = np.hypot(*hanging)
    return hanging / length if length > 0.1 else down
