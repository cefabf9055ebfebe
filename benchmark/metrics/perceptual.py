"""Metrics that compare two frames in the layers of a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmark.metrics.frames import CROPPED
from benchmark.metrics.spec import (
    GARMENT,
    WHOLE,
    ClipContext,
    FramePair,
    Image,
    Measure,
    Metric,
    MetricSpec,
    Status,
    Value,
    Values,
    check_pair,
    check_side,
)
from mrfashion.errors import ItemError
from mrfashion.weights import missing_weights

LEAST_SIDE_PX = 32  # the deepest layer of each trunk still has a position there
BATCH_PIXELS = 4 * 256 * 256  # what is compared at once; decides nothing but memory and speed
REGIONS = {WHOLE: "all pixels", **CROPPED}


@dataclass(frozen=True)
class Comparison:
    """A network and how it is fed."""

    network: str  # of benchmark.backbones.perceptual.TRUNKS
    weights: tuple[str, ...]
    low: float = -1.0  # what black becomes; white is 1
    enlarged: bool = False  # whether maps are enlarged to the frame before their mean


def perceptual_metric(
    name: str,
    title: str,
    comparison: Comparison,
    definition: Mapping[str, str],
    citation: str,
    status: Status = "standard",
    regions: Mapping[str, str] = REGIONS,
) -> Metric:
    """The metric of a comparison; not measured where one of its weight files is missing."""
    spec = MetricSpec(
        name=name,
        version=1,
        higher_is_better=False,
        unit="",
        range=(0.0, None),
        definition={
            "size": f"the frame's own; sides of {LEAST_SIDE_PX} pixels and more",
            **definition,
        },
        regions=regions,
        status=status,
        citation=citation,
        weights=comparison.weights,
    )
    start = partial(_start, comparison, frozenset(regions), title)
    return Metric(spec, start, title, decimals=4, missing=partial(_missing, comparison.weights))


def _start(
    comparison: Comparison, regions: frozenset[str], title: str, context: ClipContext
) -> Measure:
    return Perceptual(comparison, regions, title, context.device)


def _missing(weights: tuple[str, ...]) -> str | None:
    return next((text for name in weights if (text := missing_weights(name))), None)


class Perceptual:
    """A `Measure` that compares several frames at once, and garments one by one."""

    def __init__(
        self, comparison: Comparison, regions: frozenset[str], title: str, device: str
    ) -> None:
        self.comparison, self.title, self.device = comparison, title, device
        self.values: dict[str, list[Value]] = {region: [] for region in regions}
        self.waiting: list[FramePair] = []

    def update(self, pair: FramePair) -> None:
        """Take in the pair; ItemError where it is too small."""
        check_pair(pair.target, pair.generated, None)
        check_side(pair.target, LEAST_SIDE_PX, self.title)
        self.waiting.append(pair)
        height, width = pair.target.shape[:2]
        if len(self.waiting) * height * width >= BATCH_PIXELS:
            self._measure()

    def result(self) -> Values:
        """A number a frame."""
        self._measure()
        return self.values

    def _measure(self) -> None:
        pairs, self.waiting = self.waiting, []
        if not pairs:
            return
        targets, generated = ([getattr(p, side) for p in pairs] for side in ("target", "generated"))
        self.values[WHOLE] += distances(self.comparison, targets, generated, self.device)
        if GARMENT in self.values:
            self.values[GARMENT] += [self._of_garment(pair) for pair in pairs]

    def _of_garment(self, pair: FramePair) -> Value:
        if pair.garment is None:
            return None
        top, left, bottom, right = pair.garment
        crops = [image[top:bottom, left:right] for image in (pair.target, pair.generated)]
        try:
            check_side(crops[0], LEAST_SIDE_PX, self.title)
        except ItemError as error:
            return error.text
        return distances(self.comparison, crops[:1], crops[1:], self.device)[0]


def distances(
    comparison: Comparison, targets: list[Image], generated: list[Image], device: str = "cpu"
) -> list[float]:
    """Of each pair of images, all of one size; MissingRequirement without the weights.

    The targets' features are kept: the next entrant is compared with the same frames.
    """
    import torch

    from benchmark.backbones.perceptual import network

    judge = network(comparison.network, comparison.weights, device)
    ours, theirs = (torch.from_numpy(np.stack(images)) for images in (targets, generated))
    size = targets[0].shape[:2] if comparison.enlarged else None
    of_target = judge.target_features(ours, comparison.low)
    found: list[float] = judge(of_target, judge.features(theirs, comparison.low), size).tolist()
    return found
