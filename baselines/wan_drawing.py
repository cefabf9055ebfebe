"""Control pictures as the Wan family was given them: VACE's poses, Wan-Animate's poses and face.

The conventions are facts of the published preprocessing: ali-vilab/VACE vace/annotators/pose.py
and Wan-Video/Wan2.2 wan/modules/animate/preprocess. Where the two draw like DWPose, so do we.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import Frames, Keypoints, Reference
from mrfashion.letterbox import Size
from mrfashion.poses.skeleton_styles import (
    BODY,
    BONE_COLOURS,
    BONES,
    JOINT_COLOURS,
    LIMBS,
    NECK,
    TRUSTED,
)

Image = NDArray[np.uint8]  # h w 3
Joints = NDArray[np.float64]  # k 3
HANDS = slice(91, 133)
FACE = slice(23, 91)

VACE_SHORT_SIDE, VACE_MULTIPLE = 1024, 64  # of the canvas that VACE draws on
CHUNK = 8  # canvases held at once

# Wan-Animate adds toes, each the middle of the big and the small one, behind 133 joints and a neck.
TOES = (NECK + 1, NECK + 2)
MIDDLES = ((5, 6), (17, 18), (20, 21))
ANIMATE_JOINTS = (*BODY, *TOES)
ANIMATE_LIMBS = (*LIMBS, (15, TOES[0]), (16, TOES[1]))
ANIMATE_COLOURS = (*JOINT_COLOURS[:18], (200, 200, 0), (100, 100, 0))
ANIMATE_SHADE = 0.6  # of limbs
ANIMATE_LEAST_SCORE = 0.5
FACE_SIDE_PX = 512
FACE_AREA = 1.3  # of the crop over that of the landmarks' box
FACE_SEEN = 0.5  # share of the landmarks that must be known
MOST_YAW_DEG = 90.0  # a body turned further shows the back of its head


def vace_poses(keypoints: Keypoints, source: Size, size: Size) -> Frames:
    """Body and face without hands, red and blue swapped, drawn large and scaled => f h w 3."""
    from mrfashion.poses.skeletons import draw_skeletons  # imports torch

    handless = keypoints.copy()
    handless[:, HANDS, 2] = 0
    scale = VACE_SHORT_SIDE / min(size)
    height, width = (max(1, round(side * scale / VACE_MULTIPLE)) * VACE_MULTIPLE for side in size)
    smaller = size[0] * size[1] <= height * width
    method = cv2.INTER_AREA if smaller else cv2.INTER_LANCZOS4
    pictures = np.empty((len(keypoints), *size, 3), np.uint8)
    for first in range(0, len(keypoints), CHUNK):
        drawn = draw_skeletons(handless[first : first + CHUNK], source, (height, width))
        for place, picture in enumerate(drawn[..., ::-1], first):
            pictures[place] = cv2.resize(
                np.ascontiguousarray(picture), size[::-1], interpolation=method
            )
    return pictures


def animate_poses(keypoints: Keypoints, source: Size, size: Size) -> Frames:
    """Body with toes, and hands; no face landmarks; lines grow with the picture => f h w 3."""
    scale = np.array((size[1] / source[1], size[0] / source[0], 1.0))
    return np.stack([_animate_pose(pose * scale, size) for pose in keypoints.astype(np.float64)])


def _animate_pose(pose: Joints, size: Size) -> Image:
    joints = np.concatenate([pose, [(pose[a] + pose[b]) / 2 for a, b in MIDDLES]])
    known = np.isfinite(joints).all(-1) & (joints[:, 2] >= ANIMATE_LEAST_SCORE)
    image = np.zeros((*size, 3), np.uint8)
    width = max(min(size) // 200 - 1, 1)
    at = np.where(known[:, None], joints[:, :2], 0.0)
    for (first, second), colour in zip(ANIMATE_LIMBS, ANIMATE_COLOURS, strict=False):
        if known[first] and known[second]:
            _limb(image, at[first], at[second], width, colour)
    for joint, colour in zip(ANIMATE_JOINTS, ANIMATE_COLOURS, strict=True):
        if known[joint]:
            cv2.circle(image, _pixel(at[joint]), width, colour, -1)
    _hands(image, at, known, max(width // 2, 1))
    return image


def _limb(
    image: Image, first: Joints, second: Joints, width: int, colour: tuple[int, int, int]
) -> None:
    along = first - second
    middle = _pixel((first + second) / 2)
    half, angle_deg = int(np.hypot(*along) / 2), int(np.degrees(np.arctan2(along[1], along[0])))
    outline = np.asarray(cv2.ellipse2Poly(middle, (half, width), angle_deg, 0, 360, 1))
    cv2.fillConvexPoly(image, outline, [int(ANIMATE_SHADE * level) for level in colour])


def _hands(image: Image, at: Joints, known: NDArray[np.bool_], width: int) -> None:
    drawable = known & (at.astype(int) > 0).all(-1)
    half = len(BONES) // 2
    for bones, joints in ((slice(0, half), range(91, 112)), (slice(half, None), range(112, 133))):
        for (first, second), colour in zip(BONES[bones], BONE_COLOURS[bones], strict=True):
            if drawable[first] and drawable[second]:
                shade = [255 * level for level in colour]
                cv2.line(image, _pixel(at[first]), _pixel(at[second]), shade, width)
        for joint in joints:
            if drawable[joint]:
                cv2.circle(image, _pixel(at[joint]), width, (0, 0, 255), -1)


def _pixel(point: Joints) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def faces_seen(keypoints: Keypoints, yaw_deg: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Poses f k 3 and their yaws f => whether each shows a face: its points known, not turned away.

    Estimators give points to faces they cannot see, so that a known yaw has the last word.
    """
    known = _known(keypoints)
    landmarks, eyes_and_nose = known[:, FACE].mean(-1) >= FACE_SEEN, known[:, :3].all(-1)
    away = np.abs(yaw_deg) > MOST_YAW_DEG  # False where it is NaN
    seen: NDArray[np.bool_] = (landmarks | eyes_and_nose) & ~away
    return seen


def face_crop(reference: Reference) -> Image | None:
    """The reference's face as Wan-Animate crops one, 512 square; None where it shows none."""
    yaw = np.array([np.nan if reference.yaw_deg is None else reference.yaw_deg])
    if not faces_seen(reference.keypoints[None], yaw)[0]:
        return None
    low, high = _face_box(reference.keypoints.astype(np.float64))
    more = (high - low) * (np.sqrt(FACE_AREA) - 1)
    height, width = reference.image.shape[:2]
    # Sideways by halves; three quarters go above the landmarks, which end at the brows.
    left, right = max(low[0] - more[0] / 2, 0), min(high[0] + more[0] / 2, width)
    top, bottom = max(low[1] - more[1] * 3 / 4, 0), min(high[1] + more[1] / 4, height)
    if int(right) <= int(left) or int(bottom) <= int(top):
        return None  # it is outside the picture
    crop = reference.image[int(top) : int(bottom), int(left) : int(right)]
    return np.asarray(cv2.resize(crop, (FACE_SIDE_PX, FACE_SIDE_PX)), np.uint8)


def _known(keypoints: NDArray[np.floating]) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(keypoints).all(-1) & (keypoints[..., 2] > TRUSTED)
    return known


def _face_box(pose: Joints) -> tuple[Joints, Joints]:
    """Corners of the landmarks' box, x y; as anatomy has it where only eyes and nose are known.

    Departure: the published preprocessing always has landmarks. A face is 2.2 eye distances wide;
    its brows are 0.4 of them above the eyes and its chin 1.7 below.
    """
    known = _known(pose)
    if known[FACE].mean() >= FACE_SEEN:
        landmarks = pose[FACE][known[FACE], :2]
        return landmarks.min(0), landmarks.max(0)
    nose, left, right = pose[:3, :2]
    middle = (left + right) / 2
    # Of a turned head the eyes are close together, but the nose is still as far below them.
    unit = max(np.hypot(*(left - right)), np.hypot(*(nose - middle)) / 0.65)
    return middle - unit * np.array((1.1, 0.4)), middle + unit * np.array((1.1, 1.7))
