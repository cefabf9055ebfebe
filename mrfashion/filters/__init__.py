"""The filters, in the order they judge. To add one: a class with `judge`, and a line here."""

from __future__ import annotations

from dataclasses import dataclass, field

from mrfashion.filters.person import (
    InFrame,
    LargeEnough,
    Present,
    Proportions,
    Single,
    Steady,
    WholeBody,
)
from mrfashion.filters.technical import (
    Blank,
    Brightness,
    Camera,
    Compression,
    Duration,
    FrameRate,
    Motion,
    OverlayText,
    Resolution,
    Sharpness,
)
from mrfashion.filters.turn import Turn

CLIP_FILTERS = (
    "duration",
    "frame_rate",
    "resolution",
    "brightness",
    "blank",
    "sharpness",
    "compression",
    "motion",
    "camera",
    "overlay_text",
)
POSE_FILTERS = (
    "present",
    "large_enough",
    "single",
    "steady",
    "whole_body",
    "in_frame",
    "proportions",
    "turn",
)


@dataclass(frozen=True)
class FilterConfig:
    """Thresholds of every filter; each name above is a field here."""

    duration: Duration = field(default_factory=Duration)
    frame_rate: FrameRate = field(default_factory=FrameRate)
    resolution: Resolution = field(default_factory=Resolution)
    brightness: Brightness = field(default_factory=Brightness)
    blank: Blank = field(default_factory=Blank)
    sharpness: Sharpness = field(default_factory=Sharpness)
    compression: Compression = field(default_factory=Compression)
    motion: Motion = field(default_factory=Motion)
    camera: Camera = field(default_factory=Camera)
    overlay_text: OverlayText = field(default_factory=OverlayText)
    present: Present = field(default_factory=Present)
    large_enough: LargeEnough = field(default_factory=LargeEnough)
    single: Single = field(default_factory=Single)
    steady: Steady = field(default_factory=Steady)
    whole_body: WholeBody = field(default_factory=WholeBody)
    in_frame: InFrame = field(default_factory=InFrame)
    proportions: Proportions = field(default_factory=Proportions)
    turn: Turn = field(default_factory=Turn)
