"""What a stage moves, and how all of it reaches the disk and comes back to the bit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.profashion import ProFashion
from model.training_config import Stage
from mrfashion.artefacts import atomic_path, canonical_json
from mrfashion.errors import InputRefused

FORMAT = "mrfashion-training-1"
KEPT = 2  # checkpoints of a run: should the newest be damaged, there is one before
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run is: `step` steps of stage `stage` are done."""

    stage: int  # its number
    step: int
    data: dict[str, Any] | None = None  # identity of what the stage is trained on; None: not begun


class Learner:
    """A stage's parameters, their AdamW and their moving average.

    All others stay to the bit: the optimiser does not know them and no gradient reaches them.
    They keep `requires_grad`: without it torch's attention on CPUs has crashed in its backward.
    """

    def __init__(self, network: ProFashion, stage: Stage) -> None:
        from diffusers.training_utils import EMAModel

        parameters = dict(network.named_parameters())
        own = set(network.trainable(stage.number))
        self.stage, self.network = stage, network
        names = network.trainable(stage.number, stage.also)
        shares = {name: _share(stage, name) if name in own else stage.also_rate for name in names}
        self.names = sorted(names, key=lambda name: shares[name])
        self.parameters = [parameters[name] for name in self.names]
        groups = [
            {"params": [parameters[name] for name in some], "share": share}
            for share, some in itertools.groupby(self.names, key=lambda name: shares[name])
        ]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=stage.weight_decay, fused=True)
        # It decays less in the first steps, so that early samples are not those of the start.
        self.average = EMAModel(self.parameters, decay=stage.ema, foreach=True)

    def update(self, step: int) -> Tensor:
        """Move by the gradients, at the rate of step 0, 1, ... => their norm before clipping."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.stage.max_grad_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.stage.rate(step) * group["share"]
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.average.step(self.parameters)
        return norm

    @contextmanager
    def averaged(self) -> Iterator[ProFashion]:
        """The network with the moving average's weights; afterwards with its own, to the bit."""
        own = [parameter.detach().clone() for parameter in self.parameters]
        self.average.copy_to(self.parameters)
        try:
            yield self.network
        finally:
            with torch.no_grad():
                for parameter, value in zip(self.parameters, own, strict=True):
                    parameter.copy_(value)

    def tensors(self) -> dict[str, Tensor]:
        """All that the weights do not hold."""
        held: dict[str, Tensor] = {}
        triples = zip(self.names, self.parameters, self.average.shadow_params, strict=True)
        for name, parameter, mean in triples:
            state = self.optimiser.state[parameter]
            held[f"average/{name}"] = mean
            held |= {f"{moment}/{name}": state[moment] for moment in MOMENTS}
        return held

    def restore(self, held: dict[str, Tensor], steps: int) -> None:
        """What `tensors` gave after `steps` steps."""
        self.average.shadow_params = [
            held[f"average/{name}"].to(parameter.device)
            for name, parameter in zip(self.names, self.parameters, strict=True)
        ]
        self.average.optimization_step = steps
        states = {
            number: {
                "step": torch.tensor(float(steps)),
                **{moment: held[f"{moment}/{name}"] for moment in MOMENTS},
            }
            for number, name in enumerate(self.names)
        }
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": states, "param_groups": groups})


def _share(stage: Stage, name: str) -> float:
    """Of the learning rate, that of a parameter of the stage's own."""
    return stage.offset_rate if name.startswith("keypoint_flow.") else 1.0


def save(folder: Path, network: ProFashion, at: Position, learner: Learner | None) -> Path:
    """Write a checkpoint, whole or not at all, and remove all but the newest ones."""
    from safetensors.torch import save_file

    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    if learner is not None:
        tensors |= learner.tensors()
    state = canonical_json({"stage": at.stage, "step": at.step, "data": at.data})
    path = folder / f"{at.stage}-{at.step:08d}.safetensors"
    with atomic_path(path) as temporary:
        flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(flat, temporary, {"format": FORMAT, "state": state})
    for old in checkpoints(folder)[KEPT:]:
        old.unlink()
    return path


def checkpoints(folder: Path) -> list[Path]:
    """Newest first; a half-written one has another name."""
    return sorted(folder.glob("[12]-*.safetensors"), reverse=True)


def newest(folder: Path) -> tuple[Position, dict[str, Tensor]] | None:
    """Position and tensors of the newest checkpoint that can be read; None: there is none.

    InputRefused where there are some and none can be read.
    """
    paths, problems = checkpoints(folder), []
    for path in paths:
        try:
            return _read(path)
        except InputRefused as error:
            problems.append(str(error))
    if problems:
        raise InputRefused(f"{'; '.join(problems)}; remove {folder} to start again")
    return None


def _read(path: Path) -> tuple[Position, dict[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        state = json.loads(header.get("state", ""))
        if header.get("format") != FORMAT:
            raise ValueError(f"its format is {header.get('format')!r}, needed {FORMAT!r}")
        return Position(int(state["stage"]), int(state["step"]), state["data"]), tensors
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputRefused(f"checkpoint {path} cannot be read: {error}") from None
