"""One dataset built by several processes, on one machine or on many: `curate --shard 3/16`.

Each shard does its share of the work on single sources, with journals of its own, in the one
folder that all share. A last run without a shard finds the work done and writes the tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from mrfashion.artefacts import Journal, folder_lock
from mrfashion.errors import ConfigError

MOST = 9999


@dataclass(frozen=True, slots=True)
class Shard:
    """The share `number` (from 1) of `of`."""

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of <= MOST:
            raise ConfigError(
                f"shard is {self.number}/{self.of}; allowed: 1/N to N/N, N up to {MOST}"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @property
    def whole(self) -> bool:
        """Whether it is all there is."""
        return self.of == 1

    @property
    def name(self) -> str:
        """Unique among the shards of a dataset, however many it is cut into."""
        return f"{self.number:04d}-of-{self.of:04d}"

    def holds(self, item_id: str) -> bool:
        """Whether an item is in this share: its id alone decides, whatever else there is."""
        digest = blake2b(item_id.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.of == self.number - 1


WHOLE = Shard()


def read_shard(text: str | None) -> Shard:
    """`3/16` => the third share of sixteen; None => all; ConfigError otherwise."""
    if text is None:
        return WHOLE
    if not (match := re.fullmatch(r"(\d{1,5})/(\d{1,5})", text, re.ASCII)):
        raise ConfigError(f"shard is {text!r}; allowed: i/N, as in 3/16")
    return Shard(*map(int, match.groups()))


def own_folder(root: Path, shard: Shard) -> Path:
    """Where a run keeps its log and its settings."""
    return root if shard.whole else root / "shards" / shard.name


@contextmanager
def held(root: Path, shard: Shard) -> Iterator[None]:
    """Hold a dataset's folder for a run; InputRefused where another run is in its way."""
    if shard.whole:
        with folder_lock(root):
            yield
    else:
        with folder_lock(root, shared=True), folder_lock(own_folder(root, shard)):
            yield


def open_journal(folder: Path, name: str, shard: Shard) -> Journal:
    """The journal `name` of this shard, which knows what the others have written until now."""
    whole, parts = folder / f"{name}.jsonl", f"{name}.[0-9]*-of-[0-9]*.jsonl"
    own = whole if shard.whole else folder / f"{name}.{shard.name}.jsonl"
    return Journal(own, sorted({whole, *folder.glob(parts)} - {own}))
