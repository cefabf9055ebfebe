"""The same number from the same input, every time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_launching = Lock()


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """On CUDA: full float32, the same algorithm each time. The settings are global: one at a time.

    TF32, PyTorch's default for convolutions, gives another number: by up to 7e-5 of it on an H200;
    training may have turned it on for products too.
    """
    if device.type != "cuda":
        yield
        return
    with _launching, torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        products = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(products)
