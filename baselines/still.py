"""The floor: one reference, repeated. A method that does not beat it has generated nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from mrfashion.generation import GeneratorInfo, Request, Result, Unsupported


class Still:
    """Repeats the one reference that the protocol's reduction rule gives it."""

    info = GeneratorInfo(
        name="still",
        kind="copy",
        summary="repeats one reference",
        version=1,
        max_references=1,
        code_licence="Apache-2.0",
        inputs=("references",),
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
        """Answer with the reference in every frame."""
        if len(request.references) != 1:
            raise Unsupported(
                f"still repeats one reference; got {len(request.references)}. "
                "Reduce the request to one first"
            )
        image = request.references[0].image
        if image.shape[:2] != request.size:
            raise Unsupported(
                f"still copies pixels: the reference is {image.shape[:2]}, asked is "
                f"{request.size}. Fit the request first"
            )
        return Result(
            frames=np.repeat(image[None], request.frames, axis=0),
            fps=request.fps,
            reference_weights=np.ones((request.frames, 1), np.float32),
        )
