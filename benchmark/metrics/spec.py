"""What a metric is: its definition, the id that any change of it changes, and its function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import content_hash

REGIONS = ("whole", "foreground")
Image = NDArray[np.uint8]  # h w 3, RGB
Mask = NDArray[np.bool_]  # h w, True on the person


@dataclass(frozen=True)
class MetricSpec:
    """A metric's definition: two numbers compare only where all of these agree."""

    name: str
    version: int  # raised when the code would give another number for the same definition
    higher_is_better: bool
    unit: str  # "" where it has none
    range: tuple[float, float]
    colour: str
    window: str
    covariance: str
    border: str
    cap: float | None  # what an infinite frame counts as in a mean
    aggregation: str
    foreground: str  # what the score of the foreground takes in
    citation: str

    def metric_id(self, region: str) -> str:
        """ "<metric>/<region>@<version>#<definition hash>"; another field, another id."""
        definition = asdict(self) | {"range": list(self.range), "region": region}
        return f"{self.name}/{region}@{self.version}#{content_hash(definition)[:12]}"


@dataclass(frozen=True)
class FrameScore:
    """One frame's numbers; infinite where the spec says so, never NaN."""

    whole: float
    foreground: float | None  # None: no mask, or no pixel of it to measure


Measure = Callable[[Image, Image, Mask | None], FrameScore]


@dataclass(frozen=True)
class Metric:
    """A definition, the pure function of one frame pair behind it, and how to print it."""

    spec: MetricSpec
    measure: Measure  # (target, generated, mask of the target)
    title: str
    decimals: int


def check_pair(target: Image, generated: Image, mask: Mask | None) -> None:
    """ValueError unless both are uint8 RGB of one size and the mask fits them."""
    for image in (target, generated):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"frame is {image.dtype} {image.shape}; needed: uint8 (h, w, 3)")
    if target.shape != generated.shape:
        raise ValueError(f"target is {target.shape}, generated {generated.shape}; needed: one size")
    if mask is not None and (mask.dtype != np.bool_ or mask.shape != target.shape[:2]):
        raise ValueError(f"mask is {mask.dtype} {mask.shape}; needed: bool {target.shape[:2]}")
