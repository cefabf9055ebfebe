"""Where the files of a published dataset are: in a folder here, or on the Hub, fetched in turn.

The Hub is reached through `huggingface_hub`: its cache keeps what was loaded, whole or resumable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from mrfashion.artefacts import within
from mrfashion.downloads import offline_by
from mrfashion.errors import InputRefused, ItemError, MissingRequirement, UnsafePath
from mrfashion.sources.notes import plain_text

HUB_NAME = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?", re.ASCII)
INSTALL = "pip install 'mrfashion[hub]'"
CLASSES = {401: "source.private", 403: "source.private", 404: "source.gone", 410: "source.gone"}
CLASSES |= {429: "source.rate_limited", 451: "source.geo_blocked"}  # the others may mend


class Repository(Protocol):
    """The files of a dataset."""

    @property
    def name(self) -> str:
        """What the ids of its videos begin with."""
        ...

    def files(self) -> list[str]:
        """Names of all files, relative, with `/`."""
        ...

    def fetch(self, file: str) -> Path:
        """Where a file lies now; UnsafePath or ItemError where it cannot be had."""
        ...

    def url(self, file: str) -> str | None:
        """Where anyone may get it."""
        ...


def open_repository(argument: str) -> Repository:
    """A folder, a file, or `owner/name@revision`; InputRefused where it is none of them."""
    path = Path(argument)
    if path.exists():
        root = path if path.is_dir() else path.parent
        return FolderRepository(root, root.resolve(), only=None if path.is_dir() else path)
    named = HUB_NAME.fullmatch(argument)
    if named is None:
        raise InputRefused(
            f"hub:{argument} is neither here nor a name on the Hub; allowed: a folder, a .tar or "
            ".parquet file, or owner/name, with @revision if need be"
        )
    if why := offline_by():
        return _cached(named[1], named[2], why)
    return HubRepository(named[1], named[2])


@dataclass(frozen=True)
class FolderRepository:
    """Files below a folder; what they link to must lie below `trusted`."""

    root: Path
    trusted: Path
    only: Path | None = None  # one file of the folder
    called: str = ""

    @property
    def name(self) -> str:
        return self.called or plain_text(self.root.resolve().name)

    def files(self) -> list[str]:
        found = [self.only] if self.only else list(self.root.rglob("*"))
        return [file.relative_to(self.root).as_posix() for file in found if not _is_folder(file)]

    def fetch(self, file: str) -> Path:
        path = self.root / file
        if not within(self.trusted, path):
            raise UnsafePath(f"{file!r} links out of the dataset; copy what it links to")
        if not path.is_file():
            raise ItemError(
                "source.unreadable", "not a file: a folder's or a dangling link, a pipe"
            )
        return path

    def url(self, file: str) -> str | None:
        return None


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


@dataclass(frozen=True)
class HubRepository:
    """A dataset of the Hub at one commit: the revision is looked up once."""

    name: str
    revision: str | None
    endpoint: str | None = None  # None: the Hub, or what HF_ENDPOINT names
    cache: Path | None = None  # None: where HF_HOME says

    @cached_property
    def _info(self) -> Any:
        hub = _hub()
        try:
            return hub.HfApi(endpoint=self.endpoint).dataset_info(self.name, revision=self.revision)
        except (hub.errors.RepositoryNotFoundError, hub.errors.RevisionNotFoundError) as error:
            raise InputRefused(
                f"hub:{self._asked} is not there, or not for you: {_cause(error)}. Check the name; "
                "for a private or gated dataset, accept its terms and log in: hf auth login"
            ) from None
        except _failures(hub) as error:
            text = f"hub:{self._asked} could not be read: {_cause(error)}; the same command goes on"
            raise MissingRequirement(text) from None

    @property
    def _asked(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name

    def files(self) -> list[str]:
        return [sibling.rfilename for sibling in self._info.siblings or ()]

    def fetch(self, file: str) -> Path:
        if file.startswith("/") or ".." in file.split("/"):
            raise UnsafePath(f"{file!r} leaves the dataset")
        hub = _hub()
        where = {"revision": self._info.sha, "endpoint": self.endpoint, "cache_dir": self.cache}
        try:
            return Path(hub.hf_hub_download(self.name, file, repo_type="dataset", **where))
        except _failures(hub) as error:
            raise _failed(error) from None

    def url(self, file: str) -> str | None:
        base = self.endpoint or _hub().constants.ENDPOINT
        return f"{base}/datasets/{self.name}/resolve/{self._info.sha}/{quote(file)}"


def _cached(name: str, revision: str | None, why: str) -> FolderRepository:
    """What the cache holds of a dataset; it may be a part."""
    hub = _hub()
    try:
        path = hub.snapshot_download(
            name, repo_type="dataset", revision=revision, local_files_only=True
        )
    except (hub.errors.LocalEntryNotFoundError, ValueError) as error:
        raise MissingRequirement(
            f"hub:{name} is not in the cache, and {why} forbids loading it ({_cause(error)}); "
            f"unset it, or bring the dataset: hf download --repo-type dataset {name}"
        ) from None
    folder = Path(path)
    return FolderRepository(folder, folder.parents[1].resolve(), called=name)


def _failures(hub: Any) -> tuple[type[Exception], ...]:
    """What a network, a server or a cache does; the HTTPError is that of its HTTP library."""
    return hub.errors.EntryNotFoundError, hub.errors.HTTPError, OSError, ValueError


def _failed(error: Exception) -> ItemError:
    """A file the Hub did not give; the classes are those of downloads."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in CLASSES:
        return ItemError(CLASSES[status], _cause(error), retryable=status == 429)
    return ItemError("source.network", _cause(error), retryable=True)


def _cause(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants
        import huggingface_hub.errors
    except ImportError:
        raise MissingRequirement(f"datasets of the Hub need huggingface_hub: {INSTALL}") from None
    return huggingface_hub
