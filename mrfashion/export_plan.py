"""Which clips go into which file of an export: by split, and by the size of the stored clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mrfashion.errors import InputRefused
from mrfashion.export_clips import ClipJob
from mrfashion.manifest import Dataset
from mrfashion.tables import Clip, ReferenceCandidate


@dataclass(frozen=True)
class Shard:
    """A file of the export, and the clips in it."""

    path: str
    clips: tuple[ClipJob, ...]


def plan(dataset: Dataset, clips: Sequence[Clip], suffix: str, shard_mb: int) -> list[Shard]:
    """Shards of each split, by the size of the stored clips: known before any is written."""
    references: dict[str, list[ReferenceCandidate]] = defaultdict(list)
    for row in dataset.references.values():
        if row.rank is not None:
            references[row.clip_id].append(row)
    shards = []
    for split in sorted({clip.split for clip in clips}):
        of_split = [clip for clip in clips if clip.split == split]
        groups = list(_grouped(dataset, of_split, shard_mb << 20))
        for number, group in enumerate(groups):
            jobs = [ClipJob(c.clip_id, _ranked(references[c.clip_id])) for c in group]
            name = f"data/{split}-{number:05d}-of-{len(groups):05d}{suffix}"
            shards.append(Shard(name, tuple(jobs)))
    return shards


def _ranked(rows: list[ReferenceCandidate]) -> tuple[ReferenceCandidate, ...]:
    return tuple(sorted(rows, key=lambda row: row.rank or 0))


def _grouped(dataset: Dataset, clips: Sequence[Clip], most: int) -> Iterator[list[Clip]]:
    group: list[Clip] = []
    size = 0
    for clip in clips:
        path = dataset.video_path(clip.clip_id)
        if not path.is_file():
            raise InputRefused(f"{clip.path} is gone; run mrfashion verify")
        size += path.stat().st_size
        if group and size > most:
            yield group
            group, size = [], path.stat().st_size
        group.append(clip)
    yield group
