"""Networks whose features set metrics compare, by name, each with the file its weights are in.

`network(name, device)` gives the one instance of the process, its weights verified; `extract` runs
it on clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor, nn

from benchmark.backbones import efficientnet, i3d, inception, resnet3d, videomae
from benchmark.backbones.folding import Published
from benchmark.backbones.preprocessing import Preprocessing
from benchmark.backbones.repeatable import repeatable
from benchmark.backbones.transnet import TransNetFeatures
from benchmark.backbones.trunk import load_strictly, read_state
from mrfashion.artefacts import content_hash
from mrfashion.errors import UnknownNameError
from mrfashion.weights import recorded, weights_path


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network and its published file."""

    make: Callable[[], nn.Module]  # with IMAGES and FEATURES
    convert: Callable[[Published], dict[str, Tensor]] | None = None
    weights: str | None = None  # row of `mrfashion weights`; None: in an installed package
    under: tuple[str, ...] = ()  # where in the file the tensors are


BACKBONES: Mapping[str, Backbone] = {
    "i3d": Backbone(i3d.I3D, i3d.convert, "i3d-400"),
    "i3d-copies": Backbone(i3d.I3D, partial(i3d.convert, eps=i3d.COPIES_EPS), "i3d-400"),
    "i3d-styleganv": Backbone(i3d.I3D, i3d.convert, "i3d-styleganv-torchscript"),
    "i3d-vfid": Backbone(i3d.I3D, i3d.convert, "i3d-vfid-imagenet"),
    "inception": Backbone(inception.Inception, inception.convert, "inception-fid"),
    "inception-clean": Backbone(
        inception.Inception, inception.convert, "inception-clean-torchscript"
    ),
    "resnet3d": Backbone(resnet3d.ResNet3D, resnet3d.convert, "resnet3d-50", ("state_dict",)),
    "videomae": Backbone(
        videomae.VideoMAE, videomae.convert, "videomae-g-ssv2", ("model", "module")
    ),
    "efficientnet-lite0": Backbone(
        efficientnet.EfficientNetLite0, efficientnet.convert, "efficientnet-lite0"
    ),
    "transnet": Backbone(TransNetFeatures),
}

_loading = Lock()
_networks: dict[str, nn.Module] = {}


def network(name: str, device: str) -> nn.Module:
    """The network `name`; MissingRequirement says what to run where its weights are not here."""
    if name not in BACKBONES:
        raise UnknownNameError("backbone", name, BACKBONES)
    row = BACKBONES[name].weights
    with _loading:
        key = content_hash([name, device, recorded([row] if row else [])])
        if key not in _networks:
            _networks[key] = load(name, weights_path(row) if row else None).to(device)
        return _networks[key]


def load(name: str, path: Path | None) -> nn.Module:
    """The network `name` from its file, ready to run; InputRefused unless it holds it exactly."""
    state = read_state(path, BACKBONES[name].under) if path else {}
    return filled(name, state, str(path))


def filled(name: str, state: Mapping[str, Tensor], source: str) -> nn.Module:
    """The network `name` from the tensors of its file; InputRefused unless they are all of it."""
    backbone = BACKBONES[name]
    module = backbone.make()
    if backbone.convert:
        file = Published(state, source)
        load_strictly(module, backbone.convert(file), source)
        file.finish()
    return module.eval().requires_grad_(False)


@torch.inference_mode()
def extract(network: nn.Module, clips: Tensor, preprocessing: Preprocessing) -> Tensor:
    """b f h w 3, uint8 => b d, float32, on the network's device; of an image network (b f) d."""
    device = next(network.parameters()).device
    with repeatable(device):
        x = preprocessing(clips.to(device))
        if network.IMAGES:
            x = x.transpose(1, 2).flatten(0, 1)
        return network(x)  # type: ignore[no-any-return]
