"""Downloads that a kill cannot lose: fetched once, checked, renamed into place, then recorded.

`sources/web/` holds the files, `downloads.jsonl` what became of each address, `partial/` what is
on its way. A row says `ok` only when its file is whole, on the disk and hashed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mrfashion.artefacts import content_hash, inside, put_in_place, sha256_file
from mrfashion.downloads import offline_by
from mrfashion.environment import now_utc
from mrfashion.errors import ItemError
from mrfashion.scale import WHOLE, Shard, open_journal
from mrfashion.sources.web.addresses import check_url
from mrfashion.sources.web.hosts import Hosts
from mrfashion.sources.web.meter import Meter
from mrfashion.sources.web.refusal import Refusal
from mrfashion.sources.web.settings import WebConfig
from mrfashion.sources.web.ytdlp import Fetched, YtDlp
from mrfashion.tombstones import read_tombstones

VERSION = 1  # of what is fetched for an address


@dataclass(frozen=True)
class Wanted:
    """What is wanted at an address: how it is fetched, and what makes it whole."""

    name: str
    settings: Any  # plain JSON: what decides its bytes, beside the address
    most_bytes: int
    fetch: Callable[[YtDlp, str, Path, Meter], Fetched]
    suffix: Callable[[Path], str]  # of a whole file; Refusal otherwise


@dataclass(frozen=True)
class Download:
    """A file that is here, and what its host says of it."""

    path: Path
    sha256: str
    info: dict[str, Any]


class Downloads:
    """The files of all lists of a dataset, in its sources/web; one process a shard at a time."""

    def __init__(self, folder: Path, config: WebConfig, shard: Shard = WHOLE) -> None:
        self.folder, self.config, self.shard = folder, config, shard
        self.hosts = Hosts(config)
        self.taken_down = read_tombstones(folder.parent.parent).ids  # never asked for again
        # Shards may want the same picture: each brings its own, and the last one's is in place.
        self.on_its_way = folder / "partial" / ("" if shard.whole else shard.name)
        self.journal = open_journal(folder, "downloads", shard)

    def get(self, url: str, wanted: Wanted) -> Download:
        """The file at an address, downloaded unless it is here; ItemError says why it is not."""
        key = content_hash([VERSION, wanted.name, wanted.settings, url])
        row = self.journal.last(key)
        if row and row["status"] == "ok":
            if self._is_here(row["value"]):
                return self._download(row["value"])
            row = self.journal.append(key, "lost", url=url, why="its file was gone")
        limits = content_hash(self.config.limits())
        self._require_open(row, limits)
        host = check_url(url, self.config.private_addresses)
        if left := self.hosts.left(host):
            raise Refusal("rate_limited", f"not asked: {host} is left for this run; {left}")
        try:
            value = self._fetched(url, host, key, wanted)
        except ItemError as error:
            failed = {"error": error.code, "retryable": error.retryable, "text": error.text}
            self.journal.append(key, "failed", url=url, limits=limits, **failed)
            if not error.retryable:
                self._clear(key)
            raise
        self.journal.append(key, "ok", url=url, value=value)
        return self._download(value)

    def _require_open(self, row: dict[str, Any] | None, limits: str) -> None:
        """Raise what an earlier run met for good, or what keeps this one from asking."""
        known = row and row["status"] == "failed" and row["limits"] == limits
        if row and known and not (row["retryable"] or self.config.ask_again):
            raise ItemError(row["error"], row["text"])
        if switch := offline_by():
            raise Refusal("offline", f"not asked: {switch} switches downloads off")

    def _fetched(self, url: str, host: str, key: str, wanted: Wanted) -> dict[str, Any]:
        """The journal's value of a finished file: attempt until it is whole, or patience ends."""
        meter = Meter(wanted.most_bytes, self.config.most_s)
        broken, most = 0, -1
        while True:
            meter.deadline += self.hosts.wait(host)
            try:
                value = self._attempt(url, key, wanted, meter)
            except Refusal as error:
                if error.kind == "rate_limited":
                    if not self.hosts.struck(host, error.after_s):
                        raise
                    continue
                if not error.again:
                    raise
                have = sum(path.stat().st_size for path in self._partial(key))
                broken, most = (1 if have > most else broken + 1), max(have, most)
                if broken >= self.config.attempts:
                    raise
                time.sleep(self.config.backoff_s * 2 ** (broken - 1))
            else:
                self.hosts.answered(host)
                return value

    def _attempt(self, url: str, key: str, wanted: Wanted, meter: Meter) -> dict[str, Any]:
        path = self.on_its_way / f"{key}.media"
        path.parent.mkdir(parents=True, exist_ok=True)
        resumed = bool(self._partial(key))
        fetched = wanted.fetch(self._yt_dlp, url, path, meter)
        try:
            suffix = wanted.suffix(path)
        except Refusal as error:
            self._clear(key)
            if resumed or not meter.stated:
                # Two halves of different files, or a host that never said how long it is.
                raise Refusal("truncated", error.text, again=True) from None
            raise
        final = self.folder / f"{key}{suffix}"
        put_in_place(path, final)
        self._clear(key)
        size = final.stat().st_size
        made = {"path": final.name, "sha256": sha256_file(final), "bytes": size}
        return {**made, "info": fetched.info, "retrieved": now_utc()}

    def _partial(self, key: str) -> list[Path]:
        return list(self.on_its_way.glob(f"{key}.*"))

    def _clear(self, key: str) -> None:
        for path in self._partial(key):
            path.unlink()

    def _is_here(self, value: dict[str, Any]) -> bool:
        path = inside(self.folder, value["path"])
        return path.is_file() and path.stat().st_size == value["bytes"]

    def _download(self, value: dict[str, Any]) -> Download:
        return Download(inside(self.folder, value["path"]), value["sha256"], value["info"])

    @cached_property
    def _yt_dlp(self) -> YtDlp:
        return YtDlp(self.config)
