"""The tables of a run folder, and where its files lie.

RUNS/task.json             what was asked: samples, size, reduction rule, seed; the task hash
RUNS/generations.jsonl     journal of attempts      generations.parquet  newest row of each
RUNS/entrants.json         what ran last under each entrant's name: version, settings, weights
RUNS/videos/<entrant>/     lossless videos (FFV1)
RUNS/scores.jsonl          journal of scored clips  scores.parquet       the rows
RUNS/set_scores.parquet    metrics of all clips of an entrant together, and of pairs of entrants
RUNS/features/             features of videos, by network and preparation
RUNS/run.json              who ran what, when and on which machine
"""

from __future__ import annotations

from dataclasses import dataclass

from mrfashion.schema import Table


@dataclass(frozen=True)
class Generation:
    """The newest attempt of one entrant at one sample."""

    key: str  # hash of everything that decides the pixels
    entrant: str
    sample_id: str
    garment_group: str
    kind: str  # learned, warp, copy or imported
    per_frame_copy: bool
    status: str  # ok or failed
    attempt: int
    seed: int
    reference_ids: tuple[str, ...]  # what the generator was given, in order
    path: str | None  # relative to the run folder
    video_sha256: str | None
    frames: int
    height: int
    width: int
    fps: float
    effective: str  # JSON: settings used, how the request was fitted
    reference_weights: tuple[float, ...] | None  # f r, row by row
    seconds: float | None
    peak_memory_bytes: int | None
    warnings: tuple[str, ...]
    error: str | None  # ItemError.code
    error_text: str | None


@dataclass(frozen=True)
class Score:
    """One metric of one generated clip, on all its frames or on those of one view."""

    entrant: str
    sample_id: str
    garment_group: str
    task_hash: str
    metric_id: str  # "<metric>/<region>@<version>#<definition hash>"
    metric: str  # psnr
    region: str  # whole or foreground
    stratum: str  # all, front, facing-right, facing-left, back or undetermined
    value: float | None  # None: not measured, and `note` says why
    n: int  # frames behind the value
    capped: int  # frames whose value was capped (an exact frame has infinite PSNR)
    note: str | None


@dataclass(frozen=True)
class SetScore:
    """A metric of all of an entrant's clips together, or the difference of two entrants'."""

    entrant: str
    against: str  # "(targets)": its distance from them; else that less the distance of this one
    task_hash: str
    metric_id: str
    metric: str  # fvd
    value: float | None  # None: not measured, and `note` says why
    low: float | None
    high: float | None
    videos: int
    clips: int
    units: int  # garment groups, left out one after another for the interval
    p: float | None  # of a difference: two-sided, of its being 0, adjusted for nothing
    floor: float | None  # what halves of the targets reach against each other
    floor_videos: int | None  # in each half
    note: str | None


GENERATIONS = Table("generations", 1, Generation, ("entrant", "sample_id"))
SCORES = Table("scores", 1, Score, ("entrant", "metric_id", "sample_id", "stratum"))
SET_SCORES = Table("set_scores", 1, SetScore, ("metric_id", "entrant", "against"))
