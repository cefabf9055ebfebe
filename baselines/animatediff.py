"""AnimateDiff with ControlNet-OpenPose and IP-Adapter: what people put together by hand.

Stable Diffusion 1.5 draws, motion modules keep the frames together, the ControlNet gives the pose
and IP-Adapter the look of the references. `docs/generators.md` tells the settings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baselines.animatediff_models import (
    ALONE,
    BASE_PARTS,
    IMAGE_ENCODER_FOLDER,
    PublishedAnimateDiff,
    Source,
)
from baselines.animatediff_random import RandomAnimateDiff
from baselines.pipelines import (
    Offload,
    asked_or_set,
    deciding,
    pictures,
    ready,
    refuse_unfit,
    sampled,
    seeded,
    torch_dtype,
    uint8_frames,
)
from baselines.published_models import TRANSFORMERS, Part, PublishedModel, check_hub_id
from mrfashion.generation import Generator, GeneratorInfo, Request, Result
from mrfashion.letterbox import resized

IMAGE_SIDE_PX = 224  # of IP-Adapter's image encoder
STYLE = "openpose-18"  # what ControlNet v1.1's openpose model was trained on
INFO = GeneratorInfo(
    name="animatediff-controlnet",
    kind="learned",
    summary="AnimateDiff, ControlNet-OpenPose and IP-Adapter on SD 1.5",
    version=1,
    max_references=8,
    code_licence="Apache-2.0 (diffusers)",
    weights_licence="CreativeML OpenRAIL-M (SD 1.5, ControlNet), Apache-2.0 (motion, IP-Adapter)",
    size_multiple=8,
    citation="Guo et al., AnimateDiff, ICLR 2024; Zhang et al., ControlNet, ICCV 2023; "
    "Ye et al., IP-Adapter, arXiv 2308.06721; Qiu et al., FreeNoise, ICLR 2024",
)


@dataclass(frozen=True, slots=True)
class AnimateDiffSettings:
    """The four models (owner/name, or owner/name@COMMIT) and what their authors advise.

    A folder, where given, holds the same files as the model on the hub.
    """

    base: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    motion: str = "guoyww/animatediff-motion-adapter-v1-5-2"
    controlnet: str = "lllyasviel/control_v11p_sd15_openpose"
    adapter: str = "h94/IP-Adapter"
    adapter_file: str = "ip-adapter-plus_sd15.safetensors"  # nearer to the image than plain
    base_folder: Path | None = None
    motion_folder: Path | None = None
    controlnet_folder: Path | None = None
    adapter_folder: Path | None = None
    steps: int = 25  # AnimateDiff's model page
    guidance: float = 7.5  # the same page, and IP-Adapter's default
    pose_scale: float = 1.0  # of the ControlNet: diffusers' default
    reference_scale: float = 1.0  # IP-Adapter's README, where images alone tell the look
    # What IP-Adapter's ip_adapter.py says where it is told no prompt.
    prompt: str = "best quality, high quality"
    negative_prompt: str = "monochrome, lowres, bad anatomy, worst quality, low quality"
    # FreeNoise, for requests longer than the motion modules were trained on: diffusers' defaults.
    context_frames: int = 16
    context_stride: int = 4
    offload: Offload = "none"  # decides memory and time, no pixel

    def __post_init__(self) -> None:
        for model in (self.base, self.motion, self.controlnet, self.adapter):
            check_hub_id(model)
        if Path(self.adapter_file).name != self.adapter_file or not self.adapter_file.endswith(
            ".safetensors"
        ):
            raise ValueError(
                f"got adapter_file {self.adapter_file!r}; needed: the name of a .safetensors file "
                "in the adapter's models folder"
            )
        if self.steps < 1 or self.guidance < 0 or self.context_stride < 1:
            raise ValueError(
                f"got steps {self.steps}, guidance {self.guidance}, context_stride "
                f"{self.context_stride}; needed: at least 1, at least 0, at least 1"
            )
        if not self.context_stride <= self.context_frames <= 32:
            raise ValueError(
                f"got context_frames {self.context_frames}; needed: from context_stride to 32, "
                "which the motion modules count to"
            )


class AnimateDiff:
    """Answers with AnimateDiffControlNetPipeline of diffusers."""

    Settings = AnimateDiffSettings

    def __init__(
        self,
        settings: AnimateDiffSettings | None = None,
        *,
        name: str = INFO.name,
        source: Source | None = None,
    ) -> None:
        self.info = replace(INFO, name=name)
        self._settings = settings or AnimateDiffSettings()
        self._source: Source = source or _published(self._settings)
        self._prompts: tuple[Any, Any] | None = None
        self._pipeline: Any = None
        self._dtype = ""

    def check(self) -> list[str]:
        """What is missing: packages, or files and the command that gets them."""
        return self._source.problems()

    def settings(self) -> dict[str, Any]:
        """All that decides the pixels."""
        return {**deciding(self._settings), **self._source.record()}

    def load(self, device: str, dtype: str) -> None:
        """Open the weights; nothing is downloaded."""
        from baselines.animatediff_pipeline import EncodedPromptPipeline

        given, kind = self._settings, torch_dtype(dtype)
        texts = (given.prompt, given.negative_prompt)
        networks = self._source.networks(texts, device, kind)
        pipeline = EncodedPromptPipeline(text_encoder=None, tokenizer=None, **networks.components)
        pipeline.load_ip_adapter(networks.ip_adapter, subfolder="", weight_name="")
        pipeline.set_ip_adapter_scale(given.reference_scale)
        self._pipeline = ready(pipeline, device, given.offload)
        self._prompts, self._dtype = (networks.wanted, networks.unwanted), dtype

    def rehearsal(self, *, real_size: bool = False) -> Generator:
        """The same on random weights: tiny, or of the true size."""
        given = self._settings
        source = RandomAnimateDiff(real_size, plus="plus" in given.adapter_file)
        settings = given if real_size else replace(given, steps=2)
        return AnimateDiff(settings, name=self.info.name, source=source)

    def generate(self, request: Request) -> Result:
        """Answer with a video of its own; Unsupported where the request is not fitted."""
        from mrfashion.poses.skeletons import draw_skeletons

        refuse_unfit(request, self.info)
        given, prompts = self._settings, self._prompts
        if prompts is None:
            raise RuntimeError(f"{self.info.name}: load(device, dtype) comes before generate")
        poses = draw_skeletons(request.keypoints, request.frame_size, request.size, STYLE)
        # As its README advises for pictures that are not square, whose ends would be cut off.
        square = (IMAGE_SIDE_PX, IMAGE_SIDE_PX)
        looks = pictures(resized(reference.image, square) for reference in request.references)
        steps, guidance = asked_or_set(request, given.steps, given.guidance)
        long = request.frames > given.context_frames
        self._set_context(long)
        height, width = request.size
        video = self._pipeline(
            conditioning_frames=pictures(poses),
            ip_adapter_image=[looks],
            num_frames=request.frames,
            height=height,
            width=width,
            num_inference_steps=steps,
            guidance_scale=guidance,
            controlnet_conditioning_scale=given.pose_scale,
            generator=seeded(request.seed),
            prompt_embeds=prompts[0],
            negative_prompt_embeds=prompts[1],
            output_type="np",
        ).frames[0]
        return Result(
            frames=uint8_frames(video),
            fps=request.fps,
            effective={
                **sampled(self._pipeline, steps, guidance, self._dtype),
                "prompt": given.prompt,
                "poses": STYLE,
                "references": "stretched to a square; their tokens side by side",
                "long_video": f"FreeNoise, {given.context_frames} by {given.context_stride}"
                if long
                else None,
            },
        )

    def _set_context(self, long: bool) -> None:
        """FreeNoise changes the network, so it is on only where it is needed."""
        given = self._settings
        if long:
            self._pipeline.enable_free_noise(given.context_frames, given.context_stride)
        elif self._pipeline.free_noise_enabled:
            self._pipeline.disable_free_noise()


def _published(given: AnimateDiffSettings) -> PublishedAnimateDiff:
    adapter = (
        Part("models", given.adapter_file.removesuffix(".safetensors"), config=None),
        Part(IMAGE_ENCODER_FOLDER, TRANSFORMERS),
    )
    return PublishedAnimateDiff(
        PublishedModel(given.base, BASE_PARTS, "about 4.3 GB", given.base_folder),
        PublishedModel(given.motion, ALONE, "about 1.8 GB", given.motion_folder),
        PublishedModel(given.controlnet, ALONE, "about 1.4 GB", given.controlnet_folder),
        PublishedModel(given.adapter, adapter, "about 2.6 GB", given.adapter_folder),
        given.adapter_file,
    )
