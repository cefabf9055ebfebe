"""The painted surface of an identity: an atlas of four panels per chart, in body coordinates.

A chart is a piece of the body with an upright axis (torso, one arm, the head); its panels are
front, right, back and left, each a quarter turn wide, seen from outside. The renderer looks a
surface point up by projecting its rest position onto the panel it belongs to.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from mrfashion.sources.turntable.body import CHART, CHARTS, build_body
from mrfashion.sources.turntable.figure import Figure
from mrfashion.sources.turntable.glyphs import SHAPES, text_mask
from mrfashion.sources.turntable.identity import (
    Colour,
    Dice,
    Fabric,
    Identity,
    Print,
    draw_identity,
)
from mrfashion.sources.turntable.threads import single_thread

PANELS = ("front", "right", "back", "left")
PANEL = {name: i for i, name in enumerate(PANELS)}
ROWS, COLUMNS = 160, 80
SPAN = 0.75  # a panel covers this share of the half width to both sides: a bit over sin 45 deg

# Least mean absolute colour difference, in levels, between the rectified torso panels of a pair.
FRONT_BACK_LEAST = 30.0
LEFT_RIGHT_LEAST = 45.0


@dataclass(frozen=True, slots=True)
class PanelDistance:
    """Mean absolute colour difference of opposite torso panels, in levels of 255."""

    front_back: float
    left_right: float


@dataclass(frozen=True, slots=True)
class Grid:
    """Metric coordinates of a panel's texels: x to the viewer's right, y up."""

    x: Tensor  # 1 columns
    y: Tensor  # rows 1


def _grid(identity: Identity, chart: str, panel: int) -> Grid:
    frame = build_body(identity).frame[CHART[chart]].tolist()
    half = SPAN * (frame[2] if panel % 2 == 0 else frame[3])
    column = (torch.arange(COLUMNS) + 0.5) / COLUMNS * 2 - 1
    row = (torch.arange(ROWS) + 0.5) / ROWS
    top, bottom = frame[4], frame[5]
    return Grid((half * column)[None], (top + (bottom - top) * row)[:, None])


def _fill(colour: Colour) -> Tensor:
    return torch.tensor(colour, dtype=torch.float32).expand(ROWS, COLUMNS, 3)


def _lay(below: Tensor, mask: Tensor, above: Tensor) -> Tensor:
    return torch.where(mask.expand(ROWS, COLUMNS)[..., None], above, below)


def _pattern(fabric: Fabric, grid: Grid) -> Tensor:
    u, v = grid.x / fabric.period_m + 64.25, grid.y / fabric.period_m
    across, along = torch.remainder(u, 1.0) < 0.5, torch.remainder(v, 1.0) < 0.5
    if fabric.pattern == "bands":
        return along
    if fabric.pattern == "stripes":
        return across
    if fabric.pattern == "checks":
        return across ^ along
    if fabric.pattern == "diagonal":
        return torch.remainder(u + v, 1.0) < 0.5
    if fabric.pattern == "dots":
        du, dv = torch.remainder(u, 1.0) - 0.5, torch.remainder(v, 1.0) - 0.5
        return du * du + dv * dv < 0.09
    return torch.zeros(ROWS, COLUMNS, dtype=torch.bool)


def _cloth(fabric: Fabric, grid: Grid) -> Tensor:
    return _lay(_fill(fabric.ground), _pattern(fabric, grid), _fill(fabric.accent))


def _print_mask(motif: Print, grid: Grid, centre_y: float) -> Tensor:
    x, y = grid.x.expand(ROWS, COLUMNS), (grid.y - centre_y).expand(ROWS, COLUMNS)
    if motif.text:
        width = 0.068 * len(motif.text)  # three letters just fit between the side panels
        return text_mask(motif.text, x, y, width, 0.125)
    return SHAPES[motif.shape](x / motif.size_m, y / motif.size_m)


def _neckline(identity: Identity, figure: Figure, panel: int, grid: Grid) -> Tensor:
    """Texels of the torso that show skin."""
    base = grid.y > figure.neck_y + 0.032
    if identity.neckline == "high" or panel != PANEL["front"]:
        return base.expand(ROWS, COLUMNS)
    if identity.neckline == "vee":
        return base | (grid.x.abs() < 0.62 * (grid.y - figure.neck_y + 0.125))
    drop = grid.y - figure.neck_y - 0.01
    return base | (grid.x * grid.x + drop * drop < 0.075**2)


def _waistline(identity: Identity, figure: Figure) -> float:
    """Where the top ends and the lower garment begins on the torso."""
    if identity.lower in ("skirt", "dress", "tunic"):
        return figure.hem_top + 0.01
    return figure.hip_y + 0.03


def _fabrics(identity: Identity) -> tuple[Fabric, Fabric, Fabric, Fabric]:
    return (identity.front, identity.right, identity.back, identity.left)


def _lower_fabrics(identity: Identity) -> tuple[Fabric, Fabric, Fabric, Fabric]:
    if identity.lower == "tunic":
        return _fabrics(identity)
    return (
        identity.lower_front,
        identity.lower_right,
        identity.lower_back,
        identity.lower_left,
    )


def _torso(identity: Identity, panel: int) -> Tensor:
    figure, grid = Figure(identity), _grid(identity, "torso", panel)
    paint = _cloth(_fabrics(identity)[panel], grid)
    motif = {0: identity.front_print, 2: identity.back_print}.get(panel)
    centre_y = figure.bust_y - 0.02
    if motif is not None:
        if motif.text:  # on a plain label, or a pattern would drown the letters
            label = (grid.x.abs() < 1.0) & ((grid.y - centre_y).abs() < 0.085)
            paint = _lay(paint, label, _fill(_fabrics(identity)[panel].ground))
        paint = _lay(paint, _print_mask(motif, grid, centre_y), _fill(motif.colour))
    line = _waistline(identity, figure)
    paint = _lay(paint, grid.y < line, _cloth(_lower_fabrics(identity)[panel], grid))
    if identity.lower in ("trousers", "shorts"):
        belt = (grid.y < line) & (grid.y > line - 0.025)
        paint = _lay(paint, belt, _fill((48, 38, 34)))
    return _lay(paint, _neckline(identity, figure, panel, grid), _fill(identity.skin))


def _hem(identity: Identity, panel: int) -> Tensor:
    grid, figure = _grid(identity, "hem", panel), Figure(identity)
    fabric = _lower_fabrics(identity)[panel]
    return _lay(_cloth(fabric, grid), grid.y < figure.hem_bottom + 0.022, _fill(fabric.accent))


def _arm(identity: Identity, chart: str, panel: int) -> Tensor:
    grid, figure = _grid(identity, chart, panel), Figure(identity)
    fabric = identity.left if chart == "l_arm" else identity.right
    end = figure.shoulder_y - 0.535 * identity.sleeve
    if identity.sleeve <= 0:
        end = 9.0
    cuff = _lay(_cloth(fabric, grid), grid.y < end + 0.02, _fill(fabric.accent))
    return _lay(cuff, grid.y < end, _fill(identity.skin))


def _leg(identity: Identity, chart: str, panel: int) -> Tensor:
    grid, figure = _grid(identity, chart, panel), Figure(identity)
    lower = (identity.lower_front, identity.lower_right, identity.lower_back, identity.lower_left)
    outer = PANEL["left"] if chart == "l_leg" else PANEL["right"]
    plain = panel in (0, 2) or (panel == outer and identity.side_stripes)
    paint = _cloth(lower[panel] if plain else lower[0], grid)
    end = {"trousers": 0.0, "tunic": 0.0, "shorts": figure.knee_y + 0.12}.get(identity.lower, 9.0)
    return _lay(paint, grid.y < end, _fill(identity.skin))


def _face(identity: Identity, panel: int) -> Tensor:
    grid, figure = _grid(identity, "head", panel), Figure(identity)
    paint = _fill(identity.skin)
    if panel == PANEL["back"]:
        return _fill(identity.hair)
    if panel != PANEL["front"]:
        return paint
    k = figure.head
    x, y = grid.x.abs() / k, (grid.y - figure.head_y) / k
    eye = ((x - 0.031) / 0.0155) ** 2 + ((y - 0.012) / 0.0105) ** 2 < 1
    iris = ((x - 0.030) / 0.0085) ** 2 + ((y - 0.012) / 0.0105) ** 2 < 1
    brow = ((x - 0.031).abs() < 0.018) & ((y - 0.038 + 9.0 * (x - 0.031) ** 2).abs() < 0.0038)
    lips = (x / 0.025) ** 2 + ((y + 0.058 - 9.0 * x * x) / 0.0085) ** 2 < 1
    paint = _lay(paint, eye, _fill((246, 244, 240)))
    paint = _lay(paint, iris, _fill(identity.eyes))
    paint = _lay(paint, brow, _fill(identity.hair))
    return _lay(paint, lips, _fill(identity.lips))


def _shoes(identity: Identity, panel: int) -> Tensor:
    grid = _grid(identity, "shoes", panel)
    return _lay(_fill(identity.shoes), grid.y < 0.014, _fill((226, 222, 214)))


def _panel(identity: Identity, chart: str, panel: int) -> Tensor:
    if chart == "torso":
        return _torso(identity, panel)
    if chart == "hem":
        return _hem(identity, panel)
    if chart in ("l_arm", "r_arm"):
        return _arm(identity, chart, panel)
    if chart in ("l_leg", "r_leg"):
        return _leg(identity, chart, panel)
    if chart == "head":
        return _face(identity, panel)
    if chart == "shoes":
        return _shoes(identity, panel)
    return _fill(identity.hair if chart == "hair" else identity.skin)


@lru_cache(maxsize=512)
def paint_atlas(identity: Identity) -> Tensor:
    """All panels of an identity: uint8 (charts, 4, ROWS, COLUMNS, 3)."""
    panels = [_panel(identity, chart, panel) for chart in CHARTS for panel in range(4)]
    atlas = torch.stack(panels).round().clamp(0, 255).to(torch.uint8)
    return atlas.view(len(CHARTS), 4, ROWS, COLUMNS, 3)


def torso_panels(identity: Identity) -> Tensor:
    """The rectified front, right, back and left of the top, neck to hem: float (4, rows, c, 3)."""
    figure = Figure(identity)
    panels = torch.stack([_torso(identity, panel) for panel in range(4)])
    y = _grid(identity, "torso", 0).y[:, 0]
    rows = (y < figure.neck_y) & (y > _waistline(identity, figure))
    return panels[:, rows]


def panel_distance(identity: Identity) -> PanelDistance:
    """How far apart opposite sides of the top are; opposite panels are compared as seen."""
    front, right, back, left = torso_panels(identity)
    return PanelDistance(
        front_back=float((front - back).abs().mean()),
        left_right=float((left - right).abs().mean()),
    )


@single_thread()
def sample_identity(
    seed: int, *, lettering: bool | None = None, loose_hem: bool | None = None
) -> Identity:
    """An identity whose opposite panels differ by the stated least; None lets the seed choose."""
    dice = Dice(seed)
    while True:
        identity = draw_identity(seed, dice, lettering, loose_hem)
        distance = panel_distance(identity)
        if distance.front_back >= FRONT_BACK_LEAST and distance.left_right >= LEFT_RIGHT_LEAST:
            return identity
