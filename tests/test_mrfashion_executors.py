import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mrfashion.errors import ConfigError, ItemError
from mrfashion.executors import Done, Ended, Executor, ExecutorConfig, Failed, Threads
from mrfashion.processes import Processes


def act(job: tuple[str, int]) -> dict[str, Any]:
    """Work that does what it is told."""
    order, number = job
    if order == "refuse":
        raise ItemError("probe.corrupt", "no video", retryable=False)
    if order == "break":
        raise ZeroDivisionError("division by zero")
    if order == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if order == "exit":
        os._exit(number)
    if order == "hang":
        time.sleep(60)
    return {"square": number**2}


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    with Processes(2, item_timeout_s=1.0) as pool:
        yield pool


def outcomes(executor: Executor, orders: list[tuple[str, int]]) -> list[Ended]:
    ended = dict(executor.map(act, orders))
    assert sorted(ended) == list(range(len(orders)))
    return [ended[place] for place in sorted(ended)]


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest, processes: Processes) -> Executor:
    return Threads(2) if request.param == "threads" else processes


def test_every_item_has_its_own_outcome(executor: Executor) -> None:
    orders = [("", n) for n in range(20)]
    orders[3:5] = [("refuse", 3), ("break", 4)]
    ended = outcomes(executor, orders)
    assert ended[3] == Failed("probe.corrupt", "no video", retryable=False)
    broken = ended[4]
    assert isinstance(broken, Failed)
    assert (broken.error, broken.text) == ("internal.bug", "ZeroDivisionError: division by zero")
    assert broken.retryable
    assert broken.trace.startswith("Traceback")
    assert [e for e in ended if isinstance(e, Done)] == [
        Done({"square": n**2}) for n in range(20) if n not in (3, 4)
    ]
    assert list(executor.map(act, [])) == []


def test_a_crash_costs_one_item(processes: Processes) -> None:
    orders = [("", n) for n in range(8)]
    orders[1], orders[5] = ("crash", 0), ("exit", 7)
    ended = outcomes(processes, orders)
    assert ended[1] == Failed("process.died", "its process was ended by SIGSEGV", retryable=True)
    assert ended[5] == Failed("process.died", "its process exited with code 7", retryable=True)
    assert sum(isinstance(e, Done) for e in ended) == 6


def test_a_hanging_item_is_ended_and_the_rest_goes_on(processes: Processes) -> None:
    hung, done = outcomes(processes, [("hang", 0), ("", 3)])
    assert isinstance(hung, Failed)
    assert (hung.error, hung.retryable) == ("process.timeout", True)
    assert done == Done({"square": 9})


def test_who_stops_listening_stops_the_work(processes: Processes) -> None:
    started = time.monotonic()
    answers = processes.map(act, [("", 1), ("hang", 0), ("hang", 0)])
    assert next(answers) == (0, Done({"square": 1}))
    answers.close()  # type: ignore[attr-defined]
    assert outcomes(processes, [("", 2)]) == [Done({"square": 4})]
    assert time.monotonic() - started < 4


def test_few_small_sources_start_no_process(tmp_path: Path) -> None:
    small = tmp_path / "small.mp4"
    small.write_bytes(b"x" * 1000)
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(1 << 30)
    for config, sources, kind in (
        (ExecutorConfig(), [small] * 9, Threads),
        (ExecutorConfig(), [small] * 64, Processes),
        (ExecutorConfig(), [large], Processes),
        (ExecutorConfig("thread"), [large], Threads),
        (ExecutorConfig("process"), [small], Processes),
    ):
        with config.open(2, sources) as executor:
            assert isinstance(executor, kind)
    with pytest.raises(ConfigError, match="item_timeout_s"):
        ExecutorConfig(item_timeout_s=0)
