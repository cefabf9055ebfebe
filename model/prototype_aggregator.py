"""PPA, the pose-aware prototype aggregator: many references => one prototype for each frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import einsum, rearrange, reduce, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from model.backbone import level_of
from model.config import NetworkConfig, Similarity
from model.pose_encoder import PoseFeatures
from model.reference_encoder import ReferenceFeatures


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes:
    """What a frame attends to in the references, and how it was mixed.

    Tokens come in `s` parts of equal length, each of which stands for a reference where they are
    concatenated; else there is one. `valid` says which parts a sample has.
    """

    fine: dict[str, Tensor]  # by layer: b f (s n_l) c_l; empty: the denoiser stands alone
    tokens: Tensor  # b f (s n) d, global
    fine_valid: Tensor | None = None  # b s, bool; None: all
    tokens_valid: Tensor | None = None
    weights: dict[int, Tensor] | None = None  # by level: b f r n_l, float32; None: concatenated
    global_weights: Tensor | None = None  # b f r

    def frames(self, some: slice) -> Prototypes:
        """Those of a window. Each frame's depend on its own pose alone, so windows agree."""
        fine = {name: tokens[:, some] for name, tokens in self.fine.items()}
        local = self.weights and {level: w[:, some] for level, w in self.weights.items()}
        whole = None if self.global_weights is None else self.global_weights[:, some]
        tokens = self.tokens[:, some]
        return replace(self, fine=fine, tokens=tokens, weights=local, global_weights=whole)

    def apart(self) -> Prototypes:
        """Those of (b f) clips of one frame each."""
        frames, valid, whole = self.tokens.shape[1], self.fine_valid, self.global_weights
        tokens_valid = self.tokens_valid
        return Prototypes(
            {name: _apart(tokens) for name, tokens in self.fine.items()},
            _apart(self.tokens),
            None if valid is None else valid.repeat_interleave(frames, dim=0),
            None if tokens_valid is None else tokens_valid.repeat_interleave(frames, dim=0),
            self.weights and {level: _apart(weights) for level, weights in self.weights.items()},
            None if whole is None else _apart(whole),
        )

    def reference_weights(self) -> Tensor | None:
        """b f r, rows sum to 1: the mean over the places of all levels; None: concatenated."""
        if not self.weights:
            return None
        means = [reduce(weights, "b f r n -> b f r", "mean") for weights in self.weights.values()]
        return torch.stack(means).mean(dim=0)


def no_prototypes(tokens: Tensor) -> Prototypes:
    """The null of guidance for frames of `tokens` b f n d: an empty bank, one token of zeros."""
    return Prototypes({}, torch.zeros_like(tokens[:, :, :1]))


class PrototypeAggregator(nn.Module):
    """Every aggregation of SPEC 5; `single` is `mean` over the one reference that reaches it."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.aggregation, self.depth = config.aggregation, len(config.unet.channels)
        self.levels, d = config.unet.attention_levels, config.pose.features
        scored = [*map(str, self.levels), "global"] if config.compares_poses else []
        self.similarity = nn.ModuleDict(
            {place: PoseSimilarity(config.similarity, d) for place in scored}
        )
        gated = self.levels if config.alignment == "token-attention" else ()
        self.gates = nn.ParameterDict({str(i): nn.Parameter(torch.zeros(())) for i in gated})

    def forward(
        self,
        pose: PoseFeatures,
        shown: PoseFeatures,
        features: ReferenceFeatures,
        valid: Tensor | None,
    ) -> Prototypes:
        """Prototypes for the frames of `pose` from references in poses `shown`; `valid` b r."""
        if self.aggregation == "concat":
            return concatenated(features, valid, frames=pose.latent.shape[1])
        local, whole = self._weights(pose, shown, valid)
        fine = {
            name: self._prototype(level_of(name, self.depth), bank, local, pose, shown, valid)
            for name, bank in features.fine.items()
        }
        tokens = mixed(whole[..., None], features.tokens)
        some = None if valid is None else valid.any(dim=1, keepdim=True)
        return Prototypes(fine, tokens, some, None, local, whole)

    def _weights(
        self, pose: PoseFeatures, shown: PoseFeatures, valid: Tensor | None
    ) -> tuple[dict[int, Tensor], Tensor]:
        """By level b f r n, and over the whole picture b f r."""
        if not self.similarity:
            b, r, f = *shown.latent.shape[:2], pose.latent.shape[1]
            even = weigh(torch.zeros(b, f, r, 1, device=pose.latent.device), valid)
            return dict.fromkeys(self.levels, even), even[..., 0]
        scores = {
            level: self.similarity[str(level)](
                _tokens(pose.maps[level]), _tokens(shown.maps[level])
            )
            for level in self.levels
        }
        assert pose.pooled is not None
        assert shown.pooled is not None
        whole = self.similarity["global"](pose.pooled[:, :, None], shown.pooled[:, :, None])
        hard = self.aggregation == "nearest"
        weights = {level: weigh(score, valid, hard) for level, score in scores.items()}
        return weights, weigh(whole, valid, hard)[..., 0]

    def _prototype(
        self,
        level: int,
        bank: Tensor,
        weights: dict[int, Tensor],
        pose: PoseFeatures,
        shown: PoseFeatures,
        valid: Tensor | None,
    ) -> Tensor:
        prototype = mixed(weights[level], bank)
        if str(level) not in self.gates:
            return prototype
        moved: Tensor = aligned(_tokens(pose.maps[level]), _tokens(shown.maps[level]), bank, valid)
        gated: Tensor = prototype + self.gates[str(level)] * moved
        return gated


class PoseSimilarity(nn.Module):
    """s[f, r, p]: how alike two poses are at a place of the grid. Starts as the plain product."""

    def __init__(self, kind: Similarity, features: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "learned":
            self.scorer = nn.Sequential(
                nn.Linear(3 * features, features), nn.SiLU(), nn.Linear(features, 1)
            )
            return
        self.project = nn.Linear(features, features, bias=False)
        nn.init.eye_(self.project.weight)
        if kind == "cosine":
            self.log_tau = nn.Parameter(torch.tensor(10.0).log())

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Poses b f n d and b r n d => scores b f r n, float32."""
        if self.kind == "learned":
            q = repeat(query, "b f n d -> b f r n d", r=key.shape[1])
            k = repeat(key, "b r n d -> b f r n d", f=query.shape[1])
            learned: Tensor = self.scorer(torch.cat([q, k, q * k], dim=-1))[..., 0].float()
            return learned
        q, k = self.project(query).float(), self.project(key).float()
        scale: Tensor | float = q.shape[-1] ** -0.5
        if self.kind == "cosine":
            q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
            scale = self.log_tau.float().exp()
        with torch.autocast(q.device.type, enabled=False):
            scores: Tensor = scale * einsum(q, k, "b f n d, b r n d -> b f r n")
        return scores


def weigh(scores: Tensor, valid: Tensor | None, hard: bool = False) -> Tensor:
    """Scores b f r n => weights over the valid references, float32; all 0 where there is none.

    `hard` takes the best one, and learns as the soft weights would (straight-through).
    """
    scores = scores.float()
    allowed = None if valid is None else rearrange(valid, "b r -> b 1 r 1")
    if allowed is not None:
        scores = scores.masked_fill(~allowed, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=2)
    if hard:
        best = torch.zeros_like(weights).scatter(2, scores.argmax(dim=2, keepdim=True), 1.0)
        weights = best + (weights - weights.detach())
    return weights if allowed is None else weights * allowed


def mixed(weights: Tensor, bank: Tensor) -> Tensor:
    """Weights b f r n, or b f r 1, of a bank b r n c => b f n c."""
    weights = weights.to(bank.dtype)
    if weights.shape[-1] == 1:
        return einsum(weights[..., 0], bank, "b f r, b r n c -> b f n c")
    return einsum(weights, bank, "b f r n, b r n c -> b f n c")


def aligned(pose: Tensor, shown: Tensor, bank: Tensor, valid: Tensor | None) -> Tensor:
    """Every place of a frame gathers the places of all references in a like pose: b f n c."""
    frames, places = pose.shape[1], bank.shape[2]
    query, key = (
        rearrange(pose, "b f n d -> b 1 (f n) d"),
        rearrange(shown, "b r n d -> b 1 (r n) d"),
    )
    some = mask = None
    if valid is not None:
        some = valid.any(dim=1)
        mask = (valid | ~some[:, None]).repeat_interleave(places, dim=1)[:, None, None]
    value = rearrange(bank, "b r n c -> b 1 (r n) c")
    moved = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    moved = rearrange(moved, "b 1 (f n) c -> b f n c", f=frames)
    return moved if some is None else moved * some[:, None, None, None]


def concatenated(features: ReferenceFeatures, valid: Tensor | None, frames: int) -> Prototypes:
    """All tokens of all references, for every frame: what one prototype is measured against."""
    fine = {
        name: repeat(bank, "b r n c -> b f (r n) c", f=frames)
        for name, bank in features.fine.items()
    }
    if valid is None:
        return Prototypes(fine, repeat(features.tokens, "b r n d -> b f (r n) d", f=frames))
    zeroed = features.tokens * valid[:, :, None, None]
    tokens = repeat(zeroed, "b r n d -> b f (r n) d", f=frames)
    # Without any reference all tokens are the null's zeros, which attention reads as one.
    return Prototypes(fine, tokens, valid, valid | ~valid.any(dim=1, keepdim=True))


def _apart(of_frames: Tensor) -> Tensor:
    return rearrange(of_frames, "b f ... -> (b f) 1 ...")


def _tokens(maps: Tensor) -> Tensor:
    return rearrange(maps, "b f d h w -> b f (h w) d")
