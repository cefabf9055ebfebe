"""SimCC keypoint networks in ONNX: DWPose (dw-ll_ucoco_384) and RTMW (rtmw-dw-x-l), 133 points.

Yang et al., "Effective Whole-body Pose Estimation with Two-stages Distillation" (2023); Jiang et
al., "RTMW" (2024). Each axis of a keypoint is a row of bins, and the greatest bin is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ConfigError
from mrfashion.generation import KEYPOINTS
from mrfashion.poses.crops import ColourOrder, check_image, crop, crop_area
from mrfashion.poses.estimator import Image
from mrfashion.poses.onnx_session import OnnxSession

ScoreRule = Literal["min", "mean"]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class KeypointConfig:
    """How a person's box becomes keypoints.

    Boxes are padded by `padding` and widened to the network's aspect, as in every port. The score
    of a keypoint is the lesser of its two greatest bins (the official port), or their mean
    (rtmlib). `simcc_split` is the bins a pixel. RGB is what the training configuration says
    (`bgr_to_rgb=True`, the author in DWPose issue 25), though most ports feed BGR.
    """

    colour_order: ColourOrder = "rgb"
    padding: float = 1.25
    score_rule: ScoreRule = "min"
    simcc_split: float = 2.0

    def __post_init__(self) -> None:
        if self.colour_order not in get_args(ColourOrder):
            raise ConfigError(f"colour_order is {self.colour_order!r}; allowed: rgb, bgr")
        if self.score_rule not in get_args(ScoreRule):
            raise ConfigError(f"score_rule is {self.score_rule!r}; allowed: min, mean")
        for name in ("padding", "simcc_split"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)}; allowed: above 0")


OFFICIAL = KeypointConfig(colour_order="bgr")
MIMICMOTION = KeypointConfig(colour_order="rgb")
RTMLIB = KeypointConfig(colour_order="bgr", score_rule="mean")


class KeypointNetwork:
    """Finds the 133 keypoints of persons in boxes; may be shared between threads."""

    def __init__(self, session: OnnxSession, config: KeypointConfig | None = None) -> None:
        self.session = session
        self.config = config or KeypointConfig()
        self.size_hw = _size(session, self.config.simcc_split)

    def look(self, images: Sequence[Image], boxes_xyxy_px: NDArray[Any]) -> tuple[Floats, Floats]:
        """n images (uint8 h w 3 RGB) and a box of each, n 4 => xy n 133 2 in px, scores n 133.

        Scores are the network's: RTMW's pass 1, and the caller clips. Where a score is not above 0
        or not finite the keypoint is missing: (NaN, NaN) and 0. Departure: the ports put those
        half a pixel outside the crop's corner.
        """
        boxes = np.asarray(boxes_xyxy_px, np.float64)
        if boxes.shape != (len(images), 4):
            raise ValueError(f"{len(images)} images have boxes {boxes.shape}; one each is needed")
        if not (np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()):
            raise ValueError("a box has no area, or is not finite")
        step = self.session.batch
        parts = [
            self._look(images[i : i + step], boxes[i : i + step])
            for i in range(0, len(boxes), step)
        ]
        nobody = (np.empty((0, KEYPOINTS, 2), np.float32), np.empty((0, KEYPOINTS), np.float32))
        xy, scores = zip(nobody, *parts, strict=True)
        return np.concatenate(xy), np.concatenate(scores)

    def _look(self, images: Sequence[Image], boxes: NDArray[np.float64]) -> tuple[Floats, Floats]:
        height, width = self.size_hw
        centre, size = crop_area(boxes, self.config.padding, width / height)
        batch = np.empty((len(images), 3, height, width), np.float32)
        for i, image in enumerate(images):
            check_image(image)
            batch[i] = crop(image, centre[i], size[i], self.size_hw, self.config.colour_order)
        outputs = self.session.run(batch)
        bins, scores = decode(outputs[0], outputs[1], self.config.score_rule)
        part = bins / self.config.simcc_split / (width, height)
        xy = part * size[:, None] + centre[:, None] - size[:, None] / 2
        return np.where(scores[..., None] > 0, xy, np.nan).astype(np.float32), scores


def decode(simcc_x: Floats, simcc_y: Floats, rule: ScoreRule) -> tuple[NDArray[np.float64], Floats]:
    """n k bins each => the greatest bins n k 2, x then y, and scores n k; 0 where not finite."""
    bins = np.stack([simcc_x.argmax(-1), simcc_y.argmax(-1)], -1).astype(np.float64)
    x, y = simcc_x.max(-1), simcc_y.max(-1)
    with np.errstate(invalid="ignore", over="ignore"):
        scores = np.minimum(x, y) if rule == "min" else (x + y) * x.dtype.type(0.5)
    return bins, np.where(np.isfinite(scores) & (scores > 0), scores, 0).astype(np.float32)


def _size(session: OnnxSession, split: float) -> tuple[int, int]:
    """Height and width of the crops; refuses a network with other outputs than SimCC's."""
    height, width = session.size_hw
    shapes = [shape[1:] for shape in session.output_shapes]
    if height and width:
        wanted = [[KEYPOINTS, round(width * split)], [KEYPOINTS, round(height * split)]]
        if shapes == wanted:
            return height, width
    raise session.refusal(
        f"has images {session.size_hw} and outputs {session.output_shapes}; a SimCC network has "
        f"simcc_x [n, {KEYPOINTS}, {split} w] and simcc_y [n, {KEYPOINTS}, {split} h] of fixed size"
    )
