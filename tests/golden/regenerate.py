"""Write the help of every command to `tests/golden/`: `python -m tests.golden.regenerate`."""

from pathlib import Path

from typer.testing import CliRunner

from mrfashion.__main__ import build_app

HERE = Path(__file__).parent
HELP = (
    "",
    "audit",
    "compare",
    "curate",
    "demo",
    "describe",
    "doctor",
    "explain",
    "export",
    "generate",
    "generators",
    "generators check",
    "generators inspect",
    "generators list",
    "import",
    "pose",
    "pose export",
    "pose import",
    "pose show",
    "protocol",
    "protocol new",
    "protocol show",
    "report",
    "score",
    "study",
    "study export",
    "study ingest",
    "takedown",
    "train",
    "verify",
    "weights",
    "weights check",
    "weights fetch",
    "weights list",
    "weights path",
)


def help_text(command: str) -> str:
    """What `mrfashion <command> --help` prints on a terminal of 80 columns."""
    runner = CliRunner(env={"TERMINAL_WIDTH": "80", "COLUMNS": "80", "NO_COLOR": "1"})
    answer = runner.invoke(build_app(), [*command.split(), "--help"], prog_name="mrfashion")
    return answer.output


def main() -> None:
    """Overwrite the golden files."""
    for command in HELP:
        (HERE / f"help_{command or 'mrfashion'}.txt").write_text(help_text(command))


if __name__ == "__main__":
    main()
