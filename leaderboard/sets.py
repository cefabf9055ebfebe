"""Rows of set metrics as tables of the board; marks only where paired differences bear them out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.paired_tests import holm
from benchmark.results import SET_SCORES, SetScore
from benchmark.set_metrics import SET_METRICS
from benchmark.set_scoring import SET_SCORES_FILE, TARGET
from leaderboard.board import COPIES, METHODS, SetEntry, SetPair, SetTable
from leaderboard.rows import Entrant
from mrfashion.errors import InputRefused

Adjusted = dict[tuple[str, str, str], float | None]  # metric id, entrant, against


def read_sets(root: Path, entrants: Sequence[Entrant], task_hash: str) -> tuple[SetTable, ...]:
    """The set metrics of a run folder, none where none was measured yet.

    InputRefused where they are of another task or of entrants that are not here, or were edited.
    """
    path = root / SET_SCORES_FILE
    if not path.exists():
        return ()
    rows, header = SET_SCORES.read(path), SET_SCORES.metadata(path)
    _check(path, rows, header, {entrant.name for entrant in entrants}, task_hash)
    sections = {e.name: COPIES if e.per_frame_copy else METHODS for e in entrants}
    shown, level = header["shown"], float(header["level"])
    rows = [r for r in rows if r.against == TARGET or sections[r.entrant] == sections[r.against]]
    by_status: dict[str, list[SetScore]] = {}
    for row in rows:
        by_status.setdefault(shown[row.metric_id]["status"], []).append(row)
    adjusted = {
        key: p
        for of_status in by_status.values()
        for key, p in holm({_key(r): r.p for r in of_status if r.against != TARGET}).items()
    }
    tables = [
        _table(
            [row for row in rows if row.metric_id == metric_id],
            {"metric_id": metric_id, **shown[metric_id]},
            _lines(defined),
            sections,
            adjusted,
            1 - level,
        )
        for metric_id, defined in header["metrics"].items()
    ]
    order = [*SET_METRICS, *sorted(table.metric for table in tables)]  # the registry's
    return tuple(sorted(tables, key=lambda table: order.index(table.metric)))


def _key(row: SetScore) -> tuple[str, str, str]:
    return row.metric_id, row.entrant, row.against


def _check(
    path: Path, rows: Sequence[SetScore], header: Mapping[str, Any], names: set[str], task_hash: str
) -> None:
    if header.get("task_hash") != task_hash or not {"metrics", "shown", "level"} <= set(header):
        raise InputRefused(f"{path} is of another task than this board; run `mrfashion score`")
    for row in rows:
        where = f"{path}: {row.metric_id} of {row.entrant!r} against {row.against!r}"
        if row.task_hash != task_hash or row.metric_id not in header["metrics"]:
            raise InputRefused(f"{where} is of another task or definition; score again")
        if row.entrant not in names or row.against not in {*names, TARGET}:
            raise InputRefused(f"{where}: no generation goes with it; run `mrfashion score` again")
        numbers = (row.value, row.low, row.high, row.floor, row.p)
        if not all(number is None or math.isfinite(number) for number in numbers):
            raise InputRefused(f"{where} holds {numbers}, which are no scores")
    if len({_key(row) for row in rows}) < len(rows):
        raise InputRefused(f"{path} has two scores of one entrant; run `mrfashion score` again")


def _lines(defined: Mapping[str, Any]) -> dict[str, str]:
    """A definition as words, with the bytes of its networks."""
    hashes = defined.get("weights_sha256", {})
    own = defined.get("weights_custom", [])
    weights = {
        f"weights of {name}": f"{sha256 or 'not pinned'}{', your own' if name in own else ''}"
        for name, sha256 in hashes.items()
    }
    return {**defined["definition"], **weights}


def _table(
    rows: Sequence[SetScore],
    shown: Mapping[str, Any],
    definition: dict[str, str],
    sections: Mapping[str, str],
    adjusted: Adjusted,
    alpha: float,
) -> SetTable:
    pairs = [_pair(row, adjusted[_key(row)]) for row in rows if row.against != TARGET]
    entries = [_entry(row, sections[row.entrant]) for row in rows if row.against == TARGET]
    marked = {name for s in (METHODS, COPIES) for name in _best(entries, pairs, s, alpha)}
    entries = [replace(entry, best=entry.entrant in marked) for entry in entries]
    entries.sort(key=lambda e: (e.section != METHODS, e.value is None, e.value or 0.0, e.entrant))
    return SetTable(
        **shown,
        metric=rows[0].metric,
        definition=definition,
        entries=tuple(entries),
        pairs=tuple(pairs),
    )


def _entry(row: SetScore, section: str) -> SetEntry:
    return SetEntry(
        entrant=row.entrant,
        section=section,
        value=row.value,
        low=row.low,
        high=row.high,
        videos=row.videos,
        groups=row.units,
        floor=row.floor,
        floor_videos=row.floor_videos,
        best=False,
        note=row.note,
    )


def _pair(row: SetScore, p: float | None) -> SetPair:
    return SetPair(
        entrant=row.entrant,
        against=row.against,
        value=row.value,
        low=row.low,
        high=row.high,
        videos=row.videos,
        groups=row.units,
        p=p,
        note=row.note,
    )


def _best(
    entries: Sequence[SetEntry], pairs: Sequence[SetPair], section: str, alpha: float
) -> set[str]:
    """The nearest entrant of a section and all that the pairs do not tell apart from it.

    Only entrants with as many videos as any stand for election: fewer give a larger distance, and
    leaving out the hard ones a smaller. Without a test of every pair nobody is marked.
    """
    here = [entry for entry in entries if entry.section == section and entry.value is not None]
    most = max((entry.videos for entry in here), default=0)
    whole = {entry.entrant: entry.value or 0.0 for entry in here if entry.videos == most}
    if len(whole) < 2:
        return set()
    best = min(sorted(whole), key=whole.__getitem__)
    gaps = {
        other: pair
        for pair in pairs
        for one, other in ((pair.entrant, pair.against), (pair.against, pair.entrant))
        if one == best and other in whole
    }
    if len(gaps) < len(whole) - 1 or any(pair.p is None for pair in gaps.values()):
        return set()
    if not any(pair.value for pair in gaps.values()):
        return set()  # equal videos: nobody is ahead
    return {best} | {name for name, gap in gaps.items() if gap.p is not None and gap.p > alpha}
