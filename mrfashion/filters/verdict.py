"""What a filter sees and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Shot:
    """One shot as the survey measured it."""

    width: int
    height: int
    fps: float
    frames: int
    measurements: dict[str, float]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.fps


@dataclass(frozen=True)
class Verdict:
    """Keep or drop, with the measured value and the threshold it met or missed."""

    kept: bool
    reason: str
    measured: float
    threshold: float


class ClipFilter(Protocol):
    """A filter: its thresholds are its fields, so they come from the config and are stored."""

    def judge(self, shot: Shot) -> Verdict:
        """Judge a shot from its measurements alone: pure, so thresholds can change late."""
        ...
