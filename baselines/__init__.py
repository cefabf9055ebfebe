"""Generators that ProFashion is measured against."""

from collections.abc import Callable

from baselines.animatediff import AnimateDiff
from baselines.nearest import Nearest
from baselines.still import Still
from baselines.wan_animate import WanAnimate
from baselines.wan_vace import WanVace
from baselines.warp import Warp
from baselines.worker import MooreAnimateAnyone, Worker
from mrfashion.generation import Generator

BASELINES: dict[str, Callable[[], Generator]] = {
    "still": Still,
    "nearest": Nearest,
    "warp": Warp,
    "wan-vace": WanVace,
    "wan-animate": WanAnimate,
    "animatediff-controlnet": AnimateDiff,
    "worker": Worker,
    "moore-animate-anyone": MooreAnimateAnyone,
}
