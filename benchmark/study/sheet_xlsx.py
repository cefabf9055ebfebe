"""A rater's sheet as XLSX: thumbnails, links, drop-downs, and a hidden sheet that says whose it is.

Protection keeps cells from slipping, it is no security: `ingest` checks every cell. Pictures are
inserted over cells; those embedded in cells show #VALUE! in LibreOffice and older Excel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import xlsxwriter
from PIL import Image

from benchmark.study.clips import THUMBNAIL_HEIGHT_PX, clip_path, picture_path
from benchmark.study.columns import (
    BLOCK,
    CANNOT_PLAY,
    CLIP,
    COLUMNS,
    COMMENT,
    INSTRUCTIONS_TITLE,
    META_TITLE,
    RATER,
    RATING_COLUMNS,
    RATINGS_TITLE,
    REFERENCE,
    ROW_ID,
    ROWS,
    ROWS_HASH,
    SHEET_ID,
    SHEET_VERSION,
    STUDY_ID,
    VERSION,
)
from benchmark.study.criteria import CRITERIA, LEVELS, Criterion
from benchmark.study.instructions import INTRODUCTION
from benchmark.study.plan import Plan, PlannedRow, Sheet

WIDTH_PX = {ROW_ID: 92, BLOCK: 52, CLIP: 150, CANNOT_PLAY: 92, COMMENT: 280}
RATING_PX = 184
MIN_STRIP_PX, MAX_STRIP_PX, MARGIN_PX, LINK_PX = 140, 560, 4, 20
CREATED = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # equal plans give equal bytes
INK, PALE, LINE, LINK, TO_DO = "#1f2937", "#f3f4f6", "#d1d5db", "#1d4ed8", "#fff7cc"
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


@dataclass(frozen=True)
class Formats:
    """Cell formats of a workbook."""

    header: Any
    locked: Any
    link: Any
    link_below: Any  # a picture is above
    rating: Any
    text: Any
    title: Any
    wrapped: Any
    to_do: Any


def sheet_xlsx(plan: Plan, sheet: Sheet, thumbnails: Mapping[str, bytes]) -> bytes:
    """The file's bytes; `thumbnails` are PNG files by set id."""
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, OPTIONS)
    book.set_properties({"title": "Rating sheet", "subject": plan.study_id, "created": CREATED})
    formats = _formats(book)
    _ratings(book.add_worksheet(RATINGS_TITLE), plan, sheet, thumbnails, formats)
    _instructions(book.add_worksheet(INSTRUCTIONS_TITLE), formats)
    _meta(book.add_worksheet(META_TITLE), plan, sheet)
    book.close()
    return buffer.getvalue()


def _formats(book: Any) -> Formats:
    cell = {"border": 1, "border_color": LINE, "valign": "vcenter", "text_wrap": True}
    middle = cell | {"align": "center"}
    link = middle | {"font_color": LINK, "underline": 1, "bg_color": PALE}
    header = middle | {"bold": True, "font_size": 9, "font_color": "white", "bg_color": INK}
    return Formats(
        header=book.add_format(header),
        locked=book.add_format(middle | {"bg_color": PALE, "font_color": INK}),
        link=book.add_format(link),
        link_below=book.add_format(link | {"valign": "bottom"}),
        rating=book.add_format(middle | {"locked": False, "font_size": 16}),
        # "@" keeps what is typed: a comment such as =1+1 is no formula then.
        text=book.add_format(cell | {"locked": False, "num_format": "@"}),
        title=book.add_format({"bold": True, "font_size": 13, "font_color": INK}),
        wrapped=book.add_format({"text_wrap": True, "valign": "top"}),
        to_do=book.add_format({"bg_color": TO_DO}),
    )


def _ratings(
    page: Any, plan: Plan, sheet: Sheet, thumbnails: Mapping[str, bytes], formats: Formats
) -> None:
    strips = {name: Image.open(BytesIO(data)).width for name, data in thumbnails.items()}
    widest = min(MAX_STRIP_PX, max(MIN_STRIP_PX, *strips.values())) + 2 * MARGIN_PX
    widths = WIDTH_PX | dict.fromkeys(RATING_COLUMNS, RATING_PX) | {REFERENCE: widest}
    for number, name in enumerate(COLUMNS):
        page.write_string(0, number, name, formats.header)
        page.set_column_pixels(number, number, widths[name])
    page.set_row_pixels(0, 36)
    for number, row in enumerate(sheet.rows, 1):
        page.set_row_pixels(number, THUMBNAIL_HEIGHT_PX + 2 * MARGIN_PX + LINK_PX)
        set_id = plan.clip[row.blind_id].set_id
        _row(page, number, row, set_id, formats)
        scale = min(1.0, MAX_STRIP_PX / strips[set_id])
        page.insert_image(
            number,
            COLUMNS.index(REFERENCE),
            "reference.png",
            {
                "image_data": BytesIO(thumbnails[set_id]),
                "description": "reference pictures",
                "x_offset": MARGIN_PX,
                "y_offset": MARGIN_PX,
                "x_scale": scale,
                "y_scale": scale,
                "object_position": 1,
            },
        )
    _drop_downs(page, len(sheet.rows), formats)
    page.freeze_panes(1, 1)
    page.protect("", {"format_columns": True, "format_rows": True})
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)


def _row(page: Any, number: int, row: PlannedRow, set_id: str, formats: Formats) -> None:
    page.write_string(number, COLUMNS.index(ROW_ID), row.row_id, formats.locked)
    page.write_number(number, COLUMNS.index(BLOCK), row.block, formats.locked)
    picture, clip = picture_path(set_id), clip_path(row.blind_id)
    for name, path, style, text in (
        (REFERENCE, picture, formats.link_below, "open large pictures"),
        (CLIP, clip, formats.link, row.blind_id),
    ):
        page.write_url(number, COLUMNS.index(name), f"external:{path}", style, text)
    for name in RATING_COLUMNS:
        page.write_blank(number, COLUMNS.index(name), None, formats.rating)
    page.write_blank(number, COLUMNS.index(CANNOT_PLAY), None, formats.text)
    page.write_blank(number, COLUMNS.index(COMMENT), None, formats.text)


def _drop_downs(page: Any, last: int, formats: Formats) -> None:
    for criterion in CRITERIA:
        column = COLUMNS.index(criterion.column)
        page.data_validation(1, column, last, column, rating_validation(criterion))
        blank = {"type": "blanks", "format": formats.to_do}
        page.conditional_format(1, column, last, column, blank)
    column = COLUMNS.index(CANNOT_PLAY)
    page.data_validation(
        1,
        column,
        last,
        column,
        {
            "validate": "list",
            "source": ["yes"],
            "input_title": "Does the clip play?",
            "input_message": "Choose yes if it does not, and leave the numbers empty.",
            "error_message": "Choose yes, or leave the cell empty.",
        },
    )


def rating_validation(criterion: Criterion) -> dict[str, Any]:
    """A drop-down of the levels, with the question beside it (Excel: 32 and 255 characters)."""
    return {
        "validate": "list",
        "source": list(LEVELS),
        "input_title": criterion.title,
        "input_message": criterion.prompt,
        "error_title": criterion.title,
        "error_message": f"Needed: a whole number from {LEVELS[0]} to {LEVELS[-1]}.",
    }


def _instructions(page: Any, formats: Formats) -> None:
    page.hide_gridlines(2)
    page.set_column(0, 0, 8)
    page.set_column(1, 1, 96)
    page.write_string(0, 0, "How to rate", formats.title)
    number = 1
    for number, line in enumerate(INTRODUCTION, 1):
        page.merge_range(number, 0, number, 1, "", formats.wrapped)
        page.write_string(number, 0, line, formats.wrapped)
        page.set_row_pixels(number, 20 * (1 + len(line) // 118))
    for criterion in CRITERIA:
        number += 2
        page.write_string(number, 0, f"{criterion.title}: {criterion.question}", formats.title)
        for level in reversed(LEVELS):
            number += 1
            page.write_number(number, 0, level, formats.locked)
            page.write_string(number, 1, criterion.anchors[level - 1], formats.wrapped)
    page.protect()
    page.fit_to_pages(1, 0)


def _meta(page: Any, plan: Plan, sheet: Sheet) -> None:
    values = meta(plan, sheet)
    for number, (name, value) in enumerate(values.items()):
        page.write_string(number, 0, name)
        page.write_string(number, 1, value)
    page.very_hidden()


def meta(plan: Plan, sheet: Sheet) -> dict[str, str]:
    """What says which sheet this is; `ingest` holds it against the plan."""
    return {
        STUDY_ID: plan.study_id,
        SHEET_ID: sheet.sheet_id,
        RATER: sheet.rater,
        VERSION: str(SHEET_VERSION),
        ROWS: str(len(sheet.rows)),
        ROWS_HASH: sheet.rows_hash,
    }
