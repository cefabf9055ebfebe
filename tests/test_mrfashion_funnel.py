"""The funnel: every input is counted once, at the stage where it left."""

from __future__ import annotations

import math
from pathlib import Path

from mrfashion import tables
from mrfashion.funnel import funnel_of
from mrfashion.manifest import Dataset
from mrfashion.tables import Failure, Reject
from tests.conftest import write_dataset


def dataset(root: Path, rejects: list[Reject], failures: list[Failure]) -> Dataset:
    """Four kept clips of four videos, and what is given."""
    write_dataset(root)
    tables.REJECTS.write(root / "rejects.parquet", rejects)
    tables.FAILURES.write(root / "failures.parquet", failures)
    return Dataset(root)


def short(item: str, measured: float = 0.5) -> Reject:
    return Reject(item, "in/a.mp4", "filter.duration", "too short", measured, 1.5, "")


def test_nothing_dropped_is_all_kept(tmp_path: Path) -> None:
    funnel = funnel_of(dataset(tmp_path, [], []))
    assert (funnel.videos, funnel.usable_videos, funnel.shots, funnel.clips) == (4, 4, 4, 4)
    assert (funnel.clips_with_samples, funnel.samples, funnel.drops) == (4, 4, ())


def test_videos_and_shots_are_counted_apart_and_in_the_order_of_the_stages(tmp_path: Path) -> None:
    rejects = [
        Reject("shot3", "in/a.mp4", "poses", "no keypoints", None, None, "gone"),
        short("shot1", 0.5),
        short("shot2", 0.25),
        Reject("in/b.mp4", "in/b.mp4", "duplicates", "exact copy", None, None, "of in/a.mp4"),
    ]
    failures = [Failure("in/c.mp4", "in/c.mp4", "survey", "probe.corrupt", False, "no video")]
    funnel = funnel_of(dataset(tmp_path, rejects, failures))
    assert (funnel.videos, funnel.usable_videos) == (7, 5)
    assert (funnel.shots, funnel.clips) == (7, 4)
    told = [(d.unit, d.kind, d.stage, d.reason, d.count, d.left) for d in funnel.drops]
    assert told == [
        ("videos", "rejected", "duplicates", "exact copy", 1, 6),
        ("videos", "failed", "survey", "probe.corrupt", 1, 5),
        ("shots", "rejected", "filter.duration", "too short", 2, 5),
        ("shots", "rejected", "poses", "no keypoints", 1, 4),
    ]
    duration = funnel.drops[2]
    assert (duration.threshold, duration.measured_low, duration.measured_high) == (1.5, 0.25, 0.5)


def test_an_item_that_stands_twice_counts_once_where_it_left_first(tmp_path: Path) -> None:
    later = Reject("shot1", "in/a.mp4", "filter.person", "no person found", 0.1, 0.8, "")
    funnel = funnel_of(dataset(tmp_path, [later, short("shot1")], []))
    assert [(d.stage, d.count) for d in funnel.drops] == [("filter.duration", 1)]
    assert funnel.shots == 5


def test_a_failure_of_a_kept_clip_drops_nothing_and_is_told(tmp_path: Path) -> None:
    failures = [Failure("clip00", "test:clip00", "references", "x", False, "no candidates")]
    funnel = funnel_of(dataset(tmp_path, [], failures))
    assert (funnel.clips, funnel.drops, funnel.failed_after) == (4, (), 1)


def test_what_could_not_be_measured_is_no_number(tmp_path: Path) -> None:
    funnel = funnel_of(dataset(tmp_path, [short("shot1", math.nan)], []))
    assert (funnel.drops[0].measured_low, funnel.drops[0].measured_high) == (None, None)


def test_unknown_stages_come_last(tmp_path: Path) -> None:
    novel = Reject("shot9", "in/a.mp4", "appearance", "a twin", None, None, "")
    funnel = funnel_of(dataset(tmp_path, [novel, short("shot1")], []))
    assert [d.stage for d in funnel.drops] == ["filter.duration", "appearance"]


def test_every_stage_leads_to_the_count_of_kept_clips(tmp_path: Path) -> None:
    rejects = [short(f"shot{i}") for i in range(5)]
    funnel = funnel_of(dataset(tmp_path, rejects, []))
    assert funnel.drops[-1].left == funnel.clips
    assert funnel.shots - sum(d.count for d in funnel.drops if d.unit == "shots") == funnel.clips
