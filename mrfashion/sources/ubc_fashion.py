"""The UBC Fashion videos from the lists their authors publish: `ubc_fashion:PATH`.

The lists are the user's to get (fashion_train.txt and fashion_test.txt of the page below, one
address a line); none comes with this program. Source: P. Zablotskaia et al., "DwNet: Dense
warp-based network for pose-guided human video generation", BMVC 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from mrfashion.errors import InputRefused
from mrfashion.progress import Progress
from mrfashion.scale import WHOLE, Shard
from mrfashion.sources.source import Source
from mrfashion.sources.url_list import download_videos
from mrfashion.sources.web.rows import LONGEST_ID, BadRow, Row, unique
from mrfashion.sources.web.settings import WebConfig
from mrfashion.sources.web.store import Downloads
from mrfashion.tables import Failure, Reject

NAME = "ubc_fashion"
LISTS = {"train": "fashion_train.txt", "test": "fashion_test.txt"}
LICENCE = "CC-BY-NC-4.0"
TERMS = "UBC Fashion, https://vision.cs.ubc.ca/datasets/fashion/; published split: "
MOST_BYTES = 16 << 20  # of a list; the published ones have 600 lines together


@dataclass(frozen=True)
class UbcFashion:
    """The published lists in a folder, or one of them; the split is kept in ids and terms."""

    path: Path
    web: WebConfig

    def read(
        self, out: Path, progress: Progress[object], shard: Shard = WHOLE
    ) -> Iterator[Source | Reject | Failure]:
        """Yield the videos of the train list, then of the test list."""
        downloads = Downloads(out / "web", self.web, shard)
        seen: set[str] = set()
        for split, path in self._lists().items():
            rows = list(unique(list(unique(_rows(split, path), "id")), "url"))
            rows = [_elsewhere(row, seen) for row in rows]
            seen |= {row.cells["url"] for row in rows if isinstance(row, Row)}
            yield from download_videos(f"{NAME}/{split}", rows, downloads, progress)

    def _lists(self) -> dict[str, Path]:
        beside = self.path if self.path.is_dir() else self.path.parent
        found = {split: beside / name for split, name in LISTS.items()}
        if not self.path.is_dir():
            found = {split: path for split, path in found.items() if path == self.path}
        found = {split: path for split, path in found.items() if path.is_file()}
        if not found:
            raise InputRefused(
                f"{self.path} is no list of UBC Fashion; needed: {' or '.join(LISTS.values())}, "
                "or a folder that holds them, from the dataset's page"
            )
        return found


def _rows(split: str, path: Path) -> list[Row | BadRow]:
    if path.stat().st_size > MOST_BYTES:
        raise InputRefused(f"{path} is longer than {MOST_BYTES} bytes; it is none of theirs")
    rows: list[Row | BadRow] = []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        url = line.strip()
        if not url:
            continue
        if name := _file_name(url):
            cells = {"url": url, "id": name, "licence": LICENCE, "terms": TERMS + split}
            rows.append(Row(number, cells))
        else:
            rows.append(BadRow(number, "no address of a file"))
    return rows


def _file_name(url: str) -> str:
    """The last part of an address; empty where it has none that could be a name."""
    try:
        name = PurePosixPath(urlsplit(url).path).name
    except ValueError:
        return ""
    return "" if name == ".." or not url.isprintable() or len(name) > LONGEST_ID else name


def _elsewhere(row: Row | BadRow, seen: set[str]) -> Row | BadRow:
    """A video of the train list is none of the test list."""
    if isinstance(row, Row) and row.cells["url"] in seen:
        return BadRow(row.number, f"also in {LISTS['train']}")
    return row
