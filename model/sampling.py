"""Noise => video: DDIM or DPM-Solver++ over what the network is told, with guidance, in windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from model.codec import Codec
from model.diffusion import guided, sampling_scheduler
from model.long_video import blended, moved, told_in_chunks, windows
from model.profashion import ProFashion
from model.prototype_aggregator import Prototypes
from model.prototype_instantiator import Conditioning
from model.reference_encoder import References
from model.sampling_settings import SamplingSettings
from mrfashion.errors import ItemError
from mrfashion.progress import Progress, silent


@dataclass(frozen=True, slots=True, eq=False)
class SampledVideos:
    """What sampling gives."""

    frames: Tensor  # b f 3 H W, float32 in [-1, 1]
    reference_weights: Tensor | None  # b f r, rows sum to 1; None: all references concatenated


@torch.no_grad()
def sample(
    network: ProFashion,
    codec: Codec,
    references: References,
    drawings: Tensor,
    seeds: Sequence[int],
    settings: SamplingSettings | None = None,
    progress: Progress[Any] = silent,
) -> SampledVideos:
    """One video for each of `seeds`, in poses `drawings` b f 3 H W in [0, 1].

    A video depends on its own seed, references and poses, not on what is sampled beside it. What
    does not depend on the noise is computed once, for all frames. ItemError where the network's
    values leave the range of its precision.
    """
    settings = settings or SamplingSettings()
    _check(network, references, drawings, seeds, settings)
    config, first = network.config, next(network.parameters())
    told = conditioned(network, references, drawings, settings)
    height, width = (side // config.codec.factor for side in drawings.shape[-2:])
    shape = (drawings.shape[1], config.codec.latent_channels, height, width)
    latents = start_noise(seeds, shape, settings.shared_noise).to(first.device)
    latents = denoised(network, latents, told, settings, progress)
    frames = _decoded(codec, latents, settings)
    if not frames.isfinite().all():
        raise ItemError(
            "generate.not-finite",
            f"sampling in {first.dtype} left its range; sample in bfloat16 or float32",
        )
    return SampledVideos(frames.clamp(-1, 1), told.prototypes.reference_weights())


@torch.no_grad()
def conditioned(
    network: ProFashion, references: References, drawings: Tensor, settings: SamplingSettings
) -> Conditioning:
    """What the denoiser is told of drawings b f 3 H W, in the network's precision."""
    first = next(network.parameters())
    shown = _placed(references, first)
    if settings.offload:
        return told_in_chunks(network, drawings, shown, settings.chunk)
    return network.condition(drawings.to(first), shown)


def _decoded(codec: Codec, latents: Tensor, settings: SamplingSettings) -> Tensor:
    """Frames b f 3 H W, float32; offloaded, in main memory."""
    if not settings.offload:
        return codec.decode(latents, settings.chunk).float()
    parts = torch.split(latents, settings.chunk, dim=1)
    return torch.cat([codec.decode(part, settings.chunk).float().cpu() for part in parts], dim=1)


def start_noise(seeds: Sequence[int], shape: tuple[int, int, int, int], shared: float) -> Tensor:
    """Noise b f c h w of unit variance on the CPU, so that every device starts alike.

    Each video draws from its own generator, first what its frames share, then what is their own:
    `shared` mixes the same two draws.
    """
    videos = []
    for seed in seeds:
        random = torch.Generator().manual_seed(seed)
        common = torch.randn(shape[1:], generator=random)
        own = torch.randn(shape, generator=random)
        videos.append(math.sqrt(shared) * common + math.sqrt(1 - shared) * own)
    return torch.stack(videos)


def denoised(
    network: ProFashion,
    latents: Tensor,
    told: Conditioning,
    settings: SamplingSettings,
    progress: Progress[Any] = silent,
) -> Tensor:
    """Noise b f c h w => clean latents, float32: the solver's sums outrun half precision."""
    scheduler = sampling_scheduler(network.config.diffusion, settings.sampler)
    scheduler.set_timesteps(settings.steps)
    parts = windows(latents.shape[1], settings.window, settings.overlap)
    steps = scheduler.timesteps.tolist()
    dtype = next(network.parameters()).dtype
    for timestep in progress(steps, "sample", len(steps)):
        noisy = latents.to(dtype)
        velocity = partial(_velocity, network, noisy, timestep, told, settings)
        latents = scheduler.step(blended(velocity, parts), timestep, latents, return_dict=False)[0]
    return latents


def _velocity(
    network: ProFashion,
    noisy: Tensor,
    timestep: int,
    told: Conditioning,
    settings: SamplingSettings,
    some: slice,
) -> Tensor:
    """Guided velocity of a window, float32.

    Apart, the null half costs less than the other: it reads no reference tokens.
    """
    noisy, told = noisy[:, some], moved(told.frames(some), noisy.device)
    if settings.guidance == 0:
        return network.denoise(noisy, timestep, told.null()).float()
    if settings.guidance == 1:
        return network.denoise(noisy, timestep, told).float()
    if settings.guide_at_once:
        both = network.denoise(torch.cat([noisy, noisy]), timestep, with_null(told))
        conditional, null = both.float().chunk(2)
    else:
        conditional, null = (
            network.denoise(noisy, timestep, half).float() for half in (told, told.null())
        )
    return guided(conditional, null, settings.guidance)


def with_null(told: Conditioning) -> Conditioning:
    """A batch twice as large: those told, then the null of each, which masks keep apart."""
    prototypes = told.prototypes
    valid, tokens_valid = prototypes.fine_valid, prototypes.tokens_valid
    if valid is None:
        valid = torch.ones(len(told.pose), 1, dtype=torch.bool, device=told.pose.device)
    if tokens_valid is not None:  # many tokens of zeros are read as one
        tokens_valid = torch.cat([tokens_valid, torch.ones_like(tokens_valid)])
    doubled = Prototypes(
        {name: torch.cat([x, torch.zeros_like(x)]) for name, x in prototypes.fine.items()},
        torch.cat([prototypes.tokens, torch.zeros_like(prototypes.tokens)]),
        torch.cat([valid, torch.zeros_like(valid)]),
        tokens_valid,
    )
    offsets = {level: torch.cat([x, x]) for level, x in told.offsets.items()}
    return Conditioning(torch.cat([told.pose, told.pose]), doubled, offsets)


def _placed(references: References, like: Tensor) -> References:
    """To the network's device and precision."""
    valid = None if references.valid is None else references.valid.to(like.device)
    images, latents, drawings = (
        tensor.to(like) for tensor in (references.images, references.latents, references.drawings)
    )
    return References(images, latents, drawings, valid)


def _check(
    network: ProFashion,
    references: References,
    drawings: Tensor,
    seeds: Sequence[int],
    settings: SamplingSettings,
) -> None:
    """ValueError where the parts do not fit together."""
    if drawings.ndim != 5 or drawings.shape[2] != 3 or not drawings.shape[1]:
        raise ValueError(f"drawings are {tuple(drawings.shape)}; needed: b f 3 H W, f >= 1")
    if not len(drawings) == len(references.images) == len(seeds) >= 1:
        got = f"{len(drawings)} videos of poses, {len(references.images)} of references"
        raise ValueError(f"{got} and {len(seeds)} seeds; needed: as many of each, at least 1")
    multiple = network.config.size_multiple
    for side in (*drawings.shape[-2:], *references.images.shape[-2:]):
        if side % multiple:
            raise ValueError(f"a side of {side} pixels; this network needs multiples of {multiple}")
    settings.check(network.config)
