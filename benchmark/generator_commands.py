"""`mrfashion generators list | inspect`: who can be measured, and what each is and lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mrfashion.generation import Generator

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Which = Annotated[
    str, typer.Argument(help="A name that `generators list` shows, or an entrant file in TOML.")
]


def mount(app: typer.Typer) -> None:
    """Register the group `generators`."""
    group = typer.Typer(help="Methods that can be measured.", no_args_is_help=True)
    group.command("list")(list_command)
    group.command("inspect")(inspect_command)
    app.add_typer(group, name="generators")


def list_command(as_json: AsJson = False) -> None:
    """Every generator by name, and whether it can run here."""
    from benchmark.entrants import ENTRANTS, entrant_names, make_entrant

    # Another package's generator loads only when it is named, so here it is a name alone.
    rows = [
        _described(make_entrant(name))
        if name in ENTRANTS
        else {"name": name, "summary": "of another package"}
        for name in entrant_names()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        state = "not loaded" if "kind" not in row else "missing" if row["missing"] else "ready"
        typer.echo(f"{row['name']:<16} {row.get('kind', ''):<8} {state:<10} {row['summary']}")


def inspect_command(which: Which, as_json: AsJson = False) -> None:
    """What a generator is, accepts, is set to, loads and lacks."""
    from benchmark.entrants import entrant_identity, make_entrant

    generator = make_entrant(which)
    described = _described(generator) | {"settings": entrant_identity(generator)["settings"]}
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    for key, value in described.items():
        typer.echo(f"{key:<16} {value if isinstance(value, str) else json.dumps(value)}")


def _described(generator: Generator) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(generator.info), "missing": generator.check()}
