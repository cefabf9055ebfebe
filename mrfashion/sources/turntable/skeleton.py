"""Bones, joints and forward kinematics; rest pose stands upright, arms down, facing +z.

Axes of the body: x to the person's left, y up, z to the front, in metres, floor at y = 0.
"""

import torch
from torch import Tensor

BONES = (
    "root", "pelvis", "chest", "head",
    "l_upper_arm", "l_forearm", "r_upper_arm", "r_forearm",
    "l_thigh", "l_shin", "l_foot", "r_thigh", "r_shin", "r_foot",
    "hem_0", "hem_1", "hem_2",
)  # fmt: skip
PARENTS = {
    "pelvis": "root", "chest": "pelvis", "head": "chest",
    "l_upper_arm": "chest", "l_forearm": "l_upper_arm",
    "r_upper_arm": "chest", "r_forearm": "r_upper_arm",
    "l_thigh": "pelvis", "l_shin": "l_thigh", "l_foot": "l_shin",
    "r_thigh": "pelvis", "r_shin": "r_thigh", "r_foot": "r_shin",
    "hem_0": "pelvis", "hem_1": "hem_0", "hem_2": "hem_1",
}  # fmt: skip
BONE = {name: i for i, name in enumerate(BONES)}

# COCO body order, then the six foot points of COCO-WholeBody.
JOINTS = (
    "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow",
    "l_wrist", "r_wrist", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
    "l_big_toe", "l_small_toe", "l_heel", "r_big_toe", "r_small_toe", "r_heel",
)  # fmt: skip
JOINT = {name: i for i, name in enumerate(JOINTS)}
JOINT_BONES = (
    "head", "head", "head", "head", "head", "l_upper_arm", "r_upper_arm",
    "l_forearm", "r_forearm", "l_forearm", "r_forearm",
    "l_thigh", "r_thigh", "l_shin", "r_shin", "l_foot", "r_foot",
    "l_foot", "l_foot", "l_foot", "r_foot", "r_foot", "r_foot",
)  # fmt: skip
FEET = tuple(JOINT[f"{side}_{part}"] for side in "lr" for part in ("big_toe", "small_toe", "heel"))


def compose(one: Tensor, other: Tensor) -> Tensor:
    """Product of (..., 3, 3) and (..., 3, m), term by term.

    A batched matmul may round differently with the batch; this cannot.
    """
    first = one[..., :, 0:1] * other[..., 0:1, :]
    second = one[..., :, 1:2] * other[..., 1:2, :]
    return first + second + one[..., :, 2:3] * other[..., 2:3, :]


def rotations(euler: Tensor) -> Tensor:
    """Matrices Rz Rx Ry of angles about x, y, z in radians: (..., 3) => (..., 3, 3)."""
    (sx, sy, sz), (cx, cy, cz) = torch.sin(euler).unbind(-1), torch.cos(euler).unbind(-1)
    zero, one = torch.zeros_like(sx), torch.ones_like(sx)

    def matrix(*cells: Tensor) -> Tensor:
        return torch.stack(cells, -1).view(*sx.shape, 3, 3)

    about_x = matrix(one, zero, zero, zero, cx, -sx, zero, sx, cx)
    about_y = matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    about_z = matrix(cz, -sz, zero, sz, cz, zero, zero, zero, one)
    return compose(about_z, compose(about_x, about_y))


def chain(local: Tensor, pivots: Tensor) -> tuple[Tensor, Tensor]:
    """World maps of the bones, x => linear x + offset.

    `local` (n, bones, 3, 3) turns each bone about its own pivot (n, bones, 3), both at rest;
    returns linear (n, bones, 3, 3) and offset (n, bones, 3).
    """
    linears: list[Tensor] = []
    offsets: list[Tensor] = []
    for i, name in enumerate(BONES):
        pivot = pivots[:, i, :, None]
        shift = pivot - compose(local[:, i], pivot)
        if name == "root":
            linears.append(local[:, i])
            offsets.append(shift)
            continue
        parent = BONE[PARENTS[name]]
        linears.append(compose(linears[parent], local[:, i]))
        offsets.append(compose(linears[parent], shift) + offsets[parent])
    return torch.stack(linears, 1), torch.stack(offsets, 1).squeeze(-1)


def plant(offset: Tensor, feet: Tensor, sway_m: Tensor) -> Tensor:
    """Stand the lowest foot point on the floor and shift sideways: bone offsets (n, bones, 3)."""
    lift = -feet[..., 1].amin(-1)
    return offset + torch.stack((sway_m, lift, torch.zeros_like(lift)), -1)[:, None]


def yaw_of(joints: Tensor) -> Tensor:
    """Float32 degrees in (-180, 180] of the chest normal of joints (f, 23, 3).

    The normal stands on the mean of the shoulder and hip lines, right to left.
    """
    line = joints[:, JOINT["l_shoulder"]] - joints[:, JOINT["r_shoulder"]]
    line = line + joints[:, JOINT["l_hip"]] - joints[:, JOINT["r_hip"]]
    # The line (x, z) = (cos, -sin) of the yaw; its normal in the floor plane is (sin, cos).
    yaw = torch.rad2deg(torch.atan2(-line[:, 2], line[:, 0])).float()
    return torch.where(yaw <= -180.0, yaw + 360.0, yaw)
