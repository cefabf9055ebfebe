"""The commands of the curation package: parse, call one library function, print."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mrfashion.errors import ExitCode
from mrfashion.visible import visible

if TYPE_CHECKING:
    from mrfashion.curation import Summary
    from mrfashion.tables import Reject
    from mrfashion.verification import Verification

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def mount(app: typer.Typer, lacks: Callable[[], dict[str, list[str]]]) -> None:
    """Register curate, describe, audit, ...; `lacks` is what each generator lacks."""
    for command in (curate, describe, audit, verify, _doctor(lacks), demo):
        app.command()(command)


def curate(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders of videos, videos, `turntable`, or KIND:WHAT (docs/sources.md).",
            metavar="SOURCE...",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the dataset.")],
    config: Annotated[str | None, typer.Option(help="A .toml file, or a preset.")] = None,
    limit: Annotated[int | None, typer.Option(help="At most this many videos.", min=1)] = None,
    shard: Annotated[
        str | None,
        typer.Option(help="i/N: do this share, as in job arrays; then run once without."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Videos at a time.", min=1)] = None,
    device: Annotated[
        str | None, typer.Option(help="Where dwpose and rtmw run: auto, cpu, cuda, cuda:N, coreml.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Redo what is done.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Print the settings and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Build a dataset from footage; run it again to go on where it stopped."""
    from functools import partial

    from mrfashion.config import load_config, to_dict
    from mrfashion.curation import CurateConfig
    from mrfashion.pipeline import curate as run
    from mrfashion.progress import track
    from mrfashion.scale import read_shard
    from mrfashion.sources import open_source

    settings = load_config(CurateConfig, config)
    how_much: dict[str, Any] = {"workers": workers, "limit": limit, "force": force}
    how_much["shard"] = read_shard(shard)
    if device:
        settings = replace(settings, poses=settings.poses.on(device))
    if dry_run:
        for source in sources:
            open_source(source, settings)
        typer.echo(json.dumps(to_dict(settings), indent=2))
        return
    tell = partial(typer.echo, err=True)
    summary = run(sources, out, settings, progress=track, tell=tell, **how_much)
    typer.echo(json.dumps(asdict(summary)) if as_json else _tell(summary, out))
    if summary.failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


def describe(
    dataset: Annotated[Path, typer.Argument(help="Folder of a dataset.")],
    out: Annotated[Path, typer.Option(help="Folder of the page; new, or an earlier one.")],
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    clips: Annotated[int, typer.Option(help="Clips on the contact sheet.", min=0)] = 8,
    as_json: Json = False,
) -> None:
    """Write the page of a dataset: what was kept and dropped, how it is spread, how it looks."""
    from mrfashion.describe import TITLE
    from mrfashion.describe import describe as run

    site = run(dataset, out, title=title or TITLE, clips=clips)
    if as_json:
        typer.echo(site.json_path.read_text(encoding="utf-8"), nl=False)
        return
    made = site.description
    typer.echo(
        f"{dataset}: {made.clips} clips of {made.garment_groups} garment groups, "
        f"{made.seconds:.0f} s, {made.samples} samples; {made.rejects_in_all} rejected, "
        f"{made.failures_in_all} failed"
    )
    typer.echo(f"Page: {site.page}")


def audit(
    dataset: Annotated[Path, typer.Argument(help="Folder of a dataset.")],
    out: Annotated[Path, typer.Option(help="Folder of the page; new, or an earlier one.")],
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    clips: Annotated[int, typer.Option(help="Clips to show, the nearest first.", min=0)] = 200,
    as_json: Json = False,
) -> None:
    """Hold val and test against train by every signal, and show the nearest; exit 4 on a leak."""
    from mrfashion.audit_page import TITLE, write_audit
    from mrfashion.progress import track

    site = write_audit(dataset, out, title=title or TITLE, clips=clips, progress=track)
    found = site.audit
    if as_json:
        typer.echo(site.json_path.read_text(encoding="utf-8"), nl=False)
    else:
        told = f"{len(found.leaks)} leaks" if found.leaks else "no leak"
        typer.echo(f"{dataset}: {told}; {len(found.checked)} clips held against train")
        typer.echo(f"Page: {site.page}")
    if found.leaks:
        raise typer.Exit(ExitCode.REFUSED)


def verify(
    dataset: Annotated[Path, typer.Argument(help="Folder of a dataset.")], as_json: Json = False
) -> None:
    """Check every clip, table and split of a dataset against what was written."""
    from mrfashion.progress import track
    from mrfashion.verification import verify as run

    found = run(dataset, track)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
    else:
        typer.echo(_tell_verification(found, dataset))
    if found.wrong:
        raise typer.Exit(ExitCode.MISMATCH)


def _doctor(lacks: Callable[[], dict[str, list[str]]]) -> Callable[..., None]:
    def doctor(as_json: Json = False) -> None:
        """Say what this machine can do, and what mends what it cannot."""
        from mrfashion.doctor import examine

        findings = examine(lacks())
        if as_json:
            typer.echo(json.dumps([asdict(finding) for finding in findings]))
        else:
            for finding in findings:
                mark = "ok  " if finding.ok else ("FAIL" if finding.needed else "-   ")
                typer.echo(f"{mark}  {finding.what}: {finding.detail}")
        if any(finding.needed and not finding.ok for finding in findings):
            raise typer.Exit(ExitCode.MISSING)

    return doctor


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the demo.")] = Path("demo-out"),
) -> None:
    """Run the whole path on rendered footage: curate, generate, score, report."""
    from mrfashion.demo import run_demo

    run_demo(out)


def _tell_verification(found: Verification, dataset: Path) -> str:
    """Tables of an earlier version, then notes, then what is wrong."""
    lines = [f"note: {note}" for note in found.notes]
    for table in found.tables:
        if table.schema_version < table.current_version:
            versions = f"version {table.schema_version}; today's is {table.current_version}"
            lines.append(f"note: {table.path} holds table {table.table} of {versions}")
    count = f"{len(found.tables)} table files, {sum(table.rows for table in found.tables)} rows"
    good = f"{dataset}: everything is as it was written ({count})"
    return "\n".join([*lines, *(found.wrong or [good])])


def _tell(summary: Summary, out: Path) -> str:
    """The closing lines of a curation: what was kept, dropped and failed, and why."""
    lines = [f"{out}: {summary.kept} clips kept, {summary.samples} samples"]
    if summary.shard:
        lines = [f"{out}: {summary.kept} clips ready in shard {summary.shard}"]
    if summary.splits:
        lines[0] += " (" + ", ".join(f"{k} {v}" for k, v in summary.splits.items()) + ")"
    told = Counter(_told_reject(row) for row in summary.rejects)
    if summary.kept and not summary.samples and not summary.shard:
        lines.append(
            "  no samples: no clip of an evaluated split has frames and references enough;"
        )
        lines.append("  [splits] and [samples] in --config say which are evaluated, and how long")
    lines += [line + (f", {count} times" if count > 1 else "") for line, count in told.items()]
    for failure in summary.failures:
        told_failure = f"{failure.source_id}: {failure.error}: {failure.text}"
        lines.append(f"  failed    {visible(told_failure)}")
    for stage, notes in summary.notes.items():
        lines.append(f"  {stage:<11}" + ", ".join(f"{n} {why}" for why, n in notes.items()))
    return "\n".join(lines)


def _told_reject(row: Reject) -> str:
    measured = "" if row.measured is None else f" ({row.measured:g}, needed {row.threshold:g})"
    detail = f" ({row.detail})" if row.detail else ""
    return visible(f"  rejected  {row.source_id}: {row.stage}: {row.reason}{measured}{detail}")
