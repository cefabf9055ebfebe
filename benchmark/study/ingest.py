"""`mrfashion study ingest`: from returned sheets to `ratings.parquet`.

STUDY/raw/<sha256>.<ext>   files as received, unchanged
STUDY/ingest_report.json   what was taken, refused (file, row, reason), put right and left empty
STUDY/ratings.parquet      the answers of all files taken so far, made anew from raw/ each time

It needs no key: whoever reads the sheets in may be as blind as those who filled them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.study.check import Checked, Finding, RowAnswer, check
from benchmark.study.criteria import CRITERIA, SCALE_ID
from benchmark.study.ingest_report import (
    IN_PART,
    REFUSED,
    REPLACED,
    TAKEN,
    Comment,
    Completeness,
    FileReport,
    IngestReport,
    Status,
    load_report,
    save_report,
)
from benchmark.study.plan import Plan, PlannedRow, load_plan
from benchmark.study.ratings import (
    CANNOT_PLAY,
    MISSING,
    NORMALISED,
    RATINGS,
    RATINGS_FILE,
    REJECTED,
    STRAIGHT_LINE,
    ZERO_VARIANCE,
    Rating,
)
from benchmark.study.read_csv import read_csv
from benchmark.study.read_xlsx import read_xlsx
from benchmark.study.received import Received, Unreadable, shown
from mrfashion.artefacts import folder_lock, inside, write_atomic
from mrfashion.errors import ConfigError, HashMismatch, InputRefused

RAW_FOLDER = "raw"
MAX_BYTES = 64 << 20
READERS: dict[str, Callable[[bytes], Received]] = {".xlsx": read_xlsx, ".csv": read_csv}
FLAG_ROWS = 6  # fewer rows that agree are no pattern
FLAG_SHARE = 0.95


@dataclass(frozen=True)
class Intake:
    """What one call did."""

    files: tuple[FileReport, ...]  # those of this call, in its order
    known: tuple[str, ...]  # files that an earlier call had taken already
    report: IngestReport  # of the whole study
    ratings: int  # rows of ratings.parquet with a value

    @property
    def refused(self) -> bool:
        """Whether a file was refused."""
        return any(report.status == REFUSED for report in self.files)


@dataclass(frozen=True)
class _File:
    """A file as read, and what its name says."""

    name: str
    suffix: str
    data: bytes | None  # None: too large
    sha256: str

    @property
    def raw(self) -> str | None:
        return None if self.data is None else f"{RAW_FOLDER}/{self.sha256}{self.suffix}"


def ingest(
    study_root: str | Path,
    files: Sequence[str | Path],
    *,
    accept_partial: bool = False,
    replace_earlier: bool = False,
) -> Intake:
    """Read sheets in. A file with any rejection is not taken, unless `accept_partial`.

    `replace_earlier`: a second file of a rater takes the place of the first; else it is refused.
    """
    root = Path(study_root)
    plan = load_plan(root)
    if plan.scale_id != SCALE_ID or plan.criteria != tuple(c.id for c in CRITERIA):
        raise InputRefused(f"{root} asks other questions ({plan.scale_id}); use its release")
    received = [_file(Path(path)) for path in files]
    with folder_lock(root):
        reports = {r.sha256: r for r in load_report(root, plan.study_id).files}
        known: list[str] = []
        now: list[FileReport] = []
        for file in received:
            earlier = reports.get(file.sha256)
            repeated = any(report.sha256 == file.sha256 for report in now)
            if earlier is not None and earlier.is_taken and not repeated:
                known.append(file.name)
                continue
            report = _received(root, plan, file, accept_partial)
            if earlier is not None and repeated:
                reason = f"same file twice: its bytes are those of {earlier.file}"
                now.append(_refused(report, reason))
                again = Finding(None, None, None, f"came a second time, as {file.name}")
                reports[file.sha256] = replace(earlier, notes=(*earlier.notes, again))
                continue
            report, reports = _seated(report, reports, replace_earlier)
            reports[report.sha256] = report
            now.append(report)
        return _save(root, plan, reports, now, known)


def _file(path: Path) -> _File:
    if not path.is_file():
        raise ConfigError(f"{path} is no file; name the sheets that came back")
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise ConfigError(f"{path.name}: got {suffix!r}; allowed: {', '.join(READERS)}. Save as it")
    with path.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
        digest = hashlib.sha256(data)
        while rest := stream.read(1 << 20):
            digest.update(rest)
    kept = data if len(data) <= MAX_BYTES else None
    return _File(_name(path), suffix, kept, digest.hexdigest())


def _name(path: Path) -> str:
    return shown(path.name.encode("utf-8", "backslashreplace").decode(), limit=200)


def _received(root: Path, plan: Plan, file: _File, accept_partial: bool) -> FileReport:
    """Keep a file's bytes and say what it holds."""
    empty = FileReport(file.name, file.sha256, file.raw, TAKEN, None, None, (), (), (), (), ())
    if file.data is None or file.raw is None:
        return _refused(empty, f"it is larger than {MAX_BYTES} bytes")
    if not (root / file.raw).exists():
        write_atomic(root / file.raw, file.data)
    try:
        checked = check(plan, READERS[file.suffix](file.data))
    except Unreadable as error:
        return _refused(empty, str(error))
    status: Status = TAKEN if not checked.rejections else IN_PART if accept_partial else REFUSED
    return replace(
        empty,
        status=status,
        sheet_id=checked.sheet.sheet_id,
        rater=checked.sheet.rater,
        rejections=checked.rejections,
        notes=checked.notes,
        missing=checked.missing,
        comments=tuple(Comment(i, a.comment) for i, a in checked.answers.items() if a.comment),
        flags=_patterns(checked),
    )


def _refused(report: FileReport, reason: str) -> FileReport:
    rejections = (Finding(None, None, None, reason), *report.rejections)
    return replace(report, status=REFUSED, rejections=rejections)


def _seated(
    report: FileReport, reports: dict[str, FileReport], replace_earlier: bool
) -> tuple[FileReport, dict[str, FileReport]]:
    """One file a rater: a second is refused, or takes the seat of the first."""
    seated = [r for r in reports.values() if r.is_taken and r.rater == report.rater]
    if not report.is_taken or not seated:
        return report, reports
    if not replace_earlier:
        reason = f"two files for {report.rater}: {seated[0].file} was taken before (--replace)"
        return _refused(report, reason), reports
    left = {r.sha256: replace(r, status=REPLACED) for r in seated}
    return report, reports | left


def _save(
    root: Path, plan: Plan, reports: dict[str, FileReport], now: list[FileReport], known: list[str]
) -> Intake:
    """Make the table anew from the raw files, then write the report that explains it."""
    files = tuple(sorted(reports.values(), key=lambda r: (r.rater or "", r.file, r.sha256)))
    taken = [(file, _again(root, plan, file)) for file in files if file.is_taken]
    ratings = [rating for file, checked in taken for rating in _ratings(plan, file, checked)]
    report = IngestReport(plan.study_id, files, tuple(_completeness(plan, ratings)))
    RATINGS.write(root / RATINGS_FILE, ratings, study_id=plan.study_id, plan_hash=plan.plan_hash)
    save_report(root, report)
    return Intake(tuple(now), tuple(known), report, sum(r.value is not None for r in ratings))


def _again(root: Path, plan: Plan, file: FileReport) -> Checked:
    """A taken file, read from `raw/`; HashMismatch if it is no longer what was received."""
    path = inside(root, file.raw or "")
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise HashMismatch(f"{path} is not the file that was received; restore it")
    return check(plan, READERS[path.suffix](data))


def _ratings(plan: Plan, file: FileReport, checked: Checked) -> Iterable[Rating]:
    """A row for every planned cell of a sheet, answered or not."""
    for planned in checked.sheet.rows:
        answer = checked.answers.get(planned.row_id)
        for criterion in CRITERIA:
            value, flags = _value(checked, planned, answer, criterion.id)
            row = answer.row if answer else checked.refused_rows.get(planned.row_id)
            yield Rating(
                study_id=plan.study_id,
                rater=checked.sheet.rater,
                blind_id=planned.blind_id,
                video_sha256=plan.clip[planned.blind_id].sha256,
                criterion=criterion.id,
                scale_id=plan.scale_id,
                value=value,
                flags=(*flags, *(file.flags if value is not None else ())),
                sheet_id=checked.sheet.sheet_id,
                row_id=planned.row_id,
                position=checked.sheet.position[planned.row_id],
                block=planned.block,
                source=Path(file.raw or "").suffix[1:],
                raw_file_sha256=file.sha256,
                raw_row=row,
            )


def _value(
    checked: Checked, planned: PlannedRow, answer: RowAnswer | None, criterion: str
) -> tuple[int | None, tuple[str, ...]]:
    if answer is None:
        return None, (REJECTED if planned.row_id in checked.refused_rows else MISSING,)
    said = answer.answers[criterion]
    if said.refused is not None:
        return None, (REJECTED,)
    if said.value is None:
        return None, (CANNOT_PLAY if answer.cannot_play else MISSING,)
    return said.value, (NORMALISED,) if said.note else ()


def _patterns(checked: Checked) -> tuple[str, ...]:
    """Signs of a rater who did not look: told, never acted upon."""
    rows = [[a.value for a in answer.answers.values()] for answer in checked.answers.values()]
    full = [row for row in rows if None not in row]
    if len(full) < FLAG_ROWS:
        return ()
    same = sum(len(set(row)) == 1 for row in full) >= FLAG_SHARE * len(full)
    constant = len({value for row in full for value in row}) == 1
    return ((STRAIGHT_LINE,) if same else ()) + ((ZERO_VARIANCE,) if constant else ())


def _completeness(plan: Plan, ratings: Sequence[Rating]) -> Iterable[Completeness]:
    for sheet in plan.sheets:
        own = [rating for rating in ratings if rating.rater == sheet.rater]
        counts = {flag: sum(flag in r.flags for r in own) for flag in (CANNOT_PLAY, REJECTED)}
        planned = len(sheet.rows) * len(CRITERIA)
        rated = sum(rating.value is not None for rating in own)
        yield Completeness(
            rater=sheet.rater,
            planned=planned,
            rated=rated,
            cannot_play=counts[CANNOT_PLAY],
            missing=planned - rated - sum(counts.values()),
            rejected=counts[REJECTED],
        )
