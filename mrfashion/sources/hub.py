"""Video datasets as the Hugging Face Hub publishes them: `hub:FOLDER` or `hub:owner/name@revision`.

Videos may lie in folders with `metadata.{csv,jsonl,parquet}` (VideoFolder), in WebDataset tar
shards, or in a Video column of Parquet files; one dataset may mix them. We decode them ourselves.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mrfashion import scale
from mrfashion.artefacts import content_hash
from mrfashion.errors import ItemError, UnsafePath
from mrfashion.executors import Executor, ExecutorConfig
from mrfashion.limits import SourceLimits
from mrfashion.media import VIDEO_SUFFIXES
from mrfashion.poses.sidecar import SUFFIX as SIDECAR_SUFFIX
from mrfashion.poses.sidecar import sidecar_path
from mrfashion.progress import Progress
from mrfashion.sources.apart import apart
from mrfashion.sources.hub_card import card_note
from mrfashion.sources.hub_metadata import METADATA, Metadata
from mrfashion.sources.hub_parquet import read_parquet
from mrfashion.sources.hub_repository import Repository, open_repository
from mrfashion.sources.hub_shard import Entry, Shard, dropped, hidden, source_of, taken_out
from mrfashion.sources.hub_tar import read_tar
from mrfashion.sources.notes import Note, plain_text
from mrfashion.sources.source import UNKNOWN_LICENCE, Source, failed

CARD = "README.md"
# Stand beside the videos of published datasets; they are no inputs.
COMPANIONS = (CARD, "LICENSE", "LICENSE.md", "LICENSE.txt", "dataset_infos.json")
SHARDS = (".tar", ".parquet")


@dataclass(frozen=True)
class HubSource:
    """A dataset by its folder, one of its files, or its name on the Hub."""

    argument: str
    limits: SourceLimits
    executor: ExecutorConfig = field(default_factory=ExecutorConfig)

    def read(
        self, out: Path, progress: Progress[object], shard: scale.Shard = scale.WHOLE
    ) -> Iterator[Entry]:
        """Yield videos in the order of files and rows; those of shards are taken out below `out`.

        A file is fetched when its turn comes, so that a limit on videos limits what is loaded.
        """
        repository = open_repository(self.argument)
        files = sorted(repository.files())
        mine = [file for file in files if shard.holds(file)]
        folder = out / f"hub-{content_hash(repository.name)[:16]}"
        with apart(self.executor) as executor:
            reading = _Reading(repository, files, folder, executor)
            yield from reading.faults()
            for file in progress(mine, f"read {repository.name}", len(mine)):
                yield from reading.entries(str(file), self.limits)


class _Reading:
    """One pass over a dataset, knowing its card and its metadata."""

    def __init__(
        self, repository: Repository, files: list[str], folder: Path, executor: Executor
    ) -> None:
        self.repository, self.files, self.folder = repository, set(files), folder
        self.readers: dict[str, Callable[[Shard], Iterator[Entry]]] = {
            ".tar": read_tar,
            ".parquet": partial(read_parquet, executor=executor),
        }
        self.metadata = Metadata.read(repository, files, executor)
        self.card = Note()

    def faults(self) -> Iterator[Entry]:
        """What is wrong with the card and the metadata, row by row."""
        name = f"{self.repository.name}/{CARD}"
        try:
            if CARD in self.files:
                self.card = card_note(self.repository.fetch(CARD))
        except UnsafePath:
            yield dropped(name, "links out of its folder", "")
        except ItemError as error:
            yield failed(name, error)
        yield from self.metadata.faults

    def entries(self, file: str, limits: SourceLimits) -> Iterator[Entry]:
        """What one file of the dataset holds."""
        if self._companion(file):
            return
        name = plain_text(f"{self.repository.name}/{file}")
        suffix = posixpath.splitext(file)[1].lower()
        if suffix not in (*VIDEO_SUFFIXES, *SHARDS):
            allowed = ", ".join((*VIDEO_SUFFIXES, *SHARDS))
            yield dropped(name, "not a video", f"got {plain_text(suffix)!r}; allowed: {allowed}")
            return
        try:
            path = self.repository.fetch(file)
            if suffix in SHARDS:
                shard = Shard(path, name, self.folder / content_hash(name), limits)
                for entry in taken_out(shard, self.readers[suffix]):
                    yield self._finished(entry, self.card, file)
                return
            beside = sidecar_path(Path(file)).as_posix()
            if beside in self.files:
                self.repository.fetch(beside)
        except UnsafePath:
            yield dropped(name, "links out of its folder", "")
        except ItemError as error:
            yield failed(name, error)
        else:
            note = self.metadata.note(file)
            default = Note() if self.metadata.unsure(file) else self.card
            yield self._finished(source_of(name, path, note), default, file)

    def _companion(self, file: str) -> bool:
        base = posixpath.basename(file)
        return hidden(file) or base in (*COMPANIONS, *METADATA) or base.endswith(SIDECAR_SUFFIX)

    def _finished(self, entry: Entry, default: Note, file: str) -> Entry:
        """The dataset's card speaks where the video's own row is silent."""
        if not isinstance(entry, Source):
            return entry
        if not entry.licence:
            licence, terms = default.licence or UNKNOWN_LICENCE, entry.terms or default.terms
            entry = replace(entry, licence=licence, terms=terms)
        return replace(entry, url=entry.url or self.repository.url(file))
