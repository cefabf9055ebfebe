"""Metrics inside a training loop: the same numbers as the runner's, whatever the batches."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection

from benchmark.clip_scores import score_clip
from benchmark.metrics import DEFAULT, METRICS
from benchmark.metrics.spec import ClipContext
from benchmark.training_metrics import ClipMetric
from mrfashion.errors import MissingRequirement, UnknownNameError

ABLE = [name for name in DEFAULT if METRICS[name].missing() is None]


def clips(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """b f c h w uint8: smooth pictures and noisy copies of them."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 200, 48)[None, None, None, None] + rng.uniform(
        0, 30, (count, 4, 3, 1, 1)
    )
    target = np.broadcast_to(slope, (count, 4, 3, 40, 48))
    noisy = np.clip(target + rng.normal(0, 8, target.shape), 0, 255)
    return torch.from_numpy(noisy.astype(np.uint8)), torch.from_numpy(target.astype(np.uint8))


def expected(name: str, preds: torch.Tensor, target: torch.Tensor) -> float:
    values = []
    for generated, wanted in zip(preds, target, strict=True):
        frames = [tensor.movedim(1, -1).numpy() for tensor in (wanted, generated)]
        rows = score_clip(ClipContext([None] * len(wanted)), *frames, [METRICS[name]])
        values += [r.value for r in rows if (r.region, r.stratum) == ("whole", "all")]
    found = [value for value in values if value is not None]
    return float(np.mean(found)) if found else float("nan")


@pytest.mark.parametrize("name", [n for n in ABLE if "whole" in METRICS[n].spec.regions])
def test_every_metric_gives_the_runners_number(name: str) -> None:
    preds, target = clips()
    metric = ClipMetric(name)
    metric.update(preds, target)
    want = expected(name, preds, target)
    assert float(metric.compute()) == pytest.approx(want, nan_ok=True, abs=1e-12)


def test_batches_and_processes_change_nothing() -> None:
    preds, target = clips()
    whole, parts, other = (ClipMetric("psnr") for _ in range(3))
    whole.update(preds, target)
    parts.update(preds[:1], target[:1])
    other.update(preds[1:], target[1:])
    assert (parts.total + other.total) / (parts.clips + other.clips) == pytest.approx(
        float(whole.compute())
    )
    assert len(parts._reductions) == 2
    whole.reset()
    assert int(whole.clips) == 0


@pytest.mark.parametrize(("values", "low", "high"), [("0..1", 0.0, 1.0), ("-1..1", -1.0, 1.0)])
def test_declared_ranges_give_the_number_of_uint8(values: str, low: float, high: float) -> None:
    preds, target = clips()
    scaled = [t.float() / 255 * (high - low) + low for t in (preds, target)]
    floats, integers = ClipMetric("ssim", values=values), ClipMetric("ssim")
    floats.update(*scaled)
    integers.update(preds, target)
    assert float(floats.compute()) == float(integers.compute())


def test_what_was_not_declared_is_refused() -> None:
    preds, target = clips(1)
    with pytest.raises(ValueError, match=r"torch.float32; uint8 was declared"):
        ClipMetric("l1").update(preds.float(), target.float())
    with pytest.raises(ValueError, match=r"hold 0 to .*; 0..1 was declared"):
        ClipMetric("l1", values="0..1").update(preds.float(), target.float())
    with pytest.raises(ValueError, match=r"torch.uint8; -1..1 was declared"):
        ClipMetric("l1", values="-1..1").update(preds, target)
    with pytest.raises(ValueError, match="needed: the same"):
        ClipMetric("l1").update(preds[0], target[0])
    with pytest.raises(ValueError, match="one each"):
        ClipMetric("l1").update(preds, target, [ClipContext(["front"] * 4)] * 2)


def test_views_and_masks_come_with_a_context() -> None:
    preds, target = clips(2)
    masks = np.zeros((4, 40, 48), bool)
    masks[:, 10:20, 10:20] = True
    contexts = [ClipContext(["front", "front", "back", "back"], masks=masks)] * 2
    behind = ClipMetric("psnr", region="foreground", stratum="back")
    behind.update(preds, target, contexts)
    assert int(behind.clips) == 2
    nobody = ClipMetric("psnr", region="foreground")
    nobody.update(preds, target)
    assert torch.isnan(nobody.compute())


def test_it_lives_in_a_collection_and_survives_copies() -> None:
    preds, target = clips(1)
    together = MetricCollection({name: ClipMetric(name) for name in ("psnr", "ssim")})
    together.update(preds, target)
    got = together.compute()
    assert set(got) == {"psnr", "ssim"}
    assert copy.deepcopy(together).compute() == got
    assert pickle.loads(pickle.dumps(ClipMetric("l1"))).region == "whole"


def test_a_collection_never_takes_two_metrics_for_one() -> None:
    """Both are 0 in the first batch, and torchmetrics would compute the second no more."""
    preds, target = clips(2)
    together = MetricCollection({name: ClipMetric(name) for name in ("l1", "flicker")})
    together.update(target[:1], target[:1])
    together.update(preds[1:], target[1:])
    got = together.compute()
    assert float(got["l1"]) == pytest.approx(expected("l1", preds[1:], target[1:]) / 2)
    assert float(got["flicker"]) == pytest.approx(expected("flicker", preds[1:], target[1:]) / 2)


def test_wrong_names_and_missing_weights_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    with pytest.raises(UnknownNameError, match="did you mean psnr"):
        ClipMetric("psrn")
    with pytest.raises(UnknownNameError, match="unknown region"):
        ClipMetric("tof", region="garment")
    with pytest.raises(UnknownNameError, match="unknown stratum"):
        ClipMetric("l1", stratum="side")
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path))
    with pytest.raises(MissingRequirement, match="mrfashion weights fetch blazepose"):
        ClipMetric("keypoint-error")
