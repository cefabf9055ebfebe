"""`mrfashion generate`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmark.task_options import (
    FirstOption,
    GuidanceOption,
    ProtocolOption,
    ReductionOption,
    SeedOption,
    SizeOption,
    SplitOption,
    StepsOption,
    asked_of,
    pair,
)
from mrfashion.errors import ExitCode


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
    protocol: ProtocolOption = None,
    split: SplitOption = None,
    size: SizeOption = None,
    reduction: ReductionOption = "front",
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    first: FirstOption = None,
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
            shard=pair(shard, "/", "--shard", "i/N, as 0/4"),
            limit=limit,
        ),
        dry_run=dry_run,
        progress=track,
        tell=partial(typer.echo, err=True),
    )
    print(json.dumps(summary.to_json(), indent=2) if as_json else summary.text())
    if summary.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)
