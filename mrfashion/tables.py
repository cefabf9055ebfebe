"""The tables of a dataset: one row type each, and the words their columns use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mrfashion.poses.cache import repacked
from mrfashion.schema import Record, Table


@dataclass(frozen=True)
class Clip:
    """A kept clip: one shot of one person."""

    clip_id: str  # blake2b of source sha256, start pts, end pts, time base
    source_id: str  # "<source>:<name>", unique in the dataset
    source_sha256: str
    source_url: str | None
    licence: str
    terms: str | None
    product_id: str | None
    path: str  # relative to the dataset
    sha256: str
    start_pts: int  # first frame in the source
    end_pts: int  # last frame in the source, included
    time_base: str  # "1/12800"
    start_s: float
    end_s: float
    fps: float
    frames: int
    width: int
    height: int
    person_box_xyxy_px: tuple[float, ...]  # around all trusted keypoints of the clip
    garment_group: str  # same person and outfit: the unit of statistics
    split_group: str  # the unit no two splits share
    split: str  # train, val or test
    views: tuple[str, ...]  # views seen long enough to count
    view_fraction: dict[str, float]  # share of frames by view; "undetermined" where it abstained
    measurements: dict[str, float]  # what the filters measured
    still: bool = False  # a frame is a picture of its own: lent as a reference, never a target


@dataclass(frozen=True)
class ReferenceCandidate:
    """A frame that could serve as a reference, and why it does or does not."""

    reference_id: str  # "<clip_id>/<frame>"
    clip_id: str
    garment_group: str
    frame: int
    view: str | None
    yaw_deg: float | None
    score: float  # 0..1, product of the parts
    parts: dict[str, float]  # each 0..1
    rank: int | None  # order in its clip: the first r are its best r; None: not chosen
    reason: str | None  # why not, where not: the rule,
    measured: float | None = None  # what it measured,
    threshold: float | None = None  # what was needed,
    beaten_by: str | None = None  # and the reference that was chosen instead


@dataclass(frozen=True)
class Reject:
    """An item that a rule dropped."""

    item_id: str  # a source id, or a clip id
    source_id: str
    stage: str
    reason: str
    measured: float | None
    threshold: float | None
    detail: str


@dataclass(frozen=True)
class Failure:
    """An item that could not be worked on."""

    item_id: str
    source_id: str
    stage: str
    error: str  # "<stage>.<cause>", as in ItemError.code
    retryable: bool
    text: str


@dataclass(frozen=True)
class KeypointRow:
    """The keypoints of a clip, packed by `poses.cache`."""

    clip_id: str
    frames: int
    width: int
    height: int
    fps: float
    xy: bytes  # 1/8 px: zigzag differences along time, low bytes [2, k, f], then high bytes
    score: bytes  # k (the first k keypoints are packed), uint8 differences [k, f]; 0 = missing
    estimator: str  # "sidecar", or the name of one whose settings the file's header holds
    person_boxes_xyxy_px: tuple[float | None, ...]  # 4 a frame, None where there is no person
    detector_scores: tuple[float | None, ...]  # one a frame, None where no detector ran
    people: tuple[int | None, ...]  # persons the detector saw, None where none ran


@dataclass(frozen=True)
class ViewRow:
    """Which way the body faces, frame by frame."""

    clip_id: str
    yaw_deg: tuple[float | None, ...]  # (-180, 180], None where the estimate abstains
    confidence: tuple[float, ...]  # 0..1


@dataclass(frozen=True)
class MaskRow:
    """Foreground of a clip whose source brought one."""

    clip_id: str
    frames: int
    height: int
    width: int
    bits: bytes  # numpy.packbits of f h w


@dataclass(frozen=True)
class Sample:
    """One evaluation item: the frames to generate and the references to generate them from."""

    sample_id: str
    clip_id: str
    garment_group: str
    split: str
    start: int  # first target frame
    frames: int
    stride: int
    reference_ids: tuple[str, ...]  # in order
    reference_source: str  # same_clip or other_clip


@dataclass(frozen=True)
class Placement:
    """A clip's split, and what tells whether a clip of a later build is tied to it."""

    clip_id: str
    source_sha256: str
    product_id: str | None
    garment_group: str
    split_group: str
    split: str
    fingerprint: str | None  # fingerprints.fingerprint; None where it could not be taken
    appearance: str | None  # appearance.appearance


@dataclass(frozen=True)
class TieRow:
    """An edge that joined two clips into one split group."""

    kind: str  # source, product, garment group, near-duplicate or appearance
    one: str  # a clip id
    other: str
    shared: str  # what both have: the source's hash, ...; or the dropped copy of both; or nothing
    distance: float | None  # of those that were measured,
    threshold: float | None  # the most that ties,
    mirrored: bool | None  # and whether it is to the other's mirror image


def _references_from_1(row: Record) -> Record:
    """Version 1 ranked within each view; the best of each view in turn is its order in the clip."""
    turn = {"front": 0, "back": 1, "facing-right": 2, "facing-left": 3}
    rank = None if row["rank"] is None else 4 * (row["rank"] - 1) + turn.get(row["view"], 0) + 1
    return {**row, "rank": rank, "measured": None, "threshold": None, "beaten_by": None}


def _clips_from_1(row: Record) -> Record:
    """Version 1 knew videos only."""
    return {**row, "still": False}


CLIPS = Table("clips", 2, Clip, ("clip_id",), migrations={1: _clips_from_1})
REFERENCES = Table(
    "references",
    2,
    ReferenceCandidate,
    ("clip_id", "frame"),
    migrations={1: _references_from_1},
)
REJECTS = Table("rejects", 1, Reject, ("item_id", "stage", "reason"))
FAILURES = Table("failures", 1, Failure, ("item_id", "stage"))
KEYPOINTS = Table(
    "keypoints", 2, KeypointRow, ("clip_id",), streamed=True, migrations={1: repacked}
)
VIEWS = Table("views", 1, ViewRow, ("clip_id",))
MASKS = Table("masks", 1, MaskRow, ("clip_id",), streamed=True)
SPLITS = Table("splits", 1, Placement, ("clip_id",))
TIES = Table("ties", 1, TieRow, ("kind", "one", "other", "shared"))
SAMPLES = Table("samples", 1, Sample, ("sample_id",))
# All of a dataset's, in the order they are written; a new one joins here, and so is verified,
# exported and taken down with the others. Its file is NAME.parquet or NAME/part-*.parquet.
TABLES: tuple[Table[Any], ...] = (
    KEYPOINTS,
    VIEWS,
    MASKS,
    CLIPS,
    REFERENCES,
    SPLITS,
    TIES,
    REJECTS,
    FAILURES,
    SAMPLES,
)
