"""Studies of two badly named entrants, and sheets filled in as a rater would."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import openpyxl

from benchmark.study.columns import COLUMNS, RATING_COLUMNS
from benchmark.study.export import export
from benchmark.study.key import StudyOptions
from tests.run_folders import exact, noisy, write_runs

NAMES = ("<img src=x onerror=alert(1)>", "=cmd")
Edit = Callable[[Any], None]
COLUMN = {name: number for number, name in enumerate(COLUMNS, 1)}  # of a sheet, from 1


def write_study(folder: Path, dataset: Path, **options: Any) -> Path:
    """A study of 4 samples, 2 entrants and the real video: 12 rows a sheet."""
    runs = folder / "runs"
    if not runs.exists():
        write_runs(runs, dataset, {NAMES[0]: noisy, NAMES[1]: exact})
    export(runs, folder / "study", StudyOptions(**{"raters": 2} | options))
    return folder / "study"


def level(row: int, column: int) -> int:
    """What the exemplary rater answers in a row and a rating column."""
    return 1 + (row * 2 + column) % 5


def fill_xlsx(sheet: Path, target: Path, edit: Edit = lambda page: None) -> Path:
    """Answer every row; `edit` then changes the page."""
    book = openpyxl.load_workbook(sheet)
    page = book["Ratings"]
    for row in range(2, page.max_row + 1):
        for number, name in enumerate(RATING_COLUMNS):
            page.cell(row, COLUMN[name]).value = level(row - 1, number)
    edit(page)
    book.save(target)
    return target


def fill_csv(sheet: Path, target: Path, edit: Edit = lambda rows: None) -> Path:
    """Answer every row; `edit` then changes the list of rows, which are dicts."""
    rows = list(csv.DictReader(StringIO(sheet.read_text("utf-8-sig"))))
    for row, record in enumerate(rows, 1):
        for number, name in enumerate(RATING_COLUMNS):
            record[name] = str(level(row, number))
    header = list(rows[0])
    edit(rows)
    text = StringIO(newline="")
    writer = csv.DictWriter(text, header)
    writer.writeheader()
    writer.writerows(rows)
    target.write_bytes(text.getvalue().encode("utf-8-sig"))
    return target
