"""The commands of the model: parse, call one library function, print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from model.config import NetworkConfig
    from model.training import Summary


def mount(app: typer.Typer) -> None:
    """Register train."""
    app.command()(train)


def train(
    config: Annotated[str, typer.Argument(help="A .toml file, or a preset: small, sd15, smoke.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; with --vary, a folder each in it.")],
    vary: Annotated[
        str | None,
        typer.Option(
            help="Networks side by side on the same batches and noise: SWITCH=VALUE,VALUE,...",
            metavar="SWITCH=...",
        ),
    ] = None,
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
    from model.training import Limits, check_inputs, train_together
    from model.training_config import load_training_config
    from model.training_plan import plan
    from mrfashion.progress import track

    settings, network = load_training_config(config)
    settings = settings.overridden(dataset, seed)
    networks = {out: network} if vary is None else _varied(network, vary, out)
    check_inputs(networks)
    if dry_run:
        plans = [plan(settings, one) for one in networks.values()]
        typer.echo(json.dumps(plans[0] if vary is None else plans, indent=2))
        return
    limits = Limits(limit, max_seconds)
    made = train_together(
        settings, networks, init=init, device=device, limits=limits, progress=track
    )
    for folder, summary in made.items():
        typer.echo(_tell(summary, folder))


def _varied(network: NetworkConfig, vary: str, out: Path) -> dict[Path, NetworkConfig]:
    """`flow=on,off` => a network for each value, by the folder of its run."""
    from model.config import NetworkConfig
    from mrfashion.config import from_dict, to_dict
    from mrfashion.errors import ConfigError

    switch, _, values = vary.partition("=")
    names = [value.strip() for value in values.split(",")]
    if not all(names) or len(set(names)) < len(names):
        raise ConfigError(
            f"--vary is {vary!r}; give a switch and different values: aggregation=pose-aware,mean"
        )
    settings = to_dict(network)
    return {
        out / name: from_dict(NetworkConfig, settings | {switch: name}, "--vary") for name in names
    }


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
