"""Keypoint flow: targets, the loss, and attention along offsets against a plain loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from model.keypoint_flow import (
    LIMBS,
    SHARE,
    SUPERVISED,
    TORSO,
    flow_loss,
    flow_targets,
    sample,
    with_places_between,
)
from model.prototype_instantiator import FlowAttention
from tests.tiny_networks import H, W, drawings, keypoints, network, references

FRAME, GRID = (H, W), (8, 6)


def test_still_poses_give_no_flow() -> None:
    still = keypoints(f=1).expand(-1, 4, -1, -1)
    targets = flow_targets(still, FRAME, GRID)
    assert not targets.motion.any()
    assert targets.seen[:, 1:3].all()


def test_motion_is_in_pixels_of_the_grid_to_both_neighbours() -> None:
    moving = keypoints(f=1).repeat(1, 3, 1, 1)
    moving[..., :2] = torch.tensor([10.0, 12.0])
    moving[0, 1, :, 0] += 2  # a frame of 24 to a grid of 6: 4 pixels a place
    moving[0, 2, :, 1] += 8
    targets = flow_targets(moving, FRAME, GRID)
    assert targets.motion[0, 0, 1, 0].tolist() == [0.5, 0.0]
    assert targets.motion[0, 1, 0, 0].tolist() == [-0.5, 0.0]
    assert targets.motion[0, 1, 1, 0].tolist() == [-0.5, 2.0]
    assert not targets.seen[:, 0, 0].any()  # nothing before the first
    assert not targets.seen[:, 2, 1].any()
    assert targets.points[0, 0, 0].tolist() == [10.5 / 4 - 0.5, 12.5 / 4 - 0.5]


def test_a_mirrored_pose_mirrors_its_flow() -> None:
    moving = keypoints(f=3)
    mirrored = moving.clone()
    mirrored[..., 0] = W - 1 - mirrored[..., 0]
    there, back = (flow_targets(each, FRAME, GRID) for each in (moving, mirrored))
    sign = torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(back.motion, there.motion * sign)
    torch.testing.assert_close(back.points[..., 0], GRID[1] - 1 - there.points[..., 0])


@pytest.mark.parametrize("what", ["missing", "doubtful", "outside", "hand"])
def test_only_keypoints_seen_in_both_frames_count(what: str) -> None:
    poses = keypoints(f=3)
    before = flow_targets(poses, FRAME, GRID).seen.sum()
    if what == "missing":
        poses[0, 1, 5] = torch.tensor([math.nan, math.nan, 0.0])
    elif what == "doubtful":
        poses[0, 1, 5, 2] = 0.2
    elif what == "outside":
        poses[0, 1, 5, 0] = -1.0
    else:
        poses[0, 1, 100, 2] = 0.0
    targets = flow_targets(poses, FRAME, GRID)
    assert before - targets.seen.sum() == (0 if what == "hand" else 4)
    assert torch.isfinite(targets.motion).all()
    assert torch.isfinite(flow_loss({0: torch.zeros(1, 3, 2, 2, *GRID)}, poses, FRAME))


def places(poses: Tensor) -> dict[tuple[float, ...], tuple[float, ...]]:
    """Motion of what is seen to move to the second frame, by where it is in the first."""
    targets = with_places_between(flow_targets(poses, FRAME, GRID))
    seen = targets.seen[0, 0, 1]
    found = zip(targets.points[0, 0][seen], targets.motion[0, 0, 1][seen], strict=True)
    return {tuple(at.tolist()): tuple(motion.tolist()) for at, motion in found}


def test_what_lies_on_a_limb_moves_as_its_ends_do() -> None:
    poses = torch.zeros(1, 2, 133, 3)
    upper, lower = LIMBS[0]
    poses[0, :, upper], poses[0, :, lower] = (
        torch.tensor([[1.5, 1.5, 1]]),
        torch.tensor([1, 1, 1.0]),
    )
    poses[0, :, lower, :2] = torch.tensor([[1.5, 17.5], [9.5, 17.5]])
    assert places(poses) == {  # 4 pixels a place
        (0.0, 0.0): (0.0, 0.0),
        (0.0, 1.0): (0.5, 0.0),
        (0.0, 2.0): (1.0, 0.0),
        (0.0, 3.0): (1.5, 0.0),
        (0.0, 4.0): (2.0, 0.0),
    }
    poses[0, 1, lower, 2] = 0.2
    assert places(poses) == {(0.0, 0.0): (0.0, 0.0)}


def test_what_lies_on_the_torso_moves_as_its_corners_do() -> None:
    """Motion that is affine in the place is told exactly everywhere between them."""
    poses = torch.zeros(1, 2, 133, 3)
    corners = torch.tensor([[2.0, 3.0], [18.0, 3.0], [5.0, 27.0], [15.0, 27.0]])
    moved = corners @ torch.tensor([[0.9, 0.1], [-0.1, 0.8]]) + torch.tensor([3.0, 1.0])
    for frame, xy in enumerate((corners, moved)):
        poses[0, frame, TORSO, :2], poses[0, frame, TORSO, 2] = xy, 1.0
    targets = with_places_between(flow_targets(poses, FRAME, GRID))
    points, motion = (
        x[targets.seen[0, 0, 1]] for x in (targets.points[0, 0], targets.motion[0, 0, 1])
    )
    assert len(points) == 4 + 25
    here, there = ((x + 0.5) * 4 - 0.5 for x in (points, points + motion))
    expected = here @ torch.tensor([[0.9, 0.1], [-0.1, 0.8]]) + torch.tensor([3.0, 1.0])
    torch.testing.assert_close(there, expected, atol=1e-4, rtol=0)
    poses[0, 1, TORSO[0], 2] = 0.0  # of the torso the two edges opposite stay
    assert len(places(poses)) == 9


def test_the_places_begin_with_the_joints_themselves() -> None:
    targets = flow_targets(keypoints(b=2, f=3), FRAME, GRID)
    more = with_places_between(targets)
    assert torch.equal(more.points[:, :, :SUPERVISED], targets.points)
    assert torch.equal(more.motion[:, :, :, :SUPERVISED], targets.motion)
    assert torch.equal(more.seen[..., :SUPERVISED], targets.seen)


def test_the_loss_is_nought_at_the_truth_and_else_smooth_l1() -> None:
    poses = keypoints(f=1).repeat(1, 2, 1, 1)
    poses[..., :2] = torch.tensor([8.0, 8.0])
    poses[0, 1, :, 0] += 12  # 3 places
    true = torch.zeros(1, 2, 2, 2, *GRID)
    true[:, 0, 1, 0], true[:, 1, 0, 0] = 3.0, -3.0
    assert flow_loss({0: true}, poses, FRAME) == 0
    assert flow_loss({0: torch.zeros_like(true)}, poses, FRAME) == pytest.approx(3 - SHARE / 2)
    nothing = poses.clone()
    nothing[..., 2] = 0
    assert flow_loss({0: true}, nothing, FRAME) == 0


def by_hand(maps: Tensor, x: float, y: float) -> Tensor:
    """c h w at one place, bilinear, the border going on."""
    _, height, width = maps.shape
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    left, top = min(int(x), width - 2), min(int(y), height - 2)
    a, b = x - left, y - top
    upper = maps[:, top, left] * (1 - a) + maps[:, top, left + 1] * a
    lower = maps[:, top + 1, left] * (1 - a) + maps[:, top + 1, left + 1] * a
    return upper * (1 - b) + lower * b


def test_sampling_equals_a_loop() -> None:
    maps, at = torch.randn(2, 3, 5, 4), torch.rand(2, 6, 2) * 9 - 2
    found = sample(maps, at)
    for n in range(2):
        for i in range(6):
            x, y = at[n, i].tolist()
            torch.testing.assert_close(found[n, :, i], by_hand(maps[n], x, y))


@torch.no_grad()
def test_flow_attention_equals_a_loop() -> None:
    torch.manual_seed(0)
    b, f, h, w, c, heads = 1, 3, 4, 3, 8, 2
    attention = FlowAttention(c, heads)
    attention.to_out.weight.normal_()
    video, offsets = torch.randn(b, f, h * w, c), torch.randn(b, f, 2, 2, h, w)
    found = attention(video, offsets)
    maps = [frame.T.reshape(c, h, w) for frame in video[0]]
    for i in range(f):
        for p in range(h * w):
            y, x = divmod(p, w)
            read = [
                by_hand(maps[g], x + float(dx), y + float(dy))
                for g, (dx, dy) in (
                    (i - 1, offsets[0, i, 0, :, y, x]),
                    (i + 1, offsets[0, i, 1, :, y, x]),
                )
                if 0 <= g < f
            ]
            expected = attend(attention, video[0, i, p], read)
            torch.testing.assert_close(found[0, i, p], expected, atol=1e-5, rtol=1e-4)


def attend(attention: FlowAttention, token: Tensor, read: list[Tensor]) -> Tensor:
    """Multi-head attention of one token over a few others."""
    heads = attention.heads
    query = attention.to_q(token).reshape(heads, -1)
    keys = torch.stack([attention.to_k(other).reshape(heads, -1) for other in read])
    values = torch.stack([attention.to_v(other).reshape(heads, -1) for other in read])
    shares = ((query * keys).sum(-1) / math.sqrt(query.shape[-1])).softmax(dim=0)
    return attention.to_out((shares[..., None] * values).sum(dim=0).flatten())


@torch.no_grad()
def test_a_lone_frame_has_no_flow() -> None:
    attention = FlowAttention(8, 2)
    attention.to_out.weight.normal_()
    assert not attention(torch.randn(2, 1, 6, 8), torch.zeros(2, 1, 2, 2, 3, 2)).any()
    told = network().condition(drawings(f=1), references())
    assert not told.offsets


@torch.no_grad()
def test_offsets_come_for_every_level_and_start_at_zero() -> None:
    told = network(awake=False).condition(drawings(b=2, f=4), references(b=2))
    assert {level: tuple(maps.shape) for level, maps in told.offsets.items()} == {
        0: (2, 4, 2, 2, 16, 12),
        1: (2, 4, 2, 2, 8, 6),
    }
    assert not any(maps.any() for maps in told.offsets.values())
    assert not network(flow="off").condition(drawings(), references()).offsets


@torch.no_grad()
def test_offsets_to_a_neighbour_depend_on_the_two_frames_alone() -> None:
    net, poses = network(), drawings(f=4)
    before = net.condition(poses, references()).offsets[0]
    changed = poses.clone()
    changed[:, 3] = 0
    after = net.condition(changed, references()).offsets[0]
    torch.testing.assert_close(before[:, :2], after[:, :2])
    torch.testing.assert_close(before[:, 2, 0], after[:, 2, 0])
    assert not torch.allclose(before[:, 2, 1], after[:, 2, 1])
