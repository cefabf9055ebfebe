"""What a training step sees, where it comes from, and how that is configured.

`TurntableData` is rendered as the training goes, and needs no video decoder;
`DatasetData` reads the clips of a curated dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from mrfashion.sources.turntable.clips import MOTIONS, TurntableConfig

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CLIPS = 3  # of a garment group: the target, and two that lend references


@dataclass(frozen=True, slots=True, eq=False)
class TrainingBatch:
    """Samples of one step, on the training device."""

    frames: Tensor  # b f 3 H W, float32 in [-1, 1]
    keypoints: Tensor  # b f k 3, pixels of `frames`; missing is (NaN, NaN, 0)
    references: Tensor  # b r 3 H W, float32 in [-1, 1]; 0 in padding
    reference_keypoints: Tensor  # b r k 3; missing in padding
    reference_valid: Tensor  # b r, bool; padding at the end, at least one valid
    yaw_deg: Tensor  # b f, NaN where the estimate abstained
    mask: Tensor | None  # b f H W, bool: the person, where it is known
    groups: tuple[str, ...]  # garment group of each sample: the unit of statistics


class TrainingData(Protocol):
    """Batches of one process; implementations inherit nothing."""

    def batches(self, first: int) -> Iterator[TrainingBatch]:
        """Batches `first`, `first` + 1, ... without end.

        Batch n depends on what `identity` names, the rank and n alone, so `batches(n)` resumes.
        """
        ...

    def validation(self) -> Iterator[TrainingBatch]:
        """Held-out clips of consecutive frames, the same ones each time and in every process.

        The number of references is fixed and they cover the views, front and back first; the
        last batch may be small.
        """
        ...

    def identity(self) -> dict[str, Any]:
        """Plain JSON of all that decides the batches: a resumed run refuses another."""
        ...


@dataclass(frozen=True, slots=True)
class TurntableData:
    """Garment groups rendered as the training goes: a pool that is renewed slice by slice.

    Our choice: of each group a target clip and two reference clips are rendered, all with their
    own motion and backdrop, so that no reference is a frame of the target's clip. One of the
    reference clips turns all round. `slices` bounds the memory: at 96x64 a group takes 0.9 MB.
    On a GPU each worker takes some of its memory too, about 2 GB: fewer `slice_groups`, less.
    """

    size: tuple[int, int] = (96, 64)  # h, w
    seed: int = 0  # of the people and clips; the run's own seed decides which are drawn when
    groups: int = 16_384  # people and outfits to train on; afterwards they come again
    clip_frames: int = 48
    fps: int = 16
    target_frames: int = 24  # kept of a target clip: spread over it, or consecutive
    reference_frames: int = 12  # kept of the two reference clips together, most of the turn
    references: tuple[int, int] = (1, 5)  # least and most of a sample
    covering: float = 0.5  # share of samples whose references take front, back and sides in turn
    slice_groups: int = 32  # groups rendered together, by each process
    slices: int = 64  # kept; the oldest makes room for the next
    slice_steps: int = 80  # batches until the next slice joins
    renders: Literal["device", "cpu"] = "device"  # cpu: many cores spare the training's GPU
    workers: int = 2  # processes that render ahead; 0: the training waits for each slice
    validation_groups: int = 32
    validation_frames: int = 16
    validation_references: int = 4
    lettering: float = 0.4  # share of groups with letters on the garment
    loose_hem: float = 0.4  # share of groups with a hem that swings
    motions: tuple[str, ...] = MOTIONS  # of the target clips, dealt in turn

    def __post_init__(self) -> None:
        least = dict.fromkeys(("slice_groups", "slices", "slice_steps", "validation_groups"), 1)
        least |= {"target_frames": 1, "reference_frames": 2, "workers": 0}
        least |= {"validation_frames": 1, "validation_references": 1}
        _check_least(self, least)
        self.footage()  # refuses what the renderer would
        _check_references(self.references)
        if not 0 <= self.covering <= 1:
            raise ValueError(f"covering is {self.covering}; give a share from 0 to 1")
        for name in ("target_frames", "validation_frames", "reference_frames"):
            if getattr(self, name) > self.clip_frames:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; a clip has clip_frames = {self.clip_frames}"
                )
        wanted = max(self.references[1], self.validation_references)
        if wanted > self.reference_frames:
            raise ValueError(
                f"reference_frames is {self.reference_frames}; keep at least the {wanted} that "
                "references or validation_references ask for"
            )

    def footage(self) -> TurntableConfig:
        """How clips of these groups look."""
        return TurntableConfig(
            groups=self.groups,
            clips_per_group=CLIPS,
            frames=self.clip_frames,
            fps=self.fps,
            height=self.size[0],
            width=self.size[1],
            seed=self.seed,
            lettering=self.lettering,
            loose_hem=self.loose_hem,
            flow=False,
            motions=self.motions,
        )


@dataclass(frozen=True, slots=True)
class DatasetData:
    """Clips of a curated dataset; its evaluation samples of another split validate."""

    root: Path
    split: str = "train"
    validation_split: str = "val"
    size: tuple[int, int] = (96, 64)  # h, w; clips are letterboxed
    references: tuple[int, int] = (1, 5)  # least and most of a sample
    stride: int = 1  # between consecutive frames
    workers: int = 2  # processes that decode ahead; 0: the training waits for each batch
    validation_samples: int = 32  # at most: the first by id

    def __post_init__(self) -> None:
        _check_least(self, {"stride": 1, "workers": 0, "validation_samples": 1})
        _check_references(self.references)
        if min(self.size) < 8:
            raise ValueError(f"size is {self.size}; give (height, width) of at least 8 each")
        if self.split == self.validation_split:
            raise ValueError(
                f"split and validation_split are both {self.split!r}; what is trained on cannot "
                "validate"
            )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a training stage asks for, and the process that asks."""

    batch: int  # samples a step
    frames: int  # of a sample
    consecutive: bool
    seed: int
    rank: int
    world: int

    def __post_init__(self) -> None:
        _check_least(self, {"batch": 1, "frames": 1, "seed": 0, "rank": 0})
        if self.rank >= self.world:
            raise ValueError(f"rank is {self.rank} of {self.world} processes; it counts from 0")


def open_data(
    config: TurntableData | DatasetData,
    *,
    batch: int,
    frames: int,
    consecutive: bool,
    seed: int,
    rank: int = 0,
    world: int = 1,
    device: str | torch.device = "cpu",
) -> TrainingData:
    """Data of process `rank` of `world`: `batch` samples of `frames` frames each step.

    `consecutive` asks for frames that follow each other; otherwise they are drawn at random from
    one clip, so that its references are read once for several targets.
    """
    wanted = Wanted(batch, frames, consecutive, seed, rank, world)
    if isinstance(config, DatasetData):
        from model.dataset_data import CuratedData

        return CuratedData(config, wanted, device)
    from model.turntable_data import RenderedData

    return RenderedData(config, wanted, device)


def _check_least(config: object, least: dict[str, int]) -> None:
    for name, value in least.items():
        if getattr(config, name) < value:
            raise ValueError(f"{name} is {getattr(config, name)}; give at least {value}")


def _check_references(references: tuple[int, int]) -> None:
    if not 1 <= references[0] <= references[1]:
        raise ValueError(f"references is {references}; give the least, 1 or more, and the most")
