from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrfashion.crops import Crop, scaled, whole, without_bars
from mrfashion.measures.bars import SIDES
from mrfashion.media import VideoInfo, read_frames, write_clip
from mrfashion.shot import KeptShot
from mrfashion.shots.content import ContentCuts
from mrfashion.sources.source import Source
from mrfashion.steps import encode_clips
from mrfashion.survey import Span, survey

FPS = 16.0


def info_of(width: int, height: int) -> VideoInfo:
    return VideoInfo(width, height, FPS, "1/16000", "h264", 0)


def bars_of(*widths: int) -> dict[str, float]:
    return {f"bar_{side}": float(width) for side, width in zip(SIDES, widths, strict=True)}


@given(st.tuples(*[st.integers(0, 400)] * 4), st.integers(2, 500), st.integers(2, 500))
def test_a_crop_is_even_lies_in_the_frame_and_leaves_no_bar(
    bars: tuple[int, int, int, int], width: int, height: int
) -> None:
    left, top, right, bottom = bars
    info = info_of(left + width + right, top + height + bottom)
    crop = without_bars(info, bars_of(*bars))
    assert not any(value % 2 for value in (crop.left, crop.top, crop.width, crop.height))
    assert min(crop.width, crop.height) > 0
    assert crop.left + crop.width <= info.width
    assert crop.top + crop.height <= info.height
    if min(width, height) > 5:
        assert left <= crop.left <= crop.left + crop.width <= left + width
        assert top <= crop.top <= crop.top + crop.height <= top + height
        assert crop.width >= width - 5


def test_without_bars_nothing_but_an_odd_line_is_cut_off() -> None:
    info = info_of(641, 480)
    assert without_bars(info, bars_of(0, 0, 0, 0)) == whole(info) == Crop(0, 0, 640, 480)
    assert without_bars(info, bars_of(7, 0, 0, 60)) == Crop(8, 0, 632, 418)


def test_a_clip_is_encoded_without_its_bars_and_its_fingerprint_ignores_them(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(60, 230, (10, 8, 1), np.uint8).repeat(12, 0).repeat(12, 1).repeat(3, 2)
    plain = np.stack([np.roll(picture, i, axis=1) for i in range(24)])
    barred = np.pad(plain, ((0, 0), (37, 37), (0, 0), (0, 0)))
    found = {}
    for name, video in (("plain", plain), ("barred", barred)):
        write_clip(tmp_path / f"{name}.mp4", video, FPS)
        found[name] = survey(tmp_path / f"{name}.mp4", "a" * 64, ContentCuts(1000))
    info, span = VideoInfo(**found["barred"]["info"]), Span(**found["barred"]["spans"][0])
    crop = without_bars(info, span.measurements)
    assert crop == Crop(0, 38, 96, 118)
    source = Source("shop/barred.mp4", tmp_path / "barred.mp4")
    shot = KeptShot(source, "a" * 64, 24, info, span, crop)
    (clip,) = encode_clips([shot], tmp_path, 12)["clips"].values()
    frames = read_frames(tmp_path / clip["path"])
    assert frames.shape == (24, clip["height"], clip["width"], 3) == (24, 118, 96, 3)
    assert np.abs(frames.astype(int) - plain[:, 1:119]).mean() < 3
    assert (shot.measurements["crop_left"], shot.measurements["crop_top"]) == (0, 38)
    bare = Span(**found["plain"]["spans"][0])
    assert likeness(bare, span) > 0.95
    assert likeness(bare, bare) == pytest.approx(1)


def likeness(one: Span, other: Span) -> float:
    from mrfashion.fingerprints import direction, print_of

    prints = [direction(print_of(span.fingerprint or "")) for span in (one, other)]
    return float(prints[0] @ prints[1])


def test_small_pictures_lose_the_same_part() -> None:
    small = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)
    part = scaled(Crop(0, 80, 480, 480), info_of(480, 640), small)  # type: ignore[arg-type]
    assert np.array_equal(part, small[8:56])
