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
            **{"inputs": ("references",), **info},
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


class Noise(Copy):
    """Learned in name: noise of the request's seed, with a rehearsal."""

    def __init__(self, name: str = "toy", **info: Any) -> None:
        super().__init__(
            name, **{"kind": "learned", "weights_licence": "MIT", "inputs": ("seed",), **info}
        )

    def settings(self) -> dict[str, Any]:
        return {"weights_sha256": None}

    def rehearsal(self, *, real_size: bool = False) -> Noise:
        return type(self)(self.info.name)

    def generate(self, request: Request) -> Result:
        rng = np.random.default_rng(request.seed)
        frames = rng.integers(0, 256, (request.frames, *request.size, 3), np.uint8)
        effective = {"steps": request.steps, "guidance": request.guidance}
        return Result(frames, request.fps, effective=effective)
