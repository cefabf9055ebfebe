"""Split groups: no tie crosses splits, what was dealt stays, new clips follow their ties."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.duplicates import DuplicateConfig
from mrfashion.errors import InputRefused
from mrfashion.fingerprints import fingerprint
from mrfashion.garments import GarmentConfig
from mrfashion.grouping import Candidate, Looks, group, read_frozen
from mrfashion.splits import SPLITS, SplitConfig, grow, uneven
from mrfashion.tables import SPLITS as SPLITS_TABLE
from mrfashion.tables import Placement
from mrfashion.ties import Origin

CONFIG = SplitConfig(0.6, 0.2, 0.2)
NO_LOOKS = GarmentConfig(by_appearance=False)
KEYS = ("source_sha256", "product_id", "garment_group")


def _origin(name, source, garment, product=None, views=("front",)):
    return Origin(
        name, f"s{source}", None if product is None else f"p{product}", f"g{garment}", views
    )


def _candidate(origin, pixels=100):
    return Candidate(origin, pixels, 16)


CLIPS = st.dictionaries(
    st.integers(0, 99).map(lambda n: f"c{n:02d}"),
    st.tuples(st.integers(0, 60), st.integers(0, 40), st.none() | st.integers(0, 20)),
    max_size=25,
).map(lambda found: [_candidate(_origin(name, *ids)) for name, ids in sorted(found.items())])


def _group(clips, frozen=None, seen=None, splits=CONFIG, duplicates=None):
    looks = Looks(seen or {}, {}, frozen or {})
    return group(clips, looks, splits, duplicates or DuplicateConfig(), NO_LOOKS)


def _rows(clips, deal):
    return {
        clip.clip_id: Placement(
            clip.clip_id,
            *(getattr(clip.origin, key) for key in KEYS),
            *deal[clip.clip_id],
            None,
            None,
        )
        for clip in clips
        if clip.clip_id in deal
    }


def _leaks(rows):
    """Values of a key that are in two splits: an oracle that knows nothing of groups."""
    where = {}
    for row in rows:
        for key in (*KEYS, "split_group"):
            if getattr(row, key) is not None:
                where.setdefault((key, getattr(row, key)), set()).add(row.split)
    return [found for found in where.items() if len(found[1]) > 1]


@given(CLIPS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_no_tie_crosses_splits_and_order_says_nothing(clips, seed, random):
    config = replace(CONFIG, seed=seed)
    grouped = _group(clips, splits=config)
    assert set(grouped.deal) == {clip.clip_id for clip in clips}
    assert _leaks(_rows(clips, grouped.deal).values()) == []
    assert all(grouped.deal[t.one][0] == grouped.deal[t.other][0] for t in grouped.ties)
    shuffled = list(clips)
    random.shuffle(shuffled)
    assert _group(shuffled, splits=config) == grouped


@given(CLIPS, st.data())
@settings(deadline=None)
def test_what_was_dealt_stays_when_the_dataset_grows(clips, data):
    before = [clip for clip in clips if data.draw(st.booleans())]
    frozen = _rows(before, _group(before).deal)
    absent = {name for name in frozen if data.draw(st.booleans())}
    now = [clip for clip in clips if clip.clip_id not in absent]
    grouped = _group(now, frozen)
    for name, row in frozen.items():
        if name not in absent:
            assert grouped.deal[name][1] == row.split
            assert name not in grouped.bridges
    rows = {**frozen, **_rows(now, grouped.deal)}
    same_key = [pair for pair in _leaks(rows.values()) if pair[0][0] != "split_group"]
    assert same_key == []
    assert set(grouped.deal) | set(grouped.bridges) == {clip.clip_id for clip in now}
    again = _group(now, {**frozen, **_rows(now, grouped.deal)})
    assert again.deal == grouped.deal


def _frozen(name, split, **keys):
    given = {"source_sha256": name, "product_id": None, "garment_group": name, **keys}
    row = Placement(name, *given.values(), f"group-{name}", split, None, None)
    return {name: row}


def test_a_bridge_is_rejected_and_named_and_a_new_clip_joins_what_it_is_tied_to():
    frozen = {
        **_frozen("a", "train", garment_group="g1"),
        **_frozen("b", "test", product_id="p2"),
    }
    bridge = _candidate(_origin("x", 7, 1, 2))
    joins = _candidate(_origin("y", 8, 9, 2))
    grouped = _group([bridge, joins], frozen)
    assert grouped.deal == {"y": ("group-b", "test")}
    found = grouped.bridges["x"]
    assert {found.one, found.other} == {"a", "b"}


def test_two_new_clips_between_two_splits_lose_one_of_them():
    growth = grow({"a": [1], "b": [2], "x": [1, 3], "y": [3, 2]}, {"a": "train", "b": "test"})
    assert growth.joined == {"x": "train"}
    assert [(bridge.clip_id, bridge.one, bridge.other) for bridge in growth.bridges] == [
        ("y", "b", "a")
    ]


def test_frozen_clips_that_are_tied_across_splits_are_refused():
    frozen = {
        **_frozen("a", "train", garment_group="g"),
        **_frozen("b", "test", garment_group="g"),
    }
    with pytest.raises(InputRefused, match=r"a \(train\), b \(test\) are tied \(garment group g\)"):
        _group([], frozen)


def _print(seed, mirror=False):
    rng = np.random.default_rng(seed)
    noise = [cv2.GaussianBlur(rng.normal(size=(48, 32)), (0, 0), 4) for _ in range(8)]
    clip = np.clip(128 + 400 * np.stack(noise), 0, 255).astype(np.uint8)
    return fingerprint(clip[:, :, ::-1] if mirror else clip)


def test_the_better_copy_stays_unless_the_other_is_frozen():
    seen = {"a": _print(1), "b": _print(1, mirror=True), "c": _print(2)}
    small, large = (
        _candidate(_origin(n, i, i), p) for i, (n, p) in enumerate((("a", 9), ("b", 99)))
    )
    other = _candidate(_origin("c", 5, 5))
    grouped = _group([small, large, other], seen=seen)
    assert set(grouped.copies) == {"a"}
    assert grouped.copies["a"].mirrored
    assert set(grouped.deal) == {"b", "c"}
    frozen = _rows([small], {"a": ("a", "val")})
    assert set(_group([small, large, other], frozen, seen).copies) == {"b"}
    both = _group([small, large, other], frozen, seen, duplicates=DuplicateConfig(keep="both"))
    assert both.copies == {}
    assert both.deal["b"] == both.deal["a"] == ("a", "val")
    (tie,) = both.ties
    assert (tie.kind, tie.one, tie.other, tie.mirrored) == ("near-duplicate", "a", "b", True)


def test_a_copy_of_a_clip_of_another_build_follows_it_and_is_kept():
    """The frozen clip is not here, so nothing would be left of it."""
    frozen = {"z": replace(_frozen("z", "test")["z"], fingerprint=_print(3))}
    grouped = _group([_candidate(_origin("a", 1, 1))], frozen, {"a": _print(3, mirror=True)})
    assert grouped.deal == {"a": ("group-z", "test")}


@given(st.lists(st.integers(1, 6), min_size=60, max_size=150), st.integers(0, 4))
@settings(max_examples=25)
def test_shares_of_clips_and_of_views_are_met(sizes, seed):
    all_views = ((), ("front",), ("front", "back"), ("front", "back", "facing-left"))
    rng = np.random.default_rng(seed)
    clips = [
        _candidate(_origin(f"g{g:03d}c{c}", f"{g}/{c}", g, None, all_views[rng.integers(4)]))
        for g, size in enumerate(sizes)
        for c in range(size)
    ]
    deal = _group(clips, splits=replace(CONFIG, seed=seed)).deal
    splits = {name: split for name, (_, split) in deal.items()}
    assert uneven(splits, CONFIG) == {}
    for stratum in all_views:
        names = [clip.clip_id for clip in clips if clip.origin.views == stratum]
        held = Counter(splits[name] for name in names)
        for split in SPLITS:
            assert abs(held[split] - getattr(CONFIG, split) * len(names)) <= 6


def test_a_share_that_cannot_be_met_is_told():
    clips = [_candidate(_origin(f"c{i}", i, 0 if i < 30 else i)) for i in range(40)]
    splits = {name: split for name, (_, split) in _group(clips).deal.items()}
    assert set(uneven(splits, CONFIG)) <= set(SPLITS)
    assert uneven(splits, CONFIG)["train"] == 30


def test_a_frozen_table_is_read_back(tmp_path):
    rows = _frozen("a", "val")
    SPLITS_TABLE.write(tmp_path / "splits.parquet", rows.values())
    assert read_frozen(tmp_path / "splits.parquet") == rows
    assert read_frozen(None) == {}
    for change in ({"split": "tset"}, {"fingerprint": "x"}, {"appearance": "x"}):
        SPLITS_TABLE.write(tmp_path / "splits.parquet", [replace(rows["a"], **change)])
        with pytest.raises(InputRefused, match=r"tset|no fingerprint|no appearance"):
            read_frozen(tmp_path / "splits.parquet")
