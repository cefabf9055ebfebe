"""Splits that share nothing: components of clips joined by any tie, dealt out whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from mrfashion.errors import ConfigError

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class SplitConfig:
    """Shares of the clips, and the seed that deals the groups out."""

    train: float = 0.8
    val: float = 0.1
    test: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.train, self.val, self.test)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ConfigError(f"splits: train, val and test are {shares}; they must sum to 1")


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


def assign(groups: Mapping[str, str], config: SplitConfig) -> dict[str, str]:
    """Clip id -> split group => split group -> split.

    Groups are ordered by a seeded hash, so one group's place does not depend on how others are
    numbered, and each goes where the most clips are still missing from the share asked for.
    """
    sizes: dict[str, int] = defaultdict(int)
    for group in groups.values():
        sizes[group] += 1
    want = {split: getattr(config, split) * len(groups) for split in SPLITS}
    have = dict.fromkeys(SPLITS, 0)
    assigned = {}
    for group in sorted(sizes, key=lambda name: _draw(name, config.seed)):
        open_splits = [split for split in SPLITS if want[split] > 0]
        split = max(open_splits, key=lambda name: (want[name] - have[name]) / want[name])
        assigned[group] = split
        have[split] += sizes[group]
    return assigned


def _draw(group: str, seed: int) -> bytes:
    return blake2b(f"{seed}/{group}".encode(), digest_size=8).digest()
