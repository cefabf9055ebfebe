"""What trunks share: named layers, some of them tapped, and weights that fit to the last key."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.backbones.torchscript import is_torchscript, read_torchscript
from mrfashion.errors import InputRefused

# What torch raises at a file that is none, or is damaged, in its zip format and in the older one.
UNREADABLE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    struct.error,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)


class Trunk(nn.Module):
    """An image network, some of whose layers are compared: b 3 h w => b c h w of each tap."""

    CHANNELS: ClassVar[tuple[int, ...]]  # of each tap
    TAPS: ClassVar[tuple[int, ...]]  # numbers of layers, rising
    DROPPED: ClassVar[tuple[str, ...]] = ()  # keys of the published file of what follows the taps

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """b 3 h w => the taps."""
        taps = []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.TAPS:
                taps.append(x)
        return taps


def convolution(
    channels: int, filters: int, kernel: int, stride: int = 1, padding: int = 0, bias: bool = True
) -> nn.Conv2d:
    """A convolution without values: until loaded it cannot run, and no random number is drawn."""
    return nn.Conv2d(channels, filters, kernel, stride, padding, bias=bias, device="meta")


def read_state(path: Path, under: Sequence[str] = ()) -> dict[str, Tensor]:
    """The tensors of a PyTorch or TorchScript file; it can run no code.

    Some files hold them under one of the keys `under`, beside what training needed. InputRefused
    where the file holds anything else, or what is no number.
    """
    state: object = read_torchscript(path) if is_torchscript(path) else _loaded(path)
    if isinstance(state, dict):
        state = next((state[key] for key in under if key in state), state)
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise InputRefused(f"{path} holds no dict of tensors; needed: a state dict")
    if bad := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise InputRefused(f"{path} holds values that are no numbers in {', '.join(bad)}")
    return {name: tensor.float() for name, tensor in state.items()}


def _loaded(path: Path) -> object:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                    raise ValueError("its members are compressed, which torch never does")
        return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise InputRefused(f"{path} is no PyTorch file of plain tensors: {error}") from None


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Fill every tensor of `module` from `state`; InputRefused unless names and shapes agree.

    A loader that takes what fits leaves the rest random and says nothing (PerceptualSimilarity
    issue 142: such a metric prints numbers all the same).
    """
    try:
        module.load_state_dict(dict(state), strict=True, assign=True)
    except RuntimeError as error:
        raise InputRefused(f"{source}: not the weights of this network: {error}") from None
