"""How well held-out clips come out, by the view of the body: sampled whole, compared by PSNR."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from torch import Tensor

from model.codec import Codec
from model.profashion import ProFashion
from model.sampling import sample
from model.sampling_settings import SamplingSettings
from model.training_data import TrainingBatch
from model.training_step import told
from mrfashion.views import UNDETERMINED, VIEWS, view_of

ALL = "all"
MAX_PSNR = 100.0  # of equal frames


@dataclass(frozen=True, slots=True)
class FrameScore:
    """One sampled frame against the truth; dB over values of 0 to 1."""

    view: str
    psnr: float
    psnr_person: float | None  # over the person alone; None: no mask, or nobody in the frame


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """A batch of held-out clips, and what the network makes of them."""

    batch: TrainingBatch
    drawings: Tensor  # b f 3 H W in [0, 1], the driving poses
    frames: Tensor  # b f 3 H W in [-1, 1]


def sampled(
    network: ProFashion,
    codec: Codec,
    batches: Iterable[TrainingBatch],
    settings: SamplingSettings,
    seed: int,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Sampled]:
    """The batches i, i + n, ... of a share (i, n).

    The noise of a clip depends on `seed` and its place among all of them alone.
    """
    first = seed
    for number, batch in enumerate(batches):
        seeds = range(first, first + len(batch.frames))
        first += len(seeds)
        if number % share[1] != share[0]:
            continue
        poses, shown = told(batch, codec, network.config)
        yield Sampled(batch, poses, sample(network, codec, shown, poses, seeds, settings).frames)


def frame_scores(made: Sampled) -> list[FrameScore]:
    """Of every frame of a batch."""
    truth, mask = made.batch.frames, made.batch.mask
    errors = ((made.frames.to(truth) - truth) / 2).square().mean(dim=2)  # b f H W
    whole = _psnr(errors.mean(dim=(2, 3)))
    person: list[float | None] = [None] * len(whole)
    if mask is not None:
        pixels = mask.sum(dim=(2, 3))
        known = _psnr((errors * mask).sum(dim=(2, 3)) / pixels.clamp(min=1))
        some = pixels.flatten().tolist()
        person = [value if n else None for value, n in zip(known, some, strict=True)]
    yaws = made.batch.yaw_deg.flatten().tolist()
    views = [UNDETERMINED if math.isnan(yaw) else view_of(yaw) for yaw in yaws]
    return [FrameScore(*values) for values in zip(views, whole, person, strict=True)]


def by_view(scores: Sequence[FrameScore]) -> list[dict[str, Any]]:
    """One row a view that is there, and one of all frames: means of dB over frames."""
    rows = []
    for view in (ALL, *VIEWS, UNDETERMINED):
        some = [score for score in scores if view in (ALL, score.view)]
        person = [score.psnr_person for score in some if score.psnr_person is not None]
        if some:
            rows.append(
                {
                    "view": view,
                    "frames": len(some),
                    "psnr": fmean(score.psnr for score in some),
                    "psnr_person": fmean(person) if person else None,
                }
            )
    return rows


def _psnr(mean_squared: Tensor) -> list[float]:
    """Mean squared errors of values of 0 to 1 => dB, flat."""
    least = 10 ** (-MAX_PSNR / 10)
    decibels: list[float] = (
        (-10 * mean_squared.double().clamp(min=least).log10()).flatten().tolist()
    )
    return decibels
