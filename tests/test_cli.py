"""The command line: its help, its exit codes, and messages a user would hope for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mrfashion.__main__ import run
from mrfashion.errors import ExitCode
from mrfashion.poses.sidecar import sidecar_path
from tests.footage import write_footage
from tests.golden.regenerate import HELP, help_text

GOOD = """[filters.resolution]
min_side_px = 48
[filters.sharpness]
min_variance = 1
[duplicates]
distance = 0  # all of them are one block that turns
"""


@pytest.mark.parametrize("name", HELP)
def test_help_is_what_it_was(name: str) -> None:
    """A changed help is explained in the commit: `python -m tests.golden.regenerate`."""
    golden = Path(__file__).parent / "golden" / f"help_{name or 'mrfashion'}.txt"
    assert help_text(name) == golden.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good videos, and a config that takes them."""
    for number in range(2):
        write_footage(tmp_path / "in", f"clip{number}", number, group="dress")
    (tmp_path / "good.toml").write_text(GOOD)
    return tmp_path


def curate(folder: Path, *arguments: str) -> int:
    out = ["--out", str(folder / "out")]
    config = [] if "--config" in arguments else ["--config", str(folder / "good.toml")]
    return run(["curate", *arguments, *config, *out])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing/folder"], ExitCode.REFUSED, "missing/folder does not exist; name a folder"),
        (["turntabel"], ExitCode.USAGE, "unknown source 'turntabel'; did you mean turntable?"),
        (
            ["notes.txt"],
            ExitCode.REFUSED,
            "notes.txt is not a video by its name: got '.txt'; allowed",
        ),
        (["in", "--config", "dmeo"], ExitCode.USAGE, "unknown preset 'dmeo'; did you mean demo?"),
        (["in", "--config", "no.toml"], ExitCode.USAGE, "config no.toml does not exist"),
        (
            ["in", "--config", "bad.toml"],
            ExitCode.USAGE,
            "unknown key 'filtres'; did you mean filters?",
        ),
        (["in", "--config", "torn.toml"], ExitCode.USAGE, "torn.toml is not TOML"),
        (["in", "--limit", "0"], ExitCode.USAGE, "greater than or equal to 1"),
        (["in", "--colour"], ExitCode.USAGE, "No such option: --colour"),
        ([], ExitCode.USAGE, "Missing argument"),
        (["escaping"], ExitCode.REFUSED, "path '../in/clip0.mp4' leaves its folder"),
    ],
)
def test_wrong_calls_say_what_is_wrong(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: ExitCode,
    message: str,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "notes.txt").write_text("a text")
    (folder / "bad.toml").write_text("[filtres]\n")
    (folder / "torn.toml").write_text("[filters")
    (folder / "escaping").mkdir()
    (folder / "escaping" / "metadata.csv").write_text("file_name\n../in/clip0.mp4\n")
    assert curate(folder, *arguments) == code
    captured = capsys.readouterr()
    assert message in captured.err.replace("\n", " ")
    assert not captured.out
    assert "Traceback" not in captured.err


def test_unreadable_and_empty_videos_fail_as_rows_and_the_rest_goes_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "in" / "noise.mp4").write_bytes(b"noise" * 100)
    (folder / "in" / "empty.mp4").write_bytes(b"")
    assert curate(folder, str(folder / "in"), "--json") == ExitCode.SOME_FAILED
    summary = json.loads(capsys.readouterr().out)
    assert summary["kept"] == 2
    assert {row["source_id"]: row["error"] for row in summary["failures"]} == {
        "in/noise.mp4": "probe.corrupt",
        "in/empty.mp4": "probe.corrupt",
    }


def test_a_good_folder_is_curated_and_verified(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert curate(folder, str(folder / "in")) == ExitCode.COMPLETE
    assert "2 clips kept" in capsys.readouterr().out
    assert run(["verify", str(folder / "out")]) == ExitCode.COMPLETE
    clip = next((folder / "out" / "clips").iterdir())
    clip.write_bytes(clip.read_bytes()[:-1] + b"x")
    capsys.readouterr()
    assert run(["verify", str(folder / "out"), "--json"]) == ExitCode.MISMATCH
    (wrong,) = json.loads(capsys.readouterr().out)["wrong"]
    assert "has other bytes than when it was written" in wrong
    clip.unlink()
    assert run(["verify", str(folder / "out")]) == ExitCode.MISMATCH
    assert "is gone" in capsys.readouterr().out


def test_a_damaged_table_is_a_mismatch(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert curate(folder, str(folder / "in")) == ExitCode.COMPLETE
    (folder / "out" / "clips.parquet").write_bytes(b"PAR1torn")
    assert run(["verify", str(folder / "out")]) == ExitCode.MISMATCH
    assert "not a whole Parquet file" in capsys.readouterr().out


def test_a_hostile_sidecar_is_one_failed_row(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sidecar_path(folder / "in" / "clip0.mp4").write_bytes(b"PK nonsense")
    assert curate(folder, str(folder / "in")) == ExitCode.SOME_FAILED
    out = capsys.readouterr().out
    assert "1 clips kept" in out
    assert "in/clip0.mp4: sidecar.corrupt" in out


def test_dry_run_prints_the_settings_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert curate(folder, str(folder / "in"), "--dry-run") == ExitCode.COMPLETE
    assert json.loads(capsys.readouterr().out)["filters"]["resolution"]["min_side_px"] == 48
    assert not (folder / "out").exists()


def test_an_interrupt_is_told_and_has_its_own_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mrfashion.pipeline.sweep_temporaries", interrupt)
    assert curate(folder, str(folder / "in")) == ExitCode.INTERRUPTED
    assert "run it again to go on" in capsys.readouterr().err


def test_a_full_run_from_source_to_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """End to end on rendered footage; each second run changes no byte."""
    dataset, runs, site = (str(tmp_path / name) for name in ("dataset", "runs", "site"))
    config = tmp_path / "tiny.toml"
    config.write_text(
        "[turntable]\ngroups = 3\nframes = 18\nfps = 12\nheight = 48\nwidth = 36\n"
        'motions = ["turn"]\n[filters.resolution]\nmin_side_px = 36\n'
        "[splits]\ntrain = 0.34\nval = 0.0\ntest = 0.66\n[samples]\nframes = 8\nstride = 2\n"
    )
    commands = (
        ["curate", "turntable", "--config", str(config), "--out", dataset],
        ["generate", dataset, "--entrant", "still", "--entrant", "nearest", "--out", runs],
        ["score", runs],
        ["report", runs, "--out", site],
    )
    for command in commands:
        assert run(command) == ExitCode.COMPLETE, capsys.readouterr().err
    table = capsys.readouterr().out
    assert "nearest" in table
    before = contents(tmp_path)
    for command in commands:
        assert run(command) == ExitCode.COMPLETE
    assert contents(tmp_path) == before
    assert (tmp_path / "site" / "index.html").read_text().lstrip().startswith("<!doctype html>")


def contents(root: Path) -> dict[str, bytes]:
    """Every file but the records of when a run was."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != "run.json"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


SCRIPT = Path(sys.executable).with_name("mrfashion")


@pytest.mark.skipif(not SCRIPT.exists(), reason="the console script is not installed")
def test_the_console_script_is_this_program() -> None:
    commands = ([str(SCRIPT)], [sys.executable, "-m", "mrfashion"])
    answers = [
        subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
        for command in commands
    ]
    assert answers == ["0.1.0\n", "0.1.0\n"]
