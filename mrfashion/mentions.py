"""Which things a row or a JSON value names: ids are compared whole, never as parts of words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any


def names_in(value: Any) -> Iterator[str]:
    """Every text of a row or a plain JSON value, keys too, and the clip of a `CLIP_ID/FRAME`."""
    if isinstance(value, str):
        yield value
        if "/" in value:
            yield value.rpartition("/")[0]
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from names_in(key)
            yield from names_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from names_in(inner)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from names_in(getattr(value, field.name))
