"""`mrfashion generate`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrfashion.errors import ConfigError, ExitCode

if TYPE_CHECKING:
    from benchmark.runner import Summary


def mount(app: typer.Typer) -> None:
    """Register `generate`."""
    app.command("generate")(generate_command)


def generate_command(
    dataset: Annotated[Path, typer.Argument(help="Folder that `mrfashion curate` wrote.")],
    entrant: Annotated[list[str], typer.Option(help="Generator; may be given several times.")],
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
    limit: Annotated[int | None, typer.Option(help="First N samples; a task of its own.")] = None,
    shard: Annotated[str, typer.Option(help="i/N, i from 0: every N-th sample.")] = "0/1",
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32|float16|bfloat16.")] = "float32",
    force: Annotated[bool, typer.Option("--force", help="Make finished videos again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Make every entrant's videos of a dataset's samples. Run it again to go on."""
    from benchmark.frozen_protocol import load_protocol
    from benchmark.protocol import TaskOptions
    from benchmark.reduction import as_rule
    from benchmark.runner import generate
    from mrfashion.progress import track

    options = TaskOptions(
        splits=tuple(sorted(set(split or ["test"]))),
        size=None if size is None else _pair(size, "x", "--size", "HxW, as 512x384"),
        reduction=as_rule(reduction),
        seed=seed,
        steps=steps,
        guidance=guidance,
        limit=limit,
    )
    if protocol is not None and options != TaskOptions():
        raise ConfigError(f"{protocol} says what is asked; leave out the options of the task")
    summary = generate(
        dataset,
        out,
        entrant,
        options if protocol is None else load_protocol(protocol),
        device=device,
        dtype=dtype,
        force=force,
        shard=_pair(shard, "/", "--shard", "i/N, as 0/4"),
        dry_run=dry_run,
        progress=track,
    )
    print(json.dumps(summary.to_json(), indent=2) if as_json else _summary_text(summary))
    if summary.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _summary_text(summary: Summary) -> str:
    lines = [f"task {summary.task_hash}"]
    for name, tally in summary.entrants.items():
        counts = f"{tally.ok} made, {tally.reused} reused, {tally.failed} failed"
        todo = f", {tally.todo} to do" if tally.todo else ""
        lines.append(f"{name}: {tally.planned} planned, {counts}{todo}")
        lines += [f"  {count} x {reason}" for reason, count in sorted(tally.reasons.items())]
    return "\n".join(lines)


def _pair(text: str, separator: str, option: str, form: str) -> tuple[int, int]:
    match = re.fullmatch(rf"(\d{{1,6}}){separator}(\d{{1,6}})", text)
    if match is None:
        raise ConfigError(f"{option}: got {text!r}; needed: {form}")
    return int(match[1]), int(match[2])
