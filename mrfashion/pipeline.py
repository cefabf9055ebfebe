"""Curation from sources to a dataset: `mrfashion curate SOURCE... --out DATASET`.

Each stage is one function from one artefact to the next, restartable by its own journal:
sources -> survey (shots, measurements) -> filters -> clips -> poses -> references -> tables.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mrfashion import dataset_writer, viewing
from mrfashion.artefacts import (
    content_hash,
    sweep_temporaries,
    write_json,
)
from mrfashion.config import to_dict
from mrfashion.crops import BarConfig, whole, without_bars
from mrfashion.duplicates import DuplicateConfig
from mrfashion.environment import RunLog, environment, now_utc
from mrfashion.errors import ConfigError, InputRefused
from mrfashion.executors import Executor, ExecutorConfig, Threads
from mrfashion.filters import CLIP_FILTERS, FilterConfig
from mrfashion.filters.verdict import first_dropping
from mrfashion.garments import GarmentConfig
from mrfashion.grouping import read_frozen
from mrfashion.limits import SourceLimits
from mrfashion.media import VideoInfo
from mrfashion.placing import place
from mrfashion.poses.sidecar import sidecar_path
from mrfashion.posing import SIDECAR, PoseConfig, Poser
from mrfashion.progress import Progress, silent
from mrfashion.references import ReferenceConfig
from mrfashion.samples import SampleConfig
from mrfashion.scale import WHOLE, Shard, held, own_folder
from mrfashion.shot import KeptShot
from mrfashion.shots import ShotConfig
from mrfashion.sources import open_source
from mrfashion.sources.source import Source
from mrfashion.sources.turntable.clips import TurntableConfig
from mrfashion.sources.web.settings import WebConfig
from mrfashion.splits import SplitConfig
from mrfashion.stages import Item, Stage, Values
from mrfashion.steps import (
    encode_clips,
    file_looks,
    find_references,
    hash_source,
    survey_source,
)
from mrfashion.survey import Span
from mrfashion.tables import Failure, Reject
from mrfashion.tombstones import read_tombstones, remove_made
from mrfashion.viewing import Posed, posed_clip, view_clip

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CurateConfig:
    """Settings of every stage; a TOML table of the same name each."""

    turntable: TurntableConfig = field(default_factory=TurntableConfig)
    web: WebConfig = field(default_factory=WebConfig)
    limits: SourceLimits = field(default_factory=SourceLimits)
    shots: ShotConfig = field(default_factory=ShotConfig)
    bars: BarConfig = field(default_factory=BarConfig)
    filters: FilterConfig = field(default_factory=FilterConfig)
    poses: PoseConfig = field(default_factory=PoseConfig)
    references: ReferenceConfig = field(default_factory=ReferenceConfig)
    duplicates: DuplicateConfig = field(default_factory=DuplicateConfig)
    garments: GarmentConfig = field(default_factory=GarmentConfig)
    splits: SplitConfig = field(default_factory=SplitConfig)
    samples: SampleConfig = field(default_factory=SampleConfig)
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)  # changes no byte
    crf: int = 12  # of the stored clips, x264's scale; the metrics see what this loses

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 15:
            raise ConfigError(f"crf is {self.crf}; allowed: 0 to 15, or the clips lose detail")

    def hash(self) -> str:
        """Hash of what decides the dataset's bytes: of all, but where it is worked on.

        A frozen table counts by its own hash, in the headers, not by where it lies; of downloads
        counts which file was asked for, not how patiently.
        """
        splits = replace(self.splits, frozen=None)
        web = WebConfig(short_side_px=self.web.short_side_px)
        deciding = replace(self, executor=ExecutorConfig(), splits=splits, web=web)
        return content_hash(to_dict(deciding))


@dataclass
class Summary:
    """What a run of `curate` did, for its closing lines."""

    sources: int = 0
    shard: str = ""  # "3/16" where it was one
    kept: int = 0
    samples: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)  # stage -> why -> how many
    estimators: dict[str, Any] = field(default_factory=dict)  # origin of keypoints -> its settings


def curate(
    sources: Sequence[str],
    out: str | Path,
    config: CurateConfig | None = None,
    *,
    workers: int | None = None,
    limit: int | None = None,
    force: bool = False,
    shard: Shard = WHOLE,
    progress: Progress[Any] = silent,
    tell: Callable[[str], None] = logger.info,
) -> Summary:
    """Curate `sources` (folders, videos, `turntable`) into the dataset folder `out`.

    Every input ends as kept, rejected or failed, in exactly one of the tables. Killed at any
    moment, the same call goes on where it was. A shard does its share of the work and writes no
    table: the run of all does. `tell` hears which estimator runs, and where.
    Raises ConfigError or InputRefused before any work where a source or setting is wrong.
    """
    config = config or CurateConfig()
    root = Path(out)
    if limit and not shard.whole:
        raise ConfigError("a limit and a shard were asked for; a limit is for trials of the whole")
    readers = [open_source(text, config) for text in sources]
    if not readers:
        raise InputRefused("no source; name a folder of videos, one video, or `turntable`")
    with held(root, shard):
        if shard.whole:
            sweep_temporaries(root)
        own = own_folder(root, shard)
        log = RunLog(own, environment=environment(), sources=list(sources))
        write_json(own / "config.json", to_dict(config))
        reads = (reader.read(root / "sources", progress, shard) for reader in readers)
        found = list(islice(chain.from_iterable(reads), limit))
        workers = workers or os.cpu_count() or 1
        with config.executor.open(workers, _files(found)) as executor:
            run = _Run(root, config, shard, executor, workers, force, progress, tell)
            summary = run.build(found)
        done = {"kept": summary.kept, "notes": summary.notes, "estimators": summary.estimators}
        log.write(status="finished", ended=now_utc(), **done)
    return summary


def _files(found: Sequence[Source | Reject | Failure]) -> list[Path]:
    return [entry.path for entry in found if isinstance(entry, Source)]


class _Run:
    """One run of the stages over one dataset folder."""

    def __init__(
        self,
        root: Path,
        config: CurateConfig,
        shard: Shard,
        executor: Executor,
        workers: int,
        force: bool,
        progress: Progress[Any],
        tell: Callable[[str], None],
    ) -> None:
        self.root = root
        self.config = config
        self.shard = shard
        self.tell = tell
        self.poser = Poser(root, config.poses)
        self.frozen = read_frozen(config.splits.frozen)
        self.summary = Summary()
        self.executor = executor
        self.threads = Threads(workers)
        self.options: dict[str, Any] = {"force": force, "progress": progress}

    def build(self, found: Sequence[Source | Reject | Failure]) -> Summary:
        sources = [entry for entry in found if isinstance(entry, Source)]
        self.summary.sources = len(found)
        self.summary.rejects += [entry for entry in found if isinstance(entry, Reject)]
        self.summary.failures += [entry for entry in found if isinstance(entry, Failure)]
        shots = self._posable(self._filter(self._survey(self._hash(sources))))
        clips = self._encode([shot for shot, _ in shots])
        posed = self._view(self._pose(shots, clips), clips)
        references = self._references(posed)
        origins = {clip.origin for clip in posed}
        estimators = {origin: self.poser.settings(origin) for origin in sorted(origins)}
        self.summary.estimators = estimators
        if self.shard.whole:
            placed = place(posed, references, self.frozen, self.config)
            self.summary.rejects += placed.rejects
            self.summary.notes |= {"splits": placed.notes} if placed.notes else {}
            dataset_writer.write(self.root, self.config, placed, references, self.summary)
        else:
            self.summary.kept, self.summary.shard = len(posed), str(self.shard)
        return self.summary

    def _run(
        self,
        name: str,
        version: int,
        settings: Any,
        work: Callable[[Any], Any],
        items: Sequence[Item[Any]],
        executor: Executor | None = None,
    ) -> Values:
        stage = Stage(self.root, name, version, settings, work, self.shard)
        outcome = stage.run(items, executor=executor or self.executor, **self.options)
        self.summary.failures += outcome.failures
        self.summary.notes[name] = dict(sorted(outcome.notes.items()))
        return outcome.values

    def _hash(self, sources: Sequence[Source]) -> list[tuple[Source, str]]:
        """Content hash of every source; files are read again only when they look changed."""
        items, most = [], self.config.limits.bytes
        tombstones = read_tombstones(self.root)
        for source in sources:
            if source.source_id in tombstones.ids:
                remove_made(self.root, source.path)
                self._reject(source.source_id, source, "takedown", "taken down")
                continue
            looks = file_looks(source.path)
            if looks[0] > most:
                self._reject(source.source_id, source, "sources", "too large", looks[0], most)
            else:
                items.append(Item(source.source_id, source.source_id, looks, source.path))
        if len({item.item_id for item in items}) < len(items):
            raise ConfigError("two sources hold videos of the same name; rename a folder")
        hashes = self._run("hash", 1, None, partial(hash_source, most=most), items)
        first: dict[str, Source] = {}
        for source in sources:
            if source.source_id not in hashes:
                continue
            digest = hashes[source.source_id]["sha256"]
            if digest in tombstones.sha256:
                self._reject(source.source_id, source, "takedown", "taken down", detail="a copy")
                continue
            original = first.setdefault(digest, source)
            if original is not source:
                self._reject(
                    source.source_id,
                    source,
                    "duplicates",
                    "exact copy",
                    detail=f"of {original.source_id}",
                )
        return [(source, digest) for digest, source in first.items()]

    def _survey(self, hashed: Sequence[tuple[Source, str]]) -> list[KeptShot]:
        items = []
        for source, digest in hashed:
            stills = source.stills is not None
            inputs = [digest, "stills"] if stills else digest
            job = (source.path, digest, stills)
            items.append(Item(source.source_id, source.source_id, inputs, job))
        work = partial(
            survey_source, detector=self.config.shots.chosen(), limits=self.config.limits
        )
        values = self._run("survey", 7, to_dict(self.config.shots), work, items)
        return [
            self._shot(source, digest, value["frames"], VideoInfo(**value["info"]), Span(**span))
            for source, digest in hashed
            if (value := values.get(source.source_id))
            for span in value["spans"]
        ]

    def _shot(
        self, source: Source, digest: str, frames: int, info: VideoInfo, span: Span
    ) -> KeptShot:
        bars = self.config.bars.remove
        crop = without_bars(info, span.measurements) if bars else whole(info)
        return KeptShot(source, digest, frames, info, span, crop)

    def _filter(self, shots: Sequence[KeptShot]) -> list[KeptShot]:
        """Pure, from stored measurements: a changed threshold costs no decoding."""
        kept = []
        for shot in shots:
            if shot.source.stills is not None:
                kept.append(shot)  # the rules of footage are not for pictures
            elif dropped := first_dropping(CLIP_FILTERS, self.config.filters, shot.measured):
                name, verdict = dropped
                why = (verdict.reason, verdict.measured, verdict.threshold)
                self._reject(shot.span.clip_id, shot.source, f"filter.{name}", *why)
            else:
                kept.append(shot)
        return kept

    def _posable(self, shots: Sequence[KeptShot]) -> list[tuple[KeptShot, str]]:
        """Shots whose keypoints can be had, and from where: asked before any encoding."""
        found = []
        for shot in shots:
            origin = self.poser.origin(shot)
            if origin is None:
                detail = f"{sidecar_path(shot.source.path).name} does not exist"
                self._reject(shot.span.clip_id, shot.source, "poses", "no keypoints", detail=detail)
            else:
                found.append((shot, origin))
        if any(origin != SIDECAR for _, origin in found):
            self.tell(self.poser.require_estimator())
        return found

    def _encode(self, shots: Sequence[KeptShot]) -> dict[str, dict[str, Any]]:
        """Clip id => its file's path, sha256, frames and size."""
        by_source: dict[str, list[KeptShot]] = defaultdict(list)
        for shot in shots:
            by_source[shot.source.source_id].append(shot)
        items = [
            Item(source_id, source_id, [shot.inputs for shot in of_source], of_source)
            for source_id, of_source in by_source.items()
        ]
        work = partial(encode_clips, root=self.root, crf=self.config.crf)
        values = self._run("clips", 1, self.config.crf, work, items)
        return {
            clip_id: clip for value in values.values() for clip_id, clip in value["clips"].items()
        }

    def _pose(
        self, shots: Sequence[tuple[KeptShot, str]], clips: dict[str, dict[str, Any]]
    ) -> list[tuple[KeptShot, str, dict[str, Any]]]:
        """The shots with keypoints, where these come from, and their file."""
        items = []
        for shot, origin in shots:
            if clip := clips.get(shot.span.clip_id):
                inputs = self.poser.inputs(shot, origin, clip)
                item_id, source_id = shot.span.clip_id, shot.source.source_id
                items.append(Item(item_id, source_id, inputs, (shot, origin)))
        # One copy of shared networks serves all threads, in batches of several clips.
        executor = self.threads if self.poser.shared else None
        values = self._run("poses", 2, None, self.poser.pose, items, executor)
        return [
            (shot, origin, value)
            for shot, origin in shots
            if (value := values.get(shot.span.clip_id))
        ]

    def _view(
        self, posed: Sequence[tuple[KeptShot, str, dict[str, Any]]], clips: dict[str, Any]
    ) -> list[Posed]:
        """The clips with a person to keep, and which way it faces."""
        items = []
        for shot, _, file in posed:
            inputs = [file["sha256"], shot.info.fps, shot.size, *(shot.source.stills or ())]
            job = (shot, self.root / file["path"])
            items.append(Item(shot.span.clip_id, shot.source.source_id, inputs, job))
        work = partial(view_clip, filters=self.config.filters)
        seen = self._run("views", 1, viewing.settings(self.config.filters), work, items)
        kept = []
        for shot, origin, file in posed:
            clip_id = shot.span.clip_id
            answer = seen.get(clip_id)
            if answer and answer["dropped"]:
                name, *why = answer["dropped"]
                self._reject(clip_id, shot.source, f"filter.{name}", *why)
            elif answer:
                path, sha256 = self.root / file["path"], file["sha256"]
                kept.append(posed_clip(shot, clips[clip_id], origin, path, sha256, answer))
        return kept

    def _references(self, posed: Sequence[Posed]) -> Values:
        """Candidates depend on the clip's pixels, its poses (in its pose file) and its yaw."""
        items = []
        for clip in posed:
            inputs = [clip.clip["sha256"], clip.poses_sha256, clip.garment_group, clip.yaw_hash]
            items.append(Item(clip.clip_id, clip.shot.source.source_id, inputs, clip))
        settings = to_dict(self.config.references)
        work = partial(find_references, root=self.root, config=self.config.references)
        return self._run("references", 3, settings, work, items)

    def _reject(
        self,
        item_id: str,
        source: Source,
        stage: str,
        reason: str,
        measured: float | None = None,
        threshold: float | None = None,
        detail: str = "",
    ) -> None:
        self.summary.rejects.append(
            Reject(item_id, source.source_id, stage, reason, measured, threshold, detail)
        )
