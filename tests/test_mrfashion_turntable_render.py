"""Rendered frames: the same from a seed, alone or in a batch, at any size, whole in the frame."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.sources.turntable.backdrop import paint_backdrops
from mrfashion.sources.turntable.clips import MOTIONS
from mrfashion.sources.turntable.motion import sample_motion
from mrfashion.sources.turntable.pose import Clip
from mrfashion.sources.turntable.renderer import Footage, render, render_batch
from mrfashion.sources.turntable.stage import set_stage
from mrfashion.sources.turntable.texture import sample_identity

CPU = torch.device("cpu")


def clip(seed: int, frames: int = 4, **options: bool) -> Clip:
    kind = MOTIONS[seed % len(MOTIONS)]
    return sample_identity(seed, **options), sample_motion(seed, frames, 8, kind)


def same(one: Footage, other: Footage) -> bool:
    names = ("frames", "mask", "yaw_deg", "flow", "flow_valid", "parts")
    equal = all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)
    return equal and torch.allclose(one.keypoints, other.keypoints, rtol=0, atol=0, equal_nan=True)


def test_a_seed_decides_every_bit() -> None:
    assert same(render(*clip(1)), render(*clip(1)))


def test_a_batch_equals_its_clips_rendered_alone() -> None:
    clips = [clip(seed, frames) for seed, frames in ((0, 3), (1, 5), (2, 1), (0, 3))]
    for alone, batched in zip((render(*c) for c in clips), render_batch(clips), strict=True):
        assert same(alone, batched)


def test_windows_change_nothing() -> None:
    clips = [clip(seed, 1) for seed in range(4)]
    for one, other in zip(render_batch(clips), render_batch(clips, windows=False), strict=True):
        assert same(one, other)


def test_leaving_out_flow_changes_nothing_else() -> None:
    bare, full = render(*clip(3), flow=False), render(*clip(3))
    assert bare.flow is None
    assert bare.parts is None
    assert torch.equal(bare.frames, full.frames)
    assert torch.equal(bare.keypoints.nan_to_num(-1), full.keypoints.nan_to_num(-1))


@pytest.mark.parametrize("size", [(63, 47), (256, 192), (96, 160), (40, 17), (8, 8)])
def test_any_size_gives_whole_labels(size: tuple[int, int]) -> None:
    footage = render(*clip(5, 3), size)
    height, width = size
    assert footage.frames.shape == (3, height, width, 3)
    assert footage.frames.dtype == torch.uint8
    assert footage.keypoints.shape == (3, 133, 3)
    assert footage.mask.shape == (3, height, width)
    assert footage.flow is not None
    assert footage.flow.shape == (2, height, width, 2)
    assert not footage.flow[~footage.mask[:-1]].any()


def test_a_single_frame_has_no_flow() -> None:
    footage = render(*clip(6, 1))
    assert footage.flow is not None
    assert footage.flow.shape == (0, 128, 96, 2)


@pytest.mark.parametrize("supersample", [1, 3])
def test_other_sample_densities_agree(supersample: int) -> None:
    coarse = render(*clip(4, 1), supersample=supersample).frames.float()
    fine = render(*clip(4, 1), supersample=4).frames.float()
    assert (coarse - fine).abs().mean() < 3


def test_the_mask_is_where_the_person_changes_the_backdrop() -> None:
    identity, motion = clip(2, 3)
    footage = render(identity, motion)
    stage = set_stage([(identity, motion)], (128, 96), CPU)
    bare = paint_backdrops([motion.backdrop], stage.clip, stage.shadows, (128, 96))
    differs = (footage.frames.float() - bare).abs().amax(-1) > 1
    assert not (differs & ~footage.mask).any()
    assert (differs & footage.mask).sum() / footage.mask.sum() > 0.99


def test_the_person_is_large_and_whole() -> None:
    for seed in range(8):
        mask = render(*clip(seed, 6), flow=False).mask
        rows = torch.nonzero(mask.any(2).any(0)).flatten()
        height = (rows[-1] - rows[0] + 1).item() / 128
        assert 0.80 <= height <= 0.94
        assert not mask[:, [0, -1]].any()
        assert not mask[:, :, [0, -1]].any()


def test_lettering_changes_the_pixels() -> None:
    motion = sample_motion(1, 1, 8, "pose")
    motion.euler[:, 0, 1] = 0.0  # face the camera
    plain = render(sample_identity(9, lettering=False), motion).frames.int()
    lettered = render(sample_identity(9, lettering=True), motion).frames.int()
    assert ((plain - lettered).abs().amax(-1) > 20).sum() > 15


def test_a_loose_hem_swings_and_a_tight_one_does_not() -> None:
    from dataclasses import replace

    loose = sample_identity(11, loose_hem=True)
    tight = replace(loose, loose_hem=False)
    motion = sample_motion(4, 8, 8, "turn")
    still = replace(motion, hem=torch.zeros_like(motion.hem))
    swinging, hanging = render(loose, motion).mask, render(loose, still).mask
    assert (swinging ^ hanging).sum() > 40
    assert torch.equal(render(tight, motion).mask, render(tight, still).mask)


def test_front_back_and_sides_look_different() -> None:
    identity, motion = sample_identity(13), sample_motion(13, 4, 8, "pose")
    motion.euler[:, 0, 1] = torch.tensor([0.0, torch.pi / 2, torch.pi, -torch.pi / 2])
    footage = render(identity, motion)
    assert footage.parts is not None
    trunk = (footage.parts >= 7) & (footage.parts <= 9)
    colours = [footage.frames[i][trunk[i]].float().mean(0) for i in range(4)]
    for i, j in ((0, 2), (1, 3)):
        assert (colours[i] - colours[j]).abs().max() > 15


def test_arrays_are_what_a_sidecar_stores() -> None:
    footage = render(*clip(1, 3))
    recording = footage.numpy()
    assert recording.frames.dtype == np.uint8
    assert recording.flow is not None
    assert footage.flow_valid is not None
    assert np.array_equal(~np.isnan(recording.flow[..., 0]), footage.flow_valid.numpy())


def test_wrong_requests_say_what_to_give() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        render(*clip(0), (4, 96))
    with pytest.raises(ValueError, match="choose one of turn"):
        sample_motion(0, 4, 8, "jump")
    with pytest.raises(ValueError, match="at least 1"):
        sample_motion(0, 0, 8)


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    height=st.integers(24, 90),
    width=st.integers(24, 90),
    kind=st.sampled_from(MOTIONS),
    frames=st.integers(1, 4),
)
def test_any_clip_is_whole_in_the_frame_with_legal_values(
    seed: int, height: int, width: int, kind: str, frames: int
) -> None:
    motion = sample_motion(seed, frames, 6, kind)
    footage = render(sample_identity(seed), motion, (height, width))
    joints = footage.keypoints[:, :23]
    assert torch.isfinite(joints).all()
    assert ((joints[..., 0] > -0.5) & (joints[..., 0] < width - 0.5)).all()
    assert ((joints[..., 1] > -0.5) & (joints[..., 1] < height - 0.5)).all()
    assert torch.isin(joints[..., 2], torch.tensor([0.2, 1.0])).all()
    assert footage.keypoints[:, 23:, :2].isnan().all()
    assert not footage.keypoints[:, 23:, 2].any()
    assert ((footage.yaw_deg > -180) & (footage.yaw_deg <= 180)).all()
    assert footage.flow is not None
    assert torch.isfinite(footage.flow).all()
    assert footage.mask.any(2).any(1).all()


@pytest.mark.gpu
def test_the_gpu_draws_the_same_pixels() -> None:
    clips = [clip(seed, 12) for seed in range(8)]
    for one, other in zip(render_batch(clips), render_batch(clips, device="cuda"), strict=True):
        apart = (one.frames.int() - other.frames.cpu().int()).abs().amax(-1)
        assert (apart <= 1).float().mean() >= 0.999
        assert torch.equal(one.yaw_deg, other.yaw_deg.cpu())
        assert (one.keypoints - other.keypoints.cpu()).abs().nan_to_num(0)[..., :2].max() < 1e-3


@pytest.mark.gpu
def test_the_gpu_repeats_itself_exactly() -> None:
    clips = [clip(seed, 6) for seed in range(3)]
    pairs = zip(render_batch(clips, device="cuda"), render_batch(clips, device="cuda"), strict=True)
    assert all(same(one, other) for one, other in pairs)
