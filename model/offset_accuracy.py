"""How well learned offsets tell the motion of surfaces: python -m model.offset_accuracy CHECKPOINT

On turntable clips the renderer knows where every point of the body goes. Rivals on the same places:
offsets of zero, and the motion of the keypoints themselves spread over the body.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import typer
from einops import rearrange, reduce
from torch import Tensor

from model.checkpoint import load_network
from model.keypoint_flow import NEIGHBOURS, flow_targets
from model.pose_encoder import draw_poses
from model.profashion import ProFashion
from model.training_data import TurntableData
from mrfashion.sources.turntable.clips import TurntableConfig, clip_plan, stage_clip
from mrfashion.sources.turntable.renderer import Footage, render_batch

AHEAD = NEIGHBOURS.index(1)  # the renderer's flow goes to the next frame
MOVING = 0.5  # pixels of a level's grid: less is nearly the place itself
SEEN = 0.5  # least share of a cell's pixels whose motion the renderer knows
METHODS = ("zero", "keypoints", "learned")


@dataclass(frozen=True, slots=True)
class LevelAccuracy:
    """Errors of a garment group at a level, in pixels of its grid, over places that move."""

    garment_group: str
    level: int
    places: int
    zero: float  # mean length of the true motion: the error of saying that nothing moves
    keypoints: float  # of the motion of seen keypoints, weighted by inverse squared distance
    learned: float


@torch.no_grad()
def offset_accuracy(
    network: ProFashion, config: TurntableConfig, device: str | torch.device = "cpu"
) -> Iterator[LevelAccuracy]:
    """One row a garment group and level where anything moves; use groups not trained on."""
    if network.keypoint_flow is None:
        raise ValueError("this network has no offsets: flow is off; needed: on or unsupervised")
    size = (config.height, config.width)
    if any(side % network.config.size_multiple for side in size):
        raise ValueError(f"{size} pixels; needed: multiples of {network.config.size_multiple}")
    network = network.to(device).eval()
    plans = clip_plan(config)
    for group in sorted({plan.garment_group for plan in plans}):
        clips = [stage_clip(plan, config) for plan in plans if plan.garment_group == group]
        films = render_batch(clips, size, device=device, flow=True)
        for level, told in _offsets(network, films, size).items():
            errors = [_errors(film, maps, size) for film, maps in zip(films, told, strict=True)]
            if any(len(clip["zero"]) for clip in errors):
                yield LevelAccuracy(group, level, *_means(errors))


def _offsets(network: ProFashion, films: list[Footage], size: tuple[int, int]) -> dict[int, Tensor]:
    """Learned offsets to the next frame by level: b f 2 h_l w_l."""
    assert network.keypoint_flow is not None
    keypoints = torch.stack([film.keypoints for film in films])
    drawings = draw_poses(keypoints, size, size, network.config.pose)
    offsets: dict[int, Tensor] = network.keypoint_flow(drawings)
    return {level: maps[:, :, AHEAD] for level, maps in offsets.items()}


def _errors(film: Footage, learned: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
    """Lengths of the errors of every method at the places that move, n."""
    grid = (learned.shape[-2], learned.shape[-1])
    truth, known = grid_flow(film, grid)
    moving = known & (truth.norm(dim=1) > MOVING)
    spread = spread_motion(film.keypoints, size, grid)[:-1]
    told = {"zero": torch.zeros_like(truth), "keypoints": spread, "learned": learned[:-1]}
    return {name: (maps - truth).norm(dim=1)[moving] for name, maps in told.items()}


def grid_flow(film: Footage, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Mean motion of the known pixels of each cell, f-1 2 h_l w_l in its pixels; where known."""
    assert film.flow is not None
    assert film.flow_valid is not None
    cell = film.flow.shape[1] // grid[0]
    cells = {"h": grid[0], "w": grid[1], "i": cell, "j": cell}
    valid = film.flow_valid[..., None].float()
    total = reduce(film.flow * valid, "f (h i) (w j) xy -> f xy h w", "sum", **cells)
    share = reduce(valid, "f (h i) (w j) 1 -> f 1 h w", "mean", **cells)
    return total / (share * cell**2).clamp(min=1) / cell, share[:, 0] >= SEEN


def spread_motion(keypoints: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Motion of keypoints f k 3 to the next frame, at every place: f 2 h_l w_l."""
    targets = flow_targets(keypoints[None], size, grid)
    rows, columns = (torch.arange(n, device=keypoints.device) for n in grid)
    places = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1).float()
    away = rearrange(places, "h w xy -> 1 (h w) 1 xy") - targets.points[0][:, None]
    weights = targets.seen[0, :, AHEAD][:, None] / (away.square().sum(dim=-1) + 0.25)
    weights = weights / weights.sum(dim=-1, keepdim=True).clamp(min=1e-6)
    spread = weights @ targets.motion[0, :, AHEAD]
    return rearrange(spread, "f (h w) xy -> f xy h w", h=grid[0])


def _means(errors: list[dict[str, Tensor]]) -> tuple[int, float, float, float]:
    """Number of places, and the mean error of each method over all clips."""
    joined = {name: torch.cat([clip[name] for clip in errors]) for name in METHODS}
    zero, keypoints, learned = (float(joined[name].mean()) for name in METHODS)
    return len(joined["zero"]), zero, keypoints, learned


def table(rows: list[LevelAccuracy]) -> str:
    """Means over all places of all groups, by level."""
    lines = [f"{'level':>5} {'places':>8} {'zero':>7} {'keypoints':>9} {'learned':>8} {'share':>6}"]
    for level in sorted({row.level for row in rows}):
        own = [row for row in rows if row.level == level]
        places = sum(row.places for row in own)
        zero, keypoints, learned = (
            sum(getattr(row, name) * row.places for row in own) / places for name in METHODS
        )
        numbers = f"{zero:7.3f} {keypoints:9.3f} {learned:8.3f} {learned / zero:6.0%}"
        lines.append(f"{level:5d} {places:8d} {numbers}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--groups", type=int, default=16)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument(
        "--frames",
        type=int,
        default=TurntableData().clip_frames,
        help="of a clip, as in training: who turns does so once in any clip, faster in a short one",
    )
    parser.add_argument("--seed", type=int, default=990_001, help="of groups no training draws")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="JSON of every row")
    chosen = parser.parse_args()
    config = TurntableConfig(
        groups=chosen.groups,
        frames=chosen.frames,
        height=chosen.height,
        width=chosen.width,
        seed=chosen.seed,
    )
    network = load_network(chosen.checkpoint)
    rows = list(offset_accuracy(network, config, chosen.device))
    typer.echo(f"errors in pixels of each level's grid, where motion exceeds {MOVING} of them")
    typer.echo(table(rows))
    if chosen.out:
        chosen.out.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
