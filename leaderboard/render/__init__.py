"""The one registry of formats: each turns a board into the text of one file."""

from __future__ import annotations

from collections.abc import Callable

from leaderboard.board import Board
from leaderboard.render import csv, html, markdown

RENDERERS: dict[str, tuple[str, Callable[[Board], str]]] = {
    "csv": ("board.csv", csv.render),
    "markdown": ("board.md", markdown.render),
    "html": ("index.html", html.render),  # last: it links to the others
}
