"""LPIPS and ST-LPIPS: equal to the published code, never run with a part of their weights."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.backbones.perceptual import PerceptualDistance, load, network
from benchmark.backbones.trunk import read_state
from benchmark.clip_scores import score_clip
from benchmark.metrics import DEFAULT, METRICS, perceptual
from benchmark.metrics.perceptual import Comparison, distances
from benchmark.metrics.spec import ClipContext
from benchmark.results import SCORES
from benchmark.scoring import score
from mrfashion.artefacts import sha256_file
from mrfashion.errors import InputRefused, MissingRequirement
from mrfashion.weights import WEIGHTS, missing_weights
from tests.golden.perceptual import SIZES, image_pair, summary
from tests.perceptual_weights import (
    ROWS,
    cases,
    random_states,
    trust_random,
    write_random,
)
from tests.run_folders import noisy, write_runs

SQUEEZE = Comparison("lpips-squeeze", ROWS["lpips-squeeze"])
NAMES = [name for name in METRICS if "lpips" in name]


def images(seed: int) -> list[torch.Tensor]:
    return [torch.from_numpy(image)[None] for image in image_pair(seed, SIZES[seed])]


@pytest.fixture(scope="module")
def random_networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PerceptualDistance]:
    """Every network with seeded random weights, through files as published."""
    folder = tmp_path_factory.mktemp("weights")
    return {name: load(name, write_random(name, folder)) for name in ROWS}


@pytest.fixture
def squeeze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A weights folder with a random LPIPS-squeeze and nothing else."""
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "cache"))
    trust_random("lpips-squeeze")


def published(name: str) -> PerceptualDistance:
    """The real network; the test skips where its weights are not on this machine."""
    for row in ROWS[name]:
        if problem := missing_weights(row):
            pytest.skip(problem)
    return network(name, ROWS[name], "cpu")


def agrees(judge: PerceptualDistance, case: dict[str, Any]) -> None:
    a, b = images(case["seed"])
    one, other = judge.features(a), judge.features(b)
    assert judge(one, other).item() == pytest.approx(case["distance"], abs=2e-7)
    enlarged = judge(one, other, a.shape[1:3]).item()
    assert enlarged == pytest.approx(case["distance_spatial"], abs=2e-7)
    zero_one = judge(judge.features(a, 0.0), judge.features(b, 0.0)).item()
    assert zero_one == pytest.approx(case["distance_zero_one"], abs=2e-7)
    with torch.inference_mode():
        x = a.permute(0, 3, 1, 2).float() / 127.5 - 1
        layers = judge.trunk((x - judge.shift) / judge.scale)
    for layer, want in zip(layers, case["layers"], strict=True):
        assert summary(layer) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(
    "case", cases(published=False), ids=lambda c: f"{c['network']}-{c['seed']}"
)
def test_random_networks_agree_with_the_published_code(
    case: dict[str, Any], random_networks: dict[str, PerceptualDistance]
) -> None:
    agrees(random_networks[case["network"]], case)


@pytest.mark.parametrize("case", cases(published=True), ids=lambda c: f"{c['network']}-{c['seed']}")
def test_published_networks_agree_with_the_published_code(case: dict[str, Any]) -> None:
    agrees(published(case["network"]), case)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("other", "want"), [("ex_p0", 0.7777554988861084), ("ex_p1", 0.1320215464)]
)
def test_st_lpips_of_the_public_example(realdata: Path, other: str, want: float) -> None:
    """`imgs/` of richzhang/PerceptualSimilarity, in `lpips/` of the footage folder."""
    paths = [realdata / "lpips" / f"{name}.png" for name in ("ex_ref", other)]
    if not all(path.is_file() for path in paths):
        pytest.skip(f"{paths[0].parent} does not hold the example images")
    published("st-lpips-alex")
    pair = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in paths]
    found = distances(Comparison("st-lpips-alex", ("st-lpips-alex",)), pair[:1], pair[1:])
    assert found == pytest.approx([want], abs=2e-7)


def test_lpips_of_black_and_white() -> None:
    """The README of JunyaoHu/common_metrics_on_video_quality prints it, for 64x64."""
    published("lpips-alex")
    black = np.zeros((64, 64, 3), np.uint8)
    rows = score_clip(
        ClipContext([None]), [black], [black + np.uint8(255)], [METRICS["lpips-junyaohu"]]
    )
    assert rows[0].value == pytest.approx(0.8140090703964233, abs=1e-5)


@pytest.mark.parametrize("name", ["st-lpips-alex", "st-lpips-vgg"])
def test_a_learned_metric_sees_what_people_see(name: str) -> None:
    """More noise and more blur are worse, an equal frame is 0, and colours are not exchangeable."""
    published(name)
    comparison = Comparison(name, (name,))
    a, _ = image_pair(0, (64, 64))
    noise = np.random.default_rng(1).normal(size=a.shape)
    worse = [(a + strength * noise).clip(0, 255).astype(np.uint8) for strength in (0, 4, 12, 36)]
    for changed in (worse, [a, *(cv2.GaussianBlur(a, (0, 0), sigma) for sigma in (0.7, 1.5, 3.0))]):
        found = distances(comparison, [a] * 4, changed)
        assert found[0] == 0
        assert found == sorted(found)
        assert len(set(found)) == 4
    swapped, same = distances(comparison, [a, a[..., ::-1].copy()], [worse[2], worse[2]])
    assert swapped != pytest.approx(same, rel=1e-2)


def test_heads_of_torchmetrics_are_the_pinned_ones(tmp_path: Path) -> None:
    """An independent copy of the heads, and the network runs with it."""
    spec = importlib.util.find_spec("torchmetrics")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "functional/image/lpips_models"
    for trunk in ("alex", "vgg", "squeeze"):
        path, row = folder / f"{trunk}.pth", WEIGHTS[f"lpips-{trunk}-head"]
        assert (path.stat().st_size, sha256_file(path)) == (row.bytes, row.sha256)
    trunk_file, _ = write_random("lpips-squeeze", tmp_path)
    judge = load("lpips-squeeze", [trunk_file, folder / "squeeze.pth"])
    a, b = (judge.features(image) for image in images(0))
    assert 0 < judge(a, b).item() < 2


def without(states: list[dict[str, torch.Tensor]]) -> None:
    del states[1]["lin3.model.1.weight"]


def beyond(states: list[dict[str, torch.Tensor]]) -> None:
    states[0]["features.13.weight"] = torch.zeros(1)


def reshaped(states: list[dict[str, torch.Tensor]]) -> None:
    states[0]["features.0.weight"] = torch.zeros(64, 3, 5, 5)


def of_vgg(states: list[dict[str, torch.Tensor]]) -> None:
    states[1] = random_states("lpips-vgg")[1]


def not_a_number(states: list[dict[str, torch.Tensor]]) -> None:
    states[1]["lin0.model.1.weight"][0, 3] = torch.nan


def twice(states: list[dict[str, torch.Tensor]]) -> None:
    states[0]["net.slice1.0.weight"] = states[0]["features.0.weight"]


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (without, r"not the weights.*heads\.3\.weight"),
        (beyond, r"not the weights.*features\.13"),
        (reshaped, "not the weights.*size mismatch"),
        (of_vgg, "not the weights"),
        (not_a_number, "no numbers in lin0"),
        (twice, "names a layer twice"),
    ],
)
def test_weights_that_do_not_fit_are_refused(damage: Any, text: str, tmp_path: Path) -> None:
    paths = write_random("lpips-squeeze", tmp_path)
    states = random_states("lpips-squeeze")
    damage(states)
    for path, state in zip(paths, states, strict=True):
        torch.save(state, path)
    with pytest.raises(InputRefused, match=f"(?s){text}"):
        load("lpips-squeeze", paths)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("exit 1",))


@pytest.mark.parametrize(
    "content", [b"", b"no weights", pickle.dumps(Bomb(), 2), pickle.dumps([1], 2)]
)
def test_a_file_that_is_no_state_dict_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(InputRefused, match=r"x\.pth"):
        read_state(tmp_path / "x.pth")
    torch.save({"lin0": Bomb()}, tmp_path / "x.pth")
    with pytest.raises(InputRefused, match="no PyTorch file of plain tensors"):
        read_state(tmp_path / "x.pth")


def test_loading_draws_no_random_number(squeeze: None) -> None:
    before = torch.get_rng_state()
    network("lpips-squeeze", ROWS["lpips-squeeze"], "cpu")
    assert torch.equal(before, torch.get_rng_state())


def test_one_network_serves_all(squeeze: None) -> None:
    first = network("lpips-squeeze", ROWS["lpips-squeeze"], "cpu")
    assert network("lpips-squeeze", ROWS["lpips-squeeze"], "cpu") is first


def test_without_weights_nothing_is_measured(
    tmp_path: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "empty"))
    with pytest.raises(MissingRequirement, match="mrfashion weights fetch lpips-squeeze"):
        distances(SQUEEZE, [image_pair(0, (64, 64))[0]], [image_pair(0, (64, 64))[1]])
    runs = write_runs(tmp_path, tiny_dataset, {"noisy": noisy})
    summary = score(runs, metrics=["l1", *NAMES])
    assert set(summary.lacking) == set(NAMES)
    rows = [r for r in SCORES.read(runs / "scores.parquet") if r.metric in NAMES]
    assert {row.metric for row in rows} == set(NAMES)
    for row in rows:
        model = WEIGHTS[METRICS[row.metric].spec.weights[0]].model
        assert (row.value, row.n) == (None, 0)
        assert row.note is not None
        assert row.note.startswith("not measured: ")
        assert row.note.endswith(f"mrfashion weights fetch {model}")


def test_the_weights_are_part_of_the_id(
    squeeze: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = METRICS["lpips-squeeze"].spec
    own, own_id = spec.defined("whole"), spec.metric_id("whole")
    assert own["weights_custom"] == ["lpips-squeeze-head", "lpips-squeeze-trunk"]
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "other"))
    shipped = spec.defined("whole")
    assert "weights_custom" not in shipped
    assert shipped["weights_sha256"] == {row: WEIGHTS[row].sha256 for row in spec.weights}
    assert spec.metric_id("whole") != own_id
    assert replace(spec, weights=()).metric_id("whole") not in {own_id, spec.metric_id("whole")}
    assert {"lpips-alex", "st-lpips-alex"} <= set(DEFAULT)
    assert not {"lpips-vgg", "lpips-disco", "lpips-junyaohu"} & set(DEFAULT)


def clip(frames: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    pairs = [image_pair(seed, size) for seed in range(frames)]
    return np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs])


def test_batches_change_nothing(squeeze: None, monkeypatch: pytest.MonkeyPatch) -> None:
    target, generated = clip(5, (70, 48))
    context, metric = ClipContext([None] * 5), METRICS["lpips-squeeze"]
    found = []
    for frames in (1, 2, 5):
        monkeypatch.setattr(perceptual, "BATCH_PIXELS", frames * 70 * 48)
        measure = metric.start(context)
        values = [row.value for row in score_clip(context, target, generated, [metric])]
        found.append(values)
        assert measure.result() == {"whole": [], "garment": []}
    assert found[1:] == [pytest.approx(found[0], abs=1e-6)] * 2
    one_by_one = [distances(SQUEEZE, [a], [b])[0] for a, b in zip(target, generated, strict=True)]
    assert found[0][0] == pytest.approx(np.mean(one_by_one), abs=1e-6)


def test_the_garment_is_the_crop(squeeze: None) -> None:
    target, generated = clip(3, (96, 80))
    keypoints = np.zeros((3, 17, 3), np.float32)
    keypoints[0, [5, 6, 11, 12]] = ((20, 20, 1), (60, 20, 1), (20, 70, 1), (60, 70, 1))
    keypoints[1, [5, 6, 11, 12]] = ((30, 30, 1), (45, 30, 1), (30, 50, 1), (45, 50, 1))
    measure = METRICS["lpips-squeeze"].start(ClipContext([None] * 3, keypoints=keypoints))
    boxes = ((10, 10, 81, 71), (26, 26, 55, 50), None)
    for number, box in enumerate(boxes):
        measure.update(perceptual.FramePair(target[number], generated[number], number, None, box))
    values = measure.result()["garment"]
    crops = [x[0, 10:81, 10:71] for x in (target, generated)]
    assert values[0] == pytest.approx(distances(SQUEEZE, crops[:1], crops[1:])[0], abs=1e-6)
    assert values[1] == "frames are 24x29; LPIPS (SqueezeNet 1.1) needs 32 pixels a side"
    assert values[2] is None


@pytest.mark.parametrize("name", NAMES)
def test_small_frames_are_not_measured(name: str) -> None:
    small = np.zeros((1, 64, 31, 3), np.uint8)
    rows = score_clip(ClipContext([None]), small, small, [METRICS[name]])
    assert {row.value for row in rows} == {None}
    assert "needs 32 pixels a side" in (rows[0].note or "")


@pytest.mark.parametrize("name", list(ROWS))
def test_the_least_size_is_measured(
    name: str, random_networks: dict[str, PerceptualDistance]
) -> None:
    judge = random_networks[name]
    a, b = (torch.from_numpy(x)[None] for x in image_pair(0, (32, 32)))
    assert judge(judge.features(a), judge.features(b)).item() > 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.tuples(st.integers(32, 70), st.integers(32, 70)))
def test_a_distance(
    random_networks: dict[str, PerceptualDistance], seed: int, size: tuple[int, int]
) -> None:
    """Never negative, zero of the same image, the same both ways."""
    for name in ("lpips-alex", "lpips-squeeze", "st-lpips-alex"):
        judge = random_networks[name]
        a, b = (judge.features(torch.from_numpy(x)[None]) for x in image_pair(seed, size))
        assert judge(a, a).item() == 0
        assert judge(a, b).item() == judge(b, a).item() > 0


def test_targets_are_looked_at_once_for_all_entrants(
    squeeze: None, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    features = PerceptualDistance.features

    def counting(self: PerceptualDistance, frames: torch.Tensor, low: float = -1.0) -> Any:
        looked.append(len(frames))
        assert torch.get_num_threads() == 1
        return features(self, frames, low)

    monkeypatch.setattr(PerceptualDistance, "features", counting)
    threads = torch.get_num_threads()
    changes = {f"e{n}": lambda frames, n=n: noisy(frames) // (n + 1) for n in range(3)}
    runs = write_runs(tmp_path / "runs", tiny_dataset, changes)
    for pixels in (1, 1 << 30):  # garments are crops that the tiny frames are too small for
        monkeypatch.setattr(perceptual, "BATCH_PIXELS", pixels)
        monkeypatch.setattr("benchmark.scoring.JOURNAL_FILE", f"{pixels}.jsonl")
        looked.clear()
        score(runs, metrics=["lpips-squeeze"], workers=2)
        rows = SCORES.read(runs / "scores.parquet")
        frames = sum(r.n for r in rows if (r.stratum, r.region) == ("all", "whole"))
        assert frames < sum(looked) <= frames + frames // 3  # some target frames are equal
    assert torch.get_num_threads() == threads


def test_the_registry_is_light() -> None:
    code = "import sys, benchmark.metrics, leaderboard.build; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.gpu
@pytest.mark.parametrize("name", list(ROWS))
def test_a_gpu_gives_the_same_number(name: str, tmp_path: Path) -> None:
    paths = write_random(name, tmp_path)
    (a, b), cpu, gpu = images(2), load(name, paths), load(name, paths).to("cuda")
    want = cpu(cpu.features(a), cpu.features(b)).item()
    found = [gpu(gpu.features(a), gpu.features(b)).item() for _ in range(3)]
    assert found == [pytest.approx(want, abs=1e-5)] * 3
    assert len(set(found)) == 1
