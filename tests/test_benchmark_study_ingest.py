"""Returned sheets: what is taken, and that everything else is refused with file, row and reason."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from benchmark.study.columns import META_TITLE, RATING_COLUMNS
from benchmark.study.criteria import CRITERIA
from benchmark.study.ingest import Intake, ingest
from benchmark.study.ingest_report import load_report
from benchmark.study.plan import load_plan
from benchmark.study.ratings import RATINGS
from mrfashion.__main__ import run
from mrfashion.artefacts import sha256_file
from mrfashion.errors import ConfigError, ExitCode, HashMismatch, InputRefused
from tests.study_sheets import COLUMN, fill_csv, fill_xlsx, level, write_study

ROWS, CELLS = 12, 36
AUTHENTICITY = COLUMN[RATING_COLUMNS[0]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> Path:
    return write_study(tmp_path_factory.mktemp("ingest"), tiny_dataset)


@pytest.fixture
def study(exported: Path, tmp_path: Path) -> Path:
    """A study whose sheets are out: no rater has answered."""
    return shutil.copytree(exported, tmp_path / "study")


@pytest.fixture
def back(tmp_path: Path) -> Path:
    (tmp_path / "back").mkdir()
    return tmp_path / "back"


def xlsx(study: Path, back: Path, edit: Callable[[Any], None] = lambda page: None) -> Path:
    return fill_xlsx(study / "sheets" / "rater-01.xlsx", back / "one.xlsx", edit)


def ratings(study: Path) -> pd.DataFrame:
    return pd.read_parquet(study / "ratings.parquet")


def reasons(intake: Intake) -> list[tuple[str, int | None, str]]:
    return [(r.file, f.row, f.reason) for r in intake.files for f in r.rejections]


@pytest.mark.parametrize("source", ["xlsx", "csv"])
def test_answers_come_back_as_they_were_given(study: Path, back: Path, source: str) -> None:
    fill = {"xlsx": fill_xlsx, "csv": fill_csv}[source]
    file = fill(study / "sheets" / f"rater-01.{source}", back / f"one.{source}")
    intake = ingest(study, [file])
    assert [report.status for report in intake.files] == ["taken"]
    assert reasons(intake) == []
    plan = load_plan(study)
    rows = RATINGS.read(study / "ratings.parquet")
    assert len(rows) == intake.ratings == CELLS
    for row in rows:
        planned = plan.sheets[0].rows[row.position - 1]
        number = [c.id for c in CRITERIA].index(row.criterion)
        assert row.value == level(row.position, number)
        assert (row.row_id, row.blind_id, row.block) == (
            planned.row_id,
            planned.blind_id,
            planned.block,
        )
        clip = study / "sheets" / "clips" / f"{row.blind_id}.mp4"
        assert row.video_sha256 == sha256_file(clip)  # the chain, from answer to video
        assert (row.rater, row.source, row.flags) == ("rater-01", source, ())
        assert row.raw_row == row.position + 1
        raw = study / "raw" / f"{row.raw_file_sha256}.{source}"
        assert raw.read_bytes() == file.read_bytes()
    assert RATINGS.metadata(study / "ratings.parquet")["plan_hash"] == plan.plan_hash


def test_both_formats_and_any_order_give_the_same_table(study: Path, back: Path) -> None:
    one = fill_xlsx(study / "sheets" / "rater-01.xlsx", back / "one.xlsx")
    two = fill_csv(study / "sheets" / "rater-02.csv", back / "two.csv")
    other = shutil.copytree(study, back / "other")
    ingest(study, [one, two])
    ingest(other, [two])
    ingest(other, [one])
    for name in ("ratings.parquet", "ingest_report.json"):
        assert (study / name).read_bytes() == (other / name).read_bytes()
    before = (study / "ingest_report.json").read_bytes()
    again = ingest(study, [one, two])
    assert again.known == ("one.xlsx", "two.csv")
    assert not again.refused
    assert (study / "ingest_report.json").read_bytes() == before


def test_ingest_needs_no_key(study: Path, back: Path) -> None:
    (study / "key.private.json").unlink()
    assert not ingest(study, [xlsx(study, back)]).refused


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
@pytest.mark.parametrize("target", ["xlsx", "csv"])
def test_a_sheet_saved_by_libreoffice_ingests(study: Path, back: Path, target: str) -> None:
    fill = {"xlsx": fill_xlsx, "csv": fill_csv}[target]
    file = fill(study / "sheets" / f"rater-01.{target}", back / f"one.{target}")
    profile = f"-env:UserInstallation={(back / 'profile').as_uri()}"
    out = back / "saved"
    comma, quote, utf8 = 44, 34, 76
    form = f"{comma},{quote},{utf8}"  # what its dialogs offer first
    to, options = {
        "xlsx": ("xlsx:Calc MS Excel 2007 XML", []),
        "csv": (f"csv:Text - txt - csv (StarCalc):{form}", [f"--infilter=CSV:{form}"]),
    }[target]
    subprocess.run(
        ["soffice", profile, "--headless", *options, "--convert-to", to, "--outdir", out, file],
        check=True,
        capture_output=True,
        timeout=120,
    )
    saved = out / file.name
    assert saved.read_bytes() != file.read_bytes()
    intake = ingest(study, [saved])
    assert reasons(intake) == []
    assert [r.notes for r in intake.files] == [()]
    expected = [level(p, n) for p in range(1, ROWS + 1) for n in range(3)]
    order = {criterion.id: n for n, criterion in enumerate(CRITERIA)}
    rows = sorted(RATINGS.read(study / "ratings.parquet"), key=lambda r: order[r.criterion])
    assert [row.value for row in sorted(rows, key=lambda r: r.position)] == expected


def cell(row: int, column: int, value: object, form: str | None = None) -> Callable[[Any], None]:
    def edit(page: Any) -> None:
        page.cell(row, column).value = value
        if form is not None:
            page.cell(row, column).number_format = form

    return edit


def error_cell(page: Any) -> None:
    page.cell(5, AUTHENTICITY).value = "#N/A"
    page.cell(5, AUTHENTICITY).data_type = "e"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (cell(5, AUTHENTICITY, 7), "out of range: 7"),
        (cell(5, AUTHENTICITY, 0), "out of range: 0"),
        (cell(5, AUTHENTICITY, -3), "out of range: -3"),
        (cell(5, AUTHENTICITY, "6"), 'out of range: "6"'),
        (cell(5, AUTHENTICITY, 4.5), "not a whole number: 4.5"),
        (cell(5, AUTHENTICITY, "4.5"), 'not a whole number: "4.5"'),
        (cell(5, AUTHENTICITY, "good"), 'text: "good"'),
        (cell(5, AUTHENTICITY, "٤"), 'text: "٤"'),
        (cell(5, AUTHENTICITY, "=1+1"), 'a formula ("=1+1")'),
        (cell(5, AUTHENTICITY, datetime(2026, 5, 1)), "a date: the spreadsheet turned"),
        (cell(5, AUTHENTICITY, 4, "dd.mm.yyyy"), "a date: the spreadsheet turned"),
        (cell(5, AUTHENTICITY, True), "true or false"),
        (error_cell, 'an error of the spreadsheet ("#N/A")'),
    ],
)
def test_a_wrong_cell_is_refused_alone(
    study: Path, back: Path, edit: Callable[[Any], None], reason: str
) -> None:
    file = xlsx(study, back, edit)
    intake = ingest(study, [file])
    ((name, row, text),) = reasons(intake)
    assert (name, row) == ("one.xlsx", 5)
    assert reason in text
    assert intake.files[0].rejections[0].column == RATING_COLUMNS[0]
    assert intake.ratings == 0  # a faulty sheet adds nothing unless it is told to
    accepted = ingest(study, [file], accept_partial=True)
    assert accepted.ratings == CELLS - 1
    table = ratings(study)
    (lost,) = table[table["value"].isna()].to_dict("records")
    assert (lost["position"], lost["criterion"]) == (4, "character_authenticity")
    assert list(lost["flags"]) == ["rejected"]


def test_only_spaces_and_wide_digits_are_put_right_and_noted(study: Path, back: Path) -> None:
    def edit(page: Any) -> None:
        page.cell(2, AUTHENTICITY).value = "４"
        page.cell(3, AUTHENTICITY).value = " 2 "

    intake = ingest(study, [xlsx(study, back, edit)])
    assert [(n.row, n.reason) for n in intake.files[0].notes] == [
        (2, '"４" read as 4'),
        (3, '" 2 " read as 2'),
    ]
    table = ratings(study).query("criterion == 'character_authenticity'").set_index("position")
    assert list(table["value"][:2]) == [4, 2]
    assert [list(flags) for flags in table["flags"][:3]] == [["normalised"], ["normalised"], []]


def swap_clips(page: Any) -> None:
    a, b = (page.cell(row, COLUMN["clip"]) for row in (3, 4))
    a.value, b.value = b.value, a.value


def repeat(values: tuple[int, int, int]) -> Callable[[Any], None]:
    def edit(page: Any) -> None:
        copy = [c.value for c in page[2]][: AUTHENTICITY - 1]
        page.append([*copy, *values])

    return edit


@pytest.mark.parametrize(
    ("edit", "rows", "reason", "lost"),
    [
        (cell(3, 1, "R002-0000"), [3], "wrong check code", 1),
        (cell(3, 1, "R999-0000"), [3], "is not in this sheet", 1),
        (cell(3, 1, "=cmd|' /C calc'!A0"), [3], 'row "" is not in this sheet', 1),
        (cell(3, 1, "<img src=x onerror=alert(1)>"), [3], '"<img src=x onerror=', 1),
        (cell(3, 1, None), [3], "is not in this sheet", 1),
        (cell(3, COLUMN["clip"], "clip-000000000000"), [3], "is not the one of row R002", 1),
        (swap_clips, [3, 4], "is not the one of row R00", 2),
        (repeat((5, 5, 5)), [2, 14], "stands 2 times, with other answers; none", 1),
        (
            repeat((level(1, 0), level(1, 1), level(1, 2))),
            [14],
            "stands 2 times, with equal answers; one counts",
            0,
        ),
        (cell(3, COLUMN["cannot_play"], "yes"), [3], "rated, and marked as one that cannot", 1),
        (cell(3, COLUMN["cannot_play"], "maybe"), [3], 'cannot_play is "maybe"', 1),
        (cell(3, COLUMN["comment"], "=1+1"), [3], "a formula", 0),
    ],
)
def test_tampered_and_repeated_rows_are_refused_with_their_row(
    study: Path,
    back: Path,
    edit: Callable[[Any], None],
    rows: list[int],
    reason: str,
    lost: int,
) -> None:
    file = xlsx(study, back, edit)
    intake = ingest(study, [file])
    assert intake.refused
    assert [(name, row) for name, row, _ in reasons(intake)] == [("one.xlsx", r) for r in rows]
    assert all(reason in text for _, _, text in reasons(intake))
    assert ingest(study, [file], accept_partial=True).ratings == CELLS - 3 * lost


def test_what_is_missing_is_listed_and_never_filled_in(study: Path, back: Path) -> None:
    def edit(page: Any) -> None:
        page.cell(2, AUTHENTICITY).value = None
        for column in range(AUTHENTICITY, AUTHENTICITY + 3):
            page.cell(3, column).value = None
        page.cell(3, COLUMN["cannot_play"]).value = "Yes"
        page.delete_rows(13)

    intake = ingest(study, [xlsx(study, back, edit)])
    ids = [row.row_id for row in load_plan(study).sheets[0].rows]
    assert not intake.refused
    assert intake.files[0].missing == (
        f"{ids[0]}: character_authenticity_1to5",
        f"{ids[-1]}: the row is not there",
    )
    table = ratings(study)
    gaps = table[table["value"].isna()]
    assert Counter(flag for flags in gaps["flags"] for flag in flags) == {
        "missing": 4,
        "cannot_play": 3,
    }
    first, second = intake.report.raters
    assert (first.rated, first.cannot_play, first.missing) == (CELLS - 7, 3, 4)
    assert (second.rated, second.missing) == (0, CELLS)


def test_rows_may_be_sorted_and_columns_added(study: Path, back: Path) -> None:
    def edit(rows: list[dict[str, str]]) -> None:
        rows.reverse()

    file = fill_csv(study / "sheets" / "rater-01.csv", back / "one.csv", edit)
    assert ingest(study, [file]).ratings == CELLS
    assert ratings(study).query("position == 1")["raw_row"].tolist() == [13] * 3


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_spreadsheets_csv_is_read(study: Path, back: Path, delimiter: str) -> None:
    file = fill_csv(study / "sheets" / "rater-01.csv", back / "one.csv")
    text = file.read_text("utf-8-sig").replace(",", delimiter)
    file.write_text(text, "utf-16" if delimiter == "\t" else "utf-8")
    assert ingest(study, [file]).ratings == CELLS


def meta(name: str, value: str) -> Callable[[Any], None]:
    def edit(page: Any) -> None:
        for row in page.parent[META_TITLE].iter_rows():
            if row[0].value == name:
                row[1].value = value

    return edit


def remove(title: str) -> Callable[[Any], None]:
    def edit(page: Any) -> None:
        page.parent.remove(page.parent[title])

    return edit


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (meta("study_id", "study-00000000"), 'it says it is of study "study-00000000"'),
        (meta("sheet_id", "sheet-0"), "is none of this study's sheets"),
        (meta("rater", "rater-02"), "rater is"),
        (meta("schema_version", "9"), "schema_version is"),
        (meta("rows", "11"), "rows is"),
        (meta("rows_hash", "0" * 32), "Its row list is not the one sent"),
        (remove(META_TITLE), 'sheet "_meta" is missing'),
        (cell(1, 1, "id"), 'column "row_id" is missing'),
        (cell(1, 1, "clip"), 'column "clip" stands twice'),
    ],
)
def test_a_file_of_another_study_is_refused_whole(
    study: Path, back: Path, edit: Callable[[Any], None], reason: str
) -> None:
    file = xlsx(study, back, edit)
    for accept_partial in (False, True):
        intake = ingest(study, [file], accept_partial=accept_partial)
        assert intake.refused
        ((name, row, text),) = reasons(intake)
        assert (name, row) == ("one.xlsx", None)
        assert reason in text
        assert intake.ratings == 0
    assert [path.suffix for path in (study / "raw").iterdir()] == [".xlsx"]


def test_one_file_a_rater(study: Path, back: Path) -> None:
    first = xlsx(study, back)
    copy = Path(shutil.copy(first, back / "copy.xlsx"))
    second = fill_csv(study / "sheets" / "rater-01.csv", back / "second.csv")
    intake = ingest(study, [first, copy, second])
    assert [report.status for report in intake.files] == ["taken", "refused", "refused"]
    assert [text for _, _, text in reasons(intake)] == [
        "same file twice: its bytes are those of one.xlsx",
        "two files for rater-01: one.xlsx was taken before (--replace)",
    ]
    assert intake.ratings == CELLS
    assert set(ratings(study)["source"]) == {"xlsx"}
    assert ingest(study, [second], replace_earlier=True).ratings == CELLS
    assert set(ratings(study)["source"]) == {"csv"}
    report = load_report(study, load_plan(study).study_id)
    assert {r.file: r.status for r in report.files} == {
        "one.xlsx": "replaced",
        "second.csv": "taken",
    }


def test_answers_that_follow_a_pattern_are_flagged_and_kept(study: Path, back: Path) -> None:
    def edit(page: Any) -> None:
        for row in range(2, ROWS + 2):
            for column in range(AUTHENTICITY, AUTHENTICITY + 3):
                page.cell(row, column).value = 3

    intake = ingest(study, [xlsx(study, back, edit)])
    assert intake.files[0].flags == ("straight_line", "zero_variance")
    assert intake.ratings == CELLS
    assert {tuple(flags) for flags in ratings(study)["flags"]} == {
        ("straight_line", "zero_variance")
    }


def test_comments_stay_text(study: Path, back: Path) -> None:
    hostile = '=HYPERLINK(1) <script>\n\u202e,"quoted"'

    def edit(rows: list[dict[str, str]]) -> None:
        rows[0]["comment"] = hostile

    file = fill_csv(study / "sheets" / "rater-01.csv", back / "one.csv", edit)
    intake = ingest(study, [file])
    assert not intake.refused
    (comment,) = intake.files[0].comments
    assert comment.text == '=HYPERLINK(1) <script>\\n\\u202e,"quoted"'


@pytest.mark.parametrize(
    ("name", "message"),
    [("gone.xlsx", "is no file"), ("one.ods", "allowed: .xlsx, .csv"), (".", "is no file")],
)
def test_what_is_no_sheet_by_name_is_a_wrong_call(
    study: Path, back: Path, name: str, message: str
) -> None:
    (back / "one.ods").write_bytes(b"PK")
    with pytest.raises(ConfigError, match=message):
        ingest(study, [xlsx(study, back), back / name])
    assert not (study / "ratings.parquet").exists()


def test_an_edited_raw_file_or_report_is_found(study: Path, back: Path) -> None:
    ingest(study, [xlsx(study, back)])
    (raw,) = (study / "raw").iterdir()
    whole = raw.read_bytes()
    raw.write_bytes(whole + b"x")
    second = fill_csv(study / "sheets" / "rater-02.csv", back / "two.csv")
    with pytest.raises(HashMismatch, match="is not the file that was received"):
        ingest(study, [second])
    raw.write_bytes(whole)
    report = study / "ingest_report.json"
    report.write_text(report.read_text().replace('"taken"', '"believed"'))
    with pytest.raises(InputRefused, match=r"was edited: .*'believed'"):
        ingest(study, [second])


def test_the_command_lists_every_rejection_and_says_so_by_its_code(
    study: Path, back: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = xlsx(study, back, cell(5, AUTHENTICITY, 7))
    sound = fill_csv(study / "sheets" / "rater-02.csv", back / "two.csv")
    row_id = load_plan(study).sheets[0].rows[3].row_id
    call = ["study", "ingest", str(study), str(file), str(sound)]
    assert run(call) == ExitCode.REFUSED
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "out of range" in line]
    assert line.split()[:4] == ["one.xlsx", "5", row_id, RATING_COLUMNS[0]]
    assert f"{CELLS} ratings in ratings.parquet" in out
    assert run([*call, "--accept-partial", "--json"]) == ExitCode.COMPLETE
    printed = json.loads(capsys.readouterr().out)
    assert printed["known"] == ["two.csv"]
    assert printed["files"][0]["status"] == "taken in part"
    stored = json.loads((study / "ingest_report.json").read_text())
    (found,) = stored["files"][0]["rejections"]
    assert (stored["files"][0]["file"], found["row"], found["row_id"]) == ("one.xlsx", 5, row_id)
    assert "out of range: 7; needed: 1 to 5" in found["reason"]


def test_the_empty_sheet_does_not_take_a_raters_place(study: Path, back: Path) -> None:
    for source in ("xlsx", "csv"):
        intake = ingest(study, [study / "sheets" / f"rater-01.{source}"], accept_partial=True)
        ((_, _, reason),) = reasons(intake)
        assert reason == "it holds no answer: was another copy filled in?"
    assert ingest(study, [xlsx(study, back)]).ratings == CELLS


def test_a_workbook_of_someone_else_is_no_sheet(study: Path, back: Path) -> None:
    openpyxl.Workbook().save(back / "mine.xlsx")
    ((_, _, reason),) = reasons(ingest(study, [back / "mine.xlsx"]))
    assert reason == 'sheet "Ratings" is missing: return the file you were sent'
