"""A loaded network answers requests: pictures and keypoints in, frames and weights out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.codec import Autoencoder, Codec
from model.pose_encoder import draw_poses
from model.profashion import ProFashion
from model.prototype_aggregator import Prototypes
from model.reference_encoder import References
from model.sampling import conditioned, sample
from model.sampling_settings import SamplingChoices, SamplingSettings, sampling_record
from mrfashion.generation import KEYPOINTS, Explanation, Request, Result, Unsupported
from mrfashion.loader import to_network, to_uint8


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """A network where it runs, and how it samples."""

    network: ProFashion
    codec: Codec
    sampling: SamplingSettings

    def to(self, device: str, dtype: str) -> Answering:
        """The same there, in float32, float16 or bfloat16."""
        there = torch.device(device), getattr(torch, dtype)
        self.network.to(*there)
        if isinstance(self.codec, Autoencoder):
            self.codec.vae.to(*there)
        return self

    def videos(self, requests: Sequence[Request]) -> list[Result]:
        """One for each; ValueError where they are not of one size and length."""
        settings, first = self._settings(requests), requests[0]
        drawings = self._drawn([request.keypoints for request in requests], first.frame_size, first)
        seeds = [request.seed for request in requests]
        made = sample(
            self.network, self.codec, self._references(requests), drawings, seeds, settings
        )
        effective = self._effective(settings)
        return [
            Result(
                frames=to_uint8(made.frames[i]),
                fps=request.fps,
                reference_weights=_own(made.reference_weights, i, request),
                effective=effective,
                warnings=tuple(_warnings(request)),
            )
            for i, request in enumerate(requests)
        ]

    def explanation(self, request: Request) -> Explanation:
        """Of the weights that `videos` would use; Unsupported where references are not weighed."""
        if self.network.config.aggregation == "concat":
            raise Unsupported("all references are read side by side: none has a weight")
        drawings = self._drawn([request.keypoints], request.frame_size, request)
        told = conditioned(self.network, self._references([request]), drawings, self.sampling)
        weights = _own(told.prototypes.reference_weights(), 0, request)
        assert weights is not None, "only concat has none"
        return Explanation(weights, self._maps(told.prototypes, request))

    def _settings(self, requests: Sequence[Request]) -> SamplingSettings:
        """The one way in which all are sampled."""
        asked = {(r.frames, r.size, r.frame_size, r.steps, r.guidance) for r in requests}
        if len(asked) != 1:
            raise ValueError(f"a batch is of one size, length and sampling; got {sorted(asked)}")
        first = requests[0]
        try:
            settings = SamplingChoices(steps=first.steps, guidance=first.guidance).over(
                self.sampling
            )
            settings.check(self.network.config)
        except ValueError as error:
            raise Unsupported(str(error)) from None
        return settings

    def _references(self, requests: Sequence[Request]) -> References:
        """Padded to the most that one has."""
        b, r = len(requests), max(len(request.references) for request in requests)
        size = requests[0].size
        images = np.zeros((b, r, *size, 3), np.uint8)
        keypoints = np.zeros((b, r, KEYPOINTS, 3), np.float32)  # of score 0: unseen
        valid = np.zeros((b, r), bool)
        for i, request in enumerate(requests):
            for j, reference in enumerate(request.references):
                images[i, j], keypoints[i, j] = reference.image, reference.keypoints
                valid[i, j] = True
        shown = to_network(images).to(self._device)
        latents = self.codec.encode(shown, self.sampling.chunk)
        drawings = self._drawn(list(keypoints), size, requests[0])
        some = None if valid.all() else torch.from_numpy(valid)
        return References(shown, latents, drawings, some)

    def _drawn(self, keypoints: Sequence[Any], source: tuple[int, int], request: Request) -> Tensor:
        """Keypoints f k 3 of each, in pixels of `source` => b f 3 H W in [0, 1]."""
        stacked = torch.from_numpy(np.stack(keypoints)).to(self._device)
        return draw_poses(stacked, source, request.size, self.network.config.pose)

    def _maps(self, prototypes: Prototypes, request: Request) -> dict[int, Any]:
        """By pixels to a side of a place: f r h w."""
        maps, factor = {}, self.network.config.codec.factor
        for level, weights in (prototypes.weights or {}).items():
            stride = factor << level
            grid = (request.size[0] // stride, request.size[1] // stride)
            alike = weights.shape[-1] == 1  # all places of a picture
            shape = weights.shape[1:3] + ((1, 1) if alike else grid)
            maps[stride] = weights[0].reshape(shape).cpu().numpy()
        return maps

    def _effective(self, settings: SamplingSettings) -> dict[str, Any]:
        config = self.network.config
        return {
            **sampling_record(settings),
            "aggregation": config.aggregation,
            "beta_schedule": config.diffusion.beta_schedule,
            "dtype": str(next(self.network.parameters()).dtype).removeprefix("torch."),
            "windows": "triangular weights, the last clamped to the end",
        }

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def _own(weights: Tensor | None, i: int, request: Request) -> Any:
    """Weights f r of one video, without the padding."""
    if weights is None:
        return None
    return weights[i, :, : len(request.references)].float().cpu().numpy()


def _warnings(request: Request) -> list[str]:
    driving, shown = request.keypoints, np.stack([r.keypoints for r in request.references])
    told = []
    for what, poses in (("frames", driving), ("references", shown)):
        seen = int((poses[..., 2] > 0).any(axis=1).sum())
        if seen < len(poses):
            told.append(f"no pose in {len(poses) - seen} of {len(poses)} {what}: drawn black")
    return told
