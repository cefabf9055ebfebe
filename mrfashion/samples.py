"""Evaluation samples: which frames to generate, from which references."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mrfashion.artefacts import content_hash
from mrfashion.errors import ConfigError
from mrfashion.tables import Clip, ReferenceCandidate, Sample
from mrfashion.views import VIEWS

ORDER = ("front", "back", "facing-right", "facing-left")  # the first references of a sample


@dataclass(frozen=True)
class SampleConfig:
    """How the samples of the evaluated splits are laid out."""

    frames: int = 16  # the clip length of the paper and of FVD
    stride: int = 1
    references: int = 4
    per_clip: int = 1
    exclusion_s: float = 0.5  # between a target frame and a reference of the same clip
    splits: tuple[str, ...] = ("val", "test")

    def __post_init__(self) -> None:
        for name in ("frames", "stride", "references", "per_clip"):
            if getattr(self, name) < 1:
                raise ConfigError(f"samples: {name} is {getattr(self, name)}; allowed: 1 and more")


def make_samples(
    clips: Iterable[Clip], references: Iterable[ReferenceCandidate], config: SampleConfig
) -> list[Sample]:
    """Samples of every clip of the evaluated splits that has the frames and a reference.

    References come from the other clips of the garment group; where it has none, from the same
    clip, never within `exclusion_s` of a target frame.
    """
    chosen = [row for row in references if row.rank is not None]
    by_group: dict[str, list[ReferenceCandidate]] = defaultdict(list)
    for row in chosen:
        by_group[row.garment_group].append(row)
    samples = []
    for clip in sorted(clips, key=lambda row: row.clip_id):
        if clip.split in config.splits:
            samples += _of_clip(clip, by_group[clip.garment_group], config)
    return samples


def _of_clip(clip: Clip, group: Sequence[ReferenceCandidate], config: SampleConfig) -> list[Sample]:
    span = (config.frames - 1) * config.stride + 1
    if clip.frames < span:
        return []
    others = [row for row in group if row.clip_id != clip.clip_id]
    samples = []
    for start in _starts(clip.frames - span, config.per_clip):
        margin = config.exclusion_s * clip.fps
        own = [
            row
            for row in group
            if row.clip_id == clip.clip_id
            and not start - margin <= row.frame <= start + span - 1 + margin
        ]
        references = _pick(others or own, config.references)
        if references:
            source = "other_clip" if others else "same_clip"
            samples.append(_sample(clip, start, references, source, config))
    return samples


def _starts(last: int, count: int) -> list[int]:
    """Up to `count` different starts, evenly spaced in 0..last; one stands in the middle."""
    if count == 1:
        return [last // 2]
    return sorted({round(last * i / (count - 1)) for i in range(count)})


def _pick(candidates: Sequence[ReferenceCandidate], count: int) -> list[ReferenceCandidate]:
    """The best of each view in turn, then the second best of each, until `count`."""
    queues = {
        view: sorted(
            (row for row in candidates if row.view == view),
            key=lambda row: (row.rank, -row.score, row.reference_id),
        )
        for view in ORDER
    }
    assert set(ORDER) == set(VIEWS)
    picked: list[ReferenceCandidate] = []
    while len(picked) < count and any(queues.values()):
        for queue in queues.values():
            if queue and len(picked) < count:
                picked.append(queue.pop(0))
    return picked


def _sample(
    clip: Clip,
    start: int,
    references: Sequence[ReferenceCandidate],
    source: str,
    config: SampleConfig,
) -> Sample:
    ids = tuple(row.reference_id for row in references)
    return Sample(
        sample_id=content_hash([clip.clip_id, start, config.frames, config.stride, list(ids)])[:16],
        clip_id=clip.clip_id,
        garment_group=clip.garment_group,
        split=clip.split,
        start=start,
        frames=config.frames,
        stride=config.stride,
        reference_ids=ids,
        reference_source=source,
    )
