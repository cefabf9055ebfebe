"""BlazePose: one person's keypoints on any machine with a CPU, from two networks of 9 MB.

Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking" (2020), as in mediapipe
0.10.14 at complexity 1. `mrfashion weights fetch blazepose` brings the weights.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ConfigError, ItemError
from mrfashion.poses.blazepose_decode import Detection, Landmarks
from mrfashion.poses.blazepose_layout import BODY_LANDMARKS, to_wholebody
from mrfashion.poses.blazepose_networks import DETECTOR, LANDMARKER, Networks, missing_package
from mrfashion.poses.blazepose_roi import Roi, body_roi, check_frame, letterbox_roi
from mrfashion.poses.estimator import DETECTOR_SKIPPED, Image, PoseTrack
from mrfashion.weights import missing_weights, recorded

HIP_CENTRE, CIRCLE = 0, 1  # of a detection's points
AUXILIARY = slice(33, 35)  # the same two among the landmarks: they give the next frame's square


@dataclass(frozen=True)
class BlazePoseConfig:
    """`static` looks at every frame alone, as mediapipe's static mode; else the person is followed
    and the detector runs every `detect_every_s` and whenever the person is lost."""

    static: bool = False
    detect_every_s: float = 0.25
    min_detection: float = 0.5
    min_presence: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.detect_every_s < math.inf:
            raise ConfigError(f"detect_every_s is {self.detect_every_s}; allowed: above 0")
        for name in ("min_detection", "min_presence"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; allowed: between 0 and 1")


@dataclass(frozen=True, eq=False)
class _Pose:
    """What one frame gave."""

    keypoints: NDArray[np.float32]  # 133 3
    box_xyxy_px: NDArray[np.float32]  # 4
    detector_score: float
    people: int


class BlazePose:
    """The estimator; an instance follows one clip at a time, so each thread needs its own.

    `threads` is for one frame's arithmetic.
    """

    name = "blazepose"
    version = 2  # 1 summed heatmaps in another order
    shared = False

    def __init__(self, config: BlazePoseConfig | None = None, threads: int = 1) -> None:
        self.config = config or BlazePoseConfig()
        self.threads = threads
        self._networks: Networks | None = None
        self._busy = threading.Lock()

    def settings(self) -> dict[str, Any]:
        """What decides the keypoints; the number of threads does not."""
        return {
            **asdict(self.config),
            **recorded((DETECTOR, LANDMARKER)),
            "colour_order": "rgb",
            "box_policy": "square through the alignment points x 1.25, of the surest detection or "
            "of the last frame's landmarks",
            "score_rule": "visibility",
            "smoothing": "none",
        }

    def check(self) -> list[str]:
        """What is missing, with the commands that mend it."""
        missing = [missing_package(), *(missing_weights(name) for name in (DETECTOR, LANDMARKER))]
        return [text for text in missing if text]

    def track(self, frames: Iterable[Image], fps: float) -> PoseTrack:
        """Keypoints of a clip's person. ItemError (pose.*) where the frames are no clip."""
        if not 0 < fps < math.inf:
            raise ItemError("pose.no_rate", f"frame rate {fps}; allowed: above 0")
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("this BlazePose is following another clip; make one per thread")
        try:
            if self._networks is None:
                self._networks = Networks(self.threads)
            follower = _Follower(self._networks, self.config, fps)
            poses = [follower.pose(frame) for frame in frames]
        finally:
            self._busy.release()
        if not poses:
            raise ItemError("pose.no_frames", "there is no frame to look at")
        return PoseTrack(
            np.stack([pose.keypoints for pose in poses]),
            np.stack([pose.box_xyxy_px for pose in poses]),
            np.array([pose.detector_score for pose in poses], np.float32),
            np.array([pose.people for pose in poses], np.int16),
        )


class _Follower:
    """Follows one person through one clip.

    Departure: mediapipe detects again in the frame after the one that lost the person, and
    smooths; here the same frame is looked at again, and keypoints are raw: the view rule smooths.
    """

    def __init__(self, networks: Networks, config: BlazePoseConfig, fps: float) -> None:
        self.networks = networks
        self.config = config
        self.every = max(1, round(config.detect_every_s * fps))
        self.number = 0
        self.size: tuple[int, int] | None = None  # of every frame, h w
        self.roi: Roi | None = None  # where the next frame's person should be
        self.last: Roi | None = None  # where it was seen last

    def pose(self, image: Image) -> _Pose:
        """The next frame's pose."""
        self.size = self.size or (image.shape[0], image.shape[1] if image.ndim > 1 else 0)
        check_frame(image, self.size)
        due = self.config.static or self.number % self.every == 0
        self.number += 1
        if self.config.static:
            self.roi = self.last = None
        if self.roi and not due:
            found = self._look(image, self.roi, math.nan, DETECTOR_SKIPPED)
            if found:
                return found
        return self._detect(image)

    def _detect(self, image: Image) -> _Pose:
        detections = self.networks.detect(image, self.config.min_detection)
        roi, score = self._choose(image, detections)
        unseen = math.isnan(score)  # the person followed is none of those the detector saw
        found = self._look(image, roi, score, len(detections) + unseen) if roi else None
        return found or _nobody(len(detections))

    def _choose(self, image: Image, detections: list[Detection]) -> tuple[Roi | None, float]:
        """The person followed so far; else, unless one is being followed, the surest."""
        frame = letterbox_roi(image)
        rois = []
        for detection in detections:
            points = frame.to_image(detection.points.astype(np.float64))
            if roi := body_roi(points[HIP_CENTRE], points[CIRCLE]):
                rois.append((roi, detection.score))
        last = self.last
        if last:
            near = [found for found in rois if last.distance(found[0]) < last.side_px / 4]
            if near:
                return min(near, key=lambda found: last.distance(found[0]))
        if self.roi:
            return self.roi, math.nan
        return rois[0] if rois else (None, math.nan)

    def _look(self, image: Image, roi: Roi, score: float, people: int) -> _Pose | None:
        """The person in a square, who is followed from there; None where there is nobody."""
        self.roi = None
        landmarks = self.networks.look(image, roi)
        xy = roi.to_image(landmarks.xy.astype(np.float64))
        box = _box(xy[:BODY_LANDMARKS], image)
        if not landmarks.presence >= self.config.min_presence or box is None:
            return None
        self.roi, self.last = body_roi(*xy[AUXILIARY]), roi
        return _Pose(_keypoints(xy, landmarks), box, score, people)


def _keypoints(xy: NDArray[np.float64], landmarks: Landmarks) -> NDArray[np.float32]:
    return to_wholebody(xy[:BODY_LANDMARKS], landmarks.visibility[:BODY_LANDMARKS])


def _box(xy: NDArray[np.float64], image: Image) -> NDArray[np.float32] | None:
    """Extent of the landmarks inside the frame; None where there is none."""
    height, width = image.shape[:2]
    low = xy.min(0).clip(0, (width, height))
    high = xy.max(0).clip(0, (width, height))
    box = np.concatenate([low, high]).astype(np.float32)
    return box if np.isfinite(box).all() and (high > low).all() else None


def _nobody(people: int) -> _Pose:
    nothing = np.full((BODY_LANDMARKS, 2), np.nan)
    keypoints = to_wholebody(nothing, np.zeros(BODY_LANDMARKS))
    return _Pose(keypoints, np.full(4, np.nan, np.float32), math.nan, people)
