"""L1, PSNR, SSIM: oracles, closed forms, and what must not change them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from benchmark.metrics import METRICS
from benchmark.metrics.frames import Compare, FrameScore
from benchmark.metrics.l1 import l1
from benchmark.metrics.psnr import psnr
from benchmark.metrics.ssim import ssim
from mrfashion.errors import ItemError

COMPARE: dict[str, Compare] = {"l1": l1, "psnr": psnr, "ssim": ssim}
NAMES = sorted(COMPARE)
C1 = (0.01 * 255) ** 2
seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(11, 120), st.integers(11, 60))


def measure(name: str, a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> FrameScore:
    return COMPARE[name](a, b, mask)


def pair(seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two related pictures: a block on a flat, often bright ground, and a noisy copy of it."""
    rng = np.random.default_rng(seed)
    h, w = size
    a = np.full((h, w, 3), rng.choice([0, 60, 128, 245, 255]), np.uint8)
    a[h // 4 : 3 * h // 4, w // 4 : 3 * w // 4] = rng.integers(0, 256, 3)
    noisy = a + rng.normal(0, rng.choice([1, 5, 40]), a.shape)
    return a, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def full_map(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    _, full = structural_similarity(a, b, channel_axis=2, data_range=255, full=True, **options)
    return full[5:-5, 5:-5]


@settings(max_examples=60, deadline=None)
@given(seeds, sizes)
def test_ssim_equals_scikit_image(seed: int, size: tuple[int, int]) -> None:
    a, b = pair(seed, size)
    mask = np.random.default_rng(seed).random(size) < 0.5
    got, full = measure("ssim", a, b, mask), full_map(a, b)
    assert got.whole == pytest.approx(full.mean(), abs=5e-6)
    inner = mask[5:-5, 5:-5]
    if inner.any():
        assert got.foreground == pytest.approx(full[inner].mean(), abs=5e-6)
    else:
        assert got.foreground is None


def test_ssim_strips_meet_without_a_seam() -> None:
    a, b = pair(3, (600, 40))  # three strips
    assert measure("ssim", a, b).whole == pytest.approx(full_map(a, b).mean(), abs=5e-6)


@settings(max_examples=40, deadline=None)
@given(seeds, sizes)
def test_psnr_and_l1_equal_numpy(seed: int, size: tuple[int, int]) -> None:
    a, b = pair(seed, size)
    mask = np.random.default_rng(seed).random(size) < 0.3
    gap = a.astype(np.float64) - b
    for name, want in (
        ("l1", lambda d: np.abs(d).mean() / 255),
        ("psnr", lambda d: 10 * np.log10(255**2 / np.mean(d**2))),
    ):
        got = measure(name, a, b, mask)
        assert got.whole == pytest.approx(want(gap), abs=1e-9)
        if mask.any() and gap[mask].any():
            assert got.foreground == pytest.approx(want(gap[mask]), abs=1e-9)


def test_large_sums_stay_exact() -> None:
    a = np.zeros((1100, 1100, 3), np.uint8)
    b = np.full_like(a, 255)
    b[0, 0, 0] = 254  # squared sum beyond 32 bits; one step of one value must be seen
    squares = 255**2 * (a.size - 1) + 254**2
    assert measure("psnr", a, b).whole == 10 * math.log10(255**2 * a.size / squares)
    assert measure("l1", a, b).whole == (255 * a.size - 1) / a.size / 255


@pytest.mark.parametrize("error", [1, 12, 100, 255])
def test_psnr_of_a_uniform_error(error: int) -> None:
    a = np.zeros((16, 16, 3), np.uint8)
    assert measure("psnr", a, a + np.uint8(error)).whole == pytest.approx(
        20 * math.log10(255 / error), abs=1e-9
    )
    assert measure("l1", a, a + np.uint8(error)).whole == pytest.approx(error / 255, abs=1e-12)


def test_ssim_of_black_against_white() -> None:
    black = np.zeros((32, 32, 3), np.uint8)
    want = C1 / (255**2 + C1)  # C1 / (1 + C1) at L = 1
    assert measure("ssim", black, black + np.uint8(255)).whole == pytest.approx(want, rel=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_uint8_does_not_wrap(name: str) -> None:
    black = np.zeros((16, 16, 3), np.uint8)
    white = np.full_like(black, 255)
    grey = np.full_like(black, 250)
    assert measure(name, black, white) == measure(name, white, black)
    better = METRICS[name].spec.higher_is_better
    assert (measure(name, grey, white).whole > measure(name, black, white).whole) is better


@settings(max_examples=30, deadline=None)
@given(seeds, sizes, st.sampled_from(NAMES))
def test_an_exact_frame_has_the_best_value(seed: int, size: tuple[int, int], name: str) -> None:
    a, _ = pair(seed, size)
    spec, mask = METRICS[name].spec, np.ones(size, bool)
    best = math.inf if spec.cap else (spec.range[1] if spec.higher_is_better else spec.range[0])
    assert measure(name, a, a, mask) == FrameScore(best, best)


@settings(max_examples=30, deadline=None)
@given(seeds, sizes, st.sampled_from(NAMES))
def test_symmetry(seed: int, size: tuple[int, int], name: str) -> None:
    a, b = pair(seed, size)
    mask = np.random.default_rng(seed).random(size) < 0.5
    assert measure(name, a, b, mask) == measure(name, b, a, mask)


@settings(max_examples=30, deadline=None)
@given(seeds, sizes, st.sampled_from(NAMES))
def test_flipping_both_changes_nothing(seed: int, size: tuple[int, int], name: str) -> None:
    """Exact but for SSIM, whose row filter adds eleven float32 products from left to right."""
    a, b = pair(seed, size)
    mask = np.random.default_rng(seed).random(size) < 0.5
    got = measure(name, a[:, ::-1].copy(), b[:, ::-1].copy(), mask[:, ::-1].copy())
    want = measure(name, a, b, mask)
    if name != "ssim":
        assert got == want
    assert got.whole == pytest.approx(want.whole, abs=5e-6)


@pytest.mark.parametrize("name", NAMES)
def test_more_noise_scores_worse(name: str) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(64, 48, 3))
    a = rng.integers(90, 160, (64, 48, 3)).astype(np.uint8)
    values = [
        measure(name, a, np.clip(a + s * noise, 0, 255).astype(np.uint8)).whole
        for s in (1, 3, 8, 20)
    ]
    assert values == sorted(values, reverse=METRICS[name].spec.higher_is_better)
    assert len(set(values)) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_border_leaves_the_foreground_alone(name: str) -> None:
    a, b = pair(7, (60, 50))
    mask = np.zeros((60, 50), bool)
    mask[12:48, 10:40] = True  # SSIM windows of these pixels stay inside the picture
    frame = ((9, 9), (7, 7))
    padded = [np.pad(x, (*frame, (0, 0)), constant_values=255) for x in (a, b)]
    got = measure(name, *padded, np.pad(mask, frame))
    assert got.foreground == pytest.approx(measure(name, a, b, mask).foreground, abs=1e-6)
    assert got.whole != measure(name, a, b, mask).whole


@pytest.mark.parametrize("name", NAMES)
def test_the_foreground_sees_only_the_mask(name: str) -> None:
    a, _ = pair(1, (64, 48))
    b = a.copy()
    b[:8] = 255 - b[:8]
    mask = np.zeros((64, 48), bool)
    mask[20:50, 10:40] = True
    got, exact = measure(name, a, b, mask), measure(name, a, a, mask)
    assert got.foreground == exact.foreground
    assert got.whole != exact.whole


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_mask_is_not_measured(name: str) -> None:
    a, b = pair(2, (32, 32))
    assert measure(name, a, b, np.zeros((32, 32), bool)).foreground is None
    assert measure(name, a, b, None).foreground is None


def test_ssim_foreground_outside_the_valid_region_is_not_measured() -> None:
    a, b = pair(2, (32, 32))
    mask = np.zeros((32, 32), bool)
    mask[:5] = True
    assert measure("ssim", a, b, mask).foreground is None


def test_ssim_refuses_frames_smaller_than_its_window() -> None:
    a = np.zeros((10, 64, 3), np.uint8)
    with pytest.raises(ItemError, match="64x10; SSIM needs 11"):
        measure("ssim", a, a)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("a", "b", "mask"),
    [
        (np.zeros((16, 16, 3)), np.zeros((16, 16, 3)), None),
        (np.zeros((16, 16), np.uint8), np.zeros((16, 16), np.uint8), None),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 17, 3), np.uint8), None),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8), np.ones((16, 15), bool)),
        (np.zeros((16, 16, 3), np.uint8), np.zeros((16, 16, 3), np.uint8), np.ones((16, 16))),
    ],
)
def test_wrong_input_is_refused(name: str, a: np.ndarray, b: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(ValueError, match="needed"):
        measure(name, a, b, mask)


def test_every_part_of_a_definition_changes_its_id() -> None:
    changed = {"name": "x", "version": 9, "cap": 90.0, "range": (0.0, 9.0), "unit": "x"}
    for metric in METRICS.values():
        spec = metric.spec
        for region in spec.regions:
            own = spec.metric_id(region)
            assert own.startswith(f"{spec.name}/{region}@{spec.version}#")
            other_side = replace(spec, higher_is_better=not spec.higher_is_better)
            others = [other_side, replace(spec, regions={**spec.regions, region: "elsewhere"})]
            others += [replace(spec, **{name: value}) for name, value in changed.items()]
            others += [
                replace(spec, definition={**spec.definition, line: "otherwise"})
                for line in (*spec.definition, "new")
            ]
            assert own not in {other.metric_id(region) for other in others}
        assert len({spec.metric_id(region)[-12:] for region in spec.regions}) == len(spec.regions)


def test_registry_names_are_the_specs_names() -> None:
    assert {name: metric.spec.name for name, metric in METRICS.items()} == {n: n for n in METRICS}
