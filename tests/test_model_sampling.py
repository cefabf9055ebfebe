"""Sampling: solvers against a closed form, seeds, guidance, windows, precision, refusals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from model.codec import build_codec
from model.config import DiffusionConfig
from model.diffusion import ddim_scheduler, sampling_scheduler
from model.profashion import ProFashion
from model.reference_encoder import References
from model.sampling import SampledVideos, sample, start_noise
from model.sampling_settings import Sampler, SamplingSettings
from mrfashion.errors import ItemError
from tests.tiny_networks import H, W, drawings, network, picked, references, tiny

CODEC = build_codec(tiny().codec)
QUICK = SamplingSettings(steps=2)
SHAPE = (tiny().codec.latent_channels, H // 2, W // 2)


def sampled(
    net: ProFashion,
    f: int = 2,
    seeds: tuple[int, ...] = (0,),
    shown: References | None = None,
    **changes: Any,
) -> SampledVideos:
    b = len(seeds)
    shown = shown or references(b)
    return sample(net, CODEC, shown, drawings(b, f), seeds, replace(QUICK, **changes))


def counted(patch: pytest.MonkeyPatch, owner: Any, name: str) -> list[tuple[Any, ...]]:
    """Arguments of every call of a method from now on."""
    calls: list[tuple[Any, ...]] = []
    plain = getattr(owner, name)

    def counting(*args: Any) -> Any:
        calls.append(args)
        return plain(*args)

    patch.setattr(owner, name, counting)
    return calls


def test_steps_trail_from_pure_noise() -> None:
    for sampler in ("ddim", "dpm-solver++"):
        scheduler = sampling_scheduler(DiffusionConfig(), sampler)
        scheduler.set_timesteps(35)
        steps = scheduler.timesteps.tolist()
        assert steps[:3] == [999, 970, 942]
        assert steps[-2:] == [56, 28]
        assert len(steps) == 35


@pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])
@pytest.mark.parametrize("steps", [2, 35])
def test_the_velocity_of_a_known_video_leads_to_it(
    sampler: Sampler, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, clean = network(), torch.rand(1, 5, 3, H, W) * 2 - 1
    target, kept = CODEC.encode(clean), ddim_scheduler(net.config.diffusion).alphas_cumprod

    def exact(latents: Tensor, timestep: int, told: Any) -> Tensor:
        alpha, sigma = kept[timestep].sqrt(), (1 - kept[timestep]).sqrt()
        return (alpha * latents - target) / sigma

    monkeypatch.setattr(net, "denoise", exact)
    found = sampled(net, f=5, sampler=sampler, steps=steps).frames
    torch.testing.assert_close(found, clean, atol=1e-4, rtol=0)


def gaussian_error(sampler: Sampler, steps: int, patch: pytest.MonkeyPatch) -> float:
    """Relative error where clean latents are Gaussian: their best denoiser is linear, and the
    probability flow carries noise z to std * z (Song et al. 2021, arXiv 2011.13456, Eq. 13)."""
    net, std = network(), 0.25
    kept = ddim_scheduler(net.config.diffusion).alphas_cumprod

    def best(latents: Tensor, timestep: int, told: Any) -> Tensor:
        alpha, sigma = kept[timestep].sqrt(), (1 - kept[timestep]).sqrt()
        clean = alpha * std**2 / (alpha**2 * std**2 + sigma**2) * latents
        return (alpha * latents - clean) / sigma

    patch.setattr(net, "denoise", best)
    exact = std * start_noise([0], (2, *SHAPE), 0)
    inside = exact.abs() < 1  # frames are clamped
    found = CODEC.encode(sampled(net, sampler=sampler, steps=steps, guidance=1.0).frames)
    return float((found / exact - 1)[inside].abs().mean())


@pytest.mark.parametrize(
    ("sampler", "most", "order"), [("ddim", 0.08, 1.0), ("dpm-solver++", 0.012, 2.0)]
)
def test_gaussian_latents_arrive_where_the_flow_carries_them(
    sampler: Sampler, most: float, order: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = (gaussian_error(sampler, steps, monkeypatch) for steps in (10, 35))
    assert many < most
    assert many < few * (10 / 35) ** (0.9 * order)


@pytest.mark.parametrize("sampler", ["ddim", "dpm-solver++"])
def test_the_same_seed_gives_the_same_bytes(sampler: Sampler) -> None:
    net = network()
    first, again, other = (
        sampled(net, seeds=(seed,), sampler=sampler, steps=4).frames for seed in (7, 7, 8)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=0.1)
    assert first.shape == (1, 2, 3, H, W)
    assert first.dtype is torch.float32
    assert -1 <= first.min() < first.max() <= 1


def test_global_random_state_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = start_noise([3], (2, *SHAPE), 0.5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(start_noise([3], (2, *SHAPE), 0.5), first)


def test_a_batch_of_two_equals_each_alone() -> None:
    net, shown = network(), references(2)
    together = sampled(net, f=3, seeds=(4, 5), shown=shown)
    for i, seed in enumerate((4, 5)):
        one = References(shown.images[[i]], shown.latents[[i]], shown.drawings[[i]])
        alone = sample(net, CODEC, one, drawings(2, 3)[[i]], [seed], QUICK)
        torch.testing.assert_close(together.frames[[i]], alone.frames, atol=1e-5, rtol=0)
        assert together.reference_weights is not None
        torch.testing.assert_close(together.reference_weights[[i]], alone.reference_weights)


def test_videos_may_show_different_numbers_of_references() -> None:
    net, shown = network(), references(2)
    valid = torch.tensor([[True] * 3, [True, False, False]])
    padded = sampled(net, seeds=(4, 5), shown=replace(shown, valid=valid)).frames
    one = References(*(t[1:, :1] for t in (shown.images, shown.latents, shown.drawings)))
    alone = sample(net, CODEC, one, drawings(2, 2)[1:], [5], QUICK).frames
    torch.testing.assert_close(padded[1:], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("r", [1, 3, 8])
def test_one_to_eight_references_and_their_weights(r: int) -> None:
    weights = sampled(network(), f=3, shown=references(r=r)).reference_weights
    assert weights is not None
    assert weights.shape == (1, 3, r)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 3))


def test_concatenated_references_have_no_weights() -> None:
    assert sampled(network(aggregation="concat")).reference_weights is None


def test_guidance_weighs_the_null_pass_and_one_skips_it(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    velocities = counted(monkeypatch, net, "denoise")
    for scale, passes in ((1.0, 2), (3.0, 4), (0.0, 2)):
        velocities.clear()
        sampled(net, guidance=scale)
        assert len(velocities) == passes, scale
    # What guidance 0 was told last: no bank, one token of zeros, and the pose.
    told, pose = velocities[-1][2], net.pose_encoder(drawings()).latent
    assert told.prototypes.fine == {}
    assert torch.equal(told.prototypes.tokens, torch.zeros(1, 2, 1, net.config.unet.context))
    torch.testing.assert_close(told.pose, pose)


@pytest.mark.parametrize("aggregation", ["pose-aware", "concat"])
def test_both_halves_of_guidance_at_once_are_the_same(
    aggregation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, shown = network(aggregation=aggregation), references(2)
    velocities = counted(monkeypatch, net, "denoise")
    for valid in (None, torch.tensor([[True] * 3, [True, False, False]])):
        given = replace(shown, valid=valid)
        apart, together = (
            sampled(net, seeds=(1, 2), shown=given, guidance=3.0, guide_at_once=at_once).frames
            for at_once in (False, True)
        )
        torch.testing.assert_close(together, apart, atol=1e-5, rtol=0)
    assert [len(call[0]) for call in velocities] == 2 * [2, 2, 2, 2, 4, 4]


def test_guidance_moves_away_from_the_null(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    null, plain, strong = (
        CODEC.encode(sampled(net, steps=1, guidance=scale).frames) for scale in (0.0, 1.0, 3.0)
    )
    expected = null + 3 * (plain - null)  # one step of DDIM from pure noise is linear in v
    free = (strong.abs() < 1) & (plain.abs() < 1) & (null.abs() < 1)
    assert free.float().mean() > 0.1
    torch.testing.assert_close(strong[free], expected[free], atol=1e-4, rtol=0)


def test_a_video_of_one_window_equals_no_windowing() -> None:
    net = network()
    whole, windowed = (sampled(net, f=6, window=size).frames for size in (16, 6))
    assert torch.equal(whole, windowed)
    apart = sampled(net, f=6, window=4, overlap=2).frames
    assert not torch.allclose(whole, apart, atol=1e-4)


def test_all_but_the_denoiser_runs_once_however_long_the_video(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = network()
    once = [
        counted(monkeypatch, part, "forward")
        for part in (net.reference_encoder, net.aggregator, net.keypoint_flow)
    ]
    steps = counted(monkeypatch, net, "denoise")
    found = sampled(net, f=20, window=8, overlap=2, guidance=1.0)
    assert [len(calls) for calls in once] == [1, 1, 1]
    assert len(steps) == 2 * 3
    assert found.frames.shape[1] == 20
    assert found.reference_weights is not None
    assert found.reference_weights.shape[1] == 20


def test_each_window_is_told_of_its_own_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    net, poses = network(), drawings(1, 10)
    steps = counted(monkeypatch, net, "denoise")
    settings = replace(QUICK, steps=1, window=6, overlap=2, guidance=1.0)
    sample(net, CODEC, references(), poses, [0], settings)
    encoded = net.pose_encoder(poses).latent
    for call, some in zip(steps, (slice(0, 6), slice(4, 10)), strict=True):
        torch.testing.assert_close(call[2].pose, encoded[:, some])


def test_shared_noise_is_the_share_of_variance_in_common() -> None:
    shape = (64, *SHAPE)
    apart, half, same = (start_noise([3], shape, share)[0] for share in (0.0, 0.5, 1.0))
    assert torch.equal(same, same[:1].expand_as(same))
    torch.testing.assert_close(half, (apart + same) * 0.5**0.5)
    for noise, share in ((apart, 0.0), (half, 0.5)):
        assert float(noise.var()) == pytest.approx(1, abs=0.05)
        among = noise.flatten(1) @ noise.flatten(1).T / noise[0].numel()
        others = among[~torch.eye(len(among), dtype=torch.bool)]
        assert float(others.mean()) == pytest.approx(share, abs=0.05)


def test_still_poses_and_shared_noise_give_a_still_video() -> None:
    net, still = network(flow="off"), drawings(1, 1).expand(-1, 5, -1, -1, -1)
    for module in net.instantiator.unet.modules():
        if hasattr(module, "pos_embed") and module.pos_embed is not None:
            module.pos_embed = None  # else motion modules tell equal frames apart
    frames = sample(net, CODEC, references(), still, [0], replace(QUICK, shared_noise=1.0)).frames
    torch.testing.assert_close(frames, frames[:, :1].expand_as(frames), atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_samples_nearly_the_same(dtype: torch.dtype) -> None:
    exact = sampled(network(), f=2, steps=4).frames
    rough = sampled(network().to(dtype), f=2, steps=4).frames
    assert rough.dtype is torch.float32
    assert float((rough - exact).abs().mean()) < 0.03


def test_values_out_of_range_are_an_error_and_never_pixels() -> None:
    net = network()
    with torch.no_grad():
        net.instantiator.unet.conv_out.weight.fill_(float("inf"))
    with pytest.raises(ItemError, match=r"torch\.float32 left its range"):
        sampled(net)


@pytest.mark.parametrize(
    "changes", [{}, {"aggregation": "concat"}, {"alignment": "token-attention"}]
)
def test_offloading_changes_nothing(changes: dict[str, str]) -> None:
    net, shown = network(**changes), references()
    shown = replace(shown, valid=torch.tensor([[True, True, False]]))
    slices = {"f": 9, "shown": shown, "window": 6, "overlap": 2, "chunk": 4}
    whole, offloaded = (sampled(net, **slices, offload=offload) for offload in (False, True))
    torch.testing.assert_close(offloaded.frames, whole.frames, atol=1e-5, rtol=0)
    torch.testing.assert_close(offloaded.reference_weights, whole.reference_weights)


def test_offloading_reads_references_once_and_frames_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = network()
    encoder = counted(monkeypatch, net.reference_encoder, "forward")
    aggregator = counted(monkeypatch, net.aggregator, "forward")
    sampled(net, f=10, chunk=4, offload=True)
    assert len(encoder) == 1
    with_neighbours = [call[0].latent.shape[1] for call in aggregator]
    assert with_neighbours == [5, 6, 3]


@pytest.mark.gpu
@pytest.mark.parametrize("aggregation", ["pose-aware", "concat"])
def test_offloading_changes_nothing_on_a_gpu(aggregation: str) -> None:
    net, slices = network(aggregation=aggregation).cuda(), {"f": 9, "window": 6, "overlap": 2}
    whole, offloaded = (sampled(net, **slices, offload=offload) for offload in (False, True))
    assert whole.frames.is_cuda
    assert not offloaded.frames.is_cuda
    torch.testing.assert_close(offloaded.frames, whole.frames.cpu(), atol=1e-3, rtol=0)


def test_chunks_of_the_codec_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = counted(monkeypatch, CODEC, "decode")
    frames = [sampled(network(), f=3, chunk=chunk).frames for chunk in (1, 8)]
    assert torch.equal(*frames)
    assert [call[1] for call in chunks] == [1, 8]


def test_progress_counts_the_steps() -> None:
    seen: list[tuple[str, int, int]] = []

    def progress(items: Iterable[Any], label: str, total: int) -> Iterable[Any]:
        for done, item in enumerate(items):
            yield item
            seen.append((label, done, total))

    sample(network(), CODEC, references(), drawings(), [0], QUICK, progress)
    assert seen == [("sample", 0, 2), ("sample", 1, 2)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0; allowed: at least 1"),
        ({"chunk": 0}, "chunk is 0"),
        ({"window": 4, "overlap": 4}, "overlap is 4; allowed: less than window 4"),
        ({"shared_noise": 1.5}, "shared_noise is 1.5; allowed: 0 to 1"),
        ({"shared_noise": float("nan")}, "shared_noise is nan"),
        ({"guidance": float("inf")}, "guidance is inf; allowed: 0 or more"),
        ({"window": 17}, "window is 17; this network's motion sees 16 frames"),
        ({"steps": 1001}, "steps is 1001; this network was trained on 1000"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sampled(network(), **changes)


def test_parts_that_do_not_fit_are_refused() -> None:
    net, shown = network(), references()
    with pytest.raises(ValueError, match="1 videos of poses, 1 of references and 2 seeds"):
        sample(net, CODEC, shown, drawings(), [0, 1])
    with pytest.raises(ValueError, match="needed: b f 3 H W"):
        sample(net, CODEC, shown, drawings()[0], [0])
    with pytest.raises(ValueError, match="a side of 30 pixels; this network needs multiples of 4"):
        sample(net, CODEC, shown, drawings()[..., :30, :], [0])


def test_single_reports_the_weights_of_what_it_looked_at() -> None:
    shown = references()
    weights = sampled(network(aggregation="single"), shown=shown).reference_weights
    alone = sampled(network(aggregation="single"), shown=picked(shown, [0])).reference_weights
    assert weights is not None
    assert torch.equal(weights, alone)
