"""One of two processes that measure a set together: MEETING-FILE and RANK are its arguments."""

from __future__ import annotations

import sys

import numpy as np
import torch
from numpy.typing import NDArray


def means(clips: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A network for tests: means of the four quarters of a clip, three colours each."""
    b, f, h, w, _ = clips.shape
    quarters = clips.reshape(b, f, 2, h // 2, 2, w // 2, 3).mean((1, 3, 5))
    return quarters.reshape(b, 1, 12).astype(np.float32)


def films() -> tuple[torch.Tensor, torch.Tensor]:
    """12 videos of 20 frames and noisy copies, b f c h w, uint8."""
    random = np.random.default_rng(0)
    target = random.integers(40, 200, (12, 1, 3, 1, 1)) + random.integers(0, 30, (12, 20, 3, 8, 8))
    preds = target + random.integers(-9, 10, target.shape)
    return torch.from_numpy(preds.astype(np.uint8)), torch.from_numpy(target.astype(np.uint8))


def main(meeting: str, rank: int) -> None:
    """Take five or seven of the videos, and print the number of all."""
    from benchmark import set_features
    from benchmark.set_metrics.spec import SetMetric
    from benchmark.training_metrics import SetDistance

    set_features._network = lambda *_: means
    SetMetric.missing = lambda self: None  # type: ignore[method-assign]
    address = f"file://{meeting}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    share = slice(0, 5) if rank == 0 else slice(5, 12)
    metric = SetDistance("fvd")
    metric.update(*(clips[share] for clips in films()))
    print(float(metric.compute()))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
