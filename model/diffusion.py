"""One noise schedule for training and sampling: v-prediction down to zero terminal SNR."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from model.config import DiffusionConfig
from model.sampling_settings import Sampler

if TYPE_CHECKING:
    from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

MAX_WEIGHT = 5.0  # gamma of min-SNR weighting (Hang et al. 2023, arXiv 2303.09556)


def ddim_scheduler(config: DiffusionConfig) -> DDIMScheduler:
    """For training (`alphas_cumprod`, `add_noise`, `get_velocity`), and for sampling by DDIM."""
    from model.ddim import ArrivingDDIM

    return ArrivingDDIM(**_schedule(config))


def sampling_scheduler(
    config: DiffusionConfig, sampler: Sampler = "ddim"
) -> DDIMScheduler | DPMSolverMultistepScheduler:
    """A scheduler of diffusers' over the trained schedule; call its `set_timesteps`."""
    if sampler == "ddim":
        return ddim_scheduler(config)
    from diffusers import DPMSolverMultistepScheduler

    return DPMSolverMultistepScheduler(**_schedule(config), algorithm_type="dpmsolver++")


def _schedule(config: DiffusionConfig) -> dict[str, Any]:
    return {
        "num_train_timesteps": config.train_steps,
        "beta_schedule": config.beta_schedule,
        "beta_start": config.beta_start,
        "beta_end": config.beta_end,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    }


def signal_to_noise(scheduler: DDIMScheduler, timesteps: Tensor) -> Tensor:
    """SNR at timesteps b, float32; 0 at the last."""
    kept: Tensor = scheduler.alphas_cumprod.to(timesteps.device)[timesteps].float()
    return kept / (1 - kept)


def loss_weights(scheduler: DDIMScheduler, timesteps: Tensor) -> Tensor:
    """min(SNR + 1, 5) / (SNR + 1) at timesteps b: min-SNR for v, finite where SNR is 0."""
    snr = signal_to_noise(scheduler, timesteps)
    return (snr + 1).clamp(max=MAX_WEIGHT) / (snr + 1)


def velocity_loss(
    scheduler: DDIMScheduler, predicted: Tensor, clean: Tensor, noise: Tensor, timesteps: Tensor
) -> Tensor:
    """Weighted mean squared error of velocities b f c h w, a scalar in float32."""
    target: Tensor = scheduler.get_velocity(clean, noise, timesteps)
    errors = (predicted.float() - target.float()).square().mean(dim=(1, 2, 3, 4))
    weighted = loss_weights(scheduler, timesteps) * errors
    return weighted.mean()


def guided(conditional: Tensor, null: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance; 1 is the conditional prediction."""
    return torch.lerp(null, conditional, scale)
