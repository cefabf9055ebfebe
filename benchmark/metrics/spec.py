"""What a metric is: its definition, the id that any change of it changes, and how it measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import content_hash
from mrfashion.errors import ItemError
from mrfashion.generation import Keypoints, Reference
from mrfashion.weights import recorded

WHOLE, FOREGROUND, GARMENT = REGIONS = ("whole", "foreground", "garment")
Status = Literal["standard", "comparability", "invalid"]
Image = NDArray[np.uint8]  # h w 3, RGB
Mask = NDArray[np.bool_]  # h w, True on the person
Box = tuple[int, int, int, int]  # top, left, bottom, right, in pixels; the last two excluded


@dataclass(frozen=True)
class MetricSpec:
    """A metric's definition: two numbers compare only where all of it agrees."""

    name: str
    version: int  # raised when the code would give another number for the same definition
    higher_is_better: bool
    unit: str  # "" where it has none
    range: tuple[float | None, float | None]  # None: no bound on that side
    definition: Mapping[str, str]  # every choice that decides the number, in words
    regions: Mapping[str, str]  # of REGIONS, those it has => what each takes in
    cap: float | None = None  # what an infinite frame counts as in a mean
    status: Status = "standard"  # comparability: as others compute it; invalid: and wrongly so
    citation: str = ""
    weights: tuple[str, ...] = ()  # of mrfashion.weights, those it measures with

    def defined(self, region: str) -> dict[str, Any]:
        """All that its number in a region depends on, plain JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "higher_is_better": self.higher_is_better,
            "unit": self.unit,
            "range": list(self.range),
            "definition": dict(self.definition),
            "region": [region, self.regions[region]],
            "cap": self.cap,
            **(recorded(self.weights) if self.weights else {}),
        }

    def metric_id(self, region: str) -> str:
        """ "<metric>/<region>@<version>#<definition hash>"; another definition, another id."""
        return f"{self.name}/{region}@{self.version}#{content_hash(self.defined(region))[:12]}"


def unlike(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Lines in which two definitions, as `defined` gives them, differ: name, value in each."""
    for name in sorted({*one, *other} - {"definition"}):
        if one.get(name) != other.get(name):
            yield name, one.get(name), other.get(name)
    first, second = one.get("definition", {}), other.get("definition", {})
    for line in sorted({*first, *second}):
        if first.get(line) != second.get(line):
            yield line, first.get(line), second.get(line)


@dataclass(frozen=True, eq=False)
class ClipContext:
    """What is known of a clip beside its frames; every field in the size that was asked for."""

    views: Sequence[str | None]  # of each target frame
    fps: float = 25.0
    masks: NDArray[np.bool_] | None = None  # f h w
    keypoints: Keypoints | None = None  # f k 3, of the target frames
    yaw_deg: NDArray[np.float32] | None = None  # f
    references: Callable[[], Sequence[Reference]] = tuple
    device: str = "cpu"
    shared: dict[str, Any] = field(default_factory=dict)  # what metrics of one clip compute once


@dataclass(frozen=True, eq=False)
class FramePair:
    """A target frame and the generated one, as every metric gets them, in order."""

    target: Image
    generated: Image
    number: int = 0
    mask: Mask | None = None
    garment: Box | None = None


Value = float | str | None  # a text: why there is none; None: the frame lacks the region
Values = Mapping[str, Sequence[Value]]  # region => of each frame


class Measure(Protocol):
    """A metric at work on one clip; an ItemError of it is why it measures nothing there."""

    def update(self, pair: FramePair) -> None:
        """Take in the next frame pair."""
        ...

    def result(self) -> Values:
        """A number a frame for each region; infinite where the spec says so, never NaN."""
        ...


def nothing_missing() -> None:
    """A metric that needs neither weights nor packages beyond the core's."""


@dataclass(frozen=True)
class Metric:
    """A definition, what measures it, and how to print it."""

    spec: MetricSpec
    start: Callable[[ClipContext], Measure]
    title: str
    decimals: int
    family: str = "image"  # image, motion, pose or view: what the tables of a report are split by
    missing: Callable[[], str | None] = nothing_missing  # what it lacks here, in words


def check_pair(target: Image, generated: Image, mask: Mask | None) -> None:
    """ValueError unless both are uint8 RGB of one size and the mask fits them."""
    for image in (target, generated):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"frame is {image.dtype} {image.shape}; needed: uint8 (h, w, 3)")
    if target.shape != generated.shape:
        raise ValueError(f"target is {target.shape}, generated {generated.shape}; needed: one size")
    if mask is not None and (mask.dtype != np.bool_ or mask.shape != target.shape[:2]):
        raise ValueError(f"mask is {mask.dtype} {mask.shape}; needed: bool {target.shape[:2]}")


def check_side(image: Image, least_px: int, metric: str) -> None:
    """ItemError where a side is shorter than the metric can measure."""
    height, width = image.shape[:2]
    if min(height, width) < least_px:
        raise ItemError(
            "score.too_small",
            f"frames are {width}x{height}; {metric} needs {least_px} pixels a side",
        )
