"""View metrics on turntable truth: what the true garment, a pasted side and others score.

MRFASHION_FULL=1 takes 200 identities at 256x192 in place of 48 at 128x96.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch

from benchmark.clip_scores import score_clip
from benchmark.metrics import METRICS
from benchmark.metrics.garment_chart import NO_YAW, Chart, garment_chart, similarity
from benchmark.metrics.lettering import PLAIN
from benchmark.metrics.reference_fidelity import TOO_FAR
from benchmark.metrics.spec import ClipContext
from benchmark.metrics.wrong_side import ALIKE, NO_OTHER, SIDEWAYS
from mrfashion.generation import Reference
from mrfashion.sources.turntable.identity import Identity
from mrfashion.sources.turntable.motion import sample_motion
from mrfashion.sources.turntable.renderer import Recording, render_batch
from mrfashion.sources.turntable.skeleton import BONE
from mrfashion.sources.turntable.texture import sample_identity
from mrfashion.views import view_of

FULL = bool(os.environ.get("MRFASHION_FULL"))
COUNT, SIZE = (200, (256, 192)) if FULL else (48, (128, 96))
TARGET_YAWS, REFERENCE_YAWS = (-12.0, 38.0, 150.0, -172.0, 75.0), (4.0, 176.0, 94.0, -88.0)
LETTERS = "ABCDEFGHJKLMNOPRSTUVXYZ247"
OTHERS = str.maketrans(LETTERS, LETTERS[::-1])
Corruption = Callable[[np.ndarray], np.ndarray]  # f h w 3


@dataclass(frozen=True, eq=False)
class Outfit:
    """One identity filmed twice: a target, and references of another clip."""

    target: Recording
    references: tuple[Reference, ...]
    pasted: np.ndarray  # the target's frames, but each side of the garment shows the other

    def context(self, references: tuple[Reference, ...] | None = None) -> ClipContext:
        return ClipContext(
            [view_of(yaw) for yaw in self.target.yaw_deg.tolist()],
            keypoints=self.target.keypoints,
            yaw_deg=self.target.yaw_deg,
            references=lambda: self.references if references is None else references,
        )

    def score(self, name: str, frames: np.ndarray, **known: tuple[Reference, ...]) -> float | None:
        rows = score_clip(self.context(**known), self.target.frames, frames, [METRICS[name]])
        return next(row.value for row in rows if row.stratum == "all")


def swapped(identity: Identity) -> Identity:
    """Front and back exchanged, and left and right: each view looks as the opposite one does."""
    return replace(
        identity,
        front=identity.back, back=identity.front,
        front_print=identity.back_print, back_print=identity.front_print,
        left=identity.right, right=identity.left,
        lower_front=identity.lower_back, lower_back=identity.lower_front,
        lower_left=identity.lower_right, lower_right=identity.lower_left,
    )  # fmt: skip


def relettered(identity: Identity) -> Identity:
    one, other = (
        replace(p, text=p.text.translate(OTHERS)[::-1])
        for p in (identity.front_print, identity.back_print)
    )
    return replace(identity, front_print=one, back_print=other)


def film(
    identities: list[Identity], seed: int, yaws: tuple[float, ...], size: tuple[int, int] = SIZE
) -> list[Recording]:
    """The same motion for each: standing, seen from the yaws."""
    motion = sample_motion(seed, len(yaws), kind="pose")
    motion.euler[:, BONE["root"], 1] = torch.deg2rad(torch.tensor(yaws, dtype=torch.float64))
    clips = [(identity, motion) for identity in identities]
    return [footage.numpy() for footage in render_batch(clips, size, flow=False)]


def outfit(seed: int) -> Outfit:
    identity = sample_identity(seed)
    target, pasted = film([identity, swapped(identity)], 2 * seed, TARGET_YAWS)
    shown = film([identity], 2 * seed + 1, REFERENCE_YAWS)[0]
    references = tuple(
        Reference(frame, pose, yaw, view_of(yaw))
        for frame, pose, yaw in zip(
            shown.frames, shown.keypoints, shown.yaw_deg.tolist(), strict=True
        )
    )
    return Outfit(target, references, pasted.frames)


@pytest.fixture(scope="module")
def outfits() -> list[Outfit]:
    return [outfit(seed) for seed in range(COUNT)]


def blur(sigma: float) -> Corruption:
    return lambda frames: np.stack([cv2.GaussianBlur(f, (0, 0), sigma) for f in frames])


def light(gain: float) -> Corruption:
    return lambda frames: (frames * gain).clip(0, 255).astype(np.uint8)


def jpeg(frames: np.ndarray) -> np.ndarray:
    coded = (cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 75])[1] for frame in frames)
    return np.stack([cv2.imdecode(one, cv2.IMREAD_COLOR) for one in coded]).astype(np.uint8)


def mirrored(outfit: Outfit) -> np.ndarray:
    """The target's frames with the cloth between shoulders and hips flipped in place."""
    made = outfit.target.frames.copy()
    for frame, pose in zip(made, outfit.target.keypoints, strict=True):
        top, bottom = (int(pose[list(pair), 1].mean()) for pair in ((5, 6), (11, 12)))
        middle, half = round(float(pose[[5, 6, 11, 12], 0].mean())), int(0.3 * (bottom - top))
        box = np.s_[top:bottom, middle - half : middle + half + 1]
        frame[box] = frame[box][:, ::-1].copy()
    return made


HARMLESS: dict[str, Corruption] = {
    "itself": lambda frames: frames,
    "compressed": jpeg,
    "blurred": blur(1.0),
    "shifted": lambda frames: np.roll(frames, (SIZE[0] // 128,) * 2, (1, 2)),
    "brighter": light(1.1),
    "darker": light(0.9),
}


def rate(outfits: list[Outfit], frames: Callable[[Outfit], np.ndarray]) -> tuple[float, int]:
    values = [one.score("wrong-side", frames(one)) for one in outfits]
    measured = [value for value in values if value is not None]
    return float(np.mean(measured)), len(measured)


@pytest.mark.parametrize("name", HARMLESS)
def test_the_true_garment_is_not_on_the_wrong_side(outfits: list[Outfit], name: str) -> None:
    """References are of another clip, so nothing makes this so by construction."""
    wrong, measured = rate(outfits, lambda one: HARMLESS[name](one.target.frames))
    print(f"{name}: wrong side {wrong:.4f} of {measured} of {COUNT} garments")
    assert wrong <= 0.02
    assert measured >= 40


@pytest.mark.parametrize("name", HARMLESS if FULL else ["itself", "compressed"])
def test_a_front_pasted_on_the_back_is(outfits: list[Outfit], name: str) -> None:
    wrong, measured = rate(outfits, lambda one: HARMLESS[name](one.pasted))
    print(f"pasted, {name}: wrong side {wrong:.4f} of {measured} of {COUNT} garments")
    assert wrong >= 0.95
    assert measured >= 40


def test_the_target_stands_for_a_side_that_no_reference_shows(outfits: list[Outfit]) -> None:
    found = [one.score("wrong-side", one.pasted, references=one.references[:1]) for one in outfits]
    measured = [value for value in found if value is not None]
    assert len(measured) >= 40
    assert np.mean(measured) >= 0.95


def test_fidelity_ranks_the_true_garment_the_blurred_and_a_strangers(
    outfits: list[Outfit],
) -> None:
    outfits = outfits[: COUNT // 2]
    strangers = [*outfits[1:], outfits[0]]

    def fidelity(frames: Callable[[Outfit], np.ndarray]) -> np.ndarray:
        found = [one.score("reference-fidelity", frames(one)) for one in outfits]
        return np.array(found, np.float64)

    own = fidelity(lambda one: one.target.frames)
    slight = fidelity(lambda one: blur(SIZE[0] / 128)(one.target.frames))
    strong = fidelity(lambda one: blur(SIZE[0] / 48)(one.target.frames))
    pasted = fidelity(lambda one: one.pasted)
    wrong = np.array(
        [
            one.score("reference-fidelity", one.target.frames, references=other.references)
            for one, other in zip(outfits, strangers, strict=True)
        ]
    )
    ahead = float((own[:, None] > wrong[None]).mean())  # area under the ROC curve
    means = [float(x.mean()) for x in (own, slight, strong, pasted, wrong)]
    print("own, slightly and strongly blurred, pasted, stranger:", np.round(means, 3), ahead)
    assert means[0] > means[1] > means[2] > means[4]
    assert (own > slight).mean() >= 0.9
    assert ahead >= 0.99
    assert (own > pasted).mean() >= 0.95


def test_the_targets_own_fidelity_is_told_beside(outfits: list[Outfit]) -> None:
    one = outfits[0]
    beside = one.score("reference-fidelity-target", one.pasted)
    assert beside == one.score("reference-fidelity", one.target.frames)


@pytest.fixture(scope="module")
def lettered() -> list[tuple[Outfit, np.ndarray]]:
    """Garments with letters 16 pixels high, and the same frames with other letters."""
    made = []
    for seed in range(COUNT // 4):
        identity = sample_identity(seed, lettering=True)
        both = film([identity, relettered(identity)], seed, TARGET_YAWS[::3], (256, 192))
        made.append((Outfit(both[0], (), both[0].frames), both[1].frames))
    return made


def test_lettering_is_exact_only_where_it_is_the_same(
    lettered: list[tuple[Outfit, np.ndarray]],
) -> None:
    def mean(frames: Callable[[Outfit], np.ndarray]) -> float:
        return letters([(one, frames(one)) for one, _ in lettered])

    def letters(pairs: list[tuple[Outfit, np.ndarray]]) -> float:
        found = [one.score("lettering", frames) for one, frames in pairs]
        assert sum(value is not None for value in found) >= 0.8 * len(pairs)
        return float(np.mean([value for value in found if value is not None]))

    means = {name: mean(lambda one, f=f: f(one.target.frames)) for name, f in HARMLESS.items()}
    means |= {"mirrored": mean(mirrored), "other letters": letters(lettered)}
    means["shifted"] = mean(lambda one: np.roll(one.target.frames, (1, 1), (1, 2)))
    means["illegible"] = mean(lambda one: blur(2.0)(one.target.frames))
    print({name: round(value, 3) for name, value in means.items()})
    assert means["itself"] == pytest.approx(1, abs=1e-6)
    assert min(means[name] for name in ("compressed", "shifted", "brighter", "darker")) > 0.9
    for name in ("illegible", "mirrored", "other letters"):
        assert means[name] < 0.75


def test_what_cannot_be_told_has_a_reason(outfits: list[Outfit]) -> None:
    one = outfits[0]

    def notes(name: str, context: ClipContext, frames: np.ndarray) -> dict[str, str | None]:
        rows = score_clip(context, frames, frames, [METRICS[name]])
        return {row.stratum: row.note for row in rows}

    frames, context = one.target.frames, one.context()
    assert notes("wrong-side", context, frames)["facing-right"] == SIDEWAYS
    side = one.context(one.references[2:])
    assert notes("wrong-side", side, frames)["front"] == NO_OTHER
    front = one.context(one.references[:1])
    assert notes("reference-fidelity", front, frames)["back"] == TOO_FAR
    nowhere = replace(context, yaw_deg=np.full(len(frames), np.nan, np.float32))
    for name in ("wrong-side", "reference-fidelity", "lettering"):
        assert notes(name, nowhere, frames)["all"] == NO_YAW
        bare = notes(name, replace(context, keypoints=None), frames)["all"]
        assert bare == "no frame has shoulders and hips to place the garment by"
    flat = np.full_like(frames, 128)
    assert notes("lettering", context, flat)["front"] == PLAIN
    same = tuple(replace(r, image=np.full_like(r.image, 90)) for r in one.references)
    assert notes("wrong-side", one.context(same), frames)["front"] == ALIKE


def chart(seed: int, turned_deg: float = 0.0) -> Chart:
    image = np.random.default_rng(seed).integers(0, 256, (128, 96, 3)).astype(np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 2.0)
    pose = np.full((133, 3), np.nan, np.float32)
    pose[:, 2] = 0
    pose[[5, 6, 11, 12]] = [(68, 30, 1), (28, 30, 1), (60, 94, 1), (36, 94, 1)]
    found = garment_chart(np.asarray(image, np.uint8), pose, turned_deg)
    assert found is not None
    return found


def test_similarity_of_equal_charts_is_one_and_of_noise_is_low() -> None:
    assert similarity(chart(1), chart(1)) == pytest.approx(1, abs=1e-4)
    low = similarity(chart(1), chart(2))
    assert low is not None
    assert 0 <= low < 0.5


def test_cloth_turned_away_is_not_seen() -> None:
    assert chart(0).seen.all()
    right, left = chart(0, 80.0).seen, chart(0, -80.0).seen
    assert 0 < right.sum() < right.size
    np.testing.assert_array_equal(right, left[:, ::-1])
