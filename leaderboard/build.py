"""From result rows to the board: means, intervals, and marks that the data bear out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from benchmark.clip_scores import ALL, BACK_GAP
from benchmark.statistics import Difference, interval, paired_difference
from leaderboard.board import (
    COPIES,
    METHODS,
    SECTION_NOTES,
    Board,
    Cell,
    Column,
    Row,
    Section,
    Unmeasured,
)
from leaderboard.rows import Entrant, Results
from leaderboard.wording import NOT_MEASURED, aside_of, sentence_of
from mrfashion.errors import InputRefused

LEVEL = 0.95
HEADLINES = (("psnr", "foreground"), ("psnr", "whole"))  # what orders the rows, if it is there


def build_board(
    results: Results, title: str, protocol: dict[str, str], sources: dict[str, str]
) -> Board:
    """The board of one task's results; pictures and plots are added by `report`.

    A metric that no clip has a number of is no column; it is listed with the reason.
    """
    if not results.columns:
        raise InputRefused("there is no score to show; run `mrfashion score` first")
    results, unmeasured = _without_unmeasured(results)
    headline = _headline(results)
    sections = tuple(
        _section(results, name, entrants, headline)
        for name, copies in ((METHODS, False), (COPIES, True))
        if (entrants := [e for e in results.entrants if e.per_frame_copy is copies])
    )
    return Board(
        title=title,
        task_hash=results.task_hash,
        protocol=protocol,
        sources=sources,
        level=LEVEL,
        clips=len(results.group_of),
        groups=len(set(results.group_of.values())),
        complete=not results.missing,
        sentence=sentence_of(headline, sections[0], _lead(results, sections[0], headline)),
        aside=_aside(sections, headline),
        headline=headline.metric_id,
        strata=results.strata,
        columns=results.columns,
        sections=sections,
        missing=results.missing,
        unmeasured=unmeasured,
    )


def _without_unmeasured(results: Results) -> tuple[Results, tuple[Unmeasured, ...]]:
    """The columns that hold a number, and the others with their commonest reason."""
    measured, unmeasured = [], []
    for column in results.columns:
        rows = [
            score
            for entrant in results.entrants
            for score in results.scores.get((entrant.name, column.metric_id, ALL), {}).values()
        ]
        if any(score.value is not None for score in rows):
            measured.append(column)
        else:
            note = _commonest([score.note for score in rows if score.note])
            unmeasured.append(Unmeasured(column.title, column.region, note or NOT_MEASURED))
    if not measured:  # then the tables say so, cell by cell
        return results, ()
    return replace(results, columns=tuple(measured)), tuple(unmeasured)


def _commonest(notes: Sequence[str]) -> str | None:
    count = Counter(notes)
    return min(count, key=lambda note: (-count[note], note), default=None)


def _headline(results: Results) -> Column:
    """The first of HEADLINES that any entrant has a value of, else a column that may rank."""
    measured = [
        column
        for column in results.columns
        if any(results.values(e.name, column.metric_id, ALL) for e in results.entrants)
    ]
    for wanted in HEADLINES:
        for column in measured:
            if (column.metric, column.region) == wanted:
                return column
    return min(measured or results.columns, key=lambda column: not column.ranks)


def _section(results: Results, name: str, entrants: Sequence[Entrant], headline: Column) -> Section:
    rows = [_row(results, entrant) for entrant in entrants]
    for column in results.columns:
        for stratum in results.strata:
            marked = _best(results, rows, column, stratum)
            rows = [_marked(row, column, stratum) if row.entrant in marked else row for row in rows]
    rows.sort(key=lambda row: (_rank(row, headline), row.entrant))
    return Section(name, SECTION_NOTES[name], tuple(rows))


def _row(results: Results, entrant: Entrant) -> Row:
    missing = sum(m.entrant == entrant.name for m in results.missing)
    return Row(
        entrant=entrant.name,
        kind=entrant.kind,
        scored=len(results.group_of) - missing,
        missing=missing,
        cells=tuple(
            _cell(results, entrant.name, column.metric_id, stratum)
            for stratum in results.strata
            for column in results.columns
        ),
    )


def _cell(results: Results, entrant: str, metric_id: str, stratum: str) -> Cell:
    values = results.values(entrant, metric_id, stratum)
    by_group: dict[str, list[float]] = {}
    for sample, value in values.items():
        by_group.setdefault(results.group_of[sample], []).append(value)
    found = interval(by_group, LEVEL)
    scores = results.scores.get((entrant, metric_id, stratum), {}).values()
    note = _commonest([score.note for score in scores if score.note])
    return Cell(
        metric_id=metric_id,
        stratum=stratum,
        value=found.mean,
        low=found.low,
        high=found.high,
        method=found.method,
        groups=found.groups,
        clips=len(values),
        frames=sum(score.n for score in scores),
        capped=sum(score.capped for score in scores),
        best=False,
        note=(note or found.reason) if found.mean is None else found.reason,
    )


def _rank(row: Row, column: Column) -> tuple[bool, float]:
    """Sorts best first and what was not measured last."""
    value = row.cell(column.metric_id, ALL).value
    return value is None, (value or 0.0) * (-1 if column.higher_is_better else 1)


def _best(results: Results, rows: Sequence[Row], column: Column, stratum: str) -> set[str]:
    """The best entrant of a column and all that the data do not tell apart from it.

    Only entrants that have every clip of the column stand for election: leaving out the hard
    clips must not win. Without an interval of the differences nobody is marked. Nor by a back gap:
    who is bad in front has a small one. Nor by a metric that is wrong by definition.
    """
    values = {row.entrant: results.values(row.entrant, column.metric_id, stratum) for row in rows}
    clips = set().union(*values.values()) if stratum != BACK_GAP and column.ranks else set()
    whole = [row for row in rows if clips and set(values[row.entrant]) == clips]
    if len(whole) < 2:
        return set()
    cells = {row.entrant: row.cell(column.metric_id, stratum).value or 0.0 for row in whole}
    sign = 1 if column.higher_is_better else -1
    best = max(sorted(cells), key=lambda name: sign * cells[name])
    gaps = {
        name: paired_difference(values[best], values[name], results.group_of, LEVEL)
        for name in cells
        if name != best
    }
    if any(gap.interval.low is None for gap in gaps.values()):
        return set()
    if all(gap.interval.low == gap.interval.high == 0 for gap in gaps.values()):
        return set()  # a number of the target alone, or equal videos: nobody is ahead
    return {best} | {name for name, gap in gaps.items() if gap.interval.holds(0.0)}


def _marked(row: Row, column: Column, stratum: str) -> Row:
    cells = tuple(
        replace(c, best=True) if (c.metric_id, c.stratum) == (column.metric_id, stratum) else c
        for c in row.cells
    )
    return replace(row, cells=cells)


def _aside(sections: Sequence[Section], headline: Column) -> str | None:
    """What copies reach, where there are methods that the result speaks of."""
    names = [section.name for section in sections]
    return aside_of(headline, sections[1]) if names == [METHODS, COPIES] else None


def _lead(results: Results, section: Section, headline: Column) -> Difference | None:
    """Paired difference of the first two rows, where there are two."""
    names = [r.entrant for r in section.rows if r.cell(headline.metric_id, ALL).value is not None]
    if len(names) < 2:
        return None
    first, second = (results.values(name, headline.metric_id, ALL) for name in names[:2])
    return paired_difference(first, second, results.group_of, LEVEL)
