"""One restartable step over many items: a journal decides what is left, an executor does it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from mrfashion.artefacts import Journal, content_hash, inside
from mrfashion.executors import HERE, Done, Ended, Executor, Value, Work
from mrfashion.progress import Progress
from mrfashion.scale import WHOLE, Shard, open_journal
from mrfashion.tables import Failure

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """Something a stage works on; `inputs` (plain JSON) is what its result depends on."""

    item_id: str
    source_id: str
    inputs: Any
    payload: T


class Values(Mapping[str, Value]):
    """Values by item id, read from the journal when asked for: there may be many, and large."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._keys: dict[str, str] = {}

    def add(self, item_id: str, key: str) -> None:
        """Note where an item's value is."""
        self._keys[item_id] = key

    def __getitem__(self, item_id: str) -> Value:
        row = self._journal.last(self._keys[item_id])
        assert row is not None
        value: Value = row["value"]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


@dataclass
class Outcome:
    """What a stage did: values of the items that are done, and why the others are not."""

    values: Values
    failures: list[Failure] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)  # how many were new, reused, ..., and why


@dataclass(frozen=True)
class Stage(Generic[T]):
    """A step: `work` turns an item into a value, or raises ItemError.

    A value is plain JSON; its "files" maps paths relative to the root to their bytes.
    An item's key hashes the stage's name, version and settings with the item's inputs, so that a
    second run does nothing twice and a changed setting redoes what depends on it, and only that.
    """

    root: Path
    name: str
    version: int
    settings: Any  # plain JSON
    work: Work[T]
    shard: Shard = WHOLE

    def run(
        self,
        items: Sequence[Item[T]],
        *,
        progress: Progress[Any],
        executor: Executor = HERE,
        force: bool = False,
    ) -> Outcome:
        """Work on what is not done; one item's error is recorded and the rest goes on."""
        journal = open_journal(self.root / "stages", self.name, self.shard)
        outcome = Outcome(Values(journal))
        todo = []
        for item in items:
            row, why = self._decide(journal, item, force)
            outcome.notes[why] += 1
            if row is None:
                todo.append(item)
            else:
                self._collect(outcome, item, row)
        if todo:
            rows = self._work(journal, todo, executor)
            for item, row in progress(rows, self.name, len(todo)):
                self._collect(outcome, item, row)
        outcome.failures.sort(key=lambda failure: failure.item_id)
        return outcome

    def _key(self, item: Item[T]) -> str:
        parts = [self.name, self.version, self.settings, item.item_id, item.inputs]
        return content_hash(parts)

    def _decide(
        self, journal: Journal, item: Item[T], force: bool
    ) -> tuple[dict[str, Any] | None, str]:
        """The row to reuse, or None, and why."""
        key = self._key(item)
        row = journal.last(key)
        if row is None:
            return None, "new"
        if row["status"] == "failed":
            if force or row["retryable"]:
                return None, "tried again: failed before"
            return row, "reused: failed before, and would again (--force tries)"
        if row["status"] != "ok":
            return None, "redone: its files were gone"
        lost = [
            path for path, size in row["value"].get("files", {}).items() if self._lost(path, size)
        ]
        if force or lost:
            why = "asked for by --force" if force else f"{lost[0]} is gone or of another size"
            journal.append(key, "lost", item_id=item.item_id, why=why)
            return None, "redone: --force" if force else "redone: its files were gone"
        return row, "reused: same inputs and settings"

    def _lost(self, path: str, size: int) -> bool:
        file = inside(self.root, path)
        return not file.is_file() or file.stat().st_size != size

    def _work(
        self, journal: Journal, todo: Sequence[Item[T]], executor: Executor
    ) -> Iterator[tuple[Item[T], dict[str, Any]]]:
        """Items with their new rows, as they end: this process alone writes the journal."""
        for place, ended in executor.map(self.work, [item.payload for item in todo]):
            yield todo[place], self._record(journal, todo[place], ended)

    def _record(self, journal: Journal, item: Item[T], ended: Ended) -> dict[str, Any]:
        key = self._key(item)
        if isinstance(ended, Done):
            return journal.append(key, "ok", item_id=item.item_id, value=ended.value)
        told = (self.name, item.source_id, ended.error, ended.text)
        logger.warning("%s: %s: %s: %s", *told)
        if ended.trace:
            logger.error("%s: %s: %s", self.name, item.item_id, ended.trace)
        failed = {"error": ended.error, "retryable": ended.retryable, "text": ended.text}
        return journal.append(key, "failed", item_id=item.item_id, **failed)

    def _collect(self, outcome: Outcome, item: Item[T], row: dict[str, Any]) -> None:
        if row["status"] == "ok":
            outcome.values.add(item.item_id, row["key"])
            return
        outcome.failures.append(
            Failure(
                item_id=item.item_id,
                source_id=item.source_id,
                stage=self.name,
                error=row["error"],
                retryable=row["retryable"],
                text=row["text"],
            )
        )
