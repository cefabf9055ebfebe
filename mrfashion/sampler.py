"""Which item comes when: shuffled epochs, shared out to ranks, resumable in mid-epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from mrfashion.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Draw:
    """Key of an item: all its randomness comes from (seed, epoch, index)."""

    epoch: int
    position: int  # in this rank's share of the epoch
    index: int
    seed: int


class EpochSampler(Sampler[Draw]):
    """Draws of one rank, epoch by epoch.

    The shares of the ranks are disjoint and equally long: with a length that the ranks do not
    divide, the last few of the epoch's order are left out, other ones each epoch if shuffled.

    A DataLoader with workers asks ahead, so what was asked for says nothing of what was trained
    on: call `advance` with the items of each finished step, and `state_dict` resumes after them.
    """

    def __init__(
        self, length: int, seed: int, rank: int = 0, world_size: int = 1, shuffle: bool = True
    ) -> None:
        if not 0 <= rank < world_size <= length:
            raise ValueError(
                f"rank {rank} of {world_size} over {length} items; needed: 0 <= rank < "
                "world_size <= items"
            )
        self.length, self.seed, self.rank = length, seed, rank
        self.world_size, self.shuffle = world_size, shuffle
        self.epoch, self.position = 0, 0

    @property
    def share(self) -> int:
        """Items of a whole epoch on each rank."""
        return self.length // self.world_size

    def __len__(self) -> int:
        """Items left in this epoch."""
        return self.share - self.position

    def __iter__(self) -> Iterator[Draw]:
        epoch, start = self.epoch, self.position
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        mine = order[self.rank : self.share * self.world_size : self.world_size]
        for position in range(start, self.share):
            yield Draw(epoch, position, int(mine[position]), self.seed)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; the epoch it is in goes on where it stands."""
        if epoch != self.epoch:
            self.epoch, self.position = epoch, 0

    def advance(self, items: int) -> None:
        """Count items of this rank as done; past the last one the next epoch begins."""
        if not 0 <= items <= len(self):
            raise ValueError(f"{items} items done; {len(self)} are left in epoch {self.epoch}")
        self.position += items
        if self.position == self.share:
            self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, and what it must match to go on; the same on every rank."""
        return {"epoch": self.epoch, "position": self.position, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where a state stood; ConfigError if it is of other data or another layout."""
        for name, value in self._identity().items():
            if state[name] != value:
                raise ConfigError(
                    f"the saved run has {name} {state[name]!r}, this one {value!r}; resume with "
                    "the same data, seed and number of processes, or start a new run"
                )
        self.epoch, self.position = int(state["epoch"]), int(state["position"])

    def _identity(self) -> dict[str, Any]:
        names = ("length", "seed", "world_size", "shuffle")
        return {name: getattr(self, name) for name in names}
