"""DDIM that arrives: diffusers' scheduler, stepping to the timesteps it announces."""

from __future__ import annotations

from diffusers.schedulers.scheduling_ddim import DDIMScheduler, DDIMSchedulerOutput
from torch import Tensor


class ArrivingDDIM(DDIMScheduler):  # type: ignore[misc]
    """Deterministic DDIM of v-predictions (Song et al. 2021, arXiv 2010.02502, Eq. 12).

    diffusers steps T // steps back whatever the next timestep is: of 35 steps each misses the
    next by one, and the last leaves noise of 0.03. Where steps divide T, both agree.
    """

    def step(
        self, velocity: Tensor, timestep: int | Tensor, latents: Tensor, return_dict: bool = True
    ) -> DDIMSchedulerOutput | tuple[Tensor, Tensor]:
        """Latents at the next timestep, after the last without noise; and the clean ones."""
        later = self.timesteps[self.timesteps.cpu() < int(timestep)]
        signal = self.alphas_cumprod[int(timestep)].item()
        after = self.alphas_cumprod[int(later[0])].item() if len(later) else 1.0
        clean = signal**0.5 * latents - (1 - signal) ** 0.5 * velocity
        noise = (1 - signal) ** 0.5 * latents + signal**0.5 * velocity
        stepped: Tensor = after**0.5 * clean + (1 - after) ** 0.5 * noise
        return DDIMSchedulerOutput(stepped, clean) if return_dict else (stepped, clean)
