"""A list of videos on the web, with whose they are: `mrfashion curate url_list:PATH`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mrfashion.artefacts import content_hash
from mrfashion.errors import ItemError
from mrfashion.progress import Progress
from mrfashion.scale import WHOLE, Shard
from mrfashion.sources.source import UNKNOWN_LICENCE, Source, failed
from mrfashion.sources.web.meter import Meter
from mrfashion.sources.web.rows import BadRow, Columns, Row, read_rows, unique
from mrfashion.sources.web.settings import WebConfig
from mrfashion.sources.web.store import Download, Downloads, Wanted
from mrfashion.sources.web.whole import video_suffix
from mrfashion.sources.web.ytdlp import Fetched, YtDlp
from mrfashion.tables import Failure, Reject

COLUMNS = Columns(
    needed=("url",),
    allowed=("id", "licence", "terms", "product_id", "garment_group", "title"),
)
STATED = "licence as its page states it"


@dataclass(frozen=True)
class UrlList:
    """Media addresses and pages with one video each, by way of yt-dlp."""

    path: Path
    web: WebConfig

    def read(
        self, out: Path, progress: Progress[object], shard: Shard = WHOLE
    ) -> Iterator[Source | Reject | Failure]:
        """Yield the videos of a list in its order; what is on the disk is not fetched again."""
        rows = list(unique(list(unique(list(read_rows(self.path, COLUMNS)), "id")), "url"))
        downloads = Downloads(out / "web", self.web, shard)
        yield from download_videos(self.path.stem, rows, downloads, progress)


def download_videos(
    name: str, rows: list[Row | BadRow], downloads: Downloads, progress: Progress[object]
) -> Iterator[Source | Reject | Failure]:
    """Yield what becomes of each row of the list `name`."""
    listed: Iterable[object] = progress(rows, f"download {name}", len(rows))
    wanted = wanted_video(downloads.config)
    for row in listed:
        if isinstance(row, BadRow):
            yield bad_row(name, row)
        elif isinstance(row, Row):
            source_id = f"{name}/{row.cells.get('id') or content_hash(row.cells['url'])[:16]}"
            if not downloads.shard.holds(source_id):
                continue
            if source_id in downloads.taken_down:
                yield taken_down(source_id)
                continue
            try:
                yield _source(source_id, row.cells, downloads.get(row.cells["url"], wanted))
            except ItemError as error:
                yield failed(source_id, error)


def bad_row(name: str, row: BadRow) -> Reject:
    """The reject of a row that cannot be used."""
    row_id = f"{name}/row-{row.number}"
    return Reject(row_id, row_id, "sources", "bad row", None, None, f"row {row.number}: {row.why}")


def taken_down(source_id: str) -> Reject:
    """The reject of what was taken down: it is not even asked for."""
    return Reject(source_id, source_id, "takedown", "taken down", None, None, "")


def wanted_video(config: WebConfig) -> Wanted:
    """The one video of a page, or at a media address, in the size asked for."""
    return Wanted("video", config.short_side_px, config.most_bytes, _fetch, video_suffix)


def _fetch(yt_dlp: YtDlp, url: str, path: Path, meter: Meter) -> Fetched:
    return yt_dlp.video(url, path, meter)


def _source(source_id: str, cells: dict[str, str], download: Download) -> Source:
    stated = download.info.get("license")
    licence = cells.get("licence") or stated or UNKNOWN_LICENCE
    terms = cells.get("terms") or (STATED if stated and "licence" not in cells else None)
    return Source(
        source_id=source_id,
        path=download.path,
        licence=str(licence),
        url=cells["url"],
        terms=terms,
        product_id=cells.get("product_id"),
        garment_group=cells.get("garment_group") or cells.get("product_id"),
    )
