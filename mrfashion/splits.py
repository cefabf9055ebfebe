"""Splits that share nothing: components of clips joined by any tie, dealt out whole."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from mrfashion.errors import ConfigError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitConfig:
    """Shares of the clips, the seed that deals the groups out, and what was dealt before."""

    train: float = 0.8
    val: float = 0.1
    test: float = 0.1
    seed: int = 0
    frozen: Path | None = None  # splits.parquet of an earlier build: its clips stay where they are

    def __post_init__(self) -> None:
        shares = (self.train, self.val, self.test)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ConfigError(f"splits: train, val and test are {shares}; they must sum to 1")


@dataclass(frozen=True, slots=True)
class Bridge:
    """A new clip that is tied to two splits, by way of these clips of theirs."""

    clip_id: str
    one: str
    other: str


@dataclass
class Growth:
    """New clips that ties draw into a frozen split, and those drawn into two."""

    joined: dict[str, str] = field(default_factory=dict)  # clip id -> split
    bridges: list[Bridge] = field(default_factory=list)


def split_groups(ties: Mapping[str, Iterable[Hashable]]) -> dict[str, str]:
    """Clip id -> its ties (source, product, garment, ...) => clip id -> split group.

    Clips with any tie in common, directly or through others, form one group; it is named after
    its first clip.
    """
    parent = {clip: clip for clip in ties}

    def root(clip: str) -> str:
        while parent[clip] != clip:
            parent[clip] = parent[parent[clip]]
            clip = parent[clip]
        return clip

    holder: dict[Hashable, str] = {}
    for clip in sorted(ties):
        for tie in ties[clip]:
            first, second = root(holder.setdefault(tie, clip)), root(clip)
            parent[max(first, second)] = min(first, second)
    return {clip: root(clip) for clip in ties}


def grow(ties: Mapping[str, Iterable[Hashable]], frozen: Mapping[str, str]) -> Growth:
    """Clip id -> its ties, frozen clip id -> its split => where ties draw the other clips.

    From the frozen clips outwards, a tie at a time, and by clip id among equals: the order in
    which clips are given says nothing. A bridge ties nothing: it will not be there.
    """
    growth, reach = Growth(), _reach(ties, frozen)
    left = sorted(set(ties) - set(frozen))
    while True:
        level = [clip for clip in left if any(reach[tie] for tie in ties[clip])]
        if not level:
            return growth
        for clip in level:
            drawn = {split: via for tie in ties[clip] for split, via in sorted(reach[tie].items())}
            if len(drawn) > 1:
                one, other = (drawn[split] for split in sorted(drawn)[:2])
                growth.bridges.append(Bridge(clip, one, other))
                continue
            ((split, via),) = drawn.items()
            growth.joined[clip] = split
            for tie in ties[clip]:
                reach[tie].setdefault(split, via)
        left = [clip for clip in left if clip not in set(level)]


def _reach(
    ties: Mapping[str, Iterable[Hashable]], frozen: Mapping[str, str]
) -> dict[Hashable, dict[str, str]]:
    """Tie -> the splits it leads into -> the first frozen clip of each."""
    reach: dict[Hashable, dict[str, str]] = defaultdict(dict)
    for clip in sorted(frozen):
        for tie in ties[clip]:
            reach[tie].setdefault(frozen[clip], clip)
    return reach


def assign(
    groups: Mapping[str, str],
    config: SplitConfig,
    strata: Mapping[str, Hashable] | None = None,
    given: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Clip id -> split group => split group -> split.

    Large groups come first, equal ones by a seeded hash, so that one group's place does not depend
    on how others are numbered. Of the splits with room for it each goes where most is missing of
    the share asked for of its clips' strata (clip id -> stratum). `given` groups stay.
    """
    strata = strata or {}
    members: dict[str, list[str]] = defaultdict(list)
    for clip in sorted(groups):
        members[groups[clip]].append(clip)
    shares = {split: getattr(config, split) for split in SPLITS if getattr(config, split) > 0}
    total = Counter(strata.get(clip) for clip in groups)
    have: dict[str, Counter[Hashable]] = {split: Counter() for split in SPLITS}
    assigned = {group: split for group, split in (given or {}).items() if group in members}
    for group, split in assigned.items():
        have[split].update(strata.get(clip) for clip in members[group])

    for group in sorted(set(members) - set(assigned), key=lambda g: _place(g, members, config)):
        clips = Counter(strata.get(clip) for clip in members[group])
        room = {split: share * len(groups) - have[split].total() for split, share in shares.items()}
        fits = [split for split in shares if clips.total() <= room[split] + 0.5]

        def missing(split: str, of: Counter[Hashable] = clips) -> float:
            """Share of what the split should hold of the group's strata that it lacks."""
            lacks = (n * (1 - have[split][s] / (shares[split] * total[s])) for s, n in of.items())
            return float(sum(lacks))

        split = max(fits, key=missing) if fits else max(shares, key=lambda s: room[s] / shares[s])
        assigned[group] = split
        have[split].update(clips)
    return assigned


def uneven(splits: Mapping[str, str], config: SplitConfig, within: float = 0.05) -> dict[str, int]:
    """Split -> its clips, of the splits that are farther than `within` from the share asked for.

    One clip more or less is never uneven.
    """
    sizes = Counter(splits.values())
    wanted = {split: getattr(config, split) * len(splits) for split in SPLITS}
    return {
        split: sizes[split]
        for split, want in wanted.items()
        if abs(sizes[split] - want) > max(1.0, within * want)
    }


def _place(group: str, members: Mapping[str, list[str]], config: SplitConfig) -> tuple[int, bytes]:
    draw = blake2b(f"{config.seed}/{group}".encode(), digest_size=8).digest()
    return -len(members[group]), draw
