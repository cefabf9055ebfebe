import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.artefacts import (
    Journal,
    atomic_path,
    canonical_json,
    content_hash,
    folder_lock,
    inside,
    sweep_temporaries,
    write_atomic,
)
from mrfashion.errors import InputRefused, UnsafePath

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_canonical_json_reads_back_and_ignores_key_order(value: object) -> None:
    assert json.loads(canonical_json(value)) == value
    if isinstance(value, dict):
        assert content_hash(value) == content_hash(dict(reversed(list(value.items()))))


def test_nan_has_no_canonical_form() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_hash(float("nan"))


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomic(path, "whole")

    def fail_half_way() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_sweep_removes_what_a_killed_run_left_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / "clips" / f".clip.{os.getpid()}-{threading.get_ident()}.mp4"
    left.parent.mkdir()
    left.write_text("half")
    kept = [tmp_path / ".lock", tmp_path / ".hidden.name.txt", tmp_path / "clips" / "clip.mp4"]
    for path in kept:
        path.write_text("kept")
    sweep_temporaries(tmp_path)
    assert not left.exists()
    assert all(path.exists() for path in kept)


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../up", "link/x"])
def test_inside_refuses_what_leaves_the_root(tmp_path: Path, name: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafePath, match="leaves its folder"):
        inside(tmp_path / "root", name)


def test_inside_allows_what_stays(tmp_path: Path) -> None:
    assert inside(tmp_path, "a/../b/c.mp4") == tmp_path.resolve() / "b" / "c.mp4"


def test_journal_numbers_attempts_and_keeps_the_newest(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.append("a", "failed", error="x")
    journal.append("b", "ok", value=1)
    journal.append("a", "ok", value=2)
    again = Journal(tmp_path / "j.jsonl")
    assert again.rows() == [
        {"key": "a", "status": "ok", "attempt": 2, "value": 2},
        {"key": "b", "status": "ok", "attempt": 1, "value": 1},
    ]
    assert again.ok("a")
    assert again.last("c") is None


@given(cut=st.integers(min_value=1, max_value=30))
def test_a_torn_last_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    journal = Journal(path)
    journal.append("first", "ok", value="x" * 40)
    whole = path.read_bytes()
    journal.append("second", "ok", value="y" * 40)
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(path)
    assert again.ok("first")
    assert again.ok("second") is None
    assert path.read_bytes() == whole
    assert again.append("second", "ok")["attempt"] == 1


@pytest.mark.parametrize("line", ["[]", "nonsense", '{"key": 1, "status": "ok"}', '{"key": "a"}'])
def test_an_edited_journal_is_refused_by_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "j.jsonl"
    Journal(path).append("a", "ok")
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(InputRefused, match=r"j\.jsonl:2"):
        Journal(path)


def test_a_folder_is_written_by_one_run_at_a_time(tmp_path: Path) -> None:
    with folder_lock(tmp_path), pytest.raises(InputRefused, match="another"), folder_lock(tmp_path):
        pass
    with folder_lock(tmp_path):
        pass
