"""Faces made unrecognisable: found from the keypoints, filled with one colour, held over gaps.

A blur can be undone in part, and a mosaic over many frames too, for its grid samples the face at
other places in each. A region of one colour keeps three numbers of the face, whatever is tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ItemError
from mrfashion.generation import Keypoints

NOSE_AND_EYES = [0, 1, 2]
EARS = [3, 4]  # left, right
HEAD = [*NOSE_AND_EYES, *EARS]
FACE = list(range(23, 91))  # the 68 points of COCO-WholeBody's face
SHOULDERS, HIPS = [5, 6], [11, 12]
NO_HEAD = "face_blur.no_head"
SHOULDERS_IN_TORSOS = 0.72  # facts of curation, section 8: K of the shoulders
NECK_IN_TORSOS = 0.45  # ours: from between the shoulders up to the middle of the face


@dataclass(frozen=True)
class FaceBlurConfig:
    """What is covered; "ours" is our choice, `docs/export.md` has what it covers of real faces."""

    trust: float = 0.3  # of a score, as everywhere in DWPose
    radius_torsos: float = 0.32  # ours: shoulders to hips is 0.3 of the stature, a head 0.13
    face_margin: float = 1.35  # ours: the 68 points end at the brows
    behind_deg: float = 135.0  # a yaw beyond it is the view `back`
    ears_torsos: float = 0.08  # ours: a third of the head's width, the left ear on the left
    hold_s: float = 0.1  # ours: a face is still covered so long before and after it is seen
    smear_s: float = 0.07  # ours: circles are kept so long, so that one wild frame bares nothing


def face_circles(
    keypoints: Keypoints, yaw_deg: NDArray[np.float32], fps: float, config: FaceBlurConfig
) -> NDArray[np.float64]:
    """Where the face is => f 3: x, y, radius in pixels; NaN where none can be seen.

    `yaw_deg` is NaN where it is not known, and then a face is expected. A frame shows none if the
    body turns its back and the head does not look round: its nose, eyes and face points are not
    trusted, or its ears stand as from behind. ItemError (NO_HEAD) where a face is
    expected in a clip whose keypoints never tell where.
    """
    centre, certain = _centres(keypoints, config)
    size = _torsos_px(keypoints, config)
    shown = _grown(_shown(keypoints, yaw_deg, size, config), round(config.hold_s * fps))
    known = np.isfinite(centre[:, 0])
    if not shown.any():
        return np.full((len(keypoints), 3), np.nan)
    if not known.any() or not np.isfinite(size).any():
        raise ItemError(NO_HEAD, "no keypoint tells where the head is, or how large")
    between = np.column_stack([_filled(column) for column in centre.T])
    radius = config.radius_torsos * _largest_near(_filled(size), round(config.hold_s * fps))
    radius = np.maximum(radius, _reach(keypoints, between, config))
    radius[~certain] *= 1.5  # a place between two known ones, or above the shoulders
    return np.where(shown[:, None], np.column_stack([between, radius]), np.nan)


def held(
    circles: NDArray[np.float64], fps: float, config: FaceBlurConfig
) -> list[NDArray[np.float64]]:
    """The circles to fill in each frame, n 3: its own and those of the frames just by it."""
    near = max(1, round(config.smear_s * fps))
    spans = [circles[max(0, i - near) : i + near + 1] for i in range(len(circles))]
    return [span[np.isfinite(span[:, 0])] for span in spans]


def fill(image: NDArray[np.uint8], circles: NDArray[np.float64]) -> NDArray[np.uint8]:
    """h w 3 with the union of circles (n 3) in its one mean colour; the image itself if none."""
    inside = np.zeros(image.shape[:2], bool)
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    for x, y, radius in circles:
        inside |= (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    if not inside.any():
        return image
    covered = image.copy()
    covered[inside] = np.rint(image[inside].mean(0)).astype(np.uint8)
    return covered


def _shown(
    keypoints: Keypoints,
    yaw_deg: NDArray[np.float32],
    torsos_px: NDArray[np.float64],
    config: FaceBlurConfig,
) -> NDArray[np.bool_]:
    """Where a face may be in sight, f. BlazePose trusts every nose: there the ears decide."""
    behind = np.abs(np.nan_to_num(yaw_deg, nan=0.0)) >= config.behind_deg
    unseen = (keypoints[:, NOSE_AND_EYES + FACE, 2] < config.trust).all(1)
    left, right = (_mean(keypoints, [ear], config.trust)[:, 0] for ear in EARS)
    swapped = left - right <= -config.ears_torsos * torsos_px  # False where one is not known
    return ~(behind & (unseen | swapped))


def _centres(
    keypoints: Keypoints, config: FaceBlurConfig
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Middle of the face f 2, NaN where nothing tells it, and whether points of the head did."""
    head = _mean(keypoints, HEAD, config.trust)
    certain = np.isfinite(head[:, 0])
    head = np.where(certain[:, None], head, _mean(keypoints, FACE, config.trust))
    certain |= np.isfinite(head[:, 0])
    neck, hips = (_mean(keypoints, points, config.trust) for points in (SHOULDERS, HIPS))
    above = neck + NECK_IN_TORSOS * (neck - hips)
    return np.where(certain[:, None], head, above), certain


def _mean(keypoints: Keypoints, points: list[int], trust: float) -> NDArray[np.float64]:
    """Mean place of the trusted ones of some keypoints, f 2; NaN where there is none."""
    chosen = keypoints[:, points].astype(np.float64)
    weight = (chosen[..., 2] >= trust).astype(np.float64)[..., None]
    count = weight.sum(1)
    total = (np.nan_to_num(chosen[..., :2]) * weight).sum(1)
    nowhere = np.full_like(total, np.nan)
    mean: NDArray[np.float64] = np.divide(total, count, out=nowhere, where=count > 0)
    return mean


def _torsos_px(keypoints: Keypoints, config: FaceBlurConfig) -> NDArray[np.float64]:
    """Length of the torso in each frame, or what the shoulders' width says of it; NaN unknown."""
    neck, hips = (_mean(keypoints, points, config.trust) for points in (SHOULDERS, HIPS))
    left, right = (_mean(keypoints, [point], config.trust) for point in SHOULDERS)
    torso = np.linalg.norm(neck - hips, axis=1)
    width = np.linalg.norm(left - right, axis=1) / SHOULDERS_IN_TORSOS
    longer: NDArray[np.float64] = np.fmax(torso, width)
    return longer


def _reach(
    keypoints: Keypoints, centre: NDArray[np.float64], config: FaceBlurConfig
) -> NDArray[np.float64]:
    """From the centre to the farthest trusted point of the head, with a margin, f; 0 for none."""
    points = keypoints[:, HEAD + FACE]
    away = np.linalg.norm(points[..., :2] - centre[:, None], axis=-1)
    away = np.where(points[..., 2] >= config.trust, away, 0.0)
    reach: NDArray[np.float64] = config.face_margin * away.max(1)
    return reach


def _filled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unknown values between known ones drawn on a line; beyond the last, the last."""
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(len(values)), known, values[known])


def _grown(values: NDArray[np.bool_], frames: int) -> NDArray[np.bool_]:
    return _largest_near(values.astype(np.float64), frames) > 0


def _largest_near(values: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """The largest of each value and the `frames` before and after it."""
    padded = np.pad(values, frames, constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * frames + 1)
    largest: NDArray[np.float64] = windows.max(1)
    return largest
