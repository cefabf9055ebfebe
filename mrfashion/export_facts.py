"""What an export holds, as its card, its Croissant file and export.json tell it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mrfashion.funnel import Drop
from mrfashion.splits import SPLITS
from mrfashion.tables import Clip

FORMAT_VERSION = 1
NAME = "clips"  # of what the shards hold, beside the tables


@dataclass(frozen=True)
class ExportedFile:
    """A file of the export."""

    path: str
    sha256: str
    bytes: int
    rows: int


@dataclass(frozen=True)
class Exported:
    """A finished export."""

    name: str
    version: str
    format: str
    publishable: bool  # every licence was checked
    faces_blurred: bool
    clips: tuple[Clip, ...]
    shards: tuple[ExportedFile, ...]
    tables: tuple[ExportedFile, ...]
    left_out: Mapping[str, str]  # clip id => why its faces could not be covered
    drops: tuple[Drop, ...]  # what curation dropped
    estimators: tuple[str, ...]  # where keypoints come from
    samples_hash: str  # of the dataset

    def splits(self) -> dict[str, int]:
        """Clips of each split that has any."""
        found = Counter(clip.split for clip in self.clips)
        return {
            name: found[name]
            for name in (*SPLITS, *sorted(set(found) - set(SPLITS)))
            if found[name]
        }

    def licences(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(licence, terms) => how many sources and clips have them."""
        clips = Counter((clip.licence, clip.terms or "") for clip in self.clips)
        sources = Counter(
            (licence, terms)
            for _, licence, terms in {(c.source_id, c.licence, c.terms or "") for c in self.clips}
        )
        return {key: (sources[key], clips[key]) for key in sorted(clips)}

    def seconds(self) -> float:
        """How long all videos play."""
        return sum(clip.frames / clip.fps for clip in self.clips if not clip.still)

    def record(self) -> dict[str, Any]:
        """What export.json holds."""
        return {
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "version": self.version,
            "format": self.format,
            "publishable": self.publishable,
            "faces_blurred": self.faces_blurred,
            "clips": len(self.clips),
            "splits": self.splits(),
            "shards": [asdict(file) for file in self.shards],
            "tables": [asdict(file) for file in self.tables],
            "left_out": dict(sorted(self.left_out.items())),
            "samples_hash": self.samples_hash,
        }
