"""The board as one static page that works from a disk, a moved folder or a server, without script.

Every text is escaped by Jinja2; the content security policy allows the page's own style, by hash,
and pictures, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

from leaderboard import wording
from leaderboard.board import Board
from leaderboard.reproduce import commands


def render(board: Board) -> str:
    """The page; its pictures and downloads lie beside it."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("leaderboard.templates")
    style = (folder / "report.css").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "report.html").read_text(encoding="utf-8"))
    return template.render(
        board=board,
        style=Markup(style),
        policy=_policy(style),
        words=wording,
        level=f"{board.level:.0%}".replace("%", " %"),
        regions=_regions(board),
        group_starts=_group_starts(board),
        commands=commands(board),
        metrics_of=_definitions(board),
    )


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' file:; "
        "base-uri 'none'; form-action 'none'"
    )


def _regions(board: Board) -> list[tuple[str, int]]:
    """Heads of the column groups: title and how many columns it spans."""
    regions = dict.fromkeys(column.region for column in board.columns)
    return [
        (wording.REGION_TITLES[region], sum(c.region == region for c in board.columns))
        for region in regions
    ]


def _group_starts(board: Board) -> set[str]:
    """The first column of each region."""
    return set({column.region: column.metric_id for column in reversed(board.columns)}.values())


def _definitions(board: Board) -> list[tuple[str, str, dict[str, str]]]:
    return [
        (f"{column.title}, {wording.REGION_TITLES[column.region].lower()}", column.metric_id, texts)
        for column in board.columns
        for texts in ({k: v for k, v in column.definition.items() if v != "none"},)
    ]
