"""Makers as Ray actors: `mrfashion generate --executor ray --device cuda,cuda`, with a GPU each.

Ray chooses the cards. On several machines, dataset and run folder must lie where all reach them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from benchmark.executors.supervision import Answers, Died, Message, Ready, stopped, supervise
from benchmark.maker import Job, Maker, Making, Work
from mrfashion.errors import MissingRequirement


def make_in_ray(work: Work, jobs: Sequence[Job]) -> Making:
    """Do the jobs with an actor for each named device; joins a running cluster, or starts one."""
    return supervise(_Actors(work), work, jobs)


class _Actors:
    """The crew: Ray's futures tell who has something to say."""

    def __init__(self, work: Work) -> None:
        self.work, self.ray = work, _ray()
        if not self.ray.is_initialized():
            self.ray.init(include_dashboard=False, log_to_driver=True)

    def start(self, device: str) -> _ActorHand:
        kind = device.split(":")[0]  # an actor sees its own card alone, as number 0
        needs = {"num_cpus": 1, "num_gpus": int(kind == "cuda"), "max_restarts": 0}
        actor = self.ray.remote(**needs)(_Actor).remote(self.work, kind)
        return _ActorHand(self.ray, actor)

    def hear(
        self, hands: Sequence[_ActorHand], timeout_s: float | None
    ) -> Mapping[_ActorHand, Message]:
        busy = {hand.answer: hand for hand in hands if hand.answer is not None}
        speaking, _ = self.ray.wait(list(busy), num_returns=1, timeout=timeout_s)
        return {busy[answer]: busy[answer].said() for answer in speaking}


class _ActorHand:
    """A maker in an actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self.ray, self.actor = ray, actor
        self.answer: Any = actor.ready.remote()

    def give(self, job: Job) -> None:
        self.answer = self.actor.make.remote(job)

    def said(self) -> Message:
        answer, self.answer = self.answer, None
        try:
            message: Message = self.ray.get(answer)
            return message
        except self.ray.exceptions.RayActorError as error:
            return Died(f"its actor ended: {str(error).splitlines()[0]}")

    def stop(self, *, at_once: bool) -> None:
        with suppress(self.ray.exceptions.RayError):
            self.ray.kill(self.actor)


class _Actor:
    """What runs in the actor; errors travel as messages, not as Ray's own."""

    def __init__(self, work: Work, device: str) -> None:
        self.work, self.device = work, device

    def ready(self) -> Message:
        try:
            self.maker = Maker(self.work, self.device)
            return Ready()
        except Exception as error:
            return stopped(error)

    def make(self, job: Job) -> Message:
        try:
            return Answers(self.maker.make(job))
        except Exception as error:
            return stopped(error)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MissingRequirement(
            "the executor 'ray' needs Ray: pip install 'mrfashion[ray]'"
        ) from None
    return ray
