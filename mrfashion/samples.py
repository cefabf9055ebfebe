"""Evaluation samples: which frames to generate, from which references."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import content_hash
from mrfashion.errors import ConfigError
from mrfashion.ranking import SLOTS, cover
from mrfashion.tables import Clip, ReferenceCandidate, Sample
from mrfashion.views import view_of


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
        if not self.exclusion_s >= 0:
            raise ConfigError(f"samples: exclusion_s is {self.exclusion_s}; allowed: 0 and more")

    @property
    def span(self) -> int:
        """Frames from the first target frame to the last, those between strides included."""
        return (self.frames - 1) * self.stride + 1


@dataclass(frozen=True)
class Drawn:
    """The samples of a dataset; a clip of an evaluated split is in one of the two."""

    samples: list[Sample] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)  # clip id => why it gives no sample


def make_samples(
    clips: Iterable[Clip],
    references: Iterable[ReferenceCandidate],
    yaw_deg: Mapping[str, NDArray[np.float32]],
    config: SampleConfig,
) -> Drawn:
    """Samples of every clip of the evaluated splits; `yaw_deg` is that of each clip's frames.

    References come from the other clips of the garment group, within the split group; where there
    is none, from the same clip, never within `exclusion_s` of the target range of any sample of
    it. The target ranges of a clip are disjoint, and as many as leave it a reference. The order
    of clips and references decides nothing.
    """
    by_id = {clip.clip_id: clip for clip in clips}
    groups: dict[tuple[str, str], list[ReferenceCandidate]] = defaultdict(list)
    for row in references:
        if row.rank is not None and row.clip_id in by_id:
            groups[_group(by_id[row.clip_id])].append(row)
    drawn = Drawn()
    for clip_id, clip in sorted(by_id.items()):
        if clip.split in config.splits:
            _draw(clip, groups[_group(clip)], yaw_deg[clip_id], config, drawn)
    return drawn


def _group(clip: Clip) -> tuple[str, str]:
    return clip.split_group, clip.garment_group


def _draw(
    clip: Clip,
    group: Sequence[ReferenceCandidate],
    yaw_deg: NDArray[np.float32],
    config: SampleConfig,
    drawn: Drawn,
) -> None:
    """Add the samples of a clip, or why it gives none."""
    others = [row for row in group if row.clip_id != clip.clip_id]
    frames = 0 if clip.still else clip.frames
    for starts in target_layouts(frames, config.span, config.per_clip):
        pool = others or _apart(group, clip, starts, config)
        if not pool:
            continue
        source = "other_clip" if others else "same_clip"
        for start in starts:
            targets = yaw_deg[start : start + config.span : config.stride]
            picked = _pick(pool, config.references, targets)
            drawn.samples.append(_sample(clip, start, picked, source, config))
        return
    if clip.still:
        drawn.skipped[clip.clip_id] = "pictures: lent, never asked for"
    elif clip.frames < config.span:
        drawn.skipped[clip.clip_id] = f"shorter than {config.span} frames"
    elif not group:
        drawn.skipped[clip.clip_id] = "no reference in its garment group"
    else:
        drawn.skipped[clip.clip_id] = f"no reference {config.exclusion_s:g} s from its targets"


def target_layouts(frames: int, span: int, count: int) -> list[list[int]]:
    """Starts of disjoint ranges of `span` frames, the layouts in the order they are tried.

    First up to `count`, as many as fit, evenly from the first frame to the last; then fewer, down
    to one in the middle; then one at either end, which leaves most room for references. Empty
    where not one fits.
    """
    slack = frames - span
    if slack < 0:
        return []
    several = range(min(count, frames // span), 1, -1)
    even = [[slack * i // (n - 1) for i in range(n)] for n in several]
    return [*even, [slack // 2], [0], [slack]]


def _apart(
    rows: Sequence[ReferenceCandidate], clip: Clip, starts: Sequence[int], config: SampleConfig
) -> list[ReferenceCandidate]:
    """The rows that keep the distance from all target ranges of their clip."""
    margin = config.exclusion_s * clip.fps
    ranges = [(start - margin, start + config.span - 1 + margin) for start in starts]
    return [row for row in rows if not any(low <= row.frame <= high for low, high in ranges)]


def _pick(
    pool: Sequence[ReferenceCandidate], count: int, targets: NDArray[np.float32]
) -> list[ReferenceCandidate]:
    """References in the common order, front first.

    Where there are more views than `count`, those the targets show most are served first.
    """
    shown = Counter(view_of(yaw) for yaw in targets.tolist() if np.isfinite(yaw))
    served = cover(pool, count, sorted(SLOTS, key=lambda view: -shown[view]))
    return cover(served, count)


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
