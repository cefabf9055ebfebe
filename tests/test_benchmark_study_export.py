"""Blind sheets: what they hold, what they hide, and that an export goes on where it stopped."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections import Counter
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.results import Generation
from benchmark.study.clips import common_size
from benchmark.study.columns import COLUMNS, META_TITLE, RATING_COLUMNS, RATINGS_TITLE
from benchmark.study.criteria import CRITERIA, LEVELS
from benchmark.study.export import export
from benchmark.study.key import KEY_FILE, StudyOptions, load_key
from benchmark.study.plan import load_plan, spread
from benchmark.study.sheet_csv import as_text
from benchmark.study.sheet_xlsx import rating_validation
from mrfashion.__main__ import run
from mrfashion.errors import ConfigError, ExitCode, HashMismatch, InputRefused
from mrfashion.media import probe, read_frames
from tests.run_folders import exact, noisy, write_runs
from tests.study_sheets import COLUMN, NAMES, write_study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> Path:
    return write_study(tmp_path_factory.mktemp("export"), tiny_dataset)


def contents(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def sent_bytes(study: Path) -> dict[str, bytes]:
    """Everything a rater could look into, workbooks unpacked."""
    files = contents(study / "sheets") | {"plan.json": (study / "plan.json").read_bytes()}
    for name in [name for name in files if name.endswith(".xlsx")]:
        with zipfile.ZipFile(BytesIO(files[name])) as archive:
            files |= {f"{name}/{part}": archive.read(part) for part in archive.namelist()}
    return files


def test_nothing_that_is_sent_names_an_entrant_or_a_sample(study: Path) -> None:
    key = load_key(study)
    secrets = {key.secret, "real video", "hidden", "nearest", "exact", "noisy"}
    secrets |= {name for clip in key.clips for name in (clip.entrant, clip.source_sha256) if name}
    secrets |= {clip.sample_id for clip in key.clips}
    assert {*NAMES} <= secrets
    spellings = {text.replace("<", "&lt;").replace(">", "&gt;") for text in secrets} | secrets
    for name, data in sent_bytes(study).items():
        for text in spellings:
            assert text not in name
            assert text.encode() not in data, f"{name} holds {text}"
            assert text.encode("utf-16-le") not in data


def test_ids_are_random_and_lead_to_the_key_alone(study: Path, tmp_path: Path) -> None:
    other = shutil.copytree(study.parent / "runs", tmp_path / "runs")
    task = json.loads((other / "task.json").read_text())
    dataset = (study.parent / "runs" / task["dataset"]).resolve()
    export(other, tmp_path / "study", StudyOptions(raters=2), dataset_root=dataset)
    ids = [
        {clip.blind_id for clip in load_plan(root).clips} for root in (study, tmp_path / "study")
    ]
    assert ids[0].isdisjoint(ids[1])
    assert load_plan(study).study_id != load_plan(tmp_path / "study").study_id
    assert stat.S_IMODE((study / KEY_FILE).stat().st_mode) == 0o600


def test_the_same_key_gives_the_same_bytes(study: Path, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    shutil.copy(study / KEY_FILE, tmp_path / "study" / KEY_FILE)
    summary = export(study.parent / "runs", tmp_path / "study", StudyOptions(raters=2))
    assert summary.written > 0
    assert contents(tmp_path / "study") == contents(study)


def test_a_second_export_changes_nothing(study: Path) -> None:
    before = contents(study)
    summary = export(study.parent / "runs", study, StudyOptions(raters=2))
    assert (summary.written, summary.reused) == (0, len(before) - 2)  # all but plan and key
    assert contents(study) == before


@pytest.mark.parametrize("lost", ["plan.json", "sheets/rater-02.xlsx", "sheets/clips"])
def test_an_interrupted_export_goes_on(study: Path, tmp_path: Path, lost: str) -> None:
    shutil.copytree(study.parent / "runs", tmp_path / "runs")
    shutil.copytree(study, tmp_path / "study")
    path = tmp_path / "study" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    export(study.parent / "runs", tmp_path / "study", StudyOptions(raters=2))
    assert contents(tmp_path / "study") == contents(study)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"raters": 3}, "raters: 2 there, 3 now"),
        ({"samples": 2}, "samples: None there, 2 now"),
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"hidden_reference": False}, "hidden_reference: True there, False now"),
    ],
)
def test_another_plan_is_refused(study: Path, options: dict[str, object], message: str) -> None:
    before = contents(study)
    with pytest.raises(InputRefused, match=message):
        export(study.parent / "runs", study, StudyOptions(**{"raters": 2} | options))
    assert contents(study) == before


def test_other_folders_and_changed_files_are_refused(
    study: Path, tmp_path: Path, tiny_dataset: Path
) -> None:
    runs, options = study.parent / "runs", StudyOptions(raters=2)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(InputRefused, match="holds other files"):
        export(runs, tmp_path / "home", options)
    copy = shutil.copytree(study, tmp_path / "copy")
    clip = next((copy / "sheets" / "clips").iterdir())
    clip.write_bytes(clip.read_bytes() + b"x")
    with pytest.raises(HashMismatch, match=f"{clip.name} is not the clip that was planned"):
        export(runs, copy, options)
    (copy / KEY_FILE).unlink()
    with pytest.raises(InputRefused, match=r"holds plan\.json without key"):
        export(runs, copy, options)
    other = write_runs(tmp_path / "other", tiny_dataset, {NAMES[0]: exact, NAMES[1]: exact})
    with pytest.raises(InputRefused, match="videos are not those"):
        export(other, study, options)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (KEY_FILE, '"=cmd"', '"=cmt"', "ids are not those of its names"),
        (KEY_FILE, '"secret": "', '"secret": "zz', "64 hexadecimal digits"),
        (KEY_FILE, '"seed": 0', '"seed": -1', "allowed: 0 and above"),
        (KEY_FILE, '"schema_version": 1', '"schema_version": 9', "no key of version 1"),
        ("plan.json", '"seed": 0', '"seed": 1', "plan_hash is not that of its values"),
        ("plan.json", '"seed": 0', '"sead": 0', "unknown key 'sead'"),
        ("plan.json", "{", "{{", "is no JSON"),
    ],
)
def test_edited_plans_and_keys_are_refused(
    study: Path, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    text = (study / name).read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(InputRefused, match=message):
        (load_key if name == KEY_FILE else load_plan)(tmp_path)


def test_every_clip_is_encoded_alike_and_leads_back_to_its_video(study: Path) -> None:
    plan, key = load_plan(study), load_key(study)
    assert len(plan.clips) == 12
    for clip in plan.clips:
        path = study / "sheets" / "clips" / f"{clip.blind_id}.mp4"
        info = probe(path)
        assert (info.width, info.height, info.codec) == (48, 64, "h264")
        assert (info.fps, len(read_frames(path))) == (12.0, 12)
        with av.open(str(path)) as container:
            assert set(container.metadata) <= {
                "major_brand",
                "minor_version",
                "compatible_brands",
            }
    # `=cmd` is the target itself: its clip and the real one of a sample show the same.
    shown = {(c.entrant, c.sample_id): plan.clip[c.blind_id].sha256 for c in key.clips}
    for sample in {c.sample_id for c in key.clips}:
        assert shown[None, sample] == shown["=cmd", sample] != shown[NAMES[0], sample]


def test_a_video_of_another_size_does_not_stand_out(tmp_path: Path, tiny_dataset: Path) -> None:
    small = write_runs(tmp_path / "runs", tiny_dataset, {"a": lambda frames: frames[:, ::2, ::2]})
    export(small, tmp_path / "study", StudyOptions(raters=1, samples=1), formats=["csv"])
    clips = sorted((tmp_path / "study" / "sheets" / "clips").iterdir())
    assert [(probe(path).width, probe(path).height) for path in clips] == [(48, 64)] * 2


def test_each_rater_sees_every_clip_in_an_order_of_their_own(study: Path) -> None:
    plan = load_plan(study)
    orders = [[row.blind_id for row in sheet.rows] for sheet in plan.sheets]
    assert [sheet.rater for sheet in plan.sheets] == ["rater-01", "rater-02"]
    assert {*orders[0]} == {*orders[1]} == {clip.blind_id for clip in plan.clips}
    assert orders[0] != orders[1]
    for order in orders:
        sets = [plan.clip[blind_id].set_id for blind_id in order]
        assert all(a != b for a, b in pairwise(sets))
    assert [row.block for row in plan.sheets[0].rows] == [1] * 10 + [2] * 2


@given(st.lists(st.sampled_from("abcd"), max_size=14))
def test_neighbours_differ_wherever_that_is_possible(names: list[str]) -> None:
    items = list(enumerate(names))
    ordered = spread(items, lambda item: item[1])
    assert sorted(ordered) == items
    most = max(Counter(names).values(), default=0)
    if most <= (len(names) + 1) // 2:
        assert all(a[1] != b[1] for a, b in pairwise(ordered))


def test_fewer_samples_come_from_as_many_outfits_as_there_are(
    tmp_path: Path, tiny_dataset: Path
) -> None:
    study = write_study(tmp_path, tiny_dataset, samples=2, hidden_reference=False)
    key = load_key(study)
    assert len(key.clips) == 4
    assert {clip.garment_group for clip in key.clips} == {"g00", "g01"}
    assert all(clip.entrant for clip in key.clips)


def test_a_sample_that_an_entrant_lacks_is_left_out_with_the_reason(
    tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(rows: list[Generation]) -> None:
        rows[0] = replace(rows[0], status="failed", path=None, video_sha256=None)

    runs = write_runs(tmp_path / "runs", tiny_dataset, {"a": noisy, "b": exact}, fail)
    assert run(["study", "export", str(runs), "--out", str(tmp_path / "s")]) == ExitCode.COMPLETE
    assert "left out sample-clip00: no video of a" in capsys.readouterr().out
    assert {c.sample_id[-1] for c in load_key(tmp_path / "s").clips} == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        ({"video_sha256": "0" * 64}, HashMismatch, "is not the file that the table names"),
        ({"path": "videos/gone.mkv"}, InputRefused, "does not exist"),
        ({"path": "../../key"}, InputRefused, "leaves its folder"),
    ],
)
def test_videos_are_verified_first(
    tmp_path: Path,
    tiny_dataset: Path,
    edit: dict[str, str],
    error: type[Exception],
    message: str,
) -> None:
    def change(rows: list[Generation]) -> None:
        rows[0] = replace(rows[0], **edit)

    runs = write_runs(tmp_path / "runs", tiny_dataset, {"a": exact}, change)
    with pytest.raises(error, match=message):
        export(runs, tmp_path / "study", StudyOptions())


def test_a_video_of_another_length_is_not_shown(tmp_path: Path, tiny_dataset: Path) -> None:
    runs = write_runs(tmp_path / "runs", tiny_dataset, {"a": lambda frames: frames[:-1]})
    with pytest.raises(InputRefused, match="has 11 frames; asked: 12"):
        export(runs, tmp_path / "study", StudyOptions())


def test_the_workbook_is_what_a_rater_needs(study: Path) -> None:
    sheet = load_plan(study).sheets[0]
    book = openpyxl.load_workbook(study / "sheets" / "rater-01.xlsx")
    assert book.sheetnames == [RATINGS_TITLE, "Instructions", META_TITLE]
    assert book[META_TITLE].sheet_state == "veryHidden"
    page = book[RATINGS_TITLE]
    assert [cell.value for cell in page[1]] == list(COLUMNS)
    assert [row[0].value for row in page.iter_rows(min_row=2)] == [r.row_id for r in sheet.rows]
    assert page.protection.sheet
    for name in COLUMNS:
        cell = page.cell(2, COLUMN[name])
        open_to_rater = name in (*RATING_COLUMNS, "cannot_play", "comment")
        assert cell.protection.locked is not open_to_rater, name
    clip = page.cell(2, COLUMN["clip"])
    assert clip.value == sheet.rows[0].blind_id
    assert clip.hyperlink.target.replace("\\", "/") == f"clips/{clip.value}.mp4"
    assert (study / "sheets" / "clips" / f"{clip.value}.mp4").is_file()
    formulas = {str(v.sqref): v.formula1 for v in page.data_validations.dataValidation}
    assert formulas == {
        "E2:E13": '"1,2,3,4,5"',
        "F2:F13": '"1,2,3,4,5"',
        "G2:G13": '"1,2,3,4,5"',
        "H2:H13": '"yes"',
    }
    with zipfile.ZipFile(study / "sheets" / "rater-01.xlsx") as archive:
        pictures = [name for name in archive.namelist() if name.startswith("xl/media/")]
        assert len(pictures) == 4  # one a sample, however many rows show it
        assert not [n for n in archive.namelist() if "richData" in n]  # nothing embedded in cells
        drawing = archive.read("xl/drawings/drawing1.xml")
        assert drawing.count(b"<xdr:pic>") == 12
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")
        assert Image.open(BytesIO(archive.read(pictures[0]))).height == 128


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda c: c.id)
def test_questions_fit_what_excel_takes(criterion: object) -> None:
    validation = rating_validation(criterion)  # type: ignore[arg-type]
    assert len(validation["input_title"]) <= 32
    assert len(validation["input_message"]) <= 255
    assert len(validation["error_title"]) <= 32
    assert len(validation["error_message"]) <= 255


def test_the_instructions_say_what_every_level_means(study: Path) -> None:
    book = openpyxl.load_workbook(study / "sheets" / "rater-01.xlsx")
    cells = {str(c.value) for row in book["Instructions"].iter_rows() for c in row if c.value}
    text = (study / "sheets" / "INSTRUCTIONS.txt").read_text()
    for criterion in CRITERIA:
        assert len(criterion.anchors) == len(LEVELS)
        for anchor in criterion.anchors:
            assert anchor in cells
            assert anchor in text


def test_the_csv_opens_in_a_spreadsheet_as_text(study: Path) -> None:
    data = (study / "sheets" / "rater-01.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\r\n") == 13
    cells = [cell for line in data.decode("utf-8-sig").splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [as_text(t) for t in ("=cmd", "+1", "-1", "@x", "\tx", "R1")] == [
        "'=cmd",
        "'+1",
        "'-1",
        "'@x",
        "'\tx",
        "R1",
    ]


def test_sizes_are_one_and_even() -> None:
    assert common_size([(63, 48), (40, 51)]) == (64, 52)
    assert common_size([(4000, 1000)]) == (1024, 256)
    assert common_size([(1, 1)]) == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raters", "0"], "raters is 0; allowed: 1 to 200"),
        (["--samples", "0"], "samples is 0; allowed: 1 and above"),
        (["--format", "xls"], "format is 'xls'; allowed: xlsx, csv"),
    ],
)
def test_wrong_options_are_named(
    study: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    runs = str(study.parent / "runs")
    code = run(["study", "export", runs, "--out", str(tmp_path / "new"), *arguments])
    assert code == ExitCode.USAGE
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_options_are_checked_in_python_too() -> None:
    with pytest.raises(ConfigError, match="seed is -1"):
        StudyOptions(seed=-1)
