"""The worked example of a user's generator joins, passes conformance, and makes videos."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from benchmark.conformance.probes import first
from benchmark.entrants import entrant_names, make_entrant
from benchmark.fitting import fit
from mrfashion.__main__ import run
from mrfashion.errors import ConfigError, ExitCode

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "my_generator"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as `pip install` leaves it: its module and its entry points."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    site = tmp_path / "site"
    entry = site / f"my_generator-{project['version']}.dist-info"
    entry.mkdir(parents=True)
    shutil.copy(EXAMPLE / "my_generator.py", site)
    name, version = project["name"], project["version"]
    (entry / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = project["entry-points"]["mrfashion.generators"]
    lines = [f"{name} = {value}" for name, value in points.items()]
    (entry / "entry_points.txt").write_text("\n".join(["[mrfashion.generators]", *lines]))
    monkeypatch.syspath_prepend(str(site))
    return tmp_path


def test_it_passes_conformance(installed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "crossfade" in entrant_names()
    code = run(["generators", "check", str(EXAMPLE / "crossfade-soft.toml")])
    assert code == ExitCode.COMPLETE, capsys.readouterr().out


def test_it_makes_videos_beside_ours(
    installed: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entrants = ["crossfade", str(EXAMPLE / "crossfade-soft.toml"), "nearest"]
    options = [word for which in entrants for word in ("--entrant", which)]
    out = str(installed / "runs")
    assert run(["generate", str(tiny_dataset), *options, "--out", out, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["entrants"]
    assert {name: tally["ok"] for name, tally in made.items()} == {
        "crossfade": 4,
        "crossfade-soft": 4,
        "nearest": 4,
    }


def test_its_file_changes_its_settings_and_its_pixels(installed: Path) -> None:
    hard, soft = make_entrant("crossfade"), make_entrant(str(EXAMPLE / "crossfade-soft.toml"))
    assert (hard.settings(), soft.settings()) == ({"sharpness": 4.0}, {"sharpness": 1.0})
    assert soft.info.name == "crossfade-soft"
    asked = fit(first(), hard.info).requests[0]
    assert not np.array_equal(hard.generate(asked).frames, soft.generate(asked).frames)


def test_a_wrong_setting_is_named(installed: Path) -> None:
    file = installed / "mine.toml"
    file.write_text('generator = "crossfade"\n[settings]\nsharpness = 50')
    with pytest.raises(ConfigError, match=r"sharpness is 50.0; allowed: 0.1 to 20"):
        make_entrant(str(file))
