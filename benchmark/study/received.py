"""A returned sheet as it was received: cells with their kind, nothing believed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["empty", "number", "text", "formula", "date", "boolean", "error"]
SHOWN_CHARACTERS = 80


class Unreadable(Exception):
    """A file that is no sheet; the text says why. `ingest` turns it into a rejection."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell."""

    kind: Kind
    text: str = ""  # as stored
    number: float | None = None  # where the kind is number


EMPTY = Cell("empty")


@dataclass(frozen=True)
class Row:
    """One row that holds anything, by column name."""

    number: int  # in the file, from 1
    cells: dict[str, Cell]

    def cell(self, column: str) -> Cell:
        """A cell; empty where the row is short."""
        return self.cells.get(column, EMPTY)


@dataclass(frozen=True)
class Received:
    """A whole file."""

    source: Literal["xlsx", "csv"]
    meta: dict[str, str]  # what it says it is
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def shown(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    """A stranger's text, safe to print and to store: one line, no control or bidi characters."""
    cut = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


def quoted(text: str) -> str:
    """The same in quotes, for a sentence."""
    return f'"{shown(text)}"'


def columns_of(header: list[str]) -> tuple[str, ...]:
    """Names of the columns; Unreadable where one stands twice."""
    names = tuple(name.strip().lower() for name in header)
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise Unreadable(f"column {quoted(min(twice))} stands twice")
    return names
