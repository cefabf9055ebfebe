"""Errors of learned offsets against the renderer's truth, where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.offset_accuracy import grid_flow, offset_accuracy, spread_motion, table
from mrfashion.sources.turntable.clips import TurntableConfig
from mrfashion.sources.turntable.renderer import Footage
from tests import tiny_networks

TURNTABLE = TurntableConfig(groups=1, clips_per_group=1, frames=5, height=32, width=24, fps=4)


def film(flow: Tensor, valid: Tensor) -> Footage:
    f, h, w = valid.shape
    blank = torch.zeros(f + 1, h, w)
    return Footage(16, blank.byte(), blank, blank[:, 0, 0], blank.bool(), flow, valid, parts=None)


def test_flow_of_a_cell_is_the_mean_of_what_is_known_there_in_its_own_pixels() -> None:
    flow = torch.zeros(1, 4, 8, 2)
    flow[..., 0], flow[0, :, 4:, 1] = 6.0, -2.0
    valid = torch.ones(1, 4, 8, dtype=torch.bool)
    valid[0, :1, :4] = False  # three quarters of the left cell stay known
    valid[0, 1:, 4:] = False  # a quarter of the right one
    flow[~valid] = 99.0
    truth, known = grid_flow(film(flow, valid), (1, 2))
    assert truth[0, :, 0, 0].tolist() == [1.5, 0.0]
    assert known[0, 0].tolist() == [True, False]


def test_keypoints_that_move_alike_spread_their_motion_everywhere() -> None:
    keypoints = torch.zeros(2, 133, 3)
    keypoints[:, :17, :2] = torch.rand(17, 2) * torch.tensor([10.0, 20.0]) + 2
    keypoints[1, :17, 0] += 4
    keypoints[:, :17, 2] = 1
    spread = spread_motion(keypoints, (32, 24), (8, 6))
    assert torch.allclose(spread[0, 0], torch.full((8, 6), 1.0), atol=1e-5)
    assert torch.allclose(spread[0, 1], torch.zeros(8, 6), atol=1e-5)


def test_a_new_network_errs_as_one_that_says_nothing_moves() -> None:
    network = tiny_networks.network(awake=False)
    rows = list(offset_accuracy(network, TURNTABLE))
    assert {row.level for row in rows} == {0, 1}
    for row in rows:
        assert row.learned == pytest.approx(row.zero, rel=1e-6)
        assert row.zero > 0.5
    assert "100%" in table(rows)


def test_offsets_that_are_the_truth_have_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def told(network: object, films: list[Footage], size: object) -> dict[int, Tensor]:
        truth, _ = grid_flow(films[0], (16, 12))
        return {0: torch.cat([truth, truth[-1:]])[None]}

    monkeypatch.setattr("model.offset_accuracy._offsets", told)
    (row,) = offset_accuracy(tiny_networks.network(), TURNTABLE)
    assert row.places
    assert row.learned == 0 < row.keypoints < row.zero


def test_a_network_without_offsets_is_refused() -> None:
    with pytest.raises(ValueError, match="flow is off"):
        list(offset_accuracy(tiny_networks.network(flow="off"), TURNTABLE))


def test_a_size_the_network_cannot_take_is_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        list(offset_accuracy(tiny_networks.network(), replace(TURNTABLE, width=26)))
