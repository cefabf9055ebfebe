"""The board: what it refuses, its means, its marks and its sentence."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from benchmark.metrics import METRICS
from benchmark.results import Generation, Score
from leaderboard.board import COPIES, METHODS, Board
from leaderboard.build import build_board
from leaderboard.report import as_json
from leaderboard.rows import read_results
from mrfashion.errors import InputRefused

TASK = "a" * 32
PSNR = METRICS["psnr"].spec.metric_id("whole")
Values = dict[str, list[float | None]]  # entrant -> PSNR of each clip


def generation(entrant: str, clip: int, copies: bool) -> Generation:
    fields: dict[str, object] = dict.fromkeys(f.name for f in dataclasses.fields(Generation))
    fields |= {"entrant": entrant, "sample_id": f"s{clip}", "garment_group": f"g{clip // 2}"}
    fields |= {"kind": "copy" if copies else "learned", "per_frame_copy": copies, "status": "ok"}
    return Generation(**fields)  # type: ignore[arg-type]


def score(entrant: str, clip: int, value: float | None, metric: str = "psnr") -> Score:
    return Score(
        entrant=entrant,
        sample_id=f"s{clip}",
        garment_group=f"g{clip // 2}",
        task_hash=TASK,
        metric_id=METRICS[metric].spec.metric_id("whole"),
        metric=metric,
        region="whole",
        stratum="all",
        value=value,
        n=0 if value is None else 16,
        capped=0,
        note="not scored: decode.truncated" if value is None else None,
    )


def rows(values: Values, copies: tuple[str, ...] = ()) -> tuple[list[Score], list[Generation]]:
    pairs = [(e, i, v) for e, clips in values.items() for i, v in enumerate(clips)]
    return [score(*p) for p in pairs], [generation(e, i, e in copies) for e, i, _ in pairs]


def board(values: Values, copies: tuple[str, ...] = ()) -> Board:
    return build_board(read_results(*rows(values, copies), TASK), "Title", {}, {})


def best(made: Board) -> set[str]:
    found = [r for s in made.sections for r in s.rows if r.cell(PSNR, "all").best]
    return {row.entrant for row in found}


def test_a_mean_is_over_garment_groups() -> None:
    made = board({"a": [10.0, 20.0, 30.0]})  # groups g0 (two clips) and g1
    cell = made.sections[0].rows[0].cell(PSNR, "all")
    assert (cell.value, cell.groups, cell.clips, cell.frames) == (22.5, 2, 3, 48)
    assert (made.clips, made.groups) == (3, 2)


def test_rows_go_from_best_to_worst_and_the_unmeasured_last() -> None:
    made = board({"low": [1.0] * 4, "none": [None] * 4, "high": [9.0] * 4})
    assert [row.entrant for row in made.sections[0].rows] == ["high", "low", "none"]


def test_a_clear_winner_is_marked_alone() -> None:
    values: Values = {"a": [20, 25, 22, 28, 19, 24], "b": [10, 16, 11, 19, 8, 15]}
    assert best(board(values)) == {"a"}


def test_what_is_not_told_apart_is_marked_together() -> None:
    values: Values = {"a": [20, 25, 22, 28, 19, 24], "b": [24, 20, 26, 22, 21, 24.5], "c": [1] * 6}
    assert best(board(values)) == {"a", "b"}


def test_lower_is_better_is_obeyed() -> None:
    scores, generations = rows({"a": [0.1, 0.11, 0.1, 0.12], "b": [0.3, 0.32, 0.3, 0.31]})
    l1 = [score(s.entrant, int(s.sample_id[1:]), s.value, "l1") for s in scores]
    made = build_board(read_results(l1, generations, TASK), "T", {}, {})
    assert [row.entrant for row in made.sections[0].rows] == ["a", "b"]
    assert [row.cells[0].best for row in made.sections[0].rows] == [True, False]
    assert "“a” has the best whole-frame L1" in made.sentence


@pytest.mark.parametrize(
    ("metric", "marked"), [("psnr-disco-2023", set()), ("psnr-disco-2024", {"a"})]
)
def test_a_metric_that_is_wrong_by_definition_marks_nobody(metric: str, marked: set[str]) -> None:
    scores, generations = rows({"a": [30, 31, 30, 32], "b": [20, 21, 20, 21.5]})
    others = [score(s.entrant, int(s.sample_id[1:]), s.value, metric) for s in scores]
    made = build_board(read_results(others, generations, TASK), "T", {}, {})
    status = METRICS[metric].spec.status
    assert made.columns[0].definition["status"].startswith(f"{status}: ")
    assert ("invalid" in made.columns[0].title) is (status == "invalid")
    assert {row.entrant for row in made.sections[0].rows if row.cells[0].best} == marked


def test_a_metric_that_is_wrong_by_definition_orders_no_rows_beside_another() -> None:
    scores, generations = rows({"a": [30, 31, 30, 32], "b": [20, 21, 20, 21.5]})
    wrong = [score(s.entrant, int(s.sample_id[1:]), s.value, "psnr-disco-2023") for s in scores]
    right = [
        score(s.entrant, int(s.sample_id[1:]), 1 - s.value / 100, "ssim-disco")
        for s in scores
        if s.value is not None
    ]
    made = build_board(read_results([*wrong, *right], generations, TASK), "T", {}, {})
    assert made.column(made.headline).metric == "ssim-disco"
    assert [row.entrant for row in made.sections[0].rows] == ["b", "a"]


def test_leaving_out_hard_clips_wins_nothing() -> None:
    values: Values = {
        "whole": [20, 25, 12, 13, 19, 24],
        "picky": [21, 26, None, None, 20, 25],
        "weak": [11, 15, 4, 3, 9, 14],
    }
    made = board(values)
    assert best(made) == {"whole"}
    assert not made.complete
    assert [(m.entrant, m.sample_id, m.reason) for m in made.missing] == [
        ("picky", "s2", "not scored: decode.truncated"),
        ("picky", "s3", "not scored: decode.truncated"),
    ]
    row = next(r for s in made.sections for r in s.rows if r.entrant == "picky")
    assert (row.scored, row.missing) == (4, 2)


def test_one_garment_group_marks_nobody() -> None:
    made = board({"a": [20.0, 21.0], "b": [10.0, 11.0]})
    assert best(made) == set()
    assert "one garment group says nothing about others" in made.sentence
    assert made.sections[0].rows[0].cell(PSNR, "all").note == "one group"


def test_copies_that_choose_per_frame_stand_apart() -> None:
    values: Values = {"a": [20, 25, 22, 28], "b": [10, 16, 11, 19], "nearest": [90, 95, 91, 96]}
    made = board(values, copies=("nearest",))
    assert [(s.name, [r.entrant for r in s.rows]) for s in made.sections] == [
        (METHODS, ["a", "b"]),
        (COPIES, ["nearest"]),
    ]
    assert best(made) == {"a"}
    assert "nearest" not in made.sentence


def test_the_sentence_is_no_stronger_than_the_interval() -> None:
    clear = board({"a": [20, 25, 22, 28, 19, 24], "b": [10, 16, 11, 19, 8, 15]})
    assert "“a” has the best whole-frame PSNR" in clear.sentence
    assert "ahead of “b”" in clear.sentence
    assert "3 garment groups" in clear.sentence
    level = board({"a": [20, 25, 22, 28, 19, 24], "b": [24, 20, 26, 22, 21, 24]})
    assert "is not told apart from “b”" in level.sentence


def test_nothing_measured_is_said() -> None:
    made = board({"a": [None, None]})
    assert made.sentence == "Nothing has been measured yet."
    cell = made.sections[0].rows[0].cell(PSNR, "all")
    assert (cell.value, cell.note) == (None, "not scored: decode.truncated")


def test_a_generation_without_scores_is_missing() -> None:
    scores, generations = rows({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]})
    less = [s for s in scores if (s.entrant, s.sample_id) != ("b", "s1")]
    assert [m.reason for m in read_results(less, generations, TASK).missing] == [
        "not scored yet: run `mrfashion score`"
    ]
    fewer = [g for g in generations if (g.entrant, g.sample_id) != ("b", "s1")]
    assert [m.reason for m in read_results(less, fewer, TASK).missing] == ["not attempted"]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda s: replace(s, task_hash="b" * 32), "different tasks do not compare"),
        (lambda s: replace(s, metric_id="psnr/whole@1#000000000000"), "other definitions"),
        (lambda s: replace(s, metric="vmaf"), "other definitions"),
        (lambda s: replace(s, value=math.nan), "is no score"),
        (lambda s: replace(s, value=math.inf), "is no score"),
        (lambda s: replace(s, n=0), "is no score"),
        (lambda s: replace(s, stratum="sideways"), "allowed strata"),
        (lambda s: replace(s, entrant="ghost"), "no generation goes with"),
        (lambda s: replace(s, garment_group="g9"), "no generation goes with"),
        (lambda s: replace(s, sample_id="s1"), "two scores"),
    ],
)
def test_rows_that_do_not_belong_are_refused(edit: Callable[[Score], Score], reason: str) -> None:
    scores, generations = rows({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    scores[0] = edit(scores[0])
    with pytest.raises(InputRefused, match=reason):
        read_results(scores, generations, TASK)


def test_no_scores_is_refused() -> None:
    with pytest.raises(InputRefused, match="no score to show"):
        read_results([], rows({"a": [1.0]})[1], TASK)


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


def test_the_board_is_strict_json_without_nan() -> None:
    made = as_json(board({"a": [20.0, None, 22.0], "b": [None, None, None]}))
    text = json.dumps(made, allow_nan=False)
    assert json.loads(text)["task_hash"] == TASK
    assert all(math.isfinite(number) for number in numbers(made))


def test_entrants_that_are_all_equal_are_not_marked() -> None:
    """As in a metric of the target alone."""
    assert best(board({"a": [20, 25, 22, 28], "b": [20, 25, 22, 28]})) == set()


def test_a_metric_without_any_number_is_listed_and_no_column() -> None:
    scores, generations = rows({"a": [20.0, 21.0]})
    blank = [score("a", clip, None, "l1") for clip in range(2)]
    made = build_board(read_results([*scores, *blank], generations, TASK), "T", {}, {})
    assert [column.metric for column in made.columns] == ["psnr"]
    assert [(u.title, u.note) for u in made.unmeasured] == [("L1", "not scored: decode.truncated")]


def test_tables_hold_one_family_and_region_each_the_headlines_first() -> None:
    _, generations = rows({"a": [1.0, 2.0]})
    names = ("tof", "psnr", "flicker", "l1")
    others = [score("a", clip, 1.0, name) for name in names for clip in range(2)]
    made = build_board(read_results(others, generations, TASK), "T", {}, {})
    assert [[c.metric for c in columns] for columns in made.tables] == [
        ["psnr", "l1"],
        ["tof", "flicker"],
    ]
