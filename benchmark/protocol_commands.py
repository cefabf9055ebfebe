"""`mrfashion protocol new | show`: what is asked and how it is measured, frozen in one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from benchmark.frozen_protocol import Preset, Protocol


def mount(app: typer.Typer) -> None:
    """Register the group `protocol`."""
    group = typer.Typer(no_args_is_help=True, help="Freeze what is asked and how it is measured.")
    group.command("new")(new_command)
    group.command("show")(show_command)
    app.add_typer(group, name="protocol")


def new_command(
    dataset: Annotated[Path, typer.Argument(help="Folder that `mrfashion curate` wrote.")],
    out: Annotated[Path, typer.Option(help="The file to write, as ubc.json.")],
    preset: Annotated[
        str, typer.Option(help="turntable|ubc|mrfashion7k|smoke, or a TOML file.")
    ] = "turntable",
) -> None:
    """Freeze a preset with a dataset's samples; `generate --protocol FILE` runs it."""
    from benchmark.frozen_protocol import freeze, save_protocol
    from mrfashion.manifest import Dataset

    protocol = freeze(Dataset(dataset), preset)
    save_protocol(out, protocol)
    typer.echo(_text(protocol))
    typer.echo(f"\n{out}")


def show_command(
    what: Annotated[str, typer.Argument(help="A preset, a frozen protocol, or a run folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what a protocol asks and how it measures."""
    from dataclasses import asdict

    from benchmark.frozen_protocol import PRESETS, PROTOCOL_FILE, Preset, load_protocol
    from mrfashion.config import load_config

    path = Path(what)
    found: Preset | Protocol
    if path.is_dir() or path.suffix == ".json":
        found = load_protocol(path / PROTOCOL_FILE if path.is_dir() else path)
    else:
        found = load_config(Preset, what, PRESETS)
    typer.echo(json.dumps(asdict(found), indent=2) if as_json else _text(found))


def _text(found: Preset | Protocol) -> str:
    from benchmark.frozen_protocol import Protocol

    lines = [found.title, found.about, ""]
    lines += [f"{name:<12} {_shown(value)}" for name, value in _task(found).items()]
    if not isinstance(found, Protocol):
        return "\n".join([*lines, f"{'metrics':<12} {', '.join(found.metrics)}"])
    lines.append(f"{'samples':<12} {found.samples} of {found.garment_groups} garment groups")
    lines.append(f"{'statistics':<12} {_statistics(found.garment_groups)}")
    lines.append(f"{'protocol':<12} {found.protocol_hash}")
    return "\n".join([*lines, "", *found.definitions])


def _task(found: Preset | Protocol) -> dict[str, Any]:
    from mrfashion.config import to_dict

    return to_dict(found.task)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _statistics(groups: int) -> str:
    """What so many garment groups can tell apart."""
    from benchmark.paired_tests import LEAST_GROUPS, detectable_effect

    effect = detectable_effect(groups)
    if effect is None:
        return f"no test: fewer than {LEAST_GROUPS} garment groups"
    return f"finds a difference of {effect:.2f} standard deviations (d_z) in 4 of 5 cases"
