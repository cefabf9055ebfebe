"""Protocols: presets load, a frozen one pins samples and definitions, and what differs is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.frozen_protocol import (
    PRESETS,
    PROTOCOL_FILE,
    Preset,
    freeze,
    load_protocol,
    save_protocol,
)
from benchmark.metrics import METRICS
from benchmark.results import SCORES
from benchmark.runner import generate
from benchmark.scoring import score
from benchmark.set_metrics import SET_DEFAULT
from leaderboard.report import report
from leaderboard.reproduce import commands
from mrfashion import tables
from mrfashion.__main__ import run
from mrfashion.config import load_config, preset_names
from mrfashion.errors import ConfigError, ExitCode, InputRefused, UnknownNameError
from mrfashion.manifest import VIEW_PART, Dataset
from mrfashion.weight_row import Pin
from mrfashion.weight_trust import set_trust
from mrfashion.weights import weights_folder
from tests.conftest import write_dataset

OWN = """
title = "Ours"
about = "Small."
metrics = ["l1"]

[task]
size = [32, 24]
limit = 3
"""


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize("name", ["turntable", "ubc", "mrfashion7k", "smoke"])
def test_every_preset_loads(name: str) -> None:
    assert name in preset_names(PRESETS)
    found = load_config(Preset, name, PRESETS)
    assert found.title
    assert found.metrics
    assert name == "smoke" or set(SET_DEFAULT) < set(found.metrics)


def test_a_frozen_protocol_survives_the_disk(
    tiny_dataset: Path, tmp_path: Path, preset: Path
) -> None:
    protocol = freeze(Dataset(tiny_dataset), preset)
    save_protocol(tmp_path / "p.json", protocol)
    assert load_protocol(tmp_path / "p.json") == protocol
    assert (protocol.samples, protocol.garment_groups) == (3, 2)
    assert replace(protocol, title="x").protocol_hash == protocol.protocol_hash
    smaller = replace(protocol, task=replace(protocol.task, seed=1))
    assert smaller.protocol_hash != protocol.protocol_hash


def test_generate_and_score_take_all_from_the_protocol(
    tiny_dataset: Path, tmp_path: Path, preset: Path
) -> None:
    protocol = freeze(Dataset(tiny_dataset), preset)
    generate(tiny_dataset, tmp_path / "runs", ["still"], protocol)
    assert load_protocol(tmp_path / "runs" / PROTOCOL_FILE) == protocol
    score(tmp_path / "runs")
    rows = SCORES.read(tmp_path / "runs" / "scores.parquet")
    assert {row.metric for row in rows} == {"l1"}
    assert len({row.sample_id for row in rows}) == 3
    site = report(tmp_path / "runs", tmp_path / "site")
    assert site.board.protocol["protocol"] == f"Ours ({protocol.protocol_hash})"
    assert load_protocol(tmp_path / "site" / PROTOCOL_FILE) == protocol
    assert commands(site.board)[0].endswith("--protocol protocol.json --out RUNS")


def test_another_dataset_is_refused_by_what_differs(tmp_path: Path, preset: Path) -> None:
    dataset = write_dataset(tmp_path / "data", groups=2)
    protocol = freeze(Dataset(dataset), preset)
    views = tables.VIEWS.read(dataset / VIEW_PART)
    tables.VIEWS.write(dataset / VIEW_PART, [replace(v, yaw_deg=(0.0,) * 24) for v in views])
    with pytest.raises(InputRefused, match=r"conditions_hash: .* frozen"):
        generate(dataset, tmp_path / "runs", ["still"], protocol)
    assert not (tmp_path / "runs").exists()


def test_another_definition_is_refused_by_the_line_that_differs(
    tiny_dataset: Path, tmp_path: Path, preset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = freeze(Dataset(tiny_dataset), preset)
    generate(tiny_dataset, tmp_path, ["still"], protocol)
    changed = replace(METRICS["l1"].spec, range=(0.0, 255.0))
    monkeypatch.setitem(METRICS, "l1", replace(METRICS["l1"], spec=changed))
    with pytest.raises(InputRefused, match=r"l1/whole \(range\)"):
        score(tmp_path)


def test_weights_that_nobody_had_pinned_may_come_later(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a protocol frozen with them asks for the same."""
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "cache"))
    own = tmp_path / "own.toml"
    own.write_text(OWN.replace('"l1"', '"l1", "fvd"'))
    before = freeze(Dataset(tiny_dataset), own)
    set_trust(weights_folder(), "i3d-400", Pin(3, "a" * 64))
    assert [metric.spec.name for metric in before.metrics] == ["l1", "fvd"]
    after = freeze(Dataset(tiny_dataset), own)
    assert after.protocol_hash != before.protocol_hash
    set_trust(weights_folder(), "i3d-400", Pin(3, "b" * 64))
    with pytest.raises(InputRefused, match=r"fvd/whole \(weights_sha256\).*the weights it was"):
        _ = after.metrics


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"samples_hash": "0"}, "hash is not that of its values"),
        ({"definitions": []}, "defines no metrics"),
        ({"definitions": {"x": {"name": 3}}}, "defines no metrics"),
        ({"definitions": {"x": {"name": "l1", "region": []}}}, "defines no metrics"),
        ({"definitions": {"x": {"name": "l1", "region": ["a", "b"]}}}, "defines no metrics"),
        ({"task": {"sise": [3, 3]}}, "did you mean size"),
        ({"schema_version": 99}, "no protocol of version 1"),
    ],
)
def test_an_edited_protocol_is_refused(
    tiny_dataset: Path, tmp_path: Path, preset: Path, change: dict, match: str
) -> None:
    path = tmp_path / "p.json"
    save_protocol(path, freeze(Dataset(tiny_dataset), preset))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputRefused, match=match):
        load_protocol(path)


def test_a_preset_of_unknown_metrics_or_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN.replace('"l1"', '"l2"'))
    with pytest.raises((UnknownNameError, ConfigError), match="did you mean l1"):
        load_config(Preset, path, PRESETS)
    path.write_text(OWN.replace('"l1"', ""))
    with pytest.raises(ConfigError, match="name at least one"):
        load_config(Preset, path, PRESETS)


def test_the_commands(
    tiny_dataset: Path, tmp_path: Path, preset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = tmp_path / "frozen.json"
    new = ["protocol", "new", str(tiny_dataset), "--preset", str(preset), "--out", str(frozen)]
    assert run(new) == ExitCode.COMPLETE
    assert "3 of 2 garment groups" in capsys.readouterr().out
    runs = ["generate", str(tiny_dataset), "--entrant", "still", "--out", str(tmp_path / "runs")]
    assert run([*runs, "--protocol", str(frozen), "--seed", "3"]) == ExitCode.USAGE
    assert "leave out the options" in capsys.readouterr().err
    assert run([*runs, "--protocol", str(frozen)]) == ExitCode.COMPLETE
    capsys.readouterr()
    assert run(["protocol", "show", str(tmp_path / "runs")]) == ExitCode.COMPLETE
    assert "no test: fewer than 6 garment groups" in capsys.readouterr().out
    assert run(["protocol", "show", "ubc"]) == ExitCode.COMPLETE
    assert "512, 384" in capsys.readouterr().out
    assert run(["protocol", "show", "ubd"]) == ExitCode.USAGE
    assert "did you mean ubc" in capsys.readouterr().err
