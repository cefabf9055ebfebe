"""From a published file to a network without batch normalisation: each tensor is used, once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mrfashion.errors import InputRefused


@dataclass(frozen=True, slots=True)
class NormNames:
    """What a file calls the parts of a batch normalisation, and the epsilon it was made with."""

    eps: float
    scale: str | None = "weight"  # None: the file has none, all are 1
    shift: str = "bias"
    mean: str = "running_mean"
    variance: str = "running_var"


class Published:
    """The tensors of a file, to be taken once each; InputRefused names what does not fit."""

    def __init__(self, state: Mapping[str, Tensor], source: str) -> None:
        self.left, self.source = dict(state), source

    def __contains__(self, key: str) -> bool:
        return key in self.left

    def take(self, key: str) -> Tensor:
        """The tensor of this name."""
        try:
            return self.left.pop(key)
        except KeyError:
            raise InputRefused(
                f"{self.source}: not the weights of this network: no {key}"
            ) from None

    def drop(self, pattern: str) -> None:
        """Pass over what the network does without."""
        self.left = {key: t for key, t in self.left.items() if not re.fullmatch(pattern, key)}

    def rename(self, pattern: str, name: str) -> None:
        """Put `name` for what `pattern` finds in each name."""
        state = {re.sub(pattern, name, key): tensor for key, tensor in self.left.items()}
        if len(state) < len(self.left):
            raise InputRefused(f"{self.source} names a tensor twice")
        self.left = state

    def folded(self, unit: str, convolution: str, norm: str, names: NormNames) -> dict[str, Tensor]:
        """Weight and bias of `unit`: the convolution, scaled and shifted as its norm would."""
        weight = self.take(convolution).double()
        shift, mean, variance = (
            self.take(f"{norm}.{part}").double()
            for part in (names.shift, names.mean, names.variance)
        )
        factor = (variance + names.eps).rsqrt()
        if names.scale:
            factor = factor * self.take(f"{norm}.{names.scale}").double()
        if any(part.shape != weight.shape[:1] for part in (shift, mean, factor)):
            raise InputRefused(
                f"{self.source}: {norm} has not one number a filter of {convolution}"
            )
        if not factor.isfinite().all():
            raise InputRefused(f"{self.source}: {norm} holds variances that are none")
        scaled = weight * factor.view(-1, *[1] * (weight.ndim - 1))
        return {f"{unit}.weight": scaled.float(), f"{unit}.bias": (shift - mean * factor).float()}

    def finish(self) -> None:
        """InputRefused where a tensor was not taken: it is another network's file."""
        if self.left:
            some = ", ".join(list(self.left)[:5])
            raise InputRefused(
                f"{self.source}: not the weights of this network: {len(self.left)} tensors are "
                f"unknown to it, among them {some}"
            )
