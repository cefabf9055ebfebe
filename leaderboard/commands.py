"""`mrfashion report RUNS --out SITE`: the board as a page, Markdown, CSV and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Register the command."""
    app.command("report")(report_command)


def report_command(
    runs: Annotated[Path, typer.Argument(help="Folder that `mrfashion score` has scored.")],
    out: Annotated[Path, typer.Option(help="Folder of the report; new, or an earlier report.")],
    dataset: Annotated[
        Path | None, typer.Option(help="Where the dataset lies now, if it was moved.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the page.")] = None,
    clips: Annotated[int, typer.Option(help="Clips to show as videos.", min=0)] = 4,
    study: Annotated[
        Path | None, typer.Option(help="Folder of human ratings, from `mrfashion study`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the board as JSON.")] = False,
) -> None:
    """Write the report and print its main table as Markdown."""
    from leaderboard.render.markdown import escape, legend, table
    from leaderboard.report import TITLE, report
    from leaderboard.wording import result_text

    site = report(
        runs, out, dataset_root=dataset, title=title or TITLE, clips=clips, study_root=study
    )
    if as_json:
        typer.echo(site.board_path.read_text(encoding="utf-8"), nl=False)
        return
    typer.echo(
        "\n\n".join([escape(result_text(site.board)), table(site.board), legend(site.board)])
    )
    typer.echo(f"\nPage: {site.page}")
