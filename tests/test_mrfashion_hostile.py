"""Damaged and hostile inputs through the whole curation; MRFASHION_FULL=1 runs all of them."""

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mrfashion.describe import describe
from mrfashion.executors import ExecutorConfig
from mrfashion.manifest import Dataset
from mrfashion.visible import STEERING, visible
from tests.hostile_case import Case
from tests.hostile_inputs import CONFIG, all_cases, outcomes, run, wrong
from tests.hostile_names import TEXTS

# One or two of each family.
FEW = (
    "cut-mp4-40", "cut-mkv-60", "flip-avi-2", "no-video-concat-beside", "no-video-html",
    "size-png-65535", "size-changes", "time-pts-gap-mkv", "table-index-bomb", "codec-unknown",
    "endless-fifo", "endless-sparse", "endless-frames", "stream-sound-only", "turned-90",
    "hdr-pq-libx264", "name-html", "name-bidi", "name-terminal", "name-not-utf8", "link-loop",
    "link-sidecar", "table-csv-traversal", "sidecar-pickled-array", "sidecar-far-away",
    "tar-traversal", "tar-symlink", "tar-pickle", "tar-json-broken", "tar-cut-first",
    "tar-head-size-negative", "parquet-page-damaged", "parquet-row-path-absolute",
    "hub-jsonl-broken-line", "hub-link-README.md",
)  # fmt: skip
MOST_MB = 800  # of a process; a header that was believed would take gigabytes
MOST_S = 600


def few() -> list[Case]:
    cases = {case.name: case for case in all_cases()}
    return [cases[name] for name in FEW]


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("hostile")
    return root, run(few(), root, replace(CONFIG, executor=ExecutorConfig("thread")))


def faults(cases: Sequence[Case], root: Path, told: dict[str, Any]) -> list[str]:
    """What did not end as its case says."""
    found, faults = outcomes(root / "out"), []
    for case in cases:
        if (case.expected == {"": "refused"}) != (case.name in told["refused"]):
            faults.append(f"{case.name}: refused is {case.name in told['refused']}")
        elif case.name not in told["refused"]:
            faults += wrong(case, found)
    return faults


def test_a_few_hostile_inputs_end_as_they_must(curated: tuple[Path, dict[str, Any]]) -> None:
    root, told = curated
    assert faults(few(), root, told) == []
    assert told["changed"] == []


def test_texts_of_strangers_are_data_in_tables_and_spelled_out_on_pages(
    curated: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    dataset = Dataset(curated[0] / "out")
    licences = {clip.licence for clip in dataset.clips.values()}
    assert licences >= {TEXTS["html"], TEXTS["bidi"], TEXTS["terminal"]}
    page = describe(dataset.root, tmp_path / "page", clips=3).page.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert visible(TEXTS["bidi"]) in page
    steering = {c for c in page if unicodedata.category(c) in STEERING} - {"\n", "\t"}
    assert not steering


def test_steering_characters_are_spelled_and_others_are_not() -> None:
    assert visible("a dress, élégant 服 \U0001f457") == "a dress, élégant 服 \U0001f457"
    assert visible("\u202egnp\x1b[2J\n\ud800") == "\\u202egnp\\x1b[2J\\x0a\\ud800"
    assert visible("one\ntwo", but="\n") == "one\ntwo"


@pytest.mark.skipif(os.environ.get("MRFASHION_FULL") != "1", reason="MRFASHION_FULL=1: a minute")
def test_all_hostile_inputs_end_as_they_must(tmp_path: Path) -> None:
    """In a process of its own, in a folder of its own: nothing may appear there."""
    cases = all_cases()
    assert len({case.name for case in cases}) == len(cases) >= 300
    root = tmp_path / "all"
    root.mkdir()
    there = Path(__file__).parents[1]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.hostile_inputs", str(root)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(there)},
        stdout=subprocess.PIPE,
        timeout=MOST_S,
        check=True,
    )
    told = json.loads(ended.stdout)
    assert faults(cases, root, told) == []
    assert [told[name] for name in ("changed", "differ", "anew", "wrong")] == [[], [], [], []]
    assert max(told["self_mb"], told["worker_mb"]) <= MOST_MB
