"""What someone's metadata says of a video: whose it is, on what terms. It is data, no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_TEXT = 2000  # characters of one value
COLUMNS = {  # of a note => what the world calls it, the surest name first
    "licence": ("licence", "license"),
    "url": ("source_url", "url"),
    "terms": ("terms", "license_link"),
    "product_id": ("product_id",),
    "garment_group": ("garment_group",),
}
NAMES = tuple(name for names in COLUMNS.values() for name in names)


@dataclass(frozen=True)
class Note:
    """What is known of a video beside its pixels; None where nothing is."""

    licence: str | None = None
    url: str | None = None
    terms: str | None = None
    product_id: str | None = None
    garment_group: str | None = None


def note_of(record: Mapping[str, Any]) -> Note:
    """The columns of a record that we know, under any of their names."""
    return Note(**{column: _first(record, names) for column, names in COLUMNS.items()})


def plain_text(value: str) -> str:
    """A text that any table can hold: what is no character (half a surrogate) is spelled out."""
    return value.encode("utf-8", "backslashreplace").decode()[:MAX_TEXT]


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return plain_text(str(value))
    return None
