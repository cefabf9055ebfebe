"""Clips of people to frames with exact labels, in batches, on the CPU or a GPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mrfashion.sources.turntable.backdrop import paint_backdrops
from mrfashion.sources.turntable.identity import Identity
from mrfashion.sources.turntable.motion import Motion
from mrfashion.sources.turntable.pose import Clip
from mrfashion.sources.turntable.raster import PART_BITS, cast
from mrfashion.sources.turntable.skeleton import yaw_of
from mrfashion.sources.turntable.stage import Stage, set_stage
from mrfashion.sources.turntable.surface import find_hits, paint
from mrfashion.sources.turntable.texture import paint_atlas
from mrfashion.sources.turntable.threads import single_thread
from mrfashion.sources.turntable.truth import flow as surface_flow
from mrfashion.sources.turntable.truth import keypoints

# Samples per chunk: on a CPU between call overhead and cache misses; on a GPU, to fill it.
CPU_CHUNK, GPU_CHUNK = 1_200_000, 60_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """One rendered clip; tensors on the device it was rendered on."""

    fps: int
    frames: Tensor  # f h w 3, uint8 RGB
    keypoints: Tensor  # f 133 3, float32: x, y in pixels, score; see truth.keypoints
    yaw_deg: Tensor  # f, float32, in (-180, 180]
    mask: Tensor  # f h w, bool: any part of the pixel shows the person
    flow: Tensor | None  # f-1 h w 2, float32: pixels to the next frame, 0 off the person
    flow_valid: Tensor | None  # f-1 h w, bool
    parts: Tensor | None  # f h w, int8: body part at the pixel's centre, -1 for none

    def numpy(self) -> "Recording":
        """The same in main memory, as it is stored."""
        flow = self.flow
        if flow is not None and self.flow_valid is not None:
            flow = torch.where(self.flow_valid[..., None], flow, torch.nan).cpu()
        return Recording(
            fps=self.fps,
            frames=self.frames.cpu().numpy(),
            keypoints=self.keypoints.cpu().numpy(),
            yaw_deg=self.yaw_deg.cpu().numpy(),
            mask=self.mask.cpu().numpy(),
            flow=None if flow is None else flow.numpy(),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One rendered clip as arrays, ready to be written; flow is NaN wherever it is not valid."""

    fps: int
    frames: NDArray[np.uint8]  # f h w 3
    keypoints: NDArray[np.float32]  # f 133 3
    yaw_deg: NDArray[np.float32]  # f
    mask: NDArray[np.bool_]  # f h w
    flow: NDArray[np.float32] | None  # f-1 h w 2


def render(
    identity: Identity,
    motion: Motion,
    size: tuple[int, int] = (128, 96),
    *,
    device: str | torch.device = "cpu",
    supersample: int = 2,
    flow: bool = True,
) -> Footage:
    """Render one clip at `size` = (height, width)."""
    batch = render_batch(
        [(identity, motion)], size, device=device, supersample=supersample, flow=flow
    )
    return batch[0]


@torch.no_grad()
@single_thread()
def render_batch(
    clips: Sequence[Clip],
    size: tuple[int, int] = (128, 96),
    *,
    device: str | torch.device = "cpu",
    supersample: int = 2,
    flow: bool = True,
    windows: bool = True,
) -> list[Footage]:
    """Render several clips at once; each comes out exactly as it would alone.

    `windows=False` solves every part at every pixel, for comparison: same output, slower.
    """
    if min(size) < 8 or supersample < 1:
        raise ValueError(
            f"size is {size} and supersample {supersample}; "
            "give a (height, width) of at least 8 each and a supersample of at least 1"
        )
    if not clips:
        return []
    stage = set_stage(clips, size, torch.device(device))
    atlas = torch.cat([paint_atlas(identity).flatten(0, 3) for identity in stage.people])
    atlas = atlas.to(stage.coef.device)
    chunks = [
        _render_chunk(stage, atlas, frames, supersample, flow, windows)
        for frames in _chunks(stage, supersample)
    ]
    whole = [
        None if column[0] is None else torch.cat(column) for column in zip(*chunks, strict=True)
    ]
    yaw = yaw_of(stage.world).to(stage.coef.device)
    return list(_split(stage, whole, yaw))


def _chunks(stage: Stage, supersample: int) -> Iterator[slice]:
    samples = stage.size[0] * stage.size[1] * supersample**2
    budget = CPU_CHUNK if stage.coef.device.type == "cpu" else GPU_CHUNK
    length = max(1, budget // samples)
    for start in range(0, stage.frames, length):
        yield slice(start, min(start + length, stage.frames))


def _render_chunk(
    stage: Stage, atlas: Tensor, frames: slice, supersample: int, with_flow: bool, windows: bool
) -> tuple[Tensor | None, ...]:
    """Frames, mask, keypoints, flow, valid and parts of some consecutive frames."""
    keys = cast(stage, frames, supersample, windows=windows)
    image, mask = _compose(stage, atlas, frames, keys, supersample)
    joints = keypoints(stage, frames, keys, supersample)
    if not with_flow:
        return image, mask, joints, None, None, None
    # One frame further, so that the last frame of the chunk knows where it goes.
    longer = slice(frames.start, min(frames.stop + 1, stage.frames))
    centre = cast(stage, longer, 1, windows=windows)
    n = frames.stop - frames.start
    following = torch.cat((centre[1:], centre[-1:]))[:n]
    motion, valid = surface_flow(stage, frames, centre[:n], following)
    parts = torch.where(centre[:n] > 0, centre[:n] & PART_BITS, -1).to(torch.int8)
    return image, mask, joints, motion, valid, parts


def _compose(
    stage: Stage, atlas: Tensor, frames: slice, keys: Tensor, supersample: int
) -> tuple[Tensor, Tensor]:
    """The person over the studio, samples averaged: uint8 (n, h, w, 3) and mask."""
    device = keys.device
    n, height, width = keys.shape
    clip = stage.clip
    backdrops = [motion.backdrop for _, motion in stage.clips]
    lights = torch.tensor([b.light for b in backdrops]).to(device)[clip].T.contiguous()
    hits, coef = find_hits(stage, frames, keys, supersample)
    colour = paint(stage, hits, coef, atlas, lights)
    layer = torch.zeros(3, n * height * width, device=device)
    index = ((hits.frame - frames.start) * height + hits.row) * width + hits.column
    layer[:, index] = colour
    total = _pool(layer.view(3, n, height, width), supersample)
    covered = _pool((keys > 0).float()[None], supersample)[0]
    back = paint_backdrops(backdrops, clip[frames], stage.shadows[frames], stage.size)
    share = covered / supersample**2
    image = total.movedim(0, -1) / supersample**2 + back * (1 - share)[..., None]
    return (image + 0.5).clamp(0, 255).to(torch.uint8), covered > 0


def _pool(samples: Tensor, density: int) -> Tensor:
    """Sum of each pixel's samples, in one fixed order: (c, n, h, w)."""
    total = torch.zeros_like(samples[:, :, ::density, ::density])
    for i in range(density):
        for j in range(density):
            total = total + samples[:, :, i::density, j::density]
    return total


def _split(stage: Stage, whole: Sequence[Tensor | None], yaw: Tensor) -> Iterator[Footage]:
    start = 0
    for _, motion in stage.clips:
        length = motion.frames
        own = slice(start, start + length)
        image, mask, joints, move, valid, parts = (
            None if column is None else column[own] for column in whole
        )
        assert image is not None
        assert mask is not None
        assert joints is not None
        yield Footage(
            fps=motion.fps,
            frames=image,
            keypoints=joints,
            yaw_deg=yaw[own],
            mask=mask,
            flow=None if move is None else move[: length - 1],
            flow_valid=None if valid is None else valid[: length - 1],
            parts=parts,
        )
        start += length
