"""The board as one static page that works from a disk, a moved folder or a server.

Its script sorts, switches views and keeps videos in step; without it the page shows as much.
"""

from __future__ import annotations

from leaderboard import set_wording, wording
from leaderboard.board import Board
from leaderboard.reproduce import commands
from leaderboard.study import REAL_VIDEO, criteria
from mrfashion.pages import render_page


def render(board: Board) -> str:
    """The page; its pictures and downloads lie beside it."""
    return render_page(
        "leaderboard.templates",
        "report",
        scripts=("tables.js", "players.js"),
        board=board,
        words=wording,
        sets=set_wording,
        level=f"{board.level:.0%}".replace("%", " %"),
        commands=commands(board),
        ratings=criteria(board.study),
        real_video=REAL_VIDEO,
        metrics_of=_definitions(board),
    )


def _definitions(board: Board) -> list[tuple[str, str, dict[str, str]]]:
    of_clips = [
        (
            f"{column.title}, {wording.REGION_TITLES[column.region].lower()}",
            column.metric_id,
            column.definition,
        )
        for column in board.columns
    ]
    of_sets = [
        (f"{t.title}, sets", t.metric_id, {**t.definition, "citation": t.citation})
        for t in board.sets
        if t.note is None
    ]
    return of_clips + of_sets
