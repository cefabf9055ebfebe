"""`mrfashion explain RUNS --entrant NAME`: which reference feeds which frame."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from benchmark.explaining import Summary


def mount(app: typer.Typer) -> None:
    """Register the command."""
    app.command("explain")(explain_command)


def explain_command(
    runs: Annotated[Path, typer.Argument(help="Folder that `mrfashion generate` wrote.")],
    entrant: Annotated[str, typer.Option(help="Name in the run, or its entrant file.")],
    out: Annotated[Path, typer.Option(help="Folder for pictures and numbers.")],
    dataset: Annotated[
        Path | None, typer.Option(help="Where the dataset lies now, if it was moved.")
    ] = None,
    sample: Annotated[
        list[str] | None, typer.Option(help="Draw this sample; may be given several times.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Else draw the first N samples.")] = 3,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also weights over the picture; loads the network.")
    ] = False,
    device: Annotated[str, typer.Option(help="Of the network: cpu, cuda or cuda:N.")] = "cpu",
    dtype: Annotated[str, typer.Option(help="float32|float16|bfloat16.")] = "float32",
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Draw which reference feeds which frame, and tabulate it by view."""
    from benchmark.explaining import explain
    from mrfashion.progress import track

    summary = explain(
        runs,
        entrant,
        out,
        dataset_root=dataset,
        samples=sample or (),
        limit=limit,
        maps=maps,
        device=device,
        dtype=dtype,
        progress=track,
    )
    typer.echo(_json(summary) if as_json else _text(summary))


def _json(summary: Summary) -> str:
    return json.dumps(asdict(summary) | {"files": list(map(str, summary.files))}, indent=2)


def _text(summary: Summary) -> str:
    """A line a frame view: weight, and in what share of frames the heaviest is of that view."""
    lines = [f"{summary.entrant}: {summary.videos} videos with weights"]
    views = list(dict.fromkeys(line.reference_view for line in summary.by_view))
    rows = {(line.frame_view, line.reference_view): line for line in summary.by_view}
    lines.append(f"{'frames':<20}" + "".join(f"{view:>22}" for view in views))
    for frame in dict.fromkeys(line.frame_view for line in summary.by_view):
        cells, count = [], 0
        for view in views:
            line = rows.get((frame, view))
            cells.append(f"{line.mean_weight:.2f}, top {line.heaviest:4.0%}" if line else "-")
            count = max(count, line.frames if line else 0)
        lines.append(f"{f'{frame} ({count})':<20}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join([*lines, *map(str, summary.files)])
