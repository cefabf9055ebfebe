"""Generators with one thing wrong each, and the finding that catches it."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import make_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mrfashion.generation import Generator, Request, Result, Unsupported
from tests.right_generators import Copy, Noise

Factory = Callable[[], Generator]


class Summaries(Copy):
    def __init__(self) -> None:
        super().__init__(summary=str(id(self)) + str(random.random()))


class ForgottenHash(Noise):
    def settings(self) -> dict[str, Any]:
        return {"steps": 30}


class NotANumber(Copy):
    def settings(self) -> dict[str, Any]:
        return {"scale": float("nan")}


class ChangingSettings(Copy):
    def settings(self) -> dict[str, Any]:
        return {"address": str(random.random())}


class NameForgotten(Copy):
    Settings = make_dataclass("Strength", [("strength", float, 1.0)], frozen=True)

    def __init__(self, settings: Any = None, name: str = "toy") -> None:
        super().__init__()


class OtherDefaults(Copy):
    Settings = make_dataclass("Strength", [("strength", float, 1.0)], frozen=True)

    def __init__(self, settings: Any = None, name: str = "toy") -> None:
        super().__init__(name)
        self.strength = settings.strength if settings else 0.5

    def settings(self) -> dict[str, Any]:
        return {"strength": self.strength}


class CheckRaises(Copy):
    def check(self) -> list[str]:
        raise FileNotFoundError("model.pth")


class CheckSays(Copy):
    def check(self) -> list[str]:
        return "nothing"  # type: ignore[return-value]


class Unrehearsed(Copy):
    def __init__(self) -> None:
        super().__init__(kind="learned", weights_licence="MIT")


class OtherName(Noise):
    def rehearsal(self, *, real_size: bool = False) -> Noise:
        return Noise("tiny")


class DoesNotLoad(Copy):
    def load(self, device: str, dtype: str) -> None:
        raise RuntimeError("CUDA error")


class Changed(Copy):
    """Its answer with one thing changed."""

    def change(self, result: Result, request: Request) -> Result:
        raise NotImplementedError

    def generate(self, request: Request) -> Result:
        return self.change(super().generate(request), request)


class FrameShort(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, frames=result.frames[:-1], reference_weights=None)


class Floats(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, frames=result.frames / 255)


class RoundedRate(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, fps=float(round(result.fps)))


class Turned(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, frames=result.frames.swapaxes(1, 2))


class Rubbish(Copy):
    def generate(self, request: Request) -> Result:
        return None  # type: ignore[return-value]


class GlobalNoise(Changed):
    def change(self, result: Result, request: Request) -> Result:
        noise = np.random.randint(0, 9, result.frames.shape)  # the global state is the mistake
        return replace(result, frames=(result.frames // 2 + noise).astype(np.uint8))


class Remembers(Changed):
    def change(self, result: Result, request: Request) -> Result:
        others = [r for r in self.asked if r.size != request.size]
        return replace(result, frames=result.frames // (1 + len(others)))


class SeedIgnored(Noise):
    def generate(self, request: Request) -> Result:
        return super().generate(replace(request, seed=0))


class KeypointsIgnored(Copy):
    def __init__(self) -> None:
        super().__init__(inputs=("references", "keypoints"))


class BreaksOnMissing(Changed):
    def change(self, result: Result, request: Request) -> Result:
        if np.isnan(request.keypoints[..., 0]).all():
            raise ZeroDivisionError("no joint")
        return result


class RefusesWindows(Copy):
    def __init__(self) -> None:
        super().__init__(max_frames=5, overlap=1)

    def generate(self, request: Request) -> Result:
        if len(self.asked) == 1:  # a second window of the same video
            raise Unsupported("too long")
        return super().generate(request)


class FourPlaces(Changed):
    def change(self, result: Result, request: Request) -> Result:
        places = {i: (0, 1, 2, 3)[i] for i in range(len(request.references))}
        return replace(result, effective={"places": list(places.values())})


class Batch(Copy):
    def generate_batch(self, requests: Sequence[Request]) -> list[Result]:
        return [self.generate(request) for request in requests]


class BatchShort(Batch):
    def generate_batch(self, requests: Sequence[Request]) -> list[Result]:
        return super().generate_batch(requests)[:1]


class BatchReversed(Batch):
    def generate_batch(self, requests: Sequence[Request]) -> list[Result]:
        return super().generate_batch(requests)[::-1]


class BatchOfOne(Batch):
    def generate_batch(self, requests: Sequence[Request]) -> list[Result]:
        return super().generate_batch([requests[0]] * len(requests))


class WritesIntoRequest(Changed):
    def change(self, result: Result, request: Request) -> Result:
        request.keypoints[..., 2] = 1
        return result


class WritesTheSame(Changed):
    def change(self, result: Result, request: Request) -> Result:
        request.keypoints[...] = request.keypoints.copy()
        return result


class OneBuffer(Copy):
    BUFFER = np.zeros(64 * 64 * 64 * 3, np.uint8)

    def generate(self, request: Request) -> Result:
        result = super().generate(request)
        out = self.BUFFER[: result.frames.size].reshape(result.frames.shape)
        out[...] = result.frames
        return replace(result, frames=out)


class Doubled(Changed):
    def change(self, result: Result, request: Request) -> Result:
        assert result.reference_weights is not None
        return replace(result, reference_weights=result.reference_weights * 2)


class Silent(Noise):
    def generate(self, request: Request) -> Result:
        return replace(super().generate(request), effective={"sampler": "ddim"})


class Unserialisable(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, effective={"scale": np.float32(1)})


class Black(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, frames=np.zeros_like(result.frames))


def stretched(frames: np.ndarray, axis: tuple[int, ...] | None) -> np.ndarray:
    low = frames.min(axis=axis, keepdims=True)
    high = frames.max(axis=axis, keepdims=True)
    return ((frames - low) / (high - low) * 255).astype(np.uint8)


class FrameStretch(Noise):
    """As DreamPose's test script: each frame stretched from its least to its greatest value."""

    def generate(self, request: Request) -> Result:
        shape = (request.frames, *request.size, 3)
        noise = np.random.default_rng(request.seed).normal(size=shape)
        return replace(super().generate(request), frames=stretched(noise, (1, 2, 3)))


class VideoStretch(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, frames=stretched(result.frames.astype(float), None))


class Swapped(Changed):
    def change(self, result: Result, request: Request) -> Result:
        return replace(result, frames=result.frames[..., ::-1].copy())


class Seeds(Changed):
    def change(self, result: Result, request: Request) -> Result:
        np.random.seed(request.seed)
        return result


class SeedsTorch(Changed):
    def change(self, result: Result, request: Request) -> Result:
        import torch

        torch.manual_seed(request.seed)
        return result


class LoadedSettings(Copy):
    loaded = False

    def load(self, device: str, dtype: str) -> None:
        self.loaded = True

    def settings(self) -> dict[str, Any]:
        return {"loaded": self.loaded}


class Prints(Changed):
    def change(self, result: Result, request: Request) -> Result:
        print("100%")
        return result


class PrintsBelow(Changed):
    def change(self, result: Result, request: Request) -> Result:
        os.write(1, b"from a library in C\n")
        return result


class Calls(Copy):
    def load(self, device: str, dtype: str) -> None:
        with suppress(OSError):  # goes on with what it has: the mistake is to ask
            socket.create_connection(("hub.example.org", 443), timeout=1).close()


class CallsByNumber(Copy):
    def load(self, device: str, dtype: str) -> None:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.connect(("192.0.2.1", 80))


class LeavesFiles(Changed):
    def change(self, result: Result, request: Request) -> Result:
        Path("debug.log").write_text("x")
        return result


WRONG: list[tuple[str, Factory, str]] = [
    ("import light", Copy, "a new process could not make it"),  # only this process knows toys
    ("info", lambda: Copy(version=0), "version is 0"),
    ("info", lambda: Copy(summary=""), "summary is ''"),
    ("info", lambda: Copy(kind="magic"), "kind is 'magic'"),
    ("info", lambda: Copy(inputs=()), "inputs names nothing"),
    ("info", Summaries, "another GeneratorInfo"),
    ("licences", lambda: Copy(code_licence="unknown"), "code_licence is 'unknown'"),
    ("licences", lambda: Noise(weights_licence=None), "weights_licence is ''"),
    ("settings", NotANumber, "plain JSON"),
    ("settings", ChangingSettings, "other settings()"),
    ("settings", ForgottenHash, "no sha256"),
    ("configurable", NameForgotten, "'conformance-other' calls itself 'toy'"),
    ("configurable", OtherDefaults, "settings() is another than without"),
    ("lacks in words", CheckRaises, "FileNotFoundError: model.pth"),
    ("lacks in words", CheckSays, "needed: a list"),
    ("rehearsal", Unrehearsed, "needs rehearsal"),
    ("rehearsal", OtherName, "the rehearsal's name is 'tiny'"),
    ("loads", DoesNotLoad, "RuntimeError: CUDA error (at wrong_generators.py:"),
    ("answers", FrameShort, "frames are uint8 (2, 60, 44, 3); asked: uint8 (3, 60, 44, 3)"),
    ("answers", Floats, "frames are float64"),
    ("answers", RoundedRate, "fps is 24.0; asked: 23.976"),
    ("answers", Turned, "(3, 44, 60, 3)"),
    ("answers", Rubbish, "AttributeError: 'NoneType'"),
    ("same seed", GlobalNoise, "it gives another video: mean change"),
    ("order of requests", Remembers, "asked again after another request"),
    ("other seed", SeedIgnored, "the request's seed is not used"),
    ("uses its inputs", KeypointsIgnored, "other keypoints give the same video"),
    ("odd requests", BreaksOnMissing, "nobody in any frame: ZeroDivisionError: no joint"),
    ("long requests", RefusesWindows, "Unsupported, though windows overlap"),
    ("too many references", FourPlaces, "5 references: IndexError: tuple index"),
    ("batches", BatchShort, "1 results for 2 requests"),
    ("batches", BatchReversed, "0.00 from each other's"),
    ("batches", BatchOfOne, "levels from alone"),
    ("request untouched", WritesIntoRequest, "wrote into an array"),
    ("request untouched", WritesTheSame, "read-only arrays: ValueError"),
    ("frames stay", OneBuffer, "changed later"),
    ("reference weights", Doubled, "sums off by 1"),
    ("effective", Silent, "steps asked 2, effective says None"),
    ("effective", Unserialisable, "no plain JSON"),
    ("values", Black, "of one value, 0"),
    ("values", FrameStretch, "stretched"),
    ("value range", VideoStretch, "values were rescaled"),
    ("colour order", Swapped, "red and blue are swapped"),
    ("random states", Seeds, "the global state of numpy.random"),
    ("random states", SeedsTorch, "the global state of torch"),
    ("settings steady", LoadedSettings, "differs once it is loaded"),
    ("quiet", Prints, "it printed '100%"),
    ("quiet", PrintsBelow, "it printed 'from a library"),
    ("offline", Calls, "it asked for hub.example.org"),
    ("offline", CallsByNumber, "it asked for 192.0.2.1"),
    ("tidy", LeavesFiles, "it left debug.log"),
]
