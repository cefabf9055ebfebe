"""Set metrics of a run folder, `set_scores.parquet`: every entrant against the targets, and pairs.

A distance of sets depends on how many there are: an entrant is measured on the videos it has, their
number stands beside the value, and two entrants are compared on the samples that both have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.fitting import FITTING_VERSION
from benchmark.metrics.spec import WHOLE, Image
from benchmark.protocol import Task
from benchmark.results import SET_SCORES, Generation, SetScore
from benchmark.set_features import FeatureStore, VideoFeatures, VideoSource, video_features
from benchmark.set_metrics.spec import Feature, SetMetric
from benchmark.set_statistics import (
    Floor,
    LeaveOuts,
    SetInterval,
    difference,
    jackknife,
    leave_outs,
    target_floor,
)
from benchmark.targets import Target, load_target, verify_file
from mrfashion.artefacts import content_hash, inside
from mrfashion.errors import ItemError, UnknownNameError
from mrfashion.manifest import Dataset
from mrfashion.media import decode
from mrfashion.progress import Progress

SET_SCORES_FILE, FEATURES_FOLDER = "set_scores.parquet", "features"
TARGET = "(targets)"  # beside entrants, whose names hold no brackets
BLANK = SetInterval(0.0, None, None, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class SetSummary:
    """What was measured of sets."""

    metric_ids: tuple[str, ...]
    lacking: dict[str, str]  # metric -> why it could not be measured here
    failed: dict[str, str]  # "<entrant>/<sample>" -> why a video has no features
    rows: int
    path: Path


@dataclass(slots=True)
class SetRun:
    """The videos of a run folder by entrant, and the features read of them so far."""

    root: Path
    dataset: Dataset
    task: Task
    generations: Sequence[Generation]
    device: str
    progress: Progress[Any]
    failed: dict[str, str] = field(default_factory=dict)
    known: dict[str, dict[str, VideoFeatures]] = field(default_factory=dict)  # feature id => name
    videos: list[VideoSource] = field(default_factory=list)  # found once, for every network

    def entrants(self) -> list[str]:
        """Names in the order of the table."""
        return sorted({generation.entrant for generation in self.generations})

    def groups(self) -> dict[str, str]:
        """Garment group by sample."""
        return {g.sample_id: g.garment_group for g in self.generations}

    def features(self, feature: Feature) -> dict[str, VideoFeatures]:
        """By "<entrant>/<sample>"; videos without any are in `failed`."""
        if feature.id not in self.known:
            self.videos = self.videos or list(self._videos())
            store = FeatureStore(self.root / FEATURES_FOLDER, feature)
            found = video_features(store, self.videos, self.device, self.progress)
            self.failed |= {name: got for name, got in found.items() if isinstance(got, str)}
            usable = {name: got for name, got in found.items() if not isinstance(got, str)}
            self.known[feature.id] = usable
        return self.known[feature.id]

    def _videos(self) -> Iterator[VideoSource]:
        """Targets first, then what was generated of them."""
        for sample_id in sorted(self.groups()):
            try:
                target = load_target(self.dataset, sample_id, self.task)
            except (ItemError, UnknownNameError) as error:
                self.failed[f"{TARGET}/{sample_id}"] = str(error)
                continue
            place = [list(target.indices), list(target.size), FITTING_VERSION]
            key = content_hash([target.sha256, *place])
            yield VideoSource(f"{TARGET}/{sample_id}", key, partial(_target_frames, target))
        for made in self.generations:
            if made.status == "ok" and made.path and made.video_sha256:
                frames = partial(_made_frames, self.root, made.path, made.video_sha256)
                yield VideoSource(f"{made.entrant}/{made.sample_id}", made.video_sha256, frames)


def score_sets(run: SetRun, metrics: Sequence[SetMetric], level: float = 0.95) -> SetSummary:
    """Measure, and write `set_scores.parquet`; features already on disk are not computed again."""
    lacking = {m.name: text for m in metrics if (text := m.missing())}
    rows: list[SetScore] = []
    for metric in metrics:
        note = f"not measured: {lacking[metric.name]}" if metric.name in lacking else None
        rows += _rows(run, metric, level, note)
    ids = {metric.spec.metric_id(WHOLE): metric for metric in metrics}
    shown = {
        metric_id: {name: getattr(m, name) for name in ("title", "decimals", "status", "citation")}
        for metric_id, m in ids.items()
    }
    definitions = {metric_id: m.spec.defined(WHOLE) for metric_id, m in ids.items()}
    path = run.root / SET_SCORES_FILE
    SET_SCORES.write(
        path, rows, task_hash=run.task.task_hash, metrics=definitions, shown=shown, level=level
    )
    return SetSummary(tuple(ids), lacking, dict(run.failed), len(rows), path)


def _rows(run: SetRun, metric: SetMetric, level: float, note: str | None) -> Iterator[SetScore]:
    """One an entrant, and one a pair of entrants."""
    row = partial(_row, run, metric)
    if note:
        yield from (row(entrant, TARGET, BLANK, note=note) for entrant in run.entrants())
        return
    found, groups = run.features(metric.feature), run.groups()
    targets = {s: found[name] for s in sorted(groups) if (name := f"{TARGET}/{s}") in found}
    made = {
        entrant: {s: found[name] for s in targets if (name := f"{entrant}/{s}") in found}
        for entrant in run.entrants()
    }
    pairs = _Pairs(metric, targets, made, groups)
    for entrant, videos in made.items():
        if len(videos) < metric.least:
            yield row(entrant, TARGET, BLANK, note=_too_few(len(videos), metric))
        elif metric.infinity:
            yield row(entrant, TARGET, metric.extrapolate(*pairs.of(entrant, tuple(videos))))
        else:
            measured = replace(jackknife(pairs.left(entrant, tuple(videos)), level), p=None)
            yield row(entrant, TARGET, measured, pairs.floor(tuple(videos)))
    for one, other in combinations(made, 2) if not metric.infinity else ():
        both = tuple(s for s in made[one] if s in made[other])
        if len(both) < metric.least:
            yield row(one, other, BLANK, note=_too_few(len(both), metric))
        else:
            gap = difference(pairs.left(one, both), pairs.left(other, both))
            yield row(one, other, jackknife(gap, level))


@dataclass(slots=True)
class _Pairs:
    """Features of one metric; a distance of the same videos is computed once."""

    metric: SetMetric
    targets: Mapping[str, VideoFeatures]
    made: Mapping[str, Mapping[str, VideoFeatures]]
    groups: Mapping[str, str]
    known: dict[tuple[str, ...], LeaveOuts] = field(default_factory=dict)
    floors: dict[tuple[str, ...], Floor | None] = field(default_factory=dict)

    def of(
        self, entrant: str, samples: tuple[str, ...]
    ) -> tuple[list[VideoFeatures], list[VideoFeatures], list[str]]:
        """Generated and target videos, and their garment groups."""
        made = [self.made[entrant][s] for s in samples]
        return made, [self.targets[s] for s in samples], [self.groups[s] for s in samples]

    def left(self, entrant: str, samples: tuple[str, ...]) -> LeaveOuts:
        """The entrant's distance on these samples, and without each group."""
        key = (entrant, *samples)
        if key not in self.known:
            self.known[key] = leave_outs(*self.of(entrant, samples), self.metric.measure)
        return self.known[key]

    def floor(self, samples: tuple[str, ...]) -> Floor | None:
        """What halves of these targets reach against each other."""
        if samples not in self.floors:
            wanted = [self.targets[s] for s in samples]
            self.floors[samples] = target_floor(wanted, self.metric.measure)
        return self.floors[samples]


def _row(
    run: SetRun,
    metric: SetMetric,
    entrant: str,
    against: str,
    measured: SetInterval,
    floor: Floor | None = None,
    note: str | None = None,
) -> SetScore:
    values = asdict(measured)
    reason = values.pop("reason")
    return SetScore(
        entrant=entrant,
        against=against,
        task_hash=run.task.task_hash,
        metric_id=metric.spec.metric_id(WHOLE),
        metric=metric.name,
        **(values | {"value": None if note else measured.value}),
        floor=floor.value if floor else None,
        floor_videos=floor.videos if floor else None,
        note=note or reason,
    )


def _too_few(videos: int, metric: SetMetric) -> str:
    return f"not measured: {videos} videos; needed: {metric.least}"


def _target_frames(target: Target) -> Iterator[Image]:
    verify_file(target.path, target.sha256, target.path.name)
    return target.frames()


def _made_frames(root: Path, path: str, sha256: str) -> Iterator[Image]:
    video = inside(root, path)
    verify_file(video, sha256, path)
    return (np.asarray(frame.image) for frame in decode(video))
