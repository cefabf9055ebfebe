"""Hashes of weight files: right, remembered where that is safe, and never in the way."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from mrfashion import weight_hashes
from mrfashion.weight_hashes import FILE, file_sha256, folder_sha256


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of its own, where files count as settled at once."""
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weight_hashes, "SETTLED_NS", -1)
    return tmp_path / "cache"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "unet" / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"tensors")
    return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def count_hashings(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    hashed: list[Path] = []
    real = weight_hashes.sha256_file
    monkeypatch.setattr(weight_hashes, "sha256_file", lambda p: hashed.append(p) or real(p))
    return hashed


def test_a_file_is_hashed_once(cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = count_hashings(monkeypatch)
    link = weights.with_name("link.safetensors")
    link.symlink_to(weights)
    assert [file_sha256(weights), file_sha256(weights), file_sha256(link)] == [
        sha256(b"tensors")
    ] * 3
    assert hashed == [weights]
    assert len((cache / FILE).read_text().splitlines()) == 1


def test_a_changed_file_is_hashed_again_though_its_time_is_set_back(
    cache: Path, weights: Path
) -> None:
    before, times = file_sha256(weights), weights.stat()
    weights.write_bytes(b"Tensors")
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert weights.stat().st_mtime_ns == times.st_mtime_ns
    assert before == sha256(b"tensors")
    assert file_sha256(weights) == sha256(b"Tensors")


def test_another_file_in_its_place_is_hashed(cache: Path, weights: Path) -> None:
    file_sha256(weights)
    other = weights.with_name("other")
    other.write_bytes(b"TENSORS")
    other.replace(weights)
    assert file_sha256(weights) == sha256(b"TENSORS")


def test_a_file_just_written_is_not_remembered(
    cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_hashes, "SETTLED_NS", 2_000_000_000)
    assert file_sha256(weights) == sha256(b"tensors")
    assert not (cache / FILE).exists()
    later = time.time_ns() + 3_000_000_000
    monkeypatch.setattr(weight_hashes.time, "time_ns", lambda: later)
    file_sha256(weights)
    assert (cache / FILE).exists()


@pytest.mark.parametrize(
    "line",
    [
        '{"file":["/x",1,2',
        "[]",
        "null",
        '{"file":["/x"],"sha256":"short"}',
        '{"file":[NaN],"sha256":"' + "0" * 64 + '"}',
        "\x00\xff",
        "[" * 100_000,
    ],
)
def test_lines_that_are_not_ours_are_passed_over(cache: Path, weights: Path, line: str) -> None:
    cache.mkdir()
    (cache / FILE).write_text(line + "\n", encoding="latin-1")
    assert file_sha256(weights) == sha256(b"tensors")
    assert file_sha256(weights) == sha256(b"tensors")


def test_a_memory_grown_too_long_is_begun_anew(cache: Path, weights: Path) -> None:
    cache.mkdir()
    (cache / FILE).write_text("x" * (weight_hashes.MAX_BYTES + 1))
    file_sha256(weights)
    assert len((cache / FILE).read_text().splitlines()) == 1


def test_a_cache_that_cannot_be_written_does_no_harm(
    cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file where a folder belongs")
    assert file_sha256(weights) == sha256(b"tensors")


def test_names_that_are_no_text_are_remembered_too(
    cache: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = weights.rename(weights.with_name(os.fsdecode(b"\xff.safetensors")))
    hashed = count_hashings(monkeypatch)
    assert [file_sha256(odd), file_sha256(odd)] == [sha256(b"tensors")] * 2
    assert hashed == [odd]


def test_a_missing_file_is_an_error_not_a_hash(cache: Path, weights: Path) -> None:
    with pytest.raises(FileNotFoundError):
        file_sha256(weights.with_name("missing"))


def test_a_folder_tells_the_files_that_match_by_path(cache: Path, weights: Path) -> None:
    root = weights.parent.parent
    (root / "model_index.json").write_text("{}")
    (root / "notes.md").write_text("not a weight")
    assert folder_sha256(root, ["*.json", "**/*.safetensors", "*.json"]) == {
        "model_index.json": sha256(b"{}"),
        "unet/model.safetensors": sha256(b"tensors"),
    }
    assert folder_sha256(root / "missing", ["*"]) == {}
