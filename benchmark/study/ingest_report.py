"""`ingest_report.json`: every file that ever came back, what was taken and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from benchmark.study.check import Finding
from mrfashion.artefacts import read_object, write_json
from mrfashion.config import from_dict
from mrfashion.errors import ConfigError, InputRefused

REPORT_FILE = "ingest_report.json"
REPORT_VERSION = 1
Status = Literal["taken", "taken in part", "refused", "replaced"]
TAKEN: Final = "taken"
IN_PART: Final = "taken in part"
REFUSED: Final = "refused"
REPLACED: Final = "replaced"


@dataclass(frozen=True)
class Comment:
    """What a rater wrote about a clip."""

    row_id: str
    text: str


@dataclass(frozen=True)
class FileReport:
    """One file, as it was received last."""

    file: str
    sha256: str
    raw: str | None  # where the received bytes lie; None: too large to keep
    status: Status
    sheet_id: str | None
    rater: str | None
    rejections: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    missing: tuple[str, ...]
    comments: tuple[Comment, ...]
    flags: tuple[str, ...]  # straight_line, zero_variance

    @property
    def is_taken(self) -> bool:
        """Whether its answers are in `ratings.parquet`."""
        return self.status in (TAKEN, IN_PART)


@dataclass(frozen=True)
class Completeness:
    """How far one rater is."""

    rater: str
    planned: int  # cells: rows times criteria
    rated: int
    cannot_play: int
    missing: int
    rejected: int


@dataclass(frozen=True)
class IngestReport:
    """All files of a study, newest state of each, and the raters they make."""

    study_id: str
    files: tuple[FileReport, ...]
    raters: tuple[Completeness, ...]


def save_report(root: Path, report: IngestReport) -> None:
    """Write `ingest_report.json`."""
    write_json(root / REPORT_FILE, {"schema_version": REPORT_VERSION, **asdict(report)})


def load_report(root: Path, study_id: str) -> IngestReport:
    """Read `ingest_report.json`, an empty one where no file came back yet."""
    path = root / REPORT_FILE
    if not path.exists():
        return IngestReport(study_id, (), ())
    values = read_object(path, "restore it")
    if values.pop("schema_version", None) != REPORT_VERSION:
        raise InputRefused(f"{path} is no report of version {REPORT_VERSION}; use its release")
    try:
        report = from_dict(IngestReport, values, REPORT_FILE)
    except ConfigError as error:
        raise InputRefused(f"{path} was edited: {error}; restore it") from None
    if report.study_id != study_id:
        raise InputRefused(f"{path} is of {report.study_id}; this study is {study_id}")
    return report


def rejection_table(files: Sequence[FileReport]) -> str:
    """Every rejection as a line of file, row, column and reason."""
    lines = [("file", "row", "row id", "column", "reason")]
    for report in files:
        for found in report.rejections:
            row = "-" if found.row is None else str(found.row)
            where = (report.file, row, found.row_id or "-", found.column or "-")
            lines.append((*where, found.reason))
    widths = [max(len(line[place]) for line in lines) for place in range(4)]
    return "\n".join(
        "  ".join(
            [*(text.ljust(width) for text, width in zip(line, widths, strict=False)), line[4]]
        )
        for line in lines
    )
