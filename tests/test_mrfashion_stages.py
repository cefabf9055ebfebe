import threading
from pathlib import Path
from typing import Any

import pytest

from mrfashion.artefacts import Journal
from mrfashion.errors import ItemError
from mrfashion.executors import Threads
from mrfashion.progress import silent
from mrfashion.stages import Item, Outcome, Stage


class Bench:
    """Runs a stage of plain numbers and counts what it works on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[int] = []
        self.broken: dict[int, Exception] = {}
        self.lock = threading.Lock()

    def work(self, number: int) -> dict[str, Any]:
        with self.lock:
            self.calls.append(number)
        if number in self.broken:
            raise self.broken[number]
        path = self.root / f"{number}.txt"
        path.write_text(str(number))
        return {"square": number**2, "files": {path.name: path.stat().st_size}}

    def run(
        self, count: int = 4, settings: Any = None, version: int = 1, **options: Any
    ) -> Outcome:
        self.calls.clear()
        items = [Item(f"item{n}", f"source{n}", n, n) for n in range(count)]
        stage = Stage(self.root, "square", version, settings, self.work)
        return stage.run(items, progress=silent, **options)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_second_run_works_on_nothing(bench: Bench, workers: int) -> None:
    first = bench.run(executor=Threads(workers))
    assert sorted(bench.calls) == [0, 1, 2, 3]
    second = bench.run(executor=Threads(workers))
    assert not bench.calls
    assert second.values == first.values
    assert second.notes == {"reused: same inputs and settings": 4}


def test_changed_settings_or_version_redo_everything(bench: Bench) -> None:
    bench.run()
    bench.run(settings={"threshold": 2})
    assert len(bench.calls) == 4
    bench.run(version=2)
    assert len(bench.calls) == 4
    bench.run()
    assert not bench.calls


def test_new_items_are_the_only_work(bench: Bench) -> None:
    bench.run(2)
    bench.run(4)
    assert sorted(bench.calls) == [2, 3]


def test_an_item_whose_file_is_gone_or_cut_is_redone(bench: Bench) -> None:
    bench.run()
    (bench.root / "1.txt").unlink()
    (bench.root / "2.txt").write_text("longer than before")
    outcome = bench.run()
    assert sorted(bench.calls) == [1, 2]
    assert outcome.notes["redone: its files were gone"] == 2


def test_a_failure_is_a_row_and_the_rest_goes_on(bench: Bench) -> None:
    bench.broken = {
        1: ItemError("probe.corrupt", "no video"),
        2: ItemError("net.slow", "x", retryable=True),
    }
    outcome = bench.run()
    assert sorted(outcome.values) == ["item0", "item3"]
    assert [(f.item_id, f.error, f.retryable) for f in outcome.failures] == [
        ("item1", "probe.corrupt", False),
        ("item2", "net.slow", True),
    ]
    again = bench.run()
    assert bench.calls == [2]
    assert again.failures == outcome.failures
    bench.broken = {}
    assert bench.run().values.keys() == {"item0", "item2", "item3"}
    assert bench.run(force=True).values.keys() == {"item0", "item1", "item2", "item3"}


def test_a_bug_is_recorded_as_one(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.broken = {1: ZeroDivisionError("division by zero")}
    (failure,) = bench.run().failures
    assert (failure.error, failure.retryable) == ("internal.bug", True)
    assert failure.text == "ZeroDivisionError: division by zero"
    assert "Traceback" in caplog.text


def test_an_interrupt_keeps_what_is_done(bench: Bench) -> None:
    class Stop(BaseException):
        pass

    def stop_after_two(items: Any, label: str, total: int) -> Any:
        for number, item in enumerate(items):
            if number == 2:
                raise Stop
            yield item

    items = [Item(f"item{n}", f"source{n}", n, n) for n in range(6)]
    with pytest.raises(Stop):
        Stage(bench.root, "square", 1, None, bench.work).run(items, progress=stop_after_two)
    done = len(Journal(bench.root / "stages" / "square.jsonl").rows())
    assert done == 3
    bench.run(6)
    assert len(bench.calls) == 6 - done
