"""The turntable's labels checked against each other and against what is drawn."""

import numpy as np
import pytest
import torch

from mrfashion.sources.turntable.body import PART, PARTS
from mrfashion.sources.turntable.clips import MOTIONS
from mrfashion.sources.turntable.motion import sample_motion
from mrfashion.sources.turntable.raster import PART_BITS, cast
from mrfashion.sources.turntable.renderer import Footage, render, render_batch
from mrfashion.sources.turntable.skeleton import JOINT, JOINTS, yaw_of
from mrfashion.sources.turntable.stage import Coef, Stage, set_stage
from mrfashion.sources.turntable.surface import find_hits
from mrfashion.sources.turntable.texture import sample_identity

CPU = torch.device("cpu")
FRAMES = 12


@pytest.fixture(scope="module")
def footages() -> list[Footage]:
    """Clips at the default pace: a full turn takes three seconds."""
    clips = []
    for seed in range(len(MOTIONS)):
        motion = sample_motion(seed, 48, 16, MOTIONS[seed])
        clips.append((sample_identity(seed), motion))
    return render_batch(clips)


def pixels(footage: Footage, joint: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Row and column of the pixel each joint falls in."""
    found = (footage.keypoints[:, JOINT[joint], :2] + 0.5).floor().long()
    return found[:, 1], found[:, 0]


# What may be painted at a joint that counts as seen, worked out by name, not by the renderer.
NEAR = {
    "nose": ("head", "nose"),
    "eye": ("head", "nose"),
    "ear": ("ear", "head", "hair"),
    "shoulder": ("deltoid", "upper_arm", "sleeve", "trapezius", "yoke"),
    "elbow": ("upper_arm", "elbow", "forearm", "sleeve"),
    "wrist": ("forearm", "hand"),
    "hip": ("waist", "pelvis", "thigh", "hem", "yoke"),
    "knee": ("thigh", "knee", "shin", "hem"),
    "ankle": ("shin", "ankle", "foot", "hem"),
    "toe": ("foot", "toes", "ankle", "shin"),
    "heel": ("foot", "toes", "ankle", "shin"),
}


def test_seen_joints_lie_on_their_own_limb(footages: list[Footage]) -> None:
    """Stated: on the person in 99 % of the cases, on an adjacent part of their side in 97 %."""
    on_person, on_limb, total = 0, 0, 0
    for footage in footages:
        assert footage.parts is not None
        for joint in JOINTS:
            near = next(names for key, names in NEAR.items() if joint.endswith(key))
            side = joint[:2] if joint[1] == "_" else ""
            row, column = pixels(footage, joint)
            for t in torch.nonzero(footage.keypoints[:, JOINT[joint], 2] == 1).flatten():
                part = int(footage.parts[t, row[t], column[t]])
                total += 1
                on_person += bool(footage.mask[t, row[t], column[t]])
                name = PARTS[part] if part >= 0 else ""
                own = name[:2] == side or name[1:2] != "_"
                on_limb += own and any(word in name for word in near)
    assert total > 2500
    assert on_person / total > 0.99
    assert on_limb / total > 0.97


def test_scores_say_seen_or_hidden(footages: list[Footage]) -> None:
    scores = torch.cat([footage.keypoints[:, :23, 2].flatten() for footage in footages])
    assert torch.isin(scores, torch.tensor([1.0, 0.2])).all()
    hidden = (scores == 0.2).float().mean()
    assert 0.1 < hidden < 0.6


def test_the_face_is_seen_from_the_front_and_hidden_from_behind(footages: list[Footage]) -> None:
    for footage in footages:
        nose = footage.keypoints[:, JOINT["nose"], 2]
        assert (nose[footage.yaw_deg.abs() < 45] == 1).float().mean() > 0.8 or (
            footage.yaw_deg.abs() >= 45
        ).all()
        assert (nose[footage.yaw_deg.abs() > 135] == 0.2).all()


def test_an_arm_behind_the_body_is_hidden() -> None:
    motion = sample_motion(0, 2, 8, "walk")
    motion.euler[:, 0, 1] = torch.tensor([torch.pi / 2, -torch.pi / 2])
    scores = render(sample_identity(0), motion).keypoints[..., 2]
    for joint in ("shoulder", "hip"):
        assert scores[0, JOINT[f"r_{joint}"]] == 1.0
        assert scores[0, JOINT[f"l_{joint}"]] == pytest.approx(0.2)
        assert scores[1, JOINT[f"l_{joint}"]] == 1.0
        assert scores[1, JOINT[f"r_{joint}"]] == pytest.approx(0.2)


def test_yaw_is_the_chest_normal_of_the_joints() -> None:
    """Against the definition, with plain vectors: mean line of shoulders and hips, up, normal."""
    for seed in range(4):
        clip = (sample_identity(seed), sample_motion(seed, FRAMES, 16, MOTIONS[seed % 4]))
        world = set_stage([clip], (128, 96), CPU).world.numpy()
        reported = render(*clip, (32, 24), flow=False).yaw_deg.numpy()
        for joints, yaw in zip(world, reported, strict=True):
            to_left = np.zeros(3)
            for joint in ("shoulder", "hip"):
                to_left += joints[JOINT[f"l_{joint}"]] - joints[JOINT[f"r_{joint}"]]
            normal = np.cross(to_left, [0.0, 1.0, 0.0])
            expected = np.degrees(np.arctan2(normal[0], normal[2]))
            assert abs((yaw - expected + 180) % 360 - 180) < 1e-3


def test_yaw_follows_the_root_up_to_the_twist_of_the_chest() -> None:
    motion = sample_motion(2, FRAMES, 16, "turn")
    yaw = render(sample_identity(2), motion, (32, 24), flow=False).yaw_deg
    root = torch.rad2deg(motion.euler[:, 0, 1])
    assert ((yaw - root + 180) % 360 - 180).abs().max() < 6


def test_yaw_signs() -> None:
    """0 shows the front, +90 faces the right edge with the person's right side to the camera."""
    identity, motion = sample_identity(5), sample_motion(5, 3, 8, "pose")
    motion.euler.zero_()
    motion.euler[:, 0, 1] = torch.tensor([0.0, torch.pi / 2, torch.pi])
    footage = render(identity, motion)
    world = set_stage([(identity, motion)], (128, 96), CPU).world
    assert footage.yaw_deg.tolist() == pytest.approx([0, 90, 180], abs=1e-3)
    x = footage.keypoints[..., 0]
    assert x[0, JOINT["l_shoulder"]] > x[0, JOINT["r_shoulder"]] + 5
    assert x[1, JOINT["nose"]] > (x[1, JOINT["l_ear"]] + x[1, JOINT["r_ear"]]) / 2 + 3
    assert world[1, JOINT["r_shoulder"], 2] > world[1, JOINT["l_shoulder"], 2] + 0.2
    assert x[2, JOINT["l_shoulder"]] < x[2, JOINT["r_shoulder"]] - 5


def test_yaw_wraps_to_the_positive_end() -> None:
    joints = torch.zeros(1, 23, 3, dtype=torch.float64)
    for joint in ("shoulder", "hip"):
        joints[0, JOINT[f"l_{joint}"], 0] = -1.0
        joints[0, JOINT[f"l_{joint}"], 2] = 0.0
    assert yaw_of(joints).item() == 180.0


def sample(image: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Bilinear samples of (f, h, w, c) at pixel positions (f, h, w)."""
    height, width = image.shape[1:3]
    grid = torch.stack((2 * (x + 0.5) / width - 1, 2 * (y + 0.5) / height - 1), -1)
    channels = image.movedim(-1, 1)
    out = torch.nn.functional.grid_sample(channels, grid, align_corners=False)
    return out.movedim(1, -1)


def test_flow_warps_each_frame_to_the_next(footages: list[Footage]) -> None:
    """Stated: median error at most 6 levels, mean at most 10, and 0.65 of what standing still has.

    What is left is light that changes as the surface turns, and patterns finer than a pixel.
    """
    warped, still, valid = [], [], []
    for footage in footages:
        assert footage.flow is not None
        assert footage.flow_valid is not None
        assert footage.parts is not None
        frames, seen = footage.frames.float(), footage.flow_valid
        rows, columns = torch.meshgrid(torch.arange(128), torch.arange(96), indexing="ij")
        found = sample(frames[1:], columns + footage.flow[..., 0], rows + footage.flow[..., 1])
        warped.append((found - frames[:-1]).abs().mean(-1)[seen])
        still.append((frames[1:] - frames[:-1]).abs().mean(-1)[seen])
        valid.append(seen.sum() / (footage.parts[:-1] >= 0).sum())
    errors = torch.cat(warped)
    assert errors.median() <= 6
    assert errors.mean() <= 10
    assert errors.mean() <= 0.65 * torch.cat(still).mean()
    assert min(valid) > 0.9


def test_flow_carries_the_face_onto_the_next_keypoints(footages: list[Footage]) -> None:
    """Eyes and nose lie on the surface, so flow must bring them along: 0.3 px, nearly always."""
    errors = []
    for footage in footages:
        assert footage.flow is not None
        assert footage.flow_valid is not None
        joints = footage.keypoints
        for joint in ("nose", "l_eye", "r_eye"):
            row, column = pixels(footage, joint)
            both = (joints[:-1, JOINT[joint], 2] == 1) & (joints[1:, JOINT[joint], 2] == 1)
            for t in torch.nonzero(both).flatten():
                if footage.flow_valid[t, row[t], column[t]]:
                    there = joints[t, JOINT[joint], :2] + footage.flow[t, row[t], column[t]]
                    errors.append((there - joints[t + 1, JOINT[joint], :2]).norm())
    found = torch.stack(errors)
    assert len(found) > 100
    assert found.median() < 0.05
    assert found.quantile(0.95) < 0.3


def test_flow_lands_on_the_same_point_of_the_body() -> None:
    """Rest coordinates are the same at both ends, read off a raster eight times finer."""
    clip = (sample_identity(1), sample_motion(1, 2, 16, "turn"))
    stage = set_stage([clip], (96, 72), CPU)
    footage = render(*clip, (96, 72))
    assert footage.flow is not None
    assert footage.flow_valid is not None
    density = 8
    coarse, fine = cast(stage, slice(0, 1), 1), cast(stage, slice(1, 2), density)
    valid = footage.flow_valid[0]
    row, column = torch.nonzero(valid, as_tuple=True)
    there = footage.flow[0][valid] + torch.stack((column, row), -1)
    spot = ((there + 0.5) * density).floor().long()
    fine_part = fine[0, spot[:, 1], spot[:, 0]] & PART_BITS
    agree = fine_part == (coarse[0, row, column] & PART_BITS)
    assert agree.float().mean() > 0.95
    here = charts(stage, coarse, 1, 0)[0, row, column]
    next_ = charts(stage, fine, density, 1)[0, spot[:, 1], spot[:, 0]]
    apart = (here - next_)[agree].abs().amax(-1)
    # A limb's chart is 60 mm to the unit and a pixel 20 mm, so 1/16 of it is 0.02 there.
    assert apart.median() < 0.01
    assert apart.quantile(0.95) < 0.06


def charts(stage: Stage, keys: torch.Tensor, density: int, frame: int) -> torch.Tensor:
    """Chart coordinates under every sample: (1, h, w, 3)."""
    hits, c = find_hits(stage, slice(frame, frame + 1), keys, density)
    rows = [
        c[Coef.CHART + i]
        + c[Coef.CHART_MAP + 3 * i] * hits.dx
        + c[Coef.CHART_MAP + 3 * i + 1] * hits.dy
        + c[Coef.CHART_MAP + 3 * i + 2] * hits.depth
        for i in range(3)
    ]
    out = torch.zeros(*keys.shape, 3)
    out[0, hits.row, hits.column] = torch.stack(rows, -1)
    return out


def test_a_still_pose_has_no_flow() -> None:
    from dataclasses import replace

    motion = sample_motion(3, 3, 8, "pose")
    still = replace(
        motion,
        euler=motion.euler[:1].expand(3, -1, -1).clone(),
        hem=torch.zeros_like(motion.hem),
        sway_m=torch.zeros_like(motion.sway_m),
    )
    footage = render(sample_identity(3), still)
    assert footage.flow is not None
    assert footage.flow_valid is not None
    assert footage.parts is not None
    assert footage.flow.abs().max() < 1e-3
    assert torch.equal(footage.frames[0], footage.frames[2])
    assert footage.flow_valid.sum() > 0.98 * (footage.parts[:-1] >= 0).sum()


def test_part_names_are_unique() -> None:
    assert len(PART) == len(PARTS) <= PART_BITS
