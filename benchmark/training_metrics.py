"""Every metric as a `torchmetrics.Metric`, so that a training loop logs what the board shows.

    metrics = MetricCollection({"psnr": ClipMetric("psnr"), "fvd": SetDistance("fvd")})
    metrics.update(generated, target)      # b f c h w
    metrics.compute()

Needs torchmetrics: `pip install 'mrfashion[train]'`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from benchmark.clip_scores import ALL, STRATA, score_clip
from benchmark.metrics import METRICS
from benchmark.metrics.spec import ClipContext
from benchmark.set_features import features_of
from benchmark.set_metrics import SET_METRICS
from mrfashion.errors import ConfigError, MissingRequirement, UnknownNameError

Range = Literal["uint8", "0..1", "-1..1"]
RANGES: dict[str, tuple[float, float]] = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
SLACK = 1e-3  # a network's last layer may overshoot; more is another range


class ClipMetric(Metric):
    """Mean over clips of a metric of METRICS, in one region and stratum.

    `values` says what the tensors hold; nothing is guessed. States are sums, so several processes
    and batches of any size give the same number. A clip without a value (no mask, no such view) is
    no member; where no clip has one, `compute` is NaN, as torchmetrics has it.
    """

    full_state_update = False

    def __init__(
        self,
        name: str,
        region: str = "whole",
        stratum: str = ALL,
        values: Range = "uint8",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for what, got, known in (
            ("metric", name, METRICS),
            ("region", region, METRICS[name].spec.regions if name in METRICS else ()),
            ("stratum", stratum, STRATA),
            ("range of values", values, ("uint8", *RANGES)),
        ):
            if got not in known:
                raise UnknownNameError(what, got, known)
        self.metric = METRICS[name]
        if lacking := self.metric.missing():
            raise MissingRequirement(f"{name} cannot be measured here: {lacking}")
        self.region, self.stratum, self.values = region, stratum, values
        # A MetricCollection takes metrics whose states are equal after the first batch for one and
        # the same from then on. States of other names are never equal.
        own = re.sub(r"\W", "_", f"{name}_{region}_{stratum}_{values}")
        self._total, self._clips = f"total_{own}", f"clips_{own}"
        self.add_state(self._total, torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state(self._clips, torch.tensor(0), dist_reduce_fx="sum")

    @property
    def total(self) -> Tensor:
        """Sum of the clips' values so far."""
        total: Tensor = getattr(self, self._total)
        return total

    @property
    def clips(self) -> Tensor:
        """Clips that had a value so far."""
        clips: Tensor = getattr(self, self._clips)
        return clips

    def update(
        self, preds: Tensor, target: Tensor, contexts: Sequence[ClipContext] | None = None
    ) -> None:
        """Take in clips, b f c h w each, with what is known of each where a metric needs it."""
        _check_shapes(preds, target)
        contexts = contexts or [ClipContext([None] * preds.shape[1]) for _ in preds]
        if len(contexts) != len(preds):
            raise ValueError(f"{len(contexts)} contexts for {len(preds)} clips; needed: one each")
        made, wanted = _frames(preds, self.values, "preds"), _frames(target, self.values, "target")
        for generated, frames, context in zip(made, wanted, contexts, strict=True):
            for score in score_clip(context, frames, generated, [self.metric]):
                asked = (score.region, score.stratum) == (self.region, self.stratum)
                if asked and score.value is not None:
                    setattr(self, self._total, self.total + score.value)
                    setattr(self, self._clips, self.clips + 1)

    def compute(self) -> Tensor:
        """Mean over the clips that have a value."""
        return self.total / self.clips


class SetDistance(Metric):
    """A metric of SET_METRICS: all videos generated so far against all their targets.

    States are features, gathered from every process; batches of any size give the same number.
    Below the metric's least number of videos `compute` is NaN, as torchmetrics has it.
    """

    full_state_update = False

    def __init__(self, name: str, values: Range = "uint8", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for what, got, known in (
            ("set metric", name, SET_METRICS),
            ("range of values", values, ("uint8", *RANGES)),
        ):
            if got not in known:
                raise UnknownNameError(what, got, known)
        self.metric, self.values = SET_METRICS[name], values
        if self.metric.infinity:
            raise ConfigError(f"{name} is fitted to random subsets; use {name.split('-')[0]} here")
        if lacking := self.metric.missing():
            raise MissingRequirement(f"{name} cannot be measured here: {lacking}")
        # A MetricCollection shares states that are equal and of one name: so do FVD and KVD, and
        # nobody else.
        own = re.sub(r"\W", "_", f"{self.metric.feature.id}_{values}")
        self._made, self._wanted, self._videos = f"made_{own}", f"wanted_{own}", f"videos_{own}"
        self.add_state(self._made, [], dist_reduce_fx="cat")
        self.add_state(self._wanted, [], dist_reduce_fx="cat")
        self.add_state(self._videos, torch.tensor(0), dist_reduce_fx="sum")

    @property
    def videos(self) -> Tensor:
        """Videos so far."""
        videos: Tensor = getattr(self, self._videos)
        return videos

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Take in whole videos, b f c h w each."""
        _check_shapes(preds, target)
        for state, clips, what in ((self._made, preds, "preds"), (self._wanted, target, "target")):
            frames = _frames(clips, self.values, what)
            rows = torch.from_numpy(features_of(self.metric.feature, frames, str(self.device)))
            getattr(self, state).append(rows.flatten(0, 1).to(self.device))
        setattr(self, self._videos, self.videos + len(preds))

    def compute(self) -> Tensor:
        """The distance; NaN below the least number of videos."""
        if int(self.videos) < self.metric.least:
            return torch.tensor(math.nan, dtype=torch.float64)
        made, wanted = (
            dim_zero_cat(getattr(self, state)).cpu().double().numpy()
            for state in (self._made, self._wanted)
        )
        return torch.tensor(self.metric.measure(made, wanted), dtype=torch.float64)


def _check_shapes(preds: Tensor, target: Tensor) -> None:
    if preds.shape != target.shape or preds.ndim != 5 or preds.shape[2] != 3:
        raise ValueError(
            f"preds are {tuple(preds.shape)}, target {tuple(target.shape)}; needed: the same "
            "(b, f, 3, h, w)"
        )


def _frames(clips: Tensor, values: Range, what: str) -> NDArray[np.uint8]:
    """b f c h w => b f h w c, uint8; rounded half to even, once."""
    if (clips.dtype == torch.uint8) is not (values == "uint8"):
        raise ValueError(f"{what} are {clips.dtype}; {values} was declared")
    moved = clips.detach().movedim(2, -1)
    if values != "uint8":
        low, high = RANGES[values]
        least, most = float(moved.min()), float(moved.max())
        if not (low - SLACK <= least and most <= high + SLACK):
            raise ValueError(f"{what} hold {least:g} to {most:g}; {values} was declared")
        levels = (moved.float() - low) * (255 / (high - low))
        moved = levels.round().clamp(0, 255).to(torch.uint8)
    return np.ascontiguousarray(moved.cpu().numpy())
