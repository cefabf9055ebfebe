"""Wrong-side rate: how often a garment's back is shown in front, or its front behind."""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.metrics.garment_chart import (
    HIDDEN,
    REGION,
    SIMILARITY,
    UNROLLED,
    ByFrame,
    Chart,
    Pose,
    garment_chart,
    similarity,
)
from benchmark.metrics.spec import ClipContext, FramePair, Image, Measure, Metric, MetricSpec, Value
from mrfashion.generation import Reference
from mrfashion.views import CANONICAL_DEG, distance_deg, view_of

OTHER = {"front": "back", "back": "front"}
MOST_ALIKE = 0.5
SIDEWAYS = "the frame shows neither front nor back"
NO_OTHER = "no reference shows the garment's other side"
ALIKE = "the garment's front and back look alike"
TOO_SMALL = "the torso is too small to unroll"

SPEC = MetricSpec(
    name="wrong-side",
    version=1,
    higher_is_better=False,
    unit="",
    range=(0.0, 1.0),
    definition={
        "frames": "front and back ones, by the target's yaw",
        "sides": "of the references in those views the one nearest to 0 and to 180 degrees; where "
        "none shows the frame's own side, the target frame",
        "cloth": UNROLLED,
        "similarity": SIMILARITY,
        "measured": "where the sides' similarity is at most 0.5",
        "mean": "1 where the generated cloth is more similar to the other side than to its own, "
        "else 0; mean over measured frames",
    },
    regions=REGION,
)


@dataclass(frozen=True, eq=False)
class Sides:
    """What the references say of a garment's two sides."""

    charts: dict[str, Chart]  # of "front" and "back", those shown

    def score(self, pair: FramePair, pose: Pose, yaw_deg: float) -> Value:
        """1 where the generated garment shows its other side, 0 where not, or why neither."""
        view = view_of(yaw_deg)
        if view not in OTHER:
            return SIDEWAYS
        if (other := self.charts.get(OTHER[view])) is None:
            return NO_OTHER
        own = self.charts.get(view) or _side_chart(pair.target, pose, yaw_deg, view)
        generated = _side_chart(pair.generated, pose, yaw_deg, view)
        if own is None or generated is None:
            return TOO_SMALL
        alike, right, wrong = (
            similarity(*charts) for charts in ((own, other), (generated, own), (generated, other))
        )
        if alike is None or right is None or wrong is None:
            return HIDDEN
        return ALIKE if alike > MOST_ALIKE else float(wrong > right)


def _side_chart(image: Image, pose: Pose, yaw_deg: float, view: str) -> Chart | None:
    return garment_chart(image, pose, yaw_deg - CANONICAL_DEG[view])


def _shown(references: list[tuple[float, Reference]], view: str) -> Chart | None:
    """The chart of a side, from the reference that faces it most."""
    of_view = [(yaw, reference) for yaw, reference in references if view_of(yaw) == view]
    if not of_view:
        return None
    yaw, reference = min(of_view, key=lambda one: distance_deg(one[0], CANONICAL_DEG[view]))
    return _side_chart(reference.image, reference.keypoints, yaw, view)


def _start(context: ClipContext) -> Measure:
    known = [(r.yaw_deg, r) for r in context.references() if r.yaw_deg is not None]
    charts = {view: chart for view in OTHER if (chart := _shown(known, view)) is not None}
    return ByFrame(context, Sides(charts).score)


METRIC = Metric(SPEC, _start, title="Wrong-side rate", decimals=3, family="view")
