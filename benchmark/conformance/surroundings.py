"""What a generator does beside answering: prints, calls out, leaves files, moves random states."""

from __future__ import annotations

import contextlib
import io
import os
import random
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mrfashion.artefacts import content_hash

T = TypeVar("T")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(slots=True)
class Traces:
    """What was seen beside the answers."""

    printed: list[str] = field(default_factory=list)
    called: list[str] = field(default_factory=list)  # hosts
    left: list[str] = field(default_factory=list)  # files in the working folder
    moved: set[str] = field(default_factory=set)  # global random states

    def watch(self, call: Callable[[], T]) -> T:
        """Run something in an empty working folder without a network, and remember its traces."""
        with tempfile.TemporaryDirectory() as folder:
            with (
                contextlib.chdir(folder),
                _no_network(self.called),
                _captured_stdout(self.printed),
            ):
                result = call()
            self.left += sorted(p.name for p in Path(folder).iterdir())
        return result

    def watch_random(self, call: Callable[[], T]) -> T:
        """`watch`, and see that no global random state moves."""
        before = random_states()
        result = self.watch(call)
        after = random_states()
        self.moved |= {name for name in before if before[name] != after[name]}
        return result


def random_states() -> dict[str, str]:
    """Hash of each global random state of this process."""
    states: dict[str, Any] = {
        "random": repr(random.getstate()),
        "numpy.random": repr(np.random.get_state(legacy=False)),
    }
    if "torch" in sys.modules:
        import torch

        states["torch"] = torch.get_rng_state().tolist()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            states["torch.cuda"] = [state.tolist() for state in torch.cuda.get_rng_state_all()]
    return {name: content_hash(state) for name, state in states.items()}


@contextmanager
def other_random_states(seed: int) -> Iterator[None]:
    """Global random states of a program that ran differently before."""
    import torch

    kept = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        random.seed(seed)
        np.random.seed(seed)  # the legacy global state is what we look at
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(kept[0])
            np.random.set_state(kept[1])


@contextmanager
def _no_network(called: list[str]) -> Iterator[None]:
    """Refuse every address but this machine's own, and remember who was asked for."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def refuse(host: object) -> None:
        if str(host) not in LOOPBACK:
            called.append(str(host))
            raise OSError(f"conformance runs without a network; asked for {host}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            refuse(address[0])
        connect(self, address)

    def guarded_look_up(host: Any, *rest: Any, **options: Any) -> Any:
        refuse(host)
        return look_up(host, *rest, **options)

    socket.socket.connect = guarded_connect  # type: ignore[assignment, method-assign]
    socket.getaddrinfo = guarded_look_up
    try:
        yield
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
        socket.getaddrinfo = look_up


@contextmanager
def _captured_stdout(printed: list[str]) -> Iterator[None]:
    """Keep what goes to stdout, from Python and from below it."""
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        above = io.StringIO()
        try:
            with contextlib.redirect_stdout(above):
                yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            text = above.getvalue() + file.read(10_000).decode("utf-8", "replace")
            if text:
                printed.append(text)
