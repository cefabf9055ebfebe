"""Optical flow between neighbouring frames, computed once for all metrics of a clip.

DIS (Kroeger et al. 2016) at OpenCV's medium preset: it measures a pan of 0.5 to 4 pixels to 1 %,
where Farneback reads 28 % too little on flat cloth (our measurement).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.metrics.spec import ClipContext, FramePair, Image
from mrfashion.errors import ItemError

Flow = NDArray[np.float32]  # h w 2: where a pixel of this frame lies in the next, minus where here
LEAST_SIDE = 12  # DIS refuses less
LAST = "the last frame has no next one"
SHARED = "flow"


def dis_flow(image: Image, following: Image) -> Flow:
    """Flow from `image` to `following` in pixels, from their luma."""
    if min(image.shape[:2]) < LEAST_SIDE:
        raise ItemError(
            "score.too_small",
            f"frames are {image.shape[1]}x{image.shape[0]}; flow needs {LEAST_SIDE} pixels a side",
        )
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (image, following)]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = dis.calc(grey[0], grey[1], None)  # type: ignore[call-overload]  # from nothing
    return np.asarray(flow, np.float32)


@dataclass(frozen=True, eq=False)
class Step:
    """Two neighbouring frame pairs with the target's flow between them, both ways."""

    before: FramePair
    after: FramePair
    forward: Flow  # of the target, from `before` to `after`
    backward: Flow


class Steps:
    """The steps of one clip; each flow is computed for the first metric that asks."""

    def __init__(self) -> None:
        self.latest: FramePair | None = None
        self.step: Step | None = None

    def to(self, pair: FramePair) -> Step | None:
        """The step that ends at `pair`, None for the first; pairs come in order."""
        if self.latest is not pair:
            before, self.latest = self.latest, pair
            self.step = None if before is None else _step(before, pair)
        return self.step


def steps_of(context: ClipContext) -> Steps:
    """The clip's steps, the same for every metric."""
    steps: Steps = context.shared.setdefault(SHARED, Steps())
    return steps


def _step(before: FramePair, after: FramePair) -> Step:
    forward = dis_flow(before.target, after.target)
    return Step(before, after, forward, dis_flow(after.target, before.target))


def warped(image: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """What `image`, the next frame, shows at each pixel's place after its flow; bilinear."""
    height, width = flow.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    sampled = cv2.remap(
        image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(sampled, np.float32)


def trusted(step: Step) -> NDArray[np.bool_]:
    """h w: pixels seen in both target frames, whose flow there and back agrees.

    Lai et al. 2018, "Learning Blind Video Temporal Consistency", after Ruder et al. 2016.
    """
    forward, backward = step.forward, warped(step.backward, step.forward)
    height, width = forward.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    to_x, to_y = x + forward[..., 0], y + forward[..., 1]
    inside = (to_x >= 0) & (to_x <= width - 1) & (to_y >= 0) & (to_y <= height - 1)
    sizes = np.square(forward).sum(-1) + np.square(backward).sum(-1)
    consistent = np.square(forward + backward).sum(-1) <= 0.01 * sizes + 0.5
    along_y, along_x = np.gradient(forward, axis=(0, 1))
    steepness = np.square(along_x).sum(-1) + np.square(along_y).sum(-1)
    smooth = steepness <= 0.01 * np.square(forward).sum(-1) + 0.002
    found: NDArray[np.bool_] = inside & consistent & smooth
    return found
