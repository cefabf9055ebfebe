"""Manners: how often a host is asked, and when it is left alone."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from mrfashion.sources.web.settings import WebConfig

logger = logging.getLogger(__name__)


@dataclass
class Host:
    """What this run knows of a host."""

    free_at: float = 0.0  # monotonic seconds; not asked before
    strikes: int = 0  # "too many requests" in a row
    left: str = ""  # why it is not asked any more in this run


@dataclass
class Hosts:
    """All hosts of a run."""

    config: WebConfig
    known: dict[str, Host] = field(default_factory=dict)

    def left(self, name: str) -> str:
        """Why a host is not asked any more in this run; empty where it is."""
        return self._of(name).left

    def wait(self, name: str) -> float:
        """Sleep until a host may be asked => seconds slept."""
        host, began = self._of(name), time.monotonic()
        time.sleep(max(0.0, host.free_at - began))
        host.free_at = time.monotonic() + self.config.between_s
        return time.monotonic() - began

    def answered(self, name: str) -> None:
        """The host gave what was asked for."""
        self._of(name).strikes = 0

    def struck(self, name: str, after_s: float | None) -> bool:
        """The host wants to be asked less => whether it may be asked again, after `wait`."""
        host = self._of(name)
        host.strikes += 1
        pause = self.config.pause_s * 2 ** (host.strikes - 1) if after_s is None else after_s
        if host.strikes >= self.config.strikes:
            host.left = f"it said so {host.strikes} times in a row"
        elif pause > self.config.longest_pause_s:
            host.left = f"it asks for a pause of {pause:g} s"
        else:
            host.free_at = time.monotonic() + pause
            logger.warning("%s wants to be asked less: pausing %.0f s", name, pause)
        return not host.left

    def _of(self, name: str) -> Host:
        return self.known.setdefault(name, Host())
