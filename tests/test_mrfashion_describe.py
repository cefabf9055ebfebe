"""The page of a dataset: it says what the tables say, and no name becomes markup."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from mrfashion import tables
from mrfashion.__main__ import build_app, run
from mrfashion.describe import describe
from mrfashion.describe_facts import LISTED, distributions, licence_rows, without_sample
from mrfashion.describe_sheet import choose
from mrfashion.errors import ExitCode, InputRefused
from mrfashion.manifest import VIEW_PART, Dataset
from mrfashion.ranking import SLOTS
from mrfashion.tables import Failure, ReferenceCandidate, Reject
from mrfashion.views import VIEWS
from tests.browser import CHROMIUM, chromium
from tests.conftest import write_dataset
from tests.markup import Tags

HOSTILE = "<img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"


def hostile(root: Path) -> Path:
    """A dataset with bad names everywhere, one clip without a licence, drops and failures."""
    write_dataset(root)
    clips = tables.CLIPS.read(root / "clips.parquet")
    clips[0] = replace(clips[0], licence="unknown", source_id=HOSTILE, measurements={HOSTILE: 2.0})
    clips[1] = replace(clips[1], terms=FORMULA, garment_group=HOSTILE, measurements={"luma": 90.5})
    tables.CLIPS.write(root / "clips.parquet", clips)
    references = tables.REFERENCES.read(root / "references.parquet")
    others = [
        unchosen(0.5, 2, "front", "outranked", 0.5),
        unchosen(0.75, 1, "front", "outranked", 0.75),
        unchosen(0.25, 3, "back", HOSTILE, None),
    ]
    tables.REFERENCES.write(root / "references.parquet", [*references, *others])
    samples = tables.SAMPLES.read(root / "samples.parquet")
    skipped = {"a": "without", "b": "shorter than 16 frames", "c": "without"}
    tables.SAMPLES.write(root / "samples.parquet", samples, without_sample=skipped)
    rejects = [
        Reject(f"shot{i:03d}", f"in/{HOSTILE}", "filter.duration", "too short", 0.5, 1.5, FORMULA)
        for i in range(LISTED + 3)
    ]
    tables.REJECTS.write(root / "rejects.parquet", rejects)
    failures = [Failure("in/x", "in/x", "survey", "probe.corrupt", False, HOSTILE)]
    tables.FAILURES.write(root / "failures.parquet", failures)
    return root


def unchosen(
    score: float, frame: int, view: str, reason: str, measured: float | None
) -> ReferenceCandidate:
    needed, winner = (None, None) if measured is None else (1.0, "clip00/0")
    return ReferenceCandidate(
        f"clip00/{frame}", "clip00", "g00", frame, view, 0.0, score, {}, None, reason,
        measured, needed, winner,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile(tmp_path_factory.mktemp("described") / "data")


@pytest.fixture(scope="module")
def site(data: Path) -> Path:
    return describe(data, data.parent / "site").page.parent


@pytest.fixture(scope="module")
def page(site: Path) -> Tags:
    return Tags((site / "index.html").read_text(encoding="utf-8"))


def test_the_same_dataset_gives_the_same_bytes(data: Path, site: Path) -> None:
    other = data.parent / "other"
    describe(data, other)
    names = sorted(p.relative_to(site) for p in site.rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    assert len(names) > 20
    for name in names:
        assert (site / name).read_bytes() == (other / name).read_bytes(), name


def test_nothing_names_this_machine(data: Path, site: Path) -> None:
    for path in site.rglob("*"):
        if path.is_file():
            assert str(data.parent).encode() not in path.read_bytes(), path


def test_counts_are_those_of_the_tables(site: Path, data: Path) -> None:
    told = json.loads((site / "describe.json").read_text())
    dataset = Dataset(data)
    assert (told["clips"], told["frames"], told["samples"]) == (4, 96, 4)
    assert told["garment_groups"] == len({c.garment_group for c in dataset.clips.values()}) == 3
    assert told["seconds"] == pytest.approx(4 * 24 / 12)
    assert (told["rejects_in_all"], len(told["rejects"])) == (LISTED + 3, LISTED)
    assert told["failures"][0]["error"] == "probe.corrupt"
    assert [(row["split"], row["clips"]) for row in told["splits"]] == [
        ("train", 0),
        ("val", 0),
        ("test", 4),
    ]
    assert told["splits"][2]["clips_by_view"] == dict.fromkeys(VIEWS, 4)
    assert told["samples_hash"] == dataset.samples_hash


def test_the_page_says_what_the_json_says(site: Path, page: Tags) -> None:
    told = json.loads((site / "describe.json").read_text())
    for row in told["distributions"]:
        assert row["title"] in page.text
        assert row["n"] + row["unknown"] == (
            96 if row["key"] == "yaw_deg" else 16 if row["key"] == "reference_score" else 4
        )
        assert sum(bar[2] for bar in row["bars"]) == row["n"]
    assert f"The first {LISTED} of {LISTED + 3}" in page.text
    assert told["samples_hash"] in page.text


def test_unknown_licences_are_flagged_first(site: Path, page: Tags, data: Path) -> None:
    rows = licence_rows(Dataset(data))
    assert [(row.licence, row.terms, row.clips, row.known) for row in rows] == [
        ("unknown", None, 1, False),
        ("CC0-1.0", None, 2, True),
        ("CC0-1.0", FORMULA, 1, True),
    ]
    assert "Licence unknown" in page.text
    assert [a for a in page.all("tr") if a.get("class") == "flag"]


def test_names_stay_text(page: Tags, site: Path) -> None:
    assert not page.all("script")
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert not any("style" in attributes for _, attributes in page.tags)
    assert {a["src"] for a in page.all("img")}.isdisjoint({"x"})
    assert page.text.count(HOSTILE) > 3
    assert FORMULA in page.text
    for path in (site / "plots").iterdir():
        assert HOSTILE not in path.read_text(encoding="utf-8")


def test_pictures_lie_beside_the_page_with_words_for_them(page: Tags, site: Path) -> None:
    shown = page.all("img")
    assert len(shown) > 10
    for picture in shown:
        assert picture["alt"]
        path = site / str(picture["src"])
        if path.suffix == ".png":
            with Image.open(path) as image:
                size = tuple(map(str, image.size))
            assert size == (picture["width"], picture["height"])
        else:
            assert "<dc:date>" not in path.read_text(encoding="utf-8")
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(a.get("scope") for a in page.all("th"))


def test_the_sheet_shows_the_chosen_in_order_and_the_best_that_were_not(
    site: Path, page: Tags
) -> None:
    told = json.loads((site / "describe.json").read_text())
    assert len(told["sheet"]) == 4
    for clip in told["sheet"]:
        assert len(clip["frames"]) == len(clip["frame_views"]) == 6
        assert [r["view"] for r in clip["references"]] == list(SLOTS)
        assert [r["rank"] for r in clip["references"]] == [1, 2, 3, 4]
        assert all(0 <= r["score"] <= 1 and r["why_not"] == "" for r in clip["references"])
    first = next(clip for clip in told["sheet"] if clip["clip_id"] == "clip00")
    assert [(r["frame"], r["view"], r["rank"]) for r in first["runners_up"]] == [
        (1, "front", None),
        (3, "back", None),
    ]
    why = [r["why_not"] for r in first["runners_up"]]
    assert why == ["outranked by frame 0 (worth 0.75, needed 1.00)", HOSTILE]
    assert f"front: {why[0]}" in page.text
    assert first["not_chosen"] == {"outranked": 2, HOSTILE: 1}


def test_clips_without_a_sample_are_counted(data: Path, page: Tags) -> None:
    assert "1 shorter than 16 frames, 2 without" in page.text
    assert without_sample(Dataset(data)) == {"shorter than 16 frames": 1, "without": 2}


def test_clips_are_chosen_by_view_in_turn_from_new_groups_first(tiny_dataset: Path) -> None:
    clips = [
        replace(clip, view_fraction={view: 1.0})
        for clip, view in zip(Dataset(tiny_dataset).clips.values(), reversed(VIEWS), strict=True)
    ]
    chosen = choose(clips, 4)
    assert [max(c.view_fraction) for c in chosen] == [
        "front",
        "back",
        "facing-left",
        "facing-right",
    ]
    assert [c.garment_group for c in chosen[:2]] == ["g01", "g00"]
    assert len(choose(clips, 9)) == 4
    assert choose([], 3) == []


def test_abstentions_are_counted_as_unknown(tmp_path: Path) -> None:
    root = write_dataset(tmp_path)
    rows = tables.VIEWS.read(root / VIEW_PART)
    rows[0] = replace(rows[0], yaw_deg=(None,) * len(rows[0].yaw_deg))
    tables.VIEWS.write(root / VIEW_PART, rows)
    yaw = next(row for row in distributions(Dataset(root)) if row.key == "yaw_deg")
    assert (yaw.n, yaw.unknown) == (72, 24)


def test_a_leak_between_splits_is_told(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data")
    clips = tables.CLIPS.read(root / "clips.parquet")
    clips[0] = replace(clips[0], split="train")
    tables.CLIPS.write(root / "clips.parquet", clips)
    made = describe(root, tmp_path / "site", clips=0)
    assert made.description.leaking_groups == 1
    assert "Splits leak" in made.page.read_text(encoding="utf-8")


def test_an_empty_dataset_has_a_page(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "data", groups=0)
    made = describe(root, tmp_path / "site")
    assert made.description.clips == 0
    assert "Nothing was dropped" in made.page.read_text(encoding="utf-8")


def test_a_second_page_replaces_the_first_and_strangers_are_left_alone(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "site"
    describe(data, out)
    assert len(describe(data, out, clips=1).description.sheet) == 1
    assert {p.name[:7] for p in (out / "sheet").iterdir()} == {"clip-01"}
    with pytest.raises(InputRefused, match="holds other files"):
        describe(data, data)


def test_the_command_prints_a_line_or_the_json(data: Path, tmp_path: Path) -> None:
    line = ["describe", str(data), "--out", str(tmp_path / "site")]
    done = CliRunner().invoke(build_app(), line)
    assert done.exit_code == ExitCode.COMPLETE, done.output
    assert "4 clips of 3 garment groups" in done.stdout
    assert f"Page: {tmp_path / 'site' / 'index.html'}" in done.stdout
    done = CliRunner().invoke(build_app(), [*line, "--json"])
    assert json.loads(done.stdout) == json.loads((tmp_path / "site/describe.json").read_text())
    assert run(["describe", str(tmp_path), "--out", str(tmp_path / "x")]) == ExitCode.REFUSED


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_opens_from_a_moved_folder(site: Path, tmp_path: Path) -> None:
    moved = tmp_path / "another place"
    shutil.copytree(site, moved)
    with chromium() as browser:
        for width in (320, 1280):
            tab = browser.open(moved / "index.html", size=(width, 900))
            tab.js("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
            tab.until("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
            assert tab.js("document.documentElement.scrollWidth") <= width
            assert tab.complaints() == []
            assert all(url.startswith(moved.as_uri() + "/") for url in tab.requests())
            assert tab.js("document.querySelectorAll('img[src=x]').length") == 0
            tab.close()
