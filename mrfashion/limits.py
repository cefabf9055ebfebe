"""How much of the machine one source may ask for: files come from anywhere and may never end."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mrfashion.errors import ConfigError


@dataclass(frozen=True)
class SourceLimits:
    """The most a source may ask for; beyond it the source is a recorded failure.

    Our choice: far above what fashion footage needs, and low enough that a stranger's file ends.
    """

    bytes: int = 16 << 30  # an hour of 4K at 35 Mbit/s
    pixels: int = 8192 * 4320  # of one frame: the largest level of H.264 and HEVC; 106 MB as RGB
    frames: int = 1_000_000  # nine hours at 30 a second
    seconds: float = 4 * 3600.0  # of one pass over the file, by the clock

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise ConfigError(f"limits: {name} is {value}; allowed: above 0")
