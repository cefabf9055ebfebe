"""Seconds and memory of ProFashion beside concatenation: python -m benchmark.perf.profashion

The baseline, `concat`, is what others do with several references: the denoiser reads all of their
tokens. Random weights; a whole sampling is timed, codec included, then a training step a stage.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from model.codec import Autoencoder, Codec, build_codec
from model.config import Aggregation, NetworkConfig, load_network_config
from model.diffusion import ddim_scheduler, velocity_loss
from model.keypoint_flow import flow_loss
from model.profashion import ProFashion
from model.reference_encoder import References
from model.sampling import sample
from model.sampling_settings import SamplingSettings

Shape = tuple[int, int, int]  # f H W
KINDS: tuple[Aggregation, ...] = ("concat", "pose-aware")  # the peer first


def network_of(config: NetworkConfig, device: torch.device, dtype: torch.dtype) -> ProFashion:
    """Random weights, drawn on the device."""
    torch.manual_seed(0)
    with device:
        return ProFashion(config).to(dtype)


def inputs(
    config: NetworkConfig, shape: Shape, r: int, device: torch.device
) -> tuple[References, Tensor]:
    """References and driving poses of one video, all noise."""
    frames, height, width = shape
    factor, c = config.codec.factor, config.codec.latent_channels
    random = torch.Generator(device).manual_seed(0)

    def noise(*size: int) -> Tensor:
        return torch.rand(*size, generator=random, device=device)

    latents = noise(1, r, c, height // factor, width // factor)
    references = References(
        noise(1, r, 3, height, width) * 2 - 1, latents, noise(1, r, 3, height, width)
    )
    return references, noise(1, frames, 3, height, width)


def measured(job: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds, and GiB at the peak where the device counts them (else NaN)."""
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    job()
    if not cuda:
        return time.perf_counter() - start, float("nan")
    torch.cuda.synchronize(device)
    return time.perf_counter() - start, torch.cuda.max_memory_allocated(device) / 2**30


def sampling(
    config: NetworkConfig, codec: Codec, shape: Shape, counts: list[int], steps: int, device: str
) -> Iterator[tuple[int, float, float]]:
    """Number of references, seconds and GiB of a video each, after a short one to warm up."""
    place = torch.device(device)
    dtype = torch.bfloat16 if place.type == "cuda" else torch.float32
    network = network_of(config, place, dtype).eval()
    for r in counts:
        references, drawings = inputs(config, shape, r, place)

        def job(n: int, references: References = references, drawings: Tensor = drawings) -> object:
            settings = SamplingSettings(steps=n)
            return sample(network, codec, references, drawings, [0], settings)

        job(2)
        yield r, *measured(lambda: job(steps), place)


def training(
    config: NetworkConfig, stage: int, shape: Shape, r: int, device: str
) -> tuple[float, float]:
    """Seconds and GiB of a step at batch 1: the second of two, since the first makes room."""
    place = torch.device(device)
    network = network_of(config, place, torch.float32).train()
    network.enable_gradient_checkpointing()
    chosen = set(network.trainable(stage))
    moved = [tensor for name, tensor in network.named_parameters() if name in chosen]
    optimiser = torch.optim.AdamW(moved, lr=1e-5)
    scheduler = ddim_scheduler(config.diffusion)
    references, drawings = inputs(config, shape if stage == 2 else (1, *shape[1:]), r, place)
    frames, factor = drawings.shape[1], config.codec.factor
    clean = torch.randn(
        1, frames, config.codec.latent_channels, shape[1] // factor, shape[2] // factor
    ).to(place)
    keypoints = torch.rand(1, frames, 133, 3, device=place) * 100 + 1

    def step() -> None:
        noise, timesteps = torch.randn_like(clean), torch.tensor([500], device=place)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        with torch.autocast(place.type, torch.bfloat16):
            told = network(noisy, timesteps, drawings, references)
            loss = velocity_loss(scheduler, told.velocity, clean, noise, timesteps)
            if told.conditioning.offsets:
                loss = loss + 0.1 * flow_loss(told.conditioning.offsets, keypoints, shape[1:])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        network.zero_grad(set_to_none=True)

    step()
    return measured(step, place)


def compare_sampling(preset: NetworkConfig, shape: Shape, chosen: argparse.Namespace) -> None:
    """Print a table: seconds, memory, and seconds as a share of concat's."""
    place = torch.device(chosen.device)
    codec = build_codec(preset.codec)
    if isinstance(codec, Autoencoder):
        codec.vae.to(place, torch.bfloat16 if place.type == "cuda" else torch.float32)
    print(f"{'aggregation':<12} {'r':>2} {'seconds':>8} {'GiB':>7} {'of concat':>9}")
    peers: dict[int, float] = {}
    for kind in KINDS:
        config = replace(preset, aggregation=kind)
        rows = sampling(config, codec, shape, chosen.references, chosen.steps, chosen.device)
        for r, seconds, gib in rows:
            share = seconds / peers.setdefault(r, seconds)
            print(f"{kind:<12} {r:2d} {seconds:8.2f} {gib:7.2f} {share:9.2f}", flush=True)


def compare_training(preset: NetworkConfig, shape: Shape, device: str) -> None:
    """Print seconds and memory of a step of either stage."""
    for stage in (1, 2):
        for kind in KINDS:
            config = replace(preset, aggregation=kind)
            seconds, gib = training(config, stage, shape, 3, device)
            text = f"training step, stage {stage}, r = 3, {kind:<12}"
            print(f"{text} {seconds:6.2f} s {gib:7.2f} GiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="sd15")
    parser.add_argument("--height", type=int, default=768)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--references", type=int, nargs="+", default=[1, 3, 8])
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--device", default="cuda")
    chosen = parser.parse_args()
    preset = load_network_config(chosen.preset)
    shape = (chosen.frames, chosen.height, chosen.width)
    print(f"{chosen.preset}, {shape[0]} frames of {shape[1]}x{shape[2]}, {chosen.steps} steps")
    compare_sampling(preset, shape, chosen)
    compare_training(preset, shape, chosen.device)


if __name__ == "__main__":
    main()
