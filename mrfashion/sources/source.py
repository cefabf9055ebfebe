"""What a source yields: one video each, with where it comes from, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mrfashion.errors import ItemError, without_places
from mrfashion.progress import Progress
from mrfashion.scale import WHOLE, Shard
from mrfashion.tables import Failure, Reject

UNKNOWN_LICENCE = "unknown"


@dataclass(frozen=True)
class Source:
    """One video to curate, or a video of pictures, one a frame, that are lent as references."""

    source_id: str  # unique in the dataset, without absolute paths
    path: Path
    licence: str = UNKNOWN_LICENCE
    url: str | None = None
    terms: str | None = None
    product_id: str | None = None
    garment_group: str | None = None  # None: the video is its own group
    stills: tuple[str | None, ...] | None = None  # of pictures: the view each is said to show


class SourceReader(Protocol):
    """One kind of source; implementations inherit nothing."""

    def read(
        self, out: Path, progress: Progress[object], shard: Shard = WHOLE
    ) -> Iterator[Source | Reject | Failure]:
        """Yield the videos, in a stable order, and what is none, with the reason.

        A Reject is no video by a rule; a Failure is one that could not be had (`failed`). What a
        source makes or downloads goes below `out`, which it has to itself; of a shard only that
        share, while other processes make theirs.
        """
        ...


def failed(source_id: str, error: ItemError) -> Failure:
    """The row of a video that could not be had; its text names no place of this machine."""
    text = without_places(error.text)
    return Failure(source_id, source_id, "sources", error.code, error.retryable, text)
