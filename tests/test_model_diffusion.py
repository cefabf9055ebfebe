"""The diffusion process and the codecs against formulas written out."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler

from model.codec import build_codec
from model.config import CodecConfig, DiffusionConfig
from model.diffusion import (
    ddim_scheduler,
    guided,
    loss_weights,
    sampling_scheduler,
    signal_to_noise,
    velocity_loss,
)

SCHEDULES = ("scaled_linear", "linear", "squaredcos_cap_v2")


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_last_step_is_noise_alone(schedule: str) -> None:
    schedule = ddim_scheduler(DiffusionConfig(schedule))  # type: ignore[arg-type]
    snr = signal_to_noise(schedule, torch.arange(1000))
    assert snr[-1] == 0
    assert (snr.diff() <= 0).all()
    weights = loss_weights(schedule, torch.arange(1000))
    assert weights[-1] == 1
    kept = schedule.alphas_cumprod.double()
    exact = (kept / (1 - kept)).tolist()
    expected = torch.tensor([min(s + 1, 5.0) / (s + 1) for s in exact])
    torch.testing.assert_close(weights, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["ddim", "dpm-solver++"])
def test_timesteps_trail(name: str) -> None:
    scheduler = sampling_scheduler(DiffusionConfig(), name)  # type: ignore[arg-type]
    scheduler.set_timesteps(35)
    assert scheduler.timesteps.tolist()[:4] == [999, 970, 942, 913]
    assert scheduler.timesteps.tolist()[-2:] == [56, 28]


@pytest.mark.parametrize("name", ["ddim", "dpm-solver++"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 7, 35, 100])
def test_a_perfect_denoiser_gives_the_truth(name: str, schedule: str, steps: int) -> None:
    config = DiffusionConfig(schedule)  # type: ignore[arg-type]
    kept_at = ddim_scheduler(config).alphas_cumprod
    scheduler = sampling_scheduler(config, name)  # type: ignore[arg-type]
    scheduler.set_timesteps(steps)
    torch.manual_seed(0)
    clean = torch.rand(1, 2, 3, 4, 4) * 2 - 1
    x = torch.randn_like(clean)
    for t in scheduler.timesteps:
        kept = kept_at[t]
        noise = (x - kept.sqrt() * clean) / (1 - kept).sqrt()
        v = kept.sqrt() * noise - (1 - kept).sqrt() * clean
        x = scheduler.step(v, t, x, return_dict=False)[0]
    torch.testing.assert_close(x, clean, atol=2e-3, rtol=0)


@pytest.mark.parametrize("steps", [10, 50])
def test_ddim_equals_that_of_diffusers_where_the_steps_are_even(steps: int) -> None:
    ours, x = ddim_scheduler(DiffusionConfig()), torch.randn(1, 2, 3, 4, 4)
    theirs = DDIMScheduler.from_config(ours.config, clip_sample=False)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(steps)
    for t in ours.timesteps[[0, 3, -1]]:
        velocity = torch.randn_like(x)
        expected = theirs.step(velocity, t, x)
        found = ours.step(velocity, t, x)
        torch.testing.assert_close(found.prev_sample, expected.prev_sample, atol=1e-5, rtol=1e-5)
        clean = expected.pred_original_sample
        torch.testing.assert_close(found.pred_original_sample, clean, atol=1e-5, rtol=1e-5)


def test_the_loss_weighs_squared_errors_of_velocity() -> None:
    schedule, t = ddim_scheduler(DiffusionConfig()), torch.tensor([10, 999])
    clean, noise = torch.randn(2, 1, 3, 4, 4), torch.randn(2, 1, 3, 4, 4)
    kept = schedule.alphas_cumprod[t].reshape(2, 1, 1, 1, 1)
    truth = kept.sqrt() * noise - (1 - kept).sqrt() * clean
    assert velocity_loss(schedule, truth, clean, noise, t) == pytest.approx(0, abs=1e-9)
    off = velocity_loss(schedule, truth + 1, clean, noise, t)
    assert off == pytest.approx(loss_weights(schedule, t).mean().item(), rel=1e-4)


def test_guidance_of_one_is_the_conditional_prediction() -> None:
    conditional, null = torch.randn(2, 3), torch.randn(2, 3)
    assert torch.equal(guided(conditional, null, 1.0), conditional)
    torch.testing.assert_close(guided(conditional, null, 3.5), null + 3.5 * (conditional - null))


@pytest.mark.parametrize("factor", [2, 4])
def test_pixel_unshuffle_is_exact(factor: int) -> None:
    codec = build_codec(CodecConfig("pixel-unshuffle", unshuffle=factor))
    images = torch.rand(2, 3, 3, 16, 8) * 2 - 1
    latents = codec.encode(images)
    assert latents.shape == (2, 3, 3 * factor**2, 16 // factor, 8 // factor)
    assert torch.equal(codec.decode(latents), images)


def test_the_autoencoder_takes_any_leading_dimensions_in_chunks() -> None:
    config = CodecConfig("autoencoder-kl", channels=(8, 8, 8), groups=4)
    codec, images = build_codec(config), torch.rand(2, 3, 3, 16, 8) * 2 - 1
    latents = codec.encode(images, chunk=4)
    assert latents.shape == (2, 3, config.latent_channels, 16 // config.factor, 8 // config.factor)
    torch.testing.assert_close(latents, codec.encode(images, chunk=6), atol=1e-5, rtol=0)
    assert codec.decode(latents).shape == images.shape
    torch.testing.assert_close(latents[1, 2], codec.encode(images[1, 2]), atol=1e-5, rtol=0)
