"""Wan-Animate: one reference, a pose video and a face video, in the method's own segments.

Departure: the published preprocessing takes the face video from the driving video, which no
generator sees here. Ours shows the reference's face while the driving pose shows one, else nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

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
    IMAGE_PARTS,
    NEGATIVE_PROMPT,
    PARTS,
    Prompts,
    PublishedWan,
    RandomWan,
    WanSource,
    opened,
)
from mrfashion.generation import Generator, GeneratorInfo, Request, Result

NETWORK = "WanAnimateTransformer3DModel"
INFO = GeneratorInfo(
    name="wan-animate",
    kind="learned",
    summary="Wan2.2-Animate: one reference, pose and face video",
    version=1,
    max_references=1,
    code_licence="Apache-2.0 (diffusers)",
    weights_licence="Apache-2.0",
    size_multiple=16,
    citation="Cheng et al., Wan-Animate: Unified Character Animation and Replacement with "
    "Holistic Replication, arXiv 2509.14055",
)
# transformer/config.json of Wan2.2-Animate-14B; what is absent is diffusers' default.
TRUE_SIZES = {"added_kv_proj_dim": 5120}
TINY = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": 32,
    "freq_dim": 32,
    "ffn_dim": 32,
    "num_layers": 2,
    "image_dim": 16,
    "added_kv_proj_dim": 24,
    "motion_encoder_channel_sizes": {"4": 8, "8": 8, "16": 8},
    "motion_encoder_size": 16,
    "motion_style_dim": 8,
    "motion_dim": 4,
    "motion_encoder_dim": 16,
    "face_encoder_hidden_dim": 16,
    "face_encoder_num_heads": 2,
    "inject_face_latents_blocks": 2,
}


@dataclass(frozen=True, slots=True)
class WanAnimateSettings:
    """Defaults are those of Wan2.2 wan/configs/wan_animate_14B.py, unless told otherwise."""

    model: str = "Wan-AI/Wan2.2-Animate-14B-Diffusers"  # @COMMIT pins it
    folder: Path | None = None  # the same files in a folder, instead of the hub's cache
    steps: int = 20  # sample_steps
    guidance: float = 1.0  # sample_guide_scale: none
    flow_shift: float = 5.0  # sample_shift
    segment_frames: int = 77  # frame_num; shorter requests are made as a whole segment
    carried_frames: Literal[1, 5] = 1  # refert_num: of a segment into the next
    prompt: str = "视频中的人在做动作"  # prompt: the person in the video is moving
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
        if self.segment_frames % 4 != 1 or self.segment_frames <= 2 * self.carried_frames:
            raise ValueError(
                f"got segment_frames {self.segment_frames}; needed: 4n+1, and more than twice the "
                f"{self.carried_frames} carried"
            )


class WanAnimate:
    """Answers with WanAnimatePipeline of diffusers."""

    Settings = WanAnimateSettings

    def __init__(
        self,
        settings: WanAnimateSettings | None = None,
        *,
        name: str = INFO.name,
        source: WanSource | None = None,
    ) -> None:
        given = settings or WanAnimateSettings()
        model = PublishedModel(given.model, PARTS + IMAGE_PARTS, "about 82 GB", given.folder)
        self.info = replace(INFO, name=name)
        self._settings = given
        self._source: WanSource = source or PublishedWan(model, NETWORK, images=True)
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
        from diffusers import WanAnimatePipeline

        self._pipeline, self._prompts = opened(
            WanAnimatePipeline, self._source, self._settings, device, dtype
        )
        self._dtype = dtype

    def rehearsal(self, *, real_size: bool = False) -> Generator:
        """The same on random weights: tiny, in short segments, or of the true size."""
        source = RandomWan(NETWORK, TRUE_SIZES if real_size else TINY, real_size, images=True)
        given = self._settings
        settings = given if real_size else replace(given, steps=2, segment_frames=13)
        return WanAnimate(settings, name=self.info.name, source=source)

    def generate(self, request: Request) -> Result:
        """Answer with a video of its own; Unsupported where the request is not fitted."""
        from baselines.wan_drawing import animate_poses

        refuse_unfit(request, self.info)
        given, prompts = self._settings, self._prompts
        if prompts is None:
            raise RuntimeError(f"{self.info.name}: load(device, dtype) comes before generate")
        # WanAnimatePipeline makes no segment at all of as many frames as it carries.
        frames = max(request.frames, given.carried_frames + 1)
        held = np.minimum(np.arange(frames), request.frames - 1)
        poses = animate_poses(request.keypoints, request.frame_size, request.size)
        faces, shown = _faces(request)
        steps, guidance = asked_or_set(request, given.steps, given.guidance)
        height, width = request.size
        video = self._pipeline(
            image=pictures([request.references[0].image])[0],
            pose_video=pictures(poses[held]),
            face_video=pictures(faces[i] for i in held),
            height=height,
            width=width,
            segment_frame_length=given.segment_frames,
            prev_segment_conditioning_frames=given.carried_frames,
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
                "segment_frames": given.segment_frames,
                "prompt": given.prompt,
                "poses": "Wan-Animate's own: body, toes and hands, no retargeting",
                "departure": "the face is the reference's, held still; it is not the driver's",
                "frames_with_face": shown,
            },
        )


def _faces(request: Request) -> tuple[list[NDArray[np.uint8]], int]:
    """The face video, and in how many frames it shows one; it is black in the others."""
    from baselines.wan_drawing import FACE_SIDE_PX, face_crop, faces_seen

    nothing = np.zeros((FACE_SIDE_PX, FACE_SIDE_PX, 3), np.uint8)
    face = face_crop(request.references[0])
    if face is None:
        return [nothing] * request.frames, 0
    seen = faces_seen(request.keypoints, request.yaw_deg)
    return [face if there else nothing for there in seen], int(seen.sum())
