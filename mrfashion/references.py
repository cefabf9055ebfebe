"""Reference candidates of a clip: which frames could show the garment, how well, and why not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import Frames, Keypoints
from mrfashion.tables import ReferenceCandidate
from mrfashion.views import CANONICAL_DEG, VIEWS, distance_deg, view_of

Floats = NDArray[np.float64]

HEAD, LIMBS = slice(0, 5), slice(5, 17)  # limbs: shoulders to ankles
WRISTS = (9, 10)
TORSO = (5, 6, 12, 11)  # around the torso: shoulders, then hips
# Rec. 601 luma.
LUMA = np.array((0.299, 0.587, 0.114), np.float32)


@dataclass(frozen=True)
class ReferenceConfig:
    """How reference candidates are drawn, scored and chosen; "ours" is our choice, not measured."""

    per_view: int = 2  # ours: one for the prototype, one in reserve
    stride_s: float = 0.25  # ours: a slow turn moves 20 degrees in it
    least_gap_s: float = 0.3  # ours: views of a turn of 2 s stand 0.5 s apart
    trust: float = 0.3  # ankles score 0.34-0.65 while plainly visible (our measurement)
    margin: float = 0.02  # share of the frame's sides, facts of curation
    still_speed: float = 0.5  # body heights a second at which `still` is one half; ours
    covered: float = 0.6  # factor for each wrist over the torso; ours
    min_pose: float = 0.4  # a profile hides up to half of the joints
    min_sharpness: float = 0.5  # of the median of the clip's candidates of that view; ours
    min_score: float = 0.05  # ours: every part at about 0.6

    def __post_init__(self) -> None:
        if self.per_view < 1 or not self.stride_s > 0 or self.least_gap_s < 0:
            raise ValueError(
                f"per_view {self.per_view}, stride_s {self.stride_s}, least_gap_s "
                f"{self.least_gap_s}; needed: at least 1, above 0, at least 0"
            )


def reference_candidates(
    clip_id: str,
    garment_group: str,
    frames: Frames | Iterable[NDArray[np.uint8]],
    keypoints: Keypoints,
    yaw_deg: NDArray[np.float32],
    fps: float,
    config: ReferenceConfig | None = None,
) -> list[ReferenceCandidate]:
    """Candidates of a clip by frame, each with a rank in its view or a reason why it has none.

    `frames` (h w 3, uint8) may be an iterator: only the candidates' sharpness is kept. Equal
    input gives equal rows; equal scores go to the earlier frame.
    """
    config = config or ReferenceConfig()
    if len(keypoints) != len(yaw_deg) or not len(yaw_deg):
        raise ValueError(f"{len(keypoints)} poses and {len(yaw_deg)} yaws; one each a frame needed")
    chosen = candidate_frames(yaw_deg, fps, config.stride_s)
    size, detail = _measure_images(frames, keypoints, chosen, config.trust)
    views = [None if math.isnan(yaw_deg[i]) else view_of(float(yaw_deg[i])) for i in chosen]
    sharpness = _relative_sharpness(detail, views)
    rows = []
    for place, (frame, view) in enumerate(zip(chosen, views, strict=True)):
        yaw = None if view is None else float(yaw_deg[frame])
        parts = {
            "view": 0.0 if view is None else _view_part(yaw_deg[frame], view),
            **_pose_parts(keypoints, frame, size, fps, config),
            "sharpness": sharpness[place],
        }
        score = math.prod(parts.values())
        reason = _fault(view, parts, score, config)
        name = f"{clip_id}/{frame}"
        rows.append(
            ReferenceCandidate(
                name, clip_id, garment_group, frame, view, yaw, score, parts, None, reason
            )
        )
    return _rank(rows, max(1.0, config.least_gap_s * fps), config.per_view)


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


def _measure_images(
    frames: Iterable[NDArray[np.uint8]], keypoints: Keypoints, chosen: list[int], trust: float
) -> tuple[tuple[int, int], list[float]]:
    """Size h w of the frames, and the Laplacian's variance on the person in each chosen one."""
    wanted, found, count = set(chosen), {}, 0
    size = (0, 0)
    for number, image in enumerate(frames):
        count += 1
        if number in wanted:
            size = (image.shape[0], image.shape[1])
            found[number] = _laplacian_variance(_person_crop(image, keypoints[number], trust))
    if count != len(keypoints):
        raise ValueError(f"{count} frames and {len(keypoints)} poses; one each a frame needed")
    return size, [found[number] for number in chosen]


def _person_crop(
    image: NDArray[np.uint8], pose: NDArray[np.float32], trust: float
) -> NDArray[np.uint8]:
    """Box around the trusted body joints, or the whole image where it holds none."""
    xy = pose[:17, :2][pose[:17, 2] >= trust]
    if not len(xy):
        return image
    height, width = image.shape[:2]
    left, top = np.floor(xy.min(0)).clip(0, (width, height)).astype(int)
    right, bottom = np.ceil(xy.max(0) + 1).clip(0, (width, height)).astype(int)
    crop = image[top:bottom, left:right]
    return crop if min(crop.shape[:2]) >= 3 else image


def _laplacian_variance(image: NDArray[np.uint8]) -> float:
    grey = image.astype(np.float32) @ LUMA
    middle = grey[1:-1, 1:-1]
    if not middle.size:
        return 0.0
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.var(around - 4 * middle, dtype=np.float64))


def _relative_sharpness(detail: list[float], views: list[str | None]) -> list[float]:
    """Detail over the median of its own view's candidates, at most 1.

    Own view: a printed front has more detail than a plain back, which is not therefore blurred.
    """
    medians = {
        view: float(np.median([d for d, v in zip(detail, views, strict=True) if v == view]))
        for view in set(views)
    }
    return [
        min(1.0, d / medians[view]) if medians[view] > 0 else 1.0
        for d, view in zip(detail, views, strict=True)
    ]


def _view_part(yaw_deg: float, view: str) -> float:
    return 1.0 - distance_deg(float(yaw_deg), CANONICAL_DEG[view]) / 90.0


def _pose_parts(
    keypoints: Keypoints, frame: int, size: tuple[int, int], fps: float, config: ReferenceConfig
) -> dict[str, float]:
    """What the joints say: each part 0..1."""
    pose = keypoints[frame].astype(np.float64)
    trusted = pose[:, 2] >= config.trust
    height, width = size
    margin = config.margin * np.array((width, height))
    inside = ((pose[:, :2] >= margin) & (pose[:, :2] <= (width, height) - margin)).all(1)
    over = sum(bool(trusted[w]) and _in_torso(pose, w, trusted) for w in WRISTS)
    share, share_inside = _body(trusted), _body(trusted & inside)
    speed = _speed(keypoints, frame, fps, config.trust)
    return {
        "pose": share,
        "in_frame": share_inside / share if share else 0.0,
        "still": 1.0 / (1.0 + (speed / config.still_speed) ** 2),
        "hands_clear": config.covered**over,
    }


def _body(mask: NDArray[np.bool_]) -> float:
    """Share of 13: the limbs, and the head as one, since a back view shows no face."""
    return float((int(mask[LIMBS].sum()) + bool(mask[HEAD].any())) / 13)


def _speed(keypoints: Keypoints, frame: int, fps: float, trust: float) -> float:
    """Median speed of the trusted joints about a frame, in body heights a second.

    Without neighbours, or without a joint in both, nothing is seen to move: 0.
    """
    before, after = max(0, frame - 1), min(len(keypoints) - 1, frame + 1)
    pair = keypoints[[before, after], :17].astype(np.float64)
    both = (pair[..., 2] >= trust).all(0)
    if before == after or not both.any():
        return 0.0
    body_px = np.ptp(pair[:, both, 1], axis=1).mean()
    moved_px = np.median(np.hypot(*(pair[1, both, :2] - pair[0, both, :2]).T))
    return float(moved_px / body_px * fps / (after - before)) if body_px > 0 else 0.0


def _in_torso(pose: Floats, joint: int, trusted: NDArray[np.bool_]) -> bool:
    """Whether a joint lies in the quadrilateral of shoulders and hips (even-odd rule)."""
    if not trusted[list(TORSO)].all():
        return False
    x, y = pose[joint, :2]
    inside = False
    for a, b in zip(TORSO, (*TORSO[1:], TORSO[0]), strict=True):
        (ax, ay), (bx, by) = pose[a, :2], pose[b, :2]
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def _fault(
    view: str | None, parts: dict[str, float], score: float, config: ReferenceConfig
) -> str | None:
    """Why a candidate is not even considered."""
    if view is None:
        return "view undetermined"
    if parts["pose"] < config.min_pose:
        return "joints missing"
    if parts["sharpness"] < config.min_sharpness:
        return "blurred"
    return "score too low" if score < config.min_score else None


def _rank(
    rows: list[ReferenceCandidate], least_gap: float, per_view: int
) -> list[ReferenceCandidate]:
    """Give ranks in rounds, the best of every view before the second of any."""
    best_first = sorted((r for r in rows if r.reason is None), key=lambda r: (-r.score, r.frame))
    done = {row.frame: row for row in rows if row.reason}
    taken: list[int] = []
    for rank in range(1, per_view + 1):
        for view in _by_best(best_first):
            for row in best_first:
                if row.view != view or row.frame in done:
                    continue
                if any(abs(row.frame - other) < least_gap for other in taken):
                    done[row.frame] = replace(row, reason="too close to a chosen one")
                    continue
                done[row.frame] = replace(row, rank=rank)
                taken.append(row.frame)
                break
    return [done.get(row.frame) or replace(row, reason="outranked") for row in rows]


def _by_best(best_first: list[ReferenceCandidate]) -> list[str | None]:
    return list(dict.fromkeys(row.view for row in best_first))
