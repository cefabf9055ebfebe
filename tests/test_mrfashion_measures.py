from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.filters import CLIP_FILTERS, FilterConfig
from mrfashion.filters.verdict import Shot
from mrfashion.measures import MEASURES
from mrfashion.measures.bars import SIDES, Bars, dark_margins, turned
from mrfashion.measures.blocks import blockiness
from mrfashion.measures.camera import Camera, drift
from mrfashion.measures.levels import Levels
from mrfashion.measures.measure import Measure
from mrfashion.measures.text import Text, text_cells
from mrfashion.media import Planes, VideoInfo
from mrfashion.shots.content import ContentCuts
from mrfashion.shots.runs import Run
from mrfashion.small_pictures import SmallPicture, shrunk, small_size
from mrfashion.survey import Span, survey

FPS = 8.0
Luma = np.ndarray


def room(height: int, width: int, seed: int = 0) -> Luma:
    """Boxes of all sizes and greys, brighter than black: texture everywhere."""
    rng = np.random.default_rng(seed)
    picture = np.full((height, width), 120, np.uint8)
    for _ in range(150):
        x, y = rng.integers(0, width), rng.integers(0, height)
        w, h = rng.integers(4, 40, 2)
        picture[y : y + h, x : x + w] = rng.integers(40, 240)
    return picture


def planes_of(luma: Luma, rotation: int = 0) -> Planes:
    grey = np.full((2, 2), 128, np.uint8)
    return Planes(luma, grey, grey, 0, rotation, full_range=True, bt709=False)


def measured(
    measure: Measure, pictures: Sequence[Luma], run: Run | None = None
) -> dict[str, float]:
    for index, luma in enumerate(pictures):
        small = shrunk(luma, small_size(*luma.shape))
        measure.see(index, planes_of(luma), SmallPicture(small, np.dstack([small] * 3)))
    return measure.of(run or Run(0, len(pictures) - 1))


def panned(speed_px: int, frames: int = 24) -> list[Luma]:
    """A camera that moves over a room, `speed_px` a frame."""
    wide = room(256, 200 + speed_px * frames)
    return [wide[:, i * speed_px : i * speed_px + 200] for i in range(frames)]


def walked(frames: int = 24) -> list[Luma]:
    """Somebody with a patterned dress crosses half the picture before a camera that stands."""
    behind, dress = room(256, 200), room(220, 60, seed=1)
    pictures = []
    for i in range(frames):
        picture = behind.copy()
        picture[30:250, 40 + 3 * i : 100 + 3 * i] = dress
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize("speed_px", [1, 3, 6])
def test_a_pan_measures_its_speed(speed_px: int) -> None:
    speed = measured(Camera(FPS), panned(speed_px))["camera_motion"]
    assert speed == pytest.approx(speed_px * FPS / 256, rel=0.06)


def test_a_person_before_a_camera_that_stands_is_no_camera_motion() -> None:
    assert measured(Camera(FPS), walked())["camera_motion"] < 0.002


def test_a_zoom_is_camera_motion_and_a_white_wall_shows_none() -> None:
    picture = room(256, 200)
    closer = cv2.resize(picture[13:243, 10:190], (200, 256))
    assert drift(picture, closer) > 0.01
    white = np.full((256, 200), 235, np.uint8)
    assert drift(white, white) == 0


def test_bars_do_not_hide_that_the_camera_moves() -> None:
    boxed = [np.pad(picture, ((60, 60), (0, 0))) for picture in panned(3)]
    speed = measured(Camera(FPS), boxed)["camera_motion"]
    assert speed == pytest.approx(3 * FPS / 376, rel=0.1)


@settings(max_examples=40, deadline=None)
@given(
    margins=st.tuples(*[st.integers(0, 30)] * 4),
    rotation=st.sampled_from([0, 90, 180, 270]),
    seed=st.integers(0, 50),
)
def test_bars_are_found_to_the_pixel_however_the_picture_lies(
    margins: tuple[int, int, int, int], rotation: int, seed: int
) -> None:
    left, top, right, bottom = margins
    picture = np.pad(room(90, 70, seed), ((top, bottom), (left, right)))
    stored = np.ascontiguousarray(np.rot90(picture, -rotation // 90))
    found = dark_margins(stored)
    assert found is not None
    assert turned(found, rotation) == margins


def test_a_bar_is_what_the_whole_shot_has() -> None:
    bars = [np.pad(room(80, 60, i), ((20, 12), (0, 0))) for i in range(16)]
    found = measured(Bars(FPS), bars)
    assert [found[f"bar_{side}"] for side in SIDES] == [0, 20, 0, 12]
    assert set(measured(Bars(FPS), [*bars, *[room(112, 60, 9)] * 8]).values()) == {0.0}
    black = [np.zeros_like(bars[0])] * 8
    assert measured(Bars(FPS), black + bars) == found


def test_a_person_before_black_is_no_bar() -> None:
    picture = np.zeros((120, 90), np.uint8)
    cv2.ellipse(picture, (45, 60), (18, 50), 0, 0, 360, 180, -1)
    assert dark_margins(picture) == (0, 0, 0, 0)
    assert dark_margins(np.zeros((120, 90), np.uint8)) is None


def test_blocks_show_in_a_picture_coded_to_blocks_and_not_in_the_original() -> None:
    soft = cv2.GaussianBlur(room(240, 320), (0, 0), 3)
    soft = np.clip(soft + np.random.default_rng(0).normal(0, 2, soft.shape), 0, 255)
    soft = soft.astype(np.uint8)
    coded = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 5])[1]
    blocks = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    assert blockiness(soft) < 1.1
    assert blockiness(blocks) > 2
    assert blockiness(np.ascontiguousarray(blocks[3:, 5:])) > 2  # cropped since
    assert blockiness(np.full((4, 4), 9, np.uint8)) == 1  # too small to hold a grid


def test_black_frames_in_a_shot_are_counted() -> None:
    pictures = [room(64, 48, i) for i in range(16)] + [np.full((64, 48), 2, np.uint8)] * 4
    assert measured(Levels(FPS), pictures)["blank"] == 0.2


def test_a_caption_that_stays_is_text_and_furniture_is_not() -> None:
    scenes = [cv2.GaussianBlur(room(400, 300, i // 8), (0, 0), 1) for i in range(32)]
    assert measured(Text(FPS), scenes)["overlay_text"] == 0
    for scene in scenes:
        cv2.putText(scene, "new season", (30, 350), cv2.FONT_HERSHEY_SIMPLEX, 1, 0, 6, cv2.LINE_AA)
        cv2.putText(
            scene, "new season", (30, 350), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2, cv2.LINE_AA
        )
    assert measured(Text(FPS), scenes)["overlay_text"] > 0.01
    cells = text_cells(scenes[0])
    assert not cells[: 300 // 8].any()


@pytest.mark.parametrize("measure", MEASURES)
def test_every_measure_answers_for_the_shortest_shot(measure: type) -> None:
    found = measured(measure(30.0), [room(40, 30, i) for i in range(3)], Run(1, 1))
    assert found
    assert np.isfinite(list(found.values())).all()


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "bars"),
    [
        ("nc/videos/vivid_1221158_detail.mp4", (0, 0, 0, 0)),
        ("videos/p2s_single_cam02.mp4", (0, 7, 0, 7)),
        ("videos/tfjs_pose_squats.mp4", (0, 0, 0, 0)),
    ],
)
def test_no_filter_drops_real_clips_and_their_black_lines_are_found(
    realdata: Path, name: str, bars: tuple[int, int, int, int]
) -> None:
    found = survey(realdata / name, "a" * 64, ContentCuts())
    span = Span(**found["spans"][0])
    info = VideoInfo(**found["info"])
    shot = Shot(info.width, info.height, info.fps, span.frames, span.measurements)
    assert all(getattr(FilterConfig(), name).judge(shot).kept for name in CLIP_FILTERS)
    assert tuple(span.measurements[f"bar_{side}"] for side in SIDES) == bars
