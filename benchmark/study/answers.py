"""From a cell to an answer: a whole number from 1 to 5, nothing, or the reason why not.

Only spaces around a digit and full-width digits are put right, and that is noted. Nothing else is
guessed: 4.5, a date, a formula or a word is refused, never rounded, computed or taken for a blank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmark.study.criteria import LEVELS
from benchmark.study.received import Cell, quoted

DIGITS = {str(level): level for level in LEVELS} | {chr(0xFF10 + n): n for n in LEVELS}
RANGE = f"{LEVELS[0]} to {LEVELS[-1]}"
WRONG_KIND = {
    "formula": "a formula",
    "date": "a date: the spreadsheet turned the number into one",
    "boolean": "true or false",
    "error": "an error of the spreadsheet",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a rating cell says."""

    value: int | None = None  # 1 to 5; None: empty, or refused
    refused: str | None = None  # why it is no answer
    note: str | None = None  # what was put right


def read_level(cell: Cell, plain_text: bool = False) -> Answer:
    """The level in a cell. `plain_text`: a CSV file, where every number is text: no note."""
    if cell.kind == "empty":
        return Answer()
    if cell.kind in WRONG_KIND:
        return Answer(refused=f"{WRONG_KIND[cell.kind]} ({quoted(cell.text)}); needed: {RANGE}")
    if cell.kind == "number":
        return _of_number(cell)
    level = DIGITS.get(cell.text.strip())
    if level is None:
        return Answer(refused=_wrong_text(cell.text))
    as_it_is = plain_text and cell.text == str(level)
    return Answer(level, note=None if as_it_is else f"{quoted(cell.text)} read as {level}")


def _of_number(cell: Cell) -> Answer:
    number = cell.number
    if number is None or not math.isfinite(number):
        return Answer(refused=f"no number ({quoted(cell.text)}); needed: {RANGE}")
    if not number.is_integer():
        return Answer(refused=f"not a whole number: {number:g}; needed: {RANGE}")
    if number not in LEVELS:
        return Answer(refused=f"out of range: {number:g}; needed: {RANGE}")
    return Answer(int(number))


def _wrong_text(text: str) -> str:
    stripped = text.strip()
    try:
        number = float(stripped) if stripped.isascii() and "_" not in stripped else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        return f"text: {quoted(text)}; needed: {RANGE}"
    what = "out of range" if number.is_integer() else "not a whole number"
    if number in LEVELS:
        what = "text that is no plain digit"
    return f"{what}: {quoted(text)}; needed: {RANGE}"


def read_yes(cell: Cell) -> bool | None:
    """Whether a cell says yes; None where it says something that is neither yes nor no."""
    if cell.kind == "empty":
        return False
    word = cell.text.strip().lower() if cell.kind == "text" else ""
    return {"yes": True, "no": False}.get(word)
