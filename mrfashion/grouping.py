"""All clips at once: copies dropped, ties found, split groups dealt out to splits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mrfashion.appearance import packed_of
from mrfashion.duplicates import Alike, DuplicateConfig, copies, near_duplicates
from mrfashion.errors import InputRefused
from mrfashion.fingerprints import print_of
from mrfashion.garments import GarmentConfig, alike_garments, other_person
from mrfashion.splits import SPLITS, Bridge, SplitConfig, assign, grow, split_groups
from mrfashion.tables import SPLITS as SPLITS_TABLE
from mrfashion.tables import Placement, TieRow
from mrfashion.ties import (
    COPY,
    LOOK,
    Origin,
    Tie,
    crossing,
    measured_ties,
    shared_ties,
    through_copies,
    ties_of,
    without,
)

FROZEN = "frozen"  # kind of the tie that keeps an earlier build's groups together


@dataclass(frozen=True)
class Candidate:
    """A clip to place; `pixels` and `frames` say which of two copies is the better one."""

    origin: Origin
    pixels: int
    frames: int

    @property
    def clip_id(self) -> str:
        """Id of the clip."""
        return self.origin.clip_id


@dataclass(frozen=True)
class Grouped:
    """Where every clip goes: into a split, or out, and why."""

    deal: dict[str, tuple[str, str]]  # clip id -> split group, split
    copies: dict[str, Alike]  # clip id -> the better copy
    bridges: dict[str, Bridge]
    ties: tuple[TieRow, ...]


@dataclass(frozen=True)
class Looks:
    """What was seen of each clip; appearances are read when asked for: there may be many clips."""

    fingerprints: Mapping[str, str | None] = field(default_factory=dict)
    references: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # hold appearances
    frozen: Mapping[str, Placement] = field(default_factory=dict)

    def fingerprint(self, clip_id: str) -> str | None:
        """Of a clip of this build, else of the frozen one."""
        row = self.frozen.get(clip_id)
        return self.fingerprints.get(clip_id) or (row.fingerprint if row else None)

    def appearance(self, clip_id: str) -> str | None:
        """Of a clip of this build, else of the frozen one."""
        if clip_id in self.references:
            value: str = self.references[clip_id]["appearance"]
            return value
        row = self.frozen.get(clip_id)
        return row.appearance if row else None

    def agree(self, pair: Alike) -> bool:
        """Whether what is known of two clips' looks lets them be one footage."""
        one, other = self.appearance(pair.one), self.appearance(pair.other)
        return one is None or other is None or not other_person(pair, one, other)


class _Known(Mapping[str, str]):
    """What `get` knows of clips, asked anew each time; without those it knows nothing of."""

    def __init__(self, get: Callable[[str], str | None], clips: Iterable[str]) -> None:
        self._get = get
        self._clips = [clip for clip in clips if get(clip) is not None]

    def __getitem__(self, clip_id: str) -> str:
        value = self._get(clip_id)
        if value is None:
            raise KeyError(clip_id)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._clips)

    def __len__(self) -> int:
        return len(self._clips)


def read_frozen(path: Path | None) -> dict[str, Placement]:
    """Clip id -> its row of an earlier build's splits.parquet; nothing for None.

    InputRefused where a row holds what no build writes.
    """
    rows = [] if path is None else SPLITS_TABLE.read(path)
    for row in rows:
        if row.split not in SPLITS:
            raise InputRefused(
                f"{path}: clip {row.clip_id} is in split {row.split!r}; allowed: "
                f"{', '.join(SPLITS)}. Name the splits.parquet of an earlier build"
            )
        if row.fingerprint is not None:
            print_of(row.fingerprint)
        if row.appearance is not None:
            packed_of(row.appearance)
    return {row.clip_id: row for row in rows}


def group(
    clips: Sequence[Candidate],
    looks: Looks,
    splits: SplitConfig,
    duplicates: DuplicateConfig,
    garments: GarmentConfig,
) -> Grouped:
    """Place clips; those of an earlier build (`looks.frozen`) stay in their splits.

    Frozen clips that are not among `clips` draw theirs too, though they are not placed again.
    Raises InputRefused where two frozen clips of different splits are tied.
    """
    own = {clip.clip_id: clip for clip in clips}
    absent = [row for name, row in sorted(looks.frozen.items()) if name not in own]
    everyone = [*own, *(row.clip_id for row in absent)]
    alike = near_duplicates(_Known(looks.fingerprint, everyone), duplicates.distance)
    pairs = [pair for pair in alike if pair.distance <= duplicates.certain or looks.agree(pair)]
    gone = _copies(pairs, own, looks.frozen) if duplicates.keep == "better" else {}
    ties = [
        *shared_ties([*(clip.origin for clip in clips), *map(_origin, absent)]),
        *measured_ties(COPY, pairs, duplicates.distance),
        *_kept_together(looks.frozen),
    ]
    if garments.by_appearance:
        worn = alike_garments(_Known(looks.appearance, everyone), garments)
        ties += measured_ties(LOOK, worn, garments.distance)
    ties = without(ties, gone) + through_copies(ties, gone)
    left = [name for name in everyone if name not in gone]
    bridges = _bridges(left, ties, looks.frozen)
    ties = without(ties, bridges)
    left = [name for name in left if name not in bridges]
    deal = _deal(left, ties, own, looks.frozen, splits)
    held = {row.clip_id: row.split for row in absent} | {k: v[1] for k, v in deal.items()}
    assert not crossing(ties, held.__getitem__), "a tie is in two splits"
    rows = [row for tie in without(ties, {row.clip_id for row in absent}) for row in tie.rows()]
    return Grouped(
        deal={name: deal[name] for name in left if name in own},
        copies=gone,
        bridges=bridges,
        ties=tuple(row for row in rows if row.kind != FROZEN),
    )


def _copies(
    pairs: Sequence[Alike], own: Mapping[str, Candidate], frozen: Mapping[str, Placement]
) -> dict[str, Alike]:
    """Clips of this build that a better one of it makes superfluous; never a frozen one."""

    def better(name: str) -> tuple[bool, int, int, str]:
        return name not in frozen, -own[name].pixels, -own[name].frames, name

    among = [pair for pair in pairs if pair.one in own and pair.other in own]
    return {name: why for name, why in copies(among, better).items() if name not in frozen}


def _kept_together(frozen: Mapping[str, Placement]) -> list[Tie]:
    groups: dict[str, list[str]] = {}
    for name in sorted(frozen):
        groups.setdefault(frozen[name].split_group, []).append(name)
    return [Tie(FROZEN, tuple(names), name) for name, names in groups.items() if len(names) > 1]


def _origin(row: Placement) -> Origin:
    return Origin(row.clip_id, row.source_sha256, row.product_id, row.garment_group, ())


def _bridges(
    names: Sequence[str], ties: Sequence[Tie], frozen: Mapping[str, Placement]
) -> dict[str, Bridge]:
    held = {name: row.split for name, row in frozen.items()}
    wrong = crossing((tie for tie in without(ties, set(names) - set(held))), held.__getitem__)
    if wrong:
        tie = wrong[0]
        where = ", ".join(f"{name} ({held[name]})" for name in tie.members[:4])
        raise InputRefused(
            f"frozen splits: clips {where} are tied ({tie.kind} {tie.shared}), so a split leaks; "
            "leave one of their sources out, loosen the tie's threshold, or deal anew without "
            "[splits] frozen"
        )
    growth = grow(ties_of(names, ties), held)
    return {bridge.clip_id: bridge for bridge in growth.bridges}


def _deal(
    names: Sequence[str],
    ties: Sequence[Tie],
    own: Mapping[str, Candidate],
    frozen: Mapping[str, Placement],
    config: SplitConfig,
) -> dict[str, tuple[str, str]]:
    """Clip id -> its group and split; a group with frozen clips keeps their name and split."""
    groups = split_groups(ties_of(names, ties))
    renamed: dict[str, str] = {}
    given: dict[str, str] = {}
    for name in sorted(frozen, key=lambda name: frozen[name].split_group):
        new = renamed.setdefault(groups[name], frozen[name].split_group)
        given[new] = frozen[name].split
    placed = {name: renamed.get(groups[name], groups[name]) for name in names if name in own}
    strata = {name: len(own[name].origin.views) for name in placed}
    splits = assign(placed, config, strata, given)
    return {name: (group, splits[group]) for name, group in placed.items()}
