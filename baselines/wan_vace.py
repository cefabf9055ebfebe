"""Wan-VACE: poses as a control video, and several references: the strongest public rival.

The published recipe is VACE's `animate anything`: a pose video to be generated anew everywhere (a
white mask), and reference images in front of it. `docs/generators.md` tells the settings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from baselines.pipelines import (
    Offload,
    asked_or_set,
    deciding,
    pictures,
    refuse_unfit,
    sampled,
    seeded,
    uint8_frames,
)
from baselines.published_models import PublishedModel, check_hub_id
from baselines.wan_models import (
    NEGATIVE_PROMPT,
    PARTS,
    Prompts,
    PublishedWan,
    RandomWan,
    WanSource,
    opened,
)
from mrfashion.generation import Generator, GeneratorInfo, Request, Result

NETWORK = "WanVACETransformer3DModel"
INFO = GeneratorInfo(
    name="wan-vace",
    kind="learned",
    summary="Wan2.1-VACE: pose video and several references",
    version=1,
    max_references=8,
    code_licence="Apache-2.0 (diffusers)",
    weights_licence="Apache-2.0",
    size_multiple=16,
    frame_step=4,
    frame_offset=1,
    max_frames=81,  # what it was trained on
    overlap=17,  # Our choice: a second of its 16 fps; VACE has no long-video rule
    citation="Jiang et al., VACE: All-in-One Video Creation and Editing, ICCV 2025",
)
# transformer/config.json of the two published sizes; what is absent is diffusers' default.
SIZES_1_3B = {
    "num_attention_heads": 12,
    "ffn_dim": 8960,
    "num_layers": 30,
    "vace_layers": list(range(0, 30, 2)),
}
SIZES_14B: dict[str, Any] = {"vace_layers": list(range(0, 40, 5))}
TINY = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": 32,
    "freq_dim": 32,
    "ffn_dim": 32,
    "num_layers": 3,
    "vace_layers": [0, 2],
}


@dataclass(frozen=True, slots=True)
class WanVaceSettings:
    """Defaults are those of ali-vilab/VACE vace/vace_wan_inference.py, unless told otherwise."""

    model: str = "Wan-AI/Wan2.1-VACE-1.3B-diffusers"  # or ...-14B-diffusers; @COMMIT pins it
    folder: Path | None = None  # the same files in a folder, instead of the hub's cache
    steps: int = 50  # sample_steps
    guidance: float = 5.0  # sample_guide_scale
    flow_shift: float = 16.0  # sample_shift; diffusers' page takes 3 at 480p and 5 at 720p
    conditioning_scale: float = 1.0  # context_scale
    # Our choice: VACE needs a description, and ours must fit every sample alike.
    prompt: str = (
        "A fashion model wearing the outfit shown in the reference images turns and walks in front "
        "of a plain studio background. Full body, the garment in sharp detail, fixed camera."
    )
    negative_prompt: str = NEGATIVE_PROMPT
    vae_tiling: bool = False  # less memory, seams that differ by little
    offload: Offload = "none"  # decides memory and time, no pixel

    def __post_init__(self) -> None:
        check_hub_id(self.model)
        if self.steps < 1 or self.guidance < 0 or self.flow_shift <= 0:
            raise ValueError(
                f"got steps {self.steps}, guidance {self.guidance}, flow_shift {self.flow_shift}; "
                "needed: at least 1, at least 0, more than 0"
            )


class WanVace:
    """Answers with WanVACEPipeline of diffusers."""

    Settings = WanVaceSettings

    def __init__(
        self,
        settings: WanVaceSettings | None = None,
        *,
        name: str = INFO.name,
        source: WanSource | None = None,
    ) -> None:
        given = settings or WanVaceSettings()
        size = "about 19 GB" if "1.3B" in given.model else "about 81 GB"
        model = PublishedModel(given.model, PARTS, size, given.folder)
        self.info = replace(INFO, name=name)
        self._settings = given
        self._source: WanSource = source or PublishedWan(model, NETWORK)
        self._pipeline: Any = None
        self._prompts: Prompts | None = None
        self._dtype = ""

    def check(self) -> list[str]:
        """What is missing: packages, or files and the command that gets them."""
        return self._source.problems()

    def settings(self) -> dict[str, Any]:
        """All that decides the pixels."""
        return {**deciding(self._settings), **self._source.record()}

    def load(self, device: str, dtype: str) -> None:
        """Open the weights; nothing is downloaded."""
        from diffusers import WanVACEPipeline

        self._pipeline, self._prompts = opened(
            WanVACEPipeline, self._source, self._settings, device, dtype
        )
        self._dtype = dtype

    def rehearsal(self, *, real_size: bool = False) -> Generator:
        """The same on random weights: tiny, or of the size that the settings name."""
        given = self._settings
        true_sizes = SIZES_1_3B if "1.3B" in given.model else SIZES_14B
        source = RandomWan(NETWORK, true_sizes if real_size else TINY, real_size)
        settings = given if real_size else replace(given, steps=2)
        return WanVace(settings, name=self.info.name, source=source)

    def generate(self, request: Request) -> Result:
        """Answer with a video of its own; Unsupported where the request is not fitted."""
        from baselines.wan_drawing import vace_poses

        refuse_unfit(request, self.info)
        given, prompts = self._settings, self._prompts
        if prompts is None:
            raise RuntimeError(f"{self.info.name}: load(device, dtype) comes before generate")
        frames = _held_frames(request)
        poses = vace_poses(request.keypoints, request.frame_size, request.size)
        poses = poses[np.minimum(np.arange(frames), request.frames - 1)]
        steps, guidance = asked_or_set(request, given.steps, given.guidance)
        height, width = request.size
        video = self._pipeline(
            video=pictures(poses),
            mask=pictures(np.full_like(poses, 255)),
            reference_images=pictures(reference.image for reference in request.references),
            conditioning_scale=given.conditioning_scale,
            height=height,
            width=width,
            num_frames=frames,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=seeded(request.seed),
            prompt_embeds=prompts.wanted,
            negative_prompt_embeds=prompts.unwanted,
            output_type="np",
        ).frames[0]
        return Result(
            frames=uint8_frames(video)[: request.frames],
            fps=request.fps,
            effective={
                "flow_shift": given.flow_shift,
                **sampled(self._pipeline, steps, guidance, self._dtype),
                "frames": frames,
                "prompt": given.prompt,
                "poses": "VACE's own: body and face, no hands",
            },
        )


def _held_frames(request: Request) -> int:
    """At least as many latent frames as references: WanVACEPipeline's masks need them."""
    return max(request.frames, 4 * (len(request.references) - 1) + 1)
