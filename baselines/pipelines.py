"""A diffusers pipeline as a generator: what is refused, seeds, pictures in, uint8 frames out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mrfashion.errors import ConfigError, ItemError
from mrfashion.generation import Frames, GeneratorInfo, Request, Unsupported

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance
    from PIL.Image import Image

PACKAGES = ("diffusers", "transformers", "accelerate", "safetensors")
Offload = Literal["none", "model", "layers"]
DTYPES = ("float32", "float16", "bfloat16")


def refuse_unfit(request: Request, info: GeneratorInfo) -> None:
    """Unsupported where a request is not in a size and count that the pipeline takes."""
    height, width = request.size
    multiple, frames = info.size_multiple, request.frames
    texts = {
        f"takes sizes that are multiples of {multiple}; asked: {request.size}": (
            height % multiple or width % multiple
        ),
        f"makes {info.frame_step}n+{info.frame_offset} frames; asked: {frames}": (
            (frames - info.frame_offset) % info.frame_step
        ),
        f"makes at most {info.max_frames} frames at once; asked: {frames}": (
            info.max_frames is not None and frames > info.max_frames
        ),
        f"takes at most {info.max_references} references; got {len(request.references)}": (
            len(request.references) > info.max_references
        ),
    }
    if problems := [text for text, wrong in texts.items() if wrong]:
        raise Unsupported(f"{info.name} {'; '.join(problems)}. Fit the request first")


def deciding(settings: DataclassInstance) -> dict[str, Any]:
    """Settings that decide pixels: not where the files lie, whose hashes count, nor offloading."""
    kept = asdict(settings)
    return {k: v for k, v in kept.items() if not k.endswith("folder") and k != "offload"}


def torch_dtype(name: str) -> torch.dtype:
    """A dtype by name; ConfigError for others than pipelines run in."""
    import torch

    if name not in DTYPES:
        raise ConfigError(f"dtype {name!r}; allowed: {', '.join(DTYPES)}")
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def ready(pipeline: Any, device: str, offload: Offload = "none") -> Any:
    """The pipeline on a device, silent; offloading saves memory and changes no pixel."""
    pipeline.set_progress_bar_config(disable=True)
    if offload == "none" or device == "cpu":
        return pipeline.to(device)
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.enable_sequential_cpu_offload(device=device)
    return pipeline


def asked_or_set(request: Request, steps: int, guidance: float) -> tuple[int, float]:
    """The request's steps and guidance; where it leaves them open, those of the settings."""
    return (
        steps if request.steps is None else request.steps,
        guidance if request.guidance is None else request.guidance,
    )


def sampled(pipeline: Any, steps: int, guidance: float, dtype: str) -> dict[str, Any]:
    """What every `effective` tells of the sampling."""
    return {
        "diffusers": version("diffusers"),
        "scheduler": type(pipeline.scheduler).__name__,
        "steps": steps,
        "guidance": guidance,
        "dtype": dtype,
    }


def seeded(seed: int) -> torch.Generator:
    """Noise is drawn on the CPU, so that a seed means the same on every device."""
    import torch

    return torch.Generator("cpu").manual_seed(seed)


def pictures(images: Iterable[NDArray[np.uint8]]) -> list[Image]:
    """h w 3, RGB => what pipelines take."""
    from PIL.Image import fromarray

    return [fromarray(np.ascontiguousarray(image)) for image in images]


def uint8_frames(video: NDArray[np.floating]) -> Frames:
    """f h w 3 in [0, 1] => uint8; never stretched. ItemError where values are not finite."""
    if not np.isfinite(video).all():
        raise ItemError("generate.invalid", "the network gave values that are no numbers")
    frames: Frames = np.rint(np.clip(video, 0, 1) * 255).astype(np.uint8)
    return frames
