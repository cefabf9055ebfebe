"""Who ran what, when and on which machine: `run.json`, the one file that holds clocks."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mrfashion.artefacts import write_json

PACKAGES = ("mrfashion", "torch", "numpy", "av", "opencv-python-headless", "pyarrow", "scipy")


class RunRecord:
    """Written when a run starts and again when it ends; status tells the two apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record: dict[str, object] = {
            "arguments": sys.argv[1:],
            "environment": environment(),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": "started",
        }
        write_json(path, self.record)

    def finish(self, **facts: object) -> None:
        """Add what the run did, and when it ended."""
        ended = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(self.path, {**self.record, **facts, "ended": ended, "status": "finished"})


def environment() -> dict[str, object]:
    """Python, machine, package versions and the commit of the code, where there is one."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the checkout this file lies in; None for an installed wheel or without git."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
