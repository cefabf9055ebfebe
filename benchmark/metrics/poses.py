"""Keypoints of the generated video against those of its target, by one estimator on both.

The driving poses may come from another estimator or a renderer, so they are not what is compared:
both videos are looked at alike, frame by frame, and what the estimator itself adds is a metric too.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.spec import (
    WHOLE,
    ClipContext,
    FramePair,
    Image,
    Measure,
    Metric,
    MetricSpec,
    Value,
    Values,
)
from mrfashion.poses.estimator import Estimator

Pose = NDArray[np.float32]  # k 3
BODY = slice(0, 17)  # COCO
TRUSTED = 0.3  # the usual threshold; ankles score 0.34 to 0.65 while plainly visible
LEAST_JOINTS = 4  # fewer span no box to measure by
NOISE_QUALITY = 90  # of the JPEG copy that tells what the estimator adds by itself
KEPT_POSES = 4096
NOBODY = "the estimator finds nobody in the target"

DEFINITION = {
    "estimator": "BlazePose full, every frame by itself, of both videos",
    "joints": "the 17 of COCO; present from a score of 0.3",
    "unit": "diagonal of the box around the target's present joints",
    "mean": "mean over joints of a frame, then frames of a clip",
}
REGION = {"whole": "the person found in the frame"}
WEIGHTS = ("blazepose-detection", "blazepose-landmark")


class Poser:
    """Poses of single frames; each thread has an estimator of its own, all share the results."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, Pose] = OrderedDict()

    def __call__(self, image: Image) -> Pose:
        """Keypoints of the person in an image, missing where there is none."""
        key = hashlib.blake2b(image.tobytes(), digest_size=16, key=_size(image)).digest()
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        pose: Pose = self._estimator().track([image], 1.0).keypoints[0]
        with self._lock:
            self._known[key] = pose
            if len(self._known) > KEPT_POSES:
                self._known.popitem(last=False)
        return pose

    def _estimator(self) -> Estimator:
        if not hasattr(self._own, "estimator"):
            self._own.estimator = estimator()
        found: Estimator = self._own.estimator
        return found


def _size(image: Image) -> bytes:
    return f"{image.shape[0]}x{image.shape[1]}".encode()


def estimator() -> Estimator:
    """The estimator of these metrics; makes one, loads nothing."""
    from mrfashion.poses.blazepose import BlazePose, BlazePoseConfig

    return BlazePose(BlazePoseConfig(static=True))


POSER = Poser()
Compare = Callable[[Pose, Pose, float], Value]  # target, generated, unit in px


class PoseByFrame:
    """A `Measure` of single frames' poses."""

    def __init__(self, compare: Compare, other: Callable[[FramePair], Image]) -> None:
        self.compare, self.other = compare, other
        self.values: list[Value] = []

    def update(self, pair: FramePair) -> None:
        """Look at both frames."""
        target = POSER(pair.target)[BODY]
        unit = _diagonal(target)
        if unit is None:
            self.values.append(NOBODY)
        else:
            self.values.append(self.compare(target, POSER(self.other(pair))[BODY], unit))

    def result(self) -> Values:
        """A number a frame."""
        return {WHOLE: self.values}


def present(pose: Pose) -> NDArray[np.bool_]:
    """k: joints that are there."""
    found: NDArray[np.bool_] = (pose[:, 2] >= TRUSTED) & np.isfinite(pose[:, :2]).all(1)
    return found


def _diagonal(pose: Pose) -> float | None:
    joints = pose[present(pose), :2]
    if len(joints) < LEAST_JOINTS:
        return None
    diagonal = float(np.hypot(*np.ptp(joints.astype(np.float64), axis=0)))
    return diagonal if diagonal > 0 else None


def keypoint_error(target: Pose, generated: Pose, unit: float) -> Value:
    """Mean distance of the joints present in both, in units."""
    both = present(target) & present(generated)
    if not both.any():
        return "no joint is present in both frames"
    gap = (target - generated)[both, :2].astype(np.float64)
    return float(np.hypot(*gap.T).mean()) / unit


def correct_keypoints(target: Pose, generated: Pose, unit: float, within: float) -> Value:
    """Share of the target's joints that the generated frame has within so many units."""
    here, there = present(target), present(generated)
    distance = np.hypot(*(target - generated)[:, :2].astype(np.float64).T)
    near = there & (np.where(there, distance, np.inf) <= within * unit)
    return float(near[here].mean())


def missing_joints(target: Pose, generated: Pose, unit: float) -> Value:
    """Share of the target's joints that the generated frame lacks."""
    return float(1 - present(generated)[present(target)].mean())


def _generated(pair: FramePair) -> Image:
    return pair.generated


def _copy_of_target(pair: FramePair) -> Image:
    """The target as a JPEG keeps it."""
    bgr = pair.target[..., ::-1]
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, NOISE_QUALITY])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)[..., ::-1].copy()


def _start(compare: Compare, other: Callable[[FramePair], Image], context: ClipContext) -> Measure:
    return PoseByFrame(compare, other)


def _missing() -> str | None:
    return "; ".join(estimator().check()) or None


def _metric(
    name: str,
    title: str,
    compare: Compare,
    error: str,
    *,
    higher_is_better: bool = False,
    upper: float | None = 1.0,
    other: Callable[[FramePair], Image] = _generated,
) -> Metric:
    spec = MetricSpec(
        name=name,
        version=1,
        higher_is_better=higher_is_better,
        unit="",
        range=(0.0, upper),
        definition=DEFINITION | {"error": error},
        regions=REGION,
        weights=WEIGHTS,
    )
    start = partial(_start, compare, other)
    return Metric(spec, start, title, decimals=4, family="pose", missing=_missing)


KEYPOINT_ERROR = _metric(
    "keypoint-error",
    "Keypoint error",
    keypoint_error,
    "mean distance of joints present in both; read it with missing-joints, which it does not count",
    upper=None,
)
KEYPOINT_NOISE = _metric(
    "keypoint-noise",
    "Keypoint error of the estimator itself",
    keypoint_error,
    f"keypoint-error of a JPEG copy of the target, quality {NOISE_QUALITY}",
    upper=None,
    other=_copy_of_target,
)
PCK_5 = _metric(
    "pck-0.05",
    "PCK at 0.05",
    partial(correct_keypoints, within=0.05),
    "share of the target's joints found within 0.05; a missing one is wrong",
    higher_is_better=True,
)
PCK_10 = _metric(
    "pck-0.1",
    "PCK at 0.1",
    partial(correct_keypoints, within=0.1),
    "share of the target's joints found within 0.1; a missing one is wrong",
    higher_is_better=True,
)
MISSING_JOINTS = _metric(
    "missing-joints",
    "Missing joints",
    missing_joints,
    "share of the target's joints that the generated frame lacks",
)
