"""How well yaw is told from an estimator's keypoints: `python -m benchmark.view_accuracy`.

Renders turntable clips, whose yaw is known, and estimates their poses; `exact` takes the renderer's
own joints instead, which leaves the view rule's part of the error.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import typer
from numpy.typing import NDArray

from mrfashion.errors import UnknownNameError
from mrfashion.poses import ESTIMATORS
from mrfashion.posing import PoseConfig
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan
from mrfashion.views import VIEWS, view_of
from mrfashion.yaw import yaw_from_keypoints

EXACT = "exact"
COLUMNS = ("frames", "mean deg", "median deg", "within 22.5", "beyond 120", "right view", "none")
Angles = NDArray[np.float32]


def main() -> None:
    """Print a table: one row a view, and all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--estimator", default="blazepose", help=f"or {EXACT}")
    parser.add_argument("--groups", type=int, default=8, help="people, of two clips each")
    parser.add_argument("--height", type=int, default=384)
    parser.add_argument("--fps", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    config = TurntableConfig(
        groups=given.groups,
        frames=round(given.seconds * given.fps),
        fps=given.fps,
        height=given.height,
        width=given.height * 3 // 4,
        flow=False,
    )
    told = list(estimates(given.estimator, config))
    true, yaw = (np.concatenate(column) for column in zip(*told, strict=True))
    typer.echo(f"{'':13}" + "".join(f"{name:>13}" for name in COLUMNS))
    for view in ("all", *VIEWS):
        of_view = np.array([view in ("all", view_of(float(angle))) for angle in true])
        if of_view.any():
            figures = row(true[of_view], yaw[of_view])
            typer.echo(f"{view:13}" + "".join(f"{value:13.3f}" for value in figures))


def estimates(estimator: str, config: TurntableConfig) -> Iterator[tuple[Angles, Angles]]:
    """True and told yaw of every clip, f and f; NaN where the rule abstains."""
    if estimator != EXACT and estimator not in ESTIMATORS:
        raise UnknownNameError("estimator", estimator, [EXACT, *ESTIMATORS])
    for plan in clip_plan(config):
        clip = render_plan(plan, config)
        keypoints = clip.keypoints
        if estimator != EXACT:
            keypoints = ESTIMATORS[estimator](PoseConfig()).track(clip.frames, config.fps).keypoints
        size_hw = (config.height, config.width)
        yield clip.yaw_deg, yaw_from_keypoints(keypoints, config.fps, size_hw).yaw_deg


def row(true: Angles, yaw: Angles) -> list[float]:
    """The figures of COLUMNS; shares are of the answered frames, but for `none`."""
    told = np.isfinite(yaw)
    error = np.abs((yaw[told] - true[told] + 180) % 360 - 180)
    if not len(error):
        return [len(true), *[np.nan] * 5, 1.0]
    right = [view_of(float(y)) == view_of(float(t)) for y, t in zip(yaw, true, strict=True)]
    return [
        len(true),
        float(error.mean()),
        float(np.median(error)),
        float((error <= 22.5).mean()),
        float((error > 120).mean()),
        float(np.mean(np.array(right)[told])),
        float(1 - told.mean()),
    ]


if __name__ == "__main__":
    main()
