"""Near-duplicates among clips, mirrored ones too, and which of them stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ConfigError
from mrfashion.fingerprints import (
    FRAMES,
    SIDE,
    Floats,
    Print,
    crops,
    direction,
    mirrored,
    motion,
    motion_share,
    print_of,
)

# Before crops are tried, pictures of copies were 0.59 alike and more, and those of 98.6 % of the
# pairs of strangers in one studio less; once the right crop is found, copies are 0.8 alike.
WORTH_TRYING = 0.55
WORTH_COMPARING_MOTION = 0.7
# A share of detail that moves below this is noise: pictures alone must say it, and more clearly.
STILL = 0.03
STILL_COSTS = 0.15
BLOCK = 256  # clips compared at a time with as many: bounds memory
NEAREST_TRIED = 4  # of a clip's likest strangers, crops are tried on so many


@dataclass(frozen=True)
class DuplicateConfig:
    """When two clips are one footage, and what becomes of them."""

    # Copies are 0.21 apart at most (re-encoded, brighter, mirrored, cropped by 5 % at each side),
    # strangers of the turntable 0.27 at least, of 803,278 pairs; see docs/splits.md.
    distance: float = 0.3
    certain: float = 0.2  # beyond this, looks that differ tell two clips apart
    keep: Literal["better", "both"] = "better"  # both: they only share a split

    def __post_init__(self) -> None:
        if not 0 <= self.distance <= 0.35:
            raise ConfigError(
                f"duplicates: distance is {self.distance}; allowed: 0 to 0.35, or "
                "strangers who move alike in one studio become copies"
            )


@dataclass(frozen=True, slots=True, order=True)
class Alike:
    """Two clips and how far apart they are: 0 for the same footage, about 1 for strangers."""

    one: str
    other: str
    distance: float
    mirrored: bool

    def to(self, clip_id: str) -> str:
        """The one that is not `clip_id`."""
        return self.other if clip_id == self.one else self.one


def near_duplicates(fingerprints: Mapping[str, str], distance: float) -> list[Alike]:
    """Pairs of clips (id -> fingerprint) at most `distance` apart, ordered; `one` < `other`.

    Compares all with all, but tries crops only on what is alike without: 7,000 clips of one
    studio take about a minute.
    """
    names = sorted(fingerprints)
    prints = _prints(fingerprints, names)
    found: dict[tuple[int, int], tuple[float, bool]] = {}
    for i, flipped, near in _worth_trying(prints):
        one = mirrored(prints[i]) if flipped else prints[i]
        near, apart = _distances(one, prints, near)
        for j, d in zip(near.tolist(), apart.tolist(), strict=True):
            pair = (min(i, j), max(i, j))
            if d <= distance:
                found[pair] = min(found.get(pair, (np.inf, False)), (round(d, 4), flipped))
    return sorted(Alike(names[i], names[j], *found[i, j]) for i, j in found)


def nearest(
    queries: Mapping[str, str], others: Mapping[str, str], *, flipped: bool = False
) -> dict[str, Alike]:
    """Query -> the clip of `others`, if any, at the least distance from it; `one` is the query.

    `flipped` compares with the mirrored query. Crops are tried on the few likest without.
    """
    if not others:
        return {}
    names, found = sorted(others), {}
    prints = _prints(others, names)
    directions = direction(prints)
    for query in sorted(queries):
        own = print_of(queries[query])
        one = mirrored(own) if flipped else own
        likest = np.argsort(-(directions @ direction(one)), kind="stable")[:NEAREST_TRIED]
        apart, name = min((_distance(one, prints[j]), names[j]) for j in likest)
        found[query] = Alike(query, name, apart, flipped)
    return found


def copies(pairs: Sequence[Alike], better: Callable[[str], Any]) -> dict[str, Alike]:
    """Clip that goes -> why: the best clip of all is kept, then each that is no copy of a kept one.

    `better` orders the clips, the best first, without ties.
    """
    near: dict[str, list[Alike]] = {}
    for pair in pairs:
        for name in (pair.one, pair.other):
            near.setdefault(name, []).append(pair)
    dropped: dict[str, Alike] = {}
    kept: set[str] = set()
    for name in sorted(near, key=better):
        of_kept = [pair for pair in near[name] if pair.to(name) in kept]
        if of_kept:
            dropped[name] = min(of_kept, key=lambda pair: (pair.distance, pair.to(name)))
        else:
            kept.add(name)
    return dropped


def _prints(fingerprints: Mapping[str, str], names: Sequence[str]) -> NDArray[np.int8]:
    prints = np.empty((len(names), FRAMES, SIDE, SIDE), np.int8)
    for i, name in enumerate(names):
        prints[i] = print_of(fingerprints[name])
    return prints


def _worth_trying(prints: Print) -> Iterator[tuple[int, bool, NDArray[np.intp]]]:
    """Each clip, as it is and mirrored, with those that might show a crop of it."""
    blocks = [slice(start, start + BLOCK) for start in range(0, len(prints), BLOCK)]
    for block in blocks:
        for flipped in (False, True):
            these = direction(mirrored(prints[block]) if flipped else prints[block])
            alike = np.empty((len(prints), len(these)), np.float32)
            for other in blocks:
                alike[other] = direction(prints[other]) @ these.T
            for column, i in enumerate(range(len(prints))[block]):
                near = np.flatnonzero(alike[:, column] >= WORTH_TRYING)
                near = near[near != i]
                if len(near):
                    yield i, flipped, near


def _distance(one: Print, other: Print) -> float:
    """Whichever of the two is a crop of the other."""
    first = np.zeros(1, np.intp)
    ways = (_distances(a, b[None], first, -1.0)[1] for a, b in ((one, other), (other, one)))
    return round(min(float(way[0]) for way in ways), 4)


def _distances(
    one: Print, prints: Print, near: NDArray[np.intp], least: float = WORTH_COMPARING_MOTION
) -> tuple[NDArray[np.intp], Floats]:
    """Those of `near` whose pictures are `least` like some crop of `one`'s, and how far apart."""
    cut = crops(one)
    pictures = direction(prints[near]) @ direction(cut).T  # n w
    crop, alike = pictures.argmax(1), pictures.max(1)
    enough = alike >= least
    near, crop, alike = near[enough], crop[enough], alike[enough]
    others = prints[near]
    moves = (direction(motion(others)) * direction(motion(cut))[crop]).sum(1)
    still = np.array([motion_share(other) < STILL for other in others], bool)
    alone = still | (motion_share(one) < STILL)
    return near, np.where(alone, 1 - alike + STILL_COSTS, 1 - (alike + moves) / 2)
