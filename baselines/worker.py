"""A method in its own environment: one process answers many requests.

An entrant file names the Python of that environment and a script that says what the method is;
`baselines/workers/template.py` is one to start from.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from baselines.worker_files import read_result, write_request
from baselines.worker_process import WorkerProcess
from baselines.worker_scripts import code_hash, declared, merged, read_info
from mrfashion.artefacts import sha256_file
from mrfashion.errors import ConfigError, ItemError, MissingRequirement, OutOfMemory, without_places
from mrfashion.generation import Request, Result, Unsupported
from mrfashion.weight_hashes import folder_sha256

PROTOCOL = 1
SHIPPED = Path(__file__).parent / "workers"
STARTS = 3  # failed in a row before a run gives up
PASSED_ON = (  # of our environment; PYTHONPATH and its like would break the method's own
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME"),
    *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "PYTORCH_CUDA_ALLOC_CONF", "HF_HOME"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "SSL_CERT_FILE", "TORCH_HOME", "XDG_CACHE_HOME"),
)
SET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONNOUSERSITE": "1"}


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """Where a method lies and how long it may take."""

    python: Path | None = None  # of its environment; None: this one
    command: tuple[str, ...] = ()  # instead of `python`, as conda run -n NAME python
    script: Path | None = None  # None: the one that is shipped
    checkout: Path | None = None  # of its repository
    weights: Path | None = None  # folder
    options: dict = field(default_factory=dict)  # type: ignore[type-arg]  # the script's own
    environment: tuple[str, ...] = ()  # names of more variables to pass on
    start_s: float = 900.0  # to load
    request_s: float = 7200.0  # to make one video

    def __post_init__(self) -> None:
        if self.python and self.command:
            raise ConfigError("python and command both say how Python starts; give one of them")
        if not (self.start_s > 0 and self.request_s > 0):
            raise ConfigError("start_s and request_s must be above 0 seconds")


class Worker:
    """A generator that another process runs."""

    Settings = WorkerSettings
    registered: ClassVar[str] = "worker"
    shipped: ClassVar[str] = "template.py"
    rehearsing: str | None = None

    def __init__(self, settings: WorkerSettings | None = None, name: str | None = None) -> None:
        self.where = settings or WorkerSettings()
        self.script = self.where.script or SHIPPED / self.shipped
        self._literal = read_info(self.script)
        self.info, self._declared = declared(self._literal, name or self.registered, self.script)
        self._options = merged(self._declared.options, self.where.options, self.script)
        self._process: WorkerProcess | None = None
        self._place: tuple[str, str] | None = None  # device and dtype, once loaded
        self._versions: dict[str, Any] = {}
        self._failed_starts = 0

    def check(self) -> list[str]:
        """What is not set or not there."""
        needed = [n for n in self._declared.needs if not (self.rehearsing and n == "weights")]
        unset = [n for n in needed if not getattr(self.where, n)]
        if self.where.command and "python" in unset:
            unset.remove("python")
        missing = [f"settings.{n} is not set: name it in an entrant file" for n in unset]
        if shutil.which(self._command[0]) is None:
            missing.append(f"settings.python: {self._command[0]} is no program")
        for name in ("checkout", "weights"):
            folder = getattr(self.where, name)
            if folder is not None and not folder.is_dir():
                missing.append(f"settings.{name}: {folder} is no folder")
        if self.where.weights and not self.rehearsing:
            lacking = [name for name, sha256 in self._weights().items() if sha256 is None]
            missing += [f"settings.weights: {self.where.weights} lacks {name}" for name in lacking]
        return missing

    def settings(self) -> dict[str, Any]:
        """Script, repository, weights and options; neither places nor times."""
        beside = self.script.parent / "serving.py"
        return {
            "protocol": PROTOCOL,
            "script": sha256_file(self.script),
            "serving": sha256_file(beside) if beside.is_file() else None,
            "checkout": code_hash(self.where.checkout) if self.where.checkout else None,
            "weights": self._weights(),
            "options": self._options,
            "rehearsal": self.rehearsing,
        }

    def load(self, device: str, dtype: str) -> None:
        """Start the process; MissingRequirement tells why it does not."""
        self._place = device, dtype
        try:
            self._start(device, dtype)
        except ItemError as error:
            raise MissingRequirement(f"{self.info.name} does not start: {error}") from None

    def generate(self, request: Request) -> Result:
        """Answer through the process, started anew where it is gone."""
        if self._place is None:
            raise RuntimeError("generate needs load first")
        if self._process and self._process.has_ended():
            self.close()  # while idle: no request is at fault
        process = self._process or self._started_again(*self._place)
        try:
            with self._folder() as folder:
                write_request(folder, request, self._declared.draw)
                message = {"type": "request", "id": folder.name, "folder": str(folder)}
                reply = process.ask(message, self.where.request_s)
                _raise_error(reply, folder.name)
                result = read_result(folder, request)
        except ItemError as error:
            if error.code.startswith("worker.") and error.code != "worker.failed":
                self.close()
            raise
        except BaseException:  # whatever it is busy with, nobody will ask for
            self.close()
            raise
        return dataclasses.replace(result, effective={**result.effective, "worker": self._versions})

    def close(self) -> None:
        """End the process; the next request starts another."""
        if self._process:
            self._process.end()
        self._process = None

    @cached_property
    def _command(self) -> tuple[str, ...]:
        return self.where.command or (str(self.where.python or sys.executable),)

    def _weights(self) -> dict[str, str | None]:
        """File below the folder => sha256; a pattern that nothing matches => None."""
        found: dict[str, str | None] = {}
        folder = self.where.weights
        for pattern in self._declared.weight_files or (("**/*",) if folder else ()):
            files = folder_sha256(folder, [pattern]) if folder else {}
            found.update(files)
            if not files:
                found[pattern] = None
        return found

    def _started_again(self, device: str, dtype: str) -> WorkerProcess:
        try:
            return self._start(device, dtype)
        except ItemError as error:
            self._failed_starts += 1
            if self._failed_starts < STARTS:
                raise
            raise MissingRequirement(
                f"{self.info.name} did not start {STARTS} times in a row: {error}"
            ) from None

    def _start(self, device: str, dtype: str) -> WorkerProcess:
        names = (*PASSED_ON, *self.where.environment)
        passed = {name: os.environ[name] for name in names if name in os.environ}
        folder = self.where.checkout or self.script.parent
        command = (*self._command, str(self.script.absolute()))
        process = WorkerProcess(command, folder, passed | SET)
        start = {
            "type": "start",
            "protocol": PROTOCOL,
            "device": device,
            "dtype": dtype,
            "checkout": _text(self.where.checkout),
            "weights": _text(self.where.weights),
            "options": self._options,
            "rehearsal": self.rehearsing,
        }
        ready = process.ask(start, self.where.start_s)
        try:
            _raise_error(ready, None)
            self._check_ready(ready)
        except BaseException:
            process.end()
            raise
        self._versions = ready["versions"]
        self._process, self._failed_starts = process, 0
        return process

    def _check_ready(self, ready: dict[str, Any]) -> None:
        if ready.get("type") != "ready" or ready.get("protocol") != PROTOCOL:
            raise ItemError("worker.invalid", f"got {_short(ready)}; needed: ready, {PROTOCOL}")
        if ready.get("info") != self._literal or not isinstance(ready.get("versions"), dict):
            raise ItemError("worker.invalid", f"{self.script.name} runs with another INFO")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder for one request, gone when it is answered."""
        with tempfile.TemporaryDirectory(prefix="mrfashion-", ignore_cleanup_errors=True) as name:
            yield Path(name)


def _raise_error(reply: dict[str, Any], id_: str | None) -> None:
    """Raise what a reply says went wrong, if it does; and if it replies to something else."""
    if reply.get("id") != id_ or reply.get("type") not in ("error", "ready", "answer"):
        raise ItemError("worker.invalid", f"got {_short(reply)}; needed: the answer to a request")
    if reply["type"] != "error":
        return
    text = without_places(str(reply.get("text")))
    match reply.get("code"):
        case "unsupported":
            raise Unsupported(text)
        case "out-of-memory":
            raise OutOfMemory(text)
        case "missing-weights":
            raise MissingRequirement(f"weights are missing: {reply.get('text')}")
        case "failed":
            raise ItemError("worker.failed", text, retryable=True)
    raise ItemError("worker.invalid", text)


def _short(message: dict[str, Any]) -> str:
    return without_places(repr(message)[:200])


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path.absolute())


class MooreAnimateAnyone(Worker):
    """Moore-AnimateAnyone from a user's checkout, in its own environment."""

    registered = "moore-animate-anyone"
    shipped = "moore_animate_anyone.py"

    def rehearsal(self, *, real_size: bool = False) -> MooreAnimateAnyone:
        """The same on random weights; needs environment and checkout all the same."""
        twin = MooreAnimateAnyone(self.where, self.info.name)
        twin.rehearsing = "real" if real_size else "tiny"
        return twin
