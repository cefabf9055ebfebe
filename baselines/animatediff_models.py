"""What AnimateDiff with ControlNet and IP-Adapter loads: published weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from baselines.pipelines import PACKAGES
from baselines.published_models import (
    DIFFUSERS,
    TOKENIZER,
    TRANSFORMERS,
    Part,
    PublishedModel,
    missing_packages,
)

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]
SAFE = {"use_safetensors": True, "local_files_only": True}
BASE_PARTS = (
    Part("unet", DIFFUSERS),
    Part("vae", DIFFUSERS),
    Part("text_encoder", TRANSFORMERS),
    TOKENIZER,
)
ALONE = (Part("", DIFFUSERS),)
IMAGE_ENCODER_FOLDER = "models/image_encoder"
# AnimateDiff configs/inference/inference-v2.yaml, noise_scheduler_kwargs, and its model page.
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "linear",
    "clip_sample": False,
    "steps_offset": 1,
    "timestep_spacing": "linspace",
}


@dataclass(frozen=True, slots=True, eq=False)
class Networks:
    """All that a pipeline is built from."""

    components: dict[str, Any]  # arguments of the pipeline, save those for text
    ip_adapter: dict[str, Tensors]  # in the published names
    wanted: torch.Tensor  # encoded prompts, 1 n d
    unwanted: torch.Tensor


class Source(Protocol):
    """Where the networks come from."""

    def problems(self) -> list[str]:
        """What is missing, in words."""
        ...

    def record(self) -> dict[str, Any]:
        """What of it decides the pixels, plain JSON."""
        ...

    def networks(self, texts: tuple[str, str], device: str, dtype: Any) -> Networks:
        """Open or draw the weights, and encode what is wanted and unwanted."""
        ...


@dataclass(frozen=True, slots=True)
class PublishedAnimateDiff:
    """Four models in their published layouts; only safetensors are opened."""

    base: PublishedModel
    motion: PublishedModel
    controlnet: PublishedModel
    adapter: PublishedModel
    adapter_file: str

    def problems(self) -> list[str]:
        """What is missing, in words."""
        return missing_packages(*PACKAGES) or [
            text for model in self._models().values() for text in model.problems()
        ]

    def record(self) -> dict[str, Any]:
        """The sha256 of every file."""
        return {"files_sha256": {name: model.sha256() for name, model in self._models().items()}}

    def networks(self, texts: tuple[str, str], device: str, dtype: Any) -> Networks:
        """Open the weights."""
        import diffusers
        from safetensors.torch import load_file
        from transformers import CLIPImageProcessorPil, CLIPVisionModelWithProjection

        base, adapter = self.base.found(), self.adapter.found()
        at = {"torch_dtype": dtype, **SAFE}
        components = {
            "vae": diffusers.AutoencoderKL.from_pretrained(base, subfolder="vae", **at),
            "unet": diffusers.UNet2DConditionModel.from_pretrained(base, subfolder="unet", **at),
            "motion_adapter": diffusers.MotionAdapter.from_pretrained(self.motion.found(), **at),
            "controlnet": diffusers.ControlNetModel.from_pretrained(self.controlnet.found(), **at),
            "image_encoder": CLIPVisionModelWithProjection.from_pretrained(
                adapter / IMAGE_ENCODER_FOLDER, dtype=dtype, **SAFE
            ),
            "feature_extractor": CLIPImageProcessorPil(),
            "scheduler": diffusers.DDIMScheduler(**SCHEDULER),
        }
        tensors = load_file(adapter / "models" / self.adapter_file)
        return Networks(components, _nested(tensors), *self._prompts(texts, device, dtype))

    def _models(self) -> dict[str, PublishedModel]:
        return {
            "base": self.base,
            "motion": self.motion,
            "controlnet": self.controlnet,
            "adapter": self.adapter,
        }

    def _prompts(
        self, texts: tuple[str, str], device: str, dtype: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        import torch
        from diffusers import StableDiffusionPipeline
        from transformers import AutoTokenizer, CLIPTextModel

        root = self.base.found()
        encoder = CLIPTextModel.from_pretrained(root, subfolder="text_encoder", dtype=dtype, **SAFE)
        none = dict.fromkeys(("vae", "unet", "scheduler", "safety_checker", "feature_extractor"))
        pipeline = StableDiffusionPipeline(
            tokenizer=AutoTokenizer.from_pretrained(root / "tokenizer", local_files_only=True),
            text_encoder=encoder.to(device).eval(),
            requires_safety_checker=False,
            **none,
        )
        with torch.no_grad():
            wanted, unwanted = pipeline.encode_prompt(
                texts[0], device, 1, True, negative_prompt=texts[1]
            )
        return wanted, unwanted


def _nested(tensors: Tensors) -> dict[str, Tensors]:
    """IP-Adapter's safetensors hold its two tables in one, told apart by a prefix."""
    tables: dict[str, Tensors] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        table, _, key = name.partition(".")
        tables.setdefault(table, {})[key] = tensor
    return tables
