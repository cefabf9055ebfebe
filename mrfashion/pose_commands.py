"""The commands `mrfashion pose show`, `pose import` and `pose export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mrfashion.commands import Json


def mount(app: typer.Typer) -> None:
    """Register the group `pose`."""
    group = typer.Typer(
        no_args_is_help=True, help="Look at keypoints, bring your own, take them away."
    )
    group.command("show")(show)
    group.command("import")(import_keypoints)
    group.command("export")(export_keypoints)
    app.add_typer(group, name="pose")


def show(
    clips: Annotated[list[str], typer.Argument(help="DATASET/clips/ID.mp4", metavar="CLIP...")],
    out: Annotated[Path, typer.Option(help="Folder of the overlays.")] = Path("overlays"),
    style: Annotated[
        list[str] | None,
        typer.Option(help="Also as generators see it: openpose-18|dwpose-133|mimicmotion; repeat."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw a clip's keypoints over it, and plot its yaw, confidence and reference candidates."""
    from mrfashion.overlay import find_clip, write_overlay
    from mrfashion.poses.skeletons import write_skeletons
    from mrfashion.progress import track

    found = [find_clip(clip) for clip in clips]
    written = []
    for dataset, clip_id in track(found, "draw", len(found)):
        overlay = write_overlay(dataset, clip_id, out)
        row = {"video": str(overlay.video), "timeline": str(overlay.timeline)}
        row |= {name: str(write_skeletons(dataset, clip_id, name, out)) for name in style or ()}
        written.append(row)
    if as_json:
        typer.echo(json.dumps(written))
    else:
        typer.echo("\n".join(path for row in written for path in row.values()))


def import_keypoints(
    video: Annotated[Path, typer.Argument(help="The video they belong to.")],
    keypoints: Annotated[
        Path,
        typer.Argument(
            help="OpenPose or DWPose JSON (a folder or a file), COCO-WholeBody JSON, "
            ".npz, or an .npy or JSON array (f, k, 3)."
        ),
    ],
    form: Annotated[
        str | None, typer.Option("--format", help="Told by the content, unless given.")
    ] = None,
    rescale: Annotated[
        bool, typer.Option("--rescale", help="Scale coordinates of 0..1, or of another canvas.")
    ] = False,
    licence: Annotated[str | None, typer.Option(help="Licence of the video.")] = None,
    garment_group: Annotated[
        str | None, typer.Option(help="Same name: same person and outfit.")
    ] = None,
) -> None:
    """Write keypoints of another tool as the sidecar that `curate` reads."""
    from mrfashion.poses.sidecar_import import import_sidecar

    meta = {"licence": licence, "garment_group": garment_group}
    known = {name: text for name, text in meta.items() if text}
    typer.echo(str(import_sidecar(video, keypoints, known, form, rescale)))


def export_keypoints(
    names: Annotated[
        list[str], typer.Argument(help="A dataset, or DATASET/clips/ID.mp4.", metavar="CLIP...")
    ],
    out: Annotated[Path, typer.Option(help="Folder; each clip gets one of its own in it.")],
    form: Annotated[
        str, typer.Option("--format", help="openpose, dwpose, coco-wholebody or npz.")
    ] = "openpose",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write keypoints of a dataset for other tools."""
    from mrfashion.pose_export import export
    from mrfashion.progress import track

    folders = [str(folder) for folder in export(names, out, form, force, track)]
    typer.echo(json.dumps(folders) if as_json else "\n".join(folders))
