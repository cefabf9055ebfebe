"""Generators that ProFashion is measured against."""

from collections.abc import Callable

from baselines.nearest import Nearest
from baselines.still import Still
from mrfashion.generation import Generator

BASELINES: dict[str, Callable[[], Generator]] = {
    "still": Still,
    "nearest": Nearest,
}
