"""The maker in this process: nothing to start, nothing to send, and a crash is the run's."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.maker import Job, Maker, Making, Work
from mrfashion.errors import ConfigError


def make_here(work: Work, jobs: Sequence[Job]) -> Making:
    """Do the jobs one after another on the only device."""
    if len(work.devices) > 1 or work.timeout_s is not None:
        raise ConfigError(
            "one process has one device and cannot stop its own work; several devices or a "
            "timeout need the executor 'process' or 'ray'"
        )
    maker = Maker(work, work.devices[0])
    for job in jobs:
        yield from zip(job, maker.make(job), strict=True)
