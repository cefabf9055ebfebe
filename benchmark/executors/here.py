"""The maker in this process: nothing to start, nothing to send, and a crash is the run's."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.attempts import Failed
from benchmark.maker import Job, Maker, Making, Work
from mrfashion.errors import MRFashionError


def make_here(work: Work, jobs: Sequence[Job]) -> Making:
    """Do the jobs one after another on the only device."""
    maker = Maker(work, work.devices[0])
    for job in jobs:
        for order, outcome in zip(job, maker.make(job), strict=True):
            yield order, outcome
            if isinstance(outcome, Failed) and outcome.broke_device:
                raise MRFashionError(
                    f"{order.item.sample_id} left {work.devices[0]} unusable to this process: "
                    f"{outcome.text}. Run it again to go on; `--executor process` does so itself"
                )
