"""Model files: the table, what is here and what is wrong with it, and the commands."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mrfashion import weights
from mrfashion.__main__ import run
from mrfashion.artefacts import folder_lock
from mrfashion.errors import (
    ExitCode,
    HashMismatch,
    InputRefused,
    MissingRequirement,
    UnknownNameError,
)
from mrfashion.weight_fetching import fetch
from mrfashion.weight_files import WEIGHTS
from mrfashion.weight_origins import Hub, Member
from mrfashion.weights import missing_weights, weights_path
from tests.toy_weights import MEMBERS, OWN, Toys, digest, toy_shop, zip_bytes


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Toys]:
    with toy_shop(monkeypatch, tmp_path) as shop:
        yield shop


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
    hashes = [row.sha256 for row in WEIGHTS.values() if row.sha256]
    assert len(set(hashes)) == len(hashes)
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


# The commands.


def test_the_commands_answer_with_their_exit_codes(
    toys: Toys, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["weights", "check"]) == ExitCode.MISSING
    sha256 = digest(MEMBERS["models/one.tflite"])
    held = f"{len(MEMBERS['models/one.tflite']):,} bytes, sha256 {sha256}; MIT"
    absent = f"one.tflite does not exist ({held}): mrfashion weights fetch toy"
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
    toys.server.put("/files/toy-1.0-any.whl", bytes(len(zip_bytes(MEMBERS))))
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
