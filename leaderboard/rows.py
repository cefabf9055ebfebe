"""Result rows read with suspicion: one task, one definition a metric, finite values only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.clip_scores import ALL, STRATA
from benchmark.metrics import METRICS
from benchmark.metrics.spec import REGIONS, Metric
from benchmark.results import Generation, Score
from leaderboard.board import Column, Missing
from mrfashion.errors import InputRefused

NOT_SCORED = "not scored yet: run `mrfashion score`"
NOT_ATTEMPTED = "not attempted"
STATUS_TEXTS = {
    "comparability": "as others compute it, to compare with numbers they print",
    "invalid": "wrong as others computed it, to recognise numbers they print; ranks nobody",
}


@dataclass(frozen=True, slots=True)
class Entrant:
    """Who made the videos."""

    name: str
    kind: str
    per_frame_copy: bool


@dataclass(frozen=True)
class Results:
    """The rows of one task, indexed."""

    task_hash: str
    columns: tuple[Column, ...]
    strata: tuple[str, ...]
    entrants: tuple[Entrant, ...]
    group_of: dict[str, str]  # sample -> garment group
    scores: dict[tuple[str, str, str], dict[str, Score]]  # entrant, metric id, stratum -> sample
    missing: tuple[Missing, ...]

    def values(self, entrant: str, metric_id: str, stratum: str) -> dict[str, float]:
        """Measured values by sample."""
        scores = self.scores.get((entrant, metric_id, stratum), {})
        return {sample: s.value for sample, s in scores.items() if s.value is not None}


def read_results(
    scores: Sequence[Score], generations: Sequence[Generation], task_hash: str
) -> Results:
    """Index rows; InputRefused where they are of several tasks or definitions, or were edited."""
    if not scores:
        raise InputRefused("there is no score to show; run `mrfashion generate` and score first")
    hashes = sorted({score.task_hash for score in scores})
    if hashes != [task_hash]:
        raise InputRefused(
            f"scores are of tasks {hashes}; this board is of {task_hash}. Scores of different "
            "tasks do not compare: make one report for each run folder"
        )
    entrants = {g.entrant: Entrant(g.entrant, g.kind, g.per_frame_copy) for g in generations}
    group_of = {g.sample_id: g.garment_group for g in generations}
    indexed: dict[tuple[str, str, str], dict[str, Score]] = {}
    for score in scores:
        _check(score, entrants, group_of)
        cell = indexed.setdefault((score.entrant, score.metric_id, score.stratum), {})
        if score.sample_id in cell:
            raise InputRefused(f"two scores for {_where(score)}; run `mrfashion score` again")
        cell[score.sample_id] = score
    seen = {score.stratum for score in scores if score.n}
    return Results(
        task_hash=task_hash,
        columns=_columns(scores),
        strata=tuple(s for s in STRATA if s in seen or s == ALL),
        entrants=tuple(entrants[name] for name in sorted(entrants)),
        group_of=group_of,
        scores=indexed,
        missing=_missing(scores, generations),
    )


def _check(score: Score, entrants: dict[str, Entrant], group_of: dict[str, str]) -> None:
    if score.entrant not in entrants or group_of.get(score.sample_id) != score.garment_group:
        raise InputRefused(
            f"{_where(score)}: no generation goes with this score; run `mrfashion score` again"
        )
    if score.stratum not in STRATA:
        raise InputRefused(f"{_where(score)}: allowed strata: {', '.join(STRATA)}")
    if score.value is not None and not (math.isfinite(score.value) and score.n > 0):
        raise InputRefused(f"{_where(score)}: {score.value} of {score.n} frames is no score")


def _where(score: Score) -> str:
    return f"{score.entrant!r} {score.sample_id!r} {score.metric_id} {score.stratum!r}"


def _columns(scores: Sequence[Score]) -> tuple[Column, ...]:
    """Metrics of the rows in the registry's order; every id must be the one defined here."""
    held = {(score.metric, score.region, score.metric_id) for score in scores}
    columns = []
    for region in REGIONS:
        for name, metric in METRICS.items():
            if region not in metric.spec.regions:
                continue
            metric_id = metric.spec.metric_id(region)
            if (name, region, metric_id) in held:
                held.remove((name, region, metric_id))
                columns.append(_column(metric, region))
    if held:
        raise InputRefused(
            f"scores of other definitions: {', '.join(sorted(h[2] for h in held))}; they do not "
            "compare with those of this release. Run `mrfashion score` again"
        )
    return tuple(columns)


def _column(metric: Metric, region: str) -> Column:
    spec = metric.spec
    texts = dict(spec.definition)
    texts["region"] = spec.regions[region]
    if spec.status in STATUS_TEXTS:
        texts["status"] = f"{spec.status}: {STATUS_TEXTS[spec.status]}"
    if spec.cap is not None:
        texts["cap"] = f"{spec.cap:g} {spec.unit}".strip()
    if spec.citation:
        texts["citation"] = spec.citation
    return Column(
        metric_id=spec.metric_id(region),
        metric=spec.name,
        family=metric.family,
        region=region,
        title=metric.title,
        unit=spec.unit,
        higher_is_better=spec.higher_is_better,
        decimals=metric.decimals,
        ranks=spec.status != "invalid",
        definition=texts,
    )


def _missing(scores: Sequence[Score], generations: Sequence[Generation]) -> tuple[Missing, ...]:
    """Clips of the task without any value, by entrant, and why."""
    measured = {(s.entrant, s.sample_id) for s in scores if s.value is not None}
    notes = {(s.entrant, s.sample_id): s.note for s in scores}
    attempted = {(g.entrant, g.sample_id) for g in generations}
    missing = []
    for entrant in sorted({g.entrant for g in generations}):
        for sample in sorted({g.sample_id for g in generations}):
            pair = entrant, sample
            if pair not in measured:
                without = NOT_SCORED if pair in attempted else NOT_ATTEMPTED
                missing.append(Missing(entrant, sample, notes.get(pair) or without))
    return tuple(missing)
