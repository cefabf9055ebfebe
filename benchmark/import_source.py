"""What is imported, and as whom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark.entrants import SAFE_NAME, entrant_names
from benchmark.generations import Entrant
from benchmark.imported_videos import Fit
from mrfashion.errors import ConfigError

KIND = "imported"  # what made them is the importer's word
VERSION = 1  # raised whenever the same file would give other pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What to import, and as what."""

    folder: Path
    name: str
    manifest: Path | None = None
    note: str | None = None  # how the videos were made
    fit: Fit = "none"  # or letterbox: videos of another size are placed on the asked one
    max_references: int = 8  # that the method took; the task's rule says which

    def __post_init__(self) -> None:
        if not SAFE_NAME.fullmatch(self.name) or self.name in entrant_names():
            raise ConfigError(
                f"name is {self.name!r}; allowed: letters, digits, '.', '_' and '-', and no "
                "generator's own name"
            )
        if self.fit not in ("none", "letterbox"):
            raise ConfigError(f"fit is {self.fit!r}; allowed: none, letterbox")
        if self.max_references < 1:
            raise ConfigError(f"max_references is {self.max_references}; allowed: 1 and above")

    @property
    def entrant(self) -> Entrant:
        """Whose rows they become; each video's own bytes are in its key."""
        settings = {
            "imported": True,
            "note": self.note,
            "fit": self.fit,
            "max_references": self.max_references,
        }
        identity = {"name": self.name, "version": VERSION, "settings": settings, "weights": []}
        return Entrant(self.name, KIND, False, identity)
