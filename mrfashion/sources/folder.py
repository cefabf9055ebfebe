"""A folder of videos; an optional `metadata.csv` (as in the Hub's folders) says whose they are."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mrfashion.artefacts import inside, within
from mrfashion.errors import InputRefused, UnsafePath
from mrfashion.media import VIDEO_SUFFIXES
from mrfashion.poses.sidecar import SUFFIX as SIDECAR_SUFFIX
from mrfashion.poses.sidecar import sidecar_path
from mrfashion.progress import Progress
from mrfashion.scale import WHOLE, Shard
from mrfashion.sources.notes import plain_text
from mrfashion.sources.source import UNKNOWN_LICENCE, Source
from mrfashion.tables import Reject

METADATA = "metadata.csv"
COLUMNS = ("file_name", "licence", "source_url", "terms", "product_id", "garment_group")


@dataclass(frozen=True)
class FolderSource:
    """All videos below a folder, or one video file; other files are rejected by name."""

    path: Path

    def read(
        self, out: Path, progress: Progress[object], shard: Shard = WHOLE
    ) -> Iterator[Source | Reject]:
        """Yield videos in the order of their names; nothing is copied."""
        root, files = self._files()
        notes = _metadata(root, {file.relative_to(root).as_posix() for file in files})
        folder = plain_text(root.resolve().name)
        for file in files:
            name = file.relative_to(root).as_posix()
            source_id = f"{folder}/{plain_text(name)}"
            if not shard.holds(source_id):
                continue
            if why := _refused(root, file):
                yield _rejected(source_id, *why)
            else:
                yield _source(source_id, file, notes.get(name, {}))

    def _files(self) -> tuple[Path, list[Path]]:
        if self.path.is_file():
            if self.path.suffix.lower() not in VIDEO_SUFFIXES:
                raise InputRefused(
                    f"{self.path} is not a video by its name: got {self.path.suffix!r}; "
                    f"allowed: {', '.join(VIDEO_SUFFIXES)}"
                )
            return self.path.parent, [self.path]
        if not self.path.is_dir():
            raise InputRefused(f"{self.path} does not exist; name a folder of videos, or one video")
        found = self.path.rglob("*")
        files = sorted(path for path in found if path.is_symlink() or not path.is_dir())
        return self.path, [path for path in files if not _companion(path, self.path)]


def _companion(path: Path, root: Path) -> bool:
    """Hidden files, sidecars and the metadata table stand beside videos; they are no inputs."""
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return hidden or path.name.endswith(SIDECAR_SUFFIX) or path == root / METADATA


def _refused(root: Path, file: Path) -> tuple[str, str] | None:
    """Why a file is no video to curate, and what it is."""
    name = file.relative_to(root).as_posix()
    if plain_text(name) != name:
        return "name is not UTF-8", "or too long; rename it"
    if not within(root, file):
        return "links out of its folder", ""
    if not within(root, sidecar_path(file)):
        return "links out of its folder", "its sidecar does"
    if not file.is_file():
        return "not a file", "a link to a folder or to nothing, a pipe or the like"
    if file.suffix.lower() not in VIDEO_SUFFIXES:
        return "not a video", f"got {file.suffix!r}; allowed: {', '.join(VIDEO_SUFFIXES)}"
    return None


def _rejected(source_id: str, reason: str, detail: str) -> Reject:
    return Reject(source_id, source_id, "sources", reason, None, None, detail)


def _source(source_id: str, path: Path, note: dict[str, str]) -> Source:
    return Source(
        source_id=source_id,
        path=path,
        licence=note.get("licence") or UNKNOWN_LICENCE,
        url=note.get("source_url") or None,
        terms=note.get("terms") or None,
        product_id=note.get("product_id") or None,
        garment_group=note.get("garment_group") or None,
    )


def _metadata(root: Path, known: set[str]) -> dict[str, dict[str, str]]:
    path = root / METADATA
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputRefused(f"{path} is no UTF-8 CSV table: {error}") from None
    for number, row in enumerate(rows, 2):
        unknown = [column for column in row if column not in COLUMNS]
        if unknown or not row.get("file_name"):
            raise InputRefused(
                f"{path}: line {number}: got columns {', '.join(map(str, row))}; "
                f"needed: file_name, allowed beside it: {', '.join(COLUMNS[1:])}"
            )
        if row["file_name"] not in known:
            _require_inside(root, row["file_name"], f"{path}: line {number}")
            raise InputRefused(f"{path}: line {number}: {row['file_name']!r} is not in the folder")
    return {row["file_name"]: row for row in rows}


def _require_inside(root: Path, name: str, where: str) -> None:
    try:
        inside(root, name)
    except UnsafePath as error:
        raise UnsafePath(f"{where}: {error}") from None
