"""A dataset as plain values: what the page shows and `describe.json` holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mrfashion import tables
from mrfashion.funnel import Funnel
from mrfashion.manifest import Dataset
from mrfashion.sources.source import UNKNOWN_LICENCE
from mrfashion.splits import SPLITS
from mrfashion.views import VIEWS

FEW_VALUES = 8  # so many different values, each twice on average, get a bar each
BINS = 20
LISTED = 200  # rows of rejects and of failures on the page
MEASUREMENTS = {
    "sharpness": ("Sharpness", "Laplacian variance of luma at 256 px"),
    "luma": ("Brightness", "mean luma, 0 to 255"),
    "change": ("Change", "mean luma difference between frames"),
    "frozen": ("Frozen", "share of frames that equal the one before"),
    "blank": ("Blank", "share of frames without contrast"),
    "blockiness": ("Blockiness", "edges on the codec's grid against those beside it, 1 is none"),
    "camera_motion": ("Camera motion", "longer sides a second that surroundings move"),
    "overlay_text": ("Overlay text", "share of the picture under lines that look like text"),
    "turned_deg": ("Turned", "greatest angle between two ways the body faces, degrees"),
    "view_gap_deg": ("View gap", "widest arc that the clip does not show, degrees"),
    "view_sectors": ("View sectors", "sectors of 45 degrees that the clip shows, of 8"),
}


@dataclass(frozen=True, slots=True)
class Distribution:
    """How one quantity is spread; bars are (from, to, count), a single value has from = to."""

    key: str
    title: str
    what: str  # one of what, and its unit
    n: int
    unknown: int  # values that are not there
    minimum: float | None
    p10: float | None
    median: float | None
    p90: float | None
    maximum: float | None
    bars: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True, slots=True)
class SplitRow:
    """What one split holds."""

    split: str
    clips: int
    garment_groups: int
    videos: int
    seconds: float
    samples: int
    clips_by_view: dict[str, int]  # clips that show the view long enough


@dataclass(frozen=True, slots=True)
class LicenceRow:
    """What came under one licence and its terms."""

    licence: str
    terms: str | None
    clips: int
    videos: int
    seconds: float
    known: bool


@dataclass(frozen=True, slots=True)
class ReferenceShot:
    """A reference on the contact sheet: a chosen one, or the best of its view that was not."""

    path: str
    width: int
    height: int
    view: str | None
    rank: int | None  # order in the clip; None: not chosen
    frame: int
    yaw_deg: float | None
    score: float
    parts: dict[str, float]
    why_not: str  # empty where it was chosen


@dataclass(frozen=True, slots=True)
class SheetClip:
    """A clip on the contact sheet."""

    clip_id: str
    source_id: str
    garment_group: str
    split: str
    frames: tuple[int, ...]  # those on the strip
    frame_views: tuple[str | None, ...]
    path: str
    width: int
    height: int
    references: tuple[ReferenceShot, ...]  # in order
    runners_up: tuple[ReferenceShot, ...]  # the best of each view that was not chosen
    not_chosen: dict[str, int]  # why -> how many candidates


@dataclass(frozen=True, slots=True)
class Description:
    """All there is to say of a dataset without a person looking at it."""

    samples_hash: str
    config_hash: str | None
    clips: int
    garment_groups: int
    split_groups: int
    videos: int
    frames: int
    seconds: float
    samples: int
    without_sample: dict[str, int]  # why -> how many clips of evaluated splits give none
    references: int  # chosen
    candidates: int
    funnel: Funnel
    leaking_groups: int  # split groups in several splits: must be 0
    splits: tuple[SplitRow, ...]
    licences: tuple[LicenceRow, ...]
    distributions: tuple[Distribution, ...]
    sheet: tuple[SheetClip, ...]
    rejects: tuple[tables.Reject, ...]  # the first LISTED
    rejects_in_all: int
    failures: tuple[tables.Failure, ...]
    failures_in_all: int


def duration_s(clip: tables.Clip) -> float:
    """Length of a clip."""
    return clip.frames / clip.fps


def seconds_of(clips: Iterable[tables.Clip]) -> float:
    """Length of clips together."""
    return round(math.fsum(map(duration_s, clips)), 3)


def split_rows(dataset: Dataset) -> tuple[SplitRow, ...]:
    """A row a split, in the order of SPLITS."""
    held = {clip.split for clip in dataset.clips.values()}
    rows = []
    for split in (*SPLITS, *sorted(held - set(SPLITS))):
        clips = [clip for clip in dataset.clips.values() if clip.split == split]
        rows.append(
            SplitRow(
                split=split,
                clips=len(clips),
                garment_groups=len({clip.garment_group for clip in clips}),
                videos=len({clip.source_id for clip in clips}),
                seconds=seconds_of(clips),
                samples=sum(sample.split == split for sample in dataset.samples.values()),
                clips_by_view={view: sum(view in clip.views for clip in clips) for view in VIEWS},
            )
        )
    return tuple(rows)


def leaking_groups(dataset: Dataset) -> int:
    """Split groups that are in more than one split."""
    pairs = {(clip.split_group, clip.split) for clip in dataset.clips.values()}
    return sum(count > 1 for count in Counter(group for group, _ in pairs).values())


def without_sample(dataset: Dataset) -> dict[str, int]:
    """Why clips of the evaluated splits give no sample, and how many; the table's header says."""
    told = tables.SAMPLES.metadata(dataset.root / "samples.parquet").get("without_sample")
    reasons = map(str, told.values()) if isinstance(told, dict) else ()
    return dict(sorted(Counter(reasons).items()))


def licence_rows(dataset: Dataset) -> tuple[LicenceRow, ...]:
    """A row for every licence with its terms; unknown ones first, since they need work."""
    kinds = {(clip.licence, clip.terms) for clip in dataset.clips.values()}
    rows = []
    for licence, terms in kinds:
        clips = [c for c in dataset.clips.values() if (c.licence, c.terms) == (licence, terms)]
        known = licence.strip().lower() not in ("", UNKNOWN_LICENCE)
        videos = len({clip.source_id for clip in clips})
        rows.append(LicenceRow(licence, terms, len(clips), videos, seconds_of(clips), known))
    return tuple(
        sorted(rows, key=lambda row: (row.known, -row.clips, row.licence, row.terms or ""))
    )


def distributions(dataset: Dataset) -> tuple[Distribution, ...]:
    """What is worth a histogram."""
    clips = list(dataset.clips.values())
    yaw = [value for clip in clips for value in dataset.yaw_deg(clip.clip_id).tolist()]
    chosen = [row.score for row in dataset.references.values() if row.rank is not None]
    turns = [float(edge) for edge in range(-180, 181, 15)]
    found = [
        _spread("duration_s", "Duration", "clips, seconds", [duration_s(c) for c in clips]),
        _spread("frames", "Frames", "clips, frames", [c.frames for c in clips]),
        _spread("fps", "Frame rate", "clips, frames a second", [c.fps for c in clips]),
        _spread(
            "short_side_px", "Size", "clips, shorter side in pixels", [_side(c) for c in clips]
        ),
        _spread(
            "person_share", "Person", "clips, height of the body in the frame", _persons(clips)
        ),
        _spread("yaw_deg", "Yaw", "frames, degrees; 0 faces the camera", yaw, turns),
        _spread("views", "Views", "clips, of the four views shown", [len(c.views) for c in clips]),
        _spread("reference_score", "References", "chosen references, score 0 to 1", chosen),
    ]
    for key in sorted({key for clip in clips for key in clip.measurements}):
        title, what = MEASUREMENTS.get(key, (key.replace("_", " ").capitalize(), "as measured"))
        values = [clip.measurements.get(key, math.nan) for clip in clips]
        found.append(_spread(key, title, f"clips, {what}", values))
    return tuple(found)


def _side(clip: tables.Clip) -> int:
    return min(clip.width, clip.height)


def _persons(clips: Iterable[tables.Clip]) -> list[float]:
    boxes = [(clip.person_box_xyxy_px, clip.height) for clip in clips]
    return [(box[3] - box[1]) / height if len(box) == 4 else math.nan for box, height in boxes]


def _spread(
    key: str, title: str, what: str, values: Sequence[float], edges: Sequence[float] = ()
) -> Distribution:
    known = np.array([value for value in values if math.isfinite(value)], np.float64)
    unknown = len(values) - len(known)
    if not len(known):
        return Distribution(key, title, what, 0, unknown, None, None, None, None, None, ())
    low, p10, median, p90, high = (
        round(float(q), 6) for q in np.quantile(known, (0, 0.1, 0.5, 0.9, 1))
    )
    bars = _bars(known, edges)
    return Distribution(key, title, what, len(known), unknown, low, p10, median, p90, high, bars)


def _bars(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], edges: Sequence[float]
) -> tuple[tuple[float, float, int], ...]:
    single, counts = np.unique(np.round(values, 6), return_counts=True)
    if not edges and len(single) <= min(FEW_VALUES, max(1, len(values) // 2)):
        return tuple((v, v, n) for v, n in zip(single.tolist(), counts.tolist(), strict=True))
    heights, sides = np.histogram(values, bins=list(edges) or BINS)
    sides = np.round(sides, 6)
    return tuple(zip(sides[:-1].tolist(), sides[1:].tolist(), heights.tolist(), strict=True))
