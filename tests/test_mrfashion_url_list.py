"""Lists of videos on the web, against a server that answers as the web does at its worst."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mrfashion.artefacts import Journal, sha256_file
from mrfashion.errors import ConfigError, MissingRequirement
from mrfashion.pipeline import CurateConfig
from mrfashion.progress import silent
from mrfashion.sources.product_pages import ProductPages
from mrfashion.sources.source import Source
from mrfashion.sources.ubc_fashion import UbcFashion
from mrfashion.sources.url_list import UrlList
from mrfashion.sources.web.settings import WebConfig
from mrfashion.tables import Failure, Reject
from tests.file_server import forget_settings
from tests.footage import write_footage
from tests.media_server import MediaServer, Page, serving_media

QUICK = WebConfig(
    private_addresses=True, between_s=0, backoff_s=0, pause_s=0, attempts=3, most_s=90
)
Found = Source | Reject | Failure


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_footage(tmp_path_factory.mktemp("v"), "v", 0, sidecar=False).read_bytes()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MediaServer]:
    forget_settings(monkeypatch)
    with serving_media() as running:
        yield running


def list_of(folder: Path, urls: dict[str, str]) -> Path:
    path = folder / "list.csv"
    path.write_text("id,url\n" + "".join(f"{name},{url}\n" for name, url in urls.items()))
    return path


def read(folder: Path, urls: dict[str, str], config: WebConfig = QUICK) -> dict[str, Found]:
    found = list(UrlList(list_of(folder, urls), config).read(folder / "out", silent))
    assert [entry.source_id for entry in found] == [f"list/{name}" for name in urls]
    return {entry.source_id.removeprefix("list/"): entry for entry in found}


def all_of(server: MediaServer) -> dict[str, str]:
    return {path.strip("/"): server.url + path for path in server.pages}


def test_what_can_be_had_is_had_once_and_recorded(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages |= {
        "/good.mp4": Page(video),
        "/no-length.mp4": Page(video, length=False),
        "/without-a-name": Page(video, "application/octet-stream"),
        "/page": Page(b'<title>A dress</title><video src="/good.mp4"></video>', "text/html"),
        "/moved": Page(status=301, headers={"Location": "/good.mp4"}),
        "/stream.m3u8": Page(
            b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/good.mp4\n#EXT-X-ENDLIST\n",
            "application/vnd.apple.mpegurl",
        ),
        "/breaks-off.mp4": Page(video, broken=5),
    }
    found = read(tmp_path, all_of(server))
    for entry in found.values():
        assert isinstance(entry, Source), entry
        assert entry.path.read_bytes() == video
        assert entry.path.suffix == ".mp4"
        assert entry.licence == "unknown"
    rows = [json.loads(line) for line in (tmp_path / "out/web/downloads.jsonl").open()]
    assert {row["value"]["sha256"] for row in rows} == {sha256_file(found["good.mp4"].path)}
    by_url = {row["url"]: row["value"]["info"] for row in rows}
    assert by_url[f"{server.url}/page"]["title"].startswith("A dress")
    assert not list((tmp_path / "out/web/partial").iterdir())
    server.asked.clear()
    assert read(tmp_path, all_of(server)) == found
    assert not server.asked


REFUSED = {
    "gone-404": (Page(b"no", "text/html", 404), "source.gone"),
    "gone-410": (Page(b"no", "text/html", 410), "source.gone"),
    "login-401": (Page(b"no", "text/html", 401), "source.private"),
    "login-403": (Page(b"no", "text/html", 403), "source.private"),
    "law-451": (Page(b"no", "text/html", 451), "source.geo_blocked"),
    "loop": (Page(status=302, headers={"Location": "/loop"}), "source.unsupported"),
    "to-file": (Page(status=302, headers={"Location": "file:///etc/passwd"}), "source.forbidden"),
    "to-ftp": (Page(status=302, headers={"Location": "ftp://127.0.0.1/x"}), "source.forbidden"),
    "no-video": (Page(b"<title>A dress</title>", "text/html"), "source.unsupported"),
    "two": (
        Page(b'<video src="/a.mp4"></video><video src="/b.mp4"></video>', "text/html"),
        "source.unsupported",
    ),
    "sound.mp3": (Page(b"ID3" + bytes(999), "audio/mpeg"), "source.unsupported"),
    "packed.mp4": (Page(headers={"Content-Encoding": "gzip"}), "source.unsupported"),
    "garbage.mp4": (Page(bytes(5000)), "source.unreadable"),
    "empty.mp4": (Page(), "source.unreadable"),
    "large.mp4": (Page(bytes(300_000)), "source.too_large"),
    "endless.mp4": (Page(endless=True, length=False), "source.too_large"),
    "to-file.m3u8": (
        Page(
            b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
            "application/vnd.apple.mpegurl",
        ),
        "source.forbidden",
    ),
    "hole.m3u8": (
        Page(
            b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n/nothing.ts\n#EXT-X-ENDLIST\n",
            "application/vnd.apple.mpegurl",
        ),
        "source.gone",
    ),
}


def test_what_is_refused_for_good_is_classed_and_not_asked_again(
    server: MediaServer, tmp_path: Path
) -> None:
    server.pages |= {f"/{name}": page for name, (page, _) in REFUSED.items()}
    config = replace(QUICK, most_bytes=200_000)
    found = read(tmp_path, all_of(server), config)
    classes = {name: entry.error for name, entry in found.items() if isinstance(entry, Failure)}
    assert classes == {name: error for name, (_, error) in REFUSED.items()}
    for entry in found.values():
        assert isinstance(entry, Failure)
        assert not entry.retryable
        assert str(tmp_path) not in entry.text
    assert not list((tmp_path / "out/web/partial").iterdir())
    server.asked.clear()
    assert read(tmp_path, all_of(server), config) == found
    assert not server.asked
    server.pages["/gone-404"].status = 410
    again = read(tmp_path, {"gone-404": f"{server.url}/gone-404"}, replace(config, ask_again=True))
    assert server.asked
    assert "410" in again["gone-404"].text
    read(tmp_path, {"large.mp4": f"{server.url}/large.mp4"})  # another limit is another question
    assert server.counts["/large.mp4"] == 2


def test_what_may_mend_is_tried_again_now_and_in_the_next_run(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages |= {
        "/busy.mp4": Page(b"no", "text/html", 500),
        "/never-whole.mp4": Page(video, broken=99, ranges=False),
        "/cut.mp4": Page(video[:3000]),
        "/lends": Page(b'<video src="/lent.mp4"></video>', "text/html"),
        "/cut-without-length.mp4": Page(video[:3000], length=False),
    }
    server.pages["/lent.mp4"] = Page(b"no", "text/html", 403)
    urls = all_of(server) | {"no-server": "http://127.0.0.1:9/a.mp4"}
    found = read(tmp_path, urls)
    errors = {name: entry.error for name, entry in found.items() if isinstance(entry, Failure)}
    assert errors == {
        "busy.mp4": "source.network",
        "never-whole.mp4": "source.network",
        "cut.mp4": "source.truncated",
        "lends": "source.network",
        "lent.mp4": "source.private",
        "cut-without-length.mp4": "source.truncated",
        "no-server": "source.network",
    }
    assert isinstance(private := found.pop("lent.mp4"), Failure)
    assert not private.retryable
    assert all(isinstance(entry, Failure) and entry.retryable for entry in found.values())
    counts = server.counts
    del server.pages["/lent.mp4"]
    assert counts["/busy.mp4"] == QUICK.attempts
    assert counts["/cut.mp4"] == 2  # page and file: its host says that this is all there is
    assert counts["/cut-without-length.mp4"] == 2 * QUICK.attempts
    for page in server.pages.values():
        page.status, page.body, page.broken, page.kind = 200, video, 0, "video/mp4"
    mended = read(tmp_path, all_of(server))
    assert all(isinstance(entry, Source) for entry in mended.values())


def test_a_host_that_wants_less_is_paused_and_then_left(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages["/a.mp4"] = Page(b"no", "text/html", 429)
    server.pages["/b.mp4"] = Page(video)
    found = read(tmp_path, all_of(server), replace(QUICK, pause_s=0.02))
    assert server.counts == {"/a.mp4": QUICK.strikes}  # the list is not burnt
    for entry in found.values():
        assert isinstance(entry, Failure)
        assert (entry.error, entry.retryable) == ("source.rate_limited", True)
    server.pages["/a.mp4"].headers["Retry-After"] = "999999"
    server.asked.clear()
    read(tmp_path, all_of(server))
    assert server.counts == {"/a.mp4": 1}
    server.pages["/a.mp4"] = Page(video)
    assert all(isinstance(entry, Source) for entry in read(tmp_path, all_of(server)).values())


def test_what_a_page_says_of_itself_is_kept_as_text(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    told = {"@context": "https://schema.org", "@type": "VideoObject", "name": "<b>\ud800 =1+1",
            "contentUrl": f"{server.url}/a.mp4", "author": "x" * 9999}  # fmt: skip
    page = f'<script type="application/ld+json">{json.dumps(told)}</script>'
    server.pages["/page"] = Page(page.encode(), "text/html")
    server.pages["/a.mp4"] = Page(video)
    (entry,) = read(tmp_path, {"page": f"{server.url}/page"}).values()
    assert isinstance(entry, Source), entry
    (row,) = (json.loads(line) for line in (tmp_path / "out/web/downloads.jsonl").open())
    assert row["value"]["info"]["title"].startswith("<b>\\ud800 =1+1")
    assert max(len(str(told)) for told in row["value"]["info"].values()) <= 500


def test_local_networks_are_asked_only_if_allowed(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages["/a.mp4"] = Page(video)
    name = server.url.replace("127.0.0.1", "localhost")
    urls = {"by-address": f"{server.url}/a.mp4", "by-name": f"{name}/a.mp4"}
    found = read(tmp_path, urls, replace(QUICK, private_addresses=False))
    for entry in found.values():
        assert isinstance(entry, Failure)
        assert entry.error == "source.forbidden"
    assert not server.asked


def test_patience_ends(server: MediaServer, video: bytes, tmp_path: Path) -> None:
    server.pages["/slow.mp4"] = Page(video, stalls=True)
    config = replace(QUICK, most_s=0.5, socket_timeout_s=0.3)
    (entry,) = read(tmp_path, all_of(server), config).values()
    assert isinstance(entry, Failure)
    assert (entry.error, entry.retryable) == ("source.timeout", True)


def test_cookies_are_sent_and_their_file_is_left_as_it_was(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    cookies = tmp_path / "cookies.txt"
    cookies.write_text(
        "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t9999999999\tkey\tsecret\n"
    )
    before = cookies.read_bytes()
    server.pages["/a.mp4"] = Page(video, headers={"Set-Cookie": "other=1"})
    (entry,) = read(tmp_path, all_of(server), replace(QUICK, cookies=cookies)).values()
    assert isinstance(entry, Source)
    assert "key=secret" in str(server.cookies[0])
    assert cookies.read_bytes() == before


def test_switched_off_downloads_ask_nobody(
    server: MediaServer, video: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.pages["/a.mp4"] = Page(video)
    have = read(tmp_path, all_of(server))
    monkeypatch.setenv("MRFASHION_OFFLINE", "1")
    server.asked.clear()
    server.pages["/b.mp4"] = Page(video)
    found = read(tmp_path, all_of(server))
    assert found["a.mp4"] == have["a.mp4"]
    assert isinstance(found["b.mp4"], Failure)
    assert found["b.mp4"].error == "source.offline"
    assert not server.asked


def test_without_yt_dlp_the_command_is_told(
    server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    server.pages["/a.mp4"] = Page()
    with pytest.raises(MissingRequirement, match=r"pip install 'mrfashion\[web\]'"):
        read(tmp_path, all_of(server))
    assert not server.asked


def test_a_lost_file_is_fetched_again(server: MediaServer, video: bytes, tmp_path: Path) -> None:
    server.pages["/a.mp4"] = Page(video)
    (entry,) = read(tmp_path, all_of(server)).values()
    assert isinstance(entry, Source)
    entry.path.write_bytes(video[:-1])
    assert read(tmp_path, all_of(server)) == {"a.mp4": entry}
    assert entry.path.read_bytes() == video


def test_what_was_taken_down_is_not_asked_for(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages |= {"/a.mp4": Page(video), "/b.mp4": Page(video), "/c.png": Page()}
    record = Journal(tmp_path / "takedown.jsonl")
    for gone in ("list/a.mp4", "pictures/dress/40x40"):
        record.append(gone, "ok", sha256=[], clip_ids=[])
    (tmp_path / "pictures.csv").write_text(f"product_id,picture\ndress,{server.url}/c.png\n")
    lists = list_of(tmp_path, {name: f"{server.url}/{name}" for name in ("a.mp4", "b.mp4")})
    found = [
        *UrlList(lists, QUICK).read(tmp_path / "sources", silent),
        *ProductPages(tmp_path / "pictures.csv", QUICK).read(tmp_path / "sources", silent),
    ]
    told = [getattr(entry, "reason", "had") for entry in found]
    assert told == ["taken down", "had", "taken down"]
    assert set(server.counts) == {"/b.mp4"}


KILLED = """
import sys
from pathlib import Path
from mrfashion.progress import silent
from mrfashion.sources.url_list import UrlList
from mrfashion.sources.web.settings import WebConfig
config = WebConfig(private_addresses=True, between_s=0)
list(UrlList(Path(sys.argv[1]), config).read(Path(sys.argv[2]), silent))
"""


def test_a_kill_loses_nothing_finished_and_the_rest_goes_on_by_range(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    body = video + bytes(300_000)  # players and probes ignore what follows the last box
    server.pages |= {"/a.mp4": Page(video), "/b.mp4": Page(body, stalls=True)}
    arguments = [str(list_of(tmp_path, all_of(server))), str(tmp_path / "out")]
    partial = tmp_path / "out/web/partial"
    with subprocess.Popen([sys.executable, "-c", KILLED, *arguments]) as process:
        parts: list[Path] = []
        while "/b.mp4" not in server.counts or not any(part.stat().st_size for part in parts):
            assert process.poll() is None
            time.sleep(0.02)
            parts = list(partial.glob("*.part")) if "/b.mp4" in server.counts else []
        process.send_signal(signal.SIGKILL)
    have = parts[0].stat().st_size
    server.pages["/b.mp4"].stalls = False
    server.asked.clear()
    found = read(tmp_path, all_of(server))
    assert isinstance(found["b.mp4"], Source)
    assert found["b.mp4"].path.read_bytes() == body
    assert server.asked == [("/b.mp4", None), ("/b.mp4", f"bytes={have}-")]


@pytest.mark.skipif(not os.environ.get("MRFASHION_FULL"), reason="a minute: MRFASHION_FULL=1")
def test_kills_at_random_moments_ask_for_nothing_finished(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    for number in range(6):
        body = video + bytes([number]) * 400_000
        server.pages[f"/{number}.mp4"] = Page(body, drips_s=0.02, length=number % 2 == 0)
    arguments = [str(list_of(tmp_path, all_of(server))), str(tmp_path / "out")]
    journal, rng = tmp_path / "out/web/downloads.jsonl", random.Random(0)

    def finished() -> list[str]:
        lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
        rows = [json.loads(line) for line in lines]
        return [row["url"].removeprefix(server.url) for row in rows if row["status"] == "ok"]

    for _ in range(20):
        before, asked = finished(), len(server.asked)
        with subprocess.Popen([sys.executable, "-c", KILLED, *arguments]) as process:
            while process.poll() is None and len(server.asked) == asked:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.8))
            process.send_signal(signal.SIGKILL)
        assert not {path for path, _ in server.asked[asked:]} & set(before)
    found = read(tmp_path, all_of(server))
    for entry, page in zip(found.values(), server.pages.values(), strict=True):
        assert isinstance(entry, Source)
        assert entry.path.read_bytes() == page.body
    assert sorted(finished()) == sorted(server.pages)
    assert any(asked for _, asked in server.asked)  # some went on by range


def test_halves_of_two_files_are_never_joined(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages["/a.mp4"] = Page(bytes(4000) + video, headers={"ETag": '"1"'}, broken=99)
    config = replace(QUICK, attempts=1)
    (entry,) = read(tmp_path, all_of(server), config).values()
    assert isinstance(entry, Failure)
    server.pages["/a.mp4"] = Page(video + bytes(9000), headers={"ETag": '"2"'})
    (entry,) = read(tmp_path, all_of(server), config).values()
    assert server.asked[-1][1] is not None  # the rest was asked for
    assert isinstance(entry, Source)
    assert entry.path.read_bytes() == video + bytes(9000)


def test_patience_does_not_change_a_dataset() -> None:
    hurried = replace(QUICK, cookies=Path("/home/me/cookies.txt"))
    assert CurateConfig(web=hurried).hash() == CurateConfig().hash()
    assert CurateConfig(web=WebConfig(short_side_px=480)).hash() != CurateConfig().hash()
    with pytest.raises(ConfigError, match="web: strikes is 0; needed: above 0"):
        WebConfig(strikes=0)


def test_bad_rows_are_named_and_the_rest_goes_on(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages["/a.mp4"] = Page(video)
    rows = [
        {"url": f"{server.url}/a.mp4", "id": 7, "license": "CC-BY-4.0", "terms": "by A",
         "product_id": "p1", "garment_group": "g1", "title": "<b>x</b>"},
        {"url": f"{server.url}/a.mp4", "id": "twice"},
        {"url": None},
        {"url": [1]},
        {"url": f"{server.url}/a.mp4?2", "id": "../../etc/passwd"},
        ["no object"],
    ]  # fmt: skip
    path = tmp_path / "list.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{not json\n")
    found = list(UrlList(path, QUICK).read(tmp_path / "out", silent))
    assert isinstance(found[0], Source)
    assert found[0].source_id == "list/7"
    assert (found[0].licence, found[0].terms) == ("CC-BY-4.0", "by A")
    assert (found[0].product_id, found[0].garment_group) == ("p1", "g1")
    details = [entry.detail for entry in found[1:] if isinstance(entry, Reject)]
    assert details == [
        "row 2: column url: listed twice; first in row 1",
        "row 3: column url: empty; needed",
        "row 4: column url: neither text nor a whole number",
        "row 5: column id: '../../etc/passwd' is a path that leaves its folder",
        "row 6: got list; an object needed",
        details[5],
    ]
    assert details[5].startswith("row 7: no JSON")
    assert len({entry.source_id for entry in found}) == len(found)


def test_the_lists_of_ubc_fashion_keep_their_split(
    server: MediaServer, video: bytes, tmp_path: Path
) -> None:
    server.pages |= {"/images/I/91+A.mp4": Page(video), "/images/I/B.mp4": Page(video + b"\0" * 8)}
    first, second = (f"{server.url}{path}" for path in server.pages)
    (tmp_path / "fashion_train.txt").write_text(f"{first}\n\n")
    (tmp_path / "fashion_test.txt").write_text(f"{second}\r\n{first}\nhttp://[/\n")
    found = list(UbcFashion(tmp_path, QUICK).read(tmp_path / "out", silent))
    train, test, leak, bad = found
    assert isinstance(train, Source)
    assert isinstance(test, Source)
    assert train.source_id == "ubc_fashion/train/91+A.mp4"
    assert test.source_id == "ubc_fashion/test/B.mp4"
    assert test.licence == "CC-BY-NC-4.0"
    assert str(test.terms).endswith("published split: test")
    assert isinstance(leak, Reject)
    assert leak.detail == "row 2: also in fashion_train.txt"
    assert isinstance(bad, Reject)
    one = list(UbcFashion(tmp_path / "fashion_test.txt", QUICK).read(tmp_path / "out", silent))
    assert one[0] == test
