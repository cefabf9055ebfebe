"""Reference candidates: every part of the score, every reason, and the order of the chosen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion import tables
from mrfashion.errors import MissingRequirement
from mrfashion.letterbox import resized
from mrfashion.manifest import Dataset
from mrfashion.media import decode, write_clip
from mrfashion.pipeline import CurateConfig, curate
from mrfashion.ranking import OUTRANKED, SLOTS, TOO_CLOSE, quality
from mrfashion.references import (
    ReferenceConfig,
    candidate_frames,
    explained,
    reference_candidates,
)
from mrfashion.sharpness import LUMA, laplacian_variance, person_crop
from mrfashion.tables import ReferenceCandidate
from mrfashion.views import distance_deg, view_of
from tests.historic.regenerate import path_of
from tests.test_mrfashion_stance import SWAPPED, standing

FPS, HEIGHT, WIDTH = 8.0, 60, 40


def clip(yaw: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equal checkered frames of one standing pose; only the yaw differs."""
    row, column = np.indices((HEIGHT, WIDTH))
    image = np.repeat(((row + column) % 2 * 200).astype(np.uint8)[..., None], 3, -1)
    frames = np.stack([image] * len(yaw))
    return frames, np.stack([standing()] * len(yaw)), np.array(yaw, np.float32)


def chosen_from(
    frames: np.ndarray,
    keypoints: np.ndarray,
    yaw: np.ndarray,
    cuts: tuple[bool, bool] = (False, False),
    **settings: float,
) -> list[ReferenceCandidate]:
    config = ReferenceConfig(**settings)  # type: ignore[arg-type]
    return reference_candidates("c", "g", frames, keypoints, yaw, FPS, config, cuts)


def ranked(rows: list[ReferenceCandidate]) -> list[ReferenceCandidate]:
    return sorted((row for row in rows if row.rank), key=lambda row: row.rank or 0)


def only(frame: int, rows: list[ReferenceCandidate]) -> ReferenceCandidate:
    return next(row for row in rows if row.frame == frame)


def test_a_still_sharp_frame_that_faces_the_camera_scores_one() -> None:
    rows = chosen_from(*clip([0.0] * 5))
    assert set(rows[0].parts) == {
        "view", "visible", "in_frame", "still", "upright", "arms_clear", "uncrossed", "sharpness",
    }  # fmt: skip
    assert set(rows[0].parts.values()) == {1.0}
    assert (rows[0].score, rows[0].rank, rows[0].reason) == (1, 1, None)
    assert (rows[0].reference_id, rows[0].clip_id, rows[0].garment_group) == ("c/0", "c", "g")


def test_grid_every_stride_and_the_frame_nearest_each_view() -> None:
    yaw = np.array([10, 5, 1, 5, 20, 60, 93, 110, 140, 170, 178, np.nan, np.nan], np.float32)
    assert candidate_frames(yaw, FPS, stride_s=1.0) == [0, 2, 6, 10, 12]


def test_view_part_falls_from_the_canonical_yaw_to_the_edge_of_the_view() -> None:
    yaw = [0.0, 30.0, -45.0, 90.0, 110.0, -90.0, 180.0, -160.0, 136.0]
    rows = chosen_from(*clip(yaw))
    parts = [row.parts["view"] for row in rows]
    roots = [1, 1 - 30 / 90, 0.5, 1, 1 - 20 / 90, 1, 1, 1 - 20 / 90, 1 - 44 / 90]
    assert parts == pytest.approx(np.square(roots), abs=1e-6)


def test_blur_is_judged_among_the_candidates_of_the_same_view() -> None:
    frames, keypoints, yaw = clip([0.0] * 16 + [180.0] * 4)
    frames[8] = 100
    frames[16:] = frames[16:] // 8  # a plain back has less detail than the front, but is sharp
    rows = chosen_from(frames, keypoints, yaw)
    blurred = only(8, rows)
    assert (blurred.reason, blurred.measured, blurred.threshold) == ("blurred", 0, 0.5)
    assert explained(blurred) == "blurred (0.00, needed 0.50)"
    assert {row.parts["sharpness"] for row in rows if row.view == "back"} == {1.0}


def test_detail_is_the_variance_of_the_laplacian_of_luma() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    luma = image.astype(float) @ (LUMA / 256)
    assert np.abs(LUMA / 256 - (0.299, 0.587, 0.114)).max() < 0.002
    assert LUMA.sum() == 256
    expected = [
        sum(luma[y + dy, x + dx] for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))) - 4 * luma[y, x]
        for y in range(1, 8)
        for x in range(1, 6)
    ]
    assert laplacian_variance(image) == pytest.approx(np.var(expected), rel=1e-12)
    assert laplacian_variance(image[:, ::-1]) == laplacian_variance(image)
    assert laplacian_variance(image[:2]) == 0
    assert laplacian_variance(np.full((4320, 16, 3), 255, np.uint8)) == 0


def test_wide_arms_leave_the_sharpness_alone_and_nobody_is_the_whole_picture() -> None:
    frames, keypoints, _ = clip([0.0])
    keypoints[0, [9, 10], :2] = ((39, 0), (0, 0))
    # From the nose to the ankles 42 px, 0.4 of which is more than the 12 px between the shoulders.
    assert person_crop(frames[0], keypoints[0], 0.3).shape == (43, 19, 3)
    keypoints[0] = (np.nan, np.nan, 0)
    assert person_crop(frames[0], keypoints[0], 0.3).shape == frames[0].shape


def test_undetermined_view_is_no_reference() -> None:
    row = only(2, chosen_from(*clip([0.0, 0.0, np.nan, 0.0, 0.0])))
    assert (row.view, row.yaw_deg, row.score) == (None, None, 0)
    assert (row.rank, row.reason, explained(row)) == (None, *["view undetermined"] * 2)


def test_nothing_within_half_a_second_of_a_cut() -> None:
    def near(cuts: tuple[bool, bool]) -> list[int]:
        rows = chosen_from(*clip([0.0] * 17), cuts=cuts)
        assert all(row.threshold == 0.5 for row in rows if row.reason == "near a cut")
        return [row.frame for row in rows if row.reason == "near a cut"]

    assert near((False, False)) == []
    assert near((True, False)) == [0, 1, 2, 3]
    assert near((False, True)) == [13, 14, 15, 16]
    row = only(15, chosen_from(*clip([0.0] * 17), cuts=(True, True)))
    assert explained(row) == "near a cut (0.12 s, needed 0.50 s)"


def test_missing_joints_and_a_low_score_are_told_with_their_figures() -> None:
    frames, keypoints, yaw = clip([0.0] * 5 + [40.0] * 4)
    keypoints[2, 7:17, 2] = 0.1
    rows = chosen_from(frames, keypoints, yaw, min_score=0.8)
    hidden, low = only(2, rows), only(8, rows)
    assert (hidden.reason, hidden.threshold) == ("joints missing", 0.4)
    assert hidden.measured == pytest.approx(3 / 13, abs=1e-6)
    assert (low.reason, low.measured, low.threshold) == ("score too low", low.score, 0.8)


def test_the_views_come_first_in_their_order_then_the_other_angles() -> None:
    """A full turn of 4 s: four views, then one in each gap between them."""
    yaw = [(360 * i / 32 + 180) % 360 - 180 for i in range(32)]
    rows = ranked(chosen_from(*clip(yaw)))
    assert [row.view for row in rows[:4]] == list(SLOTS)
    assert [row.yaw_deg for row in rows[:4]] == [0, -180, 90, -90]
    assert {row.yaw_deg for row in rows[4:]} == {45, -45, 135, -135}


def test_a_view_s_best_comes_before_a_better_second_of_another() -> None:
    """Frame 3 is the best sight of the side; frame 2 scores higher, but only as a second front."""
    rows = chosen_from(*clip([0.0, 30.0, 2.0, 70.0, 60.0]), least_gap_s=0.25)
    assert rows[2].score > rows[3].score
    assert [(row.frame, row.view) for row in ranked(rows)] == [(0, "front"), (3, "facing-right")]
    assert [row.reason for row in rows] == [None, TOO_CLOSE, TOO_CLOSE, None, TOO_CLOSE]
    assert [row.beaten_by for row in rows] == [None, "c/0", "c/3", None, "c/3"]
    assert explained(rows[2]) == "too close to frame 3 (0.12 s, needed 0.25 s)"


def test_the_outranked_tell_the_last_round_they_stood_in() -> None:
    rows = chosen_from(*clip([0.0, 10, 20, 30, 40, 44]), least_gap_s=0.0)
    assert [row.rank for row in rows] == [1, None, None, None, None, 2]
    assert {(row.reason, row.beaten_by) for row in rows[1:5]} == {(OUTRANKED, "c/5")}
    # Perfect frames but for the angle: 2 * 10 / 180 from the front, where 44 degrees have the most.
    assert rows[1].measured == pytest.approx(1 + 2 * 10 / 180)
    assert rows[1].threshold == pytest.approx(1 + 2 * 44 / 180)
    assert explained(rows[1]) == "outranked by frame 5 (worth 1.11, needed 1.49)"
    one = chosen_from(*clip([0.0, 10, 20]), least_gap_s=0.0, per_view=1)
    assert explained(one[1]) == "outranked by frame 0 (worth 0.79, needed 1.00)"


def test_equal_frames_go_to_the_earlier() -> None:
    assert [r.frame for r in ranked(chosen_from(*clip([0.0] * 9)))] == [0, 3]


def test_frames_may_come_one_by_one_and_must_match_the_poses() -> None:
    frames, keypoints, yaw = clip([0.0, 90.0, 180.0, -90.0])

    def one_by_one(count: int) -> Iterator[np.ndarray]:
        yield from frames[:count]

    rows = reference_candidates("c", "g", one_by_one(4), keypoints, yaw, FPS)
    assert rows == reference_candidates("c", "g", frames, keypoints, yaw, FPS)
    with pytest.raises(ValueError, match="3 frames and 4 poses"):
        reference_candidates("c", "g", one_by_one(3), keypoints, yaw, FPS)
    with pytest.raises(ValueError, match="4 poses and 2 yaws"):
        reference_candidates("c", "g", frames, keypoints, yaw[:2], FPS)


def test_a_clip_without_joints_gives_reasons_not_numbers() -> None:
    frames, keypoints, yaw = clip([0.0] * 4)
    keypoints[:] = (np.nan, np.nan, 0)
    rows = chosen_from(frames, keypoints, yaw)
    assert {(row.score, row.rank, row.reason) for row in rows} == {(0.0, None, "joints missing")}


@pytest.mark.parametrize(
    "wrong", [{"per_view": 0}, {"stride_s": 0.0}, {"least_gap_s": -1.0}, {"cut_gap_s": -1.0}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="needed"):
        ReferenceConfig(**wrong)  # type: ignore[arg-type]


def test_rows_of_version_1_keep_their_order() -> None:
    migrate = tables.REFERENCES.migrations[1]
    places = [(1, "front"), (1, "back"), (1, "facing-right"), (1, "facing-left"), (2, "front")]
    old = [{"rank": rank, "view": view} for rank, view in places]
    assert [migrate(row)["rank"] for row in old] == [1, 2, 3, 4, 5]
    assert migrate({"rank": None, "view": None})["rank"] is None
    kept = tables.REFERENCES.read(path_of(tables.REFERENCES, 1))
    assert [(row.rank, row.beaten_by) for row in kept] == [(25, None)]


def random_clip(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise frames, wandering poses with missing joints, random turns with gaps."""
    rng = np.random.default_rng(seed)
    yaw = (rng.uniform(-180, 180) + np.cumsum(rng.normal(0, 40, count)) + 180) % 360 - 180
    yaw[rng.random(count) < 0.1] = np.nan
    frames, keypoints, _ = clip([0.0] * count)
    frames = (frames * rng.uniform(0.5, 1, (count, HEIGHT, WIDTH, 1))).astype(np.uint8)
    keypoints[..., :2] += rng.normal(0, 1, keypoints[..., :2].shape)
    keypoints[..., :2] = np.round(keypoints[..., :2] * 8) / 8  # as stored: mirrors are exact
    keypoints[rng.random(keypoints.shape[:2]) < 0.1] = (np.nan, np.nan, 0)
    return frames, keypoints.astype(np.float32), yaw.astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40), gap=st.floats(0, 2))
def test_any_clip(seed: int, count: int, gap: float) -> None:
    frames, keypoints, yaw = random_clip(seed, count)
    rows = chosen_from(frames, keypoints, yaw, least_gap_s=gap)
    assert rows == chosen_from(frames, keypoints, yaw, least_gap_s=gap)
    assert [row.frame for row in rows] == sorted({row.frame for row in rows})
    taken = ranked(rows)
    assert [row.rank for row in taken] == list(range(1, len(taken) + 1))
    ids = {row.reference_id for row in taken}
    for row in rows:
        assert (row.rank is None) == (row.reason is not None) == bool(explained(row))
        assert (row.reason in (TOO_CLOSE, OUTRANKED)) == (row.beaten_by is not None)
        assert row.beaten_by is None or row.beaten_by in ids
        assert all(0 <= part <= 1 for part in row.parts.values())
        assert row.score == pytest.approx(np.prod(list(row.parts.values())), abs=1e-6)
        assert row.view == (None if np.isnan(yaw[row.frame]) else view_of(yaw[row.frame]))
    assert (np.diff(sorted(row.frame for row in taken)) >= gap * FPS - 1e-9).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_every_prefix_is_the_greedy_choice(seed: int, count: int) -> None:
    """Against a plain search: nothing that could stand beats the one that was chosen."""
    rows = chosen_from(*random_clip(seed, count), least_gap_s=0.25)
    taken = ranked(rows)
    could = [row for row in rows if row.reason in (None, TOO_CLOSE, OUTRANKED)]
    for place, chosen in enumerate(taken):
        before = taken[:place]
        views = [row.view for row in before]
        free = [
            row
            for row in could
            if all(abs(row.frame - other.frame) >= 0.25 * FPS for other in before)
            and views.count(row.view) < 2
        ]
        new = [view for view in SLOTS if view not in views and view in {r.view for r in free}]
        if new:
            assert chosen.view == new[0]
            assert chosen.score == max(row.score for row in free if row.view == new[0])
            continue
        worth = {row.frame: quality(row) + 2 * apart(row, before) / 180 for row in free}
        assert worth[chosen.frame] == pytest.approx(max(worth.values()))
    left = [row for row in could if row.reason == OUTRANKED]
    assert all(views_of(taken).count(row.view) == 2 for row in left)


def views_of(rows: list[ReferenceCandidate]) -> list[str | None]:
    return [row.view for row in rows]


def apart(row: ReferenceCandidate, others: list[ReferenceCandidate]) -> float:
    assert row.yaw_deg is not None
    return min(distance_deg(row.yaw_deg, o.yaw_deg) for o in others if o.yaw_deg is not None)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_a_clip_played_backwards_has_the_same_references(seed: int, count: int) -> None:
    frames, keypoints, yaw = random_clip(seed, count)
    forward = chosen_from(frames, keypoints, yaw, cuts=(True, False))
    backward = chosen_from(frames[::-1], keypoints[::-1], yaw[::-1], cuts=(False, True))
    ranks = {(row.frame, row.view, row.rank, row.score, row.reason) for row in forward}
    assert ranks == {
        (count - 1 - row.frame, row.view, row.rank, row.score, row.reason) for row in backward
    }


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_a_mirrored_clip_has_the_same_scores_and_the_other_sides(seed: int, count: int) -> None:
    frames, keypoints, yaw = random_clip(seed, count)
    mirrored = keypoints.copy()
    mirrored[:, :17] = keypoints[:, SWAPPED]
    mirrored[..., 0] = WIDTH - 1 - mirrored[..., 0]
    other = {"facing-right": "facing-left", "facing-left": "facing-right"}
    there = chosen_from(frames, keypoints, yaw)
    here = chosen_from(frames[:, :, ::-1], mirrored, -yaw)
    assert [row.frame for row in there] == [row.frame for row in here]
    for one, two in zip(there, here, strict=True):
        assert one.score == pytest.approx(two.score, abs=2e-6)
        assert two.view == other.get(one.view or "", one.view)
    if not any(row.reason in (TOO_CLOSE, OUTRANKED) for row in there):
        assert {r.frame for r in ranked(there)} == {r.frame for r in ranked(here)}
    front = [next((r.frame for r in ranked(rows) if r.view == "front"), None)
             for rows in (there, here)]  # fmt: skip
    assert front[0] == front[1]


@pytest.mark.realdata
def test_a_real_turn_is_covered_by_what_a_person_calls_its_views(
    realdata: Path, tmp_path: Path
) -> None:
    """Every fourth frame of a turn of 13 s at half its size; its views were labelled by eye."""
    name = "nc/videos/ubc_fashion.mp4"
    kept = islice(decode(realdata / name), 0, None, 4)
    smaller = (resized(frame.image, (470, 360)) for frame in kept)
    write_clip(tmp_path / "in" / "turn.mp4", smaller, 7.5)
    try:
        curate([str(tmp_path / "in")], tmp_path / "out", CurateConfig())
    except MissingRequirement as error:
        pytest.skip(str(error))
    chosen = ranked(list(Dataset(tmp_path / "out").references.values()))
    spans = json.loads((realdata / "refs/view_labels.json").read_text())[name]
    called = {
        row.view: next(label for first, last, label in spans if first <= 4 * row.frame <= last)
        for row in chosen[:4]
    }
    assert list(called) == list(SLOTS)
    assert called["front"] == "front"
    assert called["back"] in ("back", "back34")
    assert called["facing-left"] in ("front34_left", "profile_left", "back34")
    assert called["facing-right"] in ("back34", "profile_right", "front34_right")
