"""One noise schedule for training and sampling: v-prediction down to zero terminal SNR."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor

from model.config import DiffusionConfig

if TYPE_CHECKING:
    from diffusers import DDIMScheduler

MAX_WEIGHT = 5.0  # gamma of min-SNR weighting (Hang et al. 2023, arXiv 2303.09556)
SamplerName = Literal["ddim", "dpm-solver++"]


class Sampler(Protocol):
    """Interface of both: from noise of unit variance, one `step` for each of `timesteps`."""

    timesteps: Tensor  # falling, int64

    def step(self, velocity: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """Latents at the next of the timesteps, after the last of them without noise."""
        ...


def noise_schedule(config: DiffusionConfig) -> DDIMScheduler:
    """diffusers' scheduler, for `alphas_cumprod`, `add_noise` and `get_velocity`."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(**_settings(config))


def sampler(
    config: DiffusionConfig, steps: int, name: SamplerName = "ddim", device: str = "cpu"
) -> Sampler:
    """A sampler over the trained schedule; one for each video, as some keep a history."""
    if not 1 <= steps <= config.train_steps:
        raise ValueError(f"{steps} steps; allowed: 1 to {config.train_steps}")
    return (DDIM if name == "ddim" else DPMSolver)(config, steps, device)


class DDIM:
    """Deterministic DDIM (Song et al. 2021, arXiv 2010.02502, Eq. 12) at trailing timesteps.

    Ours, because diffusers' steps T // steps back whatever the next timestep is: of 35 steps each
    misses the next by one, and the last leaves noise of 0.03.
    """

    def __init__(self, config: DiffusionConfig, steps: int, device: str) -> None:
        kept = noise_schedule(config).alphas_cumprod.double()
        falling = torch.arange(steps, 0, -1, dtype=torch.float64) * config.train_steps / steps
        self.timesteps = falling.round().long().to(device) - 1
        after = torch.cat([kept[self.timesteps[1:].cpu()], kept.new_ones(1)])
        signals = zip(kept[self.timesteps.cpu()].tolist(), after.tolist(), strict=True)
        self._kept = dict(zip(self.timesteps.tolist(), signals, strict=True))

    def step(self, velocity: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """From `timestep` to the next."""
        kept, after = self._kept[int(timestep)]
        clean = math.sqrt(kept) * latents - math.sqrt(1 - kept) * velocity
        noise = math.sqrt(1 - kept) * latents + math.sqrt(kept) * velocity
        return math.sqrt(after) * clean + math.sqrt(1 - after) * noise


class DPMSolver:
    """DPM-Solver++ of diffusers (Lu et al. 2022, arXiv 2211.01095), second order."""

    def __init__(self, config: DiffusionConfig, steps: int, device: str) -> None:
        from diffusers import DPMSolverMultistepScheduler

        self._solver = DPMSolverMultistepScheduler(**_settings(config))
        self._solver.set_timesteps(steps, device)
        self.timesteps: Tensor = self._solver.timesteps

    def step(self, velocity: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """From `timestep` to the next."""
        stepped: Tensor = self._solver.step(velocity, timestep, latents).prev_sample
        return stepped


def _settings(config: DiffusionConfig) -> dict[str, Any]:
    return {
        "num_train_timesteps": config.train_steps,
        "beta_schedule": config.beta_schedule,
        "beta_start": config.beta_start,
        "beta_end": config.beta_end,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }


def signal_to_noise(schedule: DDIMScheduler, timesteps: Tensor) -> Tensor:
    """SNR at timesteps b, float32; 0 at the last."""
    kept: Tensor = schedule.alphas_cumprod.to(timesteps.device)[timesteps].float()
    return kept / (1 - kept)


def loss_weights(schedule: DDIMScheduler, timesteps: Tensor) -> Tensor:
    """min(SNR + 1, 5) / (SNR + 1) at timesteps b: min-SNR for v, finite where SNR is 0."""
    snr = signal_to_noise(schedule, timesteps)
    return (snr + 1).clamp(max=MAX_WEIGHT) / (snr + 1)


def velocity_loss(
    schedule: DDIMScheduler, predicted: Tensor, clean: Tensor, noise: Tensor, timesteps: Tensor
) -> Tensor:
    """Weighted mean squared error of velocities b f c h w, a scalar in float32."""
    target = schedule.get_velocity(clean, noise, timesteps)
    errors = (predicted.float() - target.float()).square().mean(dim=(1, 2, 3, 4))
    weighted: Tensor = loss_weights(schedule, timesteps) * errors
    return weighted.mean()


def guided(conditional: Tensor, null: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance; 1 is the conditional prediction."""
    return torch.lerp(null, conditional, scale)
