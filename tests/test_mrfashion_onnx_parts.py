"""What the ONNX networks are fed, and how their answers are read, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.poses.crops import LETTERBOX_GREY, NORMALISED, crop, crop_area, letterbox
from mrfashion.poses.simcc import decode
from mrfashion.poses.yolox import STRIDES, grid, suppress


def test_a_letterboxed_image_lies_at_the_top_left_of_grey() -> None:
    image = np.full((100, 50, 3), (10, 20, 30), np.uint8)
    planes, ratio = letterbox(image, (640, 640), "bgr")
    assert ratio == 6.4
    assert (planes[:, :, :320] == np.array([30, 20, 10])[:, None, None]).all()
    assert (planes[:, :, 320:] == LETTERBOX_GREY).all()
    thin, _ = letterbox(np.zeros((2000, 1, 3), np.uint8), (640, 640), "rgb")
    assert (thin[:, :, 1:] == LETTERBOX_GREY).all()  # a line is left of it, not nothing


def test_the_grid_counts_cells_row_by_row_stride_by_stride() -> None:
    cells = grid((640, 640))
    assert len(cells) == 8400
    assert cells[[0, 1, 80, 6400, 6441, 8399]].tolist() == [
        [0, 0, 8], [1, 0, 8], [0, 1, 8], [0, 0, 16], [1, 1, 16], [19, 19, 32],
    ]  # fmt: skip
    assert len(grid((416, 416))) == sum((416 // stride) ** 2 for stride in STRIDES)


boxes_of = st.lists(
    st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(0, 8)] * 2), min_size=1, max_size=8
)


def pixels(box: np.ndarray) -> set[tuple[int, int]]:
    x0, y0, x1, y1 = (int(value) for value in box)
    return {(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}


@given(boxes_of, st.sampled_from([0.2, 0.45, 0.7]), st.randoms())
def test_suppression_counts_pixels(
    corners: list[tuple[int, int, int, int]], threshold: float, random: object
) -> None:
    """Against sets of pixels: a box goes if a better one that stays shares too much with it."""
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in corners], np.float32)
    scores = np.random.default_rng(len(corners)).permutation(len(boxes)).astype(np.float32)
    expected: list[int] = []
    for i in np.argsort(-scores):
        mine = pixels(boxes[i])
        shares = [len(mine & pixels(boxes[j])) / len(mine | pixels(boxes[j])) for j in expected]
        if not any(share > threshold for share in shares):
            expected.append(int(i))
    assert suppress(boxes, scores, threshold).tolist() == expected


@given(st.tuples(*[st.floats(-300, 900)] * 2, *[st.floats(0.5, 900)] * 2), st.floats(1, 2))
def test_a_crop_keeps_its_box_centred_and_its_aspect(
    corners: tuple[float, float, float, float], padding: float
) -> None:
    x, y, width, height = corners
    centre, size = crop_area(np.array([[x, y, x + width, y + height]]), padding, 288 / 384)
    np.testing.assert_allclose(centre[0], (x + width / 2, y + height / 2))
    assert size[0, 0] / size[0, 1] == pytest.approx(288 / 384)
    assert (size[0] >= np.array([width, height]) * padding * (1 - 1e-9)).all()
    fits = size[0] <= np.array([width, height]) * padding * (1 + 1e-9)
    assert fits.any()


def test_a_crop_samples_pixels_where_the_decoder_says_they_are() -> None:
    """A crop of twice the size: crop pixel u lies at image pixel centre - size / 2 + u / 2."""
    image = np.random.default_rng(3).integers(0, 256, (300, 300, 3), np.uint8)
    centre, size = np.array([150.0, 140.0]), np.array([144.0, 192.0])
    planes = crop(image, centre, size, (384, 288), "rgb")
    expected = image[44:236, 78:222]  # 140 - 96, 150 - 72
    for c in range(3):
        np.testing.assert_array_equal(planes[c, ::2, ::2], NORMALISED[expected[..., c], c])


def test_levels_are_normalised_as_published() -> None:
    level = np.arange(256)
    for c, (mean, deviation) in enumerate(((123.675, 58.395), (116.28, 57.12), (103.53, 57.375))):
        np.testing.assert_allclose(NORMALISED[:, c], (level - mean) / deviation, rtol=1e-6)


@pytest.mark.parametrize(("rule", "scores"), [("min", [0.6, 0, 0, 0]), ("mean", [0.75, 0, 0.1, 0])])
def test_bins_become_places_and_scores(rule: str, scores: list[float]) -> None:
    x, y = np.full((1, 4, 6), -1, np.float32), np.full((1, 4, 8), -1, np.float32)
    x[0, 0, 2], y[0, 0, 7] = 0.9, 0.6
    x[0, 1, 3], y[0, 1, 1] = np.nan, 0.9
    x[0, 2, 5], y[0, 2, 0] = 0.5, -0.3
    x[0, 3] = np.inf
    bins, found = decode(x, y, rule)
    assert bins[0, [0, 2]].tolist() == [[2, 7], [5, 0]]
    np.testing.assert_allclose(found[0], scores, atol=1e-7)
