"""The run folder: what is reused, what is lost, what a damaged journal does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.attempts import Answer, Failed
from benchmark.entrants import make_entrant
from benchmark.generations import (
    Entrant,
    Generations,
    Item,
    as_entrant,
    encode,
    generation_key,
)
from benchmark.protocol import Task
from benchmark.results import GENERATIONS, Generation
from mrfashion.artefacts import sha256_file
from mrfashion.errors import InputRefused, UnsafePath
from mrfashion.generation import Result
from mrfashion.media import read_frames

TASK = Task(dataset="../data", samples_hash="s", conditions_hash="c")


def entrant(version: int = 1, name: str = "still") -> Entrant:
    return Entrant(name, "copy", False, {"name": name, "version": version})


def item(sample_id: str = "a", who: Entrant | None = None) -> Item:
    who = who or entrant()
    key = generation_key(sample_id, "front", who)
    return Item(key, who, sample_id, "g", 0, ("c/1", "c/2"), 3, (6, 5), 12.0)


def answer(seed: int = 0) -> Answer:
    frames = np.random.default_rng(seed).integers(0, 256, (3, 6, 5, 3), np.uint8)
    weights = np.full((3, 2), 0.5, np.float32)
    return Answer(Result(frames, 12.0, weights, {"fit": {"version": 1}}), 0.25, None)


def opened(runs: Path, task: Task = TASK) -> Generations:
    return Generations(runs, task)


def store(generations: Generations, what: Item, given: Answer) -> None:
    assert generations.store(what, encode(generations.runs, what, given)) is None


def table(runs: Path) -> list[Generation]:
    return GENERATIONS.read(runs / "generations.parquet")


def stored(runs: Path) -> Generations:
    generations = opened(runs)
    generations.enter(entrant())
    store(generations, item(), answer())
    return generations


def change_journal(runs: Path, **values: Any) -> None:
    path = runs / "generations.jsonl"
    rows = [json.loads(line) | values for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_stored_video_gives_back_every_value(tmp_path: Path) -> None:
    stored(tmp_path)
    assert np.array_equal(read_frames(tmp_path / item().path), answer().result.frames)


def test_the_table_tells_what_was_stored(tmp_path: Path) -> None:
    stored(tmp_path).write_table({})
    (row,) = table(tmp_path)
    assert row.status == "ok"
    assert row.attempt == 1
    assert row.path == item().path
    assert row.video_sha256 == sha256_file(tmp_path / item().path)
    assert row.reference_weights == (0.5,) * 6
    assert row.reference_ids == ("c/1", "c/2")
    assert (row.frames, row.height, row.width, row.fps) == (3, 6, 5, 12.0)
    assert json.loads(row.effective) == {"fit": {"version": 1}}
    assert row.seconds == 0.25
    assert row.peak_memory_bytes is None
    metadata = GENERATIONS.metadata(tmp_path / "generations.parquet")
    assert metadata["task_hash"] == TASK.task_hash


def test_a_finished_video_is_reused_by_another_process(tmp_path: Path) -> None:
    stored(tmp_path)
    assert opened(tmp_path).standing(item()).state == "reused"
    assert opened(tmp_path).standing(item("b")).state == "todo"


def test_a_missing_video_is_redone(tmp_path: Path) -> None:
    generations = stored(tmp_path)
    (tmp_path / item().path).unlink()
    standing = generations.standing(item())
    assert (standing.state, standing.reason) == ("todo", "its video is missing")
    generations.lose(item(), standing.reason)
    generations.write_table({})
    assert [(r.status, r.error, r.path) for r in table(tmp_path)] == [
        ("failed", "video.lost", None)
    ]
    store(generations, item(), answer())
    assert generations.standing(item()).state == "reused"
    statuses = [json.loads(line)["status"] for line in generations.journal.path.open()]
    assert statuses == ["ok", "lost", "ok"]


def test_a_truncated_video_is_redone(tmp_path: Path) -> None:
    generations = stored(tmp_path)
    path = tmp_path / item().path
    path.write_bytes(path.read_bytes()[:-10])
    assert "other bytes" in generations.standing(item()).reason


def test_other_settings_share_nothing(tmp_path: Path) -> None:
    generations = stored(tmp_path)
    newer = item(who=entrant(version=2))
    assert newer.path != item().path
    assert generations.standing(newer).state == "todo"
    generations.enter(newer.entrant)
    generations.write_table({})
    assert table(tmp_path) == []  # the old version's row is no longer the entrant's
    store(generations, newer, answer(1))
    generations.write_table({})
    assert [row.key for row in table(tmp_path)] == [newer.key]
    generations.enter(entrant())
    generations.write_table({})
    assert [row.key for row in table(tmp_path)] == [item().key]


def test_identity_covers_device_precision_and_fitting() -> None:
    still = make_entrant("still")
    plain = as_entrant(still, "cpu", "float32")
    assert as_entrant(still, "cuda:1", "float32").hash == as_entrant(still, "cuda", "float32").hash
    hashes = {as_entrant(still, d, t).hash for d in ("cpu", "cuda") for t in ("float32", "float16")}
    assert len(hashes) == 4
    assert plain.identity["fitting"] >= 1
    assert generation_key("x", "front", plain) != generation_key("x", "frame0", plain)


def test_the_entrants_of_earlier_runs_stay_in_the_table(tmp_path: Path) -> None:
    stored(tmp_path)
    generations = opened(tmp_path)
    other = item(who=entrant(name="other"))
    generations.enter(other.entrant)
    generations.fail(other, Failed("generate.unsupported", "too long"))
    generations.write_table({})
    assert [(r.entrant, r.status, r.error_text) for r in table(tmp_path)] == [
        ("other", "failed", "too long"),
        ("still", "ok", None),
    ]


def test_the_table_prefers_this_runs_key_then_what_succeeded(tmp_path: Path) -> None:
    """Equal settings give two keys where another machine decoded other reference pixels."""
    generations = stored(tmp_path)
    other, failed = replace(item(), key="0" * 32), replace(item(), key="f" * 32)
    store(generations, other, answer(1))
    generations.fail(failed, Failed("generate.unsupported", "no"))
    for key in (item().key, other.key, failed.key):
        generations.write_table({("still", "a"): key})
        assert [row.key for row in table(tmp_path)] == [key]
    generations.write_table({})
    assert [row.status for row in table(tmp_path)] == ["ok"]


def test_a_failure_is_tried_again_only_where_that_may_help(tmp_path: Path) -> None:
    generations = opened(tmp_path)
    generations.fail(item("a"), Failed("generate.unsupported", "no"))
    generations.fail(item("b"), Failed("worker.lost", "gone", retryable=True))
    assert generations.standing(item("a")).state == "failed"
    assert generations.standing(item("b")).state == "todo"


def test_a_torn_last_line_is_forgotten(tmp_path: Path) -> None:
    generations = stored(tmp_path)
    store(generations, item("b"), answer(1))
    path = generations.journal.path
    path.write_bytes(path.read_bytes()[:-25])
    again = opened(tmp_path)
    assert again.standing(item("a")).state == "reused"
    assert again.standing(item("b")).state == "todo"
    store(again, item("b"), answer(1))
    assert again.journal.last(item("b").key)["attempt"] == 1  # type: ignore[index]


@pytest.mark.parametrize("line", ["garbage", "[]", "{}", '{"key": 1, "status": "ok"}', "\x00"])
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    path = stored(tmp_path).journal.path
    path.write_text(line + "\n" + path.read_text())
    with pytest.raises(InputRefused, match=r"generations\.jsonl:1 "):
        opened(tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"entrant": 3},
        {"attempt": "1"},
        {"frames": None},
        {"reference_weights": "x"},
        {"path": None},
        {"retryable": "no"},
        {"entrant_hash": None},
        {"task_hash": "other"},
    ],
)
def test_an_edited_row_is_refused(tmp_path: Path, values: dict[str, Any]) -> None:
    stored(tmp_path)
    change_journal(tmp_path, **values)
    with pytest.raises(InputRefused, match="restore"):
        opened(tmp_path)


@pytest.mark.parametrize("path", ["../outside.mkv", "/etc/passwd", "videos/../../x"])
def test_a_path_out_of_the_run_folder_is_refused(tmp_path: Path, path: str) -> None:
    stored(tmp_path / "runs")
    change_journal(tmp_path / "runs", path=path)
    with pytest.raises(UnsafePath):
        opened(tmp_path / "runs")


def test_a_video_folder_that_leads_out_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    runs = tmp_path / "runs"
    (runs / "videos").mkdir(parents=True)
    (runs / "videos" / "still").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePath):
        stored(runs)
    assert not any((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("text", ["", "[]", '{"still": 1}', "{"])
def test_a_damaged_list_of_entrants_is_refused(tmp_path: Path, text: str) -> None:
    stored(tmp_path)
    (tmp_path / "entrants.json").write_text(text)
    with pytest.raises(InputRefused, match=r"entrants\.json"):
        opened(tmp_path)
