"""Set metrics inside a training loop: the number of `score`, whatever the batches and processes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection

from benchmark import set_features
from benchmark.frechet import frechet_distance
from benchmark.set_metrics.spec import SetMetric
from benchmark.set_statistics import kernel_distance
from benchmark.training_metrics import SetDistance
from mrfashion.errors import ConfigError, MissingRequirement, UnknownNameError
from tests.set_process import films, means


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means of quarters in place of every network."""
    monkeypatch.setattr(set_features, "_network", lambda *_: means)
    monkeypatch.setattr(SetMetric, "missing", lambda self: None)


def rows(clips: torch.Tensor) -> np.ndarray:
    return means(clips.movedim(2, -1)[:, :16].numpy())[:, 0].astype(np.float64)


def test_it_is_the_distance_of_the_features_whatever_the_batches() -> None:
    preds, target = films()
    whole, parts = SetDistance("fvd"), SetDistance("fvd")
    whole.update(preds, target)
    for at in (slice(0, 1), slice(1, 7), slice(7, 12)):
        parts.update(preds[at], target[at])
    assert float(whole.compute()) == frechet_distance(rows(preds), rows(target))
    assert float(parts.compute()) == pytest.approx(float(whole.compute()), rel=1e-12)
    assert int(parts.videos) == 12
    parts.reset()
    parts.update(preds[:9], target[:9])
    assert math.isnan(parts.compute())  # as `score` says: 9 videos; needed: 10


@pytest.mark.parametrize(
    ("name", "count"), [("fvd-spaced", 12), ("fid-vid", 12), ("fvd-disco", 60)]
)
def test_clips_follow_the_metrics_rule(name: str, count: int) -> None:
    metric = SetDistance(name)
    metric.update(*films())
    assert sum(len(made) for made in getattr(metric, metric._made)) == count
    assert math.isfinite(metric.compute())


def test_fvd_and_kvd_of_a_collection_share_features_and_fid_has_its_own() -> None:
    preds, target = films()
    together = MetricCollection({name: SetDistance(name) for name in ("fvd", "kvd", "fid")})
    for at in (slice(0, 6), slice(6, 12)):
        together.update(preds[at], target[at])
    got = together.compute()
    assert sorted(map(len, together.compute_groups.values())) == [1, 2]
    assert float(got["fvd"]) == pytest.approx(frechet_distance(rows(preds), rows(target)))
    assert float(got["kvd"]) == pytest.approx(kernel_distance(rows(preds), rows(target)))


def test_declared_ranges_give_the_number_of_uint8() -> None:
    preds, target = films()
    floats, integers = SetDistance("fvd", values="-1..1"), SetDistance("fvd")
    floats.update(preds / 127.5 - 1, target / 127.5 - 1)
    integers.update(preds, target)
    assert float(floats.compute()) == float(integers.compute())
    with pytest.raises(ValueError, match="uint8 was declared"):
        integers.update(preds.float(), target.float())
    with pytest.raises(ValueError, match="needed: the same"):
        integers.update(preds, target[:3])


def test_wrong_names_and_missing_weights_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        SetDistance("fdv")
    with pytest.raises(UnknownNameError, match="range of values"):
        SetDistance("fvd", values="0-255")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="use fvd here"):
        SetDistance("fvd-infinity")
    monkeypatch.setattr(SetMetric, "missing", lambda self: "a file: fetch it")
    with pytest.raises(MissingRequirement, match="fetch it"):
        SetDistance("fvd")


def test_two_processes_give_the_number_of_one(tmp_path: Path) -> None:
    """With unequal shares, over gloo."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.set_process", str(tmp_path / "meet")]
    children = [
        subprocess.Popen([*command, rank], stdout=subprocess.PIPE, text=True, env=environment)
        for rank in "01"
    ]
    found = [float(child.communicate(timeout=60)[0]) for child in children]
    one = SetDistance("fvd")
    one.update(*films())
    assert found == [pytest.approx(float(one.compute()), rel=1e-12)] * 2
