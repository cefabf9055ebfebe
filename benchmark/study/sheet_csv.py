"""A rater's sheet as CSV: UTF-8 with a byte order mark, no cell that is computed."""

from __future__ import annotations

import csv
from io import StringIO

from benchmark.study.clips import clip_path, picture_path
from benchmark.study.columns import CSV_COLUMNS, RATING_COLUMNS
from benchmark.study.plan import Plan, Sheet

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def sheet_csv(plan: Plan, sheet: Sheet) -> bytes:
    """The file's bytes."""
    text = StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(CSV_COLUMNS)
    empty = [""] * (len(RATING_COLUMNS) + 2)
    for row in sheet.rows:
        reference = picture_path(plan.clip[row.blind_id].set_id)
        where = [row.row_id, str(row.block), reference, clip_path(row.blind_id)]
        values = [*where, *empty, plan.study_id, sheet.sheet_id, sheet.rows_hash]
        writer.writerow([as_text(value) for value in values])
    return text.getvalue().encode("utf-8-sig")


def as_text(value: str) -> str:
    """The value, marked as text where a spreadsheet would take it for a formula."""
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value
