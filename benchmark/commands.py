"""`mrfashion generate`."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrfashion.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from benchmark.frozen_protocol import Protocol
    from benchmark.protocol import TaskOptions


def mount(app: typer.Typer) -> None:
    """Register `generate`."""
    app.command("generate")(generate_command)


def generate_command(
    dataset: Annotated[Path, typer.Argument(help="Folder that `mrfashion curate` wrote.")],
    entrant: Annotated[
        list[str],
        typer.Option(help="Generator, or a TOML file of one; may be given several times."),
    ],
    out: Annotated[Path, typer.Option(help="Run folder; the same one goes on where it stopped.")],
    protocol: Annotated[
        Path | None,
        typer.Option(help="Frozen by `mrfashion protocol new`; takes no task option beside it."),
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Split, may be given several times; default: test.")
    ] = None,
    size: Annotated[str | None, typer.Option(help="HxW; default: that of each clip.")] = None,
    reduction: Annotated[
        str, typer.Option(help="References of a method that takes fewer: front|frame0|nearest.")
    ] = "front",
    seed: Annotated[int, typer.Option(help="Seed of every video.")] = 0,
    steps: Annotated[int | None, typer.Option(help="Default: each generator's own.")] = None,
    guidance: Annotated[float | None, typer.Option(help="Default: each generator's own.")] = None,
    first: Annotated[int | None, typer.Option(help="First N samples; a task of its own.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Make those of the first N samples now; the task stays.")
    ] = None,
    shard: Annotated[
        str, typer.Option(help="i/N, i from 0: make those of every N-th sample now.")
    ] = "0/1",
    device: Annotated[
        str, typer.Option(help="cpu, cuda or cuda:N; several as cuda:0,cuda:1: a process each.")
    ] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32|float16|bfloat16.")] = "float32",
    batch: Annotated[
        int, typer.Option(help="Videos at once, of a generator that can; fewer if memory is full.")
    ] = 1,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that a video may take, once all is loaded.")
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(help="here|process|ray; default: here, for one device without timeout."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make finished videos again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be made, and its time and disk.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Make every entrant's videos of a dataset's samples. Run it again to go on."""
    from benchmark.runner import generate
    from benchmark.running import Running
    from mrfashion.progress import track

    summary = generate(
        dataset,
        out,
        entrant,
        asked_of(protocol, split, size, reduction, seed, steps, guidance, first),
        running=Running(
            device=device,
            dtype=dtype,
            executor=executor,
            batch=batch,
            timeout_s=timeout,
            force=force,
            shard=_pair(shard, "/", "--shard", "i/N, as 0/4"),
            limit=limit,
        ),
        dry_run=dry_run,
        progress=track,
        tell=partial(typer.echo, err=True),
    )
    print(json.dumps(summary.to_json(), indent=2) if as_json else summary.text())
    if summary.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


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
        size=None if size is None else _pair(size, "x", "--size", "HxW, as 512x384"),
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


def _pair(text: str, separator: str, option: str, form: str) -> tuple[int, int]:
    match = re.fullmatch(rf"(\d{{1,6}}){separator}(\d{{1,6}})", text)
    if match is None:
        raise ConfigError(f"{option}: got {text!r}; needed: {form}")
    return int(match[1]), int(match[2])
