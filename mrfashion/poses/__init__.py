"""The pose estimators. To add one: a file here with `track`, and a line in ESTIMATORS."""

from __future__ import annotations

from collections.abc import Callable

from mrfashion.poses.blazepose import BlazePose
from mrfashion.poses.estimator import Estimator

ESTIMATORS: dict[str, Callable[[], Estimator]] = {"blazepose": BlazePose}
