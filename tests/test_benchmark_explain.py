"""Which reference feeds which frame: the table by view, the strips and the maps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image
from typer.testing import CliRunner

from benchmark.explain_figures import OPACITY, evenly, on_frame, overlaid
from benchmark.explaining import explain
from benchmark.generations import TABLE_FILE
from benchmark.protocol import TaskOptions
from benchmark.results import GENERATIONS
from benchmark.runner import generate
from benchmark.view_weights import ViewWeight, Weighed, weights_by_view
from model.checkpoint import save_network
from mrfashion.__main__ import build_app
from mrfashion.errors import ConfigError, InputRefused, UnknownNameError
from mrfashion.generation import Unsupported
from mrfashion.letterbox import Placement
from mrfashion.views import VIEWS
from tests.tiny_networks import network

YELLOW, PURPLE = (253, 231, 37), (68, 1, 84)  # viridis at 1 and 0
NAN = float("nan")


def weighed(group: str, yaw: list[float], views: list[str | None], *rows: list[float]) -> Weighed:
    return Weighed(group, np.array(rows, np.float32), np.array(yaw, np.float32), tuple(views))


def test_groups_count_alike_whatever_their_frames() -> None:
    views: list[str | None] = ["front", "back"]
    long = weighed("a", [0, 10, -10], views, [0.9, 0.1], [0.9, 0.1], [0.3, 0.7])
    short = weighed("b", [20], views, [0.2, 0.8])
    table = weights_by_view([long, short])
    assert [(line.frame_view, line.reference_view) for line in table] == [
        ("front", "front"),
        ("front", "back"),
    ]
    front, back = table
    assert front.mean_weight == pytest.approx((0.7 + 0.2) / 2)
    assert front.heaviest == pytest.approx((2 / 3 + 0) / 2)
    assert back.mean_weight == pytest.approx(1 - front.mean_weight)
    assert (front.even, front.frames, front.groups) == (0.5, 4, 2)


def test_references_of_one_view_stand_together() -> None:
    views: list[str | None] = ["front", "front", "back", None]
    (front, back) = weights_by_view([weighed("a", [0.0], views, [0.3, 0.25, 0.25, 0.2])])
    assert front == ViewWeight("front", "front", pytest.approx(0.55), 1.0, 0.5, 1, 1)
    assert back == ViewWeight("front", "back", 0.25, 0.0, 0.25, 1, 1)


def test_no_order_breaks_a_tie_and_no_yaw_is_guessed() -> None:
    even = weighed("a", [180.0, NAN], ["front", "back"], [0.5, 0.5], [1.0, 0.0])
    (front, back) = weights_by_view([even])
    assert (front.frame_view, front.heaviest, back.heaviest) == ("back", 0.5, 0.5)
    assert front.frames == 1
    assert weights_by_view([]) == []


def test_a_view_that_a_video_was_not_shown_is_left_out_of_its_mean() -> None:
    shown = weighed("a", [0.0], ["front", "back"], [0.8, 0.2])
    unshown = weighed("b", [0.0], ["back"], [1.0])
    front, back = weights_by_view([shown, unshown])
    assert (front.mean_weight, front.groups) == (pytest.approx(0.8), 1)
    assert (back.mean_weight, back.groups) == (pytest.approx(0.6), 2)


def test_a_map_covers_the_frame_without_its_bars() -> None:
    box = Placement(source=(6, 8), canvas=(8, 8), top=1, left=0, height=6, width=8)
    weights = np.arange(4, dtype=np.float32).reshape(1, 2, 2)
    placed = on_frame(weights, box)
    assert placed.shape == (1, 6, 8)
    assert np.array_equal(placed[0, :, 0], [0, 0, 0, 2, 2, 2])
    assert np.array_equal(placed[0, 0], [0] * 4 + [1] * 4)
    assert (on_frame(np.full((2, 1, 1), 0.5, np.float32), box) == 0.5).all()


def test_weights_colour_the_grey_frame() -> None:
    frame = np.full((4, 6, 3), 100, np.uint8)
    mixed = overlaid(frame, np.array([[0.0, 1.0]], np.float32), colormaps["viridis"])
    for half, colour in ((mixed[:, :3], PURPLE), (mixed[:, 3:], YELLOW)):
        expected = OPACITY * np.array(colour) + (1 - OPACITY) * 100
        assert np.abs(half - expected).max() <= 1


@pytest.mark.parametrize(("frames", "most"), [(1, 12), (5, 12), (12, 12), (200, 12), (2, 3)])
def test_frames_are_picked_from_the_first_to_the_last(frames: int, most: int) -> None:
    picked = evenly(frames, most)
    assert picked == sorted(set(picked))
    assert len(picked) == min(frames, most)
    assert (picked[0], picked[-1]) == (0, frames - 1)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mine")
    save_network(network(), root / "network.safetensors")
    file = root / "mine.toml"
    file.write_text(
        'generator = "profashion"\n[settings]\ncheckpoint = "network.safetensors"\n'
        "[settings.sampling]\nsteps = 1\nguidance = 1.0\n"
    )
    return file


@pytest.fixture(scope="module")
def runs(tiny_dataset: Path, mine: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    asked = TaskOptions(limit=2)
    assert not generate(tiny_dataset, root, ["nearest", str(mine)], asked).failed
    return root


def test_a_copys_strip_is_all_or_nothing(runs: Path, tmp_path: Path) -> None:
    summary = explain(runs, "nearest", tmp_path, limit=1)
    assert (summary.entrant, summary.videos) == ("nearest", 2)
    strip, numbers = summary.files
    pixels = np.asarray(Image.open(strip).convert("RGB"))
    full, empty = (
        (np.abs(pixels.astype(int) - colour) <= 2).all(axis=2).sum() for colour in (YELLOW, PURPLE)
    )
    assert full / (full + empty) == pytest.approx(1 / len(VIEWS), abs=0.01)
    told = json.loads(numbers.read_text())
    rows = {row.sample_id: row for row in GENERATIONS.read(runs / TABLE_FILE)}
    (sample,) = told["videos"]
    video = told["videos"][sample]
    row = {r.sample_id: r for r in GENERATIONS.read(runs / TABLE_FILE) if r.entrant == "nearest"}
    assert np.ravel(video["weights"]).tolist() == list(row[sample].reference_weights or ())
    assert video["reference_views"] == list(VIEWS)
    assert len(video["frame_yaw_deg"]) == rows[sample].frames
    own = {line["frame_view"]: line for line in told["by_view"] if _same(line)}
    assert own["facing-right"]["mean_weight"] == own["back"]["mean_weight"] == 1.0


def _same(line: dict[str, object]) -> bool:
    return line["frame_view"] == line["reference_view"]


def test_maps_are_drawn_by_the_network_that_ran(runs: Path, mine: Path, tmp_path: Path) -> None:
    summary = explain(runs, str(mine), tmp_path, samples=["sample-clip01"], maps=True)
    assert [path.name for path in summary.files] == [
        "mine-sample-clip01-strip.png",
        "mine-sample-clip01-maps.png",
        "mine.json",
    ]
    for path in summary.files[:2]:
        with Image.open(path) as image:
            assert min(image.size) > 300
            assert np.asarray(image.convert("L")).std() > 10
    weights = {line.frame_view: 0.0 for line in summary.by_view}
    for line in summary.by_view:
        weights[line.frame_view] += line.mean_weight
    assert all(total == pytest.approx(1, abs=1e-3) for total in weights.values())


def test_other_weights_explain_nothing(runs: Path, mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "mine.toml"
    save_network(network(seed=1), tmp_path / "network.safetensors")
    other.write_text(mine.read_text())
    with pytest.raises(ConfigError, match="other settings or weights"):
        explain(runs, str(other), tmp_path / "out", maps=True)
    with pytest.raises(Unsupported, match="weighs no places"):
        explain(runs, "nearest", tmp_path / "out", maps=True)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_explained_is_told(runs: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean nearest"):
        explain(runs, "nearst", tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean sample-clip0"):
        explain(runs, "nearest", tmp_path, samples=["sample-clip0"])
    table = runs / TABLE_FILE
    whole, kept = GENERATIONS.read(table), table.read_bytes()
    hashed = GENERATIONS.metadata(table)["task_hash"]
    try:
        unweighed = [replace(row, reference_weights=None) for row in whole]
        GENERATIONS.write(table, unweighed, task_hash=hashed)
        with pytest.raises(InputRefused, match="no video of nearest with weights"):
            explain(runs, "nearest", tmp_path)
        GENERATIONS.write(table, whole, task_hash="0" * 16)
        with pytest.raises(InputRefused, match="another task"):
            explain(runs, "nearest", tmp_path)
    finally:
        table.write_bytes(kept)


def test_the_command_prints_a_table(runs: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    asked = ["explain", str(runs), "--entrant", "nearest", "--out", str(tmp_path), "--limit", "1"]
    answer = CliRunner().invoke(build_app(), [*asked, "--dataset", str(tiny_dataset)])
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0] == "nearest: 2 videos with weights"
    assert lines[1].split() == ["frames", *VIEWS]
    (back,) = (line for line in lines if line.startswith("back "))
    assert back.endswith("1.00, top 100%")
    assert [Path(line).parent for line in lines[-2:]] == [tmp_path, tmp_path]
