from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.errors import ConfigError
from mrfashion.samples import SampleConfig, make_samples
from mrfashion.splits import SPLITS, SplitConfig, assign, split_groups
from mrfashion.tables import Clip, ReferenceCandidate
from mrfashion.views import VIEWS

TIES = st.dictionaries(
    st.integers(0, 30).map(lambda n: f"c{n:02d}"), st.lists(st.integers(0, 12), max_size=3)
)


@given(TIES)
def test_groups_are_the_connected_components(ties: dict[str, list[int]]) -> None:
    groups = split_groups(ties)
    component = {clip: {clip} for clip in ties}  # the slow way: merge until nothing changes
    changed = True
    while changed:
        changed = False
        for a in ties:
            for b in ties:
                if set(ties[a]) & set(ties[b]) and component[a] is not component[b]:
                    merged = component[a] | component[b]
                    for clip in merged:
                        component[clip] = merged
                    changed = True
    assert groups == {clip: min(component[clip]) for clip in ties}


@given(TIES, st.integers(0, 5))
def test_no_tie_is_in_two_splits(ties: dict[str, list[int]], seed: int) -> None:
    groups = split_groups(ties)
    splits = assign(groups, SplitConfig(0.6, 0.2, 0.2, seed))
    assert set(splits) == set(groups.values())
    where: dict[int, set[str]] = {}
    for clip, tags in ties.items():
        for tag in tags:
            where.setdefault(tag, set()).add(splits[groups[clip]])
    assert all(len(found) == 1 for found in where.values())


@given(st.integers(20, 200), st.integers(0, 5))
def test_sizes_are_within_one_group_of_what_was_asked(count: int, seed: int) -> None:
    groups = {f"c{i:03d}": f"g{i:03d}" for i in range(count)}
    config = SplitConfig(0.7, 0.1, 0.2, seed)
    sizes = Counter(assign(groups, config).values())
    for split in SPLITS:
        assert abs(sizes[split] - getattr(config, split) * count) <= 1.5


def test_an_empty_share_gets_nothing() -> None:
    splits = assign({"a": "a", "b": "b", "c": "c"}, SplitConfig(0.5, 0.0, 0.5))
    assert set(splits.values()) == {"train", "test"}
    with pytest.raises(ConfigError, match="must sum to 1"):
        SplitConfig(0.5, 0.5, 0.5)


def clip(clip_id: str, group: str, frames: int = 48, split: str = "test") -> Clip:
    return Clip(
        clip_id, f"s:{clip_id}", "0" * 64, None, "CC0-1.0", None, None, f"clips/{clip_id}.mp4",
        "0" * 64, 0, frames - 1, "1/12", 0.0, frames / 12, 12.0, frames, 48, 64, (0, 0, 1, 1),
        group, group, split, VIEWS, {}, {},
    )  # fmt: skip


def candidate(
    clip_id: str, group: str, frame: int, view: str, rank: int | None
) -> ReferenceCandidate:
    return ReferenceCandidate(
        f"{clip_id}/{frame}", clip_id, group, frame, view, 0.0, 0.5, {}, rank, None
    )


def test_references_come_from_the_other_clip_of_the_group() -> None:
    clips = [clip("a", "g"), clip("b", "g")]
    rows = [
        candidate(name, "g", 6 * i, view, 1) for name in "ab" for i, view in enumerate(VIEWS)
    ] + [candidate("b", "g", 40, "front", 2), candidate("b", "g", 44, "front", None)]
    samples = make_samples(clips, rows, SampleConfig(frames=16, references=5))
    of_a = next(sample for sample in samples if sample.clip_id == "a")
    assert of_a.reference_source == "other_clip"
    assert of_a.reference_ids == ("b/0", "b/18", "b/6", "b/12", "b/40")


@given(
    frames=st.integers(1, 80),
    length=st.integers(1, 16),
    stride=st.integers(1, 3),
    per_clip=st.integers(1, 3),
)
def test_own_references_keep_their_distance(
    frames: int, length: int, stride: int, per_clip: int
) -> None:
    rows = [candidate("a", "g", frame, VIEWS[frame % 4], frame + 1) for frame in range(frames)]
    config = SampleConfig(frames=length, stride=stride, per_clip=per_clip, references=8)
    samples = make_samples([clip("a", "g", frames)], rows, config)
    span = (length - 1) * stride + 1
    assert len({sample.sample_id for sample in samples}) == len(samples)
    for sample in samples:
        assert sample.reference_source == "same_clip"
        assert 0 <= sample.start <= frames - span
        for reference in sample.reference_ids:
            frame = int(reference.split("/")[1])
            distance = max(sample.start - frame, frame - (sample.start + span - 1))
            assert distance > 0.5 * 12.0
    if frames >= span + 20 and per_clip == 1:
        assert samples


def test_only_evaluated_splits_and_long_enough_clips_give_samples() -> None:
    rows = [candidate("x", "g", 0, "front", 1)]
    clips = [clip("a", "g", split="train"), clip("b", "g", frames=10), clip("c", "g")]
    assert [s.clip_id for s in make_samples(clips, rows, SampleConfig())] == ["c"]
