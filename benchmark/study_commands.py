"""`mrfashion study export` and `study ingest`: sheets for people, and their answers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mrfashion.errors import ExitCode

if TYPE_CHECKING:
    from benchmark.study.export import Summary
    from benchmark.study.ingest import Intake


def mount(app: typer.Typer) -> None:
    """Add this file's commands."""
    study = typer.Typer(help="Ask people: blind sheets and their answers.", no_args_is_help=True)
    study.command("export")(export_command)
    study.command("ingest")(ingest_command)
    app.add_typer(study, name="study")


def export_command(
    runs: Annotated[Path, typer.Argument(help="Folder that `mrfashion generate` wrote.")],
    out: Annotated[Path, typer.Option(help="Study folder; the same one goes on.")],
    raters: Annotated[int, typer.Option(help="Sheets to make, one a rater.")] = 3,
    samples: Annotated[
        int | None, typer.Option(help="Samples to show, spread over outfits; default: all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Chooses samples and orders.")] = 0,
    formats: Annotated[str, typer.Option("--format", help="xlsx, csv or both.")] = "xlsx,csv",
    hidden_reference: Annotated[
        bool, typer.Option(help="Show the real video too, unmarked.")
    ] = True,
    dataset: Annotated[
        Path | None, typer.Option(help="Where the dataset lies now, if it was moved.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Write blind rating sheets, and the clips that go with them."""
    from benchmark.study.export import export
    from benchmark.study.key import StudyOptions
    from mrfashion.progress import track

    summary = export(
        runs,
        out,
        StudyOptions(raters=raters, samples=samples, seed=seed, hidden_reference=hidden_reference),
        formats=tuple(dict.fromkeys(formats.split(","))),
        dataset_root=dataset,
        progress=track,
    )
    typer.echo(_export_json(summary) if as_json else _export_text(summary))


def ingest_command(
    study: Annotated[Path, typer.Argument(help="Folder that `study export` wrote.")],
    files: Annotated[list[Path], typer.Argument(help="Sheets that came back.")],
    accept_partial: Annotated[
        bool, typer.Option("--accept-partial", help="Take the sound rows of a faulty sheet.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put a rater's new file in place of the old one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check returned sheets, write `ratings.parquet`; a faulty sheet is refused, with reasons."""
    from benchmark.study.ingest import ingest

    intake = ingest(study, files, accept_partial=accept_partial, replace_earlier=replace)
    typer.echo(_ingest_json(intake) if as_json else _ingest_text(intake))
    if intake.refused:
        raise typer.Exit(ExitCode.REFUSED)


def _export_json(summary: Summary) -> str:
    values = dataclasses.asdict(summary) | {"sheets": str(summary.sheets)}
    return json.dumps(values, indent=2, sort_keys=True)


def _export_text(summary: Summary) -> str:
    rated = f"{summary.rows} clips of {summary.samples} samples, {summary.raters} raters"
    lines = [
        f"{summary.study_id}: {rated}; {summary.written} files written, {summary.reused} reused",
        *(f"  left out {name}: {reason}" for name, reason in sorted(summary.left_out.items())),
        f"Send each rater a sheet with the folders beside it: {summary.sheets}",
        "Keep key.private.json to yourself: it says whose clip is whose.",
    ]
    return "\n".join(lines)


def _ingest_json(intake: Intake) -> str:
    files = [dataclasses.asdict(report) for report in intake.files]
    values = {"files": files, "known": intake.known, "report": dataclasses.asdict(intake.report)}
    return json.dumps(values, indent=2, sort_keys=True)


def _ingest_text(intake: Intake) -> str:
    from benchmark.study.ingest_report import rejection_table

    lines = []
    for report in intake.files:
        taken = f"{report.file}: {report.status}" + (f", {report.rater}" if report.rater else "")
        counts = f"{len(report.rejections)} rejected, {len(report.notes)} put right"
        flags = f", looks {' and '.join(report.flags)}" if report.flags else ""
        lines.append(f"{taken}; {counts}, {len(report.missing)} missing{flags}")
        lines += [f"  missing {name}" for name in report.missing]
        lines += [f"  {n.row_id or 'file'} {n.column or ''}: {n.reason}" for n in report.notes]
    lines += [f"{name}: taken before" for name in intake.known]
    if any(report.rejections for report in intake.files):
        lines += ["", rejection_table(intake.files), ""]
    for rater in intake.report.raters:
        gaps = (
            f"{rater.cannot_play} cannot play, {rater.missing} missing, {rater.rejected} rejected"
        )
        lines.append(f"{rater.rater}: {rater.rated} of {rater.planned} rated; {gaps}")
    lines.append(f"{intake.ratings} ratings in ratings.parquet")
    if intake.refused:
        lines.append("A refused file adds nothing. --accept-partial takes its sound rows.")
    return "\n".join(lines)
