"""One hostile input: what is written, how it is curated, and how each part of it must end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A source of its own, in a folder of its name.

    `expected`: part of the source (its id without the source's name) => the outcomes that are
    right for it, with `|` between them: `kept`, `<stage>: <reason>` of a reject, or the class of a
    failure. A part `x*` is any that begins with x, or none; every other must turn up, and no more.
    `{"": "refused"}`: the source as a whole is refused before any work.
    """

    name: str
    make: Callable[[Path], None]
    expected: Mapping[str, str]
    source: str = "folder:{}"  # {} is the folder
