"""What became of a download that failed: one class each, and whether asking again may help.

source.gone          404, 410, removed                                      for good
source.private       401, 403, behind a login, for members                  for good
source.geo_blocked   451, not in this country                               for good
source.unsupported   no single video there, DRM, live, a circle             for good
source.forbidden     an address that may not be asked                       for good
source.too_large     longer than [web] most_bytes                           for good
source.unreadable    whole by the host's word, and no video or picture      for good
source.truncated     broken off: its container promises more                retryable
source.rate_limited  429, a wall against robots; the host is paused         retryable
source.network       no connection, broken off, 5xx, certificates           retryable
source.timeout       not whole within [web] most_s                          retryable
source.extractor     yt-dlp does not understand the page; a newer one may   retryable
source.offline       downloads are switched off                             retryable
"""

from __future__ import annotations

from typing import Literal

from mrfashion.errors import ItemError, without_places
from mrfashion.sources.notes import plain_text

Kind = Literal[
    "gone",
    "private",
    "geo_blocked",
    "unsupported",
    "forbidden",
    "too_large",
    "unreadable",
    "truncated",
    "rate_limited",
    "network",
    "timeout",
    "extractor",
    "offline",
]
RETRYABLE = ("truncated", "rate_limited", "network", "timeout", "extractor", "offline")


class Refusal(ItemError):
    """An item error of the classes above.

    `after_s` is the pause that a host asks for, if any; `again`, whether another attempt of the
    same run may mend it.
    """

    def __init__(
        self, kind: Kind, text: str, *, after_s: float | None = None, again: bool | None = None
    ) -> None:
        told = plain_text(without_places(text))
        super().__init__(f"source.{kind}", told, retryable=kind in RETRYABLE)
        self.kind, self.after_s = kind, after_s
        self.again = kind == "network" if again is None else again
