"""The pose estimators. To add one: a file here with `track`, and a line in ESTIMATORS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mrfashion.poses.blazepose import BlazePose
from mrfashion.poses.dwpose import TopDown
from mrfashion.poses.estimator import Estimator

if TYPE_CHECKING:
    from mrfashion.posing import PoseConfig

ESTIMATORS: dict[str, Callable[[PoseConfig], Estimator]] = {
    "blazepose": lambda config: BlazePose(config.blazepose),
    "dwpose": lambda config: TopDown("dwpose", config.onnx),
    "rtmw": lambda config: TopDown("rtmw", config.onnx),
}
