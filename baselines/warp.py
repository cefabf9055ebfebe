"""The strongest method here without weights: what references show, moved onto the driving pose.

`docs/warp.md` says how it works, what it cannot do, and what it scores.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from baselines.weighing import Weighing
from mrfashion.generation import GeneratorInfo, Keypoints, Reference, Request, Result, Unsupported
from mrfashion.letterbox import Size, move, paint, place
from mrfashion.views import distance_deg

if TYPE_CHECKING:
    from baselines.puppet import View

Floats = NDArray[np.float64]
TRUNK = (5, 6, 11, 12)  # shoulders and hips: without them there is no body to move


class Warp:
    """Paints the driving pose with the pixels of the references that see each place of it."""

    info = GeneratorInfo(
        name="warp",
        kind="warp",
        summary="moves the parts of the references onto the driving pose",
        version=1,
        max_references=8,
        code_licence="Apache-2.0",
        inputs=("references", "keypoints", "yaw"),
    )

    def check(self) -> list[str]:
        """Nothing is ever missing."""
        return []

    def settings(self) -> dict[str, Any]:
        """How references share a pixel."""
        return asdict(Weighing())

    def load(self, device: str, dtype: str) -> None:
        """Everything runs on the CPU, in float32."""

    def generate(self, request: Request) -> Result:
        """Answer with the painted poses; Unsupported where there is no body to move."""
        from baselines.puppet import build_puppet

        usable, views = _views(request)
        joints, held_joints = _held_joints(_driving(request))
        yaws, held_yaws = _held_yaws(request.yaw_deg, [view.yaw_deg for view in views])
        puppet = build_puppet(views)
        if puppet is None:
            raise Unsupported("warp found no person at the keypoints of the references")
        frames = np.empty((request.frames, *request.size, 3), np.uint8)
        weights = np.zeros((request.frames, len(request.references)), np.float32)
        for number, (pose, yaw_deg) in enumerate(zip(joints, yaws, strict=True)):
            frames[number], given = puppet.draw(pose, float(yaw_deg), Weighing())
            if not given.any():  # the body is out of the frame
                given[np.argmin([distance_deg(view.yaw_deg, yaw_deg) for view in views])] = 1
            weights[number, usable] = given / given.sum()
        notes = [f"{held_yaws} frames have no yaw: held"] if held_yaws else []
        if held_joints:
            notes.append(f"{held_joints} frames lack a joint that others have: held")
        return Result(
            frames=frames,
            fps=request.fps,
            reference_weights=weights,
            effective={"hem_units": round(puppet.hem_units, 2)},
            warnings=tuple(notes),
        )


def _in_order(references: tuple[Reference, ...]) -> list[int]:
    """Indices of the references that can be used, in an order that theirs does not decide."""
    whole = [i for i, r in enumerate(references) if _known(r.keypoints)[list(TRUNK)].all()]
    if not whole:
        raise Unsupported("warp moves a body, and no reference has both shoulders and hips")
    turned = [(yaw, i) for i in whole if (yaw := references[i].yaw_deg) is not None]
    if not turned:
        raise Unsupported("warp chooses by yaw, and no reference with a body has one")
    return [i for _, i in sorted(turned, key=lambda pair: (pair[0], _digest(references[pair[1]])))]


def _views(request: Request) -> tuple[list[int], list[View]]:
    """The references to build from: their indices, and what they show."""
    from baselines.puppet import drawable

    seen = [(i, _view(request.references[i], request.size)) for i in _in_order(request.references)]
    seen = [(i, view) for i, view in seen if drawable(view)]
    if not seen:
        raise Unsupported("warp moves a body, and no reference has one of a size to be drawn")
    return [i for i, _ in seen], [view for _, view in seen]


def _digest(reference: Reference) -> bytes:
    return hashlib.blake2b(reference.image.tobytes() + reference.keypoints.tobytes()).digest()


def _view(reference: Reference, size: Size) -> View:
    from baselines.puppet import View

    assert reference.yaw_deg is not None  # `_in_order` left out the others
    height, width = reference.image.shape[:2]
    placement = place((height, width), size)
    return View(
        image=paint(reference.image, placement),
        joints=_joints(move(reference.keypoints, placement)),
        yaw_deg=reference.yaw_deg,
    )


def _driving(request: Request) -> Floats:
    """Driving joints f k 3 in pixels of the frames asked for."""
    return _joints(move(request.keypoints, place(request.frame_size, request.size)))


def _known(keypoints: Keypoints) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(keypoints).all(-1) & (keypoints[..., 2] > 0)
    return known


def _joints(keypoints: Keypoints) -> Floats:
    return np.where(_known(keypoints)[..., None], keypoints, 0.0).astype(np.float64)


def _held_joints(joints: Floats) -> tuple[Floats, int]:
    """Missing joints where they last were, from the trunk's middle; and in how many frames.

    Before a joint is first seen it is where it will be; one that is never seen stays missing.
    """
    known = joints[..., 2] > 0
    trunk = list(TRUNK)
    if not known[:, trunk].any(0).all():
        raise Unsupported("warp follows a body, and a shoulder or hip is in no driving pose")
    held = joints.copy()
    held[:, trunk] = np.stack([joints[_last(known[:, j]), j] for j in trunk], 1)
    middle = held[:, trunk, :2].mean(1)
    for joint in np.flatnonzero(known.any(0)):
        if joint not in TRUNK:
            source = _last(known[:, joint])
            held[:, joint] = joints[source, joint]
            held[:, joint, :2] += middle - middle[source]
    return held, int((known.any(0) & ~known).any(1).sum())


def _held_yaws(yaw_deg: NDArray[np.float32], known_deg: list[float]) -> tuple[Floats, int]:
    """Yaws with gaps held, and how many were; where all lack, that of the most frontal view."""
    known = np.isfinite(yaw_deg)
    if not known.any():
        return np.full(len(yaw_deg), min(known_deg, key=lambda yaw: (abs(yaw), yaw))), len(yaw_deg)
    return yaw_deg[_last(known)].astype(np.float64), int((~known).sum())


def _last(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each place the latest known one up to it; before the first, the first."""
    places = np.where(known, np.arange(len(known)), -1)
    latest = np.maximum.accumulate(places)
    return np.where(latest < 0, int(known.argmax()), latest)
