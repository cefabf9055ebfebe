"""The report: formats agree, hostile names stay text, the same inputs give the same bytes."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.results import Generation
from benchmark.runner import generate
from benchmark.running import Running
from benchmark.scoring import score
from benchmark.set_metrics import SET_METRICS
from benchmark.study.export import export
from benchmark.study.ingest import ingest
from benchmark.study.key import StudyOptions
from leaderboard.render import RENDERERS
from leaderboard.render import csv as render_csv
from leaderboard.render.markdown import escape
from leaderboard.report import report
from mrfashion.__main__ import build_app, run
from mrfashion.errors import ExitCode, InputRefused, UnknownNameError
from mrfashion.media import probe, read_frames
from tests.conftest import write_dataset
from tests.markup import Tags
from tests.run_folders import exact, noisy, write_runs
from tests.study_sheets import fill_csv

HOSTILE = "<img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"
FOUR_VIEWS = ["front", "facing right", "facing left", "back"]


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
    report(runs, out, clips=1)
    before = (out / "index.html").read_bytes()
    stale = [out / name for name in ("strips/clip-9-target.png", "videos/clip-9-target.mp4")]
    for path in stale:
        path.write_bytes(b"of an earlier report")
    (out / "index.html").write_text("torn")
    report(runs, out, clips=1)
    assert (out / "index.html").read_bytes() == before
    assert not any(path.exists() for path in stale)


def test_everything_the_page_names_lies_beside_it(site: Path, page: Tags) -> None:
    named = [a["src"] for tag in ("img", "video") for a in page.all(tag)]
    named += [a["href"] for a in page.all("a")] + [a["poster"] for a in page.all("video")]
    assert {"board.csv", "board.md", "board.json", "plots/intervals.svg"} <= set(named)
    ids = {a["id"] for _, a in page.tags if "id" in a}
    for name in named:
        assert name is not None
        assert name[1:] in ids if name.startswith("#") else (site / name).is_file()


def test_names_stay_text(page: Tags) -> None:
    assert page.all("script") == [{}]  # ours, inline
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert {a["src"] for a in page.all("img")}.isdisjoint({"x"})
    assert HOSTILE in page.text
    assert FORMULA in page.text
    assert "not generated: x.<b>" in page.text


def test_the_policy_lets_in_our_own_script_and_what_lies_beside_the_page(
    site: Path, page: Tags
) -> None:
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["media-src"] == rules["img-src"] == "'self' file:"
    text = (site / "index.html").read_text(encoding="utf-8")
    for rule, tag in (("style-src", "style"), ("script-src", "script")):
        inner = text.split(f"<{tag}>")[1].split(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
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
    assert len(modes) == 3  # light, dark, print
    for mode in modes:
        for ink, papers in (
            ("text", ("ground", "panel", "best", "warn")),
            ("soft", ("ground", "panel", "best")),
            ("link", ("ground", "warn")),
            ("star", ("ground", "best")),
            ("drop", ("ground",)),
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
    of_clips = [line for line in lines if line["metric"] not in SET_METRICS]
    assert len(cells) == len(of_clips) < len(lines)
    for (entrant, cell), line in zip(cells, of_clips, strict=True):
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


def test_clips_show_references_target_and_entrants(site: Path) -> None:
    board = json.loads((site / "board.json").read_text())
    assert len(board["pictures"]) == 4
    for clip in board["pictures"]:
        assert [r["view"] for r in clip["references"]] == FOUR_VIEWS
        assert len(clip["views"]) == 12
        for shown in (clip["players"], clip["strips"]):
            assert shown[0]["label"] == "Target"
            assert {part["label"] for part in shown[1:]} == {
                "profashion",
                HOSTILE,
                FORMULA,
                "nearest",
            }
            absent = [part for part in shown if part["path"] is None]
            if clip["sample_id"] == "sample-clip01":
                assert [(p["label"], p["detail"]) for p in absent] == [(FORMULA, "failed: x.<b>")]
            else:
                assert not absent
        sizes = set()
        for strip in clip["strips"]:
            if strip["path"]:
                with Image.open(site / strip["path"]) as picture:
                    assert picture.size == (strip["width"], strip["height"])
                    sizes.add(picture.size)
        assert len(sizes) == 1  # the same moments stand below each other


def test_viewing_copies_have_the_frames_and_the_rate_of_what_was_scored(site: Path) -> None:
    board = json.loads((site / "board.json").read_text())
    for player in (p for clip in board["pictures"] for p in clip["players"] if p["path"]):
        info = probe(site / player["path"])
        assert (info.codec, info.fps) == ("h264", 12.0)
        assert (info.width, info.height) == (player["width"], player["height"]) == (192, 256)
        assert len(read_frames(site / player["path"])) == 12


def test_fewer_clips_leave_fewer_files(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    report(runs, out, clips=2)
    made = report(runs, out, clips=1)
    assert len(made.board.pictures) == 1
    assert {p.name.split("-")[1] for p in (out / "videos").iterdir()} == {"1"}
    assert report(runs, out, clips=0).board.pictures == ()
    assert not list((out / "videos").iterdir())
    assert 'id="pictures"' not in (out / "index.html").read_text()


def test_a_part_of_a_task_says_so(tiny_dataset: Path, tmp_path: Path) -> None:
    generate(tiny_dataset, tmp_path / "runs", ["still"], running=Running(limit=2))
    score(tmp_path / "runs", metrics=["psnr"])
    board = report(tmp_path / "runs", tmp_path / "site", clips=0).board
    assert board.protocol["part"] == "2 of the task's 4 samples so far"
    assert "2 of the task&#39;s 4 samples" in (tmp_path / "site" / "index.html").read_text()


def test_the_funnel_is_that_of_the_dataset(site: Path, page: Tags) -> None:
    funnel = json.loads((site / "board.json").read_text())["funnel"]
    assert (funnel["videos"], funnel["clips"], funnel["samples"]) == (4, 4, 4)
    assert "Nothing was dropped" in page.text


@pytest.fixture(scope="module")
def rated(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of `runs` with two raters' answers."""
    folder = tmp_path_factory.mktemp("rated")
    study, _ = folder / "study", export(runs, folder / "study", StudyOptions(raters=2))
    sheets = sorted((study / "sheets").rglob("*.csv"))
    assert len(sheets) == 2
    back = [fill_csv(sheet, folder / sheet.name) for sheet in sheets]
    assert not ingest(study, back).refused
    return study


def test_ratings_are_shown_with_their_n(runs: Path, rated: Path, tmp_path: Path) -> None:
    made = report(runs, tmp_path / "site", study_root=rated, clips=0)
    assert made.page is not None
    shown = Tags(made.page.read_text(encoding="utf-8"))
    assert {row.entrant for row in made.board.study} == {
        "profashion",
        HOSTILE,
        FORMULA,
        "nearest",
        None,
    }
    for row in made.board.study:
        assert row.mean is not None
        assert f"{row.mean:.2f}" in shown.text
        assert f"{row.ratings} of {row.planned}" in shown.text
        assert ", ".join(map(str, row.counts)) in shown.text
    assert "2 raters, 2 garment groups; needed" in shown.text  # why there is no interval
    assert "ratings.parquet" in shown.text
    assert "Human ratings" not in (runs.parent / "site" / "index.html").read_text()


def test_ratings_of_another_task_are_refused(rated: Path, tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=1)
    runs = write_runs(tmp_path / "runs", root, {"twin": exact})
    score(runs)
    with pytest.raises(InputRefused, match="shows videos of task"):
        report(runs, tmp_path / "site", study_root=rated)


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
    made = report(runs, tmp_path / "site", formats=["csv"], clips=0)
    assert made.page is None
    assert list(made.paths) == ["csv"]
    assert not (tmp_path / "site/index.html").exists()
    assert set(RENDERERS) == {"csv", "markdown", "html"}


def test_report_prints_the_table_and_the_page(runs: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        build_app(), ["report", str(runs), "--out", str(tmp_path / "s"), "--clips", "1"]
    )
    assert done.exit_code == ExitCode.COMPLETE, done.output
    assert "Picture, foreground:\n\n| Entrant | PSNR (dB) ↑ |" in done.stdout
    assert html.escape(HOSTILE) in done.stdout
    assert f"Page: {tmp_path / 's' / 'index.html'}" in done.stdout


def test_report_prints_the_board_as_json(runs: Path, tmp_path: Path) -> None:
    line = ["report", str(runs), "--out", str(tmp_path / "s"), "--json", "--clips", "0"]
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
