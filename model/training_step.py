"""The losses of one batch, and what chance decides in a step."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor

from model.codec import Codec
from model.config import NetworkConfig
from model.diffusion import velocity_loss
from model.keypoint_flow import flow_loss
from model.pose_encoder import draw_poses
from model.profashion import Prediction
from model.reference_encoder import References
from model.training_config import Stage
from model.training_data import TrainingBatch

if TYPE_CHECKING:
    from diffusers import DDIMScheduler


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """What chance decides for n samples, beside what the data draws."""

    timesteps: Tensor  # n: of a clip; n f: of single frames
    noise: Tensor  # n f c h w
    null: Tensor  # n, bool: shown no reference

    def part(self, some: slice) -> Draws:
        """Those of some samples."""
        return Draws(self.timesteps[some], self.noise[some], self.null[some])


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Scalars on the device."""

    total: Tensor
    diffusion: Tensor
    flow: Tensor | None  # None: nothing supervises it

    @staticmethod
    def mean(of_passes: Sequence[Losses]) -> Losses:
        """Of the passes of a step, without their graphs."""
        flows = [one.flow.detach() for one in of_passes if one.flow is not None]
        return Losses(
            torch.stack([one.total.detach() for one in of_passes]).mean(),
            torch.stack([one.diffusion.detach() for one in of_passes]).mean(),
            torch.stack(flows).mean() if flows else None,
        )


def draw(
    stage: Stage,
    config: NetworkConfig,
    size: tuple[int, int],
    words: tuple[object, ...],
    device: torch.device,
) -> Draws:
    """For all passes of a step, from `words` alone: a resumed run draws the same.

    Timesteps are stratified: n of them take one from each nth of the schedule, which steadies the
    loss and covers the noise levels of small batches.
    """
    n, f, factor = stage.batch * stage.accumulation, stage.frames, config.codec.factor
    random = torch.Generator(device).manual_seed(seed_of(words))
    shape = (n, f, config.codec.latent_channels, size[0] // factor, size[1] // factor)
    noise = torch.randn(shape, generator=random, device=device)
    if stage.shared_noise:
        common = torch.randn((n, 1, *shape[2:]), generator=random, device=device)
        noise = math.sqrt(stage.shared_noise) * common + math.sqrt(1 - stage.shared_noise) * noise
    wanted = (n, f) if stage.single else (n,)
    strata = math.prod(wanted)
    within = torch.rand(strata, generator=random, device=device)
    order = torch.randperm(strata, generator=random, device=device)
    steps = config.diffusion.train_steps
    timesteps = ((order + within) / strata * steps).long().clamp(max=steps - 1)
    null = torch.rand(n, generator=random, device=device) < stage.null
    return Draws(timesteps.reshape(wanted), noise, null)


def seed_of(words: tuple[object, ...]) -> int:
    """A 63-bit seed from words; stable over platforms."""
    digest = hashlib.blake2b("/".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """All that a pass reads beside the weights; shapes are the same at every step of a stage."""

    noisy: Tensor  # b f c h w
    clean: Tensor
    noise: Tensor
    timesteps: Tensor  # b
    poses: Tensor  # b f 3 H W, or fewer b where several frames are of one sample
    shown: References
    keypoints: Tensor  # b f k 3


def inputs(
    config: NetworkConfig,
    codec: Codec,
    scheduler: DDIMScheduler,
    stage: Stage,
    batch: TrainingBatch,
    draws: Draws,
) -> Inputs:
    """A batch with its noise added and its poses drawn."""
    clean, noise, timesteps = codec.encode(batch.frames), draws.noise, draws.timesteps
    if stage.single:
        clean, noise = (rearrange(x, "b f c h w -> (b f) 1 c h w") for x in (clean, noise))
        timesteps = timesteps.flatten()
    noisy = scheduler.add_noise(clean, noise, timesteps)
    poses, shown = told(batch, codec, config, draws.null)
    return Inputs(noisy, clean, noise, timesteps, poses, shown, batch.keypoints)


def losses(
    network: torch.nn.Module,
    config: NetworkConfig,
    scheduler: DDIMScheduler,
    stage: Stage,
    given: Inputs,
) -> Losses:
    """Of a `network` of `config`: min-SNR weighted v-prediction, and lambda times the flow's."""
    prediction: Prediction = network(
        given.noisy, given.timesteps, given.poses, given.shown, apart=stage.single
    )
    diffusion = velocity_loss(
        scheduler, prediction.velocity, given.clean, given.noise, given.timesteps
    )
    if config.flow != "on" or not prediction.conditioning.offsets:
        return Losses(diffusion, diffusion, None)
    size = (given.poses.shape[-2], given.poses.shape[-1])
    flow = flow_loss(prediction.conditioning.offsets, given.keypoints, size)
    return Losses(diffusion + stage.flow_weight * flow, diffusion, flow)


def told(
    batch: TrainingBatch, codec: Codec, config: NetworkConfig, null: Tensor | None = None
) -> tuple[Tensor, References]:
    """Driving poses b f 3 H W, and what a batch shows of its people.

    Samples that are `null` (b, bool) are shown nothing. Poses are drawn together: each drawing is
    hundreds of small kernels, however many frames it has.
    """
    size, frames = (batch.frames.shape[-2], batch.frames.shape[-1]), batch.frames.shape[1]
    keypoints = torch.cat([batch.keypoints, batch.reference_keypoints], dim=1)
    drawings = draw_poses(keypoints, size, size, config.pose)
    poses, shown = drawings[:, :frames], drawings[:, frames:]
    valid = batch.reference_valid if null is None else batch.reference_valid & ~null[:, None]
    return poses, References(batch.references, codec.encode(batch.references), shown, valid)
