"""The kinds of source. To add one: a file here with `read`, and a line in SOURCES.

They are imported when asked for: the turntable also renders where no table can be written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mrfashion.errors import InputRefused, UnknownNameError

if TYPE_CHECKING:
    from mrfashion.curation import CurateConfig
    from mrfashion.sources.source import SourceReader


def _folder(argument: str, _: CurateConfig) -> SourceReader:
    from mrfashion.sources.folder import FolderSource

    return FolderSource(Path(argument))


def _hub(argument: str, config: CurateConfig) -> SourceReader:
    from mrfashion.sources.hub import HubSource

    return HubSource(argument, config.limits, config.executor)


def _turntable(_: str, config: CurateConfig) -> SourceReader:
    from mrfashion.sources.turntable.source import TurntableSource

    return TurntableSource(config.turntable)


def _url_list(argument: str, config: CurateConfig) -> SourceReader:
    from mrfashion.sources.url_list import UrlList

    return UrlList(Path(argument), config.web)


def _product_pages(argument: str, config: CurateConfig) -> SourceReader:
    from mrfashion.sources.product_pages import ProductPages

    return ProductPages(Path(argument), config.web)


def _ubc_fashion(argument: str, config: CurateConfig) -> SourceReader:
    from mrfashion.sources.ubc_fashion import UbcFashion

    return UbcFashion(Path(argument), config.web)


SOURCES: dict[str, Callable[[str, CurateConfig], SourceReader]] = {
    "folder": _folder,
    "hub": _hub,
    "product_pages": _product_pages,
    "turntable": _turntable,
    "url_list": _url_list,
    "ubc_fashion": _ubc_fashion,
}


def open_source(text: str, config: CurateConfig) -> SourceReader:
    """`turntable`, a path, or `<kind>:<argument>` => the reader of that source.

    A folder that bears the name of a kind is `./turntable`.
    """
    kind, _, argument = text.partition(":")
    if kind in SOURCES:
        return SOURCES[kind](argument, config)
    if Path(text).exists():
        return _folder(text, config)
    if "/" in text or "." in text:
        raise InputRefused(f"{text} does not exist; name a folder of videos, or one video")
    raise UnknownNameError("source", text, SOURCES)
