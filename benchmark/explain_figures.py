"""Pictures of which reference feeds which frame: a strip over time, and maps over the picture."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import write_atomic
from mrfashion.figures import STYLE, printable
from mrfashion.generation import Reference
from mrfashion.letterbox import Placement, letterbox

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = "viridis"  # rises evenly in lightness: read in grey, too
SHOWN_FRAMES, SHOWN_MAPS = 12, 3
DPI = 110
CELL, LABEL, GAP = (192, 144), 36, 8  # of a map, h w; above it; beside it; pixels
OPACITY = 0.65
Image = NDArray[np.uint8]  # h w 3
Maps = Mapping[int, Mapping[int, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A video and what it was made from."""

    title: str
    frames: Mapping[int, Image]  # of those that are drawn
    yaw_deg: NDArray[np.float32]  # f
    references: tuple[Reference, ...]
    weights: NDArray[np.float32]  # f r


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    label: str
    image: Image | None = None


def draw_strip(shown: Shown, path: Path) -> None:
    """Write a PNG: a row a reference, a column a frame, the weight as colour."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        _write_png(path, _strip(shown))


def _strip(shown: Shown) -> Figure:
    from matplotlib.figure import Figure

    picked = evenly(len(shown.weights), SHOWN_FRAMES)
    n = len(shown.references)
    figure = Figure(layout="constrained", figsize=(1.6 + 0.8 * len(picked), 2.2 + 0.9 * n))
    grid = figure.add_gridspec(n + 1, 2 + len(picked), width_ratios=[1, *[1] * len(picked), 0.15])
    figure.suptitle(printable(shown.title, 90))
    for column, index in enumerate(picked, start=1):
        axis = figure.add_subplot(grid[0, column])
        _picture(axis, shown.frames[index], f"{index}\n{degrees(shown.yaw_deg[index])}")
    for row, reference in enumerate(shown.references, start=1):
        axis = figure.add_subplot(grid[row, 0])
        _picture(axis, reference.image, _label(reference))
    heat = figure.add_subplot(grid[1:, 1:-1])
    image = heat.imshow(shown.weights.T, aspect="auto", vmin=0, vmax=1, cmap=COLOURS)
    heat.set_xticks(picked, [str(index) for index in picked])
    heat.set_yticks([])
    heat.set_xlabel("frame")
    figure.colorbar(image, cax=figure.add_subplot(grid[1:, -1]), label="weight")
    return figure


def draw_maps(shown: Shown, maps: Maps, path: Path) -> None:
    """Write a PNG: weights of each reference over the frame, by level, for some frames.

    `maps`: r h w by frame and by pixels to a side of a place; they cover the whole frame.
    """
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        _write_png(path, _maps(shown, maps))


def _maps(shown: Shown, maps: Maps) -> Figure:
    """One picture of all cells: an axis for each would take seconds."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    lines = [[_Cell(""), *(_Cell(_label(r), r.image) for r in shown.references)]]
    for index, levels in maps.items():
        frame = shown.frames[index]
        for stride, weights in sorted(levels.items()):
            first = stride == min(levels)
            own = f"frame {index}\n{degrees(shown.yaw_deg[index])}"
            line = [_Cell(own, frame) if first else _Cell("")]
            for of_one in weights:
                said = f"{stride} px a place\nmean {of_one.mean():.2f}"
                line.append(_Cell(said, overlaid(frame, of_one, colormaps[COLOURS])))
            lines.append(line)
    picture, labels = _mosaic(lines)
    height, width = (side / DPI for side in picture.shape[:2])
    figure = Figure(layout="constrained", figsize=(width + 1, height + 0.5))
    axis = figure.subplots()
    axis.imshow(picture)
    axis.axis("off")
    for x, y, text in labels:
        axis.text(x, y, text, fontsize=7, ha="center", va="bottom")
    figure.suptitle(printable(shown.title, 60))
    figure.colorbar(ScalarMappable(cmap=COLOURS), ax=axis, label="weight", shrink=0.5)
    return figure


def overlaid(frame: Image, weights: NDArray[np.float32], colours: Any) -> Image:
    """Weights h w, which cover the frame, as colour over it in grey."""
    rows, columns = (
        np.arange(side) * cells // side
        for side, cells in zip(frame.shape[:2], weights.shape, strict=True)
    )
    colour = 255 * colours(weights[rows][:, columns])[..., :3]
    grey = frame.mean(axis=2, keepdims=True)
    mixed: Image = (OPACITY * colour + (1 - OPACITY) * grey).round().astype(np.uint8)
    return mixed


def _mosaic(lines: Sequence[Sequence[_Cell]]) -> tuple[Image, list[tuple[float, float, str]]]:
    """A white picture with all cells in equal boxes, and where each label stands above its own."""
    height, width = CELL
    across = max(map(len, lines)) * (width + GAP)
    picture = np.full((len(lines) * (height + LABEL), across, 3), 255, np.uint8)
    labels = []
    for row, line in enumerate(lines):
        for column, cell in enumerate(line):
            top, left = row * (height + LABEL) + LABEL, column * (width + GAP)
            if cell.image is not None:
                inner = picture[top : top + height, left : left + width]
                inner[:] = letterbox(cell.image, CELL)
                labels.append((left + width / 2, top - 3.0, cell.label))
    return picture, labels


def on_frame(weights: NDArray[np.float32], box: Placement) -> NDArray[np.float32]:
    """Weights r h w on the working canvas => r H W in its pixels, where the frame lies."""
    rows, columns = (n // m for n, m in zip(box.canvas, weights.shape[1:], strict=True))
    pixels = weights.repeat(rows, axis=1).repeat(columns, axis=2)
    return pixels[:, box.top : box.top + box.height, box.left : box.left + box.width]


def evenly(frames: int, most: int) -> list[int]:
    """At most `most` frame numbers from the first to the last."""
    return sorted({round(x) for x in np.linspace(0, frames - 1, min(frames, most)).tolist()})


def degrees(yaw_deg: float | None) -> str:
    """A yaw in words."""
    return "?" if yaw_deg is None or math.isnan(yaw_deg) else f"{yaw_deg:+.0f}°"


def _label(reference: Reference) -> str:
    return f"{reference.view or 'no view'}\n{degrees(reference.yaw_deg)}"


def _picture(axis: Axes, image: Image, title: str) -> None:
    axis.imshow(image)
    axis.set_title(title, fontsize=7)
    axis.axis("off")


def _write_png(path: Path, figure: Figure) -> None:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    write_atomic(path, data.getvalue())
