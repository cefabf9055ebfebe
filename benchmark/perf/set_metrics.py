"""What set metrics cost: `python -m benchmark.perf.set_metrics [--device cuda --clips 1000]`.

Clips a second of every backbone, from uint8 frames on the device to features, in full float32 as
they are scored; floating-point operations a second as a share of what the card reaches in a large
product of matrices, measured here; and milliseconds of a Frechet distance beside its peers. The
weights are random: they decide the numbers, not the time. Needs torch, numpy and scipy alone.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmark.backbones.features import BACKBONES, extract
from benchmark.backbones.preprocessing import PREPROCESSINGS, Preprocessing
from benchmark.frechet import frechet_distance

FRAMES, HEIGHT, WIDTH = 16, 512, 384
RECIPES = {  # of each architecture; variants of weights cost the same
    "i3d": "i3d-squash",
    "inception": "inception-pytorch-fid",
    "resnet3d": "resnet3d-disco",
    "videomae": "videomae-squash",
    "efficientnet-lite0": "efficientnet-squash",
}
SIDE_CPU, SIDE_CUDA = 1024, 8192  # of the product of matrices
BATCHES = {"videomae": 8}  # clips at once on a GPU; 16 otherwise
SETS = ((128, 2048), (512, 2048), (4096, 2048))  # n d


@dataclass(frozen=True, slots=True)
class Peak:
    """Floating-point operations a second of a large product."""

    name: str
    per_second: float


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clips", type=int, default=2, help="of each backbone")
    parser.add_argument("--backbone", nargs="+", choices=RECIPES, default=list(RECIPES))
    parser.add_argument("--sets", type=int, default=len(SETS), help="sizes of Frechet sets")
    options = parser.parse_args()
    device = torch.device(options.device)
    peaks = list(_peaks(device))
    print("products of matrices, TFLOP/s: " + ", ".join(f"{p.name} {_tera(p)}" for p in peaks))
    print(
        f"{'backbone':20}{'clips':>7}{'clips/s':>10}{'GFLOP/clip':>12}{'TFLOP/s':>9}   of the peak"
    )
    for name in options.backbone:
        _backbone(name, device, options.clips, peaks)
    print(f"\n{'Frechet, ms':20}" + "".join(f"{name:>20}" for name in _PEERS))
    for n, d in SETS[: options.sets]:
        print(f"n={n:<6} d={d:<10}" + "".join(f"{ms:>20}" for ms in _frechet(n, d, device)))


def _tera(peak: Peak) -> str:
    return f"{peak.per_second / 1e12:.2f}"


def _peaks(device: torch.device) -> Iterator[Peak]:
    """Of float32, and on CUDA of TF32 and bfloat16, which features do without."""
    side = SIDE_CUDA if device.type == "cuda" else SIDE_CPU
    kinds = [("float32", "highest", torch.float32)]
    if device.type == "cuda":
        kinds += [("TF32", "high", torch.float32), ("bfloat16", "highest", torch.bfloat16)]
    before = torch.get_float32_matmul_precision()
    try:
        for name, precision, dtype in kinds:
            torch.set_float32_matmul_precision(precision)
            a = torch.randn(side, side, device=device, dtype=dtype)
            yield Peak(name, 2 * side**3 / _seconds(lambda a=a: a @ a, device))  # type: ignore[misc]
    finally:
        torch.set_float32_matmul_precision(before)


def _seconds(job: Callable[[], object], device: torch.device, rounds: int = 5) -> float:
    """The best of several, the first of which only warms up."""
    times = []
    for _ in range(rounds + 1):
        _wait(device)
        started = time.perf_counter()
        job()
        _wait(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _backbone(name: str, device: torch.device, clips: int, peaks: list[Peak]) -> None:
    network, recipe = _random(name).to(device), PREPROCESSINGS[RECIPES[name]]
    at_once = min(clips, BATCHES.get(name, 16) if device.type == "cuda" else 1)
    batch = torch.randint(
        256, (at_once, FRAMES, HEIGHT, WIDTH, 3), dtype=torch.uint8, device=device
    )
    flops = _flops(network, batch[:1], recipe)
    extract(network, batch, recipe)
    _wait(device)
    started, done = time.perf_counter(), 0
    while done < clips:
        extract(network, batch, recipe)
        done += at_once
    _wait(device)
    per_second = done / (time.perf_counter() - started)
    reached = per_second * flops
    shares = ", ".join(f"{reached / peak.per_second:.1%} {peak.name}" for peak in peaks)
    tera = f"{flops / 1e9:>12.1f}{reached / 1e12:>9.2f}"
    print(f"{name:20}{done:>7}{per_second:>10.2f}{tera}   {shares}")


def _flops(network: nn.Module, clip: Tensor, recipe: Preprocessing) -> int:
    """Of one clip: convolutions and products, a multiplication and an addition each."""
    with FlopCounterMode(display=False) as counter:
        extract(network, clip, recipe)
    return int(counter.get_total_flops())


def _random(name: str) -> nn.Module:
    network, random = BACKBONES[name].make(), torch.Generator().manual_seed(0)
    state = {
        key: 0.02 * torch.randn(tensor.shape, generator=random) if tensor.is_meta else tensor
        for key, tensor in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


Features = NDArray[np.float64]


def _by_eigenvalues(a: Features, b: Features, device: torch.device) -> float:
    """torch-fidelity's way, in torch: eigenvalues of the product of covariances."""
    x, y = (torch.from_numpy(f).to(device) for f in (a, b))
    roots = torch.linalg.eigvals(torch.cov(x.T) @ torch.cov(y.T)).sqrt().real.sum()
    return float(
        (x.mean(0) - y.mean(0)).square().sum() + x.var(0).sum() + y.var(0).sum() - 2 * roots
    )


def _by_symmetry(a: Features, b: Features, device: torch.device) -> float:
    """Our way for many features, in torch."""
    x, y = (torch.from_numpy(f).to(device) for f in (a, b))
    values, vectors = torch.linalg.eigh(torch.cov(x.T))
    half = vectors * values.clamp_min(0).sqrt() @ vectors.T
    roots = torch.linalg.eigvalsh(half @ torch.cov(y.T) @ half).clamp_min(0).sqrt().sum()
    return float(
        (x.mean(0) - y.mean(0)).square().sum() + x.var(0).sum() + y.var(0).sum() - 2 * roots
    )


def _by_sqrtm(a: Features, b: Features, device: torch.device) -> float:
    """pytorch-fid's way."""
    from scipy import linalg

    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of singular products, which its users see too
        root = np.real(linalg.sqrtm(one @ two))
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(one) + np.trace(two) - 2 * np.trace(root))


_PEERS: dict[str, Callable[[Features, Features, torch.device], float]] = {
    "mrfashion": lambda a, b, device: frechet_distance(a, b),
    "scipy sqrtm": _by_sqrtm,
    "torch eigh": _by_symmetry,
    "torch eigvals": _by_eigenvalues,
}


def _frechet(n: int, d: int, device: torch.device) -> Iterator[str]:
    """Milliseconds, and how far the number is off ours where it is more than 1e-6 of it."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, n, d)) * np.linspace(0.1, 2, d)
    ours = frechet_distance(a, b)
    for peer in _PEERS.values():
        if peer is not _by_sqrtm:  # which takes long, and nothing of it is slower the first time
            peer(a, b, device)
        started = time.perf_counter()
        off = abs(peer(a, b, device) / ours - 1)
        ms = 1000 * (time.perf_counter() - started)
        yield f"{ms:.1f}" + ("" if off < 1e-6 else f" (off {off:.0e})")


if __name__ == "__main__":
    main()
