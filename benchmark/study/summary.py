"""What the raters said of each entrant: means, distributions and intervals, with their n.

The interval resamples raters and garment groups, both at once: votes of one rater, and votes on one
outfit, are no independent evidence (an interval over single votes holds 95 % in name only). It
needs the key, which names the entrants; it imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.study.criteria import CRITERION_BY_ID, LEVELS
from benchmark.study.key import Key, KeyClip, load_key
from benchmark.study.plan import Plan, load_plan
from benchmark.study.ratings import RATINGS, RATINGS_FILE, STRAIGHT_LINE, ZERO_VARIANCE, Rating
from mrfashion.errors import InputRefused

MIN_RATERS, MIN_GROUPS = 3, 5
RESAMPLES = 10_000
BATCH = 1000
METHOD = "two-way bootstrap (raters x garment groups)"


@dataclass(frozen=True)
class StudyScore:
    """One criterion of one entrant."""

    entrant: str | None  # None: the real video, shown as hidden reference
    criterion: str
    title: str
    scale_id: str
    mean: float | None
    low: float | None  # 95 % interval; None: `reason` says why
    high: float | None
    method: str | None
    reason: str | None
    counts: tuple[int, ...]  # answers 1, 2, 3, 4 and 5
    ratings: int
    raters: int  # with at least one rating
    clips: int  # with at least one rating
    groups: int  # garment groups of those
    planned: int  # ratings that the plan asks for
    flagged_raters: int  # whose answers follow a pattern; they are counted all the same


def study_summary(
    study_root: str | Path, *, seed: int = 0, resamples: int = RESAMPLES
) -> list[StudyScore]:
    """A row for every entrant and criterion, entrants by name, the real video last."""
    root = Path(study_root)
    plan, key = load_plan(root), load_key(root)
    if key.study_id != plan.study_id:
        raise InputRefused(f"{root}: the key is of {key.study_id}, the plan of {plan.study_id}")
    hidden = {clip.blind_id: clip for clip in key.clips}
    ratings = RATINGS.read(root / RATINGS_FILE)
    _check(root, plan, hidden, ratings)
    entrants = sorted(
        {clip.entrant for clip in key.clips}, key=lambda name: (name is None, name or "")
    )
    return [
        _score(plan, key, hidden, ratings, entrant, criterion, seed, resamples)
        for entrant in entrants
        for criterion in plan.criteria
    ]


def _check(root: Path, plan: Plan, hidden: dict[str, KeyClip], ratings: Sequence[Rating]) -> None:
    """Every rating must lead back to a planned clip, and be an answer on its scale."""
    seen = set()
    for rating in ratings:
        clip = plan.clip.get(rating.blind_id)
        place = (rating.rater, rating.blind_id, rating.criterion)
        sound = (
            clip is not None
            and rating.blind_id in hidden
            and clip.sha256 == rating.video_sha256
            and (rating.study_id, rating.scale_id) == (plan.study_id, plan.scale_id)
            and rating.criterion in plan.criteria
            and (rating.value is None or rating.value in LEVELS)
            and place not in seen
        )
        if not sound:
            raise InputRefused(
                f"{root / RATINGS_FILE}: row {rating.row_id} of {rating.rater} is not of this "
                "study's plan; run `mrfashion study ingest` again"
            )
        seen.add(place)


def _score(
    plan: Plan,
    key: Key,
    hidden: dict[str, KeyClip],
    ratings: Sequence[Rating],
    entrant: str | None,
    criterion: str,
    seed: int,
    resamples: int,
) -> StudyScore:
    own = [
        (rating, rating.value)
        for rating in ratings
        if rating.criterion == criterion
        and rating.value is not None
        and hidden[rating.blind_id].entrant == entrant
    ]
    values = [value for _, value in own]
    group_of = [hidden[rating.blind_id].garment_group for rating, _ in own]
    rater_of = [rating.rater for rating, _ in own]
    flagged = {r.rater for r, _ in own if {STRAIGHT_LINE, ZERO_VARIANCE} & set(r.flags)}
    low, high, reason = two_way_interval(values, rater_of, group_of, seed, resamples)
    clips = sum(clip.entrant == entrant for clip in key.clips)
    return StudyScore(
        entrant=entrant,
        criterion=criterion,
        title=CRITERION_BY_ID[criterion].title,
        scale_id=plan.scale_id,
        mean=sum(values) / len(values) if values else None,
        low=low,
        high=high,
        method=None if low is None else METHOD,
        reason=reason,
        counts=tuple(values.count(level) for level in LEVELS),
        ratings=len(values),
        raters=len(set(rater_of)),
        clips=len({rating.blind_id for rating, _ in own}),
        groups=len(set(group_of)),
        planned=clips * len(plan.sheets),
        flagged_raters=len(flagged),
    )


def two_way_interval(
    values: Sequence[int],
    rater_of: Sequence[str],
    group_of: Sequence[str],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[float | None, float | None, str | None]:
    """Percentile interval (95 %) over raters and groups drawn anew => low, high, why not.

    Widened by sqrt(n / (n - 1)) of the smaller side: so much too narrow is a bootstrap of n.
    """
    raters, groups = sorted(set(rater_of)), sorted(set(group_of))
    if not values:
        return None, None, "nothing rated"
    if len(raters) < MIN_RATERS or len(groups) < MIN_GROUPS:
        need = f"{MIN_RATERS} raters and {MIN_GROUPS} garment groups"
        return None, None, f"{len(raters)} raters, {len(groups)} garment groups; needed: {need}"
    if len(set(values)) == 1:
        return None, None, f"all ratings are {values[0]}: nothing varies"
    place = (
        [raters.index(name) for name in rater_of],
        [groups.index(name) for name in group_of],
    )
    total = np.zeros((len(raters), len(groups)))
    count = np.zeros_like(total)
    np.add.at(total, place, np.asarray(values, float))
    np.add.at(count, place, 1.0)
    means = _resampled(total, count, seed, resamples)
    smaller = min(len(raters), len(groups))
    mean = math.fsum(values) / len(values)
    widening = math.sqrt(smaller / (smaller - 1))
    low, high = mean + widening * (np.quantile(means, [0.025, 0.975]) - mean)
    return max(float(low), float(LEVELS[0])), min(float(high), float(LEVELS[-1])), None


def _resampled(
    total: NDArray[np.float64], count: NDArray[np.float64], seed: int, resamples: int
) -> NDArray[np.float64]:
    """Means when rows and columns are drawn with replacement; draws without a rating fall out."""
    rng = np.random.default_rng(seed)
    raters, groups = total.shape
    parts = []
    for start in range(0, resamples, BATCH):
        size = min(BATCH, resamples - start)
        rows = rng.multinomial(raters, np.full(raters, 1 / raters), size).astype(float)
        columns = rng.multinomial(groups, np.full(groups, 1 / groups), size).astype(float)
        sums = np.einsum("bg,bg->b", rows @ total, columns)
        counts = np.einsum("bg,bg->b", rows @ count, columns)
        parts.append(sums[counts > 0] / counts[counts > 0])
    return np.concatenate(parts)
