"""How metrics of sets are put into words, the same in every format."""

from __future__ import annotations

from leaderboard.board import Board, SetEntry, SetPair, SetTable
from leaderboard.wording import NOT_MEASURED, number

TITLES = {
    "standard": "Metrics of sets",
    "comparability": "Metrics of sets, only where asked for",
}
ABOUT = (
    "All videos of an entrant together against all their targets; lower is better. Such a "
    "distance falls with the number of videos: compare it with none of another number."
)
FLOOR = (
    "Floor: what random halves of the same targets reach against each other, at half as many "
    "videos: how far real videos of other garments lie apart. Who shows the targets' own garments "
    "may lie below it."
)


def tables_of(board: Board, status: str) -> tuple[SetTable, ...]:
    """Metrics of a status that at least one entrant has a number of."""
    return tuple(t for t in board.sets if t.status == status and t.note is None)


def statuses(board: Board) -> list[str]:
    """Statuses that have a table."""
    return [status for status in TITLES if tables_of(board, status)]


def not_measured(board: Board) -> dict[str, list[str]]:
    """Why => titles of the metrics that nobody has a number of."""
    reasons: dict[str, list[str]] = {}
    for table in board.sets:
        if table.note is not None:
            reasons.setdefault(table.note.removeprefix("not measured: "), []).append(table.title)
    return reasons


def value_text(table: SetTable, entry: SetEntry | SetPair) -> str:
    """The value."""
    return NOT_MEASURED if entry.value is None else number(entry.value, table.decimals)


def interval_text(table: SetTable, entry: SetEntry | SetPair) -> str:
    """The interval, or why there is none."""
    if entry.low is None or entry.high is None:
        return (entry.note or "").removeprefix("not measured: ")
    return f"{number(entry.low, table.decimals)} to {number(entry.high, table.decimals)}"


def floor_text(table: SetTable, entry: SetEntry) -> str:
    """What halves of the targets reach, and of how many videos they are."""
    if entry.floor is None:
        return "-"
    return f"{number(entry.floor, table.decimals)} ({entry.floor_videos} and {entry.floor_videos})"


def p_text(pair: SetPair) -> str:
    """Holm's p."""
    if pair.p is None:
        return "-"
    return "below 0.0001" if pair.p < 1e-4 else number(pair.p, 4)


def verdict(board: Board, pair: SetPair) -> str:
    """Who is nearer to the targets, where the data say."""
    if pair.p is None or pair.value is None:
        return (pair.note or NOT_MEASURED).removeprefix("not measured: ")
    if pair.p > 1 - board.level:
        return "not told apart"
    return f"{pair.entrant if pair.value < 0 else pair.against} is nearer"


def legend(board: Board) -> str:
    """What the numbers and marks of these tables mean."""
    level = f"{board.level:.0%}".replace("%", " %")
    return (
        f"{ABOUT} {level} jackknife interval over garment groups. {FLOOR} Marked: the lowest of "
        "its section and all that the paired differences, adjusted for all pairs of its table "
        "(Holm), do not tell apart from it; who has fewer videos than another is never marked."
    )
