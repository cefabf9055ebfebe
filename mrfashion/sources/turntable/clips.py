"""Which clips a turntable release holds: a config, the plan it stands for, one clip rendered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a config must load without torch, so rendering imports inside functions
    import torch

    from mrfashion.sources.turntable.pose import Clip
    from mrfashion.sources.turntable.renderer import Recording

VERSION = 1  # of the renderer: raised whenever equal plans would give other pixels
MOTIONS = ("turn", "walk", "walk_turn", "pose")  # motion.py knows how each moves


@dataclass(frozen=True, slots=True)
class TurntableConfig:
    """How many garment groups and clips, and how they look; everything else comes from `seed`."""

    groups: int = 8
    clips_per_group: int = 2
    frames: int = 48
    fps: int = 16
    height: int = 256
    width: int = 192
    seed: int = 0
    lettering: float = 0.4  # share of groups with letters on the garment
    loose_hem: float = 0.4  # share of groups with a hem that swings
    flow: bool = True
    motions: tuple[str, ...] = MOTIONS  # dealt to the clips of a group in turn

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {least}")
        for name in ("lettering", "loose_hem"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a share from 0 to 1")
        unknown = [kind for kind in self.motions if kind not in MOTIONS]
        if unknown or not self.motions:
            raise ValueError(
                f"motions is {list(self.motions)}; name at least one of {', '.join(MOTIONS)}"
            )


_LEAST = {
    "groups": 1, "clips_per_group": 1, "frames": 1, "fps": 1, "height": 8, "width": 8, "seed": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClipPlan:
    """One clip to render, named for good: more groups or clips do not change it."""

    name: str
    garment_group: str
    identity_seed: int
    motion_seed: int
    motion: str
    lettering: bool
    loose_hem: bool


def _seed(*words: object) -> int:
    """A 63-bit seed from words; stable over platforms and releases."""
    digest = hashlib.blake2b("/".join(map(str, words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _share(*words: object) -> float:
    return _seed(*words) / 2**63


def clip_plan(config: TurntableConfig) -> list[ClipPlan]:
    """All clips of a release, group by group."""
    return [plan for g in range(config.groups) for plan in group_plan(config, f"g{g:04d}")]


def group_plan(config: TurntableConfig, group: str) -> list[ClipPlan]:
    """The clips of one garment group; its name and the config's seed decide who is filmed."""
    turn = _seed(config.seed, group, "motions") % len(config.motions)
    return [
        ClipPlan(
            name=f"{group}_c{c}",
            garment_group=group,
            identity_seed=_seed(config.seed, group, "identity"),
            motion_seed=_seed(config.seed, group, c, "motion"),
            motion=config.motions[(turn + c) % len(config.motions)],
            lettering=_share(config.seed, group, "lettering") < config.lettering,
            loose_hem=_share(config.seed, group, "hem") < config.loose_hem,
        )
        for c in range(config.clips_per_group)
    ]


def stage_clip(plan: ClipPlan, config: TurntableConfig) -> Clip:
    """Who and how, ready for `render_batch`."""
    from mrfashion.sources.turntable.motion import sample_motion
    from mrfashion.sources.turntable.texture import sample_identity

    identity = sample_identity(
        plan.identity_seed, lettering=plan.lettering, loose_hem=plan.loose_hem
    )
    return identity, sample_motion(plan.motion_seed, config.frames, config.fps, plan.motion)


def render_plan(
    plan: ClipPlan, config: TurntableConfig, device: str | torch.device = "cpu"
) -> Recording:
    """Render one planned clip."""
    from mrfashion.sources.turntable.renderer import render_batch

    size = (config.height, config.width)
    return render_batch([stage_clip(plan, config)], size, device=device, flow=config.flow)[
        0
    ].numpy()
