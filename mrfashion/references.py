"""Reference candidates of a clip: which frames could show the garment, how well, and why not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import Frames, Keypoints
from mrfashion.ranking import OUTRANKED, SPREAD, TOO_CLOSE, rank
from mrfashion.sharpness import laplacian_variance, person_crop, relative
from mrfashion.stance import StanceConfig, stance_parts
from mrfashion.tables import ReferenceCandidate
from mrfashion.views import CANONICAL_DEG, VIEWS, distance_deg, view_of

NEAR_CUT = "near a cut"
DIGITS = 6  # of parts and scores: what is left of a machine's own way to round is cut off


@dataclass(frozen=True)
class ReferenceConfig:
    """How reference candidates are drawn, scored and chosen; "ours" is our choice, not measured."""

    per_view: int = 2  # ours: eight a clip, one in every 45 degrees of a full turn
    stride_s: float = 0.125  # ours: a turn of 4 s moves 11 degrees in it
    least_gap_s: float = 0.3  # ours: views of a turn of 2 s stand 0.5 s apart
    cut_gap_s: float = 0.5  # facts of curation: 0.2 s of a long dissolve may be left in a shot
    spread: float = SPREAD
    min_visible: float = 0.4  # ours: head, shoulders and arms alone have 7 of 13
    min_sharpness: float = 0.5  # of the median of the clip's candidates of that view; ours
    min_score: float = 0.05  # ours: every part at about 0.7
    stance: StanceConfig = field(default_factory=StanceConfig)

    def __post_init__(self) -> None:
        least = (self.least_gap_s, self.cut_gap_s, self.spread)
        if self.per_view < 1 or not self.stride_s > 0 or not min(least) >= 0:
            raise ValueError(
                f"per_view {self.per_view}, stride_s {self.stride_s}, least_gap_s, cut_gap_s and "
                f"spread {least}; needed: at least 1, above 0, and none below 0"
            )


def reference_candidates(
    clip_id: str,
    garment_group: str,
    frames: Frames | Iterable[NDArray[np.uint8]],
    keypoints: Keypoints,
    yaw_deg: NDArray[np.float32],
    fps: float,
    config: ReferenceConfig | None = None,
    cuts: tuple[bool, bool] = (False, False),
) -> list[ReferenceCandidate]:
    """Candidates of a clip by frame, each with a rank or a reason why it has none.

    `frames` (h w 3, uint8) may be an iterator: only the candidates' sharpness is kept. `cuts`
    tells whether the clip begins, and ends, where its video was cut. Equal input gives equal
    rows; equal values go to the earlier frame.
    """
    config = config or ReferenceConfig()
    if len(keypoints) != len(yaw_deg) or not len(yaw_deg):
        raise ValueError(f"{len(keypoints)} poses and {len(yaw_deg)} yaws; one each a frame needed")
    chosen = candidate_frames(yaw_deg, fps, config.stride_s)
    size, detail = _measure_images(frames, keypoints, chosen, config.stance.trust)
    views = [None if math.isnan(yaw_deg[i]) else view_of(float(yaw_deg[i])) for i in chosen]
    rows = []
    for frame, view, sharpness in zip(chosen, views, relative(detail, views), strict=True):
        yaw = None if view is None else float(yaw_deg[frame])
        stance = stance_parts(keypoints, frame, view, size, fps, config.stance)
        parts = {"view": _view_part(yaw, view), **stance, "sharpness": sharpness}
        row = _row(f"{clip_id}/{frame}", garment_group, view, yaw, parts)
        rows.append(_judged(row, _cut_gap_s(frame, len(yaw_deg), cuts, fps), config))
    return rank(rows, fps, config.per_view, config.least_gap_s, config.spread)


def candidate_frames(yaw_deg: NDArray[np.float32], fps: float, stride_s: float) -> list[int]:
    """A grid every `stride_s`, and the frame nearest to each canonical view the clip shows.

    The grid grows from both ends, so that a clip played backwards has the same candidates.
    """
    last = len(yaw_deg) - 1
    step = max(1, round(stride_s * fps))
    first_half = {*range(0, last // 2 + 1, step), last // 2}
    found = first_half | {last - i for i in first_half}
    yaw = yaw_deg.tolist()
    for view in VIEWS:
        of_view = [i for i, y in enumerate(yaw) if not math.isnan(y) and view_of(y) == view]
        if of_view:
            away = [distance_deg(yaw[i], CANONICAL_DEG[view]) for i in of_view]
            nearest = [i for i, d in zip(of_view, away, strict=True) if d == min(away)]
            found |= {nearest[0], nearest[-1]}
    return sorted(found)


def explained(row: ReferenceCandidate) -> str:
    """Why a candidate was not chosen, with the figures; empty where it was."""
    text = row.reason or ""
    if row.beaten_by is not None:
        between = "to" if row.reason == TOO_CLOSE else "by"
        text += f" {between} frame {row.beaten_by.rpartition('/')[2]}"
    if row.measured is None or row.threshold is None:
        return text
    unit = " s" if row.reason in (TOO_CLOSE, NEAR_CUT) else ""
    worth = "worth " if row.reason == OUTRANKED else ""
    return f"{text} ({worth}{row.measured:.2f}{unit}, needed {row.threshold:.2f}{unit})"


def _measure_images(
    frames: Iterable[NDArray[np.uint8]], keypoints: Keypoints, chosen: Sequence[int], trust: float
) -> tuple[tuple[int, int], list[float]]:
    """Size h w of the frames, and the Laplacian's variance on the person in each chosen one."""
    wanted, found, count = set(chosen), {}, 0
    size = (0, 0)
    for number, image in enumerate(frames):
        count += 1
        if number in wanted:
            size = (image.shape[0], image.shape[1])
            found[number] = laplacian_variance(person_crop(image, keypoints[number], trust))
    if count != len(keypoints):
        raise ValueError(f"{count} frames and {len(keypoints)} poses; one each a frame needed")
    return size, [found[number] for number in chosen]


def _view_part(yaw_deg: float | None, view: str | None) -> float:
    """1 at the canonical yaw, one quarter at the edge of the view.

    Squared, or a front 29 degrees off beat one 8 degrees off with an arm before the chest.
    """
    if yaw_deg is None or view is None:
        return 0.0
    return (1.0 - distance_deg(yaw_deg, CANONICAL_DEG[view]) / 90.0) ** 2


def _row(
    reference_id: str,
    garment_group: str,
    view: str | None,
    yaw_deg: float | None,
    parts: dict[str, float],
) -> ReferenceCandidate:
    clip_id, _, frame = reference_id.rpartition("/")
    rounded = {name: round(parts[name], DIGITS) for name in sorted(parts)}
    return ReferenceCandidate(
        reference_id=reference_id,
        clip_id=clip_id,
        garment_group=garment_group,
        frame=int(frame),
        view=view,
        yaw_deg=yaw_deg,
        score=round(math.prod(rounded.values()), DIGITS),
        parts=rounded,
        rank=None,
        reason=None,
    )


def _cut_gap_s(frame: int, frames: int, cuts: tuple[bool, bool], fps: float) -> float:
    """Seconds to the nearer end at which the video was cut; infinite without one."""
    ends = zip((frame, frames - 1 - frame), cuts, strict=True)
    return min((away / fps for away, cut in ends if cut), default=math.inf)


def _judged(
    row: ReferenceCandidate, cut_gap_s: float, config: ReferenceConfig
) -> ReferenceCandidate:
    """The row, with the first rule that keeps it from being considered."""
    if row.view is None:
        return replace(row, reason="view undetermined")
    rules = (
        (NEAR_CUT, cut_gap_s, config.cut_gap_s),
        ("joints missing", row.parts["visible"], config.min_visible),
        ("blurred", row.parts["sharpness"], config.min_sharpness),
        ("score too low", row.score, config.min_score),
    )
    for reason, measured, threshold in rules:
        if measured < threshold:
            return replace(row, reason=reason, measured=measured, threshold=threshold)
    return row
