"""The commands of the model: parse, call one library function, print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from model.training import Summary


def mount(app: typer.Typer) -> None:
    """Register train."""
    app.command()(train)


def train(
    config: Annotated[str, typer.Argument(help="A .toml file, or a preset: small, sd15, smoke.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    dataset: Annotated[
        Path | None, typer.Option(help="Folder of the dataset, for configs with one.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Trained network to start from; its flow may differ.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    seed: Annotated[int | None, typer.Option(help="Instead of the config's.", min=0)] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many steps now.", min=1)] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Stop with a checkpoint after so long.", min=0)
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the settings and do nothing.")] = False,
) -> None:
    """Train a network; run it again to go on where it stopped."""
    from model.training import Limits
    from model.training import train as run
    from model.training_config import load_training_config
    from model.training_plan import plan
    from mrfashion.progress import track

    settings, network = load_training_config(config)
    settings = settings.overridden(dataset, seed)
    if dry_run:
        typer.echo(json.dumps(plan(settings, network), indent=2))
        return
    limits = Limits(limit, max_seconds)
    made = run(settings, network, out, init=init, device=device, limits=limits, progress=track)
    typer.echo(_tell(made, out))


def _tell(made: Summary, out: Path) -> str:
    """Where the run stands, and how held-out clips come out by view."""
    end = f"done: {out / 'network.safetensors'}" if made.done else "stopped; run it again to go on"
    lines = [f"{out}: {end}"]
    if made.validation:
        at = made.validation[0]
        lines.append(f"held-out frames at stage {at['stage']}, step {at['step']}: PSNR in dB")
        lines.append(f"  {'view':<13}{'frames':>7}{'whole':>8}{'person':>8}")
    for row in made.validation:
        person = "-" if row["psnr_person"] is None else f"{row['psnr_person']:.2f}"
        lines.append(f"  {row['view']:<13}{row['frames']:>7}{row['psnr']:>8.2f}{person:>8}")
    return "\n".join(lines)
