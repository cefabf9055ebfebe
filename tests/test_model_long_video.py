"""Windows of long video: what they cover, how they blend, and what is computed once."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.long_video import blended, moved, told_in_chunks, windows
from tests.tiny_networks import drawings, network, references


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int]:
    size = draw(st.integers(1, 24))
    return draw(st.integers(1, 120)), size, draw(st.integers(0, size - 1))


def covered(frames: int, size: int, overlap: int) -> list[tuple[int, int]]:
    return [(w.frames.start, w.frames.stop) for w in windows(frames, size, overlap)]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ((16, 16, 4), [(0, 16)]),
        ((5, 16, 4), [(0, 5)]),
        ((1, 16, 4), [(0, 1)]),
        ((25, 24, 4), [(0, 24), (1, 25)]),  # where wrapping would mix in frames 0 to 18
        ((64, 24, 4), [(0, 24), (20, 44), (40, 64)]),
        ((30, 16, 4), [(0, 16), (12, 28), (14, 30)]),
    ],
)
def test_the_last_window_is_clamped(
    layout: tuple[int, int, int], expected: list[tuple[int, int]]
) -> None:
    assert covered(*layout) == expected


@given(layouts())
def test_windows_are_full_cover_all_and_overlap_enough(layout: tuple[int, int, int]) -> None:
    frames, size, overlap = layout
    found = covered(*layout)
    assert found[0][0] == 0
    assert found[-1][1] == frames
    assert all(stop - start == min(size, frames) for start, stop in found)
    for (before, end), (start, _) in pairwise(found):
        assert before < start <= end - overlap


@given(layouts())
def test_shares_of_a_frame_sum_to_one(layout: tuple[int, int, int]) -> None:
    total = torch.zeros(layout[0])
    for window in windows(*layout):
        assert window.shares.min() > 0
        total[window.frames] += window.shares
    torch.testing.assert_close(total, torch.ones(layout[0]), atol=1e-6, rtol=0)


def test_a_frame_listens_to_the_window_it_stands_deepest_in() -> None:
    first, second = windows(12, 8, 4)
    assert first.shares[4:].tolist() == pytest.approx([4 / 5, 3 / 5, 2 / 5, 1 / 5])
    assert second.shares[:4].tolist() == pytest.approx([1 / 5, 2 / 5, 3 / 5, 4 / 5])


@given(layouts())
def test_windows_that_agree_blend_to_what_they_agree_on(layout: tuple[int, int, int]) -> None:
    video = torch.randn(2, layout[0], 1, 2, 2, generator=torch.Generator().manual_seed(0))
    whole = blended(lambda some: video[:, some], windows(*layout))
    torch.testing.assert_close(whole, video, atol=1e-6, rtol=1e-6)


def test_one_window_blends_to_itself_to_the_bit() -> None:
    video = torch.randn(1, 9, 1, 2, 2)
    assert torch.equal(blended(lambda some: video[:, some], windows(9, 16, 4)), video)


def test_half_precision_windows_blend_in_single() -> None:
    def denoise(some: slice) -> Tensor:
        return torch.full((1, some.stop - some.start, 1, 1, 1), 3.0, dtype=torch.bfloat16)

    whole = blended(denoise, windows(50, 16, 7))
    assert whole.dtype is torch.float32
    torch.testing.assert_close(whole, torch.full((1, 50, 1, 1, 1), 3.0))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ((10, 4, 4), "overlap is 4 of windows of 4; allowed: 0 to 3"),
        ((10, 4, -1), "overlap is -1"),
        ((0, 4, 1), "at least one frame; got 0"),
    ],
)
def test_impossible_windows_are_refused(layout: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windows(*layout)


@torch.no_grad()
def test_frames_told_in_chunks_are_told_the_same() -> None:
    net, poses, shown = network(), drawings(2, 7), references(2)
    whole, pieces = net.condition(poses, shown), told_in_chunks(net, poses, shown, chunk=3)
    torch.testing.assert_close(pieces.pose, whole.pose)
    for name, fine in whole.prototypes.fine.items():
        torch.testing.assert_close(pieces.prototypes.fine[name], fine, atol=1e-5, rtol=1e-4)
    for level, offsets in whole.offsets.items():
        torch.testing.assert_close(pieces.offsets[level], offsets, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        pieces.prototypes.reference_weights(), whole.prototypes.reference_weights()
    )


@torch.no_grad()
def test_concatenated_references_are_stored_once_for_all_frames() -> None:
    net = network(aggregation="concat")
    told = moved(told_in_chunks(net, drawings(1, 7), references(), 3), torch.device("cpu"))
    for tokens in told.prototypes.fine.values():
        assert tokens.shape[1] == 7
        assert tokens.stride(1) == 0
