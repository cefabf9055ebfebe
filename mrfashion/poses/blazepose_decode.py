"""BlazePose's raw network outputs => detections and landmarks, as mediapipe decodes them.

Source: mediapipe/modules/pose_detection/pose_detection_cpu.pbtxt (SSD anchors, weighted NMS) and
pose_landmark/tensors_to_pose_landmarks_and_segmentation.pbtxt, with the calculators they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

DETECTOR_SIDE = 224
LANDMARK_SIDE = 256
GRIDS = ((8, 2), (16, 2), (32, 6))  # stride in px, anchors a cell; 3 layers share stride 32
SAME_PERSON_IOU = 0.3
LANDMARKS = 39  # 33 of the body, 2 alignment points, 4 unused
HEATMAP_KERNEL = 9  # mediapipe 0.10.14; its later sources say 7, which moves feet by 0.3 %
HEATMAP_CONFIDENT = 0.5
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detection:
    """A person, by the head: the box is the head's, not the body's. Positions 0..1 of the crop.

    `points` are the hip centre, a point on the circle around the body, the shoulder centre and a
    point on the circle around the upper body.
    """

    score: float
    box_xyxy: Floats  # 4
    points: Floats  # 4 2


@dataclass(frozen=True, eq=False)
class Landmarks:
    """What the landmark network sees in a crop; positions 0..1 of the crop."""

    xy: Floats  # 39 2
    visibility: Floats  # 39, 0..1
    presence: float  # that there is a person at all, 0..1


@cache
def anchors() -> Floats:
    """2254 2: centres of the detector's anchors, x and y in 0..1; all have the size of the crop."""
    layers = []
    for stride, count in GRIDS:
        cells = -(-DETECTOR_SIDE // stride)
        centre = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) / cells
        x, y = np.meshgrid(centre, centre)
        layers.append(np.stack([x, y], axis=-1).reshape(-1, 2).repeat(count, axis=0))
    return np.concatenate(layers)


def decode_detections(raw_boxes: Floats, raw_scores: Floats, threshold: float) -> list[Detection]:
    """2254 12 and 2254 => persons with a score of at least `threshold`, the surest first."""
    scores = sigmoid(raw_scores.reshape(-1).clip(-100, 100))
    raw = raw_boxes.reshape(-1, 6, 2) / np.float32(DETECTOR_SIDE)
    centre, size = raw[:, 0] + anchors(), raw[:, 1]
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
    points = raw[:, 2:] + anchors()[:, None]
    sound = np.isfinite(raw).all((1, 2)) & (size >= 0).all(-1)
    chosen = np.flatnonzero(sound & (scores >= threshold))
    return suppress(scores[chosen], boxes[chosen], points[chosen])


def suppress(scores: Floats, boxes: Floats, points: Floats) -> list[Detection]:
    """Weighted non-maximum suppression: each person is the mean of the boxes that overlap it."""
    order = np.argsort(-scores, kind="stable")
    found = []
    while order.size:
        best = order[0]
        same = overlap(boxes[order], boxes[best]) > SAME_PERSON_IOU
        same[0] = True  # a box without area overlaps nothing, itself included
        group = order[same]
        weight = scores[group] / scores[group].sum()
        box = np.einsum("n,nc->c", weight, boxes[group])
        found.append(
            Detection(float(scores[best]), box, np.einsum("n,nkc->kc", weight, points[group]))
        )
        order = order[~same]
    return found


def overlap(boxes: Floats, box: Floats) -> Floats:
    """Intersection over union of `boxes` n 4 with `box` 4, xyxy => n."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    shared = (high - low).clip(0).prod(-1)
    union = _area(boxes) + _area(box[None]) - shared
    ratio: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def _area(boxes: Floats) -> Floats:
    area: Floats = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    return area


def decode_landmarks(raw: Floats, presence: float, heatmap: Floats) -> Landmarks:
    """195 values (39 of x, y, z, visibility, presence), and 64 64 39 => landmarks."""
    values = raw.reshape(LANDMARKS, 5)
    xy = refine(values[:, :2] / np.float32(LANDMARK_SIDE), heatmap)
    return Landmarks(xy, sigmoid(values[:, 3]), presence)


def refine(xy: Floats, heatmap: Floats) -> Floats:
    """Move every landmark to the heatmap's centre of mass around it, where the map is confident.

    xy: n 2, 0..1. heatmap: h w n, logits; a value lies at its index, without the half-pixel shift.
    """
    height, width, _ = heatmap.shape
    seen = np.flatnonzero(((xy >= 0) & (xy < 1)).all(-1))  # of the n; those below are of these
    reach = np.arange(-(HEATMAP_KERNEL // 2), HEATMAP_KERNEL // 2 + 1)
    columns = (xy[seen, 0] * width).astype(int)[:, None] + reach
    rows = (xy[seen, 1] * height).astype(int)[:, None] + reach
    inside_x, inside_y = (columns >= 0) & (columns < width), (rows >= 0) & (rows < height)
    places = rows.clip(0, height - 1)[:, :, None], columns.clip(0, width - 1)[:, None]
    near = sigmoid(heatmap[*places, seen[:, None, None]])
    window = near * (inside_y[:, :, None] & inside_x[:, None])
    sure = window.max((1, 2)) >= HEATMAP_CONFIDENT
    mass = window[sure].sum((1, 2))
    x = (window[sure].sum(1) * columns[sure]).sum(-1) / mass / width
    y = (window[sure].sum(2) * rows[sure]).sum(-1) / mass / height
    refined = xy.copy()
    refined[seen[sure]] = np.stack([x, y], axis=-1)
    return refined


def sigmoid(values: Floats) -> Floats:
    """The logistic function, without overflow."""
    half = np.tanh(values * np.float32(0.5))
    return np.asarray(half * np.float32(0.5) + np.float32(0.5), np.float32)
