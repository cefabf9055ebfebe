"""Comparisons across run folders: what is tested, and what is refused by name."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.comparison import compare
from benchmark.metrics import METRICS
from benchmark.protocol import TaskOptions, load_task, make_task, save_task
from benchmark.results import GENERATIONS, SCORES, SET_SCORES, SetScore
from benchmark.scoring import score
from benchmark.set_metrics import SET_METRICS
from leaderboard.render.comparison import table
from mrfashion.__main__ import run
from mrfashion.errors import ExitCode, InputRefused, UnknownNameError
from mrfashion.manifest import Dataset
from tests.conftest import write_dataset
from tests.run_folders import exact, noisy, write_runs


def noisier(frames: np.ndarray) -> np.ndarray:
    return noisy(noisy(frames))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), groups=7)


@pytest.fixture(scope="module")
def runs(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    entrants = {"twin": exact, "noisy": noisy, "noisier": noisier}
    folder = write_runs(tmp_path_factory.mktemp("runs"), dataset, entrants)
    score(folder, metrics=["psnr", "l1"])
    return folder


def test_the_better_entrant_is_found_whichever_way_a_metric_points(runs: Path) -> None:
    found = compare([runs], "noisy", regions=["whole"])
    verdicts = {(c.entrant, c.metric): c.verdict() for c in found}
    assert verdicts == {
        ("twin", "psnr"): "not told apart",  # 2 / 2^7, four times: Holm asks for more groups
        ("twin", "l1"): "not told apart",
        ("noisier", "psnr"): "not told apart",
        ("noisier", "l1"): "not told apart",
    }
    (alone,) = compare([runs], "noisy", metrics=["l1"], regions=["whole"])[:1]
    assert alone.test.p == 2 / 2**7
    assert alone.adjusted == pytest.approx(2 * 2 / 2**7)  # of two entrants
    both = {
        c.entrant: c.verdict() for c in compare([runs], "noisy", metrics=["l1"], regions=["whole"])
    }
    assert both == {"noisier": "worse", "twin": "better"}


def test_two_folders_of_one_task_are_one_table(runs: Path, dataset: Path, tmp_path: Path) -> None:
    other = write_runs(tmp_path / "other", dataset, {"late": noisier})
    score(other, metrics=["psnr", "l1"])
    found = compare([runs, other], "twin", metrics=["l1"], regions=["whole"])
    assert {c.entrant: c.verdict() for c in found}["late"] == "worse"
    with pytest.raises(InputRefused, match="noisier, noisy, twin is in more than one folder"):
        compare([runs, runs], "twin")


def test_other_tasks_are_refused_by_the_field_that_differs(
    runs: Path, dataset: Path, tmp_path: Path
) -> None:
    other = write_runs(tmp_path / "other", dataset, {"late": noisy}, size=(32, 24))
    score(other, metrics=["psnr", "l1"])
    with pytest.raises(InputRefused, match=r"size: None and \[32, 24\]"):
        compare([runs, other], "twin")


def test_other_definitions_are_refused_by_the_line_that_differs(
    runs: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_runs(tmp_path / "other", dataset, {"late": noisy})
    l1 = METRICS["l1"]
    spec = replace(l1.spec, definition={**l1.spec.definition, "colour": "BGR"})
    with monkeypatch.context() as patch:
        patch.setitem(METRICS, "l1", replace(l1, spec=spec))
        score(other, metrics=["l1"])
    with pytest.raises(InputRefused, match=r"define l1 differently.*colour: .* and 'BGR'"):
        compare([runs, other], "twin", metrics=["l1"])
    score(other, metrics=["l1"])
    with pytest.raises(InputRefused, match="only one has psnr/foreground"):
        compare([runs, other], "twin")


def test_other_samples_are_another_task(runs: Path, dataset: Path, tmp_path: Path) -> None:
    other = write_runs(tmp_path / "other", dataset, {"late": noisy})
    task = make_task(Dataset(dataset), other, TaskOptions(limit=3))
    rows = GENERATIONS.read(other / "generations.parquet")
    save_task(other, task)
    GENERATIONS.write(other / "generations.parquet", rows, task_hash=task.task_hash)
    score(other, metrics=["psnr", "l1"])
    with pytest.raises(InputRefused, match="limit: None and 3"):
        compare([runs, other], "twin")


def test_scores_of_another_task_than_the_folders_are_refused(
    runs: Path, dataset: Path, tmp_path: Path
) -> None:
    other = write_runs(tmp_path / "other", dataset, {"late": noisy})
    rows = SCORES.read(runs / "scores.parquet")
    SCORES.write(other / "scores.parquet", rows, task_hash="another", metrics={})
    with pytest.raises(InputRefused, match="does not go with"):
        compare([other], "late")
    assert load_task(other).task_hash == load_task(runs).task_hash


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        ("entrant", {"baseline": "tvin"}),
        ("metric", {"baseline": "twin", "metrics": ["psmr"]}),
        ("region", {"baseline": "twin", "regions": ["hole"]}),
        ("stratum", {"baseline": "twin", "strata": ["bak"]}),
    ],
)
def test_unknown_names_list_the_near_ones(runs: Path, what: str, arguments: dict) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown {what}.*did you mean"):
        compare([runs], **arguments)


def test_the_table_says_what_was_tested(runs: Path) -> None:
    text = table(compare([runs], "noisy", metrics=["l1"], regions=["whole"]))
    assert "| twin | l1 (whole) |" in text
    assert "adjusted for 2 tests" in text
    assert "find a d_z of" in text
    assert table(compare([runs], "noisy", metrics=["l1"], strata=["back-gap"])).count("\n") > 3


def test_compare_on_the_command_line(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--baseline", "noisy", "--metric", "l1", "--region", "whole", "--json"]
    assert run(["compare", str(runs), *options]) == ExitCode.COMPLETE
    rows = json.loads(capsys.readouterr().out)
    assert {row["entrant"]: row["verdict"] for row in rows} == {
        "twin": "better",
        "noisier": "worse",
    }


def test_sets_are_compared_by_the_differences_that_score_measured(
    runs: Path, dataset: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(runs, folder)
    task, metric_id = load_task(folder).task_hash, SET_METRICS["fvd"].spec.metric_id("whole")
    blank = dict.fromkeys(f.name for f in fields(SetScore))
    shared = {"task_hash": task, "metric_id": metric_id, "metric": "fvd"}
    counts = {"videos": 14, "clips": 14, "units": 7}
    against = {"entrant": "noisy", "against": "(targets)"}
    row = SetScore(**blank | shared | counts | against)  # type: ignore[arg-type]
    rows = [replace(row, entrant=name, value=9.0) for name in ("noisy", "noisier", "twin")]
    # noisier less noisy is 4: noisier is worse; noisy less twin is 2: twin is better.
    gap = {"against": "noisy", "value": 4.0, "low": 3.0, "high": 5.0, "p": 1e-6}
    rows.append(replace(row, entrant="noisier", **gap))
    turned = gap | {"against": "twin", "value": 2.0, "low": 1.0, "high": 3.0}
    rows.append(replace(row, entrant="noisy", **turned))
    defined = {metric_id: SET_METRICS["fvd"].spec.defined("whole")}
    SET_SCORES.write(folder / "set_scores.parquet", rows, task_hash=task, metrics=defined)
    found = {c.entrant: c for c in compare([folder], "noisy", metrics=["fvd"])}
    assert {name: c.verdict() for name, c in found.items()} == {
        "noisier": "worse",
        "twin": "better",
    }
    twin = found["twin"].test.interval
    assert (twin.mean, twin.low, twin.high, twin.groups) == (-2.0, -3.0, -1.0, 7)
    assert found["twin"].adjusted == pytest.approx(2e-6)
    text = table(list(found.values()))
    assert "| twin | fvd (whole) | -2.0000 [-3.0000, -1.0000] | - | - | 7 |" in text
    assert "Of sets" in text
    assert {"fvd", "psnr"} < {c.metric for c in compare([folder], "noisy")}
    assert not any(c.metric == "fvd" for c in compare([folder], "noisy", strata=["front"]))
    other = write_runs(tmp_path / "other", dataset, {"late": noisier})
    score(other, metrics=["psnr", "l1"])
    far = {c.entrant: c.verdict() for c in compare([folder, other], "noisy", metrics=["fvd"])}
    assert far["late"].startswith("not in the run folder")
