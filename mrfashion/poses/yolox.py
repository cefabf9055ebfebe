"""YOLOX (https://arxiv.org/abs/2107.08430): the persons of an image, by a network in ONNX.

Both published kinds of file are read: raw outputs n 8400 5+classes (Megvii's yolox_l.onnx, which
DWPose ships), and those with suppression built in, dets n m 5 and labels n m (OpenMMLab's
yolox_m_8xb8-300e_humanart, which RTMW ships).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ConfigError
from mrfashion.poses.crops import ColourOrder, check_image, letterbox
from mrfashion.poses.estimator import Image
from mrfashion.poses.onnx_session import OnnxSession

STRIDES = (8, 16, 32)
PERSON = 0  # in COCO and in HumanArt
DEFAULT_SIZE_HW = (640, 640)  # where the file leaves it open
Floats = NDArray[np.float32]


class Detections(NamedTuple):
    """Persons of one image, best first; boxes may reach past its border, as the network saw it."""

    boxes_xyxy_px: Floats  # n 4
    scores: Floats  # n, 0..1


@dataclass(frozen=True)
class DetectorConfig:
    """How an image becomes persons.

    Defaults are the official DWPose port's (onnxdet.py): BGR as YOLOX was trained, a score above
    0.3, suppression at an overlap of 0.45. `classes` = "all" takes any class for a person, which
    only reproduces rtmlib: with a COCO network it returns chairs and handbags.
    """

    colour_order: ColourOrder = "bgr"
    score_threshold: float = 0.3
    nms_threshold: float = 0.45
    classes: Literal["person", "all"] = "person"

    def __post_init__(self) -> None:
        if self.colour_order not in get_args(ColourOrder):
            raise ConfigError(f"colour_order is {self.colour_order!r}; allowed: rgb, bgr")
        if self.classes not in ("person", "all"):
            raise ConfigError(f"classes is {self.classes!r}; allowed: person, all")
        for name in ("score_threshold", "nms_threshold"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; allowed: from 0 to below 1")


OFFICIAL = DetectorConfig()
MIMICMOTION = DetectorConfig(colour_order="rgb")
RTMLIB = DetectorConfig(score_threshold=0.7, classes="all")
RTMLIB_END2END = DetectorConfig(classes="all")  # suppression built in: rtmlib takes 0.3


class PersonDetector:
    """Finds persons; may be shared between threads."""

    def __init__(self, session: OnnxSession, config: DetectorConfig | None = None) -> None:
        self.session = session
        self.config = config or DetectorConfig()
        height, width = session.size_hw
        self.size_hw = (height or DEFAULT_SIZE_HW[0], width or DEFAULT_SIZE_HW[1])
        self._end2end = _is_end2end(session, len(grid(self.size_hw)))

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Persons of each image, uint8 h w 3 RGB of any sizes; none where the network saw none."""
        step = self.session.batch
        batches = [images[i : i + step] for i in range(0, len(images), step)]
        return [found for batch in batches for found in self._detect(batch)]

    def _detect(self, images: Sequence[Image]) -> list[Detections]:
        for image in images:
            check_image(image)
        boxed = [letterbox(image, self.size_hw, self.config.colour_order) for image in images]
        outputs = self.session.run(np.stack([planes for planes, _ in boxed]))
        read = self._built_in if self._end2end else self._raw
        return [read(outputs, i, ratio) for i, (_, ratio) in enumerate(boxed)]

    def _raw(self, outputs: list[NDArray[Any]], index: int, ratio: float) -> Detections:
        """8400 5+classes: offset in its cell, log of its size, objectness, classes."""
        raw = outputs[0][index]
        cells = grid(self.size_hw)
        if raw.ndim != 2 or len(raw) != len(cells) or raw.shape[1] < 6:
            raise self.session.refusal(f"answers with {outputs[0].shape}; {len(cells)} cells asked")
        last = 6 if self.config.classes == "person" else raw.shape[1]
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is left out below
            scores = raw[:, 4:5] * raw[:, 5:last]
        found = []
        for column in scores.T:
            likely = np.flatnonzero(column > self.config.score_threshold)
            boxes = _boxes(raw[likely], cells[likely]) / np.float32(ratio)
            sound = np.isfinite(boxes).all(1) & np.isfinite(column[likely])
            boxes, score = boxes[sound], column[likely][sound]
            kept = suppress(boxes, score, self.config.nms_threshold)
            found.append((boxes[kept], score[kept]))
        return _best_first(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def _built_in(self, outputs: list[NDArray[Any]], index: int, ratio: float) -> Detections:
        """m 5: box and score; and, where there are labels, m of them."""
        rows = outputs[0][index]
        if rows.ndim != 2 or rows.shape[1] != 5:
            raise self.session.refusal(f"answers with {outputs[0].shape}; n m 5 is needed")
        kept = np.isfinite(rows).all(1) & (rows[:, 4] > self.config.score_threshold)
        if self.config.classes == "person" and len(outputs) > 1:
            kept &= outputs[1][index] == PERSON
        return _best_first(rows[kept, :4] / np.float32(ratio), rows[kept, 4])


def _is_end2end(session: OnnxSession, cells: int) -> bool:
    """Whether suppression is built in; refuses outputs of neither kind."""
    shapes = session.output_shapes
    first = shapes[0] if shapes else []
    if len(first) == 3 and first[2] == 5:
        return True
    if len(shapes) == 1 and len(first) == 3 and first[1] in (None, cells) and (first[2] or 6) > 5:
        return False
    raise session.refusal(
        f"has the outputs {shapes}; a YOLOX detector has [n, {cells}, 5 + classes], or dets "
        "[n, m, 5] and labels [n, m]"
    )


@cache
def grid(size_hw: tuple[int, int]) -> Floats:
    """cells 3: column, row and stride in px of every cell, in the order of the outputs."""
    cells = []
    for stride in STRIDES:
        rows, columns = np.mgrid[: size_hw[0] // stride, : size_hw[1] // stride]
        cells.append(np.stack([columns, rows, np.full_like(rows, stride)], -1).reshape(-1, 3))
    return np.concatenate(cells).astype(np.float32)


def _boxes(raw: Floats, cells: Floats) -> Floats:
    """n 5+ and n 3 => n 4, xyxy in the network's pixels."""
    stride = cells[:, 2:]
    with np.errstate(invalid="ignore", over="ignore"):
        centre = (raw[:, :2] + cells[:, :2]) * stride
        half = np.exp(raw[:, 2:4]) * stride / np.float32(2)
        return np.concatenate([centre - half, centre + half], axis=1)


def suppress(boxes: Floats, scores: Floats, threshold: float) -> NDArray[np.intp]:
    """Indices that greedy non-maximum suppression keeps, best first.

    Overlaps are counted as the ports count them, in whole pixels (+ 1), in the image's scale.
    """
    order = np.argsort(-scores, kind="stable")
    area = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.maximum(0, high - low + 1).prod(1)
        order = rest[shared / (area[best] + area[rest] - shared) <= threshold]
    return np.array(kept, np.intp)


def _best_first(boxes: Floats, scores: Floats) -> Detections:
    order = np.argsort(-scores, kind="stable")
    return Detections(boxes[order].astype(np.float32), scores[order].astype(np.float32))
