"""Generators for tests: one that is right, to be changed in one way at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mrfashion.generation import GeneratorInfo, Request, Result


class Copy:
    """Repeats its first reference, and remembers what it was asked."""

    def __init__(self, name: str = "toy", **info: Any) -> None:
        self.info = replace(
            GeneratorInfo(name, "copy", "a toy", 1, max_references=4, code_licence="Apache-2.0"),
            **info,
        )
        self.asked: list[Request] = []

    def check(self) -> list[str]:
        return []

    def settings(self) -> dict[str, Any]:
        return {}

    def load(self, device: str, dtype: str) -> None:
        pass

    def generate(self, request: Request) -> Result:
        self.asked.append(request)
        weights = np.zeros((request.frames, len(request.references)), np.float32)
        weights[:, 0] = 1
        frames = np.repeat(request.references[0].image[None], request.frames, axis=0)
        return Result(frames, request.fps, weights)
