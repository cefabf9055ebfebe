"""A file over HTTP, from a server that misbehaves."""

import hashlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from io import BytesIO
from pathlib import Path

import pytest

from mrfashion.downloads import Address, _Redirects, download, offline_by, stated_size
from mrfashion.errors import ConfigError, HashMismatch, MissingRequirement
from tests.file_server import FileServer, forget_settings, serving

DATA = bytes(i * 31 % 251 for i in range(300_000))
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    forget_settings(monkeypatch)
    with serving() as running:
        running.put("/file", DATA)
        yield running


def get(server: FileServer, path: Path, sha256: str | None = SHA) -> None:
    download(Address(f"{server.url}/file"), path, len(DATA), sha256)


def test_a_file_arrives_whole(server: FileServer, tmp_path: Path) -> None:
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_download_goes_on_where_it_stopped(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA[:123_456])
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.ranges == ["bytes=123456-"]


@pytest.mark.parametrize(
    ("habit", "asked"), [("no ranges", ["bytes=1000-"]), ("another range", ["bytes=1000-", None])]
)
def test_a_server_that_ignores_the_range_is_read_from_the_start(
    habit: str, asked: list[str | None], server: FileServer, tmp_path: Path
) -> None:
    server.habits.add(habit)
    (tmp_path / "file.part").write_bytes(DATA[:1000])
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.ranges == asked


def test_a_connection_that_breaks_off_is_taken_up_again(server: FileServer, tmp_path: Path) -> None:
    server.habits.add("breaks off")
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    asked = [int(text[6:-1]) if text else 0 for text in server.ranges]
    assert len(asked) > 10
    assert asked == sorted(set(asked))  # each asks for what is still lacking


def test_a_busy_server_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    server.habits.add("busy")
    get(server, tmp_path / "file")
    assert server.ranges == [None, None]


@pytest.mark.parametrize("earlier", [b"", b"\0" * 1000])
def test_a_server_that_breaks_off_and_knows_no_ranges_ends_in_an_error(
    earlier: bytes, server: FileServer, tmp_path: Path
) -> None:
    server.habits |= {"breaks off", "no ranges"}
    (tmp_path / "file.part").write_bytes(earlier)
    with pytest.raises(MissingRequirement, match="150000 of 300000 bytes are here; the same comm"):
        get(server, tmp_path / "file")
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").stat().st_size == 150_000


def test_a_file_that_is_shorter_than_promised_ends_in_an_error(
    server: FileServer, tmp_path: Path
) -> None:
    server.put("/file", DATA[:-1])
    with pytest.raises(MissingRequirement, match="could not be read"):
        get(server, tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_wrong_bytes_are_refused_and_removed(server: FileServer, tmp_path: Path) -> None:
    server.put("/file", DATA[::-1])
    with pytest.raises(HashMismatch, match=f"promised bytes .sha256 {SHA}"):
        get(server, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_a_wrong_part_of_an_earlier_run_costs_one_more_try(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(b"\0" * 1000)
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.ranges == ["bytes=1000-", None]


def test_a_part_longer_than_the_file_is_cut(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file.part").write_bytes(DATA + b"more")
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    assert not server.ranges


def test_a_server_that_sends_more_is_not_believed(server: FileServer, tmp_path: Path) -> None:
    server.put("/file", b"\1" + DATA * 20)
    with pytest.raises(HashMismatch):
        get(server, tmp_path / "file")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"])
def test_only_the_web_is_read(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no http or https address"):
        download(Address(address), tmp_path / "file", 1, SHA)


def test_a_missing_file_is_named_without_the_password(server: FileServer, tmp_path: Path) -> None:
    address = server.url.replace("//", "//user:secret@") + "/none?token=secret"
    with pytest.raises((MissingRequirement, ConfigError)) as caught:
        download(Address(address), tmp_path / "file", 1, SHA)
    assert "secret" not in str(caught.value)


def test_a_server_that_never_ends_is_left(server: FileServer, tmp_path: Path) -> None:
    server.habits.add("endless")
    server.put("/file", DATA)
    get(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == DATA
    with pytest.raises(MissingRequirement, match=r"not said to be any bytes long.*--from FILE"):
        stated_size(Address(f"{server.url}/file"), 10**9)


KILLED = """
import sys
from pathlib import Path
from mrfashion.downloads import Address, download
url, path, size, sha256 = sys.argv[1:]
download(Address(url), Path(path), int(size), sha256)
"""


def test_a_killed_download_goes_on_where_it_was(server: FileServer, tmp_path: Path) -> None:
    server.habits.add("stalls")
    path, part = tmp_path / "file", tmp_path / "file.part"
    arguments = [f"{server.url}/file", str(path), str(len(DATA)), SHA]
    with subprocess.Popen([sys.executable, "-c", KILLED, *arguments]) as process:
        while not (part.exists() and part.stat().st_size > 65_536):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    have = part.stat().st_size
    assert not path.exists()
    server.habits.clear()
    get(server, path)
    assert path.read_bytes() == DATA
    assert server.ranges == [None, f"bytes={have}-"]


def test_without_a_hash_nothing_of_an_earlier_run_is_used(
    server: FileServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    (tmp_path / "file").write_bytes(b"x" * len(DATA))
    get(server, tmp_path / "file", sha256=None)
    assert (tmp_path / "file").read_bytes() == DATA
    assert server.ranges == [None]


@pytest.mark.parametrize("most", [len(DATA) - 1, 0])
def test_a_file_that_is_too_long_is_refused_before_it_is_read(
    most: int, server: FileServer
) -> None:
    assert stated_size(Address(f"{server.url}/file"), len(DATA)) == len(DATA)
    with pytest.raises(MissingRequirement, match=f"is 300000 bytes long; allowed: 1 to {most}"):
        stated_size(Address(f"{server.url}/file"), most)


def test_a_token_goes_to_its_server_and_along_there_but_to_no_other(
    server: FileServer, tmp_path: Path
) -> None:
    with serving() as other:
        other.put("/data?signed=1", DATA)
        server.sent_on = {"/start": "/moved", "/moved": f"{other.url}/data?signed=1"}
        address = Address(f"{server.url}/start", token="hf_secret")
        download(address, tmp_path / "file", len(DATA), SHA)
        assert (tmp_path / "file").read_bytes() == DATA
        assert server.tokens == ["Bearer hf_secret"] * 2
        assert other.tokens == [None]
    assert "hf_secret" not in repr(address)


def test_a_token_that_left_its_server_does_not_come_back(
    server: FileServer, tmp_path: Path
) -> None:
    with serving() as other:
        server.sent_on = {"/start": f"{other.url}/there"}
        other.sent_on = {"/there": f"{server.url}/file"}
        download(Address(f"{server.url}/start", "hf_secret"), tmp_path / "file", len(DATA), SHA)
    assert server.tokens == ["Bearer hf_secret", None]


def test_a_resumed_download_asks_the_second_server_for_the_rest(
    server: FileServer, tmp_path: Path
) -> None:
    with serving() as other:
        other.put("/data", DATA)
        server.sent_on = {"/start": f"{other.url}/data"}
        (tmp_path / "file.part").write_bytes(DATA[:5000])
        download(Address(f"{server.url}/start"), tmp_path / "file", len(DATA), SHA)
        assert other.ranges == ["bytes=5000-"]
    assert (tmp_path / "file").read_bytes() == DATA


def test_a_server_that_wants_a_login_says_how(server: FileServer, tmp_path: Path) -> None:
    server.token = "hf_right"
    address = Address(f"{server.url}/file", "hf_wrong", "set HF_TOKEN")
    with pytest.raises(MissingRequirement, match=r"401.*; set HF_TOKEN$") as caught:
        download(address, tmp_path / "file", len(DATA), SHA)
    assert "hf_wrong" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("to", ["http://[nowhere", "http://127.0.0.1:x/", "//", "http://\u00ff/"])
def test_a_server_that_sends_on_to_no_address_ends_in_an_error(
    to: str, server: FileServer, tmp_path: Path
) -> None:
    server.sent_on = {"/a": to}
    with pytest.raises(MissingRequirement, match="/a could not be read"):
        download(Address(f"{server.url}/a"), tmp_path / "file", len(DATA), SHA)


def test_servers_that_send_on_in_a_ring_end_in_an_error(server: FileServer, tmp_path: Path) -> None:
    server.sent_on = {"/a": "/b", "/b": "/a"}
    with pytest.raises(MissingRequirement, match="infinite loop"):
        download(Address(f"{server.url}/a"), tmp_path / "file", len(DATA), SHA)


@pytest.mark.parametrize("to", ["http://mirror.example/file?key=secret", "ftp://mirror.example/f"])
def test_nothing_sends_on_to_where_others_listen(to: str) -> None:
    request = urllib.request.Request("https://huggingface.co/file")
    with pytest.raises(MissingRequirement, match=r"mirror\.example.*not encrypted") as caught:
        _Redirects().redirect_request(request, BytesIO(), 302, "Found", HTTPMessage(), to)
    assert "secret" not in str(caught.value)
    kept = _Redirects().redirect_request(
        request, BytesIO(), 302, "Found", HTTPMessage(), "https://cdn.example/file"
    )
    assert kept is not None
    assert kept.full_url == "https://cdn.example/file"


@pytest.mark.parametrize(("value", "off"), [("0", True), ("", True), ("TRUE", False), ("1", False)])
def test_the_switch_reads_as_hugging_face_reads_it(
    value: str, off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("MRFASHION_OFFLINE", value)
    assert (offline_by() is None) == off
