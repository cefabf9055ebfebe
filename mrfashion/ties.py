"""What ties clips to each other, so that they must not stand in two splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mrfashion.duplicates import Alike
from mrfashion.tables import TieRow

SOURCE, PRODUCT, GARMENT = "source", "product", "garment group"
COPY, LOOK = "near-duplicate", "appearance"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a clip comes from, and which views it shows."""

    clip_id: str
    source_sha256: str
    product_id: str | None
    garment_group: str
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tie:
    """Two clips or more that have something in common."""

    kind: str
    members: tuple[str, ...]  # clip ids, in order
    shared: str = ""  # the source's hash, product or group; a copy that was dropped
    distance: float | None = None
    threshold: float | None = None
    mirrored: bool | None = None

    def rows(self) -> Iterator[TieRow]:
        """The edges that tie the members: each to the next."""
        for one, other in pairwise(self.members):
            yield TieRow(
                self.kind, one, other, self.shared, self.distance, self.threshold, self.mirrored
            )


def shared_ties(origins: Iterable[Origin]) -> list[Tie]:
    """Ties of clips of the same source, product or garment group."""
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for origin in origins:
        holders[SOURCE, origin.source_sha256].append(origin.clip_id)
        holders[GARMENT, origin.garment_group].append(origin.clip_id)
        if origin.product_id:
            holders[PRODUCT, origin.product_id].append(origin.clip_id)
    return [
        Tie(kind, tuple(sorted(clips)), shared)
        for (kind, shared), clips in sorted(holders.items())
        if len(clips) > 1
    ]


def measured_ties(kind: str, pairs: Iterable[Alike], threshold: float) -> list[Tie]:
    """Ties of clips that were measured to be alike."""
    return [
        Tie(kind, (pair.one, pair.other), "", pair.distance, threshold, pair.mirrored)
        for pair in pairs
    ]


def without(ties: Iterable[Tie], gone: Collection[str]) -> list[Tie]:
    """The same among the clips that stay."""
    left = (replace(tie, members=tuple(c for c in tie.members if c not in gone)) for tie in ties)
    return [tie for tie in left if len(tie.members) > 1]


def through_copies(ties: Iterable[Tie], gone: Collection[str]) -> list[Tie]:
    """Ties among clips that stay, each a near-duplicate of the same dropped one."""
    near: dict[str, set[str]] = defaultdict(set)
    for tie in ties:
        for copy in tie.members:
            if tie.kind == COPY and copy in gone:
                near[copy].update(clip for clip in tie.members if clip not in gone)
    return [
        Tie(COPY, tuple(sorted(clips)), copy)
        for copy, clips in sorted(near.items())
        if len(clips) > 1
    ]


def ties_of(clips: Iterable[str], ties: Sequence[Tie]) -> dict[str, list[int]]:
    """Clip id => places of its ties."""
    held: dict[str, list[int]] = {clip: [] for clip in clips}
    for place, tie in enumerate(ties):
        for clip in tie.members:
            held[clip].append(place)
    return held


def crossing(ties: Iterable[Tie], split_of: Callable[[str], str]) -> list[Tie]:
    """Ties whose clips are in two splits."""
    return [tie for tie in ties if len({split_of(clip) for clip in tie.members}) > 1]
