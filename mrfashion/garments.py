"""Which clips show the same person in the same outfit, told from how they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mrfashion.appearance import (
    ANGLES,
    CELLS,
    FEATURES,
    ROWS,
    TRUNK_CELLS,
    Floats,
    Looks,
    mirror_image,
    packed_of,
    unpacked,
)
from mrfashion.duplicates import Alike
from mrfashion.errors import ConfigError

LIGHTNESS = 2  # the feature that the strength of the light adds to
MOST_LIGHT = 0.35  # as much brighter or darker, as a logarithm, is put down to the light: 1.4 times
# Copies: 0.40 at most (re-encoded at crf 40 0.32, colours faded to 60 % 0.40). Strangers whose
# pictures and motion are as near as doubtful copies': 0.55 at least.
RULED_OUT = 0.5
RULED_OUT_DEG = 45.0
BLOCK = 256  # clips compared at a time with as many: bounds memory


@dataclass(frozen=True)
class GarmentConfig:
    """When clips count as of one outfit, beside what their sources say."""

    by_appearance: bool = True  # ties clips of one look into one split; no one's garment group
    distance: float = 0.23  # root mean square of differences of logarithms; see docs/splits.md
    least_deg: float = 90.0  # of the trunk's surface, seen in both

    def __post_init__(self) -> None:
        if not (0 <= self.distance <= 1 and 0 < self.least_deg <= 360):
            raise ConfigError(
                f"garments: distance {self.distance}, least_deg {self.least_deg}; allowed: 0 to 1, "
                "and above 0 to 360"
            )


def alike_garments(appearances: Mapping[str, str], config: GarmentConfig) -> list[Alike]:
    """Pairs of clips (id -> `appearance`) that look the same, ordered; `one` < `other`."""
    names = sorted(appearances)
    packed = _packed(appearances, names)
    blocks = [slice(start, start + BLOCK) for start in range(0, len(names), BLOCK)]
    found = []
    for place, block in enumerate(blocks):
        looks = unpacked(packed[block])
        for other in blocks[place:]:
            apart = distances(looks, unpacked(packed[other]), config.least_deg)
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
    names, asked, found = sorted(others), sorted(queries), {}
    if not names or not asked:
        return {}
    packed, own = _packed(others, names), _packed(queries, asked)
    for start in range(0, len(asked), BLOCK):
        part = unpacked(own[start : start + BLOCK])
        blocks = (unpacked(packed[i : i + BLOCK]) for i in range(0, len(names), BLOCK))
        apart = np.concatenate([distances(part, other, config.least_deg) for other in blocks], 1)
        for query, row in zip(asked[start : start + BLOCK], apart, strict=True):
            j = int(row.argmin())
            if np.isfinite(row[j]):
                found[query] = Alike(query, names[j], round(float(row[j]), 4), mirrored=False)
    return found


def other_person(pair: Alike, one: str, other: str) -> bool:
    """Whether the looks of two clips rule out that they are one footage, mirrored or not.

    False where they do not show enough of the same.
    """
    first, second = (unpacked(packed_of(text)[None]) for text in (one, other))
    first = mirror_image(first) if pair.mirrored else first
    apart = float(distances(first, second, RULED_OUT_DEG)[0, 0])
    return np.isfinite(apart) and apart > RULED_OUT


def distances(one: Looks, other: Looks, least_deg: float) -> NDArray[np.float64]:
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
    shared_deg = _product(_angles(one), _angles(other)) * 360 / ANGLES
    return np.where(shared_deg >= least_deg, apart, np.inf)


def _product(a: Floats, b: Floats) -> NDArray[np.float64]:
    return np.asarray(a @ b.T, np.float64)


def _angles(looks: Looks) -> Floats:
    """n ANGLES: 1 where at least half of the trunk's rows were seen."""
    trunk = looks.weights[:, :TRUNK_CELLS].reshape(-1, len(ROWS), ANGLES) > 0
    return np.asarray(2 * trunk.sum(1) >= len(ROWS), np.float32)


def _packed(appearances: Mapping[str, str], names: list[str]) -> NDArray[np.uint8]:
    """n bytes: floats would take four times the memory."""
    packed = np.empty((len(names), CELLS * (FEATURES + 1)), np.uint8)
    for i, name in enumerate(names):
        packed[i] = packed_of(appearances[name])
    return packed
