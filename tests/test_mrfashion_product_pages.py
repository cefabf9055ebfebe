"""Pictures of product pages: had, checked, and lent as references of their product's videos."""

import csv
import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.requests import sample_references
from mrfashion.duplicates import DuplicateConfig
from mrfashion.errors import InputRefused
from mrfashion.loader import ClipDataset
from mrfashion.manifest import Dataset
from mrfashion.media import read_frames
from mrfashion.pipeline import curate
from mrfashion.poses import ESTIMATORS
from mrfashion.poses.estimator import PoseTrack
from mrfashion.posing import PoseConfig
from mrfashion.progress import silent
from mrfashion.sources.product_pages import ProductPages
from mrfashion.sources.source import Source
from mrfashion.sources.web.refusal import Refusal
from mrfashion.sources.web.settings import WebConfig
from mrfashion.sources.web.still import read_still
from mrfashion.splits import SplitConfig
from mrfashion.tables import Failure, Reject
from tests.file_server import forget_settings
from tests.footage import HEIGHT, WIDTH, body_at, turning_clip, write_footage
from tests.media_server import MediaServer, Page, serving_media
from tests.test_mrfashion_curate import CONFIG

QUICK = WebConfig(private_addresses=True, between_s=0, backoff_s=0, attempts=1)
VIEWS = ("front", "back", "facing-right", "facing-left")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MediaServer]:
    forget_settings(monkeypatch)
    with serving_media() as running:
        yield running


def pictures() -> list[np.ndarray]:
    """One of the turning block's frames a view."""
    frames, _, _ = turning_clip(0, 77)
    return [frames[i] for i in (0, 12, 6, 18)]


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, kind)
    return data.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than a machine has memory for."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def list_of(folder: Path, rows: Iterable[dict[str, str]]) -> Path:
    rows = list(rows)
    path = folder / "shop.csv"
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_pictures_become_lossless_stills_once(server: MediaServer, tmp_path: Path) -> None:
    front, back, right, _ = pictures()
    server.pages["/front.png"] = Page(encoded(front), "image/png")
    server.pages["/wide.png"] = Page(encoded(front[:, :40]), "image/png")
    (tmp_path / "back.png").write_bytes(encoded(back))
    (tmp_path / "right.jpg").write_bytes(encoded(right, "JPEG"))
    rows = [
        {"product_id": "dress", "picture": f"{server.url}/front.png", "view": "front"},
        {"product_id": "dress", "picture": "back.png", "view": ""},
        {"product_id": "coat", "picture": "right.jpg", "view": "", "licence": "CC0-1.0"},
        {"product_id": "dress", "picture": f"{server.url}/wide.png", "view": ""},
        {"product_id": "dress", "picture": f"{server.url}/front.png", "view": "front"},
    ]
    source = ProductPages(list_of(tmp_path, rows), QUICK)
    found = list(source.read(tmp_path / "out", silent))
    assert all(isinstance(entry, Source) for entry in found)
    dress, narrow, coat = (entry for entry in found if isinstance(entry, Source))
    assert [entry.source_id for entry in found] == [
        f"shop/dress/{WIDTH}x{HEIGHT}", f"shop/dress/40x{HEIGHT}", f"shop/coat/{WIDTH}x{HEIGHT}"
    ]  # fmt: skip
    assert (dress.stills, narrow.stills, coat.stills) == (("front", None), (None,), (None,))
    assert (dress.licence, coat.licence) == ("unknown", "CC0-1.0")
    assert dress.garment_group == dress.product_id == "dress"
    assert np.array_equal(read_frames(dress.path), np.stack([front, back]))
    asked = len(server.asked)
    assert list(source.read(tmp_path / "out", silent)) == found
    assert len(server.asked) == asked == 2


def test_a_picture_that_cannot_be_had_is_one_failure(server: MediaServer, tmp_path: Path) -> None:
    good = encoded(pictures()[0])
    noise = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    outside = tmp_path.parent / "outside.png"
    outside.write_bytes(good)
    server.pages |= {
        "/good.png": Page(good, "image/png"),
        "/gone.png": Page(b"", "text/html", 404),
        "/page.png": Page(b"<html>blocked</html>", "text/html"),
        "/bomb.png": Page(bomb(60_000, 60_000), "image/png"),
        "/large.png": Page(bomb(8_000, 8_000), "image/png"),
        "/ribbon.png": Page(encoded(np.zeros((32, 20_000, 3), np.uint8)), "image/png"),
        "/cut.png": Page(encoded(noise)[:3000], "image/png"),
        "/spacer.png": Page(encoded(pictures()[0][:1, :1]), "image/png"),
        "/gif.png": Page(encoded(pictures()[0], "GIF"), "image/png"),
        "/endless.png": Page(endless=True, length=False, kind="image/png"),
        "/to-file.png": Page(status=302, headers={"Location": "file:///etc/passwd"}),
    }
    places = [server.url + path for path in server.pages]
    places += ["../outside.png", str(outside), "nothing.png", "file:///etc/passwd"]
    path = list_of(tmp_path, [{"product_id": "dress", "picture": place} for place in places])
    config = WebConfig(**{**vars_of(QUICK), "most_picture_bytes": 100_000})
    found = list(ProductPages(path, config).read(tmp_path / "out", silent))
    errors = [entry.error.removeprefix("source.") for entry in found if isinstance(entry, Failure)]
    assert errors == [
        "gone", "unreadable", "too_large", "too_large", "too_large", "unreadable", "unreadable",
        "unreadable", "too_large", "forbidden", "forbidden", "forbidden", "gone", "forbidden",
    ]  # fmt: skip
    assert [entry.source_id for entry in found][:2] == ["shop/row-3", "shop/row-4"]
    (kept,) = (entry for entry in found if isinstance(entry, Source))
    assert len(read_frames(kept.path)) == 1


def vars_of(config: WebConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_bad_rows_and_bad_lists_say_where(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(pictures()[0]))
    rows = [
        {"product_id": "dress", "picture": "a.png", "view": "sideways", "licence": ""},
        {"product_id": "dress", "picture": "a.png", "view": "", "licence": "CC0-1.0"},
        {"product_id": "dress", "picture": "a.png", "view": "", "licence": "MIT"},
        {"product_id": "", "picture": "a.png", "view": "", "licence": ""},
        {"product_id": "../up", "picture": "a.png", "view": "", "licence": ""},
    ]
    path = list_of(tmp_path, rows)
    found = list(ProductPages(path, QUICK).read(tmp_path / "out", silent))
    details = [entry.detail for entry in found if isinstance(entry, Reject)]
    assert details == [
        "row 2: column view: 'sideways'; allowed: front, facing-right, facing-left, back, or empty",
        "row 4: column licence: not what row 3 says of it",
        "row 5: column product_id: empty; needed",
        "row 6: column product_id: '../up' is a path that leaves its folder",
    ]
    path.write_text("product_id,picture,vieuw\nx,a.png,front\n")
    with pytest.raises(InputRefused, match="row 2: unknown column 'vieuw'; did you mean view"):
        list(ProductPages(path, QUICK).read(tmp_path / "out", silent))


def test_what_is_transparent_is_white_and_what_lies_sideways_stands(tmp_path: Path) -> None:
    layer = np.zeros((40, 50, 4), np.uint8)
    layer[:, :25] = (10, 20, 30, 255)
    (tmp_path / "cut-out.png").write_bytes(encoded(layer))
    image = read_still(tmp_path / "cut-out.png")
    assert image.shape == (40, 50, 3)
    assert (image[0, 0] == (10, 20, 30)).all()
    assert (image[0, 49] == 255).all()
    lying = Image.fromarray(layer[..., :3])
    tags = lying.getexif()
    tags[0x0112] = 6  # turned by 90 degrees when taken
    lying.save(tmp_path / "phone.png", exif=tags)
    assert read_still(tmp_path / "phone.png").shape == (50, 40, 3)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(Refusal, match="no picture of a kind that is read"):
        read_still(tmp_path / "text.png")


class Standing:
    """Finds the block's body in whatever it is shown; the fourth picture shows nobody."""

    name, version, shared = "standing", 1, True

    def __init__(self, _: PoseConfig) -> None:
        self.seen: list[int] = []

    def settings(self) -> dict[str, object]:
        return {}

    def check(self) -> list[str]:
        return []

    def track(self, frames: Iterable[np.ndarray], fps: float) -> PoseTrack:
        count = len(list(frames))
        assert count == 1  # no picture is taken for the next frame of another
        keypoints = np.stack([body_at(12, 8, 1.0)])
        box = np.array([[12, 8, 32, 58]], np.float32)
        return PoseTrack(keypoints, box, np.ones(1, np.float32), np.ones(1, np.int16))


def test_frames_of_a_video_are_no_pictures_of_its_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large they are: they would show the target."""
    monkeypatch.setitem(ESTIMATORS, "standing", Standing)
    write_footage(tmp_path / "videos", "dress", 0, group="dress")
    frames, _, _ = turning_clip(0, 40)
    for number in range(24):
        large = frames[number].repeat(2, 0).repeat(2, 1)
        (tmp_path / f"{number}.png").write_bytes(encoded(large))
    path = list_of(
        tmp_path, ({"product_id": "dress", "picture": f"{number}.png"} for number in range(24))
    )
    config = replace(CONFIG, poses=PoseConfig(estimator="standing"), duplicates=DuplicateConfig())
    sources = [str(tmp_path / "videos"), f"product_pages:{path}"]
    summary = curate(sources, tmp_path / "set", config)
    (row,) = summary.rejects
    assert (row.source_id, row.reason) == (f"shop/dress/{2 * WIDTH}x{2 * HEIGHT}", "near-duplicate")
    assert summary.kept == 1


def test_stills_are_lent_and_never_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ESTIMATORS, "standing", Standing)
    write_footage(tmp_path / "videos", "alone", 1, group="other")
    write_footage(tmp_path / "videos", "dress", 0, group="dress")
    shop = tmp_path / "shop"
    shop.mkdir()
    for view, image in zip(VIEWS, pictures(), strict=True):
        (shop / f"{view}.png").write_bytes(encoded(image))
    path = list_of(
        shop, ({"product_id": "dress", "picture": f"{view}.png", "view": view} for view in VIEWS)
    )
    splits = SplitConfig(0.0, 0.0, 1.0)
    config = replace(CONFIG, poses=PoseConfig(estimator="standing"), splits=splits)
    summary = curate([str(tmp_path / "videos"), f"product_pages:{path}"], tmp_path / "set", config)
    assert not summary.failures
    assert not summary.rejects
    dataset = Dataset(tmp_path / "set")
    (still,) = (clip for clip in dataset.clips.values() if clip.still)
    assert (still.frames, still.fps, still.garment_group) == (4, 1.0, "dress")
    assert dataset.yaw_deg(still.clip_id).tolist()[1:] == [180.0, 90.0, -90.0]
    by_group = {sample.garment_group: sample for sample in dataset.samples.values()}
    lent = by_group["dress"].reference_ids
    assert {reference.split("/")[0] for reference in lent} == {still.clip_id}
    assert len(lent) == 4
    assert by_group["dress"].reference_source == "other_clip"
    assert by_group["other"].reference_source == "same_clip"
    assert all(not dataset.clip(sample.clip_id).still for sample in dataset.samples.values())
    assert summary.notes["samples"] == {"clips without: pictures: lent, never asked for": 1}
    truth = dict(zip(VIEWS, pictures(), strict=True))
    for reference in sample_references(dataset, by_group["dress"]):
        assert np.abs(reference.image - truth[str(reference.view)].astype(int)).mean() < 4
    loader = ClipDataset(dataset, "test", frames=8)
    assert all(not clip.still for clip in loader.clips)
    plans = [loader.plan(index) for index in range(len(loader))]
    lenders = {r.clip_id for plan in plans for r in plan.references if r.garment_group == "dress"}
    assert lenders == {still.clip_id}
    before = (tmp_path / "set/references.parquet").read_bytes()
    again = curate([str(tmp_path / "videos"), f"product_pages:{path}"], tmp_path / "set", config)
    assert not any("new" in notes for notes in again.notes.values())
    assert (tmp_path / "set/references.parquet").read_bytes() == before
