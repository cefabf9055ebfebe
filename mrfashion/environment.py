"""Who ran what, when and on which machine: the rows of `run.json`. Nothing compares by them."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mrfashion.artefacts import write_json
from mrfashion.errors import InputRefused

RUN_FILE = "run.json"
PACKAGES = (
    "mrfashion",
    "av",
    "diffusers",
    "numpy",
    "onnxruntime",
    "onnxruntime-gpu",
    "opencv-python-headless",
    "pyarrow",
    "safetensors",
    "torch",
    "transformers",
)


def now_utc() -> str:
    """The time, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment(device: str = "cpu") -> dict[str, Any]:
    """Program, packages and machine, plain JSON values; asks torch only for a CUDA device."""
    return {
        "argv": sys.argv,
        "device": _device_name(device),
        "git_commit": _git_commit(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


class RunLog:
    """The runs of a folder, oldest first; each is written when it starts and when it ends."""

    def __init__(self, runs: Path, **fields: object) -> None:
        self.path = runs / RUN_FILE
        self._earlier = _earlier_runs(self.path)
        self._run: dict[str, Any] = {"started": now_utc(), "ended": None, **fields}
        self.write(status="running")

    def write(self, **fields: object) -> None:
        """Set fields of this run and write the file."""
        self._run |= fields
        write_json(self.path, {"schema_version": 1, "runs": [*self._earlier, self._run]})


def _earlier_runs(path: Path) -> list[Any]:
    if not path.exists():
        return []
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
        if isinstance(runs, list):
            return runs
    except (ValueError, KeyError, TypeError):
        pass
    raise InputRefused(f"{path} is no list of runs: it was edited; restore it, or move it away")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Commit of the checkout that this file lies in; None for an installed package."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    command.append("--exclude=*")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _device_name(device: str) -> str:
    if not device.startswith("cuda"):
        return device
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda})"
