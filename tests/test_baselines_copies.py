"""`still` and `nearest`: what they copy, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.nearest import Nearest
from baselines.still import Still
from mrfashion.generation import Reference, Request, Unsupported

SIZE = (4, 3)
KEYPOINTS = np.zeros((133, 3), np.float32)
YAWS = st.one_of(st.none(), st.floats(-179, 180, width=16))


def reference(level: int, yaw_deg: float | None) -> Reference:
    return Reference(np.full((*SIZE, 3), level, np.uint8), KEYPOINTS, yaw_deg, None)


def request(yaws: list[float | None], driving: list[float]) -> Request:
    return Request(
        sample_id="s",
        references=tuple(reference(10 * (i + 1), yaw) for i, yaw in enumerate(yaws)),
        keypoints=np.zeros((len(driving), 133, 3), np.float32),
        yaw_deg=np.array(driving, np.float32),
        frame_size=SIZE,
        fps=12.0,
        size=SIZE,
        seed=0,
    )


def levels(asked: Request) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in Nearest().generate(asked).frames]


def test_still_repeats_its_reference() -> None:
    result = Still().generate(request([None], [0, 90, 180]))
    assert result.frames.shape == (3, *SIZE, 3)
    assert (result.frames == 10).all()
    assert result.reference_weights is not None
    assert (result.reference_weights == 1).all()


def test_still_refuses_a_second_reference() -> None:
    with pytest.raises(Unsupported, match="got 2"):
        Still().generate(request([0, 90], [0]))


@pytest.mark.parametrize("generator", [Still(), Nearest()])
def test_copies_refuse_a_reference_of_another_size(generator: Still | Nearest) -> None:
    with pytest.raises(Unsupported, match=r"Fit the request first"):
        generator.generate(replace(request([0], [0]), size=(8, 6)))


def test_nearest_copies_the_reference_nearest_in_yaw() -> None:
    assert levels(request([0, 90, -90, 180], [10, 80, -100, 150, -150])) == [10, 20, 30, 40, 40]


def test_nearest_measures_yaw_round_the_circle() -> None:
    assert levels(request([100, -170], [170])) == [20]


def test_nearest_holds_its_choice_where_the_yaw_is_unknown() -> None:
    asked = request([0, 180], [170, np.nan, np.nan, 5])
    assert levels(asked) == [20, 20, 20, 10]
    assert Nearest().generate(asked).warnings == ("2 frames have no yaw: choice held",)


def test_nearest_starts_with_the_most_frontal_until_a_yaw_is_known() -> None:
    assert levels(request([180, None, 20], [np.nan, 175])) == [30, 10]


def test_nearest_never_copies_a_reference_without_a_yaw() -> None:
    assert levels(request([None, 180], [0, np.nan])) == [20, 20]


def test_nearest_refuses_references_that_all_lack_a_yaw() -> None:
    with pytest.raises(Unsupported, match="no reference has one"):
        Nearest().generate(request([None, None], [0]))


def test_nearest_weights_name_the_copied_reference() -> None:
    asked = request([0, 90, 180], [0, 85, 179])
    result = Nearest().generate(asked)
    assert result.reference_weights is not None
    assert result.reference_weights.tolist() == np.eye(3).tolist()


@given(
    st.data(),
    st.lists(YAWS, min_size=1, max_size=6).filter(
        lambda yaws: any(yaw is not None for yaw in yaws)
    ),
)
def test_nearest_does_not_see_the_order_of_the_references(
    data: st.DataObject, yaws: list[float | None]
) -> None:
    driving = data.draw(st.lists(st.floats(-179, 180, width=16) | st.just(np.nan), min_size=1))
    asked = request(yaws, driving)
    order = data.draw(st.permutations(range(len(yaws))))
    permuted = replace(asked, references=tuple(asked.references[i] for i in order))
    first, second = Nearest().generate(asked), Nearest().generate(permuted)
    assert np.array_equal(first.frames, second.frames)
    assert first.reference_weights is not None
    assert second.reference_weights is not None
    assert np.array_equal(first.reference_weights[:, order], second.reference_weights)
