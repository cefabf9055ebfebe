"""What a run of `generate` will do, or did, in words and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the videos to make will cost, judged by those that are there."""

    seconds: float | None  # of one device; None: this entrant has made none on such a device
    bytes: int
    measured: bool  # by finished videos; else `bytes` is the most that it can be
    least_bytes: int  # if all were as small as the smallest; 0 where none is there


@dataclass(slots=True)
class Tally:
    """What became of one entrant's videos: planned = reused + ok + failed + todo."""

    planned: int = 0
    reused: int = 0
    ok: int = 0
    failed: int = 0
    todo: int = 0  # in a plan
    reasons: dict[str, int] = field(default_factory=dict)
    estimate: Estimate | None = None  # in a plan

    def count(self, state: str, reason: str) -> None:
        """Add a video in a state, and why it is in it."""
        setattr(self, state, getattr(self, state) + 1)
        name = f"{state}: {reason}"
        self.reasons[name] = self.reasons.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class Summary:
    """What `generate` did; of a dry run, what it would do."""

    task_hash: str
    entrants: dict[str, Tally]
    free_bytes: int | None = None  # in a plan: on the run folder's disk

    @property
    def failed(self) -> int:
        """Videos that do not exist, over all entrants."""
        return sum(tally.failed for tally in self.entrants.values())

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "task_hash": self.task_hash,
            "entrants": {name: asdict(tally) for name, tally in self.entrants.items()},
            "free_bytes": self.free_bytes,
        }

    def text(self) -> str:
        """Lines for a person."""
        lines = [f"task {self.task_hash}"]
        for name, tally in self.entrants.items():
            lines.append(f"{name}: {tally.planned} planned, {_counts(tally)}")
            lines += [f"  {count} x {reason}" for reason, count in sorted(tally.reasons.items())]
            if tally.estimate and tally.todo:
                lines.append(f"  {_cost(tally.estimate)}")
        if self.free_bytes is not None:
            lines.append(f"disk: {size_text(self.free_bytes)} free")
        return "\n".join(lines)


def estimate(
    videos: Sequence[tuple[int, int]],
    paces: Sequence[float],
    densities: Sequence[float],
) -> Estimate:
    """Cost of videos of so many (frames, pixels a frame), by what earlier ones took.

    `paces` are seconds a frame, `densities` bytes a pixel.
    """
    pixels = sum(frames * area for frames, area in videos)
    frames = sum(frames for frames, _ in videos)
    seconds = sum(paces) / len(paces) * frames if paces else None
    if densities:
        mean = sum(densities) / len(densities)
        return Estimate(seconds, round(mean * pixels), True, int(min(densities) * pixels))
    return Estimate(seconds, sum(_most_bytes(*video) for video in videos), False, 0)


def size_text(count: int) -> str:
    """Bytes for a person: 1.5 GB."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"


def _most_bytes(frames: int, area: int) -> int:
    """FFV1 of pure noise takes 1.11 to 1.16 times the raw pixels, and its headers."""
    return 2000 + frames * (round(3.6 * area) + 500)


def _counts(tally: Tally) -> str:
    if tally.estimate is not None:
        return f"{tally.todo} to make, {tally.reused} reused, {tally.failed} failed before"
    return f"{tally.ok} made, {tally.reused} reused, {tally.failed} failed"


def _cost(cost: Estimate) -> str:
    time = "unknown" if cost.seconds is None else f"about {_duration(cost.seconds)} on one device"
    return f"time: {time}; disk: {'about' if cost.measured else 'at most'} {size_text(cost.bytes)}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.2g} s"
