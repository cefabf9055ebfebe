"""Reference fidelity: is the garment that of the reference which shows it from the nearest view?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmark.metrics.garment_chart import (
    HIDDEN,
    REGION,
    SIMILARITY,
    UNROLLED,
    ByFrame,
    Pose,
    garment_chart,
    similarity,
)
from benchmark.metrics.spec import ClipContext, FramePair, Image, Measure, Metric, MetricSpec, Value
from mrfashion.generation import Reference
from mrfashion.views import distance_deg, wrap_deg

FARTHEST_DEG = 60.0  # beyond it too little cloth shows in both
TOO_FAR = "no reference shows the garment within 60 degrees of the frame's view"
DEFINITION = {
    "reference": "the one nearest in yaw, at most 60 degrees away",
    "cloth": f"{UNROLLED}; around the direction half way between the two views",
    "similarity": SIMILARITY,
    "mean": "over frames of a clip",
}
SPEC = MetricSpec(
    name="reference-fidelity",
    version=1,
    higher_is_better=True,
    unit="",
    range=(0.0, 1.0),
    definition=DEFINITION | {"video": "the generated one"},
    regions=REGION,
)
TARGET_SPEC = MetricSpec(
    name="reference-fidelity-target",
    version=1,
    higher_is_better=True,
    unit="",
    range=(0.0, 1.0),
    definition=DEFINITION | {"video": "the target itself: what light and folds leave over"},
    regions=REGION,
)
Shown = Callable[[FramePair], Image]


@dataclass(frozen=True, eq=False)
class Fidelity:
    """Frames of one clip against its references."""

    references: Sequence[tuple[float, Reference]]  # by yaw in degrees
    shown: Shown

    def score(self, pair: FramePair, pose: Pose, yaw_deg: float) -> Value:
        """Similarity of the frame's garment to the nearest reference's, or why there is none."""
        near = min(self.references, key=lambda r: distance_deg(r[0], yaw_deg), default=None)
        if near is None or distance_deg(near[0], yaw_deg) > FARTHEST_DEG:
            return TOO_FAR
        half = wrap_deg(yaw_deg - near[0]) / 2
        frame = garment_chart(self.shown(pair), pose, half)
        reference = garment_chart(near[1].image, near[1].keypoints, -half)
        if frame is None or reference is None:
            return HIDDEN
        found = similarity(frame, reference)
        return HIDDEN if found is None else found


def _generated(pair: FramePair) -> Image:
    return pair.generated


def _target(pair: FramePair) -> Image:
    return pair.target


def _start(shown: Shown, context: ClipContext) -> Measure:
    known = [(r.yaw_deg, r) for r in context.references() if r.yaw_deg is not None]
    return ByFrame(context, Fidelity(known, shown).score)


METRIC = Metric(
    SPEC, partial(_start, _generated), title="Reference fidelity", decimals=3, family="view"
)
TARGET_METRIC = Metric(
    TARGET_SPEC,
    partial(_start, _target),
    title="Reference fidelity of the target itself",
    decimals=3,
    family="view",
)
