"""The copy that knows the pose: in each frame the reference whose yaw is nearest.

It sees every view and moves nothing, so it stands in a section of its own: what a method gains
over it is motion, and what it gains over `still` is the choice of view.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrfashion.generation import GeneratorInfo, Reference, Request, Result, Unsupported
from mrfashion.views import distance_deg


class Nearest:
    """Copies, frame by frame, the reference nearest in yaw to the driving pose."""

    info = GeneratorInfo(
        name="nearest",
        kind="copy",
        summary="copies the reference nearest in yaw, frame by frame",
        version=1,
        max_references=8,
        code_licence="Apache-2.0",
        per_frame_copy=True,
        inputs=("references", "yaw"),
    )

    def check(self) -> list[str]:
        """Nothing is ever missing."""
        return []

    def settings(self) -> dict[str, Any]:
        """There is nothing to set."""
        return {}

    def load(self, device: str, dtype: str) -> None:
        """Copies need no device."""

    def generate(self, request: Request) -> Result:
        """Answer with copies; Unsupported where no reference has a yaw."""
        for reference in request.references:
            if reference.image.shape[:2] != request.size:
                raise Unsupported(
                    f"nearest copies pixels: a reference is {reference.image.shape[:2]}, asked is "
                    f"{request.size}. Fit the request first"
                )
        chosen = _choices(request.references, request.yaw_deg)
        weights = np.zeros((request.frames, len(request.references)), np.float32)
        weights[np.arange(request.frames), chosen] = 1
        unknown = int(np.isnan(request.yaw_deg).sum())
        return Result(
            frames=np.stack([request.references[index].image for index in chosen]),
            fps=request.fps,
            reference_weights=weights,
            warnings=(f"{unknown} frames have no yaw: choice held",) if unknown else (),
        )


def _choices(references: tuple[Reference, ...], yaw_deg: NDArray[np.float32]) -> list[int]:
    """Index of the reference of each frame; the order of the references decides nothing."""
    known = {i: r.yaw_deg for i, r in enumerate(references) if r.yaw_deg is not None}
    if not known:
        raise Unsupported("nearest chooses by yaw, and no reference has one")
    # Equal distances are common (+40 and -40 at 0); content breaks the tie, position must not.
    order = sorted(known, key=lambda i: (abs(known[i]), known[i], _digest(references[i])))
    choice, choices = order[0], []  # until a yaw is known: the one nearest to the front
    for yaw in map(float, yaw_deg):
        if not np.isnan(yaw):
            choice = min(order, key=lambda i: distance_deg(known[i], yaw))
        choices.append(choice)
    return choices


def _digest(reference: Reference) -> bytes:
    return hashlib.blake2b(reference.image.tobytes()).digest()
