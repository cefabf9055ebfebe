"""Exports: what they hold is the dataset's, others can read it, and rights are asked for."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mrfashion import export_huggingface
from mrfashion.__main__ import run
from mrfashion.artefacts import sha256_file
from mrfashion.errors import (
    ConfigError,
    ExitCode,
    HashMismatch,
    InputRefused,
    MRFashionError,
    UnknownNameError,
)
from mrfashion.export import FORMATS, IN_SHARDS, LEFT_OUT, ExportConfig, export
from mrfashion.manifest import Dataset
from mrfashion.media import read_frames, write_clip
from mrfashion.parts import write_parts
from mrfashion.poses.cache import pack
from mrfashion.rights import PUBLISHABLE, known_licence, objection
from mrfashion.tables import CLIPS, KEYPOINTS, TABLES
from tests.conftest import write_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips of two groups, one in train, a checkered one, a hostile text in the terms."""
    root = write_dataset(tmp_path_factory.mktemp("whole") / "shop")
    checkered = np.indices((24, 64, 48)).sum(0)[..., None] // 3 % 2 * np.full(3, 255)
    write_clip(root / "clips" / "clip02.mp4", checkered.astype(np.uint8), 12.0)
    rows = [replace(r, split="train" if r.garment_group == "g00" else "test") for r in clips(root)]
    rows[2] = replace(rows[2], sha256=sha256_file(root / rows[2].path))
    rows[0] = replace(
        rows[0], terms="by | <script>alert(1)</script>\n---", source_url="https://x/y"
    )
    CLIPS.write(root / "clips.parquet", rows)
    return root


@pytest.fixture(scope="module")
def exported(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An export in each format, the first with faces covered."""
    out = {name: tmp_path_factory.mktemp(name) / "out" for name in FORMATS}
    for name, path in out.items():
        export(dataset, path, config(name, blur_faces=name == "huggingface"))
    return out


def config(name: str, **options: Any) -> ExportConfig:
    return ExportConfig(format=name, name="shop", **options)


def clips(root: Path) -> list[Any]:
    return CLIPS.read(root / "clips.parquet")


def files_of(root: Path) -> dict[str, bytes]:
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def test_every_table_is_exported_or_says_why_not() -> None:
    """A new table is exported as it is, if its rows name their clip or only clips."""
    assert set(IN_SHARDS) | set(LEFT_OUT) <= {table.name for table in TABLES}
    assert not set(IN_SHARDS) & set(LEFT_OUT)


def test_webdataset_members_are_the_dataset(dataset: Path, exported: dict[str, Path]) -> None:
    opened = Dataset(dataset)
    found = {}
    for path in sorted((exported["webdataset"] / "data").iterdir()):
        with tarfile.open(path) as tar:
            for member in tar:
                owner = (member.mtime, member.uid, member.gid, member.uname, member.gname)
                assert owner == (0, 0, 0, "", "")
                found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
    assert len(found) == 4 * (3 + 4)
    for clip_id, clip in opened.clips.items():
        assert found[f"{clip_id}.mp4"] == opened.video_path(clip_id).read_bytes()
        facts = json.loads(found[f"{clip_id}.json"])
        assert (facts["licence"], facts["sha256"]) == (clip.licence, clip.sha256)
        arrays = np.load(io.BytesIO(found[f"{clip_id}.npz"]), allow_pickle=False)
        assert np.array_equal(arrays["keypoints"], opened.keypoints(clip_id), equal_nan=True)
        assert np.array_equal(arrays["mask"], opened.mask(clip_id))
        for number, reference in enumerate(facts["references"]):
            picture = np.asarray(Image.open(io.BytesIO(found[f"{clip_id}.ref-{number:02d}.png"])))
            assert np.array_equal(picture, opened.frames(clip_id, [reference["frame"]])[0])


def test_datasets_reads_the_folder(
    dataset: Path, exported: dict[str, Path], tmp_path: Path
) -> None:
    import datasets

    folder = str(exported["huggingface"])
    loaded = datasets.load_dataset(folder, cache_dir=str(tmp_path))
    assert {name: len(rows) for name, rows in loaded.items()} == {"train": 2, "test": 2}
    row = loaded["test"][0]
    assert row["references"][0].size == (48, 64)
    (tmp_path / "v.mp4").write_bytes(row["video"]["bytes"])
    assert read_frames(tmp_path / "v.mp4").shape == (24, 64, 48, 3)
    stored = Dataset(dataset).keypoints(row["clip_id"])
    assert np.array_equal(np.array(row["keypoints"], np.float32), stored, equal_nan=True)
    samples = datasets.load_dataset(folder, "samples", cache_dir=str(tmp_path))
    assert len(samples["rows"]) == 4


def test_the_columns_are_what_datasets_would_write() -> None:
    import datasets as d

    of_ours = d.Features.from_arrow_schema(export_huggingface.schema())
    assert of_ours["video"] == d.Video(decode=False)
    assert of_ours["references"] == d.List(d.Image())
    assert of_ours.arrow_schema.remove_metadata() == export_huggingface.schema().remove_metadata()


def test_pandas_reads_a_shard_alone(exported: dict[str, Path]) -> None:
    frame = pd.read_parquet(exported["huggingface"] / "data" / "test-00000-of-00001.parquet")
    assert frame["clip_id"].tolist() == ["clip02", "clip03"]
    assert frame["face_blurred_frames"].min() > 0


def test_covered_faces_are_of_one_colour_and_the_rest_is_as_before(
    dataset: Path, exported: dict[str, Path], tmp_path: Path
) -> None:
    file = pq.read_table(exported["huggingface"] / "data" / "test-00000-of-00001.parquet")
    row = file.slice(0, 1).to_pylist()[0]
    (tmp_path / "v.mp4").write_bytes(row["video"]["bytes"])
    assert row["sha256"] == sha256_file(tmp_path / "v.mp4")
    before, after = Dataset(dataset).frames("clip02"), read_frames(tmp_path / "v.mp4")
    for number, (x, y, _) in enumerate(Dataset(dataset).keypoints("clip02")[:, 0]):
        face = np.s_[number, int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3]
        assert before[face].std() > 60
        assert after[face].std() < 12
    assert np.abs(after[:, 40:].astype(int) - before[:, 40:]).mean() < 6
    picture = np.asarray(Image.open(io.BytesIO(row["references"][0]["bytes"])))
    x, y, _ = Dataset(dataset).keypoints("clip02")[row["reference_facts"][0]["frame"], 0]
    assert picture[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].std((0, 1)).max() == 0


@pytest.mark.parametrize("name", FORMATS)
def test_mlcroissant_takes_the_croissant_file(exported: dict[str, Path], name: str) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    described = mlcroissant.Dataset(jsonld=str(exported[name] / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    assert {file.uuid for file in described.metadata.file_objects} == {
        path for path in files_of(exported[name]) if path.partition("/")[0] in ("data", "tables")
    }
    splits = [row["split_names/name"] for row in described.records("split_names")]
    assert splits == ["train", "test"]
    if name == "huggingface":  # of tars, mlcroissant 1.1 takes the .npz inside for the archive
        rows = list(described.records("clips"))
        assert sorted(row["clips/clip_id"].decode() for row in rows) == [
            f"clip{i:02d}" for i in range(4)
        ]


@pytest.mark.parametrize("name", FORMATS)
def test_hashes_and_card(exported: dict[str, Path], name: str) -> None:
    root = exported[name]
    record = json.loads((root / "export.json").read_text())
    for file in record["shards"] + record["tables"]:
        assert sha256_file(root / file["path"]) == file["sha256"]
    assert sum(file["rows"] for file in record["shards"]) == record["clips"] == 4
    card = (root / "README.md").read_text()
    assert "license: cc0-1.0" in card
    assert "<script>" not in card
    assert card.count("\n---\n") == 1
    assert "do not publish it" in card


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_call_keeps_the_shards_and_changes_no_byte(
    dataset: Path, exported: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(exported[name])
    monkeypatch.setattr("mrfashion.export.exported_clip", None)
    export(dataset, exported[name], config(name, blur_faces=name == "huggingface"))
    assert files_of(exported[name]) == before


def test_a_killed_export_goes_on_to_the_same_bytes(
    dataset: Path, exported: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for moment in ("plan", "card"):
        with monkeypatch.context() as patch:
            patch.setattr(f"mrfashion.export.{moment}", killed)
            with pytest.raises(KeyboardInterrupt):
                export(dataset, tmp_path / "out", config("webdataset"))
        assert not (tmp_path / "out" / "export.json").exists()
    export(dataset, tmp_path / "out", config("webdataset"))
    without = {"stages/export.jsonl"}
    first, again = files_of(exported["webdataset"]), files_of(tmp_path / "out")
    assert {k: v for k, v in again.items() if k not in without} == {
        k: v for k, v in first.items() if k not in without
    }


def test_a_split_brings_its_samples_and_leaves_no_older_file(dataset: Path, tmp_path: Path) -> None:
    export(dataset, tmp_path / "out", config("webdataset", shard_mb=1))
    export(dataset, tmp_path / "out", config("webdataset", splits=("test",)))
    assert [p.name for p in (tmp_path / "out" / "data").iterdir()] == ["test-00000-of-00001.tar"]
    samples = pd.read_parquet(tmp_path / "out" / "tables" / "samples.parquet")
    assert samples["clip_id"].tolist() == ["clip02", "clip03"]


def test_a_clip_whose_faces_cannot_be_covered_is_left_out(dataset: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset, tmp_path / "data"))
    rows = KEYPOINTS.read(root / "keypoints" / "part-000.parquet")
    xy, score = pack(np.zeros((24, 133, 3), np.float32))
    rows[0] = replace(rows[0], xy=xy, score=score)
    write_parts(KEYPOINTS, root / "keypoints", rows)
    made = export(root, tmp_path / "out", config("webdataset", blur_faces=True))
    assert list(made.left_out) == ["clip00"]
    assert len(made.clips) == 3
    samples = pd.read_parquet(tmp_path / "out" / "tables" / "samples.parquet")
    assert samples["clip_id"].tolist() == ["clip02", "clip03"]  # clip01's references were clip00's
    assert "1 clips, whose faces could not be" in (tmp_path / "out" / "README.md").read_text()


def test_changed_bytes_are_not_exported(dataset: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(dataset, tmp_path / "data"))
    (root / "clips" / "clip00.mp4").write_bytes(b"other")
    with pytest.raises(HashMismatch, match="other bytes than its row says"):
        export(root, tmp_path / "out", config("webdataset"))
    shutil.copy(dataset / "clips" / "clip00.mp4", root / "clips" / "clip00.mp4")
    assert len(export(root, tmp_path / "out", config("webdataset")).clips) == 4


@pytest.mark.parametrize(
    ("licence", "terms", "why"),
    [
        ("unknown", None, "nobody said"),
        ("  ", None, "nobody said"),
        ("CC-BY-ND-4.0", None, "forbids changes"),
        ("all rights reserved", None, "not in the list"),
        ("Standard YouTube License", "fair use", "not in the list"),
        ("LicenseRef-consent", " ", "terms are not stated"),
        ("LicenseRef-consent", "signed on paper", None),
        ("CC-BY-NC-4.0", None, None),
        ("cc-by-4.0", None, None),
        ("https://creativecommons.org/licenses/by-sa/4.0/", None, None),
        ("https://creativecommons.org/licenses/by-nd/4.0/", None, "forbids changes"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", None, None),
    ],
)
def test_what_may_be_published(licence: str, terms: str | None, why: str | None) -> None:
    told = objection(licence, terms)
    assert told is None if why is None else why in (told or "")


def test_every_listed_licence_is_known_by_its_id() -> None:
    assert all(known_licence(entry.spdx) is entry for entry in PUBLISHABLE.values())


def test_publishable_names_the_sources_and_what_to_add(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(dataset, tmp_path / "data"))
    first, *rest = clips(root)
    CLIPS.write(root / "clips.parquet", [replace(first, licence="unknown"), *rest])
    out = ["--out", str(tmp_path / "out"), "--publishable"]
    assert run(["export", str(root), *out]) == ExitCode.REFUSED
    message = capsys.readouterr().err
    assert "test:clip00: licence 'unknown': nobody said under which licence it is" in message
    assert "metadata.csv" in message
    assert not (tmp_path / "out").exists()
    assert run(["export", str(dataset), *out, "--dry-run"]) == ExitCode.COMPLETE
    assert "data/test-00000-of-00001.parquet: 2 clips" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda root: config("zip"), UnknownNameError, "unknown format 'zip'"),
        (lambda root: config("webdataset", version="1"), ConfigError, "MAJOR.MINOR.PATCH"),
        (lambda root: config("webdataset", shard_mb=0), ConfigError, "shard_mb is 0"),
        (lambda root: config("webdataset", splits=("dev",)), InputRefused, "in split 'dev'"),
    ],
)
def test_wrong_settings_are_told(
    dataset: Path,
    tmp_path: Path,
    change: Callable[[Path], ExportConfig],
    error: type[MRFashionError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        export(dataset, tmp_path / "out", change(dataset))


def test_an_export_spares_strange_folders_and_the_dataset(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputRefused, match="holds other files"):
        export(dataset, tmp_path, config("webdataset"))
    with pytest.raises(InputRefused, match="lie in each other"):
        export(dataset, dataset / "out", config("webdataset"))
