"""The `mrfashion` command: mounts every package's commands. Run `mrfashion --help`.

The one place that may import forward (model, baselines, benchmark, leaderboard), inside functions.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from mrfashion.errors import ExitCode, MRFashionError
from mrfashion.visible import VisibleFormatter, visible


def build_app() -> typer.Typer:
    """The whole command tree; importing the command files imports nothing heavy."""
    from benchmark.commands import mount as mount_benchmark
    from benchmark.explain_command import mount as mount_explain
    from benchmark.generator_commands import mount as mount_generators
    from benchmark.import_command import mount as mount_import
    from benchmark.protocol_commands import mount as mount_protocol
    from benchmark.score_command import mount as mount_score
    from benchmark.study_commands import mount as mount_study
    from leaderboard.commands import mount as mount_leaderboard
    from model.commands import mount as mount_model
    from mrfashion.commands import mount as mount_mrfashion
    from mrfashion.dataset_commands import mount as mount_dataset
    from mrfashion.pose_commands import mount as mount_pose
    from mrfashion.weights_commands import mount as mount_weights

    app = typer.Typer(
        name="mrfashion",
        help="Multi-reference fashion video: footage -> dataset -> videos -> scores -> report.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
    )

    @app.callback(invoke_without_command=True)
    def options(
        version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
        verbose: Annotated[
            bool, typer.Option("--verbose", "-v", help="Log every step to stderr.")
        ] = False,
    ) -> None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(VisibleFormatter("%(levelname)s %(name)s: %(message)s"))
        logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])
        if version:
            from mrfashion import __version__

            typer.echo(__version__)
            raise typer.Exit

    mount_mrfashion(app, _lacks)
    mount_dataset(app)
    mount_pose(app)
    mount_weights(app, _tried)
    for mount in (
        mount_model,
        mount_benchmark,
        mount_import,
        mount_generators,
        mount_protocol,
        mount_score,
        mount_explain,
        mount_study,
        mount_leaderboard,
    ):
        mount(app)
    return app


def _lacks() -> dict[str, list[str]]:
    """What each generator lacks on this machine, in words."""
    from benchmark.entrants import lacks

    return lacks()


def _tried(row: str, path: Path, device: str, slow: bool) -> Iterable[str]:
    """What the networks of a weight file do."""
    from benchmark.weights_check import tried

    return tried(row, path, device, slow)


def run(arguments: list[str]) -> int:
    """Run one command line => exit code; errors go to stderr as one line."""
    try:
        build_app()(arguments, prog_name="mrfashion")
        return ExitCode.COMPLETE
    except MRFashionError as error:
        typer.echo(f"mrfashion: {visible(str(error), but=chr(10))}", err=True)
        return error.exit_code
    except SystemExit as request:
        code = int(request.code or ExitCode.COMPLETE)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        typer.echo("mrfashion: interrupted; what is done is kept, run it again to go on", err=True)
    return code


def main() -> None:
    """Console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
