"""Paired tests as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.clip_scores import ALL
from benchmark.comparison import Comparison
from benchmark.metrics import METRICS
from benchmark.set_metrics import SET_METRICS
from leaderboard.render.markdown import escape
from leaderboard.wording import number

HEADS = (
    "Entrant", "Metric", "Difference [95 %]", "d_z", "Wins / losses", "Groups", "p", "Holm p",
    "Verdict",
)  # fmt: skip


def table(comparisons: Sequence[Comparison]) -> str:
    """One row a test, and beneath what the columns mean."""
    if not comparisons:
        return "Nothing to compare: the baseline is the only entrant."
    lines = [_line(HEADS), _line(["---"] * len(HEADS))]
    lines += [_line(_cells(comparison)) for comparison in comparisons]
    return "\n".join([*lines, "", _legend(comparisons)])


def _cells(c: Comparison) -> list[str]:
    test = c.test
    where = c.region if c.stratum == ALL else f"{c.region}, {c.stratum}"
    known = METRICS[c.metric].spec if c.metric in METRICS else SET_METRICS.get(c.metric)
    status = known.status if known else "standard"
    where = where if status == "standard" else f"{where}, {status}"
    return [
        escape(c.entrant),
        f"{c.metric} ({where})",
        _difference(c),
        _optional(test.effect, 2),
        "-" if test.wins is None else f"{test.wins} / {test.losses}",
        str(test.interval.groups),
        _optional(test.p, 4),
        _optional(c.adjusted, 4),
        c.verdict(),
    ]


def _difference(c: Comparison) -> str:
    found = c.test.interval
    if found.mean is None:
        return "not measured"
    mean = number(found.mean, 4)
    if found.low is None or found.high is None:
        return mean
    return f"{mean} [{number(found.low, 4)}, {number(found.high, 4)}]"


def _optional(value: float | None, decimals: int) -> str:
    return "-" if value is None else number(value, decimals)


def _legend(comparisons: Sequence[Comparison]) -> str:
    tested = sum(c.test.p is not None for c in comparisons)
    dropped = sum(c.test.dropped for c in comparisons)
    effects = [c.test.detectable for c in comparisons if c.test.detectable is not None]
    parts = [
        f"Entrant minus {escape(comparisons[0].baseline)} on samples that both have, garment "
        "groups as the unit. p: two-sided sign-flip test; Holm p: adjusted for "
        f"{tested} test{'' if tested == 1 else 's'}. Wins are groups with a higher value."
    ]
    if any(c.metric in SET_METRICS for c in comparisons):
        parts.append(
            "Of sets: all videos together, jackknife over garment groups in place of both."
        )
    if effects:
        parts.append(f"So many groups find a d_z of {number(max(effects), 2)} in 4 of 5 cases.")
    if dropped:
        parts.append(f"{dropped} values without a counterpart were left out.")
    return " ".join(parts)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
