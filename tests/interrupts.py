"""Interrupts reach a child also where a shell that runs us in the background ignores them."""

from __future__ import annotations

import signal


def hear_interrupts() -> None:
    """For `preexec_fn`: what is ignored stays ignored in a child unless it is told otherwise."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
