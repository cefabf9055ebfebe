"""`mrfashion score RUNS`: measure generated videos against their targets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrfashion.errors import ExitCode

if TYPE_CHECKING:
    from benchmark.scoring import Summary


def mount(app: typer.Typer) -> None:
    """Register the command."""
    app.command("score")(score_command)


def score_command(
    runs: Annotated[Path, typer.Argument(help="Folder that `mrfashion generate` wrote.")],
    dataset: Annotated[
        Path | None, typer.Option(help="Where the dataset lies now, if it was moved.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Only this metric; repeat for more.")
    ] = None,
    as_: Annotated[
        list[str] | None,
        typer.Option(
            "--as", help="Metrics as others compute them: disco-2024, ...; `default` adds ours."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Clips at once; by default one a core.")
    ] = None,
    device: Annotated[str, typer.Option(help="Of learned metrics: cpu, cuda or cuda:N.")] = "cpu",
    require: Annotated[
        bool, typer.Option("--require", help="Exit 5 where a metric lacks its weights.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score generated videos; a second run measures only what is new."""
    from benchmark.scoring import score
    from mrfashion.progress import track

    summary = score(
        runs,
        dataset_root=dataset,
        metrics=[*(metric or ()), *(as_ or ())],
        workers=workers,
        device=device,
        progress=track,
    )
    typer.echo(_json(summary) if as_json else _text(summary))
    if require and _lacking(summary):
        raise typer.Exit(ExitCode.MISSING)
    if summary.failed or (summary.sets and summary.sets.failed):
        raise typer.Exit(ExitCode.SOME_FAILED)


def _json(summary: Summary) -> str:
    return json.dumps(dataclasses.asdict(summary), indent=2, sort_keys=True, default=str)


def _text(summary: Summary) -> str:
    lines = [
        f"{summary.scored} clips scored, {summary.reused} reused, {len(summary.failed)} failed, "
        f"{summary.missing} without a video",
        *(f"  {name}: {reason}" for name, reason in sorted(summary.failed.items())),
        *(f"not measured: {', '.join(names)}: {why}" for why, names in _by_reason(summary).items()),
        f"{summary.rows} rows in {summary.path}",
    ]
    if sets := summary.sets:
        lines += [f"  no features of {name}: {why}" for name, why in sorted(sets.failed.items())]
        lines.append(f"{sets.rows} rows of sets in {sets.path}")
    return "\n".join(lines)


def _by_reason(summary: Summary) -> dict[str, list[str]]:
    """What each lack keeps from being measured."""
    reasons: dict[str, list[str]] = {}
    for name, why in sorted(_lacking(summary).items()):
        reasons.setdefault(why, []).append(name)
    return reasons


def _lacking(summary: Summary) -> dict[str, str]:
    """Metric => what it lacks, of clips and of sets."""
    return {**summary.lacking, **(summary.sets.lacking if summary.sets else {})}
