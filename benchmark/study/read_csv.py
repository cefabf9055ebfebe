"""Reading a returned CSV file, with the delimiters that spreadsheet programs write."""

from __future__ import annotations

import csv
from io import StringIO

from benchmark.study.columns import CSV_META, ROW_ID
from benchmark.study.received import EMPTY, Cell, Received, Row, Unreadable, columns_of, shown

DELIMITERS = (",", ";", "\t")  # of Excel: by the computer's language
MAX_LINES = 10_000


def read_csv(data: bytes) -> Received:
    """Rows of the file; every row says which sheet it is of, and all must say the same."""
    lines = _lines(_decoded(data))
    if not lines:
        raise Unreadable("it is empty")
    if len(lines) == 1:
        raise Unreadable("it holds no row")
    number, header = lines[0]
    columns = columns_of(header)
    if ROW_ID not in columns:
        raise Unreadable(f'line {number} holds no column "{ROW_ID}": return the file you were sent')
    rows = tuple(
        Row(number, {name: _cell(text) for name, text in zip(columns, line, strict=False) if name})
        for number, line in lines[1:]
    )
    return Received("csv", _meta(rows), columns, rows)


def _decoded(data: bytes) -> str:
    try:
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 ({error.reason}): save it as CSV UTF-8") from None


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Lines that hold anything, with their numbers."""
    first = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines = []
    try:
        for line in reader:
            if any(cell.strip() for cell in line):
                lines.append((reader.line_num, line))
            if len(lines) > MAX_LINES:
                raise Unreadable(f"more than {MAX_LINES} lines")
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num} is no CSV ({shown(str(error))})") from None
    return lines


def _cell(text: str) -> Cell:
    return Cell("text", text) if text.strip() else EMPTY


def _meta(rows: tuple[Row, ...]) -> dict[str, str]:
    meta: dict[str, str] = {}
    for name in CSV_META:
        values = sorted({row.cell(name).text.strip() for row in rows if row.cell(name).text})
        if len(values) > 1:
            raise Unreadable(f"{name} differs between rows: rows of two sheets were mixed")
        meta |= dict.fromkeys([name] * len(values), values[0] if values else "")
    return meta
