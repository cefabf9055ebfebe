from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pytest

from mrfashion.filters import CLIP_FILTERS, POSE_FILTERS, FilterConfig
from mrfashion.filters.technical import OverlayText
from mrfashion.filters.verdict import Shot
from mrfashion.media import VideoInfo, write_clip
from mrfashion.shots.content import ContentCuts
from mrfashion.survey import Span, clip_id, survey

MEASURED = {
    "luma": 120.0,
    "sharpness": 500.0,
    "frozen": 0.0,
    "blank": 0.0,
    "blockiness": 1.1,
    "camera_motion": 0.001,
    "overlay_text": 0.0,
}
GOOD = Shot(512, 768, 25.0, 100, MEASURED)


def changed(**values: object) -> Shot:
    own = {"width", "height", "fps", "frames"}
    measured = {k: v for k, v in values.items() if k not in own}
    kept = {k: v for k, v in values.items() if k in own}
    return Shot(**{**asdict(GOOD), **kept, "measurements": {**GOOD.measurements, **measured}})


def test_every_filter_is_listed_and_configured() -> None:
    assert {field.name for field in fields(FilterConfig)} == {*CLIP_FILTERS, *POSE_FILTERS}


@pytest.mark.parametrize("name", CLIP_FILTERS)
def test_every_filter_is_pure_and_says_what_it_measured(name: str) -> None:
    judge = getattr(FilterConfig(), name)
    verdict = judge.judge(GOOD)
    assert verdict == judge.judge(GOOD)
    assert verdict.kept
    assert verdict.reason
    assert np.isfinite([verdict.measured, verdict.threshold]).all()


@pytest.mark.parametrize(
    ("name", "shot", "reason", "measured"),
    [
        ("duration", changed(frames=30), "too short", 1.2),
        ("frame_rate", changed(fps=4.0), "frame rate too low", 4.0),
        ("resolution", changed(width=100), "too few pixels", 100),
        ("brightness", changed(luma=3.0), "too dark", 3.0),
        ("brightness", changed(luma=254.0), "too bright", 254.0),
        ("sharpness", changed(sharpness=2.0), "blurred", 2.0),
        ("motion", changed(frozen=0.9), "frozen", 0.9),
        ("blank", changed(blank=0.1), "blank frames", 0.1),
        ("compression", changed(blockiness=1.6), "compressed to blocks", 1.6),
        ("camera", changed(camera_motion=0.2), "camera moves", 0.2),
    ],
)
def test_each_fault_is_dropped_for_its_reason(
    name: str, shot: Shot, reason: str, measured: float
) -> None:
    verdict = getattr(FilterConfig(), name).judge(shot)
    assert (verdict.kept, verdict.reason) == (False, reason)
    assert verdict.measured == pytest.approx(measured)


def test_text_is_dropped_only_where_it_is_asked_for() -> None:
    shot = changed(overlay_text=0.3)
    assert OverlayText().judge(shot).kept
    verdict = OverlayText(max_share=0.01).judge(shot)
    assert (verdict.kept, verdict.reason) == (False, "text over the picture")


def noise(seed: int, frames: int) -> np.ndarray:
    """A moving picture of large patches, its own for each seed."""
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    return np.stack([np.roll(picture, i // 4, axis=1) for i in range(frames)])


@pytest.fixture
def spliced(tmp_path: Path) -> Path:
    path = tmp_path / "spliced.mp4"
    write_clip(path, np.concatenate([noise(0, 30), noise(1, 40), noise(2, 25)]), 25.0)
    return path


def test_the_survey_finds_cuts_and_names_spans_by_content(spliced: Path) -> None:
    found = survey(spliced, "a" * 64, ContentCuts())
    spans = [Span(**span) for span in found["spans"]]
    assert [(span.first, span.last) for span in spans] == [(0, 29), (30, 69), (70, 94)]
    info = VideoInfo(**found["info"])
    for span in spans:
        assert span.clip_id == clip_id("a" * 64, span.start_pts, span.end_pts, info.time_base)
        assert span.frames == span.last - span.first + 1
    assert found == survey(spliced, "a" * 64, ContentCuts())
    others = {span["clip_id"] for span in survey(spliced, "b" * 64, ContentCuts())["spans"]}
    assert not others & {span.clip_id for span in spans}


def test_frozen_and_dark_footage_measures_so(tmp_path: Path) -> None:
    still = np.repeat(noise(0, 1) // 20, 30, axis=0)
    write_clip(tmp_path / "still.mp4", still, 25.0)
    (span,) = survey(tmp_path / "still.mp4", "a" * 64, ContentCuts())["spans"]
    assert span["measurements"]["frozen"] > 0.9
    assert span["measurements"]["luma"] < 10
