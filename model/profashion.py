"""ProFashion, and by its switches the single-reference and ablation networks beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from model.config import NetworkConfig
from model.keypoint_flow import KeypointFlow
from model.pose_encoder import PoseEncoder, PoseFeatures
from model.prototype_aggregator import PrototypeAggregator
from model.prototype_instantiator import Conditioning, PrototypeInstantiator
from model.reference_encoder import ReferenceEncoder, ReferenceFeatures, References

# What each training stage moves, by part (see `ProFashion.part_of`); the rest stays to the bit.
STAGES: dict[int, tuple[str, ...]] = {
    1: ("pose_encoder", "reference_encoder", "image_encoder", "aggregator", "denoiser"),
    2: ("motion", "flow"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a training step compares with the truth."""

    velocity: Tensor  # b f c h w
    conditioning: Conditioning


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """What the references say, whatever frames are asked for."""

    features: ReferenceFeatures
    poses: PoseFeatures
    valid: Tensor | None  # b r, bool; None: all


class ProFashion(nn.Module):
    """Poses and references => conditioning, once a video; noisy latents => velocity, each step."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.pose_encoder = PoseEncoder(config)
        self.reference_encoder = ReferenceEncoder(config)
        self.aggregator = PrototypeAggregator(config)
        self.keypoint_flow = KeypointFlow(config) if config.flow != "off" else None
        self.instantiator = PrototypeInstantiator(config)

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor | int,
        drawings: Tensor,
        references: References,
        apart: bool = False,
    ) -> Prediction:
        """Noisy latents b f c h w at timesteps b, told poses b f 3 H W and references.

        Frames that stand `apart` are pictures without neighbours: stage 1 trains many a person,
        whose references are read once. Latents are then (b f) 1 c h w at timesteps (b f).
        """
        conditioning = self.condition(drawings, references, apart)
        return Prediction(self.denoise(latents, timestep, conditioning), conditioning)

    def condition(
        self, drawings: Tensor, references: References, apart: bool = False
    ) -> Conditioning:
        """The left half of the figure: all that does not depend on the noise."""
        return self.tell(drawings, self.read(references), apart)

    def read(self, references: References) -> Read:
        """What no frame changes."""
        if self.config.aggregation == "single":
            references = references.first()
        features = self.reference_encoder(references)
        return Read(features, self.pose_encoder(references.drawings), references.valid)

    def tell(self, drawings: Tensor, read: Read, apart: bool = False) -> Conditioning:
        """What each frame is told of the references; of its neighbours it sees the pose alone."""
        pose = self.pose_encoder(drawings)
        prototypes = self.aggregator(pose, read.poses, read.features, read.valid)
        if apart:
            return Conditioning(pose.latent, prototypes, {}).apart()
        offsets: dict[int, Tensor] = {}
        if self.keypoint_flow is not None and drawings.shape[1] > 1:  # a lone frame does not move
            offsets = self.keypoint_flow(drawings)
        return Conditioning(pose.latent, prototypes, offsets)

    def denoise(self, latents: Tensor, timestep: Tensor | int, told: Conditioning) -> Tensor:
        """The right half: velocity b f c h w."""
        velocity: Tensor = self.instantiator(latents, timestep, told)
        return velocity

    def enable_gradient_checkpointing(self) -> None:
        """Trade time for memory in both U-Nets."""
        self.reference_encoder.unet.enable_gradient_checkpointing()
        self.instantiator.unet.enable_gradient_checkpointing()

    def part_of(self, name: str) -> str:
        """Which part of the network a parameter belongs to, by its name."""
        if name.startswith("reference_encoder.image_encoder."):
            return "frozen" if self.config.image_encoder.kind == "clip" else "image_encoder"
        if name.startswith(("keypoint_flow.", "instantiator.flow_attention.")):
            return "flow"
        if name.startswith("instantiator."):
            return "motion" if ".motion_modules." in name else "denoiser"
        return name.split(".")[0]

    def trainable(self, stage: int, also: Iterable[str] = ()) -> list[str]:
        """Names of the parameters that a stage moves, `also` those of more parts."""
        parts = {*STAGES[stage], *also}
        return [name for name, _ in self.named_parameters() if self.part_of(name) in parts]
