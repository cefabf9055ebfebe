"""Which way the body faces: the four views, and how much of a clip shows each."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VIEWS = ("front", "facing-right", "facing-left", "back")
CANONICAL_DEG = {"front": 0.0, "facing-right": 90.0, "facing-left": -90.0, "back": 180.0}
UNDETERMINED = "undetermined"
SECTORS = 8  # of 45 degrees, the first centred on the camera: finer than the views


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
    enough = _enough(yaw_deg, fps, min_s)
    seen = [UNDETERMINED if math.isnan(yaw) else view_of(yaw) for yaw in yaw_deg.tolist()]
    count = {view: seen.count(view) for view in (*VIEWS, UNDETERMINED)}
    return Coverage(
        views=tuple(view for view in VIEWS if count[view] >= enough),
        fraction={view: number / len(seen) for view, number in count.items()},
    )


def turning(yaw_deg: NDArray[np.float32], fps: float, min_s: float = 0.2) -> dict[str, float]:
    """How much of a turn a clip shows, as measurements.

    `view_sectors`: sectors of 45 degrees, 0 to 8, that hold at least `min_s` of frames;
    `view_gap_deg`: the widest arc of sectors that do not; `turned_deg`: the greatest angle between
    two frames, above 360 for more than a turn, 0 where no frame has a yaw.
    """
    enough = _enough(yaw_deg, fps, min_s)
    yaw = yaw_deg[np.isfinite(yaw_deg)].astype(np.float64)
    sector = np.floor(yaw * SECTORS / 360 + 0.5).astype(int) % SECTORS
    seen = np.bincount(sector, minlength=SECTORS) >= enough
    gaps = "".join(".x"[int(s)] for s in np.tile(seen, 2)).split("x")
    return {
        "view_sectors": float(seen.sum()),
        "view_gap_deg": min(360.0, max(map(len, gaps)) * 360 / SECTORS),
        "turned_deg": float(np.ptp(np.unwrap(yaw, period=360))) if len(yaw) else 0.0,
    }


def _enough(yaw_deg: NDArray[np.float32], fps: float, min_s: float) -> int:
    """Frames that `min_s` take, at least one."""
    if not len(yaw_deg) or not fps > 0:
        raise ValueError(f"got {len(yaw_deg)} frames at {fps} fps; a frame and a rate are needed")
    return max(1, math.ceil(min_s * fps - 1e-6))
