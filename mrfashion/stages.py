"""One restartable step over many items: a journal decides what is left, threads do it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from mrfashion.artefacts import Journal, content_hash, inside
from mrfashion.errors import ItemError
from mrfashion.progress import Progress
from mrfashion.tables import Failure

logger = logging.getLogger(__name__)
T = TypeVar("T")
Value = dict[str, Any]  # plain JSON; "files" maps paths relative to the root to their bytes


@dataclass(frozen=True)
class Item(Generic[T]):
    """Something a stage works on; `inputs` (plain JSON) is what its result depends on."""

    item_id: str
    source_id: str
    inputs: Any
    payload: T


@dataclass
class Outcome:
    """What a stage did: values of the items that are done, and why the others are not."""

    values: dict[str, Value] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)  # how many were new, reused, ..., and why


@dataclass(frozen=True)
class Stage(Generic[T]):
    """A step: `work` turns an item into a value, or raises ItemError.

    An item's key hashes the stage's name, version and settings with the item's inputs, so that a
    second run does nothing twice and a changed setting redoes what depends on it, and only that.
    """

    root: Path
    name: str
    version: int
    settings: Any  # plain JSON
    work: Callable[[T], Value]

    def run(
        self,
        items: Sequence[Item[T]],
        *,
        progress: Progress[Any],
        workers: int = 1,
        force: bool = False,
    ) -> Outcome:
        """Work on what is not done; one item's error is recorded and the rest goes on."""
        journal = Journal(self.root / "stages" / f"{self.name}.jsonl")
        outcome = Outcome()
        todo = []
        for item in items:
            row, why = self._decide(journal, item, force)
            outcome.notes[why] += 1
            if row is None:
                todo.append(item)
            else:
                self._collect(outcome, item, row)
        for item, row in self._work(journal, todo, workers, progress):
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
        self, journal: Journal, todo: Sequence[Item[T]], workers: int, progress: Progress[Any]
    ) -> Iterator[tuple[Item[T], dict[str, Any]]]:
        if not todo:
            return
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix=self.name) as pool:
            futures = {pool.submit(self._attempt, journal, item): item for item in todo}
            try:
                for future in progress(as_completed(futures), self.name, len(todo)):
                    yield futures[future], future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _attempt(self, journal: Journal, item: Item[T]) -> dict[str, Any]:
        key = self._key(item)
        try:
            value = self.work(item.payload)
        except ItemError as error:
            failed = {"error": error.code, "retryable": error.retryable, "text": error.text}
        except Exception as error:  # a bug of ours: one item must not stop a week's run
            logger.exception("%s: %s", self.name, item.item_id)
            text = f"{type(error).__name__}: {error}"
            failed = {"error": "internal.bug", "retryable": True, "text": text}
        else:
            return journal.append(key, "ok", item_id=item.item_id, value=value)
        logger.warning("%s: %s: %s: %s", self.name, item.source_id, failed["error"], failed["text"])
        return journal.append(key, "failed", item_id=item.item_id, **failed)

    def _collect(self, outcome: Outcome, item: Item[T], row: dict[str, Any]) -> None:
        if row["status"] == "ok":
            outcome.values[item.item_id] = row["value"]
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
