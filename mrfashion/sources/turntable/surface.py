"""What is found at the samples the z-buffer kept: colour under light, and motion."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mrfashion.sources.turntable.raster import PART_BITS
from mrfashion.sources.turntable.stage import Coef, Stage
from mrfashion.sources.turntable.texture import COLUMNS, ROWS, SPAN

AMBIENT, DIFFUSE, RIM = 0.56, 0.5, 0.28


@dataclass(frozen=True, slots=True)
class Hits:
    """Foreground samples, m of them, with their exact place on the surface."""

    frame: Tensor  # m, int64, within the stage
    row: Tensor  # m, int64
    column: Tensor
    part: Tensor  # m, int64
    dx: Tensor  # m, from the part's centre
    dy: Tensor
    depth: Tensor  # m, from the part's centre
    normal: Tensor  # 3 m, not normalised, image axes with depth in stage units
    squash: Tensor  # m, stage units per pixel of depth


def find_hits(stage: Stage, frames: slice, keys: Tensor, density: int) -> tuple[Hits, Tensor]:
    """Solve the kept samples again, exactly; also their coefficients (COEFS, m)."""
    frame, row, column = keys.nonzero(as_tuple=True)
    part = (keys[frame, row, column] & PART_BITS).long()
    frame = frame + frames.start
    table = stage.coef.flatten(1)
    c = table.index_select(1, frame * stage.coef.shape[2] + part)
    dx = (column + 0.5) / density - 0.5 - c[Coef.CX]
    dy = (row + 0.5) / density - 0.5 - c[Coef.CY]
    square = (c[Coef.XX] * dx + c[Coef.X]) * dx + c[Coef.ONE]
    square = (c[Coef.XY] * dy) * dx + square + (c[Coef.YY] * dy + c[Coef.Y]) * dy
    root = square.clamp(min=0).sqrt()
    depth = root + (c[Coef.ZX] * dx + c[Coef.Z1]) + c[Coef.ZY] * dy
    slope_x = c[Coef.XX] * dx + 0.5 * (c[Coef.XY] * dy + c[Coef.X])
    slope_y = c[Coef.YY] * dy + 0.5 * (c[Coef.XY] * dx + c[Coef.Y])
    normal = torch.stack((-(c[Coef.ZX] * root + slope_x), -(c[Coef.ZY] * root + slope_y), root))
    squash = stage.squash[frame]
    return Hits(frame, row, column, part, dx, dy, depth, normal, squash), c


def paint(stage: Stage, hits: Hits, c: Tensor, atlas: Tensor, lights: Tensor) -> Tensor:
    """Lit colours of the samples: float32 (3, m) in levels."""
    x, down, z = (
        c[Coef.CHART + i]
        + c[Coef.CHART_MAP + 3 * i] * hits.dx
        + c[Coef.CHART_MAP + 3 * i + 1] * hits.dy
        + c[Coef.CHART_MAP + 3 * i + 2] * hits.depth
        for i in range(3)
    )
    sideways = x.abs() > z.abs()
    panel = torch.where(sideways, torch.where(x > 0, 3, 1), torch.where(z > 0, 0, 2))
    # To the viewer's right: +x on the front, -x on the back, +z on the right, -z on the left.
    across = torch.where(sideways, torch.where(x > 0, -z, z), torch.where(z > 0, x, -x))
    column = ((across * (0.5 / SPAN) + 0.5) * COLUMNS).clamp(0, COLUMNS - 1).long()
    row = (down * ROWS).clamp(0, ROWS - 1).long()
    sheet = stage.sheet.flatten()[hits.frame * stage.sheet.shape[1] + hits.part]
    texel = ((sheet * 4 + panel) * ROWS + row) * COLUMNS + column
    colour = atlas.index_select(0, texel).T.float()
    return colour * _light(hits, lights[:, hits.frame])


def _light(hits: Hits, light: Tensor) -> Tensor:
    """Lambert over ambient, falling off where the surface turns away from the camera."""
    nx, ny, nz = hits.normal.unbind(0)
    nz = nz * hits.squash
    length = (nx * nx + ny * ny + nz * nz).clamp(min=1e-30).sqrt()
    lit = ((nx * light[0] + ny * light[1] + nz * light[2]) / length).clamp(min=0)
    edge = 1 - nz / length
    return AMBIENT + DIFFUSE * lit - RIM * (edge * edge)


def advance(stage: Stage, hits: Hits) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where the samples are in the next frame: x, y, depth, and whether they face the camera."""
    table = stage.step.flatten(1)
    s = table.index_select(1, hits.frame * stage.step.shape[2] + hits.part)
    x, y, depth = (
        s[i] + s[3 + 3 * i] * hits.dx + s[4 + 3 * i] * hits.dy + s[5 + 3 * i] * hits.depth
        for i in range(3)
    )
    nx, ny, nz = hits.normal.unbind(0)
    return x, y, depth, s[12] * nx + s[13] * ny + s[14] * nz
