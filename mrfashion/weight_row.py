"""A row of the table of model files."""

from __future__ import annotations

from dataclasses import dataclass

from mrfashion.weight_origins import Origin


@dataclass(frozen=True, slots=True)
class Pin:
    """The bytes a file must hold."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file; a model may need several."""

    name: str
    model: str
    file: str  # its name in the weights folder
    bytes: int | None  # None: not known
    sha256: str | None  # None: not known
    licence: str
    origin: Origin

    @property
    def pin(self) -> Pin | None:
        """What the table promises; None where it does not know the hash."""
        return Pin(self.bytes, self.sha256) if self.bytes and self.sha256 else None

    @property
    def command(self) -> str:
        """What brings it."""
        return f"mrfashion weights fetch {self.model}{'' if self.pin else ' --trust'}"
