"""A pass of a training step: losses of its inputs, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace

import torch
from torch import Tensor

from model.reference_encoder import References
from model.training_step import Inputs, Losses

LossesOf = Callable[[Inputs], Losses]
Autocast = Callable[[], AbstractContextManager[object]]
WARM_UP = 3  # passes before the recording, in which libraries choose their kernels


class Eager:
    """Kernel by kernel; gradients add up over the passes of a step, each a `share` of it."""

    def __init__(
        self, of: LossesOf, parameters: Sequence[Tensor], autocast: Autocast, share: float = 1.0
    ) -> None:
        self.of, self.parameters, self.autocast, self.share = of, parameters, autocast, share

    def __call__(self, given: Inputs) -> Losses:
        """The losses; gradients are in the parameters' `grad`."""
        with self.autocast():
            found = self.of(given)
        torch.autograd.backward(found.total * self.share, inputs=self.parameters)
        return found


class Recorded:
    """The same kernels, recorded once as a CUDA graph and replayed.

    A small network issues thousands of kernels a step, and a CPU issues them more slowly than a
    large GPU runs them. One pass a step; inputs keep their shapes.
    """

    def __init__(self, eager: Eager) -> None:
        self.eager = eager
        self.graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, given: Inputs) -> Losses:
        """As `Eager`, to rounding; the next call overwrites what this one returns."""
        if self.graph is None:
            self._record(given)
        assert self.graph is not None
        for fixed, new in zip(tensors(self.given), tensors(given), strict=True):
            fixed.copy_(new)
        self.graph.replay()
        for parameter, grad in zip(self.eager.parameters, self.grads, strict=True):
            parameter.grad = grad
        return self.found

    def _record(self, given: Inputs) -> None:
        self.given = held(given)
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                self.eager(self.given)
                self._forget()
        torch.cuda.current_stream().wait_stream(beside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.found = self.eager(self.given)
        self.grads = [parameter.grad for parameter in self.eager.parameters]

    def _forget(self) -> None:
        for parameter in self.eager.parameters:
            parameter.grad = None


def tensors(given: Inputs) -> list[Tensor]:
    """All tensors of a pass, in one order."""
    flat: list[Tensor] = []
    for holder in (given, given.shown):
        values = (getattr(holder, field.name) for field in fields(holder))
        flat += [value for value in values if isinstance(value, Tensor)]
    return flat


def held(given: Inputs) -> Inputs:
    """Copies at addresses of their own."""

    def copied(holder: Inputs | References) -> dict[str, Tensor]:
        values = {field.name: getattr(holder, field.name) for field in fields(holder)}
        return {name: v.clone() for name, v in values.items() if isinstance(v, Tensor)}

    return replace(given, **copied(given), shown=replace(given.shown, **copied(given.shown)))
