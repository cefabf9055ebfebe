from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.errors import ConfigError
from mrfashion.splits import SPLITS, SplitConfig, assign, split_groups

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
