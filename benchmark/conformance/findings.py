"""What a check says: passed, failed or not applicable, and the thing it measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from mrfashion.errors import ExitCode

State = Literal["pass", "fail", "n/a"]
Ran = Literal["itself", "rehearsal", "not at all"]  # a rehearsal has random weights


class Failed(Exception):
    """The generator does not do what it owes; the text says what it does instead."""


class NotApplicable(Exception):
    """The check has nothing to look at here; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one generator."""

    name: str
    state: State
    measured: str


@dataclass(frozen=True, slots=True)
class Report:
    """All findings about an entrant, and in what shape it ran."""

    entrant: str
    kind: str
    ran: Ran
    device: str
    dtype: str
    missing: tuple[str, ...]
    seconds: float | None  # of the first request; None: it was not answered
    peak_memory_bytes: int | None  # on a CUDA device
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[Finding, ...]:
        """What it does wrong."""
        return tuple(finding for finding in self.findings if finding.state == "fail")

    @property
    def exit_code(self) -> ExitCode:
        """0: all passed; 3: something failed; 5: it could not run at all."""
        if self.failed:
            return ExitCode.SOME_FAILED
        return ExitCode.MISSING if self.ran == "not at all" else ExitCode.COMPLETE

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"passed": self.exit_code == ExitCode.COMPLETE}
