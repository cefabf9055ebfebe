"""Whatever a stranger puts into a file: no crash, and no rating outside 1 to 5."""

from __future__ import annotations

import csv
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from benchmark.study import read_xlsx as reading
from benchmark.study.answers import read_level, read_yes
from benchmark.study.check import check
from benchmark.study.columns import CSV_COLUMNS, RATING_COLUMNS
from benchmark.study.ingest import ingest
from benchmark.study.plan import Plan, load_plan
from benchmark.study.ratings import RATINGS
from benchmark.study.read_csv import read_csv
from benchmark.study.read_xlsx import read_xlsx
from benchmark.study.received import Cell, Received, Unreadable, shown
from tests.study_sheets import COLUMN, fill_csv, fill_xlsx, write_study

KINDS = ["empty", "number", "text", "formula", "date", "boolean", "error"]
CELLS = st.builds(
    Cell,
    kind=st.sampled_from(KINDS),
    text=st.text(max_size=12) | st.integers().map(str) | st.floats().map(str),
    number=st.none() | st.floats() | st.integers(-3, 9).map(float),
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1))
    | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=30)
    | st.sampled_from(
        ["=1+1", "=cmd|' /C calc'!A0", "#REF!", "1e0", "5.0", "0x3", "²", "+4", "4,0"]
    )
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, tiny_dataset: Path) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    return write_study(folder, tiny_dataset, samples=1, hidden_reference=False, raters=1)


@pytest.fixture(scope="module")
def plan(study: Path) -> Plan:
    return load_plan(study)


@given(CELLS)
@example(Cell("number", "1e400", float("inf")))
@example(Cell("number", "nan", float("nan")))
def test_a_cell_is_a_level_or_a_reason_or_nothing(cell: Cell) -> None:
    answer = read_level(cell)
    if answer.value is not None:
        assert answer.value in range(1, 6)
        assert type(answer.value) is int
        assert answer.refused is None
        assert cell.kind in ("number", "text")
    else:
        assert (answer.refused is None) == (cell.kind == "empty")
    assert read_yes(cell) in (True, False, None)


@pytest.mark.parametrize(
    "text", ["1e0", "5.0", "0x3", "²", "+4", "4,0", "٤", "4 5", "1_0", "٣", "५"]
)
def test_texts_that_only_look_like_a_level_are_refused(text: str) -> None:
    assert read_level(Cell("text", text)).value is None


def read_or_refused(read: Callable[[bytes], Received], data: bytes) -> Received | None:
    try:
        return read(data)
    except Unreadable as error:
        reason = str(error)
    assert reason.isprintable()
    return None


def rejected_or_taken(plan: Plan, received: Received) -> None:
    checked = check(plan, received)
    for answer in checked.answers.values():
        for one in answer.answers.values():
            assert one.value is None or one.value in range(1, 6)
    for found in (*checked.rejections, *checked.notes):
        assert found.reason.isprintable()
        assert (found.row_id or "").isprintable()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(2, 4), st.integers(1, 12), VALUES), max_size=8))
def test_any_value_anywhere_in_a_workbook(
    plan: Plan, sheet: bytes, edits: list[tuple[int, int, Any]]
) -> None:
    book = openpyxl.load_workbook(BytesIO(sheet))
    for row, column, value in edits:
        book["Ratings"].cell(row, column).value = value
    buffer = BytesIO()
    book.save(buffer)
    rejected_or_taken(plan, read_xlsx(buffer.getvalue()))


@pytest.fixture(scope="module")
def sheet(study: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A filled sheet without pictures, which take time to copy."""
    target = tmp_path_factory.mktemp("filled") / "one.xlsx"

    def edit(page: Any) -> None:
        page._images = []

    return fill_xlsx(study / "sheets" / "rater-01.xlsx", target, edit).read_bytes()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.text(max_size=6), max_size=14), min_size=1, max_size=6),
    st.sampled_from(",;\t"),
)
def test_any_cells_in_a_csv(plan: Plan, rows: list[list[str]], delimiter: str) -> None:
    first = plan.sheets[0]
    meta = [plan.study_id, first.sheet_id, first.rows_hash]
    text = StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(CSV_COLUMNS)
    for number, row in enumerate(rows):
        planned = first.rows[number % len(first.rows)]
        filled = [*row[:5], *[""] * (5 - len(row[:5]))]
        writer.writerow([planned.row_id, "1", "", planned.blind_id, *filled, *meta])
    data = text.getvalue().encode("utf-8", "surrogatepass")
    received = read_or_refused(read_csv, data)
    if received is not None:
        with suppress(Unreadable):  # no answer in it
            rejected_or_taken(plan, received)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda b: b"PK\x03\x04" + b))
def test_any_bytes(data: bytes) -> None:
    for read in (read_xlsx, read_csv):
        read_or_refused(read, data)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_part_of_a_workbook_replaced_or_damaged(
    plan: Plan, sheet: bytes, data: st.DataObject
) -> None:
    with zipfile.ZipFile(BytesIO(sheet)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(parts)))
    part = parts[name]
    start = data.draw(st.integers(0, len(part)))
    stop = data.draw(st.integers(start, min(len(part), start + 200)))
    parts[name] = part[:start] + data.draw(st.binary(max_size=20)) + part[stop:]
    received = read_or_refused(read_xlsx, archive_of(parts))
    if received is not None:
        with suppress(Unreadable):  # of another study, by now
            rejected_or_taken(plan, received)


def archive_of(parts: dict[str, bytes]) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


def changed(sheet: bytes, name: str, old: bytes, new: bytes) -> bytes:
    with zipfile.ZipFile(BytesIO(sheet)) as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    assert old in parts[name]
    parts[name] = parts[name].replace(old, new, 1)
    return archive_of(parts)


PAGE = "xl/worksheets/sheet1.xml"
ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"<worksheet", ENTITIES + b"<worksheet", "declares entities"),
        (b"</sheetData>", b"<!--" + b"a" * reading.MAX_XML_BYTES + b"--></sheetData>", "unpacked"),
        (
            b"</sheetData>",
            b'<row r="99"><c r="A99" t="inlineStr"><is><t>'
            + b"a" * 200_000
            + b"</t></is></c></row>"
            b"</sheetData>",
            "a text longer than",
        ),
        (
            b"</sheetData>",
            b'<row r="99">' + b'<c><f t="shared" si="0"/></c>' * 1001 + b"</row></sheetData>",
            "shared formulas",
        ),
        (b"</sheetData>", b"</sheetDate>", "damaged or no workbook (ParseError"),
        (b'<c r="A2"', b'<c r="A2!"', "damaged or no workbook (ValueError"),
        (
            b"</sheetData>",
            b"".join(b"<row><c><v>1</v></c></row>" for _ in range(10_001)) + b"</sheetData>",
            "more than 10000 filled rows",
        ),
    ],
)
def test_hostile_workbooks_are_refused_before_they_cost_anything(
    sheet: bytes, old: bytes, new: bytes, reason: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        read_xlsx(changed(sheet, PAGE, old, new))
    assert reason in str(caught.value)


def test_a_size_that_a_sheet_claims_is_not_believed(plan: Plan, sheet: bytes) -> None:
    with zipfile.ZipFile(BytesIO(sheet)) as archive:
        (size,) = re.findall(rb"<dimension[^>]*>", archive.read(PAGE))
    claimed = changed(sheet, PAGE, size, b'<dimension ref="A1:XFD1048576" />')
    plain, odd = read_xlsx(sheet), read_xlsx(claimed)
    assert plain == odd
    row = b'<row r="1048576"><c r="A1048576" s="0"/></row></sheetData>'
    assert read_xlsx(changed(sheet, PAGE, b"</sheetData>", row)) == plain
    assert len(check(plan, odd).answers) == len(plan.sheets[0].rows)


def test_a_member_twice_and_a_lying_header_are_refused(sheet: bytes) -> None:
    buffer = BytesIO(sheet)
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(PAGE, b"<worksheet/>")
    with pytest.raises(Unreadable, match="stands twice"):
        read_xlsx(buffer.getvalue())
    bomb = archive_of({PAGE: b"\0" * 1_000_000})
    place = bomb.rindex(b"PK\x01\x02") + 24  # unpacked size, in the directory
    with pytest.raises(Unreadable):
        read_xlsx(bomb[:place] + struct.pack("<L", 10) + bomb[place + 4 :])


def test_a_file_that_is_too_large_is_neither_parsed_nor_kept(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(study, tmp_path / "study")
    monkeypatch.setattr("benchmark.study.ingest.MAX_BYTES", 100)
    file = fill_csv(copy / "sheets" / "rater-01.csv", tmp_path / "one.csv")
    intake = ingest(copy, [file])
    assert intake.files[0].rejections[0].reason == "it is larger than 100 bytes"
    assert not (copy / "raw").exists()


def test_file_names_and_texts_are_printed_safely(study: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(study, tmp_path / "study")
    source = fill_csv(copy / "sheets" / "rater-01.csv", tmp_path / "one.csv")
    data = source.read_bytes()
    source.unlink()
    name = b"=cmd \x1b[31m\xff\n<img src=x onerror=alert(1)>.csv".decode("utf-8", "surrogateescape")
    (tmp_path / name).write_bytes(data)
    intake = ingest(copy, [tmp_path / name])
    assert intake.files[0].file == r"=cmd \x1b[31m\udcff\n<img src=x onerror=alert(1)>.csv"
    assert shown("\u202eab\x00" + "c" * 100, limit=10) == r"\u202eab\x00ccc..." + ""


def test_no_value_gets_past_the_whole_path(study: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(study, tmp_path / "study")

    def edit(page: Any) -> None:
        for row, column in ((2, 0), (2, 1), (3, 2)):
            page.cell(row, COLUMN[RATING_COLUMNS[column]]).value = 99

    file = fill_xlsx(copy / "sheets" / "rater-01.xlsx", tmp_path / "one.xlsx", edit)
    ingest(copy, [file], accept_partial=True)
    values = [rating.value for rating in RATINGS.read(copy / "ratings.parquet")]
    assert values.count(None) == 3
    assert all(value in range(1, 6) for value in values if value is not None)
