"""Generators that ProFashion is measured against."""

from collections.abc import Callable

from baselines.nearest import Nearest
from baselines.still import Still
from baselines.warp import Warp
from baselines.worker import MooreAnimateAnyone, Worker
from mrfashion.generation import Generator

BASELINES: dict[str, Callable[[], Generator]] = {
    "still": Still,
    "nearest": Nearest,
    "warp": Warp,
    "worker": Worker,
    "moore-animate-anyone": MooreAnimateAnyone,
}
