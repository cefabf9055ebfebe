"""How much of a run to do now, and on what; nothing of the task."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from benchmark.executors import EXECUTORS
from mrfashion.errors import ConfigError, MissingRequirement, UnknownNameError

DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """How much of a run to do now, and on what. None of it decides pixels but device and dtype."""

    device: str = "cpu"  # cpu, cuda or cuda:N; several, by commas: a process each
    dtype: str = "float32"
    executor: str | None = None  # None: this process for one device, else processes
    batch: int = 1  # videos at once, of a generator that can
    timeout_s: float | None = None  # of a video; then processes, which can be killed
    force: bool = False
    shard: tuple[int, int] = (0, 1)  # (i, n): every n-th sample from the i-th on, i from 0
    limit: int | None = None  # the first N samples of the shard

    def __post_init__(self) -> None:
        for device in self.devices:
            if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", device):
                raise ConfigError(f"device is {device!r}; allowed: cpu, cuda or cuda:N")
        if len({device.split(":")[0] for device in self.devices}) > 1:
            raise ConfigError(
                f"devices are {self.device}; allowed: of one kind, since CPU and CUDA give other "
                "pixels"
            )
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}; allowed: {', '.join(DTYPES)}")
        if not 0 <= self.shard[0] < self.shard[1]:
            i, n = self.shard
            raise ConfigError(f"shard is {i}/{n}; allowed: i/N with i from 0 to N-1")
        for name, value in (("limit", self.limit), ("batch", self.batch)):
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; allowed: 1 and above")
        if self.timeout_s is not None and not 0 < self.timeout_s < math.inf:
            raise ConfigError(f"timeout is {self.timeout_s} s; allowed: above 0")
        if self.executor is not None and self.executor not in EXECUTORS:
            raise UnknownNameError("executor", self.executor, EXECUTORS)
        if self.where == "here" and not self._alone:
            raise ConfigError(
                "this process has one device and cannot stop its own work; several devices or a "
                "timeout need the executor 'process' or 'ray'"
            )

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices, one maker each."""
        return tuple(self.device.split(","))

    @property
    def where(self) -> str:
        """The executor's name."""
        return self.executor or ("here" if self._alone else "process")

    @property
    def _alone(self) -> bool:
        return len(self.devices) == 1 and self.timeout_s is None

    def require_devices(self) -> None:
        """MissingRequirement where a device is not there; Ray looks for its own."""
        cards = [d for d in self.devices if d != "cpu"] if self.where != "ray" else []
        for device in cards:
            _require_cuda(device)


def _require_cuda(device: str) -> None:
    import torch

    number = int(device.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        raise MissingRequirement(
            f"device {device} is not there: {torch.cuda.device_count()} CUDA devices, "
            f"PyTorch {torch.__version__}. Use --device cpu, or install a CUDA build"
        )
