"""`mrfashion import`: videos made elsewhere, matched, checked and scored like any others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.import_report import Report
from benchmark.import_source import Source
from benchmark.importing import import_folder
from benchmark.protocol import TaskOptions
from benchmark.results import GENERATIONS, Generation
from benchmark.runner import generate
from benchmark.scoring import score
from mrfashion.__main__ import build_app
from mrfashion.artefacts import sha256_file
from mrfashion.errors import ConfigError, InputRefused, UnsafePath
from mrfashion.letterbox import letterbox
from mrfashion.media import read_frames, write_clip, write_lossless

SAMPLES = [f"sample-clip0{number}" for number in range(4)]
FPS = 12.0


def video(seed: int = 0, frames: int = 12, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (frames, 4, 3, 3), dtype=np.uint8)
    return coarse.repeat(-(-size[0] // 4), 1).repeat(-(-size[1] // 3), 2)[:, : size[0], : size[1]]


def write_pictures(folder: Path, frames: np.ndarray, first: int = 0) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, first):
        Image.fromarray(frame).save(folder / f"frame_{number}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One sound video a sample."""
    made = tmp_path / "made"
    for seed, sample in enumerate(SAMPLES):
        write_lossless(made / f"{sample}.mkv", video(seed), FPS)
    return made


Import = Callable[..., Report]


@pytest.fixture
def run(tiny_dataset: Path, folder: Path, tmp_path: Path) -> Import:
    def run(*, asked: Any = None, dry_run: bool = False, **fields: Any) -> Report:
        source = Source(**{"folder": folder, "name": "theirs", **fields})
        return import_folder(source, tiny_dataset, tmp_path / "runs", asked, dry_run=dry_run)

    return run


def table(tmp_path: Path) -> dict[str, Generation]:
    rows = GENERATIONS.read(tmp_path / "runs" / "generations.parquet")
    return {row.sample_id: row for row in rows if row.entrant == "theirs"}


def told(report: Report) -> list[tuple[Any, ...]]:
    return [(p.what, p.sample_id, p.path, p.got, p.asked) for p in report.problems]


def test_videos_are_kept_bit_by_bit_and_scored_beside_others(
    run: Import, tiny_dataset: Path, tmp_path: Path
) -> None:
    generate(tiny_dataset, tmp_path / "runs", ["still"])
    report = run(note="from the authors")
    assert (report.samples, report.imported, report.reused, report.failed) == (4, 4, 0, 0)
    rows = table(tmp_path)
    for seed, sample in enumerate(SAMPLES):
        row = rows[sample]
        assert (row.status, row.kind, row.seconds, row.warnings) == ("ok", "imported", None, ())
        assert row.path is not None
        np.testing.assert_array_equal(read_frames(tmp_path / "runs" / row.path), video(seed))
        effective = json.loads(row.effective)
        assert (effective["transport"], effective["codec"]) == ("folder", "ffv1")
        assert effective["note"] == "from the authors"
        assert len(row.reference_ids) == 4
    assert score(tmp_path / "runs", metrics=["psnr"]).failed == {}


def test_a_second_import_does_nothing_and_a_changed_file_is_imported_again(
    run: Import, folder: Path, tmp_path: Path
) -> None:
    run()
    before = (tmp_path / "runs" / "generations.parquet").read_bytes()
    again = run()
    assert (again.imported, again.reused) == (0, 4)
    assert (tmp_path / "runs" / "generations.parquet").read_bytes() == before
    write_lossless(folder / f"{SAMPLES[1]}.mkv", video(9), FPS)
    third = run()
    assert (third.imported, third.reused) == (1, 3)
    path = table(tmp_path)[SAMPLES[1]].path
    assert path is not None
    np.testing.assert_array_equal(read_frames(tmp_path / "runs" / path), video(9))
    (tmp_path / "runs" / path).unlink()
    assert run().imported == 1
    lines = (tmp_path / "runs" / "generations.jsonl").read_text().splitlines()
    counts = [json.loads(line)["status"] for line in lines]
    assert (counts.count("ok"), counts.count("lost")) == (6, 2)


def test_videos_of_two_imports_never_mix(
    run: Import, folder: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    run()
    (folder / f"{SAMPLES[2]}.mkv").unlink()
    report = run()
    assert told(report) == [("missing", SAMPLES[2], None, "no file", "one")]
    assert table(tmp_path)[SAMPLES[2]].error == "import.missing"
    generate(tiny_dataset, tmp_path / "runs", ["still"])  # writes the table anew
    row = table(tmp_path)[SAMPLES[2]]
    assert (row.status, row.path) == ("failed", None)


def test_each_problem_is_a_row_and_a_line_and_the_rest_is_imported(
    run: Import, folder: Path, tmp_path: Path
) -> None:
    for sample in SAMPLES[:3]:
        (folder / f"{sample}.mkv").unlink()
    write_lossless(folder / f"{SAMPLES[0]}.mkv", video(frames=13), FPS)
    write_lossless(folder / f"{SAMPLES[1]}.mkv", video(size=(48, 64)), FPS)
    write_lossless(folder / f"{SAMPLES[2]}.mkv", video(), 8.0)
    write_lossless(folder / f"{SAMPLES[3]}-final.mkv", video(), FPS)
    (folder / "readme.txt").write_text("hello")
    report = run()
    assert told(report) == [
        ("extra", None, "readme.txt", "'readme'", "the id of a sample of the task"),
        (
            *("extra", None, f"{SAMPLES[3]}-final.mkv", f"'{SAMPLES[3]}-final'"),
            "the id of a sample of the task",
        ),
        ("wrong_length", SAMPLES[0], f"{SAMPLES[0]}.mkv", "13 frames", "12"),
        ("wrong_size", SAMPLES[1], f"{SAMPLES[1]}.mkv", "48x64 (HxW)", "64x48 (HxW)"),
        ("wrong_fps", SAMPLES[2], f"{SAMPLES[2]}.mkv", "8 fps", "12 fps"),
    ]
    assert (report.imported, report.failed) == (1, 3)
    errors = [row.error for row in table(tmp_path).values()]
    assert errors == ["import.wrong_length", "import.wrong_size", "import.wrong_fps", None]
    assert told(run()) == told(report)
    assert {row.attempt for row in table(tmp_path).values()} == {1}
    assert f"wrong_fps {SAMPLES[2]} {SAMPLES[2]}.mkv: got 8 fps; asked: 12 fps" in report.text()


def test_two_files_for_a_sample_are_duplicates_and_neither_is_taken(
    run: Import, folder: Path
) -> None:
    write_lossless(folder / f"{SAMPLES[0]}.avi", video(), FPS)
    report = run()
    assert [(p.what, p.path) for p in report.problems] == [
        ("duplicate", f"{SAMPLES[0]}.avi"),
        ("duplicate", f"{SAMPLES[0]}.mkv"),
    ]
    assert report.imported == 3


def test_lossy_videos_are_marked(run: Import, folder: Path, tmp_path: Path) -> None:
    (folder / f"{SAMPLES[0]}.mkv").unlink()
    write_clip(folder / f"{SAMPLES[0]}.mp4", video(), FPS)
    assert run().imported == 4
    row = table(tmp_path)[SAMPLES[0]]
    assert row.warnings == ("decoded from h264, which loses detail",)
    assert json.loads(row.effective)["codec"] == "h264"
    assert row.path is not None
    frames = read_frames(folder / f"{SAMPLES[0]}.mp4")
    np.testing.assert_array_equal(read_frames(tmp_path / "runs" / row.path), frames)


def test_folders_of_pictures_are_ordered_by_number(
    run: Import, folder: Path, tmp_path: Path
) -> None:
    for sample in SAMPLES:
        (folder / f"{sample}.mkv").unlink()
    write_pictures(folder / SAMPLES[0], video(), first=3)  # frame_9 comes before frame_10
    write_pictures(folder / SAMPLES[1], video(frames=11))
    write_pictures(folder / SAMPLES[2], video())
    (folder / SAMPLES[2] / "frame_5.png").rename(folder / SAMPLES[2] / "frame_50.png")
    write_pictures(folder / SAMPLES[3], video())
    clear = np.dstack((video()[0], np.full((64, 48), 128, np.uint8)))
    Image.fromarray(clear).save(folder / SAMPLES[3] / "frame_0.png")
    report = run()
    assert [(p.what, p.sample_id, p.got) for p in report.problems] == [
        ("wrong_length", SAMPLES[1], "11 pictures"),
        ("unreadable", SAMPLES[2], "no picture of number 5"),
        ("unreadable", SAMPLES[3], "frame_0.png with transparent pixels"),
    ]
    path = table(tmp_path)[SAMPLES[0]].path
    assert path is not None
    np.testing.assert_array_equal(read_frames(tmp_path / "runs" / path), video())


def test_letterbox_places_other_sizes_and_says_so(
    run: Import, folder: Path, tmp_path: Path
) -> None:
    for sample in SAMPLES:
        write_lossless(folder / f"{sample}.mkv", video(size=(100, 60)), FPS)
    assert run().failed == 4
    assert run(fit="letterbox").imported == 4
    row = table(tmp_path)[SAMPLES[0]]
    effective = json.loads(row.effective)
    assert (effective["fit"], effective["size"]) == ("letterbox", [100, 60])
    assert row.path is not None
    expected = np.stack([letterbox(frame, (64, 48)) for frame in video(size=(100, 60))])
    np.testing.assert_array_equal(read_frames(tmp_path / "runs" / row.path), expected)


def write_manifest(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        names = list(rows[0])
        lines = [",".join(names)]
        for row in rows:
            cells = [json.dumps(v) if isinstance(v, dict) else v for v in row.values()]
            lines.append(",".join('"' + str(cell).replace('"', '""') + '"' for cell in cells))
        path.write_text("\n".join(lines))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        flat = [{**row, "settings": json.dumps(row.get("settings", {}))} for row in rows]
        pq.write_table(pa.Table.from_pylist(flat), path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_manifest_says_which_file_is_whose(
    run: Import, folder: Path, tmp_path: Path, suffix: str
) -> None:
    (folder / "deep").mkdir()
    rows = []
    for number, sample in enumerate(SAMPLES):
        path = f"deep/{number}.mkv"
        (folder / f"{sample}.mkv").rename(folder / path)
        sha256 = sha256_file(folder / path)
        rows.append(
            {"sample_id": sample, "path": path, "sha256": sha256, "settings": {"seed": number}}
        )
    rows[2]["sha256"] = "0" * 64
    rows[3]["sample_id"] = "sample-clip99"
    (folder / "deep" / "spare.mkv").write_bytes(b"")
    report = run(manifest=write_manifest(folder / f"list.{suffix}", rows))
    assert [(p.what, p.sample_id, p.path) for p in report.problems] == [
        ("extra", None, "deep/3.mkv"),
        ("extra", None, "deep/spare.mkv"),
        ("missing", SAMPLES[3], None),
        ("hash_mismatch", SAMPLES[2], "deep/2.mkv"),
    ]
    assert report.imported == 2
    assert json.loads(table(tmp_path)[SAMPLES[1]].effective)["declared"] == {"seed": 1}
    run_row = json.loads((tmp_path / "runs" / "run.json").read_text())["runs"][-1]
    assert run_row["manifest_sha256"] == sha256_file(folder / f"list.{suffix}")


def test_one_file_named_for_two_samples_is_taken_for_none(run: Import, folder: Path) -> None:
    rows = [{"sample_id": s, "path": f"{SAMPLES[0]}.mkv"} for s in SAMPLES[:2]]
    report = run(manifest=write_manifest(folder / "list.csv", rows))
    assert [p.what for p in report.problems if p.sample_id in SAMPLES[:2]] == ["duplicate"] * 2
    assert report.imported == 0


@pytest.mark.parametrize("path", ["../secret.mkv", "/etc/passwd", "link.mkv", "in/../../x.mkv"])
def test_paths_that_leave_the_folder_stop_the_import(
    run: Import, folder: Path, tmp_path: Path, path: str
) -> None:
    write_lossless(tmp_path / "secret.mkv", video(), FPS)
    (folder / "link.mkv").symlink_to(tmp_path / "secret.mkv")
    manifest = write_manifest(tmp_path / "list.csv", [{"sample_id": SAMPLES[0], "path": path}])
    with pytest.raises(UnsafePath):
        run(manifest=manifest)
    (folder / "link.mkv").rename(folder / "sample-clip77.mkv")
    with pytest.raises(UnsafePath):
        run()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list.txt", "", "a file that ends in"),
        ("list.csv", "sample_id,path,speed\na,b,c", "unknown column 'speed'"),
        ("list.csv", "sample_id,path\na", "lacks sample_id or path"),
        ("list.csv", "sample_id,path\na,b,c", "beyond the header"),
        ("list.csv", "sample_id,path,sha256\na,b,c", "64 hex digits"),
        ("list.csv", "sample_id,path,settings\na,b,[1]", "a JSON object"),
        ("list.jsonl", "[1]", "no JSON object"),
        ("list.jsonl", "{", "cannot be read"),
        ("list.jsonl", '{"sample_id": "a", "path": 3}', "lacks sample_id or path"),
        ("list.jsonl", '{"sample_id": "a", "path": "b", "settings": {"x": NaN}}', "cannot be"),
        ("list.parquet", "PAR1", "cannot be read"),
    ],
)
def test_a_manifest_that_is_none_is_refused(
    run: Import, tmp_path: Path, name: str, text: str, said: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputRefused, match=said):
        run(manifest=tmp_path / name)


def test_hostile_files_are_unreadable(run: Import, folder: Path) -> None:
    whole = (folder / f"{SAMPLES[0]}.mkv").read_bytes()
    (folder / f"{SAMPLES[0]}.mkv").write_bytes(whole[: len(whole) // 2])
    (folder / f"{SAMPLES[1]}.mkv").write_bytes(b"#EXTM3U\nhttp://example.org/x.ts")
    (folder / f"{SAMPLES[2]}.mkv").write_bytes(b"")
    (folder / f"{SAMPLES[3]}.mkv").unlink()
    write_pictures(folder / SAMPLES[3], video())
    (folder / SAMPLES[3] / "frame_4.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    report = run()
    assert [p.sample_id for p in report.problems] == SAMPLES
    assert {p.what for p in report.problems} <= {"unreadable", "wrong_length"}
    assert report.imported == 0


def test_a_dry_run_checks_all_and_writes_nothing(run: Import, folder: Path, tmp_path: Path) -> None:
    write_lossless(folder / f"{SAMPLES[0]}.mkv", video(frames=3), FPS)
    dry = run(dry_run=True)
    assert not (tmp_path / "runs").exists()
    report = run()
    assert (told(dry), dry.imported) == (told(report), report.imported)
    before = {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()}
    assert run(dry_run=True).reused == 3
    assert {p: p.read_bytes() for p in (tmp_path / "runs").rglob("*") if p.is_file()} == before


def test_the_run_folder_says_what_is_asked(run: Import, tiny_dataset: Path, tmp_path: Path) -> None:
    generate(tiny_dataset, tmp_path / "runs", ["still"], TaskOptions(limit=2, seed=3))
    assert run().samples == 2
    assert {row.seed for row in table(tmp_path).values()} == {3}
    with pytest.raises(InputRefused, match="another task"):
        run(asked=TaskOptions(seed=4))


def test_the_rule_says_which_references_a_method_took(run: Import, tmp_path: Path) -> None:
    run(max_references=1)
    assert {len(row.reference_ids) for row in table(tmp_path).values()} == {1}


def test_names_of_generators_and_of_generated_videos_are_refused(
    run: Import, tiny_dataset: Path, tmp_path: Path
) -> None:
    for fields in ({"name": "still"}, {"name": "../x"}, {"fit": "stretch"}):
        with pytest.raises(ConfigError):
            run(**fields)
    entrant = tmp_path / "theirs.toml"
    entrant.write_text('generator = "worker"')
    generate(tiny_dataset, tmp_path / "runs", [str(entrant)])
    with pytest.raises(ConfigError, match="generated"):
        run()


def test_the_command_tells_problems_and_exits_with_3(
    folder: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    shutil.copy(folder / f"{SAMPLES[0]}.mkv", folder / "other.mkv")
    (folder / f"{SAMPLES[0]}.mkv").unlink()
    arguments = ["import", str(folder), "--dataset", str(tiny_dataset), "--name", "theirs"]
    arguments += ["--out", str(tmp_path / "runs")]
    done = CliRunner().invoke(build_app(), [*arguments, "--json"])
    assert done.exit_code == 3
    report = json.loads(done.stdout)
    assert (report["imported"], report["failed"]) == (3, 1)
    assert [problem["what"] for problem in report["problems"]] == ["extra", "missing"]
    (folder / f"{SAMPLES[0]}.mkv").write_bytes((folder / "other.mkv").read_bytes())
    done = CliRunner().invoke(build_app(), arguments)
    assert done.exit_code == 0
    assert "theirs: 4 samples, 1 imported, 3 reused, 0 failed" in done.stdout
