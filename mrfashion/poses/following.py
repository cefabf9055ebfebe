"""One person through a clip, by a detector that looks now and then and a network for keypoints.

The detector costs six times the keypoints. It looks at frames a fixed time apart; where it finds
the same person at both ends, the boxes between are interpolated, and the crops go to the network
in one batch. No box is ever made of keypoints, so none is padded twice or led astray by joints that
the network imagined. Where the ends disagree (the person came, left, or moved too far) the detector
looks halfway, and again, until they agree or are neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ConfigError, ItemError
from mrfashion.generation import KEYPOINTS
from mrfashion.poses.blazepose_roi import check_frame
from mrfashion.poses.estimator import DETECTOR_SKIPPED, Image, PoseTrack
from mrfashion.poses.yolox import Detections

BODY = slice(0, 17)  # of the keypoints: the joints that say how sure the network is
HELD_FRAMES = 16  # in memory at a time, so that batches fill though every frame is detected
HELD_BYTES = 256 << 20  # and at most: larger frames are detected more often
Box = NDArray[np.float64]  # 4, xyxy in px
Floats = NDArray[np.float32]


class Detector(Protocol):
    """Finds persons; `yolox.PersonDetector` is one."""

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Persons of each image."""
        ...


class Network(Protocol):
    """Finds keypoints; `simcc.KeypointNetwork` is one."""

    def look(self, images: Sequence[Image], boxes_xyxy_px: NDArray[Any]) -> tuple[Floats, Floats]:
        """Images and a box of each => xy n 133 2 and scores n 133, 0 where missing."""
        ...


@dataclass(frozen=True)
class FollowConfig:
    """How often the detector looks, and when it looks again.

    `detect_every_s` 0 detects in every frame. Boxes that overlap by `min_overlap` (intersection
    over union) are of one person; so are two of people who are alone in their frames, if the middle
    moved by at most `max_move` of the longer side. A frame between detections is detected after all
    where the mean score of its body falls under `min_sureness` times that of the detected frames
    around it, or where a joint scored `min_joint` lies outside the box by more than `max_reach` of
    its longer side: the crop of the published padding, 1.25, ends at 0.094 or farther.
    """

    detect_every_s: float = 0.4
    min_overlap: float = 0.3
    max_move: float = 0.5
    min_sureness: float = 0.7
    min_joint: float = 0.3
    max_reach: float = 0.08

    def __post_init__(self) -> None:
        if not 0 <= self.detect_every_s < math.inf:
            raise ConfigError(f"detect_every_s is {self.detect_every_s}; allowed: 0 and above")
        for name in ("min_overlap", "max_move", "min_sureness", "min_joint", "max_reach"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; allowed: above 0 to 1")

    def every(self, fps: float, frame_bytes: int) -> int:
        """Frames from one detection to the next."""
        held = max(1, HELD_BYTES // frame_bytes)
        return int(min(max(1, round(self.detect_every_s * fps)), held))


@dataclass
class _Look:
    """What is known of the person in a frame."""

    box: Box | None = None  # None: nobody
    score: float = math.nan  # of the detector
    people: int = DETECTOR_SKIPPED
    keypoints: Floats | None = None  # 133 3

    @property
    def sureness(self) -> float:
        """Mean score of the body, 0 where there is nobody."""
        return 0.0 if self.keypoints is None else float(self.keypoints[BODY, 2].mean())


def follow(
    frames: Iterable[Image], fps: float, detector: Detector, network: Network, config: FollowConfig
) -> PoseTrack:
    """Keypoints of a clip's person. ItemError (pose.*) where the frames are no clip."""
    if not 0 < fps < math.inf:
        raise ItemError("pose.no_rate", f"frame rate {fps}; allowed: above 0")
    clip = _checked(frames)
    first = next(clip, None)
    if first is None:
        raise ItemError("pose.no_frames", "there is no frame to look at")
    every = config.every(fps, first.nbytes)
    looks = _Window([first], _Look(), detector, network, config).looks_at(every)
    while images := list(islice(clip, every * max(1, HELD_FRAMES // every))):
        looks += _Window(images, looks[-1], detector, network, config).looks_at(every)
    return _track(looks, first)


def _checked(frames: Iterable[Image]) -> Iterator[Image]:
    size: tuple[int, int] | None = None
    for image in frames:
        size = size or (*image.shape, 0, 0)[:2]
        check_frame(image, size)
        yield image


class _Window:
    """Frames looked at together, and the detected one `before` them."""

    def __init__(
        self,
        images: Sequence[Image],
        before: _Look,
        detector: Detector,
        network: Network,
        config: FollowConfig,
    ) -> None:
        self.images = images
        self.before = before
        self.detector = detector
        self.network = network
        self.config = config
        self.looks = [_Look() for _ in images]
        self._found: dict[int, Detections] = {}

    def looks_at(self, every: int) -> list[_Look]:
        """One a frame; the detector sees every so many frames, and the last."""
        last = len(self.images) - 1
        due = [*range(every - 1, last, every), last]
        self._detect(due)
        for first, then in zip([-1, *due], due, strict=False):
            self._settle(first, then)
        self._look(range(len(self.images)))
        doubtful = [i for i in range(len(self.images)) if self._is_doubtful(i)]
        self._detect(doubtful)  # all at once: each is judged by frames that were detected before
        for i in doubtful:
            self._choose(i, self.looks[i])
        self._look(doubtful)
        return self.looks

    def _detect(self, places: Sequence[int]) -> None:
        found = self.detector.detect([self.images[i] for i in places])
        for i, detections in zip(places, found, strict=True):
            self._found[i] = _sound(detections, self.images[i])

    def _settle(self, first: int, last: int) -> None:
        """Boxes of the frames after `first`, which is settled, up to `last`."""
        if last not in self._found:
            self._detect([last])
        known = self.looks[first] if first >= 0 else self.before
        seen = self._found[last]
        nobody = known.box is None and not len(seen.scores)
        agree = nobody or self._same(known, seen) is not None
        if last - first > 1 and not agree:
            middle = (first + last) // 2
            self._settle(first, middle)
            self._settle(middle, last)
            return
        self._choose(last, known)
        then = self.looks[last].box
        if known.box is not None and then is not None:
            for i in range(first + 1, last):
                part = (i - first) / (last - first)
                self.looks[i].box = (1 - part) * known.box + part * then

    def _choose(self, place: int, known: _Look) -> None:
        """Of the persons in a frame the one followed so far, else the most prominent."""
        seen = self._found[place]
        look = self.looks[place] = _Look(people=len(seen.scores))
        if not len(seen.scores):
            return
        same = self._same(known, seen)
        index = same if same is not None else _most_prominent(seen, self.images[place])
        look.box, look.score = seen.boxes_xyxy_px[index].astype(np.float64), seen.scores[index]

    def _same(self, known: _Look, seen: Detections) -> int | None:
        """Which of those seen is the person of `known`, if any is."""
        if known.box is None or not len(seen.scores):
            return None
        overlaps = _overlaps(known.box, seen.boxes_xyxy_px)
        if overlaps.max() >= self.config.min_overlap:
            return int(overlaps.argmax())
        alone = known.people == len(seen.scores) == 1
        near = _move(known.box, seen.boxes_xyxy_px[0]) <= self.config.max_move
        return 0 if alone and near else None

    def _look(self, places: Iterable[int]) -> None:
        """Keypoints of those frames that have a box."""
        boxed = [(i, box) for i in places if (box := self.looks[i].box) is not None]
        if not boxed:
            return
        images = [self.images[i] for i, _ in boxed]
        xy, scores = self.network.look(images, np.stack([box for _, box in boxed]))
        for (i, _), keypoints in zip(boxed, _keypoints(xy, scores), strict=True):
            self.looks[i].keypoints = keypoints

    def _is_doubtful(self, place: int) -> bool:
        """Whether an interpolated box may have missed the person."""
        look = self.looks[place]
        if look.box is None or look.keypoints is None or look.people != DETECTOR_SKIPPED:
            return False
        around = min(self._detected(place, -1).sureness, self._detected(place, 1).sureness)
        body = look.keypoints[BODY]
        xy = body[body[:, 2] >= self.config.min_joint, :2]
        reach = np.maximum(look.box[:2] - xy, xy - look.box[2:]).max(initial=0)
        side = (look.box[2:] - look.box[:2]).max()
        return bool(
            look.sureness < self.config.min_sureness * around
            or reach > self.config.max_reach * side
        )

    def _detected(self, place: int, step: int) -> _Look:
        """The nearest detected frame before (-1) or after (1)."""
        while 0 <= place < len(self.looks):
            if self.looks[place].people != DETECTOR_SKIPPED:
                return self.looks[place]
            place += step
        return self.before


def _sound(found: Detections, image: Image) -> Detections:
    """Those with a pixel or more in the frame, no farther out of it than its own size."""
    size = np.array(image.shape[1::-1] * 2, np.float64)
    boxes = found.boxes_xyxy_px.astype(np.float64).clip(-size, 2 * size)
    kept = np.isfinite(boxes).all(1) & (_sides(boxes.clip(0, size)) >= 1).all(1)
    return Detections(boxes[kept].astype(np.float32), found.scores[kept])


def _sides(boxes: NDArray[Any]) -> NDArray[Any]:
    """Width and height of boxes, n 4 => n 2."""
    return np.asarray(boxes[:, 2:] - boxes[:, :2])


def _overlaps(box: Box, others: NDArray[Any]) -> NDArray[Any]:
    """Intersection over union of a box with each of n others."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = (high - low).clip(0).prod(1)
    return np.asarray(shared / (_sides(box[None]).prod() + _sides(others).prod(1) - shared))


def _move(box: Box, other: NDArray[Any]) -> float:
    """How far the middle of a box moved, in longer sides of the longer."""
    away = np.linalg.norm((box[:2] + box[2:] - other[:2] - other[2:]) / 2)
    return float(away / max(_sides(np.stack([box, other])).max(), 1e-9))


def _most_prominent(seen: Detections, image: Image) -> int:
    """Greatest score x area x centrality, which falls from 1 at the middle to 0 at the corners."""
    size = np.array(image.shape[1::-1], np.float64)
    boxes = seen.boxes_xyxy_px.clip(0, np.tile(size, 2))
    away = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - size / 2, axis=1)
    centrality = 1 - away / np.linalg.norm(size / 2)
    return int((seen.scores * _sides(boxes).prod(1) * centrality).argmax())


def _keypoints(xy: Floats, scores: Floats) -> Floats:
    """n 133 3; a keypoint is missing where it has no place or no score; scores above 1 are 1."""
    keypoints = np.concatenate([xy, scores.clip(0, 1)[..., None]], axis=-1).astype(np.float32)
    keypoints[~(np.isfinite(keypoints).all(-1) & (scores > 0))] = (np.nan, np.nan, 0)
    return keypoints


def _track(looks: Sequence[_Look], image: Image) -> PoseTrack:
    nobody = np.tile(np.array([np.nan, np.nan, 0], np.float32), (KEYPOINTS, 1))
    nowhere = np.full(4, np.nan)
    size = np.array(image.shape[1::-1] * 2, np.float64)
    boxes = [nowhere if look.box is None else look.box.clip(0, size) for look in looks]
    return PoseTrack(
        np.stack([nobody if look.keypoints is None else look.keypoints for look in looks]),
        np.stack(boxes).astype(np.float32),
        np.array([look.score for look in looks], np.float32),
        np.array([look.people for look in looks], np.int16),
    )
