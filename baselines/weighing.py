"""How references share a pixel of a painted pose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weighing:
    """Both sharpen the choice; smooth in yaw, so that nothing flickers as the body turns."""

    facing: float = 2.0  # power of the cosine between surface and camera in the reference
    yaw: float = 4.0  # of exp(yaw * (cos - 1)) of the angle between the two bodies' yaws
