"""Where model files come from: a package index, a hub and its cache, an archive, a person."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mrfashion.__main__ import run
from mrfashion.errors import ConfigError, ExitCode, HashMismatch, MissingRequirement
from mrfashion.package_index import wheel_url
from mrfashion.weight_fetching import fetch
from mrfashion.weight_origins import Hub, in_words
from mrfashion.weights import WEIGHTS, weights_folder
from tests.file_server import FileServer, forget_settings, serving
from tests.toy_weights import MEMBERS, NET, REVISION, use_toys

RESOLVED = f"/org/net/resolve/{REVISION}/on%20nnx/net.onnx"
NET_ORIGIN = Hub("org/net", REVISION, "on nnx/net.onnx")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """Serves the toy files; they are the only weights there are."""
    forget_settings(monkeypatch)
    with serving() as running:
        use_toys(monkeypatch, running, tmp_path / "cache")
        yield running


# A package index.


def test_the_index_may_speak_html(server: FileServer) -> None:
    link = b'<html><a name="x">toy</a><a href="/files/toy-1.0-any.whl#sha256=1">toy-1.0</a>'
    server.put("/simple/toy/", link, "text/html")
    assert [path.read_bytes() for path in fetch("toy")] == list(MEMBERS.values())


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("application/json", b"{"),
        ("application/json", b'{"files": 3}'),
        ("application/json", b'{"files": [{"filename": "other.whl", "url": "x"}]}'),
        ("application/json", b"[" * 200_000),
        ("application/json", b'{"files": [{"filename": "toy.whl", "url": "http://[x"}]}'),
        ("text/html", b"<a href='http://[x'>"),
        ("text/html", b"\xff<a href=>"),
        ("text/html", b""),
    ],
)
def test_an_index_without_the_wheel_is_named(kind: str, page: bytes, server: FileServer) -> None:
    server.put("/simple/toy/", page, kind)
    with pytest.raises(MissingRequirement, match=r"/simple/toy/ (has no|is no page)"):
        wheel_url("toy", "toy.whl")


def test_an_index_with_a_password_is_refused_before_it_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@127.0.0.1/simple")
    with pytest.raises(ConfigError, match="--from") as caught:
        wheel_url("toy", "toy.whl")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("index", ["toy", "file:///etc", "http://[me:secret@x"])
def test_an_index_that_is_no_address_is_refused(
    index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index)
    with pytest.raises(ConfigError, match="is no http or https address") as caught:
        wheel_url("toy", "toy.whl")
    assert "secret" not in str(caught.value)


# A hub.


def test_a_hub_file_is_asked_for_at_its_commit(server: FileServer) -> None:
    assert fetch("hub")[0].read_bytes() == NET
    assert server.requests == [RESOLVED]
    assert server.tokens == [None]


def test_a_hub_needs_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    address = NET_ORIGIN.address()
    assert address.url == f"https://huggingface.co{RESOLVED}"
    assert address.token is None
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/hf/")
    assert NET_ORIGIN.address().url == f"https://mirror.example/hf{RESOLVED}"


def test_the_token_goes_to_the_hub_and_not_to_its_storage(
    server: FileServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HF_TOKEN", " hf_secret\n")
    server.token = "hf_secret"
    with serving() as storage:
        storage.put("/blob", NET)
        server.sent_on[RESOLVED] = f"{storage.url}/blob"
        assert run(["-v", "weights", "fetch", "hub"]) == ExitCode.COMPLETE
        assert (server.tokens, storage.tokens) == (["Bearer hf_secret"], [None])
    printed = capsys.readouterr()
    assert "hf_secret" not in printed.out + printed.err
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"hf_secret" in data for data in kept)


def test_the_token_goes_to_no_other_origin(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for model in ("toy", "zip"):
        fetch(model)
    fetch("loose", trust=True)
    assert set(server.tokens) == {None}


def test_a_closed_repository_says_what_opens_it(
    server: FileServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.token = "hf_right"
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert run(["weights", "fetch", "hub"]) == ExitCode.MISSING
    said = capsys.readouterr().err
    assert "set HF_TOKEN" in said
    assert "hf_wrong" not in said


def test_a_token_is_not_sent_where_others_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    with pytest.raises(ConfigError, match=r"unencrypted to http://mirror\.example") as caught:
        NET_ORIGIN.address()
    assert "hf_secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["hf_sec ret", "hf_sec\nret", "hf_s\u00e9cret"])
def test_a_token_that_is_none_is_refused_unprinted(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ConfigError, match="HF_TOKEN holds") as caught:
        NET_ORIGIN.address()
    assert "ret" not in str(caught.value)


def put_in_hub_cache(folder: Path, data: bytes) -> None:
    """As Hugging Face's library does: a link in the snapshot, the bytes among the blobs."""
    repo = folder / "models--org--net"
    (repo / "blobs").mkdir(parents=True)
    (repo / "blobs" / "abc").write_bytes(data)
    link = repo / "snapshots" / REVISION / "on nnx" / "net.onnx"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../blobs/abc")


@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"])
def test_what_lies_in_the_hubs_cache_is_used(
    variable: str, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HOME")
    monkeypatch.setenv(variable, str(tmp_path / "hf"))
    inside = {"HF_HOME": "hub", "HF_HUB_CACHE": "", "XDG_CACHE_HOME": "huggingface/hub"}
    put_in_hub_cache(tmp_path / "hf" / inside[variable], NET)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    path = fetch("hub")[0]
    assert path.read_bytes() == NET
    assert not path.is_symlink()
    assert not server.requests


@pytest.mark.parametrize("data", [NET[::-1], NET[:-1], b""])
def test_wrong_bytes_in_the_hubs_cache_are_not_used(
    data: bytes, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    put_in_hub_cache(tmp_path / "hf", data)
    assert fetch("hub")[0].read_bytes() == NET
    assert server.requests == [RESOLVED]


def test_a_hub_cache_that_cannot_be_read_is_passed_by(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", "/" + "x" * 5000)
    with pytest.raises(OSError, match="too long"):
        NET_ORIGIN.cached().stat()
    assert fetch("hub")[0].read_bytes() == NET


# Archives, plain files, and people.


def test_a_member_is_found_by_the_end_of_its_path(server: FileServer, tmp_path: Path) -> None:
    assert fetch("zip")[0].read_bytes() == NET
    left = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert left == {"zip-net.onnx", ".lock"}  # the archive is gone


def test_a_killed_fetch_of_an_archive_goes_on(server: FileServer) -> None:
    _, whole = server.files["/nets/net.zip"]
    part = weights_folder() / ".downloads" / "net.zip.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(whole[:300])
    assert fetch("zip")[0].read_bytes() == NET
    assert server.ranges == ["bytes=300-"]


@pytest.mark.parametrize(
    ("model", "address"), [("zip", "/nets/net.zip"), ("toy", "/files/toy-1.0-any.whl")]
)
def test_a_whole_archive_of_a_killed_fetch_is_not_asked_for_again(
    model: str, address: str, server: FileServer
) -> None:
    downloads = weights_folder() / ".downloads"
    downloads.mkdir(parents=True)
    (downloads / Path(address).name).write_bytes(server.files[address][1])
    assert fetch(model)
    assert not server.requests
    assert not list(downloads.iterdir())


def test_a_changed_archive_is_refused(server: FileServer) -> None:
    _, whole = server.files["/nets/net.zip"]
    server.put("/nets/net.zip", whole[:-1] + b"\1")
    with pytest.raises(HashMismatch, match=r"net\.zip does not hold the promised bytes"):
        fetch("zip")
    assert {path.name for path in weights_folder().rglob("*") if path.is_file()} == {".lock"}


@pytest.mark.parametrize(("name", "switch"), [("MRFASHION_OFFLINE", "1"), ("HF_HUB_OFFLINE", "ON")])
@pytest.mark.parametrize("model", ["toy", "hub", "zip", "loose"])
def test_offline_asks_nobody_and_says_what_to_do(
    model: str, name: str, switch: str, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, switch)
    said = rf"{name}={switch} is set.*mrfashion weights fetch {model}(-net)? --from FILE"
    with pytest.raises(MissingRequirement, match=said):
        fetch(model, trust=model == "loose")
    assert not server.requests


def test_a_file_behind_a_form_is_brought_by_hand(server: FileServer, tmp_path: Path) -> None:
    said = r"Get hand\.onnx from https://example\.org/form.*weights fetch hand-net --from FILE"
    with pytest.raises(MissingRequirement, match=said):
        fetch("hand")
    (tmp_path / "hand.onnx").write_bytes(NET)
    assert fetch("hand-net", given=tmp_path / "hand.onnx")[0].read_bytes() == NET


def test_a_file_of_unknown_size_must_say_its_size(
    server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.habits.add("endless")
    with pytest.raises(MissingRequirement, match=r"loose\.bin is not said to be any bytes long"):
        fetch("loose", trust=True)
    server.habits.clear()
    monkeypatch.setattr("mrfashion.weight_fetching.MOST", 1000)
    with pytest.raises(MissingRequirement, match=r"loose\.bin is 300000 bytes long"):
        fetch("loose", trust=True)


def test_the_origins_of_the_real_rows_are_where_they_were_published() -> None:
    words = {name: in_words(row.origin) for name, row in WEIGHTS.items()}
    assert words["dwpose-pose"].startswith("https://huggingface.co/yzd-v/DWPose/blob/1a71441")
    assert words["rtmw-pose"].startswith("end2end.onnx in https://download.openmmlab.com/")
