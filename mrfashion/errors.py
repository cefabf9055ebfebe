"""The exception tree and the exit codes every command answers with.

MRFashionError
|-- ConfigError             a setting, a name or an option is wrong        exit 2
|   `-- UnknownNameError    a name that no registry holds; lists near ones
|-- InputRefused            a whole input cannot be taken                  exit 4
|   |-- UnsafePath          a path that leaves its root
|   `-- SchemaError         a table of another version or with other columns
|-- MissingRequirement      a package or a weight file is not there        exit 5
|-- HashMismatch            bytes are not the ones that were promised      exit 6
|-- Diverged                training reached a loss that is no number      exit 1
`-- ItemError               one item of a batch failed; it becomes a row, the batch goes on
    `-- OutOfMemory         a generator ran out of memory at this item
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from enum import IntEnum

MAX_TEXT = 500  # characters of an item's error


class ExitCode(IntEnum):
    """What a command's exit status means."""

    COMPLETE = 0
    UNEXPECTED = 1
    USAGE = 2
    SOME_FAILED = 3
    REFUSED = 4
    MISSING = 5
    MISMATCH = 6
    INTERRUPTED = 130


class MRFashionError(Exception):
    """Root of the errors a caller may want to catch; the message is for a person."""

    exit_code = ExitCode.UNEXPECTED


class ConfigError(MRFashionError):
    """A setting, a name or an option is wrong."""

    exit_code = ExitCode.USAGE


class UnknownNameError(ConfigError):
    """A name that is in no registry. Source of the habit: mteb lists the near ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")


class InputRefused(MRFashionError):
    """A whole input cannot be taken."""

    exit_code = ExitCode.REFUSED


class UnsafePath(InputRefused):
    """A path that leaves the root it belongs to."""


class SchemaError(InputRefused):
    """A table of another version, or with other columns, than this program writes."""


class MissingRequirement(MRFashionError):
    """A package or a weight file that this step needs is not there."""

    exit_code = ExitCode.MISSING


class HashMismatch(MRFashionError):
    """Bytes are not the ones that were promised."""

    exit_code = ExitCode.MISMATCH


class Diverged(MRFashionError):
    """Training reached a loss or a gradient that is no number; the last checkpoint is from before.

    It exits as unexpected: going on would meet the same.
    """


class ItemError(MRFashionError):
    """One item of a batch failed.

    `code` is `stage.cause` (`decode.truncated`); `retryable` says whether the same command may
    try again. The text names neither temporary paths nor processes: it lands in a table.
    """

    exit_code = ExitCode.SOME_FAILED

    def __init__(self, code: str, text: str, *, retryable: bool = False) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.retryable = retryable


class OutOfMemory(ItemError):
    """A generator ran out of memory at this item; fewer at once, or a smaller one, may fit."""

    def __init__(self, text: str) -> None:
        super().__init__("generate.out-of-memory", text, retryable=True)


def without_places(text: str) -> str:
    """The text of an item error without the folders of absolute paths, addresses and our pid."""
    text = re.sub(r"(?<![\w.:/])/(?:[^\s/'\"]+/)+", "", text)
    text = re.sub(r"0x[0-9a-fA-F]{6,}", "0x...", text)
    return re.sub(rf"\b{os.getpid()}\b", "PID", text)[:MAX_TEXT]
