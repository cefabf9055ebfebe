"""Which clips show the same person in the same outfit, told from how they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.appearance import ANGLES, CELLS, FEATURES, ROWS, TRUNK_CELLS, Floats, looks_of
from mrfashion.duplicates import Alike
from mrfashion.errors import ConfigError

LIGHTNESS = 2  # the feature that the strength of the light adds to
MOST_LIGHT = 0.35  # as much brighter or darker, as a logarithm, is put down to the light: 1.4 times
BLOCK = 256  # clips compared at a time with as many: bounds memory


@dataclass(frozen=True)
class GarmentConfig:
    """When clips count as of one outfit, beside what their sources say."""

    by_appearance: bool = True  # ties clips of one look into one split; no one's garment group
    distance: float = 0.24  # root mean square of differences of logarithms; see docs/splits.md
    least_deg: float = 90.0  # of the trunk's surface, seen in both

    def __post_init__(self) -> None:
        if not (0 <= self.distance <= 1 and 0 < self.least_deg <= 360):
            raise ConfigError(
                f"garments: distance {self.distance}, least_deg {self.least_deg}; allowed: 0 to 1, "
                "and above 0 to 360"
            )


@dataclass(frozen=True, slots=True, eq=False)
class _Rack:
    """Looks of many clips, so laid out that products of matrices compare them."""

    values: Floats  # n CELLS FEATURES
    weights: Floats  # n CELLS
    angles: Floats  # n ANGLES: 1 where most rows of the trunk were seen

    def __getitem__(self, part: slice) -> _Rack:
        return _Rack(self.values[part], self.weights[part], self.angles[part])


def alike_garments(appearances: Mapping[str, str], config: GarmentConfig) -> list[Alike]:
    """Pairs of clips (id -> `appearance`) that look the same, ordered; `one` < `other`."""
    names = sorted(appearances)
    rack = _rack(appearances, names)
    blocks = [slice(start, start + BLOCK) for start in range(0, len(names), BLOCK)]
    found = []
    for place, block in enumerate(blocks):
        for other in blocks[place:]:
            apart = distances(rack[block], rack[other], config.least_deg)
            for i, j in np.argwhere(apart <= config.distance).tolist():
                one, two = block.start + i, other.start + j
                if one < two:
                    pair = names[one], names[two]
                    found.append(Alike(*pair, round(float(apart[i, j]), 4), mirrored=False))
    return sorted(found)


def nearest_garments(
    queries: Mapping[str, str], others: Mapping[str, str], config: GarmentConfig
) -> dict[str, Alike]:
    """Query -> the other clip that looks most like it, where any shows as much of the same."""
    names, asked = sorted(others), sorted(queries)
    if not names or not asked:
        return {}
    rack, found = _rack(others, names), {}
    for start in range(0, len(asked), BLOCK):
        part = asked[start : start + BLOCK]
        apart = distances(_rack(queries, part), rack, config.least_deg)
        for query, row in zip(part, apart, strict=True):
            if np.isfinite(row.min()):
                j = int(row.argmin())
                found[query] = Alike(query, names[j], round(float(row[j]), 4), mirrored=False)
    return found


def distances(one: _Rack, other: _Rack, least_deg: float) -> NDArray[np.float64]:
    """n m: how far two looks are apart where both were seen; infinite where that is too little.

    Weighted root mean square over cells, summed over features; lightness but for what a light of
    another strength adds to all of it.
    """
    weight = _product(one.weights, other.weights)
    squares = np.zeros_like(weight)
    for feature in range(FEATURES):
        a, b = one.values[..., feature], other.values[..., feature]
        wa, wb = one.weights * a, other.weights * b
        cross = _product(wa, wb)
        own = _product(wa * a, other.weights) + _product(one.weights, wb * b) - 2 * cross
        if feature == LIGHTNESS:
            excess = _product(wa, other.weights) - _product(one.weights, wb)
            light = (excess / np.maximum(weight, 1e-9)).clip(-MOST_LIGHT, MOST_LIGHT)
            own += weight * light**2 - 2 * light * excess
        squares += own
    apart = np.sqrt(np.maximum(squares, 0) / np.maximum(weight, 1e-9))
    shared_deg = _product(one.angles, other.angles) * 360 / ANGLES
    return np.where(shared_deg >= least_deg, apart, np.inf)


def _product(a: Floats, b: Floats) -> NDArray[np.float64]:
    return np.asarray(a @ b.T, np.float64)


def _rack(appearances: Mapping[str, str], names: list[str]) -> _Rack:
    found = [looks_of(appearances[name]) for name in names]
    values = np.array([looks.values for looks in found], np.float32)
    weights = np.array([looks.weights for looks in found], np.float32)
    values, weights = values.reshape(-1, CELLS, FEATURES), weights.reshape(-1, CELLS)
    trunk = weights[:, :TRUNK_CELLS].reshape(-1, len(ROWS), ANGLES) > 0
    return _Rack(values, weights, (2 * trunk.sum(1) >= len(ROWS)).astype(np.float32))
