"""`mrfashion weights`: list, fetch, check and find the model files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from mrfashion.errors import ExitCode, InputRefused

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="A model, as `blazepose`, or one of its files.")]


# Row, its file, device, whether to run slow ones => what the networks of the file did, in words.
Tried = Callable[[str, Path, str, bool], Iterable[str]]


def mount(app: typer.Typer, tried: Tried) -> None:
    """Add `weights` with its commands; `tried` loads what is made of a file."""
    weights = typer.Typer(help="Model files: where from, and whether here.", no_args_is_help=True)
    weights.command("list")(list_command)
    weights.command("fetch")(fetch_command)
    weights.command("check")(_check(tried))
    weights.command("path")(path_command)
    app.add_typer(weights, name="weights")


def list_command(as_json: Json = False) -> None:
    """Every model file the toolkit can use, and whether it is here."""
    from mrfashion.weight_origins import in_words
    from mrfashion.weights import WEIGHTS, path_of, pin_of, state

    rows = [
        {
            "name": row.name,
            "model": row.model,
            "bytes": pin.bytes if (pin := pin_of(row)) else row.bytes,
            "sha256": pin.sha256 if pin else None,
            "licence": row.licence,
            "origin": in_words(row.origin),
            "path": str(path_of(row)),
            "state": state(row),
        }
        for row in WEIGHTS.values()
    ]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        size = f"{row['bytes']:,}" if row["bytes"] else "?"
        typer.echo(
            f"{row['state']:<8} {row['name']:<20} {size:>12}  {row['licence']:<11} {row['origin']}"
        )


def fetch_command(
    name: Name,
    given: Annotated[
        Path | None,
        typer.Option("--from", help="Take it from this file, or from this archive that holds it."),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Take the bytes as they come, and pin the file to them.")
    ] = False,
) -> None:
    """Download a model's files; run it again to go on where it stopped."""
    from mrfashion.progress import track
    from mrfashion.weight_fetching import fetch

    for path in fetch(name, given=given, trust=trust, progress=track):
        typer.echo(str(path))


def _check(tried: Tried) -> Callable[..., None]:
    def check(
        name: Annotated[list[str] | None, typer.Argument(help="Default: all.")] = None,
        device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
        slow: Annotated[
            bool, typer.Option("--slow", help="Known answers that take minutes on a CPU, too.")
        ] = False,
    ) -> None:
        """Hash the files, load those of set metrics, and run what is known of them.

        Exit 5 where a file is missing or wrong, with the command that mends it; 4 where a network
        does not load or gives another answer than others published.
        """
        from mrfashion.weights import HERE, WEIGHTS, files_of, missing_weights, path_of, state

        rows, refused = [row for one in name or () for row in files_of(one)], False
        rows = rows or list(WEIGHTS.values())
        for row in rows:
            held = "the bytes you trusted" if state(row) == "trusted" else "the promised bytes"
            typer.echo(missing_weights(row.name) or f"{path_of(row)}: present, with {held}")
            if state(row) in HERE:
                try:
                    for text in tried(row.name, path_of(row), device, slow):
                        typer.echo(f"  {text}")
                except InputRefused as error:
                    typer.echo(f"  {error}")
                    refused = True
        if refused:
            raise typer.Exit(ExitCode.REFUSED)
        if any(state(row) not in HERE for row in rows):
            raise typer.Exit(ExitCode.MISSING)

    return check


def path_command(name: Name) -> None:
    """Print where a model's verified files lie, one a line."""
    from mrfashion.weights import files_of, weights_path

    for path in [weights_path(row.name) for row in files_of(name)]:
        typer.echo(str(path))
