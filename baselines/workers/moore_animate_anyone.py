"""Worker for a checkout of MooreThreads/Moore-AnimateAnyone, in that repository's environment.

It calls their Pose2VideoPipeline on weights in the folder layout of their README. Where their
inference script differs from their training, or mixes up frames, `options` says which is followed;
the defaults are not those of their script (`docs/generators.md` says why):

    beta_schedule  scaled_linear as in training, or linear as in their inference_v2.yaml
    windows        clamped: the last one ends at the last frame; closed: theirs, it goes on at the
                   first frame, so that the clip's start is averaged with its end
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

INFO = {
    "kind": "learned",
    "summary": "Moore-AnimateAnyone in its own environment, from a user's checkout",
    "version": 1,
    "max_references": 1,
    "size_multiple": 8,
    "code_licence": "Apache-2.0",
    "weights_licence": "of Stable Diffusion 1.5 (CreativeML OpenRAIL-M) and of its authors",
    "citation": "github.com/MooreThreads/Moore-AnimateAnyone; Hu et al., arXiv 2311.17117",
    "draw": "dwpose-133",
    "needs": ["python", "checkout", "weights"],
    "weight_files": [
        "stable-diffusion-v1-5/unet/*",
        "sd-vae-ft-mse/*",
        "image_encoder/*",
        "denoising_unet.pth",
        "reference_unet.pth",
        "pose_guider.pth",
        "motion_module.pth",
    ],
    "options": {
        "steps": 30,
        "guidance": 3.5,
        "beta_schedule": "scaled_linear",
        "windows": "clamped",
        "window": 24,
        "overlap": 4,
    },
}
SD15_UNET: Any = {  # of the U-Net's config.json that is not diffusers' default
    "sample_size": 64,
    "cross_attention_dim": 768,
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": 8,
}
TINY_UNET: Any = {
    "sample_size": 8,
    "cross_attention_dim": 32,
    "block_out_channels": (32, 32, 64, 64),
    "attention_head_dim": 4,
    "layers_per_block": 1,
}
GUIDER = (16, 32, 96, 256)  # channels of the pose guider, as in their script
BLOCKS: Any = {
    "down_block_types": ("CrossAttnDownBlock3D",) * 3 + ("DownBlock3D",),
    "up_block_types": ("UpBlock3D",) + ("CrossAttnUpBlock3D",) * 3,
    "mid_block_type": "UNetMidBlock3DCrossAttn",
}


def load(start: Any) -> dict[str, Any]:
    """Their pipeline on the device, with its defects put right."""
    import torch

    _check_options(start.options)
    sys.path.insert(0, start.checkout)
    config = _inference_config(Path(start.checkout))
    torch.set_grad_enabled(False)
    if start.rehearsal:
        networks = _random(config, tiny=start.rehearsal == "tiny")
    else:
        networks = _published(config, Path(start.weights))
    dtype = getattr(torch, start.dtype)
    pipeline = _pipeline(networks, config, start.options)
    pipeline.to(start.device, dtype=dtype)
    _keep_precision(dtype)
    if start.options["windows"] == "clamped":
        _clamp_windows()
    return {"pipeline": pipeline, "options": start.options}


def answer(state: dict[str, Any], request: Any) -> dict[str, Any]:
    """One video by their pipeline, with the windows it uses for long ones."""
    import torch
    from PIL import Image
    from serving import Unsupported

    options = state["options"]
    steps, guidance = request.steps or options["steps"], request.guidance
    guidance = options["guidance"] if guidance is None else guidance
    frames, (height, width) = len(request.keypoints), request.size
    if guidance <= 1 and frames > options["window"]:
        raise Unsupported(
            f"without guidance (got {guidance}) their pipeline adds overlapping windows up instead "
            f"of averaging them: at most {options['window']} frames, or guidance above 1"
        )
    video = state["pipeline"](
        Image.fromarray(request.references[0].image),
        [Image.fromarray(skeleton) for skeleton in request.skeletons],
        width,
        height,
        frames,
        steps,
        guidance,
        # On the CPU: the same noise whatever the device.
        generator=torch.Generator("cpu").manual_seed(request.seed),
        context_frames=options["window"],
        context_overlap=options["overlap"],
    ).videos[0]
    pixels = video.permute(1, 2, 3, 0).mul(255).round().to(torch.uint8)  # c f h w => f h w c
    return {"frames": pixels.numpy(), "effective": dict(options, steps=steps, guidance=guidance)}


def _check_options(options: dict[str, Any]) -> None:
    allowed = {"beta_schedule": ("scaled_linear", "linear"), "windows": ("clamped", "closed")}
    for name, values in allowed.items():
        if options[name] not in values:
            raise ValueError(f"options.{name} is {options[name]!r}; allowed: {values}")
    if not 0 <= options["overlap"] < options["window"]:
        raise ValueError(f"overlap {options['overlap']} of windows of {options['window']} frames")


def _inference_config(checkout: Path) -> dict[str, Any]:
    import yaml

    path = checkout / "configs" / "inference" / "inference_v2.yaml"
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return config


def _published(config: dict[str, Any], weights: Path) -> dict[str, Any]:
    """Networks from the files that their README lists."""
    import torch
    from diffusers import AutoencoderKL
    from src.models.pose_guider import PoseGuider
    from src.models.unet_2d_condition import UNet2DConditionModel
    from src.models.unet_3d import UNet3DConditionModel
    from transformers import CLIPVisionModelWithProjection

    def parameters(name: str) -> Any:
        return torch.load(str(weights / name), map_location="cpu", weights_only=True)

    base = weights / "stable-diffusion-v1-5"
    denoiser = UNet3DConditionModel.from_pretrained_2d(
        base,
        weights / "motion_module.pth",
        subfolder="unet",
        unet_additional_kwargs=config["unet_additional_kwargs"],
    )
    _check_motion(denoiser, parameters("motion_module.pth"))
    found = denoiser.load_state_dict(parameters("denoising_unet.pth"), strict=False)
    lost = [name for name in found.missing_keys if "motion_modules" not in name]
    if lost or found.unexpected_keys:  # their script passes over both
        strange = found.unexpected_keys
        raise ValueError(f"denoising_unet.pth lacks {lost[:3]} and has {strange[:3]} beside")
    reference = UNet2DConditionModel.from_pretrained(str(base), subfolder="unet")
    reference.load_state_dict(parameters("reference_unet.pth"))
    guider = PoseGuider(denoiser.conv_in.out_channels, block_out_channels=GUIDER)
    guider.load_state_dict(parameters("pose_guider.pth"))
    return {
        "vae": AutoencoderKL.from_pretrained(str(weights / "sd-vae-ft-mse")),
        "image_encoder": CLIPVisionModelWithProjection.from_pretrained(
            str(weights / "image_encoder")
        ),
        "reference_unet": reference,
        "denoising_unet": denoiser,
        "pose_guider": guider,
    }


def _check_motion(denoiser: Any, motion: Any) -> None:
    """ValueError where the motion module would stay random in parts: their loader is silent."""
    moving = {name for name in denoiser.state_dict() if "motion_modules" in name}
    lost = sorted(name for name in moving - set(motion) if not name.endswith("pos_encoder.pe"))
    if lost:
        raise ValueError(f"motion_module.pth lacks {len(lost)} parameters, as {lost[0]}")


def _random(config: dict[str, Any], tiny: bool) -> dict[str, Any]:
    """The same networks on random weights: of their architecture, or narrow."""
    import torch
    from diffusers import AutoencoderKL
    from src.models.pose_guider import PoseGuider
    from src.models.unet_2d_condition import UNet2DConditionModel
    from src.models.unet_3d import UNet3DConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    unet = TINY_UNET if tiny else SD15_UNET
    vae_channels = (32, 32, 32, 32) if tiny else (128, 256, 512, 512)
    clip: Any = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    clip = dict(clip, num_attention_heads=2, patch_size=32) if tiny else {}
    if not tiny:  # ViT-L/14, as in lambdalabs/sd-image-variations-diffusers
        clip = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
        clip = dict(clip, num_attention_heads=16, patch_size=14)
    torch.manual_seed(0)
    networks = {
        "vae": AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=vae_channels,
            layers_per_block=1 if tiny else 2,
        ),
        "image_encoder": CLIPVisionModelWithProjection(
            CLIPVisionConfig(projection_dim=unet["cross_attention_dim"], **clip)
        ),
        "reference_unet": UNet2DConditionModel(**unet),
        "denoising_unet": UNet3DConditionModel(
            **unet, **BLOCKS, **config["unet_additional_kwargs"]
        ),
        "pose_guider": PoseGuider(unet["block_out_channels"][0], block_out_channels=GUIDER),
    }
    for network in networks.values():
        network.eval()
        for parameter in network.parameters():
            if not parameter.any():  # zero at the start of training: nothing would pass
                parameter.normal_(std=0.02)
    return networks


def _pipeline(networks: dict[str, Any], config: dict[str, Any], options: dict[str, Any]) -> Any:
    from diffusers import DDIMScheduler
    from src.pipelines.pipeline_pose2vid_long import Pose2VideoPipeline

    schedule = dict(config["noise_scheduler_kwargs"], beta_schedule=options["beta_schedule"])
    pipeline = Pose2VideoPipeline(scheduler=DDIMScheduler(**schedule), **networks)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _keep_precision(dtype: Any) -> None:
    """Their reader of reference features rounds them to float16 whatever the networks are in."""
    from src.models.mutual_self_attention import ReferenceAttentionControl as Control

    update = Control.update
    Control.update = lambda reader, writer: update(reader, writer, dtype=dtype)


def _clamp_windows() -> None:
    """Windows that end at the last frame, in the place where their pipeline asks for them."""
    from src.pipelines import pipeline_pose2vid_long

    pipeline_pose2vid_long.get_context_scheduler = lambda name: clamped_windows


def clamped_windows(
    step: int, steps: int, frames: int, window: int, stride: int, overlap: int
) -> list[list[int]]:
    """Places of the frames of each window; the arguments are those of their schedulers."""
    if frames <= window:
        return [list(range(frames))]
    firsts = [*range(0, frames - window, window - overlap), frames - window]
    return [list(range(first, first + window)) for first in firsts]


if __name__ == "__main__":
    from serving import serve

    serve(INFO, load, answer)
