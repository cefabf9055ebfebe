"""Which samples a study shows: those that every entrant made, spread over garment groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from benchmark.protocol import Task, task_samples
from benchmark.results import Generation
from benchmark.study.key import Shown, StudyOptions
from mrfashion.artefacts import content_hash
from mrfashion.errors import InputRefused
from mrfashion.manifest import Dataset
from mrfashion.tables import Sample

MAX_ROWS = 2000  # of one sheet; a rater gives up long before


@dataclass(frozen=True)
class Selection:
    """What is to be shown, and what is not and why."""

    samples: tuple[Sample, ...]
    shown: tuple[Shown, ...]
    left_out: dict[str, str]  # sample id -> why it cannot be shown
    generations: dict[tuple[str, str], Generation]  # by entrant and sample


def select(
    dataset: Dataset, task: Task, generations: Sequence[Generation], options: StudyOptions
) -> Selection:
    """Samples with a video of every entrant; a sample that one of them lacks would be unfair."""
    made = {(g.entrant, g.sample_id): g for g in generations if g.status == "ok"}
    entrants = sorted({g.entrant for g in generations})
    complete, left_out = [], {}
    for sample in task_samples(dataset, task):
        lacking = [name for name in entrants if (name, sample.sample_id) not in made]
        if lacking:
            left_out[sample.sample_id] = f"no video of {', '.join(lacking)}"
        else:
            complete.append(sample)
    if not entrants or not complete:
        raise InputRefused(
            "no sample has a video of every entrant, so there is nothing to rate fairly; "
            "run `mrfashion generate` again"
        )
    chosen = _spread_over_groups(complete, options)[: options.samples]
    shown = [row for sample in chosen for row in _shown(dataset, sample, entrants, made, options)]
    if len(shown) > MAX_ROWS:
        raise InputRefused(
            f"a sheet would have {len(shown)} rows; allowed: {MAX_ROWS}. Take fewer --samples"
        )
    return Selection(tuple(chosen), tuple(shown), left_out, made)


def _shown(
    dataset: Dataset,
    sample: Sample,
    entrants: Sequence[str],
    made: dict[tuple[str, str], Generation],
    options: StudyOptions,
) -> list[Shown]:
    rows = []
    for entrant in entrants:
        digest = made[entrant, sample.sample_id].video_sha256
        if digest is None:
            raise InputRefused(f"{entrant}/{sample.sample_id} has no sha256; generate it again")
        rows.append(Shown(entrant, sample.sample_id, sample.garment_group, digest))
    if options.hidden_reference:
        real = dataset.clip(sample.clip_id).sha256
        rows.append(Shown(None, sample.sample_id, sample.garment_group, real))
    return rows


def _spread_over_groups(samples: Sequence[Sample], options: StudyOptions) -> list[Sample]:
    """One sample of every garment group, then a second, ...: clips of one outfit tell less."""
    groups: dict[str, list[Sample]] = {}
    for sample in sorted(samples, key=lambda s: content_hash([options.seed, s.sample_id])):
        groups.setdefault(sample.garment_group, []).append(sample)
    return [s for layer in zip_longest(*groups.values()) for s in layer if s is not None]
