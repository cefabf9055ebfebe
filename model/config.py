"""What decides a ProFashion network: one frozen dataclass, from TOML presets in model/configs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from mrfashion.config import load_config

Aggregation = Literal["pose-aware", "nearest", "concat", "mean", "single"]
Similarity = Literal["dot", "cosine", "learned"]
Alignment = Literal["none", "token-attention"]
Flow = Literal["on", "unsupervised", "off"]
BetaSchedule = Literal["scaled_linear", "linear", "squaredcos_cap_v2"]
MAX_LEVELS, MAX_LAYERS = 8, 64
SCORED = ("pose-aware", "nearest")  # aggregations that compare poses


@dataclass(frozen=True, slots=True)
class CodecConfig:
    """What stands between pixels and the latents the denoiser works on."""

    kind: Literal["autoencoder-kl", "pixel-unshuffle"] = "autoencoder-kl"
    channels: tuple[int, ...] = (128, 256, 512, 512)  # of the autoencoder; halves the side between
    groups: int = 32
    unshuffle: int = 2  # pixels to a side of a latent
    scale: float = 0.18215  # latents = scale * what the autoencoder gives

    @property
    def factor(self) -> int:
        """Pixels to a side of one latent."""
        if self.kind == "pixel-unshuffle":
            return self.unshuffle
        return 1 << (len(self.channels) - 1)

    @property
    def latent_channels(self) -> int:
        """`c` of the latents."""
        return 3 * self.unshuffle**2 if self.kind == "pixel-unshuffle" else 4


@dataclass(frozen=True, slots=True)
class UNetConfig:
    """Shape of the denoiser and of its reference encoder; one entry a level, finest first."""

    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    attention: tuple[bool, ...] = (True, True, True, False)  # the middle block always attends
    heads: tuple[int, ...] = (8, 8, 8, 8)
    layers: int = 2
    groups: int = 32
    context: int = 768  # `d` of the global tokens
    motion_heads: tuple[int, ...] = (8, 8, 8, 8)
    motion_frames: int = 32  # most frames of a window
    motion_middle: bool = True  # AnimateDiff v3 has no motion module there, v2 has

    @property
    def attention_levels(self) -> tuple[int, ...]:
        """Levels with spatial attention; the deepest holds the middle block."""
        last = len(self.channels) - 1
        return tuple(i for i, attends in enumerate(self.attention) if attends or i == last)


@dataclass(frozen=True, slots=True)
class ImageEncoderConfig:
    """Where the global tokens come from: CLIP's published vision tower, or a small network."""

    kind: Literal["clip", "small"] = "clip"
    width: int = 1024
    layers: int = 24  # clip
    heads: int = 16  # clip
    patch: int = 14  # clip
    size: int = 224  # clip: side in pixels
    tokens: tuple[int, int] = (4, 2)  # small: h, w


@dataclass(frozen=True, slots=True)
class PoseConfig:
    """How poses are drawn and read."""

    style: str = "dwpose-133"
    canvas: int = 1  # drawn this many times larger and averaged down: strokes have fixed widths
    channels: tuple[int, ...] = (16, 32, 96, 256)  # halves the side between
    features: int = 128  # `d` of the maps that references are compared by


@dataclass(frozen=True, slots=True)
class DiffusionConfig:
    """One noise schedule for training and sampling; always v-prediction to zero terminal SNR."""

    beta_schedule: BetaSchedule = "scaled_linear"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    train_steps: int = 1000


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """A ProFashion network or one of its twins. The defaults are those of Stable Diffusion 1.5."""

    codec: CodecConfig = field(default_factory=CodecConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    image_encoder: ImageEncoderConfig = field(default_factory=ImageEncoderConfig)
    pose: PoseConfig = field(default_factory=PoseConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    aggregation: Aggregation = "pose-aware"
    similarity: Similarity = "dot"
    alignment: Alignment = "none"
    flow: Flow = "on"

    def __post_init__(self) -> None:
        self._check_counts()
        unet, levels = self.unet, len(self.unet.channels)
        for name in ("attention", "heads", "motion_heads"):
            if (got := len(getattr(unet, name))) != levels:
                raise ValueError(f"unet.{name} has {got} entries; unet.channels has {levels}")
        for name in ("heads", "motion_heads"):
            if any(c % h for c, h in zip(unet.channels, getattr(unet, name), strict=True)):
                raise ValueError(f"unet.{name} must divide unet.channels {unet.channels}")
        if any(channels % unet.groups for channels in unet.channels):
            raise ValueError(f"unet.groups {unet.groups} must divide {unet.channels}")
        if not any(unet.attention):
            raise ValueError("unet.attention needs a level that attends: references enter there")
        if (drawn := 1 << (len(self.pose.channels) - 1)) != self.codec.factor:
            raise ValueError(
                f"pose.channels scale drawings down by {drawn}; the codec by {self.codec.factor}"
            )
        if self.alignment != "none" and self.aggregation == "concat":
            raise ValueError("alignment needs one prototype; aggregation concat has none")

    def _check_counts(self) -> None:
        """Refuse what no network has, before it is built: configurations come with checkpoints."""
        for part in (self.codec, self.unet, self.image_encoder, self.pose, self.diffusion):
            for field_ in fields(part):
                value = getattr(part, field_.name)
                numbers = value if isinstance(value, tuple) else (value,)
                if any(isinstance(n, int) and not isinstance(n, bool) and n < 1 for n in numbers):
                    raise ValueError(f"{field_.name} is {value}; needed: at least 1")
                if len(numbers) > MAX_LEVELS:
                    raise ValueError(f"{field_.name} has {len(numbers)} entries; at most 8")
        if self.unet.layers > MAX_LEVELS or self.image_encoder.layers > MAX_LAYERS:
            raise ValueError("unet.layers is at most 8 and image_encoder.layers at most 64")
        if self.pose.canvas > MAX_LEVELS:
            raise ValueError(f"pose.canvas is {self.pose.canvas}; at most 8")

    @property
    def compares_poses(self) -> bool:
        """Whether references are weighed by similarity of pose."""
        return self.aggregation in SCORED

    @property
    def reads_pose_maps(self) -> bool:
        """Whether anything reads pose features beside the denoiser's input."""
        return self.compares_poses or self.alignment != "none"

    @property
    def size_multiple(self) -> int:
        """Height and width of frames must be multiples of this, in pixels."""
        return self.codec.factor << (len(self.unet.channels) - 1)


def load_network_config(path_or_preset: str | Path) -> NetworkConfig:
    """A TOML file or a preset in model/configs. ConfigError where it is wrong."""
    return load_config(NetworkConfig, path_or_preset, "model.configs")
