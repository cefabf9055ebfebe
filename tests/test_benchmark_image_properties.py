"""What must and must not change a number of two frames, for every image metric without weights."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.clip_scores import score_clip
from benchmark.metrics import BUNDLES, METRICS
from benchmark.metrics.spec import WHOLE, ClipContext, FramePair
from benchmark.protocol import TaskOptions, make_task
from mrfashion.manifest import Dataset
from tests.disagreement import photograph, value

OURS = ("psnr", "ssim", "ms-ssim", "l1")
LEGACY = ("psnr-disco-2024", "psnr-disco-2023", "psnr-y", "ssim-disco", "ssim-skimage")
NAMES = (*OURS, *LEGACY, "ssim-torchmetrics", "ssim-3dgs", "l1-disco-256x256")
WRAPS = "psnr-disco-2023"
GREY = {"ssim-disco", "psnr-y"}  # the others take every channel alike
names, seeds = st.sampled_from(NAMES), st.integers(0, 2**32 - 1)
PHOTO = np.ascontiguousarray(photograph()[64:320, 64:320])


def frames(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A part of the photograph, turned, and a noisy copy; 256x256, the only size all take."""
    rng = np.random.default_rng(seed)
    a = np.ascontiguousarray(np.rot90(PHOTO, rng.integers(4)))
    noise = rng.normal(0, rng.uniform(1, 60), a.shape)
    return a, np.clip(np.rint(a + noise), 0, 255).astype(np.uint8)


def best(name: str) -> float:
    if "psnr" in name:
        return math.inf if METRICS[name].spec.cap else 100.0
    return 1.0 if METRICS[name].spec.higher_is_better else 0.0


@settings(max_examples=25, deadline=None)
@given(names, seeds)
def test_an_exact_frame_has_the_best_value(name: str, seed: int) -> None:
    a, _ = frames(seed)
    assert value(name, a, a.copy()) == pytest.approx(best(name), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(names, seeds)
def test_symmetry_and_flips(name: str, seed: int) -> None:
    a, b = frames(seed)
    want = value(name, a, b)
    assert value(name, b, a) == pytest.approx(want, abs=1e-12)
    flipped = (np.ascontiguousarray(image[:, ::-1]) for image in (a, b))
    assert value(name, *flipped) == pytest.approx(want, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(names, seeds)
def test_swapping_red_and_blue_of_both_changes_grey_alone(name: str, seed: int) -> None:
    a, b = frames(seed)
    b[..., 0] = a[..., 0]  # only green and blue are wrong
    swapped = value(name, *(np.ascontiguousarray(image[..., ::-1]) for image in (a, b)))
    if name in GREY:
        assert abs(swapped - value(name, a, b)) > 1e-4
    else:
        assert swapped == pytest.approx(value(name, a, b), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([name for name in NAMES if name != WRAPS]), seeds)
def test_worse_is_worse_in_noise_blur_and_jpeg(name: str, seed: int) -> None:
    a, _ = frames(seed)
    noise = np.random.default_rng(seed).normal(size=a.shape)
    series = {
        "noise": [np.clip(np.rint(a + s * noise), 0, 255).astype(np.uint8) for s in (2, 8, 32)],
        "blur": [np.asarray(cv2.GaussianBlur(a, (0, 0), s), np.uint8) for s in (0.6, 1.5, 4)],
        "jpeg": [jpeg(a, quality) for quality in (90, 40, 8)],
    }
    for what, worse in series.items():
        values = [value(name, a, b) for b in worse]
        upwards = sorted(values, reverse=METRICS[name].spec.higher_is_better)
        assert values == upwards, what
        assert len(set(values)) == 3, what


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("name", NAMES)
def test_a_wider_difference_never_wraps_but_where_it_is_named_so(name: str) -> None:
    black = np.zeros((256, 256, 3), np.uint8)
    near, far = (value(name, black, black + np.uint8(gap)) for gap in (10, 250))
    assert value(name, black + np.uint8(250), black) == far
    better = near > far if METRICS[name].spec.higher_is_better else near < far
    assert better is (name != WRAPS)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_frames_of_an_undeclared_range_are_refused(name: str, kind: type) -> None:
    a = PHOTO.astype(kind) / 255 if kind is not np.int16 else PHOTO.astype(kind)
    measure = METRICS[name].start(ClipContext(["front"]))
    with pytest.raises(ValueError, match="needed: uint8"):
        measure.update(FramePair(a, a))


@settings(max_examples=15, deadline=None)
@given(names, seeds, st.permutations(range(3)))
def test_neither_order_nor_doubling_of_frames_changes_a_clip(
    name: str, seed: int, order: list[int]
) -> None:
    a, b = (np.stack(s) for s in zip(*(frames(seed + i) for i in range(3)), strict=True))

    def clip(chosen: list[int]) -> float | None:
        context = ClipContext(["front"] * len(chosen))
        rows = score_clip(context, a[chosen], b[chosen], [METRICS[name]])
        return next(r.value for r in rows if (r.region, r.stratum) == (WHOLE, "all"))

    straight = clip([0, 1, 2])
    assert clip(order) == straight
    assert clip([0, 0, 1, 1, 2, 2]) == pytest.approx(straight, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_threads_change_nothing(name: str) -> None:
    a, b = frames(1)
    before = cv2.getNumThreads()
    found = set()
    try:
        for threads in (1, 3):
            cv2.setNumThreads(threads)
            found.add(value(name, a, b))
    finally:
        cv2.setNumThreads(before)
    assert len(found) == 1


def test_every_metric_of_a_bundle_of_others_is_tested_here() -> None:
    learned = {name for name, metric in METRICS.items() if metric.missing() or "lpips" in name}
    others = {m for name, metrics in BUNDLES.items() if name != "default" for m in metrics}
    assert others - learned <= set(NAMES)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["psnr", "ssim", "l1"]), seeds, st.integers(1, 40))
def test_a_border_round_both_leaves_the_masked_number_alone(
    name: str, seed: int, border: int
) -> None:
    """A white margin lifts whole-frame SSIM from 0.52 to 0.63: what is masked must not see it."""
    a, b = frames(seed)
    mask = np.zeros(a.shape[:2], bool)
    mask[20:-20, 20:-20] = True
    sides = ((border, border), (border, border))
    wide = [np.pad(x, (*sides, (0, 0)), constant_values=255) for x in (a, b)]
    inner = _foreground(name, a, b, mask)
    assert _foreground(name, *wide, np.pad(mask, sides)) == pytest.approx(inner, abs=1e-5)
    assert value(name, *wide) != pytest.approx(value(name, a, b), abs=1e-9)


def _foreground(name: str, a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> float:
    rows = score_clip(ClipContext([None], masks=mask[None]), [a], [b], [METRICS[name]])
    (found,) = (r.value for r in rows if (r.region, r.stratum) == ("foreground", "all"))
    assert found is not None
    return found


def test_another_size_is_another_task(tiny_dataset: Path, tmp_path: Path) -> None:
    """Scores of one video at two sizes must never meet in a table."""
    dataset = Dataset(tiny_dataset)
    sizes: list[tuple[int, int] | None] = [None, (64, 48), (32, 24)]
    hashes = {make_task(dataset, tmp_path, TaskOptions(size=size)).task_hash for size in sizes}
    assert len(hashes) == 3
