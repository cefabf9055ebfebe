"""What a filter sees and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


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


def first_dropping(names: Sequence[str], filters: object, seen: Any) -> tuple[str, Verdict] | None:
    """The first of these filters that drops what is seen, and why; None where all keep it."""
    for name in names:
        verdict: Verdict = getattr(filters, name).judge(seen)
        if not verdict.kept:
            return name, verdict
    return None
