"""The filters, in the order they judge. To add one: a class with `judge`, and a line here."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrfashion.filters.poses import PersonPresent
from mrfashion.filters.technical import (
    Brightness,
    Duration,
    FrameRate,
    Motion,
    Resolution,
    Sharpness,
)

CLIP_FILTERS = ("duration", "frame_rate", "resolution", "brightness", "sharpness", "motion")
POSE_FILTERS = ("person",)


@dataclass(frozen=True)
class FilterConfig:
    """Thresholds of every filter; each name above is a field here."""

    duration: Duration = field(default_factory=Duration)
    frame_rate: FrameRate = field(default_factory=FrameRate)
    resolution: Resolution = field(default_factory=Resolution)
    brightness: Brightness = field(default_factory=Brightness)
    sharpness: Sharpness = field(default_factory=Sharpness)
    motion: Motion = field(default_factory=Motion)
    person: PersonPresent = field(default_factory=PersonPresent)
