"""The generation interface: what every generator is asked, and what it answers.

All packages may import this file, and it imports numpy alone. A generator receives keypoints,
never drawn skeletons (each method draws its own), and never sees the target video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ItemError

KEYPOINTS = 133  # COCO-WholeBody order
Kind = Literal["learned", "warp", "copy"]
Frames = NDArray[np.uint8]  # f h w 3, RGB
Keypoints = NDArray[np.float32]  # f k 3: x, y in pixels, score 0..1; missing is (NaN, NaN, 0)


class Unsupported(ItemError):
    """A request that the generator cannot answer; the text says why."""

    def __init__(self, text: str) -> None:
        super().__init__("generate.unsupported", text)


@dataclass(frozen=True, eq=False)
class Reference:
    """One picture of the dressed person."""

    image: NDArray[np.uint8]  # h w 3, RGB
    keypoints: NDArray[np.float32]  # k 3, in pixels of `image`
    yaw_deg: float | None  # (-180, 180], None where the estimate abstained
    view: str | None  # front, back, facing-left, facing-right

    def __post_init__(self) -> None:
        _check(self.image, np.uint8, (None, None, 3), "reference image")
        _check(self.keypoints, np.float32, (KEYPOINTS, 3), "reference keypoints")


@dataclass(frozen=True, eq=False)
class Request:
    """One clip to generate. `yaw_deg` is that of the driving poses: it comes from keypoints."""

    sample_id: str
    references: tuple[Reference, ...]
    keypoints: Keypoints  # f k 3, driving poses in pixels of `frame_size`
    yaw_deg: NDArray[np.float32]  # f, NaN where the estimate abstained
    frame_size: tuple[int, int]  # h, w of the frames the driving poses were measured in
    fps: float
    size: tuple[int, int]  # h, w asked for
    seed: int
    steps: int | None = None  # None: the generator's own default
    guidance: float | None = None

    def __post_init__(self) -> None:
        if not self.references:
            raise ValueError("a request needs at least one reference; got none")
        _check(self.keypoints, np.float32, (None, KEYPOINTS, 3), "driving keypoints")
        _check(self.yaw_deg, np.float32, (len(self.keypoints),), "driving yaw")
        if not len(self.keypoints):
            raise ValueError("a request needs at least one frame; got none")

    @property
    def frames(self) -> int:
        """How many frames are asked for: one a driving pose."""
        return len(self.keypoints)


@dataclass(frozen=True, eq=False)
class Result:
    """What a generator answers: exactly the asked frames, values never rescaled."""

    frames: Frames  # f h w 3, uint8 RGB
    fps: float
    reference_weights: NDArray[np.float32] | None = None  # f r, rows sum to 1
    effective: dict[str, Any] = field(default_factory=dict)  # settings used, plain JSON values
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    warnings: tuple[str, ...] = ()

    def check(self, request: Request) -> None:
        """Raise ItemError if this does not answer `request` (what, got, asked)."""
        asked = (request.frames, *request.size, 3)
        if self.frames.dtype != np.uint8 or self.frames.shape != asked:
            got = f"{self.frames.dtype} {self.frames.shape}"
            raise ItemError("generate.invalid", f"frames are {got}; asked: uint8 {asked}")
        if self.fps != request.fps:
            raise ItemError("generate.invalid", f"fps is {self.fps}; asked: {request.fps}")
        weights = self.reference_weights
        if weights is None:
            return
        shape = (request.frames, len(request.references))
        if weights.shape != shape or not np.isfinite(weights).all():
            raise ItemError(
                "generate.invalid", f"reference weights are {weights.shape}; asked: finite {shape}"
            )


@dataclass(frozen=True)
class WeightFile:
    """A file a generator loads."""

    name: str
    bytes: int
    sha256: str
    licence: str


@dataclass(frozen=True)
class GeneratorInfo:
    """What a generator is, without importing anything heavy."""

    name: str
    kind: Kind
    summary: str
    version: int  # raised whenever the same request would give other pixels
    max_references: int  # 1: a reduction rule of the protocol picks the one
    code_licence: str
    per_frame_copy: bool = False  # copies chosen per frame stand in their own section
    size_multiple: int = 1  # height and width must be multiples of this
    fixed_sizes: tuple[tuple[int, int], ...] = ()  # h, w; empty: any
    frame_step: int = 1  # frame count must be frame_step * n + frame_offset, n from 0
    frame_offset: int = 0  # so this is also the least
    max_frames: int | None = None  # None: any, or the method has a rule of its own
    overlap: int | None = None  # of windows that cut a request beyond max_frames; None: refused
    inputs: tuple[str, ...] = ("references", "keypoints")
    weights: tuple[WeightFile, ...] = ()
    weights_licence: str | None = None
    deterministic: bool = True
    citation: str | None = None

    def __post_init__(self) -> None:
        """ValueError for numbers that no request could meet."""
        least = {"max_references": 1, "size_multiple": 1, "frame_step": 1, "frame_offset": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; allowed: {low} or more")
        if any(side < 1 for size in self.fixed_sizes for side in size):
            raise ValueError(f"fixed_sizes are {self.fixed_sizes}; sides are 1 or more")
        window = self.window
        if window is not None and window < max(1, self.frame_offset):
            raise ValueError(f"max_frames is {self.max_frames}, less than the least count")
        if self.overlap is not None and not 0 <= self.overlap < (window or 0):
            raise ValueError(f"overlap is {self.overlap} of windows of {window}; allowed: less")

    @property
    def window(self) -> int | None:
        """The greatest accepted frame count."""
        if self.max_frames is None:
            return None
        step, offset = self.frame_step, self.frame_offset
        return (self.max_frames - offset) // step * step + offset


@dataclass(frozen=True, eq=False)
class Explanation:
    """Which reference feeds which frame, and where in it."""

    reference_weights: NDArray[np.float32]  # f r, rows sum to 1: those of the Result
    maps: dict[int, NDArray[np.float32]]  # f r h w, over r they sum to 1; by pixels to a place


class Generator(Protocol):
    """Interface of every entrant; implementations inherit nothing."""

    info: GeneratorInfo

    def check(self) -> list[str]:
        """What is missing on this machine, in words; empty when it can run."""
        ...

    def settings(self) -> dict[str, Any]:
        """Settings that decide the pixels, plain JSON values."""
        ...

    def load(self, device: str, dtype: str) -> None:
        """Get ready on a device; called once before `generate`."""
        ...

    def generate(self, request: Request) -> Result:
        """Answer one request; Unsupported where it cannot."""
        ...


@runtime_checkable
class Batched(Protocol):
    """A generator that makes several videos in one call."""

    def generate_batch(self, requests: Sequence[Request]) -> list[Result]:
        """One result a request, in order; all requests have one size and one frame count."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A generator that weighs references place by place, and can show it without generating."""

    def explain(self, request: Request) -> Explanation:
        """For a request as `generate` takes it; Unsupported where nothing is weighed."""
        ...


@runtime_checkable
class Rehearsable(Protocol):
    """A learned generator that also runs on random weights: for checks and speed, never a row."""

    def rehearsal(self, *, real_size: bool = False) -> Generator:
        """The same code under the same name on random weights of a fixed seed, from no file.

        Tiny (a request of 5 frames at 64x48 takes a second or two on one core), or of the true
        architecture.
        """
        ...


def _check(array: Any, dtype: type, shape: tuple[int | None, ...], what: str) -> None:
    fits = isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == len(shape)
    if not fits or any(want not in (None, n) for want, n in zip(shape, array.shape, strict=True)):
        got = f"{getattr(array, 'dtype', type(array).__name__)} {getattr(array, 'shape', '')}"
        raise ValueError(f"{what}: got {got}; needed: {dtype.__name__} {shape}")
