"""Metrics of sets on the board: what is marked, what is refused, and that nothing is left out."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.results import SET_SCORES, SetScore
from benchmark.scoring import score
from benchmark.set_metrics import SET_METRICS
from benchmark.set_scoring import TARGET
from leaderboard.board import SetTable
from leaderboard.report import report
from leaderboard.rows import Entrant
from leaderboard.sets import read_sets
from mrfashion.errors import InputRefused
from tests.conftest import write_dataset
from tests.markup import Tags
from tests.run_folders import exact, noisy, write_runs

TASK = "t" * 32
SHOWN = {"title": "FVD", "decimals": 2, "status": "standard", "citation": "somebody"}


def row(entrant: str, value: float | None, against: str = TARGET, **changes: Any) -> SetScore:
    blank = SetScore(
        entrant=entrant,
        against=against,
        task_hash=TASK,
        metric_id="fvd/whole@1#0",
        metric="fvd",
        value=value,
        low=None if value is None else value - 1,
        high=None if value is None else value + 1,
        videos=12,
        clips=12,
        units=6,
        p=None,
        floor=5.0 if against == TARGET and value is not None else None,
        floor_videos=6 if against == TARGET and value is not None else None,
        note="not measured: no file" if value is None else None,
    )
    return replace(blank, **changes)


def tables(
    root: Path, rows: Sequence[SetScore], copies: tuple[str, ...] = (), **header: Any
) -> tuple[SetTable, ...]:
    ids = {r.metric_id for r in rows}
    known = {
        "task_hash": TASK,
        "level": 0.95,
        "metrics": {
            i: {"definition": {"clips": "one"}, "weights_sha256": {"x": "ab"}} for i in ids
        },
        "shown": dict.fromkeys(ids, SHOWN),
    }
    SET_SCORES.write(root / "set_scores.parquet", list(rows), **known | header)
    names = sorted({r.entrant for r in rows} - {"ghost"})
    return read_sets(root, [Entrant(name, "learned", name in copies) for name in names], TASK)


def marked(found: Sequence[SetTable]) -> set[str]:
    return {entry.entrant for entry in found[0].entries if entry.best}


def test_a_clear_winner_is_marked_and_stands_first(tmp_path: Path) -> None:
    found = tables(tmp_path, [row("b", 9.0), row("a", 3.0), row("a", -6.0, "b", p=0.001)])
    assert [entry.entrant for entry in found[0].entries] == ["a", "b"]
    assert marked(found) == {"a"}
    assert found[0].definition == {"clips": "one", "weights of x": "ab"}


def test_holm_counts_every_pair_of_the_table(tmp_path: Path) -> None:
    """0.03 alone would tell a from b; among three pairs it does not."""
    rows = [row("a", 3.0), row("b", 4.0), row("c", 9.0)]
    rows += [row("a", -1.0, "b", p=0.03), row("a", -6.0, "c", p=1e-6), row("b", -5.0, "c", p=0.9)]
    found = tables(tmp_path, rows)
    assert [pair.p for pair in found[0].pairs] == [pytest.approx(0.06), pytest.approx(3e-6), 0.9]
    assert marked(found) == {"a", "b"}
    assert marked(tables(tmp_path, [rows[0], rows[1], rows[3]])) == {"a"}


def test_another_metric_of_the_same_status_is_in_the_family(tmp_path: Path) -> None:
    rows = [row("a", 3.0), row("b", 4.0), row("a", -1.0, "b", p=0.03)]
    other = [replace(r, metric_id="fid/whole@1#0", metric="fid") for r in rows]
    assert marked(tables(tmp_path, rows + other)) == {"a", "b"}


def test_fewer_videos_win_nothing_and_their_number_is_kept(tmp_path: Path) -> None:
    rows = [row("few", 1.0, videos=10), row("a", 3.0), row("b", 9.0)]
    rows += [row("a", -6.0, "b", p=1e-3), row("a", 2.0, "few", p=1e-3, videos=10)]
    found = tables(tmp_path, [*rows, row("b", 8.0, "few", p=1e-3, videos=10)])
    assert marked(found) == {"a"}
    assert [(e.entrant, e.videos) for e in found[0].entries] == [("few", 10), ("a", 12), ("b", 12)]


def test_copies_stand_apart_and_are_paired_with_none(tmp_path: Path) -> None:
    rows = [row("a", 3.0), row("b", 9.0), row("copy", 0.1), row("a", -6.0, "b", p=1e-3)]
    rows += [row("a", 2.9, "copy", p=1e-9), row("b", 8.9, "copy", p=1e-9)]
    found = tables(tmp_path, rows, copies=("copy",))
    assert marked(found) == {"a"}
    assert [entry.section for entry in found[0].entries] == [
        "Methods",
        "Methods",
        "Per-frame copies",
    ]
    assert [(pair.entrant, pair.against) for pair in found[0].pairs] == [("a", "b")]


@pytest.mark.parametrize("p", [None, 1.0])
def test_without_a_test_or_with_equal_videos_nobody_is_marked(
    tmp_path: Path, p: float | None
) -> None:
    rows = [row("a", 3.0), row("b", 3.0), row("a", 0.0, "b", p=p)]
    assert marked(tables(tmp_path, rows)) == set()


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda r: replace(r, task_hash="u" * 32), "another task"),
        (lambda r: replace(r, entrant="ghost"), "no generation goes with it"),
        (lambda r: replace(r, against="ghost"), "no generation goes with it"),
        (lambda r: replace(r, value=math.nan), "no scores"),
        (lambda r: replace(r, floor=math.inf), "no scores"),
    ],
)
def test_rows_that_do_not_belong_are_refused(
    tmp_path: Path, edit: Callable[[SetScore], SetScore], reason: str
) -> None:
    with pytest.raises(InputRefused, match=reason):
        tables(tmp_path, [edit(row("a", 3.0)), row("b", 4.0)])


def test_a_table_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="another task"):
        tables(tmp_path, [row("a", 3.0)], task_hash="u" * 32)
    assert read_sets(tmp_path / "none", [], TASK) == ()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with made-up set scores beside measured ones of clips."""
    root = tmp_path_factory.mktemp("sets")
    runs = write_runs(root / "runs", write_dataset(root / "data"), {"<i>": noisy, "b|": exact})
    task = score(runs, metrics=["psnr"]).task_hash
    rows = [row("<i>", 12.345), row("b|", 3.21, low=None, high=None, note="2 garment groups")]
    rows.append(row("<i>", 9.135, "b|", p=1e-9))
    other = [replace(r, metric_id="fvd-disco/whole@1#0", metric="fvd-disco") for r in rows]
    blank = [replace(row(n, None), metric_id="kid/whole@1#0", metric="kid") for n in ("<i>", "b|")]
    shown = {r.metric_id: SHOWN | {"title": r.metric} for r in [*rows, *blank]}
    shown[other[0].metric_id] = SHOWN | {"title": "fvd-disco", "status": "comparability"}
    rows = [replace(r, task_hash=task) for r in [*rows, *other, *blank]]
    ids = {r.metric_id: {"definition": {"clips": "one a video"}} for r in rows}
    header = {"task_hash": task, "level": 0.95, "metrics": ids, "shown": shown}
    SET_SCORES.write(runs / "set_scores.parquet", rows, **header)
    report(runs, root / "site", clips=0)
    return root / "site"


def test_every_format_holds_number_interval_videos_and_floor(site: Path) -> None:
    page = Tags((site / "index.html").read_text(encoding="utf-8"))
    markdown = (site / "board.md").read_text(encoding="utf-8")
    for text in (page.text, markdown):
        for part in ("12.35", "11.35 to 13.35", "5.00", "2 garment groups", "b| is nearer", "kid"):
            assert part in text.replace("\\|", "|"), part
    assert "| fvd | &lt;i&gt; | 12.35 [11.35 to 13.35] | 12 | 6 | 5.00 (6 and 6) |" in markdown
    assert "- kid, sets: no file" in markdown
    assert "12 of 4" in " ".join(page.text.split())  # videos, of the board's clips
    assert "fvd-disco somebody" in " ".join(page.text.split())  # whose habit it is
    assert not page.all("i")


def test_csv_and_json_hold_every_row(site: Path) -> None:
    lines = list(csv.DictReader(io.StringIO((site / "board.csv").read_text(encoding="utf-8"))))
    of_sets = [line for line in lines if line["metric"] in SET_METRICS]
    assert len(of_sets) == 3 + 3 + 2
    pair = next(line for line in of_sets if line["against"])
    assert (pair["value"], pair["holm_p"], pair["clips"]) == ("9.135", "1e-09", "12")
    first = of_sets[0]
    assert (first["floor"], first["floor_clips"], first["interval"]) == ("5.0", "6", "")
    board = json.loads((site / "board.json").read_text())
    assert [table["metric"] for table in board["sets"]] == ["fvd", "kid", "fvd-disco"]
    assert "set_scores.parquet" in board["sources"]
