"""What the Wan generators load: published folders, or random weights of the same architecture.

Prompts are encoded once and the text encoder is let go: it is larger than the 1.3B network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from baselines.pipelines import PACKAGES, Offload, ready, torch_dtype
from baselines.published_models import (
    DIFFUSERS,
    TOKENIZER,
    TRANSFORMERS,
    Part,
    PublishedModel,
    missing_packages,
)
from baselines.random_weights import randomised

if TYPE_CHECKING:
    import torch

PARTS = (
    Part("transformer", DIFFUSERS),
    Part("vae", DIFFUSERS),
    Part("text_encoder", TRANSFORMERS),
    TOKENIZER,
    Part("scheduler", config="scheduler_config.json"),
)
IMAGE_PARTS = (
    Part("image_encoder", TRANSFORMERS),
    Part("image_processor", None, None, ("preprocessor_config.json", "processor_config.json")),
)
SAFE = {"use_safetensors": True, "local_files_only": True}
TEXT_DIM = 4096  # of UMT5-xxl
TOKENS = 512  # Wan2.1 and Wan2.2 wan/configs/shared_config.py, text_len
# wan/configs/shared_config.py, sample_neg_prompt: what Wan is told to avoid.
NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，"
    "JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，"
    "手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
# scheduler/scheduler_config.json of the published models; the shift is a setting.
SCHEDULER = {
    "prediction_type": "flow_prediction",
    "use_flow_sigmas": True,
    "num_train_timesteps": 1000,
}
TINY_VAE = {"base_dim": 3, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
# image_encoder/config.json of Wan2.2-Animate: OpenCLIP ViT-H/14.
IMAGE_ENCODER = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
    "hidden_act": "gelu",
    "projection_dim": 1024,
}
TINY_IMAGE_ENCODER = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "patch_size": 56,
    "projection_dim": 8,
}


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """Encoded prompts, 1 n d."""

    wanted: torch.Tensor
    unwanted: torch.Tensor


class WanSource(Protocol):
    """Where a Wan generator's networks come from."""

    def problems(self) -> list[str]:
        """What is missing, in words."""
        ...

    def record(self) -> dict[str, Any]:
        """What of it decides the pixels, plain JSON."""
        ...

    def prompts(self, texts: tuple[str, str], device: str, dtype: Any) -> Prompts:
        """Encode what is wanted and what is not."""
        ...

    def components(self, device: str, dtype: Any, flow_shift: float) -> dict[str, Any]:
        """The pipeline's parts, save those for text."""
        ...


class Opening(Protocol):
    """What the settings of both Wan generators say of loading."""

    @property
    def prompt(self) -> str: ...
    @property
    def negative_prompt(self) -> str: ...
    @property
    def flow_shift(self) -> float: ...
    @property
    def vae_tiling(self) -> bool: ...
    @property
    def offload(self) -> Offload: ...


def opened(
    kind: Any, source: WanSource, given: Opening, device: str, dtype: str
) -> tuple[Any, Prompts]:
    """A pipeline of class `kind` of diffusers on the device, and its prompts encoded."""
    precision = torch_dtype(dtype)
    prompts = source.prompts((given.prompt, given.negative_prompt), device, precision)
    parts = source.components(device, precision, given.flow_shift)
    pipeline = ready(kind(tokenizer=None, text_encoder=None, **parts), device, given.offload)
    if given.vae_tiling:
        pipeline.vae.enable_tiling()
    return pipeline, prompts


@dataclass(frozen=True, slots=True)
class PublishedWan:
    """Weights in their published layout; only safetensors are opened."""

    model: PublishedModel
    network: str  # the transformer's class in diffusers
    images: bool = False  # whether references are also seen by an image encoder

    def problems(self) -> list[str]:
        """What is missing, in words."""
        return missing_packages(*PACKAGES, "ftfy") or self.model.problems()

    def record(self) -> dict[str, Any]:
        """The sha256 of every file."""
        return {"files_sha256": self.model.sha256()}

    def prompts(self, texts: tuple[str, str], device: str, dtype: Any) -> Prompts:
        """Encode the prompts; the encoder lives no longer than this."""
        import torch
        from diffusers import WanPipeline
        from transformers import AutoTokenizer, UMT5EncoderModel

        root = self.model.found()
        encoder = UMT5EncoderModel.from_pretrained(
            root, subfolder="text_encoder", dtype=dtype, **SAFE
        )
        tokenizer = AutoTokenizer.from_pretrained(root / "tokenizer", local_files_only=True)
        pipeline = WanPipeline(tokenizer, encoder.to(device).eval(), vae=None, scheduler=None)
        with torch.no_grad():
            wanted, unwanted = pipeline.encode_prompt(
                *texts, max_sequence_length=TOKENS, device=device
            )
        return Prompts(wanted, unwanted)

    def components(self, device: str, dtype: Any, flow_shift: float) -> dict[str, Any]:
        """The VAE is float32, as the model's page loads it."""
        import diffusers
        import torch
        from transformers import CLIPImageProcessorPil, CLIPVisionModel

        root = self.model.found()
        network = getattr(diffusers, self.network)
        parts = {
            "transformer": network.from_pretrained(
                root, subfolder="transformer", torch_dtype=dtype, **SAFE
            ),
            "vae": diffusers.AutoencoderKLWan.from_pretrained(
                root, subfolder="vae", torch_dtype=torch.float32, **SAFE
            ),
            "scheduler": diffusers.UniPCMultistepScheduler.from_pretrained(
                root, subfolder="scheduler", local_files_only=True, flow_shift=flow_shift
            ),
        }
        if self.images:
            parts["image_encoder"] = CLIPVisionModel.from_pretrained(
                root, subfolder="image_encoder", dtype=dtype, **SAFE
            )
            parts["image_processor"] = CLIPImageProcessorPil.from_pretrained(
                root, subfolder="image_processor", local_files_only=True
            )
        return parts


@dataclass(frozen=True, slots=True)
class RandomWan:
    """The same architecture with random weights; prompts are random embeddings of its width."""

    network: str
    sizes: Mapping[str, Any]  # arguments of the transformer
    real_size: bool  # of the other parts
    images: bool = False

    def problems(self) -> list[str]:
        """Packages alone can be missing."""
        return missing_packages(*PACKAGES)

    def record(self) -> dict[str, Any]:
        """Told apart from every published model."""
        return {"random_weights": "real size" if self.real_size else "tiny"}

    def prompts(self, texts: tuple[str, str], device: str, dtype: Any) -> Prompts:
        """Two random embeddings, whatever the texts."""
        import torch

        shape = (2, 1, TOKENS, self.sizes.get("text_dim", TEXT_DIM))
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        wanted, unwanted = drawn.to(device, dtype)
        return Prompts(wanted, unwanted)

    def components(self, device: str, dtype: Any, flow_shift: float) -> dict[str, Any]:
        """Each of a fixed seed."""
        import diffusers
        import torch
        from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

        network = getattr(diffusers, self.network)
        vae = {} if self.real_size else TINY_VAE
        parts = {
            "transformer": randomised(lambda: network(**self.sizes), device, dtype),
            "vae": randomised(
                lambda: diffusers.AutoencoderKLWan(**vae), device, torch.float32, seed=1
            ),
            "scheduler": diffusers.UniPCMultistepScheduler(**SCHEDULER, flow_shift=flow_shift),
        }
        if self.images:
            config = CLIPVisionConfig(**(IMAGE_ENCODER if self.real_size else TINY_IMAGE_ENCODER))
            parts["image_encoder"] = randomised(
                lambda: CLIPVisionModel(config), device, dtype, seed=2
            )
            parts["image_processor"] = CLIPImageProcessorPil()
        return parts
