"""Datasets of the Hugging Face Hub as sources, in the layouts `datasets` writes and reads."""

import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrfashion.errors import InputRefused, ItemError, MissingRequirement
from mrfashion.executors import ExecutorConfig
from mrfashion.limits import SourceLimits
from mrfashion.media import read_frames
from mrfashion.poses.sidecar import SUFFIX, read_sidecar, sidecar_path
from mrfashion.progress import silent
from mrfashion.sources.apart import apart, value_of
from mrfashion.sources.hub import HubSource
from mrfashion.sources.hub_repository import HubRepository
from mrfashion.sources.hub_shard import Entry
from mrfashion.sources.source import Source
from mrfashion.tables import Failure, Reject
from tests.file_server import VARIABLES
from tests.footage import write_footage
from tests.hub_server import HubServer

THREAD = ExecutorConfig("thread")
CARD = "---\nlicense: cc-by-4.0\ntags:\n- video\n---\n# Clothes\n"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    return [write_footage(folder, f"clip{number}", number) for number in range(3)]


def read(path: Path, out: Path, limits: SourceLimits | None = None) -> list[Entry]:
    return list(HubSource(str(path), limits or SourceLimits(), THREAD).read(out, silent))


def told(entries: list[Entry]) -> dict[str, str]:
    """Id => licence, reason or error class."""
    words = {}
    for entry in entries:
        assert entry.source_id not in words
        if isinstance(entry, Source):
            assert entry.path.is_file()
            words[entry.source_id] = entry.licence
        else:
            words[entry.item_id] = entry.reason if isinstance(entry, Reject) else entry.error
    return words


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def sample(key: str, clip: Path, **metadata: str) -> dict[str, bytes]:
    """One sample of a shard."""
    members = {f"{key}.json": json.dumps(metadata).encode(), f"{key}.txt": b"a caption"}
    return members | {f"{key}.mp4": clip.read_bytes()}


def write_videofolder(root: Path, clips: list[Path], table: str) -> None:
    for number, clip in enumerate(clips):
        target = root / "train" / f"v{number}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(clip.read_bytes())
        sidecar_path(target).write_bytes(sidecar_path(clip).read_bytes())
    (root / "README.md").write_text(CARD)
    rows = [{"file_name": "v0.mp4", "license": "CC0-1.0", "caption": "a dress"}]
    rows += [{"file_name": "v1.mp4", "license": "", "caption": "a coat"}]
    file = root / "train" / table
    if file.suffix == ".csv":
        lines = ["file_name,license,caption", *(",".join(row.values()) for row in rows)]
        file.write_text("\n".join(lines))
    elif file.suffix == ".jsonl":
        file.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), file)


@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
def test_a_video_folder_is_read_as_datasets_reads_it(
    tmp_path: Path, clips: list[Path], table: str
) -> None:
    import datasets

    root = tmp_path / "shop"
    write_videofolder(root, clips[:2], table)
    found = read(root, tmp_path / "out")
    assert told(found) == {"shop/train/v0.mp4": "CC0-1.0", "shop/train/v1.mp4": "cc-by-4.0"}
    theirs = datasets.load_dataset(
        "videofolder", data_dir=str(root), split="train", cache_dir=str(tmp_path / "cache")
    )
    videos = theirs.cast_column("video", datasets.Video(decode=False))["video"]
    assert [entry.path for entry in found if isinstance(entry, Source)] == sorted(
        Path(video["path"]) for video in videos
    )


def test_a_webdataset_shard_is_read_as_datasets_reads_it(tmp_path: Path, clips: list[Path]) -> None:
    import datasets

    root = tmp_path / "shop"
    members = sample("a/one", clips[0], license="CC0-1.0", url="https://example.org/1")
    members |= sample("a/two", clips[1], product_id="7")
    write_tar(root / "train-000.tar", members)
    (root / "README.md").write_text(CARD)
    found = read(root, tmp_path / "out")
    ids = ["shop/train-000.tar/a/one.mp4", "shop/train-000.tar/a/two.mp4"]
    assert told(found) == dict(zip(ids, ("CC0-1.0", "cc-by-4.0"), strict=True))
    theirs = datasets.load_dataset(
        "webdataset",
        data_files=[str(root / "train-000.tar")],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    ).cast_column("mp4", datasets.Video(decode=False))
    for entry, row in zip(found, theirs, strict=True):
        assert isinstance(entry, Source)
        assert entry.path.read_bytes() == row["mp4"]["bytes"]
        assert entry.source_id.endswith(row["__key__"] + ".mp4")
    first, second = found
    assert isinstance(first, Source)
    assert isinstance(second, Source)
    assert (first.url, second.product_id) == ("https://example.org/1", "7")


def write_parquet(path: Path, clips: list[Path], **columns: list[str]) -> Path:
    """As `push_to_hub` writes it: the videos' bytes in the table, the schema in its header."""
    import datasets
    from datasets.table import embed_table_storage

    videos = datasets.Dataset.from_dict({"video": [str(clip) for clip in clips], **columns})
    videos = videos.cast_column("video", datasets.Video(decode=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(embed_table_storage(videos.data.table), path, row_group_size=2)
    return path


def test_a_video_column_is_read_as_datasets_wrote_it(tmp_path: Path, clips: list[Path]) -> None:
    path = write_parquet(
        tmp_path / "shop" / "data" / "train-00000-of-00001.parquet",
        clips,
        license=["CC0-1.0", "", "CC-BY-4.0"],
        caption=["=cmd()", "b", "c"],
    )
    found = read(path.parent.parent, tmp_path / "out")
    name = f"shop/data/{path.name}"
    assert told(found) == {f"{name}#0": "CC0-1.0", f"{name}#1": "unknown", f"{name}#2": "CC-BY-4.0"}
    for entry, clip in zip(found, clips, strict=True):
        assert isinstance(entry, Source)
        assert entry.path.read_bytes() == clip.read_bytes()
        assert np.array_equal(read_frames(entry.path, [3]), read_frames(clip, [3]))


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_shard_is_taken_out_once_and_anew_when_it_changed(
    tmp_path: Path, clips: list[Path], kind: str
) -> None:
    root, out = tmp_path / "shop", tmp_path / "out"

    def write(chosen: list[Path]) -> Path:
        if kind == "parquet":
            return write_parquet(root / "all.parquet", chosen)
        members = {f"{number}.mp4": clip.read_bytes() for number, clip in enumerate(chosen)}
        return write_tar(root / "all.tar", members)

    def stamps() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in out.rglob("*.mp4")}

    shard = write(clips)
    reading = HubSource(str(root), SourceLimits(), THREAD).read(out, silent)
    interrupted: Iterator[Entry] = iter(reading)
    next(interrupted)
    reading.close()  # type: ignore[attr-defined]
    early = stamps()
    assert 1 <= len(early) < len(clips)
    found = read(root, out)
    whole = stamps()
    assert whole.items() > early.items()
    assert read(root, out) == found
    assert stamps() == whole
    next(path for path in out.rglob("*.mp4")).unlink()
    assert read(root, out) == found
    shard.unlink()
    again = read(write(clips[:1]), out)
    assert len(again) == len(stamps()) == 1


def test_a_sidecar_in_a_shard_stays_with_its_video(tmp_path: Path, clips: list[Path]) -> None:
    beside = sidecar_path(clips[0]).read_bytes()
    path = write_tar(tmp_path / "s.tar", {f"a{SUFFIX}": beside, "a.mp4": clips[0].read_bytes()})
    (entry,) = read(path, tmp_path / "out")
    assert isinstance(entry, Source)
    kept = read_sidecar(sidecar_path(entry.path))
    assert np.array_equal(kept.yaw_deg, read_sidecar(sidecar_path(clips[0])).yaw_deg)


@pytest.mark.parametrize(
    ("head", "licence", "terms"),
    [
        ("license: mit", "mit", None),
        ("license: 'cc-by-4.0' ", "cc-by-4.0", None),
        ("license:\n- openrail\ntags: [x]", "openrail", None),
        ("license:\n- mit\n- other", "unknown", None),
        ("license: [mit, gpl]", "unknown", None),
        (
            "license: other\nlicense_name: shop-terms\nlicense_link: https://e.org/t",
            "shop-terms",
            "https://e.org/t",
        ),
        ("license: other", "unknown", None),
        ("license: unknown", "unknown", None),
        ("title: mit", "unknown", None),
        ("license: &a [*a, *a]", "unknown", None),
    ],
)
def test_the_card_names_a_licence_or_none(
    tmp_path: Path, clips: list[Path], head: str, licence: str, terms: str | None
) -> None:
    (tmp_path / "README.md").write_text(f"---\n{head}\n---\nlicense: wrong\n")
    (tmp_path / "a.mp4").write_bytes(clips[0].read_bytes())
    (entry,) = read(tmp_path, tmp_path / "out")
    assert isinstance(entry, Source)
    assert (entry.licence, entry.terms) == (licence, terms)


def test_a_broken_table_lends_no_licence(tmp_path: Path, clips: list[Path]) -> None:
    """Its rows might have said otherwise than the card."""
    root = tmp_path / "shop"
    write_videofolder(root, clips[:2], "metadata.csv")
    (root / "train" / "metadata.csv").write_text('file_name,license\nv0.mp4,CC0-1.0\n"v1.mp4,x')
    found = told(read(root, tmp_path / "out"))
    assert found == {
        "shop/train/metadata.csv": "source.metadata",
        "shop/train/v0.mp4": "CC0-1.0",
        "shop/train/v1.mp4": "unknown",
    }


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with HubServer("shop/clothes", "c0ffee" + "0" * 34) as server:
        yield server


def read_repository(
    server: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None = None
) -> list[Entry]:
    def opened(_: str) -> HubRepository:
        return HubRepository("shop/clothes", "main", server.url, tmp_path / "cache")

    monkeypatch.setattr("mrfashion.sources.hub.open_repository", opened)
    reading = HubSource("shop/clothes@main", SourceLimits(), THREAD).read(tmp_path / "out", silent)
    return list(islice(reading, limit))


def test_a_repository_is_loaded_file_by_file_and_once(
    tmp_path: Path, clips: list[Path], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = write_tar(tmp_path / "s.tar", sample("one", clips[1], license="CC0-1.0"))
    hub.files = {
        "README.md": CARD.encode(),
        "a/v0.mp4": clips[0].read_bytes(),
        f"a/v0{SUFFIX}": sidecar_path(clips[0]).read_bytes(),
        "b/train.tar": shard.read_bytes(),
        "../out.mp4": b"x",
    }
    first = read_repository(hub, tmp_path, monkeypatch, limit=2)
    assert "b/train.tar" not in hub.sent
    found = read_repository(hub, tmp_path, monkeypatch)
    name = "shop/clothes"
    assert told(found) == {
        f"{name}/../out.mp4": "links out of its folder",
        f"{name}/a/v0.mp4": "cc-by-4.0",
        f"{name}/b/train.tar/one.mp4": "CC0-1.0",
    }
    assert found[:2] == first
    video = found[1]
    assert isinstance(video, Source)
    assert sidecar_path(video.path).is_file()
    assert video.url == f"{hub.url}/datasets/{name}/resolve/{hub.commit}/a/v0.mp4"
    assert sorted(hub.sent) == sorted(set(hub.files) - {"../out.mp4"})  # each of them once


def test_a_file_the_hub_does_not_give_is_one_failure(
    tmp_path: Path, clips: list[Path], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = {"a.mp4": clips[0].read_bytes(), "b.mp4": b"", "c.mp4": b"", "d.mp4": b"x"}
    hub.answers = {"b.mp4": 404, "c.mp4": 403}
    found = {entry.source_id: entry for entry in read_repository(hub, tmp_path, monkeypatch)}
    assert isinstance(found["shop/clothes/a.mp4"], Source)
    assert isinstance(found["shop/clothes/d.mp4"], Source)
    failures = [found[f"shop/clothes/{name}.mp4"] for name in "bc"]
    assert all(isinstance(entry, Failure) for entry in failures)
    assert [(entry.error, entry.retryable) for entry in failures if isinstance(entry, Failure)] == [
        ("source.gone", False),
        ("source.private", False),
    ]


def test_without_a_network_the_cache_is_read(
    tmp_path: Path, clips: list[Path], hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = {"README.md": CARD.encode(), "a.mp4": clips[0].read_bytes()}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    loaded = read_repository(hub, tmp_path, monkeypatch)
    monkeypatch.undo()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = HubSource("shop/clothes@" + hub.commit, SourceLimits(), THREAD)
    assert told(list(source.read(tmp_path / "out", silent))) == told(loaded)


def test_what_is_nowhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MRFASHION_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputRefused, match="owner/name"):
        read(Path("./nowhere/at all"), tmp_path)
    with pytest.raises(MissingRequirement, match="MRFASHION_OFFLINE=1 forbids"):
        list(HubSource("owner/name@main", SourceLimits(), THREAD).read(tmp_path, silent))


def test_a_file_that_ends_its_reader_is_one_failure() -> None:
    """Arrow aborts its process at some damaged files; the run must not end with it."""
    with apart(ExecutorConfig()) as executor:
        with pytest.raises(ItemError) as error:
            value_of(executor, os._exit, 6)
        assert (error.value.code, error.value.retryable) == ("process.died", True)
