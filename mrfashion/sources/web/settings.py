"""Settings of downloads, `[web]` in a curation's TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mrfashion.config import to_dict
from mrfashion.errors import ConfigError


@dataclass(frozen=True)
class WebConfig:
    """What is asked for, how politely, and where patience ends; all numbers are our choice."""

    short_side_px: int = 1080  # the best video up to it, else the smallest above
    most_bytes: int = 2_000_000_000  # one video: an hour at 4 Mbit/s
    most_picture_bytes: int = 50_000_000  # one picture: the largest PNG a camera's 24 Mpx fill
    most_s: float = 3600.0  # one video, all attempts together, the host's pauses apart
    attempts: int = 4  # in a row without a byte gained
    backoff_s: float = 2.0  # after a broken attempt; twice as long after each further one
    between_s: float = 1.0  # two items of one host: a shop shuts out who asks faster
    most_bytes_per_s: int = 0  # 0: as fast as the host sends
    socket_timeout_s: float = 30.0
    pause_s: float = 60.0  # after a "too many requests" that names no time; then twice as long
    longest_pause_s: float = 900.0  # a host that asks for a longer one is left for this run
    strikes: int = 3  # such answers in a row after which a host is left for this run
    cookies: Path | None = None  # a Netscape cookies file; nothing else of a browser is read
    private_addresses: bool = False  # whether loopback and local networks may be asked
    ask_again: bool = False  # for what a host refused for good in an earlier run

    def __post_init__(self) -> None:
        counts = ("short_side_px", "most_bytes", "most_picture_bytes", "attempts", "strikes")
        times = ("most_s", "socket_timeout_s")
        for name in (*counts, *times):
            if not getattr(self, name) > 0:
                raise ConfigError(f"web: {name} is {getattr(self, name)}; needed: above 0")
        for name in ("backoff_s", "between_s", "pause_s", "longest_pause_s", "most_bytes_per_s"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"web: {name} is {getattr(self, name)}; needed: 0 or more")

    def limits(self) -> dict[str, object]:
        """What a refusal depends on beside its address: another value, and it is asked again."""
        deciding = ("most_bytes", "most_picture_bytes", "most_s", "cookies", "private_addresses")
        return {name: value for name, value in to_dict(self).items() if name in deciding}
