"""The order of references: every view first, then the best frames of other angles.

Greedy, so that the first r of an order are its r-set: asking for fewer never asks for others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mrfashion.tables import ReferenceCandidate
from mrfashion.views import distance_deg

SLOTS = ("front", "back", "facing-right", "facing-left")  # filled first, in this order
TOO_CLOSE, OUTRANKED = "too close", "outranked"
SPREAD = 2.0  # worth of 180 degrees from all chosen ones, where 1 is a perfect frame; ours


@dataclass(frozen=True, eq=False)
class Round:
    """Who stood for one place, with what, and who got it."""

    winner: ReferenceCandidate
    values: dict[str, float]  # of everyone who stood, by reference id


def quality(row: ReferenceCandidate) -> float:
    """How good a frame is whatever it shows, 0..1: the product of its parts but `view`."""
    return round(math.prod(row.parts[name] for name in sorted(row.parts) if name != "view"), 6)


def play(
    rows: Sequence[ReferenceCandidate],
    chosen: Sequence[ReferenceCandidate],
    slots: Sequence[str] = SLOTS,
    spread: float = SPREAD,
) -> Round:
    """The next of `rows` after `chosen`; equal values go to the earlier clip id, then frame.

    The first of `slots` that is not chosen yet and that a row shows is filled by score. When none
    is left: by quality + spread * (least angle to a chosen one) / 180 degrees.
    """
    shown = {row.view for row in chosen}
    for view in slots:
        of_view = [row for row in rows if row.view == view]
        if of_view and view not in shown:
            return _round(of_view, [row.score for row in of_view])
    return _round(rows, [quality(row) + spread * _apart(row, chosen) for row in rows])


def cover(
    rows: Sequence[ReferenceCandidate], count: int, slots: Sequence[str] = SLOTS
) -> list[ReferenceCandidate]:
    """The first `count` of `rows`, which may be of several clips, best first."""
    left, chosen = list(rows), list[ReferenceCandidate]()
    while left and len(chosen) < count:
        chosen.append(play(left, chosen, slots).winner)
        left.remove(chosen[-1])
    return chosen


def rank(
    rows: Sequence[ReferenceCandidate], fps: float, per_view: int, least_gap_s: float, spread: float
) -> list[ReferenceCandidate]:
    """Rows of one clip, each with its rank or the reason why it has none; those with one keep it.

    An outranked row tells the last round it stood in: its value, the winner's, and the winner.
    """
    done = {row.reference_id: row for row in rows}
    left = [row for row in rows if row.reason is None]
    chosen: list[ReferenceCandidate] = []
    while left:
        this = play(left, chosen, spread=spread)
        chosen.append(replace(this.winner, rank=len(chosen) + 1))
        lost = [_lost(row, this, fps, least_gap_s) for row in left if row is not this.winner]
        done |= {row.reference_id: row for row in (chosen[-1], *lost)}
        full = sum(row.view == this.winner.view for row in chosen) == per_view
        out = {row.reference_id for row in lost if row.reason == TOO_CLOSE}
        out |= {row.reference_id for row in left if full and row.view == this.winner.view}
        left = [r for r in left if r.reference_id not in out and r is not this.winner]
    return [done[row.reference_id] for row in rows]


def _round(rows: Sequence[ReferenceCandidate], values: Sequence[float]) -> Round:
    best = min(
        zip(rows, values, strict=True), key=lambda pair: (-pair[1], pair[0].clip_id, pair[0].frame)
    )
    return Round(best[0], {row.reference_id: v for row, v in zip(rows, values, strict=True)})


def _apart(row: ReferenceCandidate, chosen: Sequence[ReferenceCandidate]) -> float:
    """Least angle to a chosen one in half turns, 0..1; 0 without a yaw, 1 before any is chosen."""
    if row.yaw_deg is None:
        return 0.0
    known = [other.yaw_deg for other in chosen if other.yaw_deg is not None]
    return min((distance_deg(row.yaw_deg, yaw) for yaw in known), default=180.0) / 180.0


def _lost(
    row: ReferenceCandidate, this: Round, fps: float, least_gap_s: float
) -> ReferenceCandidate:
    """The row with why it lost this round; as it was if it did not stand in it and is not near."""
    winner = this.winner.reference_id
    gap_s = abs(row.frame - this.winner.frame) / fps
    if gap_s < least_gap_s:
        what = (TOO_CLOSE, gap_s, least_gap_s)
    elif row.reference_id in this.values:
        what = (OUTRANKED, this.values[row.reference_id], this.values[winner])
    else:
        return row
    reason, measured, threshold = what
    return replace(row, reason=reason, measured=measured, threshold=threshold, beaten_by=winner)
