"""Set metrics against a baseline: the paired differences that `score` measured, as comparisons.

Distances of sets need the features, so only entrants of one run folder can be paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.paired_tests import PairedTest
from benchmark.results import SET_SCORES, SetScore
from benchmark.set_scoring import SET_SCORES_FILE, TARGET
from benchmark.statistics import Interval
from mrfashion.errors import InputRefused

Tests = dict[tuple[str, str], PairedTest]  # entrant, metric id
ELSEWHERE = "not in the run folder of the baseline: sets are paired within one"
NOT_PAIRED = "not paired: not measured, or an extrapolation"


def read_set_scores(root: Path, task_hash: str) -> tuple[list[SetScore], dict[str, Any]]:
    """Rows and definitions of a run folder, where it has any of sets."""
    path = root / SET_SCORES_FILE
    if not path.exists():
        return [], {}
    rows, header = SET_SCORES.read(path), SET_SCORES.metadata(path)
    if header.get("task_hash") != task_hash or not isinstance(header.get("metrics"), dict):
        raise InputRefused(f"{path} does not go with {root / 'task.json'}; score again")
    return rows, header["metrics"]


def paired_with(
    baseline: str, entrants: Sequence[str], rows: Sequence[SetScore], metric_ids: Sequence[str]
) -> Tests:
    """Entrant less baseline in each metric."""
    known = {(r.entrant, r.against, r.metric_id): r for r in rows if r.against != TARGET}
    here = {row.entrant for row in rows}
    tests: Tests = {}
    for metric_id in metric_ids:
        for entrant in entrants:
            if row := known.get((entrant, baseline, metric_id)):
                tests[entrant, metric_id] = _test(row, 1)
            elif row := known.get((baseline, entrant, metric_id)):
                tests[entrant, metric_id] = _test(row, -1)
            else:
                tests[entrant, metric_id] = _blank(NOT_PAIRED if entrant in here else ELSEWHERE)
    return tests


def _test(row: SetScore, sign: int) -> PairedTest:
    """A measured difference, turned so that it is entrant less baseline."""
    if row.value is None or row.low is None or row.high is None:
        return _blank(row.note or NOT_PAIRED)
    bounds = sorted((sign * row.low, sign * row.high))
    found = Interval(sign * row.value, bounds[0], bounds[1], row.units, "jackknife", None)
    return PairedTest(found, row.videos, 0, row.p, None, None, None, None, None, None)


def _blank(reason: str) -> PairedTest:
    found = Interval(None, None, None, 0, None, reason)
    return PairedTest(found, 0, 0, None, None, None, None, None, None, reason)
