"""What an import did, sample by sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmark.import_matching import Problem


@dataclass(slots=True)
class Report:
    """What an import did; of a dry run, what it would do."""

    task_hash: str
    name: str
    samples: int
    imported: int = 0
    reused: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Samples without a video."""
        return self.samples - self.imported - self.reused

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "failed": self.failed}

    def text(self) -> str:
        """Lines for a person."""
        counts = f"{self.imported} imported, {self.reused} reused, {self.failed} failed"
        kinds = Counter(problem.what for problem in self.problems)
        listed = "; ".join(f"{count} {what}" for what, count in sorted(kinds.items()))
        lines = [f"task {self.task_hash}", f"{self.name}: {self.samples} samples, {counts}"]
        lines += [f"problems: {listed}"] if listed else []
        return "\n".join(lines + [f"  {problem.text()}" for problem in self.problems])
