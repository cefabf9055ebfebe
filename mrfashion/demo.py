"""The worked example: the whole path through the installed command, on rendered footage."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

from mrfashion.errors import ExitCode, MRFashionError


def demo_commands(out: Path) -> list[list[str]]:
    """The commands of the demo, as a person would type them."""
    dataset, page, runs, study, site = (
        shlex.quote(str(out / name))
        for name in ("dataset", "dataset-page", "runs", "study", "site")
    )
    entrants = " ".join(f"--entrant {name}" for name in ("still", "nearest", "warp"))
    lines = (
        f"curate turntable --config demo --out {dataset}",
        f"describe {dataset} --out {page}",
        f"generate {dataset} {entrants} --out {runs}",
        f"score {runs}",
        f"study export {runs} --out {study}",
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
    print("Open:")
    for page in ("site/index.html", "dataset-page/index.html"):
        print(f"  {(out / page).resolve().as_uri()}")
    print(f"Sheets to send to raters: {out / 'study'}  ({time.monotonic() - started:.0f} s in all)")
