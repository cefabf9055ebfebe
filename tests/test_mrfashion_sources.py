import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mrfashion.errors import InputRefused, ItemError, UnknownNameError, UnsafePath
from mrfashion.manifest import Dataset
from mrfashion.media import read_frames
from mrfashion.pictures import write_png
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.poses.sidecar import read_sidecar, sidecar_path
from mrfashion.progress import silent
from mrfashion.sources import SOURCES, open_source
from mrfashion.sources.folder import FolderSource
from mrfashion.sources.source import Source, failed
from mrfashion.sources.turntable.clips import TurntableConfig
from mrfashion.sources.turntable.source import TurntableSource
from mrfashion.sources.web.settings import WebConfig
from mrfashion.tables import Failure, Reject
from tests.file_server import forget_settings
from tests.footage import write_footage
from tests.media_server import MediaServer, Page, serving_media

SMALL = TurntableConfig(groups=2, clips_per_group=1, frames=4, height=48, width=36)


def read(path: Path, out: Path) -> list[Source | Reject]:
    return list(FolderSource(path).read(out, silent))


def argument_of(kind: str, videos: Path, url: str) -> Path:
    """What follows the name of a kind to read two videos that lie in a folder, and on the web."""
    urls = [f"{url}/{path.name}" for path in sorted(videos.glob("*.mp4"))]
    if kind == "url_list":
        (videos / "list.csv").write_text("\n".join(["url", *urls]))
        return videos / "list.csv"
    if kind == "product_pages":
        for name in ("a", "b"):
            write_png(videos / f"{name}.png", np.full((40, 40, 3), ord(name), np.uint8))
        (videos / "list.csv").write_text("product_id,picture\na,a.png\nb,b.png\n")
        return videos / "list.csv"
    if kind == "ubc_fashion":
        (videos / "fashion_train.txt").write_text("\n".join(urls))
    return videos


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MediaServer]:
    forget_settings(monkeypatch)
    with serving_media() as running:
        yield running


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_unique_ids_and_a_licence(
    tmp_path: Path, kind: str, server: MediaServer
) -> None:
    for number in range(2):
        video = write_footage(tmp_path / "in", f"clip{number}", number)
        server.pages[f"/{video.name}"] = Page(video.read_bytes())
    text = f"{kind}:{argument_of(kind, tmp_path / 'in', server.url)}"
    config = CurateConfig(turntable=SMALL, web=WebConfig(private_addresses=True, between_s=0))
    found = list(open_source(text, config).read(tmp_path / "out", silent))
    assert len({entry.source_id for entry in found}) == len(found) == 2
    for entry in found:
        assert isinstance(entry, Source)
        assert entry.path.is_file()
        assert entry.licence
        assert str(tmp_path) not in entry.source_id
    assert list(open_source(text, config).read(tmp_path / "out", silent)) == found


def test_a_folder_names_what_is_no_video(tmp_path: Path) -> None:
    root = tmp_path / "in"
    write_footage(root / "deep", "b", 0)
    write_footage(root, "a", 1)
    (root / "notes.txt").write_text("hello")
    (root / ".hidden.mp4").write_text("not looked at")
    outside = write_footage(tmp_path / "elsewhere", "secret", 2)
    (root / "link.mp4").symlink_to(outside)
    (root / "gone.mp4").symlink_to(root / "deep" / "nothing.mp4")
    found = {entry.source_id: entry for entry in read(root, tmp_path)}
    assert list(found) == [
        "in/a.mp4", "in/deep/b.mp4", "in/gone.mp4", "in/link.mp4", "in/notes.txt"
    ]  # fmt: skip
    gone = found["in/gone.mp4"]
    assert isinstance(gone, Reject)
    assert gone.reason == "not a file"
    assert isinstance(found["in/a.mp4"], Source)
    link, text = found["in/link.mp4"], found["in/notes.txt"]
    assert isinstance(link, Reject)
    assert isinstance(text, Reject)
    assert link.reason == "links out of its folder"
    assert text.reason == "not a video"


def test_metadata_says_whose_a_video_is(tmp_path: Path) -> None:
    write_footage(tmp_path, "a", 0)
    (tmp_path / "metadata.csv").write_text(
        "file_name,licence,source_url,product_id\na.mp4,CC-BY-4.0,https://example.org/a,=cmd\n"
    )
    (source,) = read(tmp_path, tmp_path)
    assert isinstance(source, Source)
    assert source.licence == "CC-BY-4.0"
    assert source.url == "https://example.org/a"
    assert source.product_id == "=cmd"


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("file_name,colour\na.mp4,red\n", InputRefused, "got columns file_name, colour"),
        ("name\na.mp4\n", InputRefused, "needed: file_name"),
        ("file_name\nb.mp4\n", InputRefused, "line 2: 'b.mp4' is not in the folder"),
        ("file_name\n../a.mp4\n", UnsafePath, "line 2"),
        ("file_name\na.mp4,extra,more\n", InputRefused, "line 2"),
    ],
)
def test_a_wrong_metadata_table_is_refused_by_line(
    tmp_path: Path, table: str, error: type[Exception], message: str
) -> None:
    write_footage(tmp_path, "a", 0)
    (tmp_path / "metadata.csv").write_text(table)
    with pytest.raises(error) as raised:
        read(tmp_path, tmp_path)
    assert message in str(raised.value)


def test_one_video_is_a_source_and_one_text_is_not(tmp_path: Path) -> None:
    path = write_footage(tmp_path, "a", 0)
    (source,) = read(path, tmp_path)
    assert isinstance(source, Source)
    assert source.path == path
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputRefused, match=r"got '\.txt'; allowed: \.mp4"):
        read(tmp_path / "a.txt", tmp_path)


def test_unknown_sources_suggest_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean turntable"):
        open_source("turntabel", CurateConfig())
    with pytest.raises(InputRefused, match="does not exist"):
        open_source("./footage", CurateConfig())


def test_the_turntable_is_an_ordinary_video_with_its_truth(tmp_path: Path) -> None:
    found = list(TurntableSource(SMALL).read(tmp_path, silent))
    for entry in found:
        assert isinstance(entry, Source)
        frames = read_frames(entry.path)
        sidecar = read_sidecar(sidecar_path(entry.path))
        assert frames.shape == (4, 48, 36, 3)
        assert sidecar.mask is not None
        assert sidecar.mask.shape == (4, 48, 36)
        assert np.isfinite(sidecar.keypoints[:, :23, :2]).mean() > 0.95
        assert entry.garment_group == sidecar.meta["garment_group"]


def test_a_drawn_clip_is_not_drawn_again_unless_its_plan_changed(tmp_path: Path) -> None:
    def stamps() -> list[int]:
        return [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*.mp4"))]

    list(TurntableSource(SMALL).read(tmp_path, silent))
    first, data = stamps(), [path.read_bytes() for path in sorted(tmp_path.glob("*.mp4"))]
    list(TurntableSource(SMALL).read(tmp_path, silent))
    assert stamps() == first
    sidecar_path(tmp_path / "g0000_c0.mp4").write_bytes(b"torn")
    list(TurntableSource(SMALL).read(tmp_path, silent))
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.mp4"))] == data
    list(TurntableSource(TurntableConfig(**{**vars_of(SMALL), "seed": 1})).read(tmp_path, silent))
    assert [path.read_bytes() for path in sorted(tmp_path.glob("*.mp4"))] != data


def vars_of(config: TurntableConfig) -> dict[str, object]:
    return {name: getattr(config, name) for name in config.__dataclass_fields__}


def test_what_a_source_could_not_have_is_a_row_of_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def read(self, out: Path, progress: object, shard: object) -> Iterator[Failure]:
            error = ItemError("source.gone", f"{out}/x of {os.getpid()}: 404", retryable=False)
            yield failed("list/x", error)

    monkeypatch.setitem(SOURCES, "gone", lambda argument, config: Gone())
    summary = curate(["gone:x"], tmp_path)
    assert summary.sources == 1
    (row,) = Dataset(tmp_path).failures
    assert row == Failure("list/x", "list/x", "sources", "source.gone", False, "x of PID: 404")
