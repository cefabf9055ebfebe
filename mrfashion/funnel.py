"""What was kept and dropped on the way from sources to samples, and why, from the tables alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mrfashion.filters import CLIP_FILTERS, POSE_FILTERS
from mrfashion.manifest import Dataset
from mrfashion.tables import Failure, Reject

# Stages in the order in which an item meets them; others (of later releases) come after.
STAGES = (
    "sources", "hash", "duplicates", "survey", *(f"filter.{name}" for name in CLIP_FILTERS),
    "clips", "poses", *(f"filter.{name}" for name in POSE_FILTERS), "references",
)  # fmt: skip
VIDEOS, SHOTS = "videos", "shots"


@dataclass(frozen=True, slots=True)
class Drop:
    """Items that left at one stage for one reason."""

    unit: str  # videos or shots
    kind: str  # rejected or failed
    stage: str
    reason: str  # of a failure: its error code
    count: int
    threshold: float | None
    measured_low: float | None
    measured_high: float | None
    left: int  # items of the unit that are left after this


@dataclass(frozen=True, slots=True)
class Funnel:
    """How many items each step had, from videos to samples."""

    videos: int  # found
    usable_videos: int  # not dropped whole
    shots: int
    clips: int  # kept
    clips_with_samples: int
    samples: int
    drops: tuple[Drop, ...]  # in the order of the stages
    failed_after: int  # failures of clips that were kept: they lack something, not themselves


def funnel_of(dataset: Dataset) -> Funnel:
    """The funnel of a dataset. A video that was dropped whole counts once, as a video."""
    first: dict[str, Reject | Failure] = {}
    rows: list[Reject | Failure] = [*dataset.rejects, *dataset.failures]
    for row in sorted(rows, key=_place):
        if row.item_id not in dataset.clips:
            first.setdefault(row.item_id, row)
    whole = [row for row in first.values() if row.item_id == row.source_id]
    parts = [row for row in first.values() if row.item_id != row.source_id]
    sources = {row.source_id for row in (*dataset.clips.values(), *first.values())}
    videos, shots = len(sources), len(parts) + len(dataset.clips)
    return Funnel(
        videos=videos,
        usable_videos=videos - len(whole),
        shots=shots,
        clips=len(dataset.clips),
        clips_with_samples=len({sample.clip_id for sample in dataset.samples.values()}),
        samples=len(dataset.samples),
        drops=(*_drops(whole, VIDEOS, videos), *_drops(parts, SHOTS, shots)),
        failed_after=sum(row.item_id in dataset.clips for row in dataset.failures),
    )


def _place(row: Reject | Failure) -> tuple[int, str, str, str]:
    """Order of the stages; within one, rejected before failed, then by reason."""
    known = row.stage in STAGES
    return STAGES.index(row.stage) if known else len(STAGES), row.stage, *_cause(row)


def _cause(row: Reject | Failure) -> tuple[str, str]:
    return ("rejected", row.reason) if isinstance(row, Reject) else ("failed", row.error)


def _drops(rows: Sequence[Reject | Failure], unit: str, left: int) -> list[Drop]:
    drops = []
    causes = [(row.stage, *_cause(row), getattr(row, "threshold", None)) for row in rows]
    for cause, count in Counter(causes).items():
        stage, kind, reason, threshold = cause
        same = [row for row, of in zip(rows, causes, strict=True) if of == cause]
        values = [row.measured for row in same if isinstance(row, Reject)]
        measured = [value for value in values if value is not None and math.isfinite(value)]
        low, high = (min(measured), max(measured)) if measured else (None, None)
        left -= count
        drops.append(Drop(unit, kind, stage, reason, count, threshold, low, high, left))
    return drops
