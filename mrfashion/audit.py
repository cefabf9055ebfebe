"""Does anything of the train split stand in the others? `mrfashion audit DATASET --out SITE`.

Every clip of val and test is held against all of train by each signal anew, whatever the build
found: a tie that it missed, or that a hand made later, comes out here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mrfashion.config import from_dict
from mrfashion.duplicates import Alike, DuplicateConfig, nearest
from mrfashion.errors import InputRefused
from mrfashion.garments import GarmentConfig, nearest_garments
from mrfashion.manifest import Dataset
from mrfashion.tables import SPLITS, TIES, Placement

PICTURES, MIRROR, LOOK = "pictures", "mirrored pictures", "appearance"
GLIMPSE = "appearance, little of it shared"  # too little to tie clips by, but worth a look
GLIMPSE_DEG = 45.0
SIGNALS = (PICTURES, MIRROR, LOOK, GLIMPSE)
KEYS = {
    "source": "source_sha256",
    "product": "product_id",
    "garment group": "garment_group",
    "split group": "split_group",
}
TRAIN = "train"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The nearest clip of train to one of another split, by one signal."""

    signal: str
    clip_id: str
    distance: float
    threshold: float  # up to which clips are tied; 0: they are only shown

    @property
    def tied(self) -> bool:
        """Whether the two must not stand in two splits."""
        return self.signal != GLIMPSE and self.distance <= self.threshold

    @property
    def nearness(self) -> float:
        """1 at the threshold, more beyond it: comparable between signals."""
        return self.distance / self.threshold if self.threshold else float("inf")


@dataclass(frozen=True, slots=True)
class Checked:
    """A clip of val or test with its neighbours in train, one a signal where there is any."""

    clip_id: str
    split: str
    split_group: str
    neighbours: tuple[Neighbour, ...]

    @property
    def nearness(self) -> float:
        """Of its nearest neighbour."""
        return min((n.nearness for n in self.neighbours), default=float("inf"))


@dataclass(frozen=True, slots=True)
class Leak:
    """Two splits that hold what must be in one."""

    kind: str
    what: str
    splits: tuple[str, ...]
    clips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found; the splits may be used where `leaks` is empty."""

    clips: dict[str, int]  # by split
    groups: int
    largest_group: int  # clips in it
    ties: dict[str, int]  # edges by kind
    checked: tuple[Checked, ...]  # the nearest to train first
    leaks: tuple[Leak, ...]


def audit(dataset: Dataset) -> Audit:
    """Check the splits of a dataset. InputRefused where its tables are not whole."""
    rows = {row.clip_id: row for row in SPLITS.read(dataset.root / "splits.parquet")}
    ties = TIES.read(dataset.root / "ties.parquet")
    checked = _checked(dataset.root, rows)
    sizes: dict[str, int] = defaultdict(int)
    for row in rows.values():
        sizes[row.split_group] += 1
    found = [*_shared(rows.values()), *_near(checked)]
    for tie in ties:
        if not {tie.one, tie.other} <= rows.keys():
            raise InputRefused(
                f"{dataset.root}: ties.parquet names clips {tie.one} and {tie.other}; "
                "splits.parquet has not both. Run curate again"
            )
        splits = {rows[name].split for name in (tie.one, tie.other)}
        if len(splits) > 1:
            found.append(Leak(tie.kind, "ties.parquet", _sorted(splits), (tie.one, tie.other)))
    return Audit(
        clips=_counts([row.split for row in rows.values()]),
        groups=len(sizes),
        largest_group=max(sizes.values(), default=0),
        ties=_counts([tie.kind for tie in ties]),
        checked=tuple(sorted(checked, key=lambda clip: (clip.nearness, clip.clip_id))),
        leaks=tuple(found),
    )


def just_beyond(checked: Sequence[Checked], signal: str) -> list[tuple[Checked, Neighbour]]:
    """Pairs across splits that a signal does not tie, the nearest to its threshold first."""
    pairs = [(clip, n) for clip in checked for n in clip.neighbours if n.signal == signal]
    return sorted(
        ((clip, n) for clip, n in pairs if not n.tied), key=lambda p: (p[1].distance, p[0].clip_id)
    )


def _checked(root: Path, rows: Mapping[str, Placement]) -> list[Checked]:
    duplicates = _settings(root, "duplicates", DuplicateConfig())
    garments = _settings(root, "garments", GarmentConfig())
    train = {name: row for name, row in rows.items() if row.split == TRAIN}
    others = {name: row for name, row in rows.items() if row.split != TRAIN}
    prints = [_known(these, "fingerprint") for these in (others, train)]
    looks = [_known(these, "appearance") for these in (others, train)]
    glimpse = replace(garments, least_deg=min(GLIMPSE_DEG, garments.least_deg))
    most_look = garments.distance if garments.by_appearance else 0.0  # only shown, then
    found = (
        (PICTURES, nearest(prints[0], prints[1], flipped=False), duplicates.distance),
        (MIRROR, nearest(prints[0], prints[1], flipped=True), duplicates.distance),
        (LOOK, nearest_garments(looks[0], looks[1], garments), most_look),
        (GLIMPSE, nearest_garments(looks[0], looks[1], glimpse), 0.0),
    )
    return [
        Checked(name, row.split, row.split_group, tuple(_neighbours(name, found)))
        for name, row in others.items()
    ]


def _neighbours(
    name: str, found: Sequence[tuple[str, Mapping[str, Alike], float]]
) -> Iterator[Neighbour]:
    for signal, near, threshold in found:
        if name in near:
            yield Neighbour(signal, near[name].other, near[name].distance, threshold)


def _known(rows: Mapping[str, Placement], column: str) -> dict[str, str]:
    found = {name: getattr(row, column) for name, row in rows.items()}
    return {name: value for name, value in found.items() if value is not None}


def _settings(root: Path, table: str, default: T) -> T:
    """What the build was told, or the default for a dataset that was not made by `curate`."""
    path = root / "config.json"
    if not path.is_file():
        return default
    values = json.loads(path.read_text(encoding="utf-8")).get(table)
    return default if values is None else from_dict(type(default), values, str(path))


def _shared(rows: Iterable[Placement]) -> Iterator[Leak]:
    """Sources, products and groups that are in several splits."""
    holders: dict[tuple[str, str], list[Placement]] = defaultdict(list)
    for row in rows:
        for kind, column in KEYS.items():
            if value := getattr(row, column):
                holders[kind, value].append(row)
    for (kind, value), found in sorted(holders.items()):
        splits = {row.split for row in found}
        if len(splits) > 1:
            yield Leak(kind, value, _sorted(splits), _sorted(row.clip_id for row in found))


def _near(checked: Sequence[Checked]) -> Iterator[Leak]:
    for clip in checked:
        for n in clip.neighbours:
            if n.tied:
                what = f"{n.distance:.3f} apart, tied up to {n.threshold:g}"
                yield Leak(n.signal, what, (TRAIN, clip.split), (n.clip_id, clip.clip_id))


def _counts(values: Sequence[str]) -> dict[str, int]:
    return {value: values.count(value) for value in sorted(set(values))}


def _sorted(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(values))
