"""A received sheet against the plan: what it says, what is missing, and what is refused and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.study.answers import Answer, read_level, read_yes
from benchmark.study.clips import clip_path
from benchmark.study.columns import (
    CANNOT_PLAY,
    CLIP,
    COMMENT,
    NEEDED,
    RATER,
    RATING_COLUMNS,
    ROW_ID,
    ROWS,
    ROWS_HASH,
    SHEET_ID,
    SHEET_VERSION,
    STUDY_ID,
    VERSION,
)
from benchmark.study.criteria import CRITERIA
from benchmark.study.plan import Plan, Sheet
from benchmark.study.received import Received, Row, Unreadable, quoted, shown

COMMENT_CHARACTERS = 1000
ANSWER_COLUMNS = (*RATING_COLUMNS, CANNOT_PLAY, COMMENT)


@dataclass(frozen=True)
class Finding:
    """Something about one cell, one row (no column) or the whole file (no row)."""

    row: int | None  # in the file, from 1
    row_id: str | None
    column: str | None
    reason: str


@dataclass(frozen=True)
class RowAnswer:
    """What one row says."""

    row: int
    answers: dict[str, Answer]  # by criterion
    cannot_play: bool
    comment: str


@dataclass(frozen=True)
class Checked:
    """What a sheet says after every check."""

    sheet: Sheet
    answers: dict[str, RowAnswer]  # by row id; refused rows are not among them
    refused_rows: dict[str, int | None]  # planned row id -> its row in the file
    rejections: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    missing: tuple[str, ...]  # planned rows, or cells of them, that hold no answer


def check(plan: Plan, received: Received) -> Checked:
    """Check a whole sheet; Unreadable where it cannot be one of this plan."""
    sheet = _sheet(plan, received)
    plain_text = received.source == "csv"
    rejections: list[Finding] = []
    by_id: dict[str, list[Row]] = {}
    refused: dict[str, int | None] = {}
    numbers = {row_id.partition("-")[0] for row_id in sheet.by_id}
    for row in received.rows:
        row_id = _text(row, ROW_ID)
        reason = _wrong_place(sheet, numbers, row)
        if reason is None:
            by_id.setdefault(row_id, []).append(row)
        elif _says_anything(row):
            rejections.append(Finding(row.number, shown(row_id), None, reason))
            if row_id in sheet.by_id:
                refused[row_id] = row.number
    answers: dict[str, RowAnswer] = {}
    for row_id, rows in by_id.items():
        twice = _duplicates(row_id, rows)
        rejections += twice
        if len(twice) == len(rows) > 1:
            refused[row_id] = rows[0].number
            continue
        answer = _answer(rows[0], plain_text)
        problems = _problems(rows[0], answer)
        rejections += problems
        if any(problem.column is None for problem in problems):
            refused[row_id] = rows[0].number
        else:
            answers[row_id] = answer
            refused.pop(row_id, None)
    if not rejections and not any(map(_is_rated, answers.values())):
        raise Unreadable("it holds no answer: was another copy filled in?")
    return Checked(
        sheet=sheet,
        answers=answers,
        refused_rows=refused,
        rejections=tuple(sorted(rejections, key=lambda found: found.row or 0)),
        notes=tuple(_notes(answers)),
        missing=tuple(_missing(sheet, answers, refused)),
    )


def _is_rated(answer: RowAnswer) -> bool:
    return answer.cannot_play or any(a.value is not None for a in answer.answers.values())


def _sheet(plan: Plan, received: Received) -> Sheet:
    """The planned sheet that a file says it is."""
    lacking = [name for name in NEEDED if name not in received.columns]
    if lacking:
        raise Unreadable(f"column {quoted(lacking[0])} is missing: return the file you were sent")
    said = received.meta
    if said.get(STUDY_ID) != plan.study_id:
        got = quoted(said.get(STUDY_ID, ""))
        raise Unreadable(f"it says it is of study {got}; this is {plan.study_id}")
    sheet = plan.sheet.get(said.get(SHEET_ID, ""))
    if sheet is None:
        raise Unreadable(f"sheet {quoted(said.get(SHEET_ID, ''))} is none of this study's sheets")
    promised = {ROWS_HASH: sheet.rows_hash}
    if received.source == "xlsx":
        promised |= {RATER: sheet.rater, VERSION: str(SHEET_VERSION), ROWS: str(len(sheet.rows))}
    for name, value in promised.items():
        if said.get(name) != value:
            got = quoted(said.get(name, ""))
            raise Unreadable(f"{name} is {got}; planned: {value}. Its row list is not the one sent")
    return sheet


def _wrong_place(sheet: Sheet, numbers: set[str], row: Row) -> str | None:
    """Why a row is none of the plan's, or None."""
    row_id, clip = _text(row, ROW_ID), _text(row, CLIP)
    planned = sheet.by_id.get(row_id)
    if planned is None:
        if row_id.partition("-")[0] in numbers:
            return f"tampered: {quoted(row_id)} has the wrong check code"
        return f"tampered: row {quoted(row_id)} is not in this sheet"
    if clip not in (planned.blind_id, clip_path(planned.blind_id)):
        return f"tampered: clip {quoted(clip)} is not the one of row {row_id}"
    return None


def _text(row: Row, column: str) -> str:
    cell = row.cell(column)
    return cell.text.strip() if cell.kind == "text" else ""


def _says_anything(row: Row) -> bool:
    """A row without an id and without an answer is a scribble beside the table."""
    return any(row.cell(name).kind != "empty" for name in (ROW_ID, CLIP, *ANSWER_COLUMNS))


def _duplicates(row_id: str, rows: list[Row]) -> list[Finding]:
    """All of a row's copies where they disagree; the later ones where they do not."""
    said = {tuple(row.cell(name) for name in ANSWER_COLUMNS) for row in rows}
    copies = rows if len(said) > 1 else rows[1:]
    how = "with other answers; none is taken" if len(said) > 1 else "with equal answers; one counts"
    text = f"duplicate: the row stands {len(rows)} times, {how}"
    return [Finding(row.number, row_id, None, text) for row in copies]


def _answer(row: Row, plain_text: bool) -> RowAnswer:
    comment = row.cell(COMMENT)
    return RowAnswer(
        row=row.number,
        answers={c.id: read_level(row.cell(c.column), plain_text) for c in CRITERIA},
        cannot_play=bool(read_yes(row.cell(CANNOT_PLAY))),
        comment="" if comment.kind == "formula" else shown(comment.text, COMMENT_CHARACTERS),
    )


def _problems(row: Row, answer: RowAnswer) -> list[Finding]:
    row_id = _text(row, ROW_ID)
    found = [
        Finding(row.number, row_id, criterion.column, refused)
        for criterion in CRITERIA
        if (refused := answer.answers[criterion.id].refused) is not None
    ]
    plays = row.cell(CANNOT_PLAY)
    if read_yes(plays) is None:
        text = f"cannot_play is {quoted(plays.text)}; allowed: yes, no or nothing"
        found.append(Finding(row.number, row_id, None, text))
    elif answer.cannot_play and any(a.value is not None for a in answer.answers.values()):
        text = "rated, and marked as one that cannot play"
        found.append(Finding(row.number, row_id, None, text))
    if row.cell(COMMENT).kind == "formula":
        text = f"a formula ({quoted(row.cell(COMMENT).text)}); the comment is not taken"
        found.append(Finding(row.number, row_id, COMMENT, text))
    return found


def _notes(answers: dict[str, RowAnswer]) -> Iterable[Finding]:
    for row_id, answer in answers.items():
        for criterion in CRITERIA:
            note = answer.answers[criterion.id].note
            if note is not None:
                yield Finding(answer.row, row_id, criterion.column, note)


def _missing(
    sheet: Sheet, answers: dict[str, RowAnswer], refused: dict[str, int | None]
) -> Iterable[str]:
    for planned in sheet.rows:
        row_id = planned.row_id
        if row_id in refused:
            continue
        answer = answers.get(row_id)
        if answer is None:
            yield f"{row_id}: the row is not there"
        elif not answer.cannot_play:
            for criterion in CRITERIA:
                said = answer.answers[criterion.id]
                if said.value is None and said.refused is None:
                    yield f"{row_id}: {criterion.column}"
