"""The examination in a process of its own: one that dies is a finding, too."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from functools import partial
from multiprocessing.connection import Connection

from benchmark.conformance.examine import CHECKS, examine
from benchmark.conformance.findings import Finding, Report
from benchmark.entrants import make_entrant
from benchmark.running import Running
from mrfashion.errors import ConfigError, MRFashionError

logger = logging.getLogger(__name__)


def examine_apart(
    which: str, *, rehearse: bool, real_size: bool, device: str, dtype: str
) -> Report:
    """`examine` in a child; where that ends early, the check it was at has failed."""
    Running(device=device, dtype=dtype).require_devices()
    try:
        make_entrant(which)
    except MRFashionError:
        raise  # a name or a file that is wrong
    except Exception:
        logger.debug("%s cannot be made", which)  # the child finds out, too, and says how
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    run = partial(
        examine, which, rehearse=rehearse, real_size=real_size, device=device, dtype=dtype
    )
    child = context.Process(target=_examine_and_send, args=(run, sender))
    child.start()
    sender.close()
    findings: list[Finding] = []
    try:
        while isinstance(said := receiver.recv(), Finding):
            findings.append(said)
    except EOFError:
        said = None
    child.join()
    if isinstance(said, ConfigError):
        raise said
    return said or _died(which, device, dtype, findings, child.exitcode)


def _examine_and_send(run: partial[Report], sender: Connection) -> None:
    try:
        sender.send(run(tell=sender.send))
    except ConfigError as error:
        sender.send(ConfigError(str(error)))


def _died(
    which: str, device: str, dtype: str, findings: list[Finding], status: int | None
) -> Report:
    info = make_entrant(which).info
    how = f"by {signal.Signals(-status).name}" if status and status < 0 else f"with {status}"
    at = [*CHECKS, "the end"][len(findings)]
    last = Finding(at, "fail", f"its process ended {how}")
    return Report(
        info.name, info.kind, "not at all", device, dtype, (), None, None, (*findings, last)
    )
