"""The report in headless Chromium from `file://`, in a folder that was moved."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmark.results import Generation
from benchmark.scoring import score
from leaderboard.report import report
from tests.browser import CHROMIUM, Browser, Tab, chromium
from tests.conftest import write_dataset
from tests.run_folders import exact, noisy, write_runs

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]
HOSTILE = "<img src=x onerror=alert(1)>"
FORMULA = "=cmd|' /C calc'!A0"
FRAME_S = 1 / 12
VIDEOS = "[...document.querySelector('[data-player]').querySelectorAll('video')]"


def mark(rows: list[Generation]) -> None:
    for i, row in enumerate(rows):
        if row.entrant == "nearest":
            rows[i] = replace(row, kind="copy", per_frame_copy=True)
        if row.entrant == "aaa":  # it has no score at all
            rows[i] = replace(row, status="failed", path=None, video_sha256=None, error="x")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of badly named entrants, moved after it was made."""
    root = tmp_path_factory.mktemp("browser")
    changes = {HOSTILE: noisy, FORMULA: exact, "nearest": exact, "aaa": noisy}
    write_runs(root / "runs", write_dataset(root / "data"), changes, edit=mark)
    score(root / "runs")
    report(root / "runs", root / "site")
    shutil.move(root / "site", root / "another place")
    shutil.rmtree(root / "runs")
    return root / "another place" / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def tab(browser: Browser, page: Path) -> Iterator[Tab]:
    """The page; afterwards it must have asked for nothing outside its folder, without complaint."""
    opened = browser.open(page)
    yield opened
    assert opened.complaints() == []
    asked = opened.requests()
    assert asked
    assert all(url.startswith((page.parent.as_uri() + "/", "data:")) for url in asked), asked
    opened.close()


def times(tab: Tab) -> list[float]:
    return list(tab.js(f"{VIDEOS}.map(v => v.currentTime)"))


def focus(tab: Tab, selector: str) -> None:
    tab.js(f"document.querySelector({json.dumps(selector)}).focus()")


def control(name: str) -> str:
    return f'[data-control="{name}"]'


def test_every_video_plays(tab: Tab) -> None:
    count = tab.js("document.querySelectorAll('[data-player]').length")
    assert count == 4
    for row in range(count):
        root = f"document.querySelectorAll('[data-player]')[{row}]"
        tab.js(f"{root}.scrollIntoView()")
        tab.js(f"{root}.querySelector('.play').focus()")
        tab.press("Enter")
        videos = f"[...{root}.querySelectorAll('video')]"
        tab.until(f"{videos}.every(v => v.readyState >= 2 && v.videoWidth > 0 && !v.paused)")
        assert tab.js(f"{videos}.length") == 4  # the target and all but the entrant that failed
        assert tab.js(f"{videos}.every(v => v.error === null && v.muted)")
        playing = "[...document.querySelectorAll('[data-player]')].filter("
        playing += "r => [...r.querySelectorAll('video')].some(v => !v.paused)).length"
        assert tab.js(playing) == 1  # starting one row stops the others
    assert tab.js(f"{VIDEOS}.every(v => v.paused)")


def test_nothing_plays_or_loads_by_itself(tab: Tab) -> None:
    time.sleep(0.3)
    state = "[...document.querySelectorAll('video')].map(v => [v.paused, v.readyState, v.preload])"
    assert {tuple(found) for found in tab.js(state)} == {(True, 0, "none")}
    assert not [url for url in tab.requests() if url.endswith(".mp4")]


def test_videos_stay_within_a_frame_of_each_other(tab: Tab) -> None:
    tab.js("document.querySelector('[data-player]').scrollIntoView()")
    focus(tab, ".play")
    tab.press("Space")
    tab.until(f"{VIDEOS}.every(v => v.currentTime > 0.2)")
    seen = []
    end = time.monotonic() + 2.2  # the clip is one second long, so it loops
    while time.monotonic() < end:
        seen.append(times(tab))
        time.sleep(0.1)
    inside = [t for t in seen if min(t) > 0.1 and max(t) < 0.9]  # a loop's turn is no drift
    assert len(inside) > 5
    assert all(max(t) - min(t) < FRAME_S for t in inside), inside
    tops = [t[0] for t in seen]
    assert any(after < before for before, after in pairwise(tops)), "no loop"
    tab.js(f"{VIDEOS}[1].currentTime = {VIDEOS}[0].currentTime < 0.5 ? 0.9 : 0.1")  # drift by force
    tab.until(f"Math.abs({VIDEOS}[1].currentTime - {VIDEOS}[0].currentTime) < {FRAME_S}")
    tab.press("Space")
    tab.until(f"{VIDEOS}.every(v => v.paused)")


def test_seeking_by_keyboard_moves_all_to_the_same_frame(tab: Tab) -> None:
    focus(tab, control("scrub"))
    said = f"document.querySelector('{control('scrub')}').getAttribute('aria-valuetext')"
    for key, frame in (("End", 11), ("ArrowLeft", 10), ("Home", 0), ("ArrowRight", 1)):
        tab.press(key)
        tab.until(f"{said}.startsWith('Frame {frame + 1} of 12,')")
        assert times(tab) == pytest.approx([(frame + 0.5) * FRAME_S] * 4, abs=1e-3)
    focus(tab, control("forward"))
    tab.press("Enter")
    tab.until(f"{said}.startsWith('Frame 3 of 12,')")
    view = tab.js(said).split(", ")[1]
    marked = "[...document.querySelectorAll('[data-player]')[0].querySelectorAll('li.now')]"
    assert tab.js(f"{marked}.map(m => m.dataset.view)") == [view]


def test_seeking_while_playing_stays_in_step_and_goes_on(tab: Tab) -> None:
    tab.js("document.querySelector('[data-player]').scrollIntoView()")
    focus(tab, ".play")
    tab.press("Space")
    tab.until(f"{VIDEOS}.every(v => v.currentTime > 0.1)")
    focus(tab, control("scrub"))
    tab.press("Home")
    tab.until(f"{VIDEOS}.every(v => !v.paused && v.currentTime > 0.2)")
    now = times(tab)
    assert max(now) - min(now) < FRAME_S


def test_a_row_out_of_sight_stops(tab: Tab) -> None:
    tab.js("document.querySelector('[data-player]').scrollIntoView()")
    focus(tab, ".play")
    tab.press("Space")
    tab.until(f"{VIDEOS}.every(v => v.currentTime > 0.1)")
    tab.js("scrollTo(0, document.body.scrollHeight)")
    tab.until(f"{VIDEOS}.every(v => v.paused)")


def test_without_looping_it_ends_at_the_last_frame(tab: Tab) -> None:
    tab.js("document.querySelector('[data-player]').scrollIntoView()")
    focus(tab, control("loop"))
    tab.press("Space")
    focus(tab, control("scrub"))
    tab.press("End")
    tab.press("ArrowLeft")
    focus(tab, ".play")
    tab.press("Space")
    tab.until("document.querySelector('.play').textContent === 'Play'")
    where = "document.querySelector('[data-control=where]').textContent"
    tab.until(f"{where}.startsWith('Frame 12 of 12')")


def test_tabs_go_by_arrow_keys_and_live_in_the_address(
    tab: Tab, browser: Browser, page: Path
) -> None:
    chosen = "[...document.querySelectorAll('[role=tab]')].map(t => t.ariaSelected)"
    panels = "[...document.querySelectorAll('.panel')].map(p => !p.hidden)"
    assert tab.js(chosen) == ["true"] + ["false"] * 5
    focus(tab, "[role=tab]")
    tab.press("ArrowRight")
    assert tab.js("document.activeElement.textContent") == "Front"
    tab.press("End")
    assert tab.js(chosen) == ["false"] * 5 + ["true"]
    assert tab.js(panels) == [False] * 5 + [True]
    assert tab.js("location.hash") == "#view=back-gap"
    tab.press("ArrowRight")
    assert tab.js(panels) == [True] + [False] * 5
    again = browser.open(page, fragment="#view=back-gap")
    assert again.js(panels) == [False] * 5 + [True]
    again.close()
    wrong = browser.open(page, fragment="#view=%3Cb%3E&sort=nothing&order=up")
    assert wrong.js(panels) == [True] + [False] * 5
    assert wrong.complaints() == []
    wrong.close()


def expected(page: Path, metric: str, region: str, descending: bool) -> list[str]:
    """Order of the methods by the board's own numbers; what has none comes last."""
    board: dict[str, Any] = json.loads((page.parent / "board.json").read_text())
    (column,) = (c for c in board["columns"] if (c["metric"], c["region"]) == (metric, region))
    values = {
        row["entrant"]: cell["value"]
        for row in board["sections"][0]["rows"]
        for cell in row["cells"]
        if (cell["metric_id"], cell["stratum"]) == (column["metric_id"], "all")
    }
    known = [name for name, value in values.items() if value is not None]
    known.sort(key=lambda name: values[name], reverse=descending)
    return known + [name for name, value in values.items() if value is None]


def test_headers_sort_by_keyboard_with_blanks_last(tab: Tab, page: Path) -> None:
    head = ".panel th[data-sort='l1-whole']"
    table = f"document.querySelector(\"{head}\").closest('table')"
    names = f"[...{table}.querySelectorAll('th.entrant bdi')].map(b => b.textContent)"
    order = f"{names}.slice(0, 3)"
    sorts = (
        "[...document.querySelectorAll('.panel:not([hidden]) [aria-sort]')].map(t => t.ariaSort)"
    )
    for descending in (False, True):  # lower L1 is better, so it comes first
        focus(tab, f"{head} button")
        tab.press("Enter")
        assert tab.js(order) == expected(page, "l1", "whole", descending)
        state = "descending" if descending else "ascending"
        assert tab.js(f'document.querySelector("{head}").ariaSort') == state
        assert set(tab.js(sorts)) == {state}
        told = tab.js("document.querySelector('[data-told]').textContent")
        assert told == f"Sorted by whole-frame L1, {state}."
    assert tab.js("location.hash") == "#view=all&sort=l1-whole&order=descending"
    focus(tab, ".panel th[data-sort='entrant'] button")
    tab.press("Space")
    assert tab.js(order) == sorted([HOSTILE, FORMULA, "aaa"])
    assert tab.js(f"{names}.slice(3)") == ["nearest"]  # sections stay apart


def test_names_stay_text(tab: Tab) -> None:
    assert tab.js("document.querySelectorAll('img[src=x]').length") == 0
    names = tab.js("[...document.querySelectorAll('.actor bdi')].map(b => b.textContent)")
    assert {HOSTILE, FORMULA, "nearest", "aaa", "Target"} == set(names)
    labels = tab.js("[...document.querySelectorAll('video')].map(v => v.ariaLabel)")
    assert HOSTILE in labels


def test_pictures_load_and_nothing_is_wider_than_the_window(browser: Browser, page: Path) -> None:
    for width in (320, 390, 1280):
        tab = browser.open(page, size=(width, 800))
        assert tab.js("document.documentElement.scrollWidth") <= width
        tab.js("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
        tab.js("document.querySelectorAll('details').forEach(d => { d.open = true })")
        tab.until("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        tab.close()


def test_without_script_all_views_and_native_controls_are_there(
    browser: Browser, page: Path
) -> None:
    tab = browser.open(page, script=False)
    height = "e => e.getBoundingClientRect().height > 0"
    assert tab.js(f"[...document.querySelectorAll('.panel')].every({height})")
    assert tab.js("document.querySelectorAll('.panel').length") == 6
    assert tab.js("[...document.querySelectorAll('video')].every(v => v.controls)")
    assert tab.js(f"![...document.querySelectorAll('.controls, .tabs')].some({height})")
    assert tab.js("document.querySelectorAll('th button').length") == 0
    tab.close()


def test_print_shows_every_view_and_the_moments(browser: Browser, page: Path) -> None:
    tab = browser.open(page)
    tab.call("Emulation.setEmulatedMedia", media="print")
    height = "e => e.getBoundingClientRect().height > 0"
    assert tab.js(f"[...document.querySelectorAll('.panel, .strip')].every({height})")
    assert tab.js(f"![...document.querySelectorAll('.controls, .tabs, nav')].some({height})")
    tab.close()


def test_reduced_motion_does_not_loop(browser: Browser, page: Path) -> None:
    tab = browser.open(page, media={"prefers-reduced-motion": "reduce"})
    assert (
        tab.js("[...document.querySelectorAll('[data-control=loop]')].some(b => b.checked)")
        is False
    )
    tab.close()


def test_a_missing_video_is_told(browser: Browser, page: Path, tmp_path: Path) -> None:
    moved = tmp_path / "site"
    shutil.copytree(page.parent, moved)
    (moved / "videos" / "clip-1-entrant-01.mp4").write_bytes(b"no video")
    tab = browser.open(moved / "index.html")
    tab.js("document.querySelector('[data-player]').scrollIntoView()")
    focus(tab, ".play")
    tab.press("Space")
    tab.until("!document.querySelector('[data-control=trouble]').hidden")
    assert "cannot be played" in tab.js(
        "document.querySelector('[data-control=trouble]').innerText"
    )
    tab.until(f"{VIDEOS}.filter(v => !v.error).every(v => v.currentTime > 0.2)")  # the rest plays
    tab.close()
