"""What a run looks like while it goes: strips of held-out clips, and curves of its losses."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from einops import rearrange
from torch import Tensor

from model.training_log import Row, series
from model.validation import ALL, Sampled
from mrfashion.artefacts import write_atomic
from mrfashion.figures import GRID, STYLE
from mrfashion.pictures import GAP_PX, Image, write_png
from mrfashion.views import VIEWS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 6  # frames of a clip, spread over it
SCALE_UP_TO = 128  # px: smaller frames are shown larger, by a whole factor
SMOOTH = 50  # points of a curve that each drawn point is the mean of, at most


def strip(made: Sequence[Sampled], clips: int) -> Image:
    """Four rows a clip: references, driving poses, the truth, and what was sampled => h w 3."""
    rows = [row for one in made for n in range(len(one.frames)) for row in _rows(one, n)]
    rows = rows[: 4 * clips]
    width = max(row.shape[1] for row in rows)
    filled = [np.pad(row, ((0, GAP_PX), (0, width - row.shape[1]), (0, 0)), constant_values=255)
              for row in rows]  # fmt: skip
    return np.concatenate(filled)


def write_strip(path: Path, made: Sequence[Sampled], clips: int) -> None:
    """PNG of the first clips."""
    write_png(path, strip(made, clips))


def write_losses(path: Path, losses: Sequence[Row], validation: Sequence[Row]) -> None:
    """PNG: the losses of all stages in turn, smoothed, and validation by view."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullLocator

    starts = _starts(losses)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 4), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        for number, name in enumerate(("diffusion", "flow")):
            for stage, start in starts.items():
                _curve(left, losses, name, stage, start, f"C{2 * number + stage - 1}")
        left.set(title="training losses", xlabel="step", yscale="log")
        left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        left.yaxis.set_major_formatter("{x:g}")  # a power would be drawn as mathematics
        left.yaxis.set_minor_locator(NullLocator())
        for number, view in enumerate((ALL, *VIEWS)):
            rows = [row for row in validation if row["view"] == view]
            if rows:
                _points(right, rows, view, f"C{number}", starts)
        right.set(title="held-out clips, PSNR (person where known)", xlabel="step", ylabel="dB")
        for axes in (left, right):
            axes.grid(color=GRID)
            if axes.lines:  # before the first validation there are none
                axes.legend(frameon=False)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=120)
    write_atomic(path, data.getvalue())


def smoothed(values: Sequence[float]) -> Tensor:
    """Means over a window that grows with the curve, of the same length."""
    sums = torch.tensor([0.0, *values], dtype=torch.float64).cumsum(0)
    end = torch.arange(1, len(values) + 1)
    start = (end - max(1, min(SMOOTH, len(values) // 10))).clamp(min=0)
    return (sums[end] - sums[start]) / (end - start)


def _starts(losses: Sequence[Row]) -> dict[int, int]:
    """Where each stage begins on an axis of all steps."""
    last: dict[int, int] = {}
    for row in losses:
        last[row["stage"]] = row["step"]
    stages = sorted(last)
    return {stage: sum(last[other] for other in stages if other < stage) for stage in stages}


def _curve(axes: Axes, rows: Sequence[Row], name: str, stage: int, start: int, colour: str) -> None:
    steps, values = series(rows, name, stage)
    if values:
        at = [start + step for step in steps]
        axes.plot(at, values, color=colour, alpha=0.15, linewidth=0.5)
        axes.plot(at, smoothed(values), color=colour, label=f"{name}, stage {stage}")


def _points(
    axes: Axes, rows: Sequence[Row], view: str, colour: str, starts: dict[int, int]
) -> None:
    at = [starts.get(row["stage"], 0) + row["step"] for row in rows]
    values = [row["psnr"] if row["psnr_person"] is None else row["psnr_person"] for row in rows]
    axes.plot(at, values, color=colour, marker=".", label=view)


def _rows(made: Sampled, number: int) -> list[Image]:
    truth = made.batch.frames[number]
    spread = torch.linspace(0, len(truth) - 1, min(SHOWN, len(truth))).round().long().tolist()
    references = made.batch.references[number][made.batch.reference_valid[number]]
    drawings = made.drawings[number] * 2 - 1
    return [
        _row(references),
        *(_row(frames[spread]) for frames in (drawings, truth, made.frames[number])),
    ]


def _row(frames: Tensor) -> Image:
    """n 3 H W in [-1, 1] => one picture, uint8."""
    pixels = ((frames.float().clamp(-1, 1) + 1) * 127.5).round().to("cpu", torch.uint8)
    times = max(1, SCALE_UP_TO // pixels.shape[-2])
    large = pixels.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
    padded = torch.nn.functional.pad(large, (0, GAP_PX), value=255)
    row: Image = rearrange(padded, "n c h w -> h (n w) c").numpy()
    return row
