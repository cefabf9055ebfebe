"""yt-dlp as a library: from an address to one file in our folder, and nothing else.

It finds what a page holds; its downloaders then write to the one name we give them. Its own
naming, post-processing, cache, external programs and private format checks are left out.
"""

from __future__ import annotations

import io
import logging
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mrfashion.errors import InputRefused, ItemError, MissingRequirement
from mrfashion.sources.notes import plain_text
from mrfashion.sources.web.meter import Meter
from mrfashion.sources.web.refusal import Refusal
from mrfashion.sources.web.settings import WebConfig

logger = logging.getLogger(__name__)
PROTOCOLS = ("http", "https", "m3u8_native", "http_dash_segments")
KEPT = (
    "id title uploader channel upload_date license duration webpage_url extractor format_id "
    "width height"
).split()
LONGEST_TEXT = 500  # characters of a page's own words


@dataclass(frozen=True)
class Fetched:
    """What a page's file is said to be, plain JSON values."""

    info: dict[str, Any]


class YtDlp:
    """One yt-dlp for a run; `meter` is the item's that is being fetched."""

    def __init__(self, config: WebConfig) -> None:
        self.config = config
        self.meter = Meter(config.most_bytes, config.most_s)
        self._ydl = _youtube_dl(self)

    def video(self, url: str, path: Path, meter: Meter) -> Fetched:
        """Bring the video of a page, or at a media address, to `path`; Refusal says why not."""
        return self._guarded(meter, lambda: self._video(url, path))

    def file(self, url: str, path: Path, meter: Meter) -> Fetched:
        """Bring the bytes at an address to `path`, whatever they are; Refusal says why not."""
        info = {"id": path.stem, "url": url, "ext": "bin", "protocol": url.partition(":")[0]}
        return self._guarded(meter, lambda: self._bring(info, path))

    def _guarded(self, meter: Meter, work: Any) -> Fetched:
        from mrfashion.sources.web.causes import refusal

        self.meter = meter
        meter.start_page()
        try:
            fetched: Fetched = work()
        except (KeyboardInterrupt, SystemExit, Refusal):
            raise
        except Exception as error:  # yt-dlp reads pages of strangers: anything may come
            raise meter.error or self._of_link(refusal(error)) from None
        finally:  # of a direct address yt-dlp reads the head, and would leave the rest coming
            for answer in meter.opened:
                answer.close()
        return fetched

    def _video(self, url: str, path: Path) -> Fetched:
        info = self._one_video(self._ydl.extract_info(url, download=False))
        if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming"):
            raise Refusal("unsupported", "a live stream; list its recording")
        self.meter.lent = info.get("url") != url
        return self._bring(info, path)  # the format chosen is merged into it

    def _of_link(self, error: ItemError) -> ItemError:
        """A link that a page lends for a while may be refused today, and another one granted."""
        if not (self.meter.lent and self.meter.in_file and error.code == "source.private"):
            return error
        return Refusal("network", f"the link of its page: {error.text}", again=False)

    def _one_video(self, info: Any) -> dict[str, Any]:
        """The only video of a page; Refusal where it is none, or several."""
        if info and info.get("_type", "video") == "playlist":
            entries = list(info.get("entries") or ())
            if len(entries) > 1:
                text = "the page holds several videos; list each by its own address"
                raise Refusal("unsupported", text)
            info = entries[0] if entries else None
            if info and info.get("_type") in ("url", "url_transparent"):
                info = self._ydl.extract_info(info["url"], download=False)
        if not info or info.get("_type", "video") != "video":
            raise Refusal("unsupported", "the page holds no single video")
        return dict(info)

    def _bring(self, info: dict[str, Any], path: Path) -> Fetched:
        from yt_dlp.downloader.dash import DashSegmentsFD
        from yt_dlp.downloader.hls import HlsFD
        from yt_dlp.downloader.http import HttpFD

        kinds = dict(zip(PROTOCOLS, (HttpFD, HttpFD, HlsFD, DashSegmentsFD), strict=True))
        protocol = str(info.get("protocol"))
        if protocol not in kinds:
            text = f"it comes by {protocol!r}; allowed: {', '.join(PROTOCOLS)}"
            raise Refusal("unsupported", text)
        part = path.with_name(path.name + ".part")
        have = part.stat().st_size if part.exists() else 0
        self.meter.start_file(have)
        downloader = kinds[protocol](self._ydl, self._ydl.params)
        if kinds[protocol] is HttpFD:
            info = _of_edition(info, path.with_name(path.name + ".edition"), have)
            downloader.add_progress_hook(partial(self._hear, path))
        done, _ = downloader.download(str(path), dict(info))
        if not done or not path.is_file():  # it answers False to some errors, and raises others
            raise Refusal("network", "the host sent nothing that is whole")
        return Fetched({name: kept for name in KEPT if (kept := _kept(info.get(name))) is not None})

    def _hear(self, path: Path, status: dict[str, Any]) -> None:
        if status["status"] == "downloading":
            self.meter.stated = status.get("total_bytes") is not None
            edition = path.with_name(path.name + ".edition")
            if not edition.exists():
                edition.write_text(self.meter.edition, encoding="utf-8")


def _kept(value: Any) -> str | int | float | None:
    """What a page says, as JSON can hold it; None for the rest."""
    if isinstance(value, str):
        return plain_text(value[:LONGEST_TEXT])
    return value if isinstance(value, int | float) and math.isfinite(value) else None


def _of_edition(info: dict[str, Any], edition: Path, have: int) -> dict[str, Any]:
    """The request for the rest of the very file that `have` bytes came of, if its host can tell.

    A file that changed since is then sent whole, and not joined to the half of another.
    """
    known = edition.read_text(encoding="utf-8") if edition.exists() else ""
    if not have:
        edition.unlink(missing_ok=True)
        return info
    headers = dict(info.get("http_headers") or {}) | ({"If-Range": known} if known else {})
    return info | {"http_headers": headers}


def _youtube_dl(owner: YtDlp) -> Any:
    try:
        import yt_dlp
    except ImportError:
        raise MissingRequirement(
            "downloading needs yt-dlp: pip install 'mrfashion[web]', or pip install yt-dlp"
        ) from None
    from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessor

    from mrfashion.sources.web.guard import GuardedRH

    class Guarded(yt_dlp.YoutubeDL):  # type: ignore[misc]
        def build_request_director(self, handlers: Any, preferences: Any = None) -> Any:
            private = owner.config.private_addresses

            def handler(**options: Any) -> GuardedRH:
                return GuardedRH(private=private, meter=lambda: owner.meter, **options)

            return super().build_request_director([handler], preferences)

    # Its HLS reader hands some streams to ffmpeg, which would ask any address.
    FFmpegPostProcessor._ffmpeg_location.set(NO_PROGRAM)
    return Guarded(_options(owner.config))


NO_PROGRAM = "/nonexistent/ffmpeg"


def _options(config: WebConfig) -> dict[str, Any]:
    protocols = "|".join(PROTOCOLS)
    return {
        # Video alone will do, so that nothing needs merging; `res` is the shorter side.
        "format": f"bv*[protocol~='^({protocols})$']",
        "format_sort": [f"res:{config.short_side_px}"],
        "noplaylist": True,
        "playlist_items": "1:2",
        "extract_flat": "in_playlist",
        "check_formats": False,  # it would write test files into the working folder
        "skip_unavailable_fragments": False,  # a hole is a failure, not a success
        "geo_bypass": False,  # it would claim to be elsewhere
        "retries": 0,  # we try again ourselves, and say so in the journal
        "fragment_retries": 0,
        "extractor_retries": 0,
        "file_access_retries": 0,
        "socket_timeout": config.socket_timeout_s,
        "ratelimit": config.most_bytes_per_s or None,
        "cookiefile": _cookies(config.cookies),
        "ffmpeg_location": NO_PROGRAM,
        "cachedir": False,
        "updatetime": False,
        "quiet": True,
        "noprogress": True,
        "color": "never",
        "logger": _Log(),
    }


def _cookies(path: Path | None) -> io.StringIO | None:
    """A copy in memory: yt-dlp would write the file anew when it closes."""
    if path is None:
        return None
    try:
        return io.StringIO(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputRefused(f"[web] cookies: {path} cannot be read: {error}") from None


class _Log:
    """What yt-dlp says goes to our log: what matters of it comes back as an error."""

    def debug(self, text: str) -> None:
        logger.debug("%s", text)

    info = warning = error = debug
