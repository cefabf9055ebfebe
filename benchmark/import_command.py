"""`mrfashion import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

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
)
from mrfashion.errors import ExitCode


def mount(app: typer.Typer) -> None:
    """Register `import`."""
    app.command("import")(import_command)


def import_command(
    folder: Annotated[Path, typer.Argument(help="Videos, or folders of PNG pictures.")],
    dataset: Annotated[Path, typer.Option(help="Folder that `mrfashion curate` wrote.")],
    out: Annotated[Path, typer.Option(help="Run folder; its task, if it has one, is the task.")],
    name: Annotated[str, typer.Option(help="Name of the entrant that the videos become.")],
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="CSV, JSONL or Parquet: sample_id, path, and where known sha256, settings; "
            "without it files are named by sample id."
        ),
    ] = None,
    fit: Annotated[
        Literal["none", "letterbox"],
        typer.Option(help="Videos of another size: failed, or placed on the asked one with bars."),
    ] = "none",
    max_references: Annotated[
        int, typer.Option(help="References that the method took; the task's rule says which.")
    ] = 8,
    note: Annotated[str | None, typer.Option(help="How the videos were made.")] = None,
    protocol: ProtocolOption = None,
    split: SplitOption = None,
    size: SizeOption = None,
    reduction: ReductionOption = "front",
    seed: SeedOption = 0,
    steps: StepsOption = None,
    guidance: GuidanceOption = None,
    first: FirstOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every file, and write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Take in videos made elsewhere, so that they are scored and reported like any others."""
    from benchmark.import_source import Source
    from benchmark.importing import import_folder
    from benchmark.protocol import TaskOptions
    from mrfashion.progress import track

    asked = asked_of(protocol, split, size, reduction, seed, steps, guidance, first)
    source = Source(
        folder=folder,
        name=name,
        manifest=manifest,
        note=note,
        fit=fit,
        max_references=max_references,
    )
    given = None if asked == TaskOptions() else asked
    report = import_folder(source, dataset, out, given, dry_run=dry_run, progress=track)
    typer.echo(json.dumps(report.to_json(), indent=2) if as_json else report.text())
    if report.failed:
        raise typer.Exit(ExitCode.SOME_FAILED)
