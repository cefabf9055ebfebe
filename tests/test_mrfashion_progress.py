"""What long work says on stderr, where that is no terminal and where it is."""

from __future__ import annotations

import sys

import pytest

from mrfashion import progress
from mrfashion.progress import track


@pytest.mark.parametrize("terminal", [False, True])
def test_a_label_tells_how_things_stand_now(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    failed: list[int] = []

    def label() -> str:
        return f"still ({len(failed)} failed)"

    for item in track(range(4), label, 4):
        if item % 2:
            failed.append(item)
    out, err = capsys.readouterr()
    assert out == ""
    assert "still (2 failed)" in err
    assert "4/4" in err
    if not terminal:
        first, *_, last = err.splitlines()
        assert first.startswith("still (0 failed): 1/4, about ")
        assert first.endswith(" s left")
        assert last.startswith("still (2 failed): 4/4 in ")
        assert len(err.splitlines()) == 4
