"""Conformance: every entrant passes, and each wrong generator is caught by the right finding."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.conformance.declared import HEAVY
from benchmark.conformance.examine import CHECKS, examine, finding
from benchmark.conformance.findings import Finding
from benchmark.conformance.probes import first, odd, second
from benchmark.conformance.subject import Subject
from benchmark.entrants import ENTRANTS, make_entrant
from mrfashion.__main__ import run
from mrfashion.errors import ConfigError, ExitCode
from mrfashion.generation import Generator
from tests.moody_generators import join
from tests.right_generators import Copy, Noise
from tests.wrong_generators import WRONG, Batch, Factory

ROOT = Path(__file__).resolve().parent.parent
# Each of these asks a learned rehearsal more requests; one of them answers for all here, and the
# command asks every one.
SLOW = (
    "order of requests",
    "other seed",
    "odd requests",
    "long requests",
    "too many references",
    "frames stay",
    "uses its inputs",
    "batches",
)
FULL_LEARNED = "profashion-single"
NEW_PROCESS = "import light"  # examined below, for all in one process


@pytest.mark.parametrize("name", list(ENTRANTS))
def test_every_entrant_passes(name: str) -> None:
    brief = make_entrant(name).info.kind == "learned" and name != FULL_LEARNED
    left_out = {NEW_PROCESS, *(SLOW if brief else ())}
    checks = [check for check in CHECKS if check not in left_out]
    report = examine(name, checks=checks)
    assert not report.failed, "\n".join(f"{f.name}: {f.measured}" for f in report.failed)
    assert [finding.name for finding in report.findings] == checks


def test_making_every_entrant_imports_nothing_heavy() -> None:
    code = (
        "import sys; from benchmark.entrants import ENTRANTS, make_entrant\n"
        "for name in ENTRANTS: make_entrant(name).info\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "[]\n"


def looked_at(name: str, factory: Factory, monkeypatch: pytest.MonkeyPatch) -> Finding:
    monkeypatch.setitem(ENTRANTS, "toy", factory)
    subject = Subject("toy", factory(), factory, False, "cpu", "float32")
    if list(CHECKS).index(name) > list(CHECKS).index("loads"):
        subject.load()
    return finding(name, subject)


@pytest.mark.parametrize(("name", "factory", "says"), WRONG)
def test_a_wrong_generator_is_caught(
    name: str, factory: Factory, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looked_at(name, factory, monkeypatch)
    assert found.state == "fail"
    assert says in found.measured


def test_every_check_has_a_generator_that_fails_it() -> None:
    assert {name for name, _, _ in WRONG} == set(CHECKS)


@pytest.mark.parametrize("factory", [Copy, Noise, Batch])
@pytest.mark.parametrize("name", [name for name in CHECKS if name != "import light"])
def test_a_right_generator_fails_nothing(
    name: str, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = looked_at(name, factory, monkeypatch)
    assert found.state != "fail", found.measured


class Lacking(Noise):
    def check(self) -> list[str]:
        return ["weights of toy: mrfashion weights fetch toy"]

    def rehearsal(self, *, real_size: bool = False) -> Noise:
        return Noise("toy")


class LackingAndUnrehearsed(Copy):
    def check(self) -> list[str]:
        return ["a checkout"]


def test_without_weights_the_rehearsal_is_examined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRANTS, "toy", Lacking)
    report = examine("toy")
    assert report.ran == "rehearsal"
    assert report.missing == ("weights of toy: mrfashion weights fetch toy",)
    assert [f.name for f in report.failed] == ["import light"]  # only this process knows toys
    json.dumps(report.to_json(), allow_nan=False)


def test_what_can_neither_run_nor_rehearse_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRANTS, "toy", LackingAndUnrehearsed)
    report = examine("toy")
    assert report.ran == "not at all"
    assert {f.state for f in report.findings if f.name in ("loads", "answers")} == {"n/a"}
    fine = replace(report, findings=tuple(f for f in report.findings if f.state != "fail"))
    assert fine.exit_code == ExitCode.MISSING


def test_a_rehearsal_that_is_asked_and_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="still has no rehearsal"):
        examine("still", rehearse=True)


def broken() -> Generator:
    raise KeyError("HOME")


def test_a_generator_that_cannot_be_made_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENTRANTS, "toy", broken)
    report = examine("toy")
    assert [(f.name, f.state) for f in report.findings] == [("is made", "fail")]
    assert "KeyError: 'HOME'" in report.findings[0].measured


def test_the_command_prints_a_table_and_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["generators", "check", "still"]) == ExitCode.COMPLETE
    table = capsys.readouterr().out
    assert "pass  colour order" in table
    assert "24 passed, 0 failed, 5 not applicable" in table
    assert run(["generators", "check", "stil"]) == ExitCode.USAGE
    assert run(["generators", "check", "still", "--device", "gpu"]) == ExitCode.USAGE


def test_a_generator_that_ends_the_process_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(join(tmp_path)))
    assert run(["generators", "check", "toy-unloadable", "--json"]) == ExitCode.SOME_FAILED
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is False
    failed = [(f["name"], f["measured"]) for f in report["findings"] if f["state"] == "fail"]
    assert failed == [("loads", "its process ended with 3")]


HEAVY_MODULE = """
from dataclasses import replace
import torch
from baselines.still import Still

class Heavy(Still):
    info = replace(Still.info, name="heavy")
"""


def test_heavy_imports_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_generator.py").write_text(HEAVY_MODULE)
    entry = tmp_path / "heavy-1.dist-info"
    entry.mkdir()
    (entry / "METADATA").write_text("Metadata-Version: 2.1\nName: heavy\nVersion: 1\n")
    (entry / "entry_points.txt").write_text(
        "[mrfashion.generators]\nheavy = heavy_generator:Heavy\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = finding("import light", Subject("heavy", Copy(), None, False, "cpu", "float32"))
    assert found.measured == "making it imports torch; import them in load() or later"


def test_requests_hold_what_real_footage_holds() -> None:
    one, two = first(), second()
    assert one.fps != round(one.fps)
    assert any(side % 8 for side in one.size)
    assert one.frames % 2
    assert len({r.image.shape for r in two.references}) == 2
    assert np.isnan(two.keypoints[3, :, 0]).all()
    assert np.isfinite(two.keypoints[2, :17, 0]).all()
    assert len(one.references) != len(two.references)
    assert {len(r.references) for r in odd().values()} == {3}
