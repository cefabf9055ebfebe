"""Lettering fidelity: does letter-like detail of the garment survive where the target has it?"""

from __future__ import annotations

import cv2
import numpy as np

from benchmark.metrics.garment_chart import (
    HIDDEN,
    REGION,
    ByFrame,
    Chart,
    Floats,
    Pose,
    garment_chart,
    tile_similarity,
)
from benchmark.metrics.spec import ClipContext, FramePair, Image, Measure, Metric, MetricSpec, Value
from mrfashion.views import view_of

SIZE = (96, 72)  # rows, columns: a letter of a third of the chest's width fills a tile
TILE, REACH = 24, 4  # texels
SMOOTH, STROKE = 4.0, 1.0  # sigmas in texels: what is wider is no stroke; what is finer is noise
LEAST_STROKES = 1.5  # L a texel
PLAIN = "the garment shows no letter-like detail"
SIDEWAYS = "the frame shows neither front nor back"

SPEC = MetricSpec(
    name="lettering",
    version=1,
    higher_is_better=True,
    unit="",
    range=(0.0, 1.0),
    definition={
        "frames": "front and back ones, by the target's yaw",
        "cloth": "as wrong-side's, 96x72 texels, straight ahead, of target and generated frame in "
        "the target's pose",
        "detail": "L minus its Gaussian blur of sigma 4 texels",
        "tiles": "of 24x24 texels, those of the target whose weaker direction has a root mean "
        "square gradient of at least 1.5 L a texel, after a blur of sigma 1: stripes and edges "
        "have none across",
        "similarity": "max(0, 1 - dL / 50) max(0, structure), the best of slides by up to 4 "
        "texels; structure (2 cov + 20) / (var + var + 20)",
        "mean": "over the worse half of a frame's tiles, for a word is read whole; then frames of "
        "a clip",
    },
    regions=REGION,
)


def strokes(chart: Chart) -> Floats:
    """Of every tile: root mean square gradient of L along its weaker direction, 0 where hidden."""
    luma = cv2.GaussianBlur(chart.texels[..., 0], (0, 0), STROKE)
    down, across = np.gradient(luma)
    xx, yy, xy = (_tile_means(g * chart.seen) for g in (across**2, down**2, across * down))
    weaker = (xx + yy) / 2 - np.hypot((xx - yy) / 2, xy)
    found: Floats = np.sqrt(weaker.clip(0))
    return found


def _tile_means(values: Floats) -> Floats:
    height, width = values.shape
    found: Floats = values.reshape(height // TILE, TILE, width // TILE, TILE).mean((1, 3))
    return found


def _detail(chart: Chart) -> Chart:
    luma = chart.texels[..., :1]
    return Chart(luma - cv2.GaussianBlur(luma, (0, 0), SMOOTH)[..., None], chart.seen)


def _score(pair: FramePair, pose: Pose, yaw_deg: float) -> Value:
    if view_of(yaw_deg) not in ("front", "back"):
        return SIDEWAYS
    target, generated = (_chart(image, pose) for image in (pair.target, pair.generated))
    if target is None or generated is None:
        return HIDDEN
    lettered = strokes(target) >= LEAST_STROKES
    if not lettered.any():
        return PLAIN
    found = tile_similarity(_detail(generated), _detail(target), TILE, REACH)[lettered]
    shown = np.sort(found[np.isfinite(found)])
    return float(shown[: (len(shown) + 1) // 2].mean()) if len(shown) else HIDDEN


def _chart(image: Image, pose: Pose) -> Chart | None:
    return garment_chart(image, pose, 0.0, SIZE)


def _start(context: ClipContext) -> Measure:
    return ByFrame(context, _score)


METRIC = Metric(SPEC, _start, title="Lettering fidelity", decimals=3, family="view")
