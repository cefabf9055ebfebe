"""The commands `mrfashion pose show` and `mrfashion pose import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mrfashion.commands import Json


def mount(app: typer.Typer) -> None:
    """Register the group `pose`."""
    group = typer.Typer(no_args_is_help=True, help="Look at keypoints, and bring your own.")
    group.command("show")(show)
    group.command("import")(import_keypoints)
    app.add_typer(group, name="pose")


def show(
    clips: Annotated[list[str], typer.Argument(help="DATASET/clips/ID.mp4", metavar="CLIP...")],
    out: Annotated[Path, typer.Option(help="Folder of the overlays.")] = Path("overlays"),
    as_json: Json = False,
) -> None:
    """Draw a clip's keypoints over it, and plot its yaw, confidence and reference candidates."""
    from mrfashion.overlay import find_clip, write_overlay
    from mrfashion.progress import track

    found = [find_clip(clip) for clip in clips]
    written = []
    for dataset, clip_id in track(found, "draw", len(found)):
        overlay = write_overlay(dataset, clip_id, out)
        written.append({"video": str(overlay.video), "timeline": str(overlay.timeline)})
    if as_json:
        typer.echo(json.dumps(written))
    else:
        typer.echo("\n".join(f"{row['video']}\n{row['timeline']}" for row in written))


def import_keypoints(
    video: Annotated[Path, typer.Argument(help="The video they belong to.")],
    keypoints: Annotated[
        Path, typer.Argument(help="Folder of OpenPose JSON, or .npy or .json (f, k, 3).")
    ],
    licence: Annotated[str | None, typer.Option(help="Licence of the video.")] = None,
    garment_group: Annotated[
        str | None, typer.Option(help="Same name: same person and outfit.")
    ] = None,
) -> None:
    """Write keypoints of another tool as the sidecar that `curate` reads."""
    from mrfashion.poses.sidecar_import import import_sidecar

    meta = {"licence": licence, "garment_group": garment_group}
    path = import_sidecar(video, keypoints, {name: text for name, text in meta.items() if text})
    typer.echo(str(path))
