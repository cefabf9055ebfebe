"""`mrfashion generators list | inspect | check`: who can be measured, what each is and lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmark.conformance.findings import Report
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
    group.command("check")(check_command)
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
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        state = "not loaded" if "kind" not in row else "missing" if row["missing"] else "ready"
        typer.echo(f"{row['name']:<{width}}  {row.get('kind', ''):<8} {state:<10} {row['summary']}")


def inspect_command(which: Which, as_json: AsJson = False) -> None:
    """What a generator is, accepts, is set to, loads and lacks."""
    from benchmark.entrants import entrant_identity, make_entrant, settable

    generator = make_entrant(which)
    described = _described(generator) | {
        "settings": entrant_identity(generator)["settings"],
        "settable": settable(which),
    }
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    for key, value in described.items():
        typer.echo(f"{key:<16} {value if isinstance(value, str) else json.dumps(value)}")


def check_command(
    which: Which,
    rehearse: Annotated[
        bool, typer.Option("--rehearse", help="On random weights, even where weights are there.")
    ] = False,
    real_size: Annotated[
        bool, typer.Option("--real-size", help="A rehearsal of the true architecture.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32|float16|bfloat16.")] = "float32",
    as_json: AsJson = False,
) -> None:
    """Run a generator through everything it owes, on small synthetic requests.

    Downloads nothing. A learned generator without its weights runs on random ones.
    Exit code 0: all passed; 3: something failed; 5: it cannot run here.
    """
    from benchmark.conformance.apart import examine_apart

    report = examine_apart(
        which, rehearse=rehearse, real_size=real_size, device=device, dtype=dtype
    )
    typer.echo(json.dumps(report.to_json(), indent=2) if as_json else _check_text(report))
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _described(generator: Generator) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(generator.info), "missing": generator.check()}


def _check_text(report: Report) -> str:
    """A table of findings, and a line that says what they are worth."""
    shape = f"{report.entrant} ({report.kind}) on {report.device} in {report.dtype}"
    ran = {
        "itself": "",
        "rehearsal": ": a rehearsal, on random weights; nothing is said about its pictures",
        "not at all": ": it cannot run here",
    }
    rows = [f"{f.state:<5} {f.name:<20} {f.measured}" for f in report.findings]
    states = [f.state for f in report.findings]
    counts = f"{states.count('pass')} passed, {states.count('fail')} failed, "
    lacking = [f"missing: {text}" for text in report.missing]
    if report.peak_memory_bytes and report.seconds:
        gib = report.peak_memory_bytes / 2**30
        lacking.append(f"first request: {report.seconds:.2f} s, peak {gib:.2f} GiB on the device")
    return "\n".join(
        (shape + ran[report.ran], *lacking, *rows, f"{counts}{states.count('n/a')} not applicable")
    )
