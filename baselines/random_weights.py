"""Networks of published architectures with random weights: for rehearsals, never for results."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch
    from torch import nn

    Network = TypeVar("Network", bound=nn.Module)


def randomised(
    build: Callable[[], Network], device: str, dtype: torch.dtype, seed: int = 0
) -> Network:
    """What `build` makes, on a device, with weights drawn there in `dtype`, from a fixed seed.

    Nothing is held twice: parameters are made without memory first. Those that the published code
    keeps in float32 are float32. Every layer passes signals on: none starts at zero, as trained
    ones do not, so all inputs reach the output.
    """
    import torch
    from accelerate import init_empty_weights

    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # of buffers, as where published weights are loaded
    try:
        with torch.device(device), init_empty_weights(include_buffers=False):
            network = build()
    finally:
        torch.set_default_dtype(usual)
    rng = torch.Generator(device).manual_seed(seed)
    kept = set(getattr(network, "_keep_in_fp32_modules", None) or ())
    for name, parameter in list(network.named_parameters()):
        precise = kept & set(name.split("."))
        value = _drawn(parameter.shape, torch.float32 if precise else dtype, device, rng)
        _put(network, name, value if parameter.ndim > 1 else _flat(name, value))
    return network.requires_grad_(False).eval()


def _drawn(
    shape: torch.Size, dtype: torch.dtype, device: str, rng: torch.Generator
) -> torch.Tensor:
    """Normal values that keep the variance of what they multiply."""
    import torch

    inputs = math.prod(shape[1:]) or 1
    return torch.empty(shape, dtype=dtype, device=device).normal_(
        0, 1 / math.sqrt(inputs), generator=rng
    )


def _flat(name: str, value: torch.Tensor) -> torch.Tensor:
    """Vectors scale (about 1) or shift (about 0)."""
    scales = name.rsplit(".", 1)[-1] in ("weight", "gamma")
    return value.mul_(0.02).add_(1.0 if scales else 0.0)


def _put(network: nn.Module, name: str, value: torch.Tensor) -> None:
    from torch import nn

    owner, _, last = name.rpartition(".")
    setattr(network.get_submodule(owner), last, nn.Parameter(value, requires_grad=False))
