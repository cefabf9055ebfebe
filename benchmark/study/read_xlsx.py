"""Reading a returned XLSX file: bounded, nothing computed, nothing followed.

openpyxl reads values and formulas as text. A file is a zip archive of XML from a stranger, so sizes
are checked before it is unpacked, and entity declarations are refused before it is parsed.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from datetime import date, datetime, time, timedelta
from io import BytesIO
from typing import Any

import openpyxl

from benchmark.study.columns import META_TITLE, RATINGS_TITLE
from benchmark.study.received import EMPTY, Cell, Received, Row, Unreadable, columns_of, shown

MAX_MEMBERS = 4096
MAX_XML_BYTES = 32 << 20  # of all parts that are parsed, unpacked
MAX_CELL_CHARACTERS = 32_767  # Excel's own limit
MAX_SHARED_FORMULAS = 1000  # openpyxl spells each one out
MAX_FILLED_ROWS = 10_000
LAST_ROW, LAST_COLUMN = 1_048_576, 64
PARSED_SUFFIXES = (".xml", ".rels", ".vml")
LONG_TEXT = re.compile(rb">[^<]{%d}" % (4 * MAX_CELL_CHARACTERS))  # bytes; UTF-8 has up to 4
SHARED_FORMULA = re.compile(rb"""t\s*=\s*["']shared["']""")
DATES = (date, datetime, time, timedelta)


def read_xlsx(data: bytes) -> Received:
    """Rows of the sheet "Ratings" and what `_meta` says; Unreadable where that cannot be had."""
    _inspect(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of extensions that openpyxl does not read
        try:
            return _read(data)
        except Unreadable:
            raise
        except Exception as error:
            # A parser fed by strangers: openpyxl has no error of its own for damaged XML and lets
            # KeyError, ValueError, ParseError, ... out. The file is refused with what it said.
            text = shown(f"{type(error).__name__}: {error}")
            raise Unreadable(f"it is damaged or no workbook ({text})") from error


def _inspect(data: bytes) -> None:
    """Refuse what would not fit or should not be parsed, before anything is."""
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
            parsed = [m for m in members if m.filename.lower().endswith(PARSED_SUFFIXES)]
            if len(members) > MAX_MEMBERS:
                raise Unreadable(f"{len(members)} parts; allowed: {MAX_MEMBERS}")
            if len({member.filename for member in members}) < len(members):
                raise Unreadable("a part of the archive stands twice")
            # The size in the header binds: zipfile never unpacks more than that.
            size = sum(member.file_size for member in parsed)
            if size > MAX_XML_BYTES:
                raise Unreadable(f"{size} bytes when unpacked; allowed: {MAX_XML_BYTES}")
            for member in parsed:
                _inspect_part(archive.read(member), member.filename)
    except Unreadable:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise Unreadable(f"it is no XLSX file ({shown(str(error))})") from None
    except Exception as error:  # zlib.error, EOFError, NotImplementedError, RuntimeError, ...
        text = shown(f"{type(error).__name__}: {error}")
        raise Unreadable(f"the archive is damaged or encrypted ({text})") from error


def _inspect_part(part: bytes, name: str) -> None:
    where = f"part {shown(name)}"
    if part.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in part[:8]:
        raise Unreadable(f"{where} is not UTF-8")
    if b"<!DOCTYPE" in part or b"<!ENTITY" in part:
        raise Unreadable(f"{where} declares entities, which no spreadsheet program writes")
    if LONG_TEXT.search(part):
        raise Unreadable(f"{where} has a text longer than {MAX_CELL_CHARACTERS} characters")
    if len(SHARED_FORMULA.findall(part)) > MAX_SHARED_FORMULAS:
        raise Unreadable(f"{where} has more than {MAX_SHARED_FORMULAS} shared formulas")


def _read(data: bytes) -> Received:
    # Pictures stay packed, links are not followed, formulas stay text.
    book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=False, keep_links=False)
    try:
        for title in (RATINGS_TITLE, META_TITLE):
            if title not in book.sheetnames:
                raise Unreadable(f'sheet "{title}" is missing: return the file you were sent')
        meta = {
            cells[0].text.strip(): cells[1].text.strip()
            for _, cells in _rows(book[META_TITLE], 2)
            if len(cells) == 2
        }
        rows = _rows(book[RATINGS_TITLE], LAST_COLUMN)
        if not rows:
            raise Unreadable(f'sheet "{RATINGS_TITLE}" is empty')
        columns = columns_of([cell.text for cell in rows[0][1]])
        return Received("xlsx", meta, columns, tuple(_row(columns, *row) for row in rows[1:]))
    finally:
        book.close()


def _row(columns: tuple[str, ...], number: int, cells: list[Cell]) -> Row:
    named = zip(columns, cells, strict=False)  # cells beyond the header belong to no column
    return Row(number, {name: cell for name, cell in named if name})


def _rows(page: Any, columns: int) -> list[tuple[int, list[Cell]]]:
    """Rows that hold anything, with their numbers. The size a sheet claims is not believed."""
    filled: list[tuple[int, list[Cell]]] = []
    filler = None  # one and the same row for all that are not there, up to a million
    for number, row in enumerate(page.iter_rows(1, LAST_ROW, 1, columns), 1):
        if row is filler:
            continue
        read = [_cell(cell.value, cell.data_type) for cell in row]
        if all(cell is EMPTY for cell in read):
            filler = row
            continue
        filled.append((number, read))
        if len(filled) > MAX_FILLED_ROWS:
            raise Unreadable(f"more than {MAX_FILLED_ROWS} filled rows")
    return filled


def _cell(value: Any, data_type: str) -> Cell:
    if data_type == "f":
        return Cell("formula", _text(getattr(value, "text", value)))
    if value is None:
        return EMPTY
    if data_type == "e":
        return Cell("error", _text(value))
    if isinstance(value, bool):
        return Cell("boolean", _text(value))
    if isinstance(value, DATES):
        return Cell("date", value.isoformat() if isinstance(value, date) else _text(value))
    if isinstance(value, int | float):
        return Cell("number", _text(value), _number(value))
    text = _text(value)
    return Cell("text", text) if text.strip() else EMPTY


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _text(value: object) -> str:
    if isinstance(value, int) and value.bit_length() > 1000:  # str() refuses very long ones
        return "a very long number"
    return str(value)[:MAX_CELL_CHARACTERS]
