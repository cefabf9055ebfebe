"""Which part is seen where: a z-buffer of integers that hold depth and part number together."""

import torch
from torch import Tensor

from mrfashion.sources.turntable.stage import Coef, Stage

PART_BITS = 63  # low bits of a key: the part; the rest is the float32 pattern of a depth in (1, 2)


def _span(low: Tensor, high: Tensor, samples: int, density: int) -> tuple[Tensor, int]:
    """First sample and number of samples of a window that holds [low, high] in every frame."""
    start = torch.floor((low + 0.5) * density - 0.5).long()
    stop = torch.ceil((high + 0.5) * density - 0.5).long()
    length = min(samples, max(1, int((stop - start).max()) + 1))
    return start.clamp(0, samples - length), length


def cast(stage: Stage, frames: slice, density: int, *, windows: bool = True) -> Tensor:
    """Nearest surface under each sample: int32 keys (n, h * density, w * density), 0 for none.

    Each part is solved only inside a window around its outline, of one size for the chunk;
    `windows=False` solves it everywhere, which is the plain way and gives the same keys.
    """
    device = stage.coef.device
    height, width = (side * density for side in stage.size)
    coef, box, active = stage.coef[:, frames], stage.box[frames], stage.active[frames]
    n = coef.shape[1]
    keys = torch.zeros(n * height * width, dtype=torch.int32, device=device)
    across = torch.arange(width, device=device)
    down = torch.arange(height, device=device)
    base = (torch.arange(n, device=device) * (height * width))[:, None]
    for part in range(coef.shape[2]):
        seen = active[:, part]
        if not bool(seen.any()):
            continue
        left, top, right, bottom = box[:, part].unbind(-1)
        if windows:
            # An idle frame asks for no window; it keeps the others' size.
            right, bottom = torch.where(seen, right, left), torch.where(seen, bottom, top)
            x0, columns = _span(left, right, width, density)
            y0, rows = _span(top, bottom, height, density)
        else:
            x0 = y0 = torch.zeros(n, dtype=torch.int64)
            columns, rows = width, height
        column = x0.to(device)[:, None] + across[:columns]
        row = y0.to(device)[:, None] + down[:rows]
        key = _keys(coef[:, :, part], column, row, density, stage.cut[part]) | part
        key = torch.where(key > PART_BITS, key, 0).flatten()
        index = ((base + row * width)[:, :, None] + column[:, None]).flatten()
        keys[index] = torch.maximum(keys[index], key)
    return keys.view(n, height, width)


def _keys(coef: Tensor, column: Tensor, row: Tensor, density: int, cut: bool) -> Tensor:
    """Keys of one part with the part bits clear, 0 where it is missed: (n, rows, columns)."""
    c = [coef[i, :, None] for i in range(Coef.CHART)]
    dx = (column + 0.5) / density - 0.5 - c[Coef.CX]  # n columns
    dy = (row + 0.5) / density - 0.5 - c[Coef.CY]  # n rows
    in_x = (c[Coef.XX] * dx + c[Coef.X]) * dx + c[Coef.ONE]
    in_y = (c[Coef.YY] * dy + c[Coef.Y]) * dy
    square = (c[Coef.XY] * dy)[:, :, None] * dx[:, None]
    square += in_x[:, None]
    square += in_y[:, :, None]
    hit = square > 0
    depth = square.clamp_(min=0).sqrt_()
    depth += (c[Coef.ZX] * dx + c[Coef.Z1])[:, None]
    depth += (c[Coef.ZY] * dy)[:, :, None]
    if cut:
        along = c[Coef.CUT_Z][..., None] * depth
        along += (c[Coef.CUT_X] * dx + c[Coef.CUT])[:, None]
        along += (c[Coef.CUT_Y] * dy)[:, :, None]
        hit &= (along >= 0) & (along <= 1)
    depth += c[Coef.CZ][..., None]
    return torch.where(hit, depth.view(torch.int32) & ~PART_BITS, 0)


def key_depth(keys: Tensor) -> Tensor:
    """Depth in a key, good to 2^-17 of the unit."""
    return (keys & ~PART_BITS).view(torch.float32)
