"""The studio behind the person: a wall, a floor, soft contact shadows. Drawn anew per clip."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mrfashion.sources.turntable.identity import Colour, Dice, hsv


@dataclass(frozen=True, slots=True)
class Backdrop:
    """Colours in levels; `horizon` is where wall meets floor, as a share of the height."""

    wall_top: Colour
    wall_foot: Colour
    floor_far: Colour
    floor_near: Colour
    horizon: float
    vignette: float
    shadow: float
    light: tuple[float, float, float]  # unit, towards the light: right, down, to the camera


def draw_backdrop(dice: Dice) -> Backdrop:
    hue, tint = dice.uniform(0, 1), dice.uniform(0.02, 0.12)
    value = dice.uniform(0.62, 0.93)

    def shade(factor: float) -> Colour:
        return hsv(hue, tint, min(1.0, value * factor))

    floor = dice.uniform(0.82, 1.0)
    side, height = dice.uniform(-0.55, 0.55), dice.uniform(0.45, 0.7)
    norm = (side * side + height * height + 0.64) ** 0.5
    return Backdrop(
        wall_top=shade(dice.uniform(0.9, 1.04)),
        wall_foot=shade(1.0),
        floor_far=shade(floor),
        floor_near=shade(floor * dice.uniform(0.88, 1.02)),
        horizon=dice.uniform(0.78, 0.88),
        vignette=dice.uniform(0.02, 0.12),
        shadow=dice.uniform(0.25, 0.45),
        light=(side / norm, -height / norm, 0.8 / norm),
    )


def paint_backdrops(
    backdrops: list[Backdrop], clip: Tensor, shadows: Tensor, size: tuple[int, int]
) -> Tensor:
    """Backgrounds with shadows: float32 (n, h, w, 3) on the device of `shadows`.

    `clip` (n) names the backdrop of each frame; `shadows` (n, 2, 4) holds the centre and the
    half axes, in pixels, of the dark ellipse under each foot.
    """
    height, width = size
    device = shadows.device
    table = torch.tensor(
        [[b.wall_top, b.wall_foot, b.floor_far, b.floor_near] for b in backdrops]
    ).to(device)[clip]  # n 4 3
    numbers = torch.tensor([[b.horizon, b.vignette, b.shadow] for b in backdrops]).to(device)
    horizon, vignette, shadow = numbers[clip].unbind(1)
    y = (torch.arange(height, device=device) + 0.5) / height
    x = ((torch.arange(width, device=device) + 0.5) / width * 2 - 1)[None, None]
    line = horizon[:, None]
    up, down = (y / line).clamp(0, 1), ((y - line) / (1 - line)).clamp(0, 1)
    wall = table[:, 0, None] + (table[:, 1] - table[:, 0])[:, None] * up[..., None]
    floor = table[:, 2, None] + (table[:, 3] - table[:, 2])[:, None] * down[..., None]
    soft = ((y - line) * 40 + 0.5).clamp(0, 1)[..., None]
    rows = wall + (floor - wall) * soft  # n h 3
    shade = 1 - vignette[:, None, None] * (x * x)
    return rows[:, :, None] * (shade * (1 - _shadow(shadows, shadow, size)))[..., None]


def _shadow(shadows: Tensor, strength: Tensor, size: tuple[int, int]) -> Tensor:
    """Darkening in 0..strength: (n, h, w)."""
    height, width = size
    y = torch.arange(height, device=shadows.device, dtype=torch.float32)
    x = torch.arange(width, device=shadows.device, dtype=torch.float32)
    light = torch.ones((), device=shadows.device)
    for foot in shadows.unbind(1):
        dx = (x - foot[:, 0:1]) / foot[:, 2:3]
        dy = (y - foot[:, 1:2]) / foot[:, 3:4]
        falloff = (1 - (dx * dx)[:, None] - (dy * dy)[:, :, None]).clamp(min=0)
        light = light * (1 - strength[:, None, None] * (falloff * falloff))
    return 1 - light
