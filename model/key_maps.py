"""Published names of weights => ours, and which of a published file's tensors go where."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from model.checkpoint import SHOWN, Shapes, differences
from mrfashion.errors import InputRefused

Rename = Callable[[str], str]
# In the order they apply. AnimateDiff's own names, which Moore-AnimateAnyone and MusePose keep.
ANIMATEDIFF = (
    (".temporal_transformer.", "."),
    (".attention_blocks.0.pos_encoder.", ".pos_embed."),
    (".attention_blocks.1.pos_encoder.", ".pos_embed."),
    (".attention_blocks.0.", ".attn1."),
    (".attention_blocks.1.", ".attn2."),
    (".norms.0.", ".norm1."),
    (".norms.1.", ".norm2."),
    (".ff_norm.", ".norm3."),
)
# Autoencoders published before diffusers 0.12, sd-vae-ft-mse among them.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
OLD_NAME = re.compile(rf"(\.attentions\.\d+)\.({'|'.join(OLD_ATTENTION)})\.(weight|bias)$")
POSITION_IDS = "vision_model.embeddings.position_ids"  # transformers stored these until 4.31


@dataclass(frozen=True, slots=True)
class Place:
    """What a published file has to fill, by the names that diffusers or transformers give it."""

    shapes: Shapes
    prefix: str = ""  # of these names in our network
    spare: frozenset[str] = frozenset()  # published, and read by nothing of ours
    computed: frozenset[str] = frozenset()  # ours already, where a file leaves them out


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A file's tensors by our names, and the names that were left."""

    tensors: dict[str, Tensor]
    unused: tuple[str, ...]


def places(shapes: Shapes) -> dict[str, Place]:
    """Those of a network with tensors of `shapes`."""
    unet, reference, guider, clip = (
        "instantiator.unet.",
        "reference_encoder.unet.",
        "pose_encoder.guider.",
        "reference_encoder.image_encoder.clip.",
    )
    stock = _under(shapes, unet)
    motion = {name: shape for name, shape in stock.items() if ".motion_modules." in name}
    frames = {name: shape for name, shape in stock.items() if name not in motion}
    cut = _under(shapes, reference)
    tables = frozenset(name for name in motion if name.endswith(".pos_embed.pe"))
    return {
        "denoiser": Place(frames, unet),
        "motion": Place(motion, unet, computed=tables),
        # Behind its last self-attention; of the last two layers Moore has none.
        "reference": Place(cut, reference, spare=frozenset(frames.keys() - cut.keys())),
        "guider": Place(_under(shapes, guider), guider),
        "image_encoder": Place(_under(shapes, clip), clip, spare=frozenset({POSITION_IDS})),
    }


def animatediff_name(name: str) -> str:
    """A motion module's name in diffusers; its own names stay."""
    for published, ours in ANIMATEDIFF:
        name = name.replace(published, ours)
    return name


def autoencoder_name(name: str) -> str:
    """An autoencoder's name in diffusers as of 0.12; later names stay."""
    return OLD_NAME.sub(lambda m: f"{m[1]}.{OLD_ATTENTION[m[2]]}.{m[3]}", name)


def place(
    published: Mapping[str, Tensor], into: Place, origin: str, rename: Rename = str
) -> Placed:
    """Every tensor of a file where it belongs.

    InputRefused, with the names, where one is missing, unknown, of another shape or no floating
    point numbers.
    """
    tensors = _renamed(published, rename, origin)
    unused = sorted(tensors.keys() & into.spare)
    taken = {name: tensor for name, tensor in tensors.items() if name not in into.spare}
    absent = into.computed - taken.keys()
    wanted = {name: shape for name, shape in into.shapes.items() if name not in absent}
    problems = differences(wanted, {name: tuple(t.shape) for name, t in taken.items()})
    if odd := [n for n, t in taken.items() if not _plain(t)]:
        problems.append(f"{len(odd)} no floating point: {', '.join(sorted(odd)[:SHOWN])}")
    if problems:
        raise InputRefused(
            f"{origin} does not fit the configured network: {'; '.join(problems)}. "
            "Choose the configuration it was trained with, or another file"
        )
    return Placed({into.prefix + name: t for name, t in taken.items()}, tuple(unused))


def _renamed(published: Mapping[str, Tensor], rename: Rename, origin: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, tensor in published.items():
        ours = rename(name)
        # Both attentions of a motion module bring the table of positions that diffusers has once.
        if ours in tensors and not torch.equal(tensors[ours], tensor):
            raise InputRefused(f"{origin} holds two different tensors for {ours}: {name} is one")
        tensors[ours] = tensor
    return tensors


def _plain(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.layout is torch.strided


def _under(shapes: Shapes, prefix: str) -> Shapes:
    named = ((name.removeprefix(prefix), shape) for name, shape in shapes.items())
    return {name: shape for name, shape in named if prefix + name in shapes}
