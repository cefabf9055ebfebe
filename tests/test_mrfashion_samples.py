"""Samples: references and targets that never meet, views covered, and no clip left untold."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.errors import ConfigError
from mrfashion.ranking import SLOTS, cover
from mrfashion.samples import Drawn, SampleConfig, make_samples, target_layouts
from mrfashion.tables import SAMPLES, Clip, ReferenceCandidate, Sample
from mrfashion.views import CANONICAL_DEG, VIEWS, view_of

FPS = 12.0


def clip(
    clip_id: str, group: str, frames: int = 48, split: str = "test", split_group: str | None = None
) -> Clip:
    return Clip(
        clip_id, f"s:{clip_id}", "0" * 64, None, "CC0-1.0", None, None, f"clips/{clip_id}.mp4",
        "0" * 64, 0, frames - 1, "1/12", 0.0, frames / FPS, FPS, frames, 48, 64, (0, 0, 1, 1),
        group, split_group or group, split, VIEWS, {}, {},
    )  # fmt: skip


def candidate(
    clip_id: str, frame: int, view: str, rank: int | None, score: float = 0.5
) -> ReferenceCandidate:
    return ReferenceCandidate(
        f"{clip_id}/{frame}", clip_id, "", frame, view, CANONICAL_DEG[view], score, {}, rank, None
    )


def drawn(
    clips: list[Clip],
    rows: list[ReferenceCandidate],
    config: SampleConfig,
    yaw_deg: float = np.nan,
) -> Drawn:
    yaws = {c.clip_id: np.full(c.frames, yaw_deg, np.float32) for c in clips}
    return make_samples(clips, rows, yaws, config)


def targets(sample: Sample) -> range:
    return range(sample.start, sample.start + (sample.frames - 1) * sample.stride + 1)


def test_references_come_from_the_other_clip_of_the_group() -> None:
    clips = [clip("a", "g"), clip("b", "g")]
    rows = [candidate(name, 6 * i, view, i + 1) for name in "ab" for i, view in enumerate(VIEWS)]
    rows += [candidate("b", 40, "front", 5), candidate("b", 44, "front", None)]
    samples = drawn(clips, rows, SampleConfig(frames=16, references=5)).samples
    of_a = next(sample for sample in samples if sample.clip_id == "a")
    assert of_a.reference_source == "other_clip"
    assert of_a.reference_ids == ("b/0", "b/18", "b/6", "b/12", "b/40")


def test_a_group_is_covered_as_one_clip_would_be() -> None:
    rows = [
        candidate("b", 0, "front", 1, score=0.6),
        candidate("c", 0, "front", 1, score=0.7),
        candidate("c", 9, "back", 2, score=0.2),
        candidate("b", 9, "facing-left", 2, score=0.9),
    ]
    clips = [clip(name, "g") for name in "abc"]
    config = SampleConfig(references=4, splits=("test",))
    sample = drawn(clips, rows, config).samples[0]
    assert sample.reference_ids == ("c/0", "c/9", "b/9", "b/0")


@pytest.mark.parametrize(
    ("yaw_deg", "count", "views"),
    [
        (0.0, 1, ["front"]),
        (-90.0, 1, ["facing-left"]),
        (-90.0, 2, ["front", "facing-left"]),  # in the common order, front first
        (90.0, 3, ["front", "back", "facing-right"]),
        (-90.0, 4, ["front", "back", "facing-right", "facing-left"]),
        (np.nan, 2, ["front", "back"]),
    ],
)
def test_the_views_of_the_targets_are_served_where_there_are_too_few(
    yaw_deg: float, count: int, views: list[str]
) -> None:
    rows = [candidate("b", 6 * i, view, i + 1) for i, view in enumerate(VIEWS)]
    clips = [clip("a", "g"), clip("b", "g", split="train")]
    sample = drawn(clips, rows, SampleConfig(references=count), yaw_deg).samples[0]
    by_id = {row.reference_id: row.view for row in rows}
    assert [by_id[name] for name in sample.reference_ids] == views


@given(st.integers(0, 300), st.integers(1, 60), st.integers(1, 9))
def test_target_ranges_of_a_clip_are_disjoint_and_as_many_as_fit(
    frames: int, span: int, count: int
) -> None:
    layouts = target_layouts(frames, span, count)
    assert bool(layouts) == (frames >= span)
    for starts in layouts:
        assert all(b - a >= span for a, b in pairwise(starts))
        assert all(0 <= start <= frames - span for start in starts)
    if layouts:
        assert len(layouts[0]) == min(count, frames // span)
        assert [len(starts) for starts in layouts[1:]] == [*range(len(layouts[0]) - 1, 0, -1), 1, 1]
        assert all((s[0], s[-1]) == (0, frames - span) for s in layouts if len(s) > 1)
        (middle,), first, last = layouts[-3:]
        assert abs(2 * middle - (frames - span)) <= 1
        assert (first, last) == ([0], [frames - span])


@pytest.mark.parametrize(
    ("frame", "starts"),
    [(2, [10]), (30, [0]), (6, [20]), (18, [])],  # of 36 frames: 16 targets, 6 on either side
)
def test_a_short_clip_s_target_makes_room_for_its_own_reference(
    frame: int, starts: list[int]
) -> None:
    made = drawn([clip("a", "g", 36)], [candidate("a", frame, "front", 1)], SampleConfig())
    assert [sample.start for sample in made.samples] == starts


def test_fewer_targets_where_more_would_leave_no_reference() -> None:
    rows = [candidate("a", 24, "front", 1)]
    made = drawn([clip("a", "g", 49)], rows, SampleConfig(frames=8, per_clip=3))
    assert [sample.start for sample in made.samples] == [0, 41]


GROUPS = st.lists(
    st.tuples(st.sampled_from("gh"), st.sampled_from("xy"), st.integers(1, 90)), max_size=6
)


@given(
    groups=GROUPS,
    seed=st.integers(0, 99),
    length=st.integers(1, 16),
    stride=st.integers(1, 3),
    per_clip=st.integers(1, 4),
    count=st.integers(1, 8),
)
def test_nothing_leaks_and_order_decides_nothing(
    groups: list[tuple[str, str, int]],
    seed: int,
    length: int,
    stride: int,
    per_clip: int,
    count: int,
) -> None:
    """Garment groups g and h, either in split groups x and y: a broken table must not leak."""
    rng = random.Random(seed)
    clips = [
        clip(f"c{i}", garment, frames, rng.choice(["train", "val", "test"]), of)
        for i, (garment, of, frames) in enumerate(groups)
    ]
    rows = [
        candidate(c.clip_id, frame, rng.choice(VIEWS), frame + 1 if rng.random() < 0.7 else None)
        for c in clips
        for frame in range(0, c.frames, 4)
    ]
    rows.append(candidate("stranger", 0, "front", 1))
    yaws = {c.clip_id: np.full(c.frames, rng.uniform(-180, 180), np.float32) for c in clips}
    config = SampleConfig(length, stride, count, per_clip)
    made = make_samples(clips, rows, yaws, config)

    by_clip = {c.clip_id: c for c in clips}
    by_row = {row.reference_id: row for row in rows}
    evaluated = {c.clip_id for c in clips if c.split in ("val", "test")}
    assert {s.clip_id for s in made.samples} | set(made.skipped) == evaluated
    assert not {s.clip_id for s in made.samples} & set(made.skipped)
    assert len({s.sample_id for s in made.samples}) == len(made.samples)
    for sample in made.samples:
        target, own = by_clip[sample.clip_id], [by_row[name] for name in sample.reference_ids]
        assert targets(sample)[-1] < target.frames
        assert 1 <= len(own) == len(set(sample.reference_ids)) <= count
        lenders = {row.clip_id for row in own}
        for lender in map(by_clip.__getitem__, lenders):
            assert lender.garment_group == target.garment_group
            assert lender.split_group == target.split_group
        assert all(row.rank is not None for row in own)
        same = target.clip_id in lenders
        assert sample.reference_source == ("same_clip" if same else "other_clip")
        assert not same or len(lenders) == 1
        for other in made.samples:
            if other.clip_id != sample.clip_id:
                continue
            assert other is sample or not set(targets(other)) & set(targets(sample))
            if same:  # away from every target range of the clip, not from this sample's alone
                near = [min(abs(row.frame - f) for f in targets(other)) for row in own]
                assert min(near) > config.exclusion_s * FPS

    shuffled = [rng.sample(clips, len(clips)), rng.sample(rows, len(rows))]
    assert make_samples(*shuffled, yaws, config) == made


@given(st.lists(st.sampled_from(VIEWS), max_size=12), st.integers(1, 8), st.randoms())
def test_all_views_a_group_shows_come_first(
    views: list[str], count: int, rng: random.Random
) -> None:
    rows = [candidate("b", i, view, i + 1, rng.random()) for i, view in enumerate(views)]
    served = cover(rows, count)
    shown = [view for view in SLOTS if view in views]
    assert [row.view for row in served[: len(shown)]] == shown[:count]
    assert len(served) == min(count, len(rows))
    for fewer in range(count):
        assert cover(rows, fewer) == served[:fewer]
    assert cover(rng.sample(rows, len(rows)), count) == served


def test_clips_without_a_sample_are_told_why() -> None:
    clips = [
        clip("a", "g", split="train"),
        clip("b", "g", frames=10),
        clip("c", "g"),
        clip("d", "h"),
        clip("e", "i", frames=20),  # 8 is within 6 of any 16
    ]
    rows = [candidate("a", 0, "front", 1), candidate("e", 9, "front", 1)]
    made = drawn(clips, rows, SampleConfig())
    assert [sample.clip_id for sample in made.samples] == ["c"]
    assert made.skipped == {
        "b": "shorter than 16 frames",
        "d": "no reference in its garment group",
        "e": "no reference 0.5 s from its targets",
    }


def test_the_table_holds_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    clips = [clip(f"c{i}", f"g{i // 2}") for i in range(6)]
    rows = [candidate(c.clip_id, 12 * i, v, i + 1) for c in clips for i, v in enumerate(VIEWS)]
    for name, order in (("a", 1), ("b", -1)):
        made = drawn(clips[::order], rows[::order], SampleConfig(per_clip=2))
        SAMPLES.write(tmp_path / name, made.samples, without_sample=made.skipped)
    assert len(made.samples) == 12
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"per_clip": 0}, {"exclusion_s": -0.1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="allowed"):
        SampleConfig(**wrong)  # type: ignore[arg-type]


def test_views_of_the_default_slots_are_all_views() -> None:
    assert set(SLOTS) == set(VIEWS)
    assert [view_of(CANONICAL_DEG[view]) for view in SLOTS] == list(SLOTS)
