"""From what yt-dlp raises to a Refusal: its errors keep their causes in three places.

Imports yt-dlp, so it is imported inside functions only.
"""

from __future__ import annotations

import contextlib
import logging
import re
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from yt_dlp.networking.exceptions import (
    HTTPError,
    NoSupportingHandlers,
    RequestError,
    UnsupportedRequest,
)
from yt_dlp.utils import (
    DownloadError,
    ExtractorError,
    GeoRestrictedError,
    UnsupportedError,
)

from mrfashion.environment import now_utc
from mrfashion.errors import ItemError
from mrfashion.sources.web.refusal import Kind, Refusal

STATUS: dict[int, Kind] = {
    401: "private",
    403: "private",
    404: "gone",
    410: "gone",
    451: "geo_blocked",
}
STATUS |= {408: "network", 425: "network", 429: "rate_limited"}
# In this order: "Sign in to confirm you're not a bot" is about robots, not about a login.
logger = logging.getLogger(__name__)
WORDS: tuple[tuple[Kind, str], ...] = (
    ("network", r"got error:|timed out|connection (reset|refused|aborted)|more expected"),
    ("rate_limited", r"not a (ro)?bot|captcha|anti-bot|rate.?limit|too many requests"),
    ("geo_blocked", r"geo|your (country|location|region)"),
    ("private", r"private|log.?in|sign in|members|subscri|password|confirm your age|cookies"),
    ("unreadable", r"did not get any data"),
    ("unsupported", r"\bdrm\b|\blive\b|premiere|requested format|no video formats|unsafe file"),
    ("gone", r"removed|unavailable|deleted|terminated|does(n't| not) exist|not found|no longer"),
)


def refusal(error: Exception) -> ItemError:
    """The row of whatever yt-dlp raised; what is no error of an item is raised again."""
    if isinstance(error, OSError | MemoryError):
        raise error  # ours: a full disk would fail every further item too
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, HTTPError):
            return _of_status(cause)
    if any(isinstance(cause, GeoRestrictedError) for cause in chain):
        return Refusal("geo_blocked", _told(error))
    if any(isinstance(cause, UnsupportedError) for cause in chain):
        return Refusal("unsupported", "the page holds no video that yt-dlp can see")
    for cause in chain:
        if isinstance(cause, NoSupportingHandlers) and cause.unexpected_errors:
            bug = cause.unexpected_errors[0]
            logger.error("a request failed", exc_info=bug)
            return ItemError("internal.bug", f"{type(bug).__name__}: {bug}", retryable=True)
    if any(isinstance(cause, NoSupportingHandlers | UnsupportedRequest) for cause in chain):
        return Refusal("forbidden", _told(error))
    if any(isinstance(cause, RequestError) for cause in chain):
        return Refusal("network", _told(error))
    return _of_words(error, chain)


def _of_status(error: Any) -> Refusal:
    status, headers = error.status, error.response.headers
    error.close()
    text = f"the host answers {status} {str(error.reason or '')[:80]}".strip()
    if error.redirect_loop:
        return Refusal("unsupported", f"{text}: a circle, or too many steps, of redirects")
    if 300 <= status < 400:
        return Refusal("forbidden", f"{text}: it sends on to what may not be asked")
    asked = headers.get("Retry-After")
    if status == 429 or (status == 503 and asked) or headers.get("cf-mitigated"):
        return Refusal("rate_limited", text, after_s=_seconds(asked))
    kind: Kind = "network" if status >= 500 else STATUS.get(status, "unsupported")
    return Refusal(kind, text)


def _of_words(error: Exception, chain: list[BaseException]) -> Refusal:
    text = _told(error)
    if re.search(r"unable to (write data|open for writing)", text):
        raise OSError(f"a download could not be written: {text}") from None
    if status := re.search(r"HTTP Error (\d{3})", text):  # of a fragment: only its text is left
        return Refusal(STATUS.get(int(status[1]), "network"), text)
    expected = any(isinstance(cause, ExtractorError) and cause.expected for cause in chain)
    if expected or isinstance(error, DownloadError):
        for kind, words in WORDS:
            if re.search(words, text, re.IGNORECASE):
                return Refusal(kind, text)
    return Refusal("extractor", f"{text or type(error).__name__}; a newer yt-dlp may read it")


def _causes(error: BaseException | None) -> Any:
    """An error and all that led to it; yt-dlp keeps them in three places."""
    seen: list[BaseException] = []
    open_ends = [error]
    while open_ends:
        cause = open_ends.pop()
        if not isinstance(cause, BaseException) or cause in seen:
            continue
        seen.append(cause)
        yield cause
        open_ends += [cause.__cause__, cause.__context__, getattr(cause, "cause", None)]
        open_ends += list(getattr(cause, "exc_info", None) or ())


def _told(error: Exception) -> str:
    """Its message, without colours, yt-dlp's own advice, secrets in addresses, or places."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).removeprefix("ERROR: ")
    text = re.sub(r"^\[[\w:+-]+\] (?:[^\s:]+: )?|\s*\(caused by .*", "", text, flags=re.DOTALL)
    text = re.split(r"; please report this|\. Use --|\nYou might want|\. See  http", text)[0]
    text = re.sub(r"(https?://[^\s?#'\"]+)[?#][^\s'\"]+", r"\1", text)
    return " ".join(text.split())


def _seconds(retry_after: str | None) -> float | None:
    """What a Retry-After header asks for: seconds, or a date (RFC 9110, 10.2.3)."""
    if retry_after and re.fullmatch(r"[0-9]{1,9}", retry_after.strip()):
        return float(retry_after)
    with contextlib.suppress(TypeError, ValueError):
        at = parsedate_to_datetime(retry_after or "")
        return max(0.0, (at - datetime.fromisoformat(now_utc())).total_seconds())
    return None
