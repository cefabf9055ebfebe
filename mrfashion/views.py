"""Which way the body faces: the four views."""

from __future__ import annotations

VIEWS = ("front", "facing-right", "facing-left", "back")


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
