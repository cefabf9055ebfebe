"""Pictures of product pages as references: `mrfashion curate product_pages:PATH`.

A list has a row a picture. Pictures of one product and one size become one source of stills: a
lossless video of them, one a second, whose frames are lent as references and never asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mrfashion.artefacts import content_hash, inside, sha256_file
from mrfashion.errors import ItemError, UnsafePath
from mrfashion.media import write_lossless
from mrfashion.progress import Progress
from mrfashion.scale import WHOLE, Shard
from mrfashion.sources.source import UNKNOWN_LICENCE, Source, failed
from mrfashion.sources.url_list import bad_row, taken_down
from mrfashion.sources.web.meter import Meter
from mrfashion.sources.web.refusal import Refusal
from mrfashion.sources.web.rows import BadRow, Columns, Row, read_rows
from mrfashion.sources.web.settings import WebConfig
from mrfashion.sources.web.still import read_still, still_suffix
from mrfashion.sources.web.store import Downloads, Wanted
from mrfashion.sources.web.ytdlp import Fetched, YtDlp
from mrfashion.tables import Failure, Reject
from mrfashion.views import VIEWS

VERSION = 1  # of how pictures become a video
FPS = 1.0  # pictures have no time; what judges time must not see them as motion
COMMON = ("licence", "terms", "garment_group", "url")  # of all pictures of a product
COLUMNS = Columns(needed=("product_id", "picture"), allowed=("view", "title", *COMMON))


@dataclass(frozen=True)
class Picture:
    """A picture that is here, and whole."""

    path: Path
    sha256: str
    size: tuple[int, int]  # h w
    view: str | None  # what its list says it shows


@dataclass(frozen=True)
class ProductPages:
    """Pictures by address, or by path below the list's folder."""

    path: Path
    web: WebConfig

    def read(
        self, out: Path, progress: Progress[object], shard: Shard = WHOLE
    ) -> Iterator[Source | Reject | Failure]:
        """Yield a source of stills a product and size, in the order of the list."""
        products: dict[str, list[Row]] = defaultdict(list)
        for row in read_rows(self.path, COLUMNS):
            checked = _checked(row, products)
            if isinstance(checked, Row):
                products[checked.cells["product_id"]].append(checked)
            else:
                yield bad_row(self.path.stem, checked)
        downloads = Downloads(out / "web", self.web, shard)
        mine = [product for product in products if shard.holds(product)]
        listed: Iterable[object] = progress(mine, "pictures", len(mine))
        for product in listed:
            name = f"{self.path.stem}/{product}"
            if any(gone.startswith(f"{name}/") for gone in downloads.taken_down):
                yield taken_down(name)
            else:
                yield from self._product(products[str(product)], out / "products", downloads)

    def _product(
        self, rows: list[Row], folder: Path, downloads: Downloads
    ) -> Iterator[Source | Failure]:
        sets: dict[tuple[int, int], list[Picture]] = defaultdict(list)
        for row in rows:
            try:
                picture = self._picture(row, downloads)
                sets[picture.size].append(picture)
            except ItemError as error:
                yield failed(f"{self.path.stem}/row-{row.number}", error)
        for (height, width), pictures in sets.items():
            source_id = f"{self.path.stem}/{rows[0].cells['product_id']}/{width}x{height}"
            try:
                yield _source(source_id, rows[0].cells, pictures, folder)
            except ItemError as error:
                yield failed(source_id, error)

    def _picture(self, row: Row, downloads: Downloads) -> Picture:
        place, view = row.cells["picture"], row.cells.get("view")
        if "://" in place:
            download = downloads.get(place, wanted_picture(downloads.config))
            size = read_still(download.path).shape[:2]
            return Picture(download.path, download.sha256, size, view)
        try:
            path = inside(self.path.parent, place)
        except UnsafePath as error:
            raise Refusal("forbidden", str(error)) from None
        if not path.is_file():
            raise Refusal("gone", f"{place} is not in the list's folder")
        if path.stat().st_size > downloads.config.most_picture_bytes:
            raise Refusal("too_large", f"{place} is longer than [web] most_picture_bytes")
        return Picture(path, sha256_file(path), read_still(path).shape[:2], view)


def wanted_picture(config: WebConfig) -> Wanted:
    """The picture at an address."""
    return Wanted("picture", None, config.most_picture_bytes, _fetch, still_suffix)


def _fetch(yt_dlp: YtDlp, url: str, path: Path, meter: Meter) -> Fetched:
    return yt_dlp.file(url, path, meter)


def _checked(row: Row | BadRow, products: dict[str, list[Row]]) -> Row | BadRow:
    """A row whose view is known, and that says of its product what its first row says."""
    if isinstance(row, BadRow):
        return row
    view = row.cells.get("view")
    if view not in (None, *VIEWS):
        return BadRow(row.number, f"column view: {view!r}; allowed: {', '.join(VIEWS)}, or empty")
    for first in products.get(row.cells["product_id"], [])[:1]:
        for name in COMMON:
            if row.cells.get(name) != first.cells.get(name):
                return BadRow(row.number, f"column {name}: not what row {first.number} says of it")
    return row


def _source(source_id: str, cells: dict[str, str], pictures: list[Picture], folder: Path) -> Source:
    """A source of one product's pictures of one size; its video is written once."""
    pictures = list({picture.sha256: picture for picture in pictures}.values())
    key = content_hash([VERSION, [picture.sha256 for picture in pictures]])
    path = folder / f"{key}.mkv"
    if not path.is_file():
        write_lossless(path, (read_still(picture.path) for picture in pictures), FPS)
    return Source(
        source_id=source_id,
        path=path,
        licence=cells.get("licence") or UNKNOWN_LICENCE,
        url=cells.get("url"),
        terms=cells.get("terms"),
        product_id=cells["product_id"],
        garment_group=cells.get("garment_group") or cells["product_id"],
        stills=tuple(picture.view for picture in pictures),
    )
