"""How numbers, columns and results are put into words, the same in every format."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.clip_scores import ALL, BACK_GAP
from benchmark.statistics import Difference
from leaderboard.board import METHODS, Board, Cell, Column, Section

REGION_TITLES = {"whole": "Whole frame", "foreground": "Foreground", "garment": "Garment"}
FAMILY_TITLES = {"image": "Picture", "motion": "Motion", "pose": "Pose", "view": "View"}
STRATUM_TITLES = {
    "all": "All frames",
    "front": "Front",
    "facing-right": "Facing right",
    "facing-left": "Facing left",
    "back": "Back",
    "undetermined": "View undetermined",
    "back-gap": "Back gap",
}
STRATUM_NOTES = {
    "back-gap": "front minus back of the same clip, positive where the back is worse; "
}
NOT_MEASURED = "not measured"


def number(value: float, decimals: int) -> str:
    """Fixed decimals, and never a minus zero."""
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-") and not float(text) else text


def value_text(cell: Cell, column: Column) -> str:
    """The mean of a cell."""
    return NOT_MEASURED if cell.value is None else number(cell.value, column.decimals)


def interval_text(cell: Cell, column: Column) -> str:
    """The interval of a cell, or why there is none."""
    if cell.low is None or cell.high is None:
        return "" if cell.note is None else cell.note
    return f"{number(cell.low, column.decimals)} to {number(cell.high, column.decimals)}"


def column_title(column: Column) -> str:
    """Name and unit: "PSNR (dB)"."""
    return f"{column.title} ({column.unit})" if column.unit else column.title


def table_title(columns: Sequence[Column]) -> str:
    """What the columns of one table have in common: "Picture, whole frame"."""
    first = columns[0]
    return f"{FAMILY_TITLES[first.family]}, {REGION_TITLES[first.region].lower()}"


def column_key(column: Column) -> str:
    """A column in an address: "psnr-foreground"."""
    return f"{column.metric}-{column.region}"


def higher_is_better(column: Column, stratum: str = ALL) -> bool:
    """Which way is better; a back gap is how much worse, whatever the metric."""
    return column.higher_is_better and stratum != BACK_GAP


def direction(column: Column, stratum: str = ALL) -> str:
    """Which way is better, as an arrow."""
    return "↑" if higher_is_better(column, stratum) else "↓"


def direction_words(column: Column, stratum: str = ALL) -> str:
    """Which way is better, for a screen reader."""
    return "higher is better" if higher_is_better(column, stratum) else "lower is better"


def phrase(column: Column) -> str:
    """A column inside a sentence."""
    where = REGION_TITLES[column.region].lower().replace(" ", "-")
    return f"{where} {column.title}"


def has_mark(board: Board) -> bool:
    """Whether any cell is marked as the best."""
    return any(c.best for section in board.sections for row in section.rows for c in row.cells)


def capped_note(board: Board) -> str | None:
    """How many frames of the board counted as a metric's cap."""
    cells = [c for section in board.sections for row in section.rows for c in row.cells]
    capped = sum(c.capped for c in cells if c.stratum == ALL and c.metric_id == board.headline)
    if not capped:
        return None
    column = board.column(board.headline)
    return (
        f"{capped} frame{'' if capped == 1 else 's'} had an infinite {phrase(column)} (equal to "
        f"the target) and counted as {column.definition['cap']}."
    )


def sentence_of(headline: Column, section: Section, lead: Difference | None) -> str:
    """The result in one sentence, no stronger than the intervals."""
    rows = [r for r in section.rows if r.cell(headline.metric_id, ALL).value is not None]
    if not rows:
        return "Nothing has been measured yet."
    first = rows[0].cell(headline.metric_id, ALL)
    value = _with_interval(first, headline)
    if lead is None or len(rows) < 2:
        kind = "method" if section.name == METHODS else "entrant"
        alone = f"the only {kind} {'here' if len(section.rows) == 1 else 'with a score'}"
        return f"“{rows[0].entrant}”, {alone}, reaches a {phrase(headline)} of {value}."
    second = rows[1].cell(headline.metric_id, ALL)
    gap = lead.interval
    rival = f"“{rows[1].entrant}” ({amount(second.value, headline)})"
    if gap.low is None or gap.high is None or gap.mean is None:
        return (
            f"“{rows[0].entrant}” has the best {phrase(headline)}, {value}, before {rival}; "
            "one garment group says nothing about others."
        )
    pair = (gap.low, gap.high) if headline.higher_is_better else (-gap.high, -gap.low)
    between = " to ".join(number(bound, headline.decimals) for bound in pair)
    unit = f" {headline.unit}" if headline.unit else ""
    paired = f"95 % interval of the paired difference {between}{unit}, {gap.groups} garment groups"
    if gap.holds(0.0):
        return (
            f"“{rows[0].entrant}” has the best {phrase(headline)}, {value}, but is not told apart "
            f"from {rival}: {paired}."
        )
    if (gap.mean > 0) is not headline.higher_is_better:  # the means are over other clips
        return (
            f"“{rows[0].entrant}” has the best mean {phrase(headline)}, {value}, yet {rival} is "
            f"better on the clips that both have: {paired}."
        )
    return (
        f"“{rows[0].entrant}” has the best {phrase(headline)}, {value}, ahead of {rival}: {paired}."
    )


def aside_of(headline: Column, section: Section) -> str | None:
    """What the best per-frame copy reaches: beside the result, so that neither hides the other."""
    rows = [r for r in section.rows if r.cell(headline.metric_id, ALL).value is not None]
    if not rows:
        return None
    value = _with_interval(rows[0].cell(headline.metric_id, ALL), headline)
    return (
        f"For scale, the per-frame copy “{rows[0].entrant}” reaches {value}; it makes no motion of "
        "its own and is not ranked with methods."
    )


def result_text(board: Board) -> str:
    """The result and what stands beside it."""
    return " ".join(part for part in (board.sentence, board.aside) if part)


def _with_interval(cell: Cell, column: Column) -> str:
    mean = amount(cell.value, column)
    if cell.low is None:
        return mean
    return f"{mean} (95 % interval {interval_text(cell, column)})"


def amount(value: float | None, column: Column) -> str:
    """A value with its unit."""
    text = NOT_MEASURED if value is None else number(value, column.decimals)
    return f"{text} {column.unit}" if column.unit else text
