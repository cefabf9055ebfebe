"""Entrants by name; what each of them owes the runner is in test_benchmark_conformance.py."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from benchmark import entrants
from benchmark.attempts import attempt
from benchmark.entrants import ENTRANTS, entrant_identity, entrant_names, make_entrant
from benchmark.generator_commands import mount
from benchmark.protocol import TaskOptions, make_task, task_samples
from benchmark.reduction import reduce_references
from benchmark.requests import build_request
from mrfashion.__main__ import run
from mrfashion.errors import ConfigError, MissingRequirement, UnknownNameError
from mrfashion.generation import Request
from mrfashion.manifest import Dataset


@pytest.fixture(scope="module")
def asked(tiny_dataset: Path) -> Request:
    dataset = Dataset(tiny_dataset)
    task = make_task(dataset, tiny_dataset / "runs", TaskOptions())
    return build_request(dataset, task_samples(dataset, task)[0], task)


COPIES = [name for name in ENTRANTS if make_entrant(name).info.kind == "copy"]


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_holds_only_pixels_of_its_references(name: str, asked: Request) -> None:
    generator = make_entrant(name)
    generator.load("cpu", "float32")
    request = reduce_references(asked, "front", generator.info.max_references)
    images = [r.image for r in request.references]
    for frame in attempt(generator, request, "cpu").result.frames:
        assert any(np.array_equal(frame, image) for image in images)


def test_nearest_does_not_see_the_order_of_the_references(asked: Request) -> None:
    permuted = replace(asked, references=asked.references[::-1])
    first, second = (
        attempt(make_entrant("nearest"), request, "cpu").result.frames
        for request in (asked, permuted)
    )
    assert np.array_equal(first, second)


def test_an_unknown_entrant_lists_near_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean nearest"):
        make_entrant("neerest")


def offer(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    points = [EntryPoint(name, value, entrants.ENTRY_POINTS) for name, value in values.items()]
    monkeypatch.setattr(entrants, "entry_points", lambda group: points)


def test_another_package_joins_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, other="baselines.still:Still", still="nowhere:Nothing")
    assert entrant_names() == [*ENTRANTS, "other"]
    assert make_entrant("still").info.name == "still"  # ours first, theirs never loaded
    with pytest.raises(ConfigError, match="'other' calls itself 'still'"):
        make_entrant("other")


def test_another_package_that_does_not_load_is_a_missing_requirement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offer(monkeypatch, broken="no_such_package.at_all:Generator")
    assert "broken" in entrant_names()  # listing loads nothing
    with pytest.raises(MissingRequirement, match="no_such_package"):
        make_entrant("broken")


def test_settings_that_are_no_json_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = make_entrant("still")
    monkeypatch.setattr(generator, "settings", lambda: {"scale": float("nan")})
    with pytest.raises(ConfigError, match="plain JSON"):
        entrant_identity(generator)


def command(*arguments: str) -> str:
    app = typer.Typer()
    mount(app)
    result = CliRunner().invoke(app, ["generators", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_generators_list_names_every_entrant() -> None:
    listed = json.loads(command("list", "--json"))
    assert [row["name"] for row in listed] == entrant_names()
    assert all(name in command("list") for name in ENTRANTS)


def test_generators_inspect_shows_one() -> None:
    shown = json.loads(command("inspect", "nearest", "--json"))
    assert shown["per_frame_copy"] is True
    assert shown["missing"] == []
    assert "per_frame_copy" in command("inspect", "nearest")


def test_the_doctor_says_what_each_generator_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    said = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    for name in ENTRANTS:
        missing = make_entrant(name).check()
        row = said[f"generator {name}"]
        assert (row["ok"], row["needed"]) == (not missing, False)
        assert row["detail"] == ("; ".join(missing) or "can run")
