"""Where a model file comes from: an address, a hub, a package index, an archive, or a person."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from mrfashion.downloads import Address, shown
from mrfashion.errors import ConfigError
from mrfashion.package_index import wheel_url

HUGGING_FACE = "https://huggingface.co"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Https:
    """A file at an address of its own."""

    url: str

    @property
    def file(self) -> str:
        """The name it has there."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def page(self) -> str:
        """Where a person finds it."""
        return self.url

    def address(self) -> Address:
        """Where to ask for it."""
        return Address(self.url)


@dataclass(frozen=True, slots=True)
class Hub:
    """A file of a Hugging Face repository, at one commit."""

    repo: str
    revision: str
    path: str

    @property
    def file(self) -> str:
        """The name it has there."""
        return PurePosixPath(self.path).name

    @property
    def page(self) -> str:
        """Where a person finds it."""
        return f"{HUGGING_FACE}/{self.repo}/blob/{self.revision}/{self.path}"

    def address(self) -> Address:
        """Where to ask for it: HF_ENDPOINT, or Hugging Face; with HF_TOKEN where one is set."""
        endpoint = (os.environ.get("HF_ENDPOINT") or HUGGING_FACE).rstrip("/")
        path = quote(f"{self.repo}/resolve/{self.revision}/{self.path}")
        login = "set HF_TOKEN to a token that may read it, and accept its licence on its page"
        return Address(f"{endpoint}/{path}", _token(endpoint), login)

    def cached(self) -> Path:
        """Where Hugging Face's own library leaves it."""
        home = os.environ.get("HF_HOME") or _xdg_cache() / "huggingface"
        folder = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()
        repo = "models--" + self.repo.replace("/", "--")
        return folder / repo / "snapshots" / self.revision / self.path


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on a Python package index, used as the archive it is; never installed."""

    project: str
    version: str
    file: str

    @property
    def page(self) -> str:
        """Where a person finds it."""
        return f"https://pypi.org/project/{self.project}/{self.version}/#files"

    def address(self) -> Address:
        """Where to ask for it: PIP_INDEX_URL, or PyPI."""
        return Address(wheel_url(self.project, self.file))


@dataclass(frozen=True, slots=True)
class ByHand:
    """A file that no program may fetch: behind a form, a licence to accept, or nowhere public."""

    file: str
    page: str  # where a person gets it


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip file and the bytes it must hold."""

    source: Https | Hub | Wheel
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive."""

    archive: Archive
    path: str  # there, or the end of it where the rest is not known: `end2end.onnx`

    @property
    def file(self) -> str:
        """The name of the archive."""
        return self.archive.source.file

    @property
    def page(self) -> str:
        """Where a person finds the archive."""
        return self.archive.source.page


Origin = Https | Hub | ByHand | Member


def in_words(origin: Origin) -> str:
    """Where from, for a person."""
    if isinstance(origin, Member):
        return f"{origin.path} in {origin.page}"
    return origin.page


def _xdg_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _token(endpoint: str) -> str | None:
    """HF_TOKEN, for an endpoint that nobody else can listen to; it is never printed."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        return None
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ConfigError("HF_TOKEN holds a blank or a character that no token has; set it anew")
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or parts.hostname in LOOPBACK:
        return token
    raise ConfigError(
        f"HF_TOKEN is set and would go unencrypted to {shown(endpoint)}; name an https HF_ENDPOINT "
        "or unset one of the two"
    )
