"""The options of commands that ask for a task: `generate` and `import`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrfashion.errors import ConfigError

if TYPE_CHECKING:
    from benchmark.frozen_protocol import Protocol
    from benchmark.protocol import TaskOptions

ProtocolOption = Annotated[
    Path | None,
    typer.Option(help="Frozen by `mrfashion protocol new`; takes no task option beside it."),
]
SplitOption = Annotated[
    list[str] | None, typer.Option(help="Split, may be given several times; default: test.")
]
SizeOption = Annotated[str | None, typer.Option(help="HxW; default: that of each clip.")]
ReductionOption = Annotated[
    str, typer.Option(help="References of a method that takes fewer: front|frame0|nearest.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of every video.")]
StepsOption = Annotated[int | None, typer.Option(help="Default: each generator's own.")]
GuidanceOption = Annotated[float | None, typer.Option(help="Default: each generator's own.")]
FirstOption = Annotated[int | None, typer.Option(help="First N samples; a task of its own.")]


def asked_of(
    protocol: Path | None,
    split: list[str] | None,
    size: str | None,
    reduction: str,
    seed: int,
    steps: int | None,
    guidance: float | None,
    first: int | None,
) -> TaskOptions | Protocol:
    """What the options of a command ask for; a protocol takes none beside it."""
    from benchmark.frozen_protocol import load_protocol
    from benchmark.protocol import TaskOptions
    from benchmark.reduction import as_rule

    options = TaskOptions(
        splits=tuple(sorted(set(split or ["test"]))),
        size=None if size is None else pair(size, "x", "--size", "HxW, as 512x384"),
        reduction=as_rule(reduction),
        seed=seed,
        steps=steps,
        guidance=guidance,
        limit=first,
    )
    if protocol is None:
        return options
    if options != TaskOptions():
        raise ConfigError(f"{protocol} says what is asked; leave out the options of the task")
    return load_protocol(protocol)


def pair(text: str, separator: str, option: str, form: str) -> tuple[int, int]:
    """Two whole numbers of an option; ConfigError names the form it has."""
    match = re.fullmatch(rf"(\d{{1,6}}){separator}(\d{{1,6}})", text)
    if match is None:
        raise ConfigError(f"{option}: got {text!r}; needed: {form}")
    return int(match[1]), int(match[2])
