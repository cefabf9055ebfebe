"""A clip's keypoints, yaw and reference candidates as an overlay video and a timeline plot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.artefacts import atomic_path
from mrfashion.errors import InputRefused
from mrfashion.letterbox import move, place, resized
from mrfashion.manifest import Dataset
from mrfashion.media import decode, write_clip
from mrfashion.poses.drawing import draw_keypoints, draw_lines
from mrfashion.tables import ReferenceCandidate
from mrfashion.views import VIEWS, view_of

LEAST_SIDE_PX = 512
COLOURS = {
    "front": "#1b6ca8",
    "facing-right": "#c8553d",
    "facing-left": "#588b8b",
    "back": "#6a4c93",
}


@dataclass(frozen=True)
class Overlay:
    """The files of one clip."""

    video: Path
    timeline: Path


def find_clip(text: str) -> tuple[Dataset, str]:
    """`DATASET/clips/ID.mp4` or `DATASET/ID` => the dataset and the clip's id."""
    path = Path(text)
    root = path.parent.parent if path.parent.name == "clips" else path.parent
    if not (root / "samples.parquet").is_file():
        raise InputRefused(
            f"{text} names no clip of a dataset; name DATASET/clips/ID.mp4, as in clips.parquet"
        )
    dataset = Dataset(root)
    return dataset, dataset.clip(path.stem).clip_id


def write_overlay(dataset: Dataset, clip_id: str, out: Path) -> Overlay:
    """Write `ID.mp4` and `ID.png` into `out`."""
    overlay = Overlay(out / f"{clip_id}.mp4", out / f"{clip_id}.png")
    write_clip(overlay.video, _drawn(dataset, clip_id), dataset.clip(clip_id).fps)
    figure = _timeline(dataset, clip_id)
    with atomic_path(overlay.timeline) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
    return overlay


def _drawn(dataset: Dataset, clip_id: str) -> Iterator[NDArray[np.uint8]]:
    keypoints, yaw = dataset.keypoints(clip_id), dataset.yaw_deg(clip_id)
    chosen = {row.frame: row for row in _candidates(dataset, clip_id) if row.rank is not None}
    for index, frame in enumerate(decode(dataset.video_path(clip_id))):
        told = "yaw undetermined"
        if np.isfinite(yaw[index]):
            told = f"yaw {yaw[index]:.0f}: {view_of(float(yaw[index]))}"
        lines = [f"frame {index}", told]
        if row := chosen.get(index):
            lines.append(f"reference {row.rank}: {row.view}")
        image, points = _enlarged(frame.image, keypoints[index])
        yield draw_lines(draw_keypoints(image, points), lines)


def _enlarged(
    image: NDArray[np.uint8], keypoints: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Small clips times a whole number, or nobody could read what is written on them."""
    source = (image.shape[0], image.shape[1])
    times = -(-LEAST_SIDE_PX // max(source))
    size = (source[0] * times, source[1] * times)
    return resized(image, size), move(keypoints, place(source, size))


def _candidates(dataset: Dataset, clip_id: str) -> list[ReferenceCandidate]:
    return [row for row in dataset.references.values() if row.clip_id == clip_id]


def _timeline(dataset: Dataset, clip_id: str) -> Any:
    from matplotlib.figure import Figure

    clip, yaw = dataset.clip(clip_id), dataset.yaw_deg(clip_id)
    seconds = np.arange(len(yaw)) / clip.fps
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    _plot_yaw(top, seconds, yaw, _candidates(dataset, clip_id), clip.fps)
    for first, last in _runs(np.isnan(yaw)):
        for axes in (top, bottom):
            span = ((first - 0.5) / clip.fps, (last + 0.5) / clip.fps)
            axes.axvspan(*span, color="#999999", alpha=0.3, linewidth=0)
    # parse_math off: a source's name is text, whatever dollar signs it holds.
    top.set_title(f"{clip.source_id}, clip {clip_id}", fontsize=10, parse_math=False)
    bottom.plot(seconds, dataset.confidence(clip_id), color="#333333", linewidth=1)
    bottom.set(ylim=(-0.02, 1.05), xlabel="seconds; grey: no yaw", ylabel="confidence")
    bottom.set_xlim(0, max(seconds[-1], 1 / clip.fps))
    return figure


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last place of every run of true."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return [(int(first), int(stop) - 1) for first, stop in edges.reshape(-1, 2)]


def _plot_yaw(
    axes: Any,
    seconds: NDArray[np.float64],
    yaw: NDArray[np.float32],
    candidates: list[ReferenceCandidate],
    fps: float,
) -> None:
    views = np.array([view_of(float(v)) if np.isfinite(v) else "" for v in yaw])
    for view in VIEWS:
        at = views == view
        axes.plot(seconds[at], yaw[at], ".", color=COLOURS[view], markersize=4, label=view)
    for low, high in ((-180, -135), (-135, -45), (-45, 45), (45, 135), (135, 180)):
        axes.axhspan(low, high, color=COLOURS[view_of(low)], alpha=0.07, linewidth=0)
    dropped = [row for row in candidates if row.rank is None and row.yaw_deg is not None]
    chosen = [row for row in candidates if row.rank is not None and row.yaw_deg is not None]
    for rows, marker, label in ((dropped, "x", "not chosen"), (chosen, "*", "reference")):
        size, colour = (12, "#e0a100") if marker == "*" else (4, "#999999")
        axes.plot(
            [row.frame / fps for row in rows],
            [row.yaw_deg for row in rows],
            marker,
            color=colour,
            markeredgecolor="black" if marker == "*" else colour,
            markersize=size,
            label=label,
        )
    axes.set(ylim=(-185, 185), yticks=range(-180, 181, 90), ylabel="yaw (degrees)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
