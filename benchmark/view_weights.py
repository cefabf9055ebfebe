"""Which view feeds which: weights of references, by the view of the frame and of the reference.

The unit is the garment group: frames are averaged within a group, then groups count alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.views import VIEWS, view_of


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """The weights of one video."""

    garment_group: str
    weights: NDArray[np.float32]  # f r, rows sum to 1
    frame_yaw_deg: NDArray[np.float32]  # f, NaN where the estimate abstained
    reference_views: tuple[str | None, ...]  # r


@dataclass(frozen=True, slots=True)
class ViewWeight:
    """What frames of one view take from references of another, where a video has such."""

    frame_view: str
    reference_view: str
    mean_weight: float  # 0..1, of all its references of that view together
    heaviest: float  # share of frames in which the heaviest reference is of that view
    even: float  # what equal weights would give
    frames: int
    groups: int


def weights_by_view(videos: Iterable[Weighed]) -> list[ViewWeight]:
    """One row a pair of views that occurs, in the order of VIEWS."""
    found: dict[tuple[str, str], dict[str, list[tuple[float, float, float]]]] = {}
    for video in videos:
        for row, yaw in zip(video.weights, video.frame_yaw_deg.tolist(), strict=True):
            if np.isnan(yaw):
                continue
            for view, shares in _shares(row, video.reference_views).items():
                groups = found.setdefault((view_of(yaw), view), {})
                groups.setdefault(video.garment_group, []).append(shares)
    pairs = [(frame, reference) for frame in VIEWS for reference in VIEWS]
    return [_row(*pair, found[pair]) for pair in pairs if pair in found]


def _shares(
    weights: NDArray[np.float32], views: Sequence[str | None]
) -> dict[str, tuple[float, float, float]]:
    """By view of the references: weight, whether the heaviest is among them, their number's share.

    Of equally heavy references each has its part: no order decides.
    """
    top = weights >= weights.max() - 1e-6
    shares = {}
    for view in sorted({view for view in views if view is not None}):
        mine = np.array([other == view for other in views])
        heaviest = float((top & mine).sum() / top.sum())
        shares[view] = float(weights[mine].sum()), heaviest, float(mine.mean())
    return shares


def _row(
    frame: str, reference: str, groups: dict[str, list[tuple[float, float, float]]]
) -> ViewWeight:
    means = np.array([np.mean(rows, axis=0) for rows in groups.values()])
    weight, heaviest, even = means.mean(axis=0).tolist()
    count = sum(map(len, groups.values()))
    return ViewWeight(frame, reference, weight, heaviest, even, count, len(groups))
