from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenedetect import ContentDetector, FrameTimecode

from mrfashion.errors import ItemError
from mrfashion.media import decode, open_planes, probe, write_clip, write_lossless
from mrfashion.shots.content import content_change
from mrfashion.small_pictures import COLOUR_PX, SIDE_PX, shrunk, small_picture, small_size


def scene(height: int, width: int, frames: int = 3) -> np.ndarray:
    """Soft colours that drift: what 4:2:0 and shrinking lose of them is little."""
    rng = np.random.default_rng(height * width)
    picture = cv2.resize(rng.integers(40, 216, (4, 5, 3), np.uint8), (width, height))
    return np.stack([np.roll(picture, 2 * i, axis=1) for i in range(frames)])


def resized(image: np.ndarray, side_px: int) -> np.ndarray:
    height, width = small_size(image.shape[0], image.shape[1], side_px)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize("size", [(64, 96), (62, 46), (700, 420)])
def test_small_pictures_look_like_the_decoded_ones(tmp_path: Path, size: tuple[int, int]) -> None:
    write_clip(tmp_path / "a.mp4", scene(*size), 25.0)
    whole = [frame.image for frame in decode(tmp_path / "a.mp4")]
    with open_planes(tmp_path / "a.mp4") as (info, frames):
        small = [small_picture(planes) for planes in frames]
    assert info == probe(tmp_path / "a.mp4")
    assert len(small) == len(whole)
    for picture, image in zip(small, whole, strict=True):
        grey = resized(image, SIDE_PX) @ (0.2126, 0.7152, 0.0722)  # BT.709, as clips are written
        assert np.abs(picture.rgb.astype(int) - resized(image, COLOUR_PX)).mean() < 3
        assert np.abs(picture.luma.astype(int) - grey).mean() < 2.5


def test_formats_without_planes_of_bytes_are_converted(tmp_path: Path) -> None:
    video = scene(60, 44)
    write_lossless(tmp_path / "rgb.mkv", video, 25.0)
    with open_planes(tmp_path / "rgb.mkv") as (_, frames):
        first = small_picture(next(frames))
    assert np.abs(first.rgb.astype(int) - video[0]).mean() < 2.5


def test_a_file_without_video_is_refused_as_by_probe(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(ItemError, match="is no video"), open_planes(tmp_path / "a.mp4"):
        pass


@settings(max_examples=30, deadline=None)
@given(height=st.integers(1, 700), width=st.integers(1, 700), level=st.integers(0, 255))
def test_shrinking_keeps_a_plain_picture_and_the_size_asked_for(
    height: int, width: int, level: int
) -> None:
    size = small_size(height, width)
    assert max(size) <= SIDE_PX
    small = shrunk(np.full((height, width), level, np.uint8), size)
    assert small.shape == size
    assert (small == level).all()


def test_the_content_score_is_that_of_scenedetect() -> None:
    one, other = scene(90, 70, 1)[0], scene(91, 70, 1)[0][:90]
    detector = ContentDetector(min_scene_len=0)
    for index, image in enumerate((one, other)):
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        detector.process_frame(FrameTimecode(index, fps=25.0), bgr)
    hsv = [cv2.cvtColor(image, cv2.COLOR_RGB2HSV) for image in (one, other)]
    assert content_change(*hsv) == pytest.approx(detector._frame_score, rel=1e-12)
    assert content_change(*hsv) > 5
