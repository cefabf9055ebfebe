"""Wrong-side rate on a real fashion clip that turns; needs MRFASHION_TEST_DATA, no weights."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.clip_scores import score_clip
from benchmark.metrics import METRICS
from benchmark.metrics.spec import ClipContext
from mrfashion.generation import Reference
from mrfashion.media import decode, probe
from mrfashion.poses.blazepose_layout import LANDMARK_OF
from mrfashion.views import CANONICAL_DEG, distance_deg, view_of
from mrfashion.yaw import yaw_from_keypoints

CLIP = "nc/videos/ubc_fashion.mp4"


def axis(pose: np.ndarray) -> np.ndarray:
    """Mid-shoulders, mid-hips and a point beside: what carries one torso onto another."""
    top, bottom = pose[[5, 6], :2].mean(0), pose[[11, 12], :2].mean(0)
    down = bottom - top
    return np.array([top, bottom, top + down[::-1] * (-1, 1)], np.float32)


def pasted(frame: np.ndarray, pose: np.ndarray, front: Reference) -> np.ndarray:
    """The frame with the front reference's torso warped onto its own."""
    carry = cv2.getAffineTransform(axis(front.keypoints), axis(pose))
    warped = cv2.warpAffine(front.image, carry, frame.shape[1::-1])
    top, bottom = axis(pose)[:2]
    half = np.array([0.33 * np.hypot(*(bottom - top)), 0], np.float32)
    where = np.zeros(frame.shape[:2], np.uint8)
    corners = [top - half, top + half, bottom + half, bottom - half]
    cv2.fillConvexPoly(where, np.array(corners, np.int32), 1)
    return np.where(where[..., None] > 0, warped, frame).astype(np.uint8)


@pytest.mark.realdata
def test_a_real_garment_is_on_its_own_side_and_a_pasted_front_is_not(realdata: Path) -> None:
    known = json.loads((realdata / "refs/mediapipe_pose.json").read_text())[CLIP]["frames"]
    frames = [f.image for i, f in enumerate(decode(realdata / CLIP)) if str(i) in known]
    landmarks = np.array([known[key] for key in sorted(known, key=int)], np.float32)
    poses = np.full((len(frames), 133, 3), np.nan, np.float32)
    poses[..., 2] = 0
    poses[:, list(LANDMARK_OF)] = landmarks[:, list(LANDMARK_OF.values())][..., [0, 1, 3]]
    height, width = frames[0].shape[:2]
    yaws = yaw_from_keypoints(poses, probe(realdata / CLIP).fps / 5, (height, width)).yaw_deg
    sure = [i for i in range(len(frames)) if np.isfinite(yaws[i])]
    chosen = [
        min(sure, key=lambda i: distance_deg(yaws[i], CANONICAL_DEG[v])) for v in ("front", "back")
    ]
    references = [Reference(frames[i], poses[i], float(yaws[i]), view_of(yaws[i])) for i in chosen]
    apart = [i for i in sure if min(abs(i - j) for j in chosen) > 2]  # at least half a second
    views = [view_of(yaws[i]) for i in apart]
    context = ClipContext(
        views, keypoints=poses[apart], yaw_deg=yaws[apart], references=lambda: references
    )
    true = [frames[i] for i in apart]
    front = [
        pasted(frames[i], poses[i], references[0]) if view == "back" else frames[i]
        for i, view in zip(apart, views, strict=True)
    ]

    def wrong(generated: list[np.ndarray]) -> dict[str, tuple[float | None, int]]:
        rows = score_clip(context, true, generated, [METRICS["wrong-side"]])
        return {row.stratum: (row.value, row.n) for row in rows}

    own, other = wrong(true), wrong(front)
    print(own, other)
    assert own["all"][0] is not None
    assert own["all"][0] <= 0.02
    assert own["front"][1] >= 30
    assert own["back"][1] >= 5
    assert other["back"][0] is not None
    assert other["back"][0] >= 0.95
