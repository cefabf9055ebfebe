"""ProFashion as a whole: the properties of SPEC 5, on a network whose zero starts are awake."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor

from model.config import Aggregation
from model.diffusion import ddim_scheduler, velocity_loss
from model.keypoint_flow import flow_loss
from model.motion import FrameNorm
from model.profashion import ProFashion
from model.reference_encoder import References
from tests.tiny_networks import (
    H,
    W,
    drawings,
    keypoints,
    latents,
    network,
    picked,
    references,
    tiny,
)

AGGREGATIONS: tuple[Aggregation, ...] = get_args(Aggregation)
MIXES = [*((a, "none") for a in AGGREGATIONS), ("pose-aware", "token-attention")]


@torch.no_grad()
def velocity(net: ProFashion, shown: References, f: int = 2) -> Tensor:
    b = len(shown.images)
    noisy, poses = latents(1, f).expand(b, -1, -1, -1, -1), drawings(1, f).expand(b, -1, -1, -1, -1)
    return net(noisy, torch.full((b,), 500), poses, shown).velocity


@pytest.mark.parametrize(("aggregation", "alignment"), [m for m in MIXES if m[0] != "single"])
def test_the_order_of_references_changes_nothing(aggregation: str, alignment: str) -> None:
    net, shown = network(aggregation=aggregation, alignment=alignment), references()
    first = velocity(net, shown)
    torch.testing.assert_close(velocity(net, picked(shown, [2, 0, 1])), first, atol=1e-5, rtol=0)
    assert not torch.allclose(velocity(net, picked(shown, [2, 0, 0])), first, atol=1e-4)


def test_single_reads_the_first_reference_alone() -> None:
    net, shown = network(aggregation="single"), references()
    assert torch.equal(velocity(net, shown), velocity(net, picked(shown, [0, 2, 2])))
    assert not torch.allclose(velocity(net, shown), velocity(net, picked(shown, [1, 0, 2])))


@pytest.mark.parametrize(("aggregation", "alignment"), MIXES)
def test_masked_padding_changes_nothing(aggregation: str, alignment: str) -> None:
    net, shown = network(aggregation=aggregation, alignment=alignment), references()
    padded = picked(shown, [0, 1, 2], torch.tensor([[True, True, False]]))
    plain = velocity(net, picked(shown, [0, 1]))
    torch.testing.assert_close(velocity(net, padded), plain, atol=1e-5, rtol=0)


@pytest.mark.parametrize("aggregation", [a for a in AGGREGATIONS if a != "concat"])
def test_identical_references_equal_one(aggregation: str) -> None:
    net, shown = network(aggregation=aggregation), references()
    many, one = (velocity(net, picked(shown, order)) for order in ([1, 1, 1], [1]))
    torch.testing.assert_close(many, one, atol=1e-5, rtol=0)


def test_all_aggregations_agree_on_one_reference() -> None:
    teacher = network(aggregation="pose-aware")
    expected = velocity(teacher, references(r=1))
    for aggregation in AGGREGATIONS:
        twin = ProFashion(tiny(aggregation=aggregation)).eval()
        lacking = twin.load_state_dict(teacher.state_dict(), strict=False)
        assert not lacking.missing_keys
        scoring = ("aggregator.", "pose_encoder.pyramid.")
        assert all(name.startswith(scoring) for name in lacking.unexpected_keys)
        torch.testing.assert_close(velocity(twin, references(r=1)), expected, atol=1e-5, rtol=0)


def test_one_network_takes_one_to_eight_references() -> None:
    net, shown = network(), references(r=8)
    outputs = [velocity(net, picked(shown, list(range(r)))) for r in range(1, 9)]
    assert all(torch.isfinite(output).all() for output in outputs)
    assert not any(torch.allclose(a, b, atol=1e-5) for a, b in pairwise(outputs))


def stock(net: ProFashion, kind: type[UNetMotionModel | UNet2DConditionModel]) -> torch.nn.Module:
    """A U-Net of diffusers, untouched, with the denoiser's weights."""
    ours, config = net.instantiator.unet, net.config.unet
    kinds = {"Motion": UNetMotionModel, "2D": UNet2DConditionModel}
    suffix = next(name for name, cls in kinds.items() if cls is kind)
    unet = kind(
        in_channels=12,
        out_channels=12,
        block_out_channels=config.channels,
        layers_per_block=config.layers,
        norm_num_groups=config.groups,
        cross_attention_dim=config.context,
        down_block_types=(f"CrossAttnDownBlock{suffix}",) * 2,
        up_block_types=(f"CrossAttnUpBlock{suffix}",) * 2,
        **{"num_attention_heads" if suffix == "Motion" else "attention_head_dim": config.heads},
        **(
            {"motion_num_attention_heads": 2, "motion_max_seq_length": 16}
            if suffix == "Motion"
            else {}
        ),
    )
    names = unet.state_dict().keys()
    unet.load_state_dict({n: t for n, t in ours.state_dict().items() if n in names}, strict=True)
    return unet.eval()


@torch.no_grad()
def test_without_references_the_zero_starts_leave_the_stock_output() -> None:
    net, noisy = network(awake=False), latents(f=3)
    told = net.condition(drawings(f=3), references()).null()
    ours = net.denoise(noisy, 500, told)
    token = torch.zeros(3, 1, net.config.unet.context)
    motion = stock(net, UNetMotionModel)(noisy.movedim(1, 2), 500, token).sample.movedim(1, 2)
    assert torch.equal(ours, motion)
    frames = stock(net, UNet2DConditionModel)(noisy[0], 500, token).sample
    torch.testing.assert_close(ours[0], frames, atol=1e-6, rtol=0)  # memory lies another way
    shown = net.denoise(noisy, 500, net.condition(drawings(f=3), references()))
    assert not torch.allclose(ours, shown, atol=1e-3)


@pytest.mark.parametrize("aggregation", ["pose-aware", "concat"])
def test_a_sample_without_references_is_the_null_of_guidance(aggregation: str) -> None:
    net, shown = network(aggregation=aggregation), references(b=2)
    shown = replace(shown, valid=torch.tensor([[True] * 3, [False] * 3]))
    with torch.no_grad():
        told = net.condition(drawings(b=2), shown)
        both = net.denoise(latents(b=2), 500, told)
        null = net.denoise(latents(b=2), 500, told.null())
    torch.testing.assert_close(both[1], null[1], atol=1e-5, rtol=0)
    assert not torch.allclose(both[0], null[0], atol=1e-4)


def test_samples_of_a_batch_do_not_meet() -> None:
    net, shown = network(), references(b=3)
    together = velocity(net, shown)
    apart = [velocity(net, replace_batch(shown, i))[0] for i in range(3)]
    torch.testing.assert_close(together, torch.stack(apart), atol=1e-5, rtol=0)


def replace_batch(shown: References, index: int) -> References:
    some = slice(index, index + 1)
    return References(shown.images[some], shown.latents[some], shown.drawings[some])


def test_a_window_of_the_conditioning_is_that_of_its_poses() -> None:
    net, poses, shown = network(flow="off"), drawings(f=5), references()
    with torch.no_grad():
        window = net.condition(poses, shown).frames(slice(1, 4))
        alone = net.condition(poses[:, 1:4], shown)
        outputs = [net.denoise(latents(f=3), 500, told) for told in (window, alone)]
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=0)


def test_the_same_input_gives_the_same_bits() -> None:
    net = network()
    assert torch.equal(velocity(net, references()), velocity(net, references()))


def test_reference_weights_are_shares() -> None:
    with torch.no_grad():
        told = network().condition(drawings(f=4), references(b=1, r=5))
    weights = told.prototypes.reference_weights()
    assert weights is not None
    assert weights.shape == (1, 4, 5)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(1, 4))
    assert weights.min() > 0


def test_motion_modules_normalise_each_frame_by_itself() -> None:
    norm, video = FrameNorm(4, 8), torch.randn(2, 8, 3, 4, 5)
    expected = torch.stack(
        [torch.nn.functional.group_norm(video[:, :, i], 4) for i in range(3)], dim=2
    )
    torch.testing.assert_close(norm(video), expected)


@torch.no_grad()
def test_a_lone_frame_has_no_motion() -> None:
    net = network(flow="off")
    told = net.condition(drawings(f=1), references())
    before = net.denoise(latents(f=1), 500, told)
    for name, parameter in net.named_parameters():
        if net.part_of(name) == "motion":
            parameter.normal_()
    assert torch.equal(net.denoise(latents(f=1), 500, told), before)
    both = net.condition(drawings(f=2), references())
    assert not torch.allclose(net.denoise(latents(f=2), 500, both)[:, :1], before, atol=1e-3)


def loss_of(net: ProFashion, f: int) -> Tensor:
    schedule, t = ddim_scheduler(net.config.diffusion), torch.tensor([300, 900])
    clean, noise = latents(2, f, seed=5), latents(2, f, seed=6)
    noisy = schedule.add_noise(clean, noise, t)
    predicted = net(noisy, t, drawings(2, f), references(2, 3))
    loss = velocity_loss(schedule, predicted.velocity, clean, noise, t)
    if net.config.flow == "on" and predicted.conditioning.offsets:
        loss = loss + 0.1 * flow_loss(predicted.conditioning.offsets, keypoints(2, f), (H, W))
    return loss


@pytest.mark.parametrize(
    ("stage", "changes"),
    [
        (1, {}),
        (1, {"similarity": "cosine"}),
        (1, {"similarity": "learned", "alignment": "token-attention"}),
        (1, {"aggregation": "nearest"}),
        (1, {"aggregation": "mean"}),
        (1, {"aggregation": "concat", "flow": "off"}),
        (1, {"aggregation": "single", "flow": "off"}),
        (2, {}),
        (2, {"flow": "unsupervised"}),
        (2, {"flow": "off"}),
        (2, {"aggregation": "mean"}),
    ],
)
def test_three_steps_move_what_a_stage_trains_and_nothing_else(
    stage: int, changes: dict[str, str]
) -> None:
    net = network(awake=False, **changes).train()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    moving = set(net.trainable(stage))
    named = dict(net.named_parameters())
    optimiser = torch.optim.AdamW([named[name] for name in moving], lr=1e-3, weight_decay=0)
    for _ in range(3):
        optimiser.zero_grad()
        loss_of(net, f=1 if stage == 1 else 3).backward()
        optimiser.step()
    moved = {name for name, p in named.items() if not torch.equal(p, before[name])}
    assert moved == moving


def test_every_parameter_has_a_stage() -> None:
    net = network()
    both = [*net.trainable(1), *net.trainable(2)]
    assert sorted(both) == sorted(name for name, _ in net.named_parameters())
    more = set(net.trainable(2, also=("aggregator",))) - set(net.trainable(2))
    assert {name.split(".")[0] for name in more} == {"aggregator"}


def test_gradient_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        net = network().train()
        if checkpointing:
            net.enable_gradient_checkpointing()
        loss_of(net, f=2).backward()
        gradients.append([p.grad for p in net.parameters() if p.grad is not None])
    for plain, saved in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, saved, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_bfloat16_weights_answer_nearly_the_same(aggregation: str) -> None:
    net, shown = network(aggregation=aggregation), references()
    exact = velocity(net, shown)
    half = References(*(t.bfloat16() for t in (shown.images, shown.latents, shown.drawings)))
    with torch.no_grad():
        rough = net.bfloat16()(latents().bfloat16(), 500, drawings().bfloat16(), half).velocity
    assert rough.dtype is torch.bfloat16
    assert (rough.float() - exact).square().mean() < 0.01 * exact.square().mean()


@pytest.mark.parametrize(("aggregation", "alignment"), MIXES)
@torch.no_grad()
def test_frames_apart_equal_frames_alone(aggregation: str, alignment: str) -> None:
    net, poses = network(aggregation=aggregation, alignment=alignment), drawings(2, 3)
    valid = torch.tensor([[True, True, False], [True, False, False]])
    shown, times = picked(references(b=2), [0, 1, 2], valid), torch.arange(100, 700, 100)
    noisy = latents(2, 3)
    whole = net(noisy.reshape(6, 1, *noisy.shape[2:]), times, poses, shown, apart=True)
    assert not whole.conditioning.offsets
    for f in range(3):
        alone = net(noisy[:, f : f + 1], times[[f, 3 + f]], poses[:, f : f + 1], shown)
        together = whole.velocity[[f, 3 + f]]
        torch.testing.assert_close(together, alone.velocity, atol=1e-5, rtol=0)
