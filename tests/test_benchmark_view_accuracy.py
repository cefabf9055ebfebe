"""The table of view accuracy, on angles whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.view_accuracy import COLUMNS, estimates, row
from mrfashion.errors import UnknownNameError
from mrfashion.sources.turntable.clips import TurntableConfig


def figures(true: list[float], yaw: list[float]) -> dict[str, float]:
    found = row(np.array(true, np.float32), np.array(yaw, np.float32))
    return dict(zip(COLUMNS, found, strict=True))


def test_errors_go_round_the_circle_and_abstentions_count_apart() -> None:
    found = figures([170, -170, 0, 44, 90], [-170, -170, 180, 46, np.nan])
    assert found == {
        "frames": 5, "mean deg": pytest.approx(50.5), "median deg": 11, "within 22.5": 0.75,
        "beyond 120": 0.25, "right view": 0.5, "none": pytest.approx(0.2),
    }  # fmt: skip


def test_no_answer_at_all_is_no_error_of_zero() -> None:
    found = figures([0, 90], [np.nan, np.nan])
    assert found["none"] == 1
    assert np.isnan(found["mean deg"])


def test_an_unknown_estimator_is_named_before_any_rendering() -> None:
    config = TurntableConfig(groups=10**6)
    with pytest.raises(UnknownNameError, match="estimator 'nobody'"):
        next(estimates("nobody", config))
