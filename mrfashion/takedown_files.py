"""Which files of a dataset have something of a source in them, and what is left without it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mrfashion.artefacts import sha256_file
from mrfashion.errors import ItemError
from mrfashion.media import VIDEO_SUFFIXES, decode
from mrfashion.schema import Table
from mrfashion.traces import Traces, texts_of

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
OPAQUE = (*VIDEO_SUFFIXES, *PICTURES)  # known by their names and hashes
MOST_TEXT = 1 << 20  # of a text in an archive


def files_of(root: Path) -> list[Path]:
    """Every file of a dataset, but what holds its lock."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".lock")


def source_files(root: Path, digests: set[str]) -> dict[str, list[str]]:
    """Hash => videos below sources/ that have it, and what lies beside them by their name."""
    found: dict[str, list[str]] = {}
    for video in files_of(root / "sources"):
        if video.suffix.lower() in VIDEO_SUFFIXES and (digest := sha256_file(video)) in digests:
            beside = (p for p in video.parent.glob("*") if p.name.startswith(f"{video.stem}."))
            found.setdefault(digest, []).extend(p.relative_to(root).as_posix() for p in beside)
    return found


def stills_of(root: Path, videos: Iterable[str]) -> list[str]:
    """Downloaded pictures that are frames of these videos of pictures, to the last pixel."""
    from mrfashion.sources.web.still import read_still

    paths = [root / video for video in videos if Path(video).suffix in VIDEO_SUFFIXES]
    frames = {_pixels(f.image) for path in paths if path.is_file() for f in decode(path)}
    found = []
    for path in files_of(root / "sources") if frames else ():
        if path.suffix.lower() in PICTURES:
            try:
                same = _pixels(read_still(path)) in frames
            except ItemError:
                continue  # no picture, and so no frame
            found += [path.relative_to(root).as_posix()] if same else []
    return found


def _pixels(image: Any) -> bytes:
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).digest()


def names_one(path: Path, traces: Traces) -> bool:
    """Whether the text of a file names one; what is no text is known by its name and hash."""
    return path.suffix.lower() not in (*OPAQUE, ".parquet", ".npz") and _in_bytes(path, traces)


def cleaned(path: Path, traces: Traces) -> bytes | None:
    """What a file that names one is to hold instead; None where it cannot be mended: a page."""
    if path.suffix == ".jsonl":
        lines = path.read_bytes().splitlines(keepends=True)
        return b"".join(line for line in lines if not traces.in_text(_text(line)))
    if path.suffix == ".json":
        return (
            json.dumps(
                traces.json(json.loads(path.read_bytes())), sort_keys=True, indent=2
            ).encode()
            + b"\n"
        )
    return None


def left_over(path: Path, name: str, traces: Traces, table: Table[Any] | None) -> bool:
    """Whether a file has anything of the sources: in its name, its bytes or its texts."""
    if traces.in_text(name) or sha256_file(path) in traces.names:
        return True
    if table is not None:
        file = table.open(path)
        texts = (text for row in file for text in texts_of(row))
        return any(map(traces.in_text, texts)) or traces.in_text(json.dumps(file.header))
    if path.suffix.lower() in OPAQUE:
        return False
    if path.suffix == ".npz":
        return any(map(traces.in_text, _texts_in_archive(path)))
    if path.suffix == ".parquet":
        return any(map(traces.in_text, _texts_in_parquet(path)))
    return _in_bytes(path, traces)


def _in_bytes(path: Path, traces: Traces) -> bool:
    return traces.in_text(_text(path.read_bytes()))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _texts_in_archive(path: Path) -> Iterator[str]:
    """Names and short texts of a .npz; one that cannot be read has none that anybody could."""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                yield member.filename
                if not member.filename.endswith(".npy") and member.file_size <= MOST_TEXT:
                    yield _text(archive.read(member))
    except zipfile.BadZipFile:
        return


def _texts_in_parquet(path: Path) -> Iterator[str]:
    """A Parquet file of somebody else's, as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError):
        return
    for group in range(file.num_row_groups):
        yield from map(str, file.read_row_group(group).to_pylist())
