"""The commands that pass a dataset on, and that take a source out of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FolderOfDataset = Annotated[Path, typer.Argument(help="Folder of a dataset.")]


def mount(app: typer.Typer) -> None:
    """Register export and takedown."""
    app.command()(export)
    app.command()(takedown)


def export(
    dataset: FolderOfDataset,
    out: Annotated[Path, typer.Option(help="Folder of the export; new, or an earlier one.")],
    to: Annotated[str, typer.Option("--format", help="huggingface or webdataset.")] = "huggingface",
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; may be repeated.")
    ] = None,
    publishable: Annotated[
        bool, typer.Option(help="Refuse clips whose licence does not allow publishing.")
    ] = False,
    blur_faces: Annotated[bool, typer.Option(help="Cover faces in videos and pictures.")] = False,
    name: Annotated[str | None, typer.Option(help="Name for the card.")] = None,
    version: Annotated[str, typer.Option(help="MAJOR.MINOR.PATCH, for the card.")] = "1.0.0",
    shard_mb: Annotated[int, typer.Option(help="Megabytes of clips in a file.", min=1)] = 512,
    workers: Annotated[int, typer.Option(help="Files at a time.", min=1)] = 1,
    dry_run: Annotated[bool, typer.Option(help="List the files and write none.")] = False,
    as_json: Json = False,
) -> None:
    """Write a dataset for others: a Hugging Face folder, or WebDataset shards, with a card."""
    from mrfashion.export import ExportConfig, chosen_clips, planned
    from mrfashion.export import export as run
    from mrfashion.manifest import Dataset
    from mrfashion.progress import track

    config = ExportConfig(
        format=to,
        splits=tuple(split or ()),
        publishable=publishable,
        blur_faces=blur_faces,
        shard_mb=shard_mb,
        name=name or dataset.resolve().name,
        version=version,
    )
    if dry_run:
        opened = Dataset(dataset)
        for shard in planned(opened, chosen_clips(opened, config), config):
            typer.echo(f"{shard.path}: {len(shard.clips)} clips")
        return
    made = run(dataset, out, config, workers=workers, progress=track)
    if as_json:
        typer.echo(json.dumps(made.record()))
        return
    counts = ", ".join(f"{name} {count}" for name, count in made.splits().items())
    typer.echo(f"{out}: {len(made.clips)} clips ({counts}) in {len(made.shards)} files")
    for clip_id, why in sorted(made.left_out.items()):
        typer.echo(f"  left out  {clip_id}: {why}")


def takedown(
    sources: Annotated[
        list[str],
        typer.Argument(help="Ids of sources, as in clips.parquet.", metavar="SOURCE_ID..."),
    ],
    dataset: Annotated[Path, typer.Option(help="Folder of a dataset.")],
    dry_run: Annotated[bool, typer.Option(help="Say what would go, and keep it.")] = False,
    as_json: Json = False,
) -> None:
    """Remove all that came from a source, prove it, and keep it from coming back."""
    from dataclasses import asdict

    from mrfashion.progress import track
    from mrfashion.takedown import takedown as run

    done = run(dataset, sources, dry_run=dry_run, progress=track)
    if as_json:
        typer.echo(json.dumps(asdict(done)))
        return
    clips = sum(len(gone.clip_ids) for gone in done.going)
    rows = ", ".join(f"{name} {count}" for name, count in done.rows.items() if count)
    verb = "would go" if dry_run else "went"
    typer.echo(f"{len(done.going)} sources, {clips} clips {verb}; rows: {rows or 'none'}")
    typer.echo("\n".join(f"  {path}" for path in done.files))
    if not dry_run:
        typer.echo(f"nothing of them is left in {done.scanned} files (takedown.jsonl)")
        typer.echo("Exports and runs made before still have them: make them anew")
