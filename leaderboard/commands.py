"""`mrfashion report` and `mrfashion compare`: the board of a run folder, and paired tests."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("report")(report_command)
    app.command("compare")(compare_command)


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
    from leaderboard.wording import result_text, table_title

    site = report(
        runs, out, dataset_root=dataset, title=title or TITLE, clips=clips, study_root=study
    )
    if as_json:
        typer.echo(site.board_path.read_text(encoding="utf-8"), nl=False)
        return
    board = site.board
    main = [f"{table_title(board.tables[0])}:", table(board, board.tables[0])]
    others = [table_title(columns) for columns in board.tables[1:]]
    more = [f"On the page and in board.md: {'; '.join(others)}; every view."] if others else []
    typer.echo("\n\n".join([escape(result_text(board)), *main, legend(board), *more]))
    typer.echo(f"\nPage: {site.page}")


def compare_command(
    runs: Annotated[list[Path], typer.Argument(help="Scored run folders of one task.")],
    baseline: Annotated[str, typer.Option(help="Entrant that the others are compared with.")],
    metric: Annotated[
        list[str] | None, typer.Option(help="Only this metric; repeat for more.")
    ] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="Only this region; repeat for more.")
    ] = None,
    stratum: Annotated[
        list[str] | None, typer.Option(help="all (the default), a view or back-gap; repeat.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Test entrants against a baseline, paired by sample, adjusted for all tests printed."""
    from benchmark.comparison import compare
    from leaderboard.render.comparison import table

    found = compare(runs, baseline, metrics=metric, regions=region, strata=stratum or ["all"])
    if as_json:
        rows = [asdict(comparison) | {"verdict": comparison.verdict()} for comparison in found]
        typer.echo(json.dumps(rows, indent=2))
    else:
        typer.echo(table(found))
