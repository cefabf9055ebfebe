"""Makers in other processes: the same results, and one failed row for each that dies or hangs."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmark.executors import EXECUTORS, ray_actors
from benchmark.results import GENERATIONS, Generation
from benchmark.runner import generate
from benchmark.running import Running
from mrfashion.errors import (
    ConfigError,
    ExitCode,
    InputRefused,
    MissingRequirement,
    MRFashionError,
    UnknownNameError,
)
from tests.interrupts import hear_interrupts
from tests.moody_generators import join
from tests.test_benchmark_runner import BOTH, end_state

ROOT = Path(__file__).resolve().parent.parent
TWO = Running(device="cpu,cpu")


def table(runs: Path) -> list[Generation]:
    return GENERATIONS.read(runs / "generations.parquet")


@pytest.fixture
def toys(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = join(tmp_path_factory.mktemp("toys"))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "mrfashion_toys", raising=False)
    return folder


def test_two_processes_give_what_one_gives(tiny_dataset: Path, tmp_path: Path) -> None:
    generate(tiny_dataset, tmp_path / "one", BOTH)
    generate(tiny_dataset, tmp_path / "two", BOTH, running=TWO)
    assert end_state(tmp_path / "one") == end_state(tmp_path / "two")
    run = json.loads((tmp_path / "two" / "run.json").read_text())["runs"][0]
    assert (run["executor"], run["devices"]) == ("process", ["cpu", "cpu"])


def test_a_maker_that_dies_or_hangs_is_one_row_with_its_cause(
    tiny_dataset: Path, tmp_path: Path, toys: Path
) -> None:
    running = Running(device="cpu,cpu", timeout_s=4)
    tally = generate(tiny_dataset, tmp_path, ["toy-moody"], running=running).entrants["toy-moody"]
    assert (tally.ok, tally.failed) == (1, 3)
    failed = {row.sample_id: (row.error, row.error_text) for row in table(tmp_path)}
    killed = "its process was ended by SIGKILL; the kernel does so when memory runs out"
    assert failed == {
        "sample-clip00": ("generate.process-died", killed),
        "sample-clip01": ("generate.process-died", "its process exited with code 7"),
        "sample-clip02": ("generate.timeout", "no video within 4 s"),
        "sample-clip03": (None, None),
    }
    assert not [path for path in tmp_path.rglob(".*") if path.name != ".lock"]
    plan = generate(tiny_dataset, tmp_path, ["toy-moody"], dry_run=True).entrants["toy-moody"]
    assert (plan.reused, plan.todo) == (1, 3)  # another try may help


def test_a_generator_that_never_loads_stops_the_run(
    tiny_dataset: Path, tmp_path: Path, toys: Path
) -> None:
    with pytest.raises(MRFashionError, match=r"died 3 times while loading on cpu.*code 3"):
        generate(tiny_dataset, tmp_path, ["toy-unloadable"], running=Running(executor="process"))
    assert table(tmp_path) == []


def test_an_error_of_the_run_crosses_the_process(
    tiny_dataset: Path, tmp_path: Path, toys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MissingRequirement, match="pip install something"):
        generate(tiny_dataset, tmp_path, ["toy-lacking"], running=TWO)
    out, err = capfd.readouterr()
    assert "on stdout" not in out  # that is for the command's data
    assert "on stdout" in err


def test_an_entrant_that_changed_since_the_plan_makes_nothing(
    tiny_dataset: Path, tmp_path: Path, toys: Path
) -> None:
    with pytest.raises(InputRefused, match="other settings or weights than when the run began"):
        generate(tiny_dataset, tmp_path, ["toy-shifting"], running=Running(executor="process"))
    assert not list(tmp_path.rglob("*.mkv"))
    assert generate(tiny_dataset, tmp_path, ["toy-shifting"]).failed == 0


def test_a_batch_that_kills_its_process_is_tried_one_by_one(
    tiny_dataset: Path, tmp_path: Path, toys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_HUGE", "sample-clip02")
    running = Running(executor="process", batch=4)
    generate(tiny_dataset, tmp_path, ["toy-batched"], running=running)
    assert {row.sample_id for row in table(tmp_path) if row.status == "failed"} == {"sample-clip02"}


def test_a_broken_card_costs_one_video(tiny_dataset: Path, tmp_path: Path, toys: Path) -> None:
    name = "toy-breaking"
    for batch in (1, 4):
        running = Running(executor="process", batch=batch)
        generate(tiny_dataset, tmp_path / str(batch), [name], running=running)
        assert [r.status for r in table(tmp_path / str(batch))] == ["ok", "failed", "ok", "ok"]
    for _ in range(2):  # the second time that sample comes last
        with pytest.raises(MRFashionError, match=r"clip01 left cpu unusable.*device-side assert"):
            generate(tiny_dataset, tmp_path / "here", [name])
    assert [row.status for row in table(tmp_path / "here")] == ["ok", "failed", "ok", "ok"]


@pytest.mark.parametrize(
    "values",
    [
        {"device": "cpu,cuda"},
        {"device": "cpu,"},
        {"limit": 0},
        {"batch": 0},
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"executor": "threads"},
        {"dtype": "int8"},
    ],
)
def test_what_cannot_run_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Running(**values)


@pytest.mark.parametrize("values", [{"timeout_s": 1.0}, {"device": "cpu,cpu"}])
def test_one_process_cannot_stop_itself(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="'process'"):
        Running(executor="here", **values)


def test_an_interrupt_ends_the_makers_and_is_told(
    tiny_dataset: Path, tmp_path: Path, toys: Path
) -> None:
    """As a terminal sends it to a run, while a maker hangs."""
    words = [str(tiny_dataset), "--entrant", "toy-moody", "--out", str(tmp_path)]
    run = subprocess.Popen(
        [sys.executable, "-m", "mrfashion", "generate", *words, "--device", "cpu,cpu"],
        env={**os.environ, "PYTHONPATH": f"{toys}{os.pathsep}{ROOT}"},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    journal = tmp_path / "generations.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count("\n") == 3):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    makers = [p for p in psutil.Process(run.pid).children() if "spawn_main" in str(p.cmdline())]
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=30) == ExitCode.INTERRUPTED
    assert run.stderr is not None
    assert "run it again to go on" in run.stderr.read()
    assert makers
    assert not psutil.wait_procs(makers, timeout=5)[1]
    assert json.loads((tmp_path / "run.json").read_text())["runs"][0]["status"] == "interrupted"
    assert [row.status for row in table(tmp_path)].count("ok") == 1


def test_an_unknown_executor_lists_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="process"):
        Running(executor="proces")
    assert set(EXECUTORS) == {"here", "process", "ray"}


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_ray_says_how_to_get_it(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match=r"pip install 'mrfashion\[ray\]'"):
        generate(tiny_dataset, tmp_path, ["still"], running=Running(executor="ray"))


@pytest.fixture
def ray(toys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local cluster whose actors find the toys; the test skips without Ray."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", f"{toys}{os.pathsep}{ROOT}")
    yield
    ray.shutdown()


def test_ray_gives_what_one_process_gives(tiny_dataset: Path, tmp_path: Path, ray: None) -> None:
    running = Running(executor="ray", device="cpu,cpu")
    generate(tiny_dataset, tmp_path / "one", BOTH)
    generate(tiny_dataset, tmp_path / "ray", BOTH, running=running)
    assert end_state(tmp_path / "one") == end_state(tmp_path / "ray")


def test_an_actor_that_dies_or_hangs_is_one_row(
    tiny_dataset: Path, tmp_path: Path, ray: None
) -> None:
    running = Running(executor="ray", device="cpu,cpu", timeout_s=4)
    generate(tiny_dataset, tmp_path, ["toy-moody"], running=running)
    died, late = "generate.process-died", "generate.timeout"
    assert [row.error for row in table(tmp_path)] == [died, died, late, None]
    with pytest.raises(MissingRequirement, match="pip install something"):
        generate(tiny_dataset, tmp_path, ["toy-lacking"], running=running)


def test_importing_executors_imports_neither_ray_nor_torch() -> None:
    assert ray_actors
    code = "import sys, benchmark.running; sys.exit('ray' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
