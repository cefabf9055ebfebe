"""Which way the body faces: the four views, and how much of a clip shows each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VIEWS = ("front", "facing-right", "facing-left", "back")
CANONICAL_DEG = {"front": 0.0, "facing-right": 90.0, "facing-left": -90.0, "back": 180.0}
UNDETERMINED = "undetermined"


class Coverage(NamedTuple):
    """What a clip shows of the body."""

    views: tuple[str, ...]  # seen long enough to count, in the order of VIEWS
    fraction: dict[str, float]  # share of frames, of each view and of UNDETERMINED; sums to 1


def wrap_deg(angle_deg: float) -> float:
    """The same angle in (-180, 180]."""
    wrapped = angle_deg % 360.0
    return wrapped - 360.0 if wrapped > 180.0 else wrapped


def view_of(yaw_deg: float) -> str:
    """View of a yaw in degrees. Front is [-45, 45), facing-right [45, 135)."""
    yaw = wrap_deg(yaw_deg)
    if -45.0 <= yaw < 45.0:
        return "front"
    if 45.0 <= yaw < 135.0:
        return "facing-right"
    if -135.0 <= yaw < -45.0:
        return "facing-left"
    return "back"


def distance_deg(a_deg: float, b_deg: float) -> float:
    """Angle between two yaws, 0..180."""
    return abs(wrap_deg(a_deg - b_deg))


def coverage(yaw_deg: NDArray[np.float32], fps: float, min_s: float = 0.2) -> Coverage:
    """Views that hold at least `min_s` of frames in all, and each view's share of the frames.

    0.2 s is the least that leaves a frame to choose from after a blurred one (our choice).
    """
    if not len(yaw_deg) or not fps > 0:
        raise ValueError(f"got {len(yaw_deg)} frames at {fps} fps; a frame and a rate are needed")
    seen = [UNDETERMINED if math.isnan(yaw) else view_of(yaw) for yaw in yaw_deg.tolist()]
    count = {view: seen.count(view) for view in (*VIEWS, UNDETERMINED)}
    enough = max(1, math.ceil(min_s * fps - 1e-6))
    return Coverage(
        views=tuple(view for view in VIEWS if count[view] >= enough),
        fraction={view: number / len(seen) for view, number in count.items()},
    )
