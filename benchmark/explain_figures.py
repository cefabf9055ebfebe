"""Pictures of which reference feeds which frame: a strip over time, and maps over the picture."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import write_atomic
from mrfashion.figures import STYLE, printable
from mrfashion.generation import Reference
from mrfashion.letterbox import Placement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = "viridis"  # rises evenly in lightness: read in grey, too
SHOWN_FRAMES, SHOWN_MAPS = 12, 3
DPI = 110
Maps = Mapping[int, Mapping[int, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A video and what it was made from."""

    title: str
    frames: Mapping[int, NDArray[np.uint8]]  # h w 3, of those that are drawn
    yaw_deg: NDArray[np.float32]  # f
    references: tuple[Reference, ...]
    weights: NDArray[np.float32]  # f r


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
    from matplotlib.figure import Figure

    rows = [(index, stride) for index, levels in maps.items() for stride in sorted(levels)]
    columns = len(shown.references) + 1
    figure = Figure(layout="constrained", figsize=(1.2 + 1.5 * columns, 1 + 1.9 * (len(rows) + 1)))
    axes = figure.subplots(len(rows) + 1, columns, squeeze=False)
    figure.suptitle(printable(shown.title, 60))
    axes[0, 0].axis("off")
    for axis, reference in zip(axes[0, 1:], shown.references, strict=True):
        _picture(axis, reference.image, _label(reference))
    image = None
    for (index, stride), line in zip(rows, axes[1:], strict=True):
        frame = shown.frames[index]
        if stride == min(maps[index]):
            _picture(line[0], frame, f"frame {index}\n{degrees(shown.yaw_deg[index])}")
        else:
            line[0].axis("off")
        for axis, weights in zip(line[1:], maps[index][stride], strict=True):
            image = _overlay(axis, frame, weights)
            axis.set_title(f"{stride} px, mean {weights.mean():.2f}", fontsize=7)
    if image is not None:
        figure.colorbar(image, ax=axes[1:, 1:], label="weight", shrink=0.6)
    return figure


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


def _picture(axis: Axes, image: NDArray[np.uint8], title: str) -> None:
    axis.imshow(image)
    axis.set_title(title, fontsize=7)
    axis.axis("off")


def _overlay(axis: Axes, frame: NDArray[np.uint8], weights: NDArray[np.float32]) -> Any:
    """Weights as colour over the grey frame; both fill the same rectangle."""
    height, width = frame.shape[:2]
    where = (0, width, height, 0)
    axis.imshow(frame.mean(axis=2), cmap="gray", vmin=0, vmax=255, extent=where)
    axis.axis("off")
    return axis.imshow(
        weights, cmap=COLOURS, vmin=0, vmax=1, alpha=0.65, extent=where, interpolation="nearest"
    )


def _write_png(path: Path, figure: Figure) -> None:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=DPI, metadata={"Software": None})
    write_atomic(path, data.getvalue())
