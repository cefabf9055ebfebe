"""The kinds of source. To add one: a file here with `read`, and a line in SOURCES."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mrfashion.errors import InputRefused, UnknownNameError
from mrfashion.sources.folder import FolderSource
from mrfashion.sources.source import SourceReader
from mrfashion.sources.turntable.clips import TurntableConfig
from mrfashion.sources.turntable.source import TurntableSource

SOURCES: dict[str, Callable[[str, TurntableConfig], SourceReader]] = {
    "folder": lambda argument, turntable: FolderSource(Path(argument)),
    "turntable": lambda argument, turntable: TurntableSource(turntable),
}


def open_source(text: str, turntable: TurntableConfig) -> SourceReader:
    """`turntable`, a path, or `<kind>:<argument>` => the reader of that source.

    A folder that bears the name of a kind is `./turntable`.
    """
    kind, _, argument = text.partition(":")
    if kind in SOURCES:
        return SOURCES[kind](argument, turntable)
    if Path(text).exists():
        return FolderSource(Path(text))
    if "/" in text or "." in text:
        raise InputRefused(f"{text} does not exist; name a folder of videos, or one video")
    raise UnknownNameError("source", text, SOURCES)
