"""Sources that were taken down and must not come back: what takedown.jsonl says of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mrfashion.artefacts import Journal

TOMBSTONES = "takedown.jsonl"


@dataclass(frozen=True)
class Tombstones:
    """Ids of sources, hashes of their videos and clips, and the clips' ids."""

    ids: frozenset[str] = frozenset()
    sha256: frozenset[str] = frozenset()
    clip_ids: frozenset[str] = frozenset()
    unfinished: tuple[str, ...] = ()  # ids of sources of which something may be left


def read_tombstones(root: Path) -> Tombstones:
    """What a dataset's record says; nothing where it has none."""
    path = root / TOMBSTONES
    if not path.is_file():
        return Tombstones()
    rows = Journal(path).rows()
    return Tombstones(
        ids=frozenset(row["key"] for row in rows),
        sha256=frozenset(digest for row in rows for digest in row["sha256"]),
        clip_ids=frozenset(name for row in rows for name in row["clip_ids"]),
        unfinished=tuple(row["key"] for row in rows if row["status"] != "ok"),
    )


def remove_made(root: Path, video: Path) -> None:
    """Remove a video that its source made or fetched again below sources/, with its sidecar."""
    if video.resolve().is_relative_to((root / "sources").resolve()):
        for path in video.parent.glob("*"):
            if path.name.startswith(f"{video.stem}."):
                path.unlink()
