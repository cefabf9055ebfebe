"""How a clip moves: joint angles over time, the camera's tilt, and the studio of the clip."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mrfashion.sources.turntable.backdrop import Backdrop, draw_backdrop
from mrfashion.sources.turntable.clips import MOTIONS
from mrfashion.sources.turntable.identity import Dice
from mrfashion.sources.turntable.skeleton import BONE, BONES

TAU = 2 * math.pi


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Movement and camera of one clip; angles in radians, see `skeleton.rotations`."""

    kind: str
    fps: int
    euler: Tensor  # f bones 3, float64
    hem: Tensor  # f 3, float64: sideways and forward slope, and twist of a fully loose hem
    sway_m: Tensor  # f, float64
    pitch: float  # camera above the person, looking down by this angle
    fill: float  # share of the frame height the person takes
    backdrop: Backdrop

    @property
    def frames(self) -> int:
        return len(self.euler)


@dataclass(frozen=True, slots=True)
class ArmPose:
    """Targets of one arm in radians: forward swing, away from the body, inward turn, elbow."""

    swing: float
    abduct: float
    inward: float
    elbow: float


# Hands down, on the hip, across the belly, forward, before the chest, out to the side, behind.
ARM_POSES = {
    "down": ArmPose(0.05, 0.14, 0.1, 0.15),
    "hip": ArmPose(-0.25, 0.72, 0.9, 1.75),
    "belly": ArmPose(0.32, 0.16, 1.0, 1.45),
    "forward": ArmPose(0.65, 0.18, 0.35, 0.9),
    "chest": ArmPose(0.55, 0.35, 0.95, 1.95),
    "out": ArmPose(0.1, 0.62, 0.1, 0.5),
    "behind": ArmPose(-0.5, 0.25, -0.25, 0.35),
}


def _wave(dice: Dice, t: Tensor, amplitude: float, slowest_s: float = 4.0) -> Tensor:
    """A smooth wander of two slow sines."""
    total = torch.zeros_like(t)
    for share in (0.65, 0.35):
        period = dice.uniform(0.5, 1.0) * slowest_s
        total = total + share * torch.sin(TAU * (t / period + dice.uniform(0, 1)))
    return amplitude * total


def _ease(x: Tensor) -> Tensor:
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


def _yaw(dice: Dice, t: Tensor, kind: str) -> Tensor:
    """Heading of the root over time, in radians, not wrapped."""
    start = dice.uniform(-math.pi, math.pi)
    direction = 1.0 if dice.chance(0.5) else -1.0
    share = (t - t[0]) / (t[-1] - t[0]).clamp(min=1e-6)
    wobble = dice.uniform(-0.12, 0.12) * torch.sin(TAU * share)
    if kind == "turn":
        return start + direction * TAU * (share + wobble)
    if kind == "walk_turn":
        return start + direction * dice.uniform(2.4, 4.2) * (_ease(share) + wobble)
    if kind == "walk":
        return start + _wave(dice, t, 0.35)
    return start + _wave(dice, t, 0.7)


def _arm(dice: Dice, t: Tensor, names: tuple[str, ...]) -> Tensor:
    """One arm between two poses, there and perhaps back: f 4."""
    one, other = (ARM_POSES[dice.choice(names)] for _ in range(2))
    span = (t[-1] - t[0]).clamp(min=1e-6)
    begin, length = dice.uniform(0, 0.4), dice.uniform(0.35, 0.6)
    blend = _ease(((t - t[0]) / span - begin) / length)[:, None]
    ends = [
        torch.tensor([p.swing, p.abduct, p.inward, p.elbow], dtype=t.dtype) for p in (one, other)
    ]
    pose = ends[0] + (ends[1] - ends[0]) * blend
    drift = [_wave(dice, t, amplitude) for amplitude in (0.08, 0.04, 0.06, 0.08)]
    return pose + torch.stack(drift, 1)


def _gait(dice: Dice, t: Tensor, walking: bool) -> tuple[Tensor, float]:
    """Phase of the step cycle and the stride, which is zero for someone standing."""
    phase = TAU * (t * dice.uniform(0.8, 1.05) + dice.uniform(0, 1))
    return phase, dice.uniform(0.75, 1.0) if walking else 0.0


def _legs(euler: Tensor, phase: Tensor, stride: float, stance: float) -> None:
    for side, s in (("l", 1.0), ("r", -1.0)):
        own = phase if side == "l" else phase + math.pi
        thigh = stride * (0.34 * torch.sin(own) + 0.06)
        # The knee bends most while the leg swings forward, and a little on landing.
        knee = stride * (0.08 + 0.85 * torch.cos(own).clamp(min=0) ** 2) + 0.03
        euler[:, BONE[f"{side}_thigh"], 0] = -thigh
        euler[:, BONE[f"{side}_thigh"], 2] = s * stance
        euler[:, BONE[f"{side}_shin"], 0] = knee
        euler[:, BONE[f"{side}_foot"], 0] = 0.75 * (thigh - knee)
        euler[:, BONE[f"{side}_foot"], 1] = s * 0.12
        euler[:, BONE[f"{side}_foot"], 2] = -s * stance


def _arms(dice: Dice, euler: Tensor, t: Tensor, phase: Tensor, stride: float, kind: str) -> None:
    calm = kind == "walk" and dice.chance(0.6)
    for side, s in (("l", 1.0), ("r", -1.0)):
        arm = _arm(dice, t, ("down",) if calm else tuple(ARM_POSES))
        swing, abduct, inward, elbow = arm.unbind(1)
        own = phase + math.pi if side == "l" else phase
        swing = swing + 0.3 * stride * torch.sin(own)
        elbow = (elbow + 0.15 * stride * (1 + torch.sin(own))).clamp(0.05, 2.2)
        upper = BONE[f"{side}_upper_arm"]
        euler[:, upper, 0] = -swing
        euler[:, upper, 1] = -s * inward
        euler[:, upper, 2] = s * abduct.clamp(min=0.1)
        euler[:, BONE[f"{side}_forearm"], 0] = -elbow


def _hem(yaw: Tensor, phase: Tensor, stride: float, fps: int) -> Tensor:
    """Cloth as a damped spring dragged by the turn and the step: slopes and twist, f 3."""
    rate = torch.gradient(yaw)[0] * fps if len(yaw) > 1 else torch.zeros_like(yaw)
    push = torch.stack(
        (
            0.16 * stride * torch.sin(phase) + 0.05 * rate,
            0.13 * stride * torch.sin(2 * phase + 0.7) - 0.05 * rate.abs(),
            -0.16 * rate,
        ),
        1,
    )
    lag = min(1.0, 5.0 / fps)
    state = [push[0]]
    for target in push[1:]:
        state.append(state[-1] + lag * (target - state[-1]))
    most = torch.tensor([0.18, 0.1, 0.12], dtype=yaw.dtype)
    return torch.stack(state).clamp(-most, most)


def sample_motion(seed: int, frames: int, fps: int = 16, kind: str = "turn") -> Motion:
    """Movement of a clip; the seed decides everything that `kind` leaves open."""
    if kind not in MOTIONS:
        raise ValueError(f"motion kind is {kind!r}; choose one of {', '.join(MOTIONS)}")
    if frames < 1 or fps < 1:
        raise ValueError(f"frames is {frames} and fps {fps}; give at least 1 of each")
    dice = Dice(seed)
    t = torch.arange(frames, dtype=torch.float64) / fps
    yaw = _yaw(dice, t, kind)
    phase, stride = _gait(dice, t, walking=kind in ("walk", "walk_turn"))
    euler = torch.zeros(frames, len(BONES), 3, dtype=torch.float64)
    euler[:, BONE["root"], 1] = yaw
    euler[:, BONE["pelvis"], 2] = 0.03 * stride * torch.cos(phase) + _wave(dice, t, 0.015)
    euler[:, BONE["chest"], 1] = 0.09 * stride * torch.sin(phase) + _wave(dice, t, 0.05)
    euler[:, BONE["chest"], 0] = dice.uniform(-0.01, 0.04) + _wave(dice, t, 0.015)
    euler[:, BONE["head"], 1] = _wave(dice, t, 0.28)
    euler[:, BONE["head"], 0] = dice.uniform(-0.05, 0.08) + _wave(dice, t, 0.05)
    _legs(euler, phase, stride, dice.uniform(0.01, 0.05) if stride else dice.uniform(0.02, 0.1))
    _arms(dice, euler, t, phase, stride, kind)
    sway = 0.015 * stride * torch.cos(phase) + _wave(dice, t, 0.008)
    return Motion(
        kind=kind,
        fps=fps,
        euler=euler,
        hem=_hem(yaw, phase, stride, fps),
        sway_m=sway,
        pitch=dice.uniform(0.05, 0.18),
        fill=dice.uniform(0.86, 0.92),
        backdrop=draw_backdrop(dice),
    )
