"""Where a Python package index keeps a file: the simple API of PEP 503 (HTML) and 691 (JSON)."""

from __future__ import annotations

import json
import os
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

from mrfashion.downloads import FAILURES, Address, open_url, shown
from mrfashion.errors import ConfigError, MissingRequirement

PYPI = "https://pypi.org/simple"
ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"
MAX_PAGE = 32 << 20


def wheel_url(project: str, file: str) -> str:
    """Address of `file` on an index (default: PIP_INDEX_URL, or PyPI).

    Its bytes are pinned elsewhere, so the index need not be trusted.
    """
    index = Address(os.environ.get("PIP_INDEX_URL") or PYPI).url
    if "@" in urlsplit(index).netloc:
        raise ConfigError(
            f"index {shown(index)} needs a password, which is not supported: get {file} with "
            "`pip download --no-deps` and hand it over with --from"
        )
    page = f"{index.rstrip('/')}/{project}/"
    for name, url in _files(page):
        if name == file:
            return url
    raise MissingRequirement(f"{shown(page)} has no {file}; name another PIP_INDEX_URL")


def _files(page: str) -> list[tuple[str, str]]:
    """(file name, address) of everything on a project's page."""
    try:
        with open_url(Address(page), {"Accept": ACCEPT}) as answer:
            body = answer.read(MAX_PAGE + 1)
            json_like = "json" in answer.headers.get("Content-Type", "")
            base = answer.url
    except FAILURES as error:
        raise MissingRequirement(
            f"{shown(page)} could not be read: {error}. Try again, or name another PIP_INDEX_URL"
        ) from None
    if len(body) > MAX_PAGE:
        raise MissingRequirement(f"{shown(page)} is no page of a package index: it does not end")
    try:
        links = _from_json(body) if json_like else _from_html(body)
        return [(name, urljoin(base, url).partition("#")[0]) for name, url in links]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MissingRequirement(f"{shown(page)} is no page of a package index") from None


def _from_json(body: bytes) -> list[tuple[str, str]]:
    return [(str(entry["filename"]), str(entry["url"])) for entry in json.loads(body)["files"]]


def _from_html(body: bytes) -> list[tuple[str, str]]:
    anchors = _Anchors()
    anchors.feed(body.decode("utf-8", errors="replace"))
    return [(unquote(urlsplit(url).path.rpartition("/")[2]), url) for url in anchors.urls]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value for key, value in attrs if tag == "a" and key == "href" and value]
