"""Reading a stranger's file in a process apart: what crashes or hangs there is one error here.

Arrow ends its process (`terminate called ...`) at some damaged Parquet files; no `except` sees it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from mrfashion.errors import ItemError
from mrfashion.executors import HERE, Executor, ExecutorConfig, Failed, Value, Work

T = TypeVar("T")


def apart(config: ExecutorConfig) -> AbstractContextManager[Executor]:
    """One process, started when it is first needed; this one where threads are asked for."""
    if config.kind == "thread":
        return nullcontext(HERE)
    from mrfashion.processes import Processes

    return Processes(1, config.item_timeout_s)


def value_of(executor: Executor, work: Work[T], payload: T) -> Value:
    """What `work` gives for a payload; ItemError where it fails, or its process does."""
    ((_, ended),) = executor.map(work, [payload])
    if isinstance(ended, Failed):
        raise ItemError(ended.error, ended.text, retryable=ended.retryable)
    return ended.value
