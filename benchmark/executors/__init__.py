"""Where makers run: in this process, in processes of their own, or in Ray's actors."""

from collections.abc import Callable, Sequence

from benchmark.executors.here import make_here
from benchmark.executors.processes import make_in_processes
from benchmark.executors.ray_actors import make_in_ray
from benchmark.maker import Job, Making, Work

Executor = Callable[[Work, Sequence[Job]], Making]

EXECUTORS: dict[str, Executor] = {
    "here": make_here,
    "process": make_in_processes,
    "ray": make_in_ray,
}
