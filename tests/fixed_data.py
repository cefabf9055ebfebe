"""Training data of fixed random clips: small, made anew for every batch, the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from model.config import load_network_config
from model.sampling_settings import SamplingSettings
from model.training_config import Stage, TrainingConfig, Watch
from model.training_data import TrainingBatch, TurntableData
from tests.tiny_networks import H, W, keypoints

WATCH = Watch(
    log_every=2,
    validate_every=100,
    picture_every=100,
    save_every=2,
    pictures=1,
    sampling=SamplingSettings(steps=2, guidance=1.0),
)


def config(*stages: Stage, watch: Watch = WATCH, **changes: Any) -> TrainingConfig:
    """A run of the tiny network; its data are replaced by those of this file."""
    return TrainingConfig(
        stages, network="tiny", turntable=TurntableData(size=(H, W)), watch=watch, **changes
    )


def stage(number: int, steps: int = 3, **changes: Any) -> Stage:
    """Two samples of two frames a step."""
    given = {"learning_rate": 1e-3, "batch": 2, "frames": 2, "schedule": "flat"} | changes
    return Stage(number, steps, **given)  # type: ignore[arg-type]


@dataclass(frozen=True)
class FixedData:
    """Batch n is drawn from n, the rank and `name`."""

    batch: int
    frames: int
    rank: int = 0
    name: str = "fixed"
    references: int = 3
    poison: int | None = None  # batch whose frames are no numbers
    groups: tuple[str, ...] = field(default=("g0", "g1", "g2", "g3"))

    def batches(self, first: int) -> Iterator[TrainingBatch]:
        while True:
            batch = self._draw(self.batch, self.frames, 1000 * self.rank + first)
            if first == self.poison:
                batch = replace(batch, frames=batch.frames * float("nan"))
            yield batch
            first += 1

    def validation(self) -> Iterator[TrainingBatch]:
        for n in range(2):
            yield self._draw(1, 3, -1 - n)

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "batch": self.batch, "frames": self.frames}

    def _draw(self, b: int, f: int, n: int) -> TrainingBatch:
        r = self.references
        random = torch.Generator().manual_seed(n % 2**31)
        valid = torch.arange(r) < torch.randint(1, r + 1, (b, 1), generator=random)
        shown = torch.rand(b, r, 3, H, W, generator=random) * 2 - 1
        return TrainingBatch(
            torch.rand(b, f, 3, H, W, generator=random) * 2 - 1,
            keypoints(b, f, seed=n % 2**31),
            shown * valid[:, :, None, None, None],
            keypoints(b, r, seed=n % 2**31 + 1),
            valid,
            torch.linspace(-170, 170, b * f).reshape(b, f),
            person(b, f),
            tuple(self.groups[i % 4] for i in range(b)),
        )


def person(b: int, f: int) -> Tensor:
    """A mask of the middle of every frame."""
    mask = torch.zeros(b, f, H, W, dtype=torch.bool)
    mask[..., H // 4 : -H // 4, W // 4 : -W // 4] = True
    return mask


def open_fixed(_: object, *, batch: int, frames: int, rank: int, **__: Any) -> FixedData:
    """In place of `open_data`."""
    return FixedData(batch, frames, rank)


TINY = load_network_config("tiny")
