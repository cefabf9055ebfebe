"""Small synthetic requests that ask what a real dataset asks: rendered people, 64 pixels high.

Sizes do not divide by 8, frame counts are odd, fps is no integer, joints and whole people are
missing, and references come in another size than the video's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import Keypoints, Reference, Request
from mrfashion.letterbox import letterbox, move, place
from mrfashion.views import CANONICAL_DEG, VIEWS, distance_deg

FRAME_SIZE = (64, 48)
WRISTS = (9, 10)
MISSING = np.array((np.nan, np.nan, 0), np.float32)


@cache
def first() -> Request:
    """3 frames at 60x44 from three references; the wrists are missing in one frame."""
    keypoints, yaw_deg = _driving(slice(2, 5))
    keypoints[1, WRISTS] = MISSING
    return _request("first", _references(0)[:3], keypoints, yaw_deg, (60, 44), 24000 / 1001)


@cache
def second() -> Request:
    """5 frames at 64x48 from two references, one of them larger; nobody is in the fourth frame."""
    keypoints, yaw_deg = _driving(slice(9, 14))
    keypoints[3], yaw_deg[3] = MISSING, np.nan
    front, _, _, back = _references(0)
    references = (_enlarged(front, (90, 70)), back)
    asked = _request("second", references, keypoints, yaw_deg, FRAME_SIZE, 12.5)
    return replace(asked, guidance=None)


def odd() -> dict[str, Request]:
    """What occurs in real footage and not every method can answer."""
    usual = first()
    two = replace(usual, keypoints=usual.keypoints[:2], yaw_deg=usual.yaw_deg[:2])
    nobody = np.broadcast_to(MISSING, two.keypoints.shape).copy()
    unknown = tuple(
        replace(r, keypoints=nobody[0].copy(), yaw_deg=None, view=None) for r in usual.references
    )
    return {
        "one frame": replace(usual, keypoints=usual.keypoints[:1], yaw_deg=usual.yaw_deg[:1]),
        "nobody in any frame": replace(
            two, keypoints=nobody, yaw_deg=np.full(two.frames, np.nan, np.float32)
        ),
        "references without keypoints and yaw": replace(two, references=unknown),
    }


def with_seed(seed: int) -> Request:
    """The first request under another seed."""
    return replace(first(), seed=seed)


def with_references(count: int) -> Request:
    """The first request with so many references."""
    known = _references(0)
    return replace(first(), references=tuple(known[i % len(known)] for i in range(count)))


def with_frames(count: int) -> Request:
    """The first request driven back and forth over so many frames."""
    keypoints, yaw_deg = _driving(slice(0, 24))
    there = np.abs((np.arange(count) + 23) % 46 - 23)
    return replace(first(), keypoints=keypoints[there], yaw_deg=yaw_deg[there])


def with_other_person() -> Request:
    """The first request with references of somebody else."""
    return replace(first(), references=_references(1)[:3])


def with_other_keypoints() -> Request:
    """The first request driven by the body of other frames, facing as before."""
    return replace(first(), keypoints=_driving(slice(15, 18))[0])


def with_other_yaw() -> Request:
    """The first request with other yaws at the same keypoints."""
    return replace(first(), yaw_deg=_driving(slice(15, 18))[1])


def recoloured(scale: tuple[float, float, float], shift: tuple[float, float, float]) -> Request:
    """The first request with references whose grey levels x become scale * x + shift."""
    asked = first()

    def painted(reference: Reference) -> Reference:
        grey = reference.image.mean(axis=-1, keepdims=True)
        levels = np.rint(grey * np.array(scale) + np.array(shift)).clip(0, 255)
        return replace(reference, image=levels.astype(np.uint8))

    return replace(asked, references=tuple(painted(r) for r in asked.references))


def _request(
    name: str,
    references: tuple[Reference, ...],
    keypoints: Keypoints,
    yaw_deg: NDArray[np.float32],
    size: tuple[int, int],
    fps: float,
) -> Request:
    return Request(
        sample_id=f"conformance-{name}",
        references=references,
        keypoints=keypoints,
        yaw_deg=yaw_deg,
        frame_size=FRAME_SIZE,
        fps=fps,
        size=size,
        seed=7,
        steps=2,
        guidance=1.5,
    )


@cache
def _turn(person: int, clip: int) -> tuple[NDArray[np.uint8], Keypoints, NDArray[np.float32]]:
    """A person turning once in 24 frames."""
    from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, render_plan

    height, width = FRAME_SIZE
    config = TurntableConfig(
        groups=2, frames=24, fps=12, height=height, width=width, flow=False, motions=("turn",)
    )
    turn = render_plan(clip_plan(config)[2 * person + clip], config)
    return turn.frames, turn.keypoints, turn.yaw_deg


def _driving(frames: slice) -> tuple[Keypoints, NDArray[np.float32]]:
    _, keypoints, yaw_deg = _turn(0, 1)
    return keypoints[frames].copy(), yaw_deg[frames].copy()


def _references(person: int) -> tuple[Reference, ...]:
    frames, keypoints, yaw_deg = _turn(person, 0)
    chosen = [
        min(range(len(frames)), key=lambda i: distance_deg(float(yaw_deg[i]), wanted))
        for wanted in CANONICAL_DEG.values()
    ]
    return tuple(
        Reference(frames[i].copy(), keypoints[i].copy(), float(yaw_deg[i]), view)
        for i, view in zip(chosen, VIEWS, strict=True)
    )


def _enlarged(reference: Reference, size: tuple[int, int]) -> Reference:
    placement = place(FRAME_SIZE, size)
    return replace(
        reference,
        image=letterbox(reference.image, size),
        keypoints=move(reference.keypoints, placement),
    )
