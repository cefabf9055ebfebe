"""Write `perceptual.jsonl`: what the published LPIPS and ST-LPIPS make of seeded images.

In an environment of its own, with torch, torchvision, ipython and torchsummary:
`pip install --no-deps lpips==0.1.4 stlpips-pytorch==0.0.2`, then
`python -m tests.golden.perceptual`.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

GOLDEN = Path(__file__).with_suffix(".jsonl")
NETWORKS = ("lpips-alex", "lpips-vgg", "lpips-squeeze", "st-lpips-alex", "st-lpips-vgg")
SIZES = ((64, 64), (47, 55), (96, 66))  # h, w; the seed is the index


def image_pair(seed: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two h w 3 uint8: a patchwork, and the same with noise and a pixel to the left."""
    rng = np.random.default_rng(seed)
    height, width = size
    patches = rng.integers(20, 235, (height // 8 + 1, width // 8 + 1, 3))
    image = patches.repeat(8, 0).repeat(8, 1)[:height, :width]
    other = np.roll(image, -1, axis=1) + rng.normal(0, 12, image.shape)
    return image.astype(np.uint8), other.clip(0, 255).astype(np.uint8)


def random_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Weights that keep activations near one, the same everywhere; heads are not negative."""
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    values *= np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
    return torch.from_numpy(np.abs(values) if name.startswith("lin") else values).float()


def summary(layer: torch.Tensor) -> list[float]:
    """A layer in three numbers, one of which tells where its values lie."""
    values = layer.double().flatten()
    ramp = torch.linspace(0, 1, len(values), dtype=torch.float64)
    return [
        float(x) for x in (values.mean(), values.square().mean().sqrt(), (values * ramp).mean())
    ]


def main() -> None:
    """Overwrite the golden file."""
    without_operators()
    cases: list[dict[str, Any]] = []
    files = {}
    for name in NETWORKS:
        network = _peer(name)
        files[name] = [_shapes(state) for state in _states(name, network)]
        if name.startswith("st-"):
            cases += [_case(name, "published", network, seed) for seed in range(len(SIZES))]
        for key, tensor in network.state_dict().items():
            if key.startswith(("net.", "lin")) and not key.startswith("lins."):
                tensor.copy_(random_tensor(layer_name(key), tuple(tensor.shape)))
        cases += [_case(name, "random", network, seed) for seed in range(len(SIZES))]
    rows = [*({"network": name, "files": shapes} for name, shapes in files.items()), *cases]
    GOLDEN.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def layer_name(key: str) -> str:
    """`net.slice2.3.weight`, as LPIPS has it => `features.3.weight`, as torchvision has it."""
    return "features." + key.split(".", 2)[2] if key.startswith("net.") else key


def _states(name: str, network: Any) -> list[dict[str, torch.Tensor]]:
    """What the published files of a network hold."""
    if name.startswith("st-"):
        return [{k: v for k, v in network.state_dict().items() if not k.startswith("lins.")}]
    import torchvision

    model = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}[name.split("-")[1]]
    heads = {
        k: v for k, v in network.state_dict().items() if k.startswith("lin") and k[3].isdigit()
    }
    return [getattr(torchvision.models, model)(weights=None).state_dict(), heads]


def _shapes(state: dict[str, torch.Tensor]) -> dict[str, list[int]]:
    return {key: list(tensor.shape) for key, tensor in state.items()}


def _case(name: str, weights: str, network: Any, seed: int) -> dict[str, Any]:
    pair = image_pair(seed, SIZES[seed])
    zero_one = [torch.from_numpy(x).permute(2, 0, 1)[None].float() / 255 for x in pair]
    a, b = (2 * x - 1 for x in zero_one)
    with torch.no_grad():
        layers = network.net(network.scaling_layer(a))
        case = {
            "network": name,
            "weights": weights,
            "seed": seed,
            "distance": network(a, b).item(),
            "distance_zero_one": network(*zero_one).item(),
            "layers": [summary(layer) for layer in layers],
        }
        network.spatial = True
        case["distance_spatial"] = network(a, b).mean().item()
        network.spatial = False
    return case


def _peer(name: str) -> Any:
    trunk = name.rsplit("-", 1)[1]
    if name.startswith("st-"):
        from stlpips_pytorch import stlpips

        return stlpips.LPIPS(net=trunk, variant="shift_tolerant", verbose=False)
    import lpips

    return lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False)


def without_operators() -> None:
    """torchvision's networks need none of its compiled operators, which fit one torch build."""
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_library"] = library  # as long as it lives, the operators do


if __name__ == "__main__":
    main()
