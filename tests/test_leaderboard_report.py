"""The report: formats agree, hostile names stay text, the same inputs give the same bytes."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.results import Generation
from benchmark.scoring import score
from leaderboard.render import RENDERERS
from leaderboard.render import csv as render_csv
from leaderboard.render.markdown import escape
from leaderboard.report import report
from mrfashion.__main__ import build_app, run
from mrfashion.errors import ExitCode, InputRefused, UnknownNameError
from tests.conftest import write_dataset
from tests.run_folders import exact, noisy, write_runs

HOSTILE = "<img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"


def mark(rows: list[Generation]) -> None:
    """One entrant copies per frame, one has a failed clip."""
    for i, row in enumerate(rows):
        if row.entrant == "nearest":
            rows[i] = replace(row, kind="copy", per_frame_copy=True)
        if row.entrant == FORMULA and row.sample_id == "sample-clip01":
            rows[i] = replace(row, status="failed", path=None, video_sha256=None, error="x.<b>")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scored run folder beside its dataset."""
    root = tmp_path_factory.mktemp("report")
    changes = {"profashion": noisy, HOSTILE: noisy, FORMULA: noisy, "nearest": exact}
    write_runs(root / "runs", write_dataset(root / "data"), changes, edit=mark)
    assert score(root / "runs").failed == {}
    return root / "runs"


@pytest.fixture(scope="module")
def site(runs: Path) -> Path:
    """The report of `runs`."""
    page = report(runs, runs.parent / "site").page
    assert page is not None
    return page.parent


class Tags(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(site: Path) -> Tags:
    return Tags((site / "index.html").read_text(encoding="utf-8"))


def test_the_same_inputs_give_the_same_bytes(runs: Path, site: Path) -> None:
    other = runs.parent / "other"
    report(runs, other)
    names = sorted(p.relative_to(site) for p in site.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    assert len(names) > 10
    for name in names:
        assert (site / name).read_bytes() == (other / name).read_bytes(), name


def test_a_second_report_replaces_the_first(runs: Path) -> None:
    out = runs.parent / "again"
    report(runs, out)
    before = (out / "index.html").read_bytes()
    (out / "strips/clip-9-target.png").write_bytes(b"of an earlier report")
    (out / "index.html").write_text("torn")
    report(runs, out)
    assert (out / "index.html").read_bytes() == before
    assert not (out / "strips/clip-9-target.png").exists()


def test_everything_the_page_names_lies_beside_it(site: Path, page: Tags) -> None:
    named = [a["src"] for a in page.all("img")] + [a["href"] for a in page.all("a")]
    assert {"board.csv", "board.md", "board.json", "plots/intervals.svg"} <= set(named)
    ids = {a["id"] for _, a in page.tags if "id" in a}
    for name in named:
        assert name is not None
        assert name[1:] in ids if name.startswith("#") else (site / name).is_file()


def test_names_stay_text(page: Tags) -> None:
    assert not page.all("script")
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert {a["src"] for a in page.all("img")}.isdisjoint({"x"})
    assert HOSTILE in page.text
    assert FORMULA in page.text
    assert "not generated: x.<b>" in page.text


def test_the_policy_allows_no_script(page: Tags) -> None:
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not any("style" in attributes for _, attributes in page.tags)


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_stands_out_in_light_and_dark(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    modes = [
        dict(re.findall(r"--(\w+): (#\w{6});", m)) for m in re.findall(r":root \{.*?\}", text, re.S)
    ]
    assert len(modes) == 2
    for mode in modes:
        for ink, papers in (
            ("text", ("ground", "panel", "best", "warn")),
            ("soft", ("ground", "panel", "best")),
            ("link", ("ground", "warn")),
            ("star", ("ground", "best")),
        ):
            for paper in papers:
                light, dark = sorted((luminance(mode[ink]), luminance(mode[paper])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper, mode)


def test_tables_and_pictures_can_be_heard(page: Tags) -> None:
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(a.get("scope") for a in page.all("th"))
    assert all(a.get("alt") for a in page.all("img"))
    assert all("tabindex" in a for _, a in page.tags if a.get("class", "").startswith("scroll"))
    assert page.all("html") == [{"lang": "en"}]


def test_every_format_shows_the_numbers_of_the_board(site: Path, page: Tags) -> None:
    board = json.loads((site / "board.json").read_text())
    markdown = (site / "board.md").read_text(encoding="utf-8")
    lines = list(csv.DictReader(io.StringIO((site / "board.csv").read_text(encoding="utf-8"))))
    decimals = {c["metric_id"]: c["decimals"] for c in board["columns"]}
    cells = [
        (row["entrant"], cell)
        for section in board["sections"]
        for row in section["rows"]
        for cell in row["cells"]
    ]
    assert len(cells) == len(lines)
    for (entrant, cell), line in zip(cells, lines, strict=True):
        assert line["entrant"].removeprefix("'") == entrant
        assert (line["metric_id"], line["stratum"]) == (cell["metric_id"], cell["stratum"])
        for name in ("value", "low", "high"):
            assert line[name] == ("" if cell[name] is None else repr(cell[name]))
        if cell["value"] is not None:
            shown = f"{cell['value']:.{decimals[cell['metric_id']]}f}"
            assert shown in markdown
            assert shown in page.text


def test_formulas_are_defused_and_numbers_stay_numbers(site: Path) -> None:
    lines = list(csv.DictReader(io.StringIO((site / "board.csv").read_text(encoding="utf-8"))))
    assert {line["entrant"] for line in lines} == {"profashion", HOSTILE, f"'{FORMULA}", "nearest"}
    for start in "=+-@\t\r":
        assert render_csv.safe(f"{start}1") == f"'{start}1"
    assert render_csv.safe(-1.5) == -1.5


def test_markdown_names_are_escaped() -> None:
    assert escape("a|b\n# c") == r"a\|b # c"
    assert escape("# title") == r"\# title"
    assert escape("<b>*x*</b>") == r"&lt;b&gt;\*x\*&lt;/b&gt;"
    assert "\x1b" not in escape("\x1b[31mred\u202e")


def test_strips_show_references_target_and_entrants_in_columns(site: Path) -> None:
    board = json.loads((site / "board.json").read_text())
    assert len(board["pictures"]) == 4
    for clip in board["pictures"]:
        labels = [strip["label"] for strip in clip["strips"]]
        assert labels[:2] == ["References", "Target"]
        assert set(labels[2:]) == {"profashion", HOSTILE, FORMULA, "nearest"}
        sizes = set()
        for strip in clip["strips"]:
            if strip["path"] is None:
                assert (clip["sample_id"], strip["label"]) == ("sample-clip01", FORMULA)
                assert strip["detail"] == "failed: x.<b>"
                continue
            with Image.open(site / strip["path"]) as picture:
                assert picture.size == (strip["width"], strip["height"])
                sizes.add(picture.size) if strip["label"] != "References" else None
        assert len(sizes) == 1  # the same moments stand below each other


def test_plots_hold_no_clock_and_no_link(site: Path) -> None:
    for name in ("intervals.svg", "views.svg"):
        text = (site / "plots" / name).read_text(encoding="utf-8")
        assert "<dc:date>" not in text
        assert HOSTILE not in text


def test_no_file_names_this_machine(runs: Path, site: Path) -> None:
    for path in site.rglob("*"):
        if path.is_file():
            assert str(runs.parent).encode() not in path.read_bytes(), path


def test_a_folder_of_other_things_is_refused(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputRefused, match="holds other files"):
        report(runs, tmp_path)
    with pytest.raises(InputRefused, match="holds other files"):
        report(runs, runs)


def test_an_unknown_format_lists_the_near_ones(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean html"):
        report(runs, tmp_path / "site", formats=["htm"])


def test_formats_are_chosen_by_name(runs: Path, tmp_path: Path) -> None:
    made = report(runs, tmp_path / "site", formats=["csv"])
    assert made.page is None
    assert list(made.paths) == ["csv"]
    assert not (tmp_path / "site/index.html").exists()
    assert set(RENDERERS) == {"csv", "markdown", "html"}


def test_report_prints_the_table_and_the_page(runs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(build_app(), ["report", str(runs), "--out", str(tmp_path / "s")])
    assert done.exit_code == ExitCode.COMPLETE, done.output
    assert "| Entrant | Whole frame PSNR (dB) ↑ |" in done.stdout
    assert html.escape(HOSTILE) in done.stdout
    assert f"Page: {tmp_path / 's' / 'index.html'}" in done.stdout


def test_report_prints_the_board_as_json(runs: Path, tmp_path: Path) -> None:
    line = ["report", str(runs), "--out", str(tmp_path / "s"), "--json"]
    done = CliRunner().invoke(build_app(), line)
    assert json.loads(done.stdout) == json.loads((tmp_path / "s/board.json").read_text())


def test_score_prints_a_summary_and_fails_with_its_clips(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    runs = write_runs(tmp_path / "runs", root, {"twin": exact})
    done = CliRunner().invoke(build_app(), ["score", str(runs), "--metric", "l1", "--json"])
    assert done.exit_code == ExitCode.COMPLETE
    assert json.loads(done.stdout)["scored"] == 2
    next((runs / "videos/twin").iterdir()).write_bytes(b"torn")
    (runs / "scores.jsonl").unlink()
    done = CliRunner().invoke(build_app(), ["score", str(runs)])
    assert done.exit_code == ExitCode.SOME_FAILED
    assert "1 clips scored, 0 reused, 1 failed, 0 without a video" in done.stdout
    assert "score.hash_mismatch" in done.stdout


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    assert run(["score", str(tmp_path)]) == ExitCode.REFUSED
    assert run(["report", str(tmp_path), "--out", str(tmp_path / "s")]) == ExitCode.REFUSED


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--enable-logging=stderr",
    "--window-size=800,7000",
)


def browse(page: Path, profile: Path, *what: str) -> tuple[str, str]:
    """What Chromium prints of a page, and its console."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *what, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, done.stderr


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_opens_from_a_moved_folder(site: Path, tmp_path: Path) -> None:
    moved = tmp_path / "another place"
    shutil.copytree(site, moved)
    dom, console = browse(moved / "index.html", tmp_path / "profile", "--dump-dom")
    assert "CONSOLE" not in console, console  # neither errors nor refused requests
    shown = Tags(dom)
    assert HOSTILE in shown.text
    assert FORMULA in shown.text
    assert "x" not in {a["src"] for a in shown.all("img")}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_style_and_pictures_get_through_the_policy(site: Path, tmp_path: Path) -> None:
    """Section rows have the panel's colour; only strips and plots hold strong colours."""
    moved = tmp_path / "moved"
    shutil.copytree(site, moved)
    browse(moved / "index.html", tmp_path / "one", f"--screenshot={tmp_path / 'whole.png'}")
    shutil.rmtree(moved / "strips")
    browse(moved / "index.html", tmp_path / "two", f"--screenshot={tmp_path / 'bare.png'}")
    whole, bare = (pixels(tmp_path / name) for name in ("whole.png", "bare.png"))
    assert (whole == (0xF5, 0xF6, 0xF8)).all(-1).sum() > 5_000
    strong = [int((np.ptp(shot, axis=-1) > 60).sum()) for shot in (whole, bare)]
    assert strong[0] > strong[1] + 50_000


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(np.int16)
