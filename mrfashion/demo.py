"""The worked example: the whole path through the installed command, on rendered footage."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

from mrfashion.errors import ExitCode, MRFashionError


def demo_commands(out: Path) -> list[list[str]]:
    """The four commands of the demo, as a person would type them."""
    dataset, runs, site = (shlex.quote(str(out / name)) for name in ("dataset", "runs", "site"))
    lines = (
        f"curate turntable --config demo --out {dataset}",
        f"generate {dataset} --entrant still --entrant nearest --out {runs}",
        f"score {runs}",
        f"report {runs} --out {site}",
    )
    return [["mrfashion", *shlex.split(line)] for line in lines]


def run_demo(out: Path) -> None:
    """Run the commands one after another; what they print goes to the terminal."""
    started = time.monotonic()
    commands = demo_commands(out)
    for command in commands:
        print(f"\n$ {shlex.join(command)}", file=sys.stderr, flush=True)
        # The module, not the script on PATH: they are the same code, and this one is ours.
        answer = subprocess.run([sys.executable, "-m", *command])
        if answer.returncode == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if answer.returncode:
            raise MRFashionError(f"{shlex.join(command)} ended with {answer.returncode}")
    print("\nThese commands ran:")
    for command in commands:
        print(f"  {shlex.join(command)}")
    page = (out / "site" / "index.html").resolve()
    print(f"Page: {page.as_uri()}  ({time.monotonic() - started:.0f} s in all)")
