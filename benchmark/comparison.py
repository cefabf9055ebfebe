"""Entrants of one or several run folders against a baseline: `mrfashion compare RUNS...`.

Scores compare only within one task and one definition of a metric. What differs is refused, and
the refusal names the field.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.clip_scores import ALL, STRATA
from benchmark.metrics.spec import unlike
from benchmark.paired_tests import PairedTest, holm, paired_test
from benchmark.protocol import Task, load_task, task_differences
from benchmark.results import SCORES, Score, SetScore
from benchmark.scoring import SCORES_FILE
from benchmark.set_comparison import paired_with, read_set_scores
from mrfashion.errors import InputRefused, UnknownNameError


@dataclass(frozen=True)
class Scored:
    """The scores of a run folder."""

    root: Path
    task: Task
    rows: list[Score]
    metrics: dict[str, dict[str, Any]]  # metric id -> its definition


@dataclass(frozen=True)
class Comparison:
    """One entrant against the baseline in one metric; `adjusted` is Holm's p over all of them."""

    entrant: str
    baseline: str
    metric_id: str
    metric: str
    region: str
    stratum: str
    higher_is_better: bool
    test: PairedTest
    adjusted: float | None

    def verdict(self, level: float = 0.95) -> str:
        """Better, worse, not told apart, or why nothing is said."""
        if self.adjusted is None or self.test.interval.mean is None:
            return self.test.reason or self.test.interval.reason or "nothing to compare"
        if self.adjusted > 1 - level:
            return "not told apart"
        return "better" if (self.test.interval.mean > 0) is self.higher_is_better else "worse"


def compare(
    runs: Sequence[str | Path],
    baseline: str,
    *,
    metrics: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    strata: Sequence[str] = (ALL,),
    level: float = 0.95,
) -> list[Comparison]:
    """Every other entrant against `baseline`, in each metric, region and stratum asked for.

    The p values are adjusted for all that is returned: ask for what you want to know, no more.
    InputRefused where the folders hold different tasks or definitions; it names the fields.
    """
    scored = [_open(Path(root)) for root in runs]
    for other in scored[1:]:
        _refuse_other_task(scored[0], other)
        _refuse_other_definitions(scored[0], other, metrics)
    table = _by_entrant(scored)
    if baseline not in table:
        raise UnknownNameError("entrant", baseline, table)
    others = [entrant for entrant in table if entrant != baseline]
    home = next(runs for runs in scored if baseline in {row.entrant for row in runs.rows})
    set_rows, set_defined = _sets(home, everything=bool(metrics))
    defined = scored[0].metrics | set_defined
    asked = list(_asked(defined, metrics, regions, strata))
    group_of = {row.sample_id: row.garment_group for runs in scored for row in runs.rows}
    of_sets = paired_with(baseline, others, set_rows, list(set_defined))
    tests = {}
    for metric_id, stratum in asked:
        for entrant in others:
            key = entrant, metric_id, stratum
            if metric_id not in set_defined:
                cell = metric_id, stratum
                a, b = (table[name].get(cell, {}) for name in (entrant, baseline))
                tests[key] = paired_test(a, b, group_of, level)
            elif stratum == ALL:
                tests[key] = of_sets[entrant, metric_id]
    adjusted = holm({key: test.p for key, test in tests.items()})
    return [
        Comparison(
            entrant=entrant,
            baseline=baseline,
            metric_id=metric_id,
            metric=defined[metric_id]["name"],
            region=defined[metric_id]["region"][0],
            stratum=stratum,
            higher_is_better=defined[metric_id]["higher_is_better"],
            test=test,
            adjusted=adjusted[entrant, metric_id, stratum],
        )
        for (entrant, metric_id, stratum), test in tests.items()
    ]


def _sets(home: Scored, everything: bool) -> tuple[list[SetScore], dict[str, dict[str, Any]]]:
    """Rows and definitions of sets; unless `everything`, only of what somebody has a number of."""
    rows, defined = read_set_scores(home.root, home.task.task_hash)
    measured = {row.metric_id for row in rows if row.value is not None}
    return rows, {name: d for name, d in defined.items() if everything or name in measured}


def _open(root: Path) -> Scored:
    task = load_task(root)
    path = root / SCORES_FILE
    rows, header = SCORES.read(path), SCORES.metadata(path)
    if header.get("task_hash") != task.task_hash or not isinstance(header.get("metrics"), dict):
        raise InputRefused(f"{path} does not go with {root / 'task.json'}; score again")
    return Scored(root, task, rows, header["metrics"])


def _refuse_other_task(one: Scored, other: Scored) -> None:
    if differs := task_differences(one.task, other.task):
        what = "; ".join(f"{name}: {a!r} and {b!r}" for name, a, b in differs)
        raise InputRefused(
            f"{one.root} and {other.root} hold different tasks, whose scores do not compare: {what}"
        )


def _refuse_other_definitions(one: Scored, other: Scored, metrics: Sequence[str] | None) -> None:
    """The metrics asked for must be in both folders, and defined alike."""
    mine, theirs = (
        {(d["name"], d["region"][0]): d for d in s.metrics.values() if _wanted(d["name"], metrics)}
        for s in (one, other)
    )
    for definition in theirs.values():
        known = mine.get((definition["name"], definition["region"][0]))
        if known is not None and known != definition:
            what = "; ".join(f"{n}: {a!r} and {b!r}" for n, a, b in unlike(known, definition))
            raise InputRefused(
                f"{one.root} and {other.root} define {definition['name']} differently, so its "
                f"scores do not compare: {what}. Score one of them again with this release"
            )
    if missing := sorted({"/".join(key) for key in mine.keys() ^ theirs.keys()}):
        raise InputRefused(
            f"{one.root} and {other.root} were not scored alike: only one has "
            f"{', '.join(missing)}. Score both with the same metrics, or name common ones"
        )


def _wanted(name: str, asked: Sequence[str] | None) -> bool:
    return not asked or name in asked


def _by_entrant(
    scored: Sequence[Scored],
) -> dict[str, dict[tuple[str, str], dict[str, float | None]]]:
    """Entrant -> (metric id, stratum) -> sample -> value; a name in two folders is refused."""
    table: dict[str, dict[tuple[str, str], dict[str, float | None]]] = {}
    for runs in scored:
        names = {row.entrant for row in runs.rows}
        if twice := sorted(names & {*table}):
            raise InputRefused(
                f"{', '.join(twice)} is in more than one folder, again in {runs.root}; name each "
                "folder once, or rename the entrant"
            )
        for row in runs.rows:
            values = table.setdefault(row.entrant, {}).setdefault((row.metric_id, row.stratum), {})
            values[row.sample_id] = row.value
    return table


def _asked(
    defined: dict[str, dict[str, Any]],
    metrics: Sequence[str] | None,
    regions: Sequence[str] | None,
    strata: Sequence[str],
) -> Iterator[tuple[str, str]]:
    """Metric ids and strata, in the order of the scores."""
    for what, wanted, known in (
        ("metric", metrics, {d["name"] for d in defined.values()}),
        ("region", regions, {d["region"][0] for d in defined.values()}),
        ("stratum", strata, set(STRATA)),
    ):
        for name in wanted or ():
            if name not in known:
                raise UnknownNameError(what, name, known)
    for metric_id, definition in defined.items():
        if _wanted(definition["name"], metrics) and _wanted(definition["region"][0], regions):
            yield from ((metric_id, stratum) for stratum in strata)
