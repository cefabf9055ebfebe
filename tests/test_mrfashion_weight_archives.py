"""Model files out of archives, hostile ones among them."""

import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.errors import HashMismatch
from mrfashion.weight_fetching import _member_chunks, _store, fetch
from tests.toy_weights import MEMBERS, NET, Toys, toy_shop, zip_bytes


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    with toy_shop(monkeypatch, tmp_path) as shop:
        yield shop


def encrypted(data: bytes) -> bytes:
    """The flag of an encrypted member set in the local header and the directory."""
    return data.replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\1\0").replace(
        b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"
    )


GOOD = zip_bytes(MEMBERS)
SAME = dict.fromkeys(MEMBERS, b"\0" * 20_000_000)
HOSTILE = {
    "no archive": b"hello",
    "empty": b"",
    "torn": GOOD[: len(GOOD) // 2],
    "damaged": GOOD[:60] + b"\xff" * 20 + GOOD[80:],
    "encrypted": encrypted(GOOD),
    "member absent": zip_bytes({"models/three.tflite": b"three"}),
    "member twice": zip_bytes({f"{n}/models/one.tflite": b"one" * 5000 for n in "ab"}),
    "name only ends alike": zip_bytes({"other-models/one.tflite": b"one" * 5000}),
    "other bytes": zip_bytes({name: data[::-1] for name, data in MEMBERS.items()}),
    "short": zip_bytes({name: data[:-1] for name, data in MEMBERS.items()}),
    "bomb": zip_bytes(SAME),
    "packed without a bound": zip_bytes(MEMBERS, zipfile.ZIP_BZIP2),
    "LZMA": zip_bytes(MEMBERS, zipfile.ZIP_LZMA),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_writes_nothing(kind: str, toys: Toys) -> None:
    with pytest.raises(HashMismatch, match=r"bad\.whl"):
        fetch("toy", given=toys.own(HOSTILE[kind], "bad.whl"))
    assert not toys.left()


@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, len(GOOD)),
)
@settings(max_examples=150, deadline=None)
def test_a_damaged_archive_gives_the_right_bytes_or_a_clear_error(
    changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(GOOD)
    for place, value in changes:
        damaged[place] = value
    name = "models/one.tflite"
    with tempfile.NamedTemporaryFile() as file:
        for data in (damaged, damaged[:length]):
            Path(file.name).write_bytes(data)
            try:
                got = b"".join(_member_chunks(Path(file.name), name))
            except HashMismatch:
                continue
            assert got == MEMBERS[name]  # the archive's own checksum saw to it


def test_a_member_is_not_written_where_its_name_says(toys: Toys) -> None:
    own = toys.own(zip_bytes({f"../../{name}": data for name, data in MEMBERS.items()}))
    fetch("toy", given=own)
    assert toys.left() == {"one.tflite", "two.tflite"}
    assert {path.name for path in toys.cache.parent.iterdir()} == {"cache", "own"}


@pytest.mark.parametrize("trust", [False, True])
def test_a_bomb_is_not_unpacked(trust: bool, toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mrfashion.weight_fetching.MOST", 20_000)
    own = toys.own(HOSTILE["bomb"])
    tracemalloc.start()
    try:
        with pytest.raises(HashMismatch):
            fetch("toy", given=own, trust=trust)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert not toys.left()


def test_what_is_longer_than_promised_is_not_read_on(toys: Toys) -> None:
    taken = []

    def endless() -> Iterator[bytes]:
        while len(taken) < 100:
            taken.append(1)
            yield NET

    row = toys.rows["hub-net"]
    with pytest.raises(HashMismatch):
        _store(endless(), row, row.pin, Path("somewhere"))
    assert len(taken) == 2
