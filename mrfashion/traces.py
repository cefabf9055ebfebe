"""What tells that something came from a source: its id, its clips' ids, hashes and addresses."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

Row = TypeVar("Row")
TAKEN_DOWN = "(taken down)"
_HASH = re.compile(r"[0-9a-f]{16,}")


def is_hash(name: str) -> bool:
    """Whether a name is a hash, or an id made of one: it means the same wherever it stands."""
    return _HASH.fullmatch(name) is not None


@dataclasses.dataclass(frozen=True)
class Traces:
    """Names to look for, whole and nowhere inside longer ones.

    `renamed` says what a group is called now that was named after one of them: column, old => new.
    """

    names: frozenset[str]
    renamed: Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    in_paths: bool = False  # an id is also found as the end of a path

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        hexes = [name for name in sorted(self.names) if is_hash(name)]
        words = [re.escape(name) for name in sorted(self.names - set(hexes))]
        before = r"(?<![\w.-])" if self.in_paths else r"(?<![\w./-])"
        choices = [f"(?<![0-9a-f])(?:{'|'.join(hexes)})(?![0-9a-f])"] if hexes else []
        choices += [rf"{before}(?:{'|'.join(words)})(?![\w/?&=#%-]|\.\w)"] if words else []
        return re.compile("|".join(choices) or r"(?!)")

    def in_text(self, text: str) -> bool:
        """Whether a text names one of them."""
        return self._pattern.search(text) is not None

    def without(self, text: str) -> str:
        """The text with TAKEN_DOWN in their place."""
        return self._pattern.sub(TAKEN_DOWN, text)

    def only_mentioned(self, text: str) -> bool:
        """Whether a text of several words names one of them, and is none of them itself."""
        return " " in text and text not in self.names and self.in_text(text)

    def row(self, row: Row) -> Row | None:
        """A row of a table without them; None where it is about one of them."""
        changed: dict[str, Any] = {}
        for field in dataclasses.fields(row):  # type: ignore[arg-type]
            value = getattr(row, field.name)
            if new := self._group(field.name, value):
                changed[field.name] = new
            elif isinstance(value, str) and self.only_mentioned(value):
                changed[field.name] = self.without(value)
            elif any(map(self.in_text, _texts(value))):
                return None
        return dataclasses.replace(row, **changed) if changed else row  # type: ignore[type-var]

    def _group(self, column: str, value: Any) -> str | None:
        columns = [name for name, _ in self.renamed] if column == "shared" else [column]
        found = (self.renamed.get((name, value)) for name in columns if isinstance(value, str))
        return next(filter(None, found), None)

    def json(self, value: Any) -> Any:
        """A plain JSON value without them: entries of lists and objects that name one are left out.

        An object in a list is such an entry if one of its own texts names one.
        """
        if isinstance(value, str):
            return self.without(value)
        if isinstance(value, list):
            return [self.json(entry) for entry in value if not self._entry_of(entry)]
        if isinstance(value, dict):
            return {k: self.json(v) for k, v in value.items() if not self.in_text(k)}
        return value

    def _entry_of(self, entry: Any) -> bool:
        own = entry.values() if isinstance(entry, dict) else [entry]
        return any(isinstance(text, str) and self.in_text(text) for text in own)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | dict):
        for inner in value:
            yield from _texts(inner)


def texts_of(value: Any) -> Iterable[str]:
    """Every text of a row of a table."""
    for field in dataclasses.fields(value):
        yield from _texts(getattr(value, field.name))
