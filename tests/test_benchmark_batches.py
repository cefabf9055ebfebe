"""Batches: what goes together, what a full memory does, and whose fault a failing one is."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines.still import Still
from benchmark import entrants
from benchmark.attempts import Answer, Failed, attempt
from benchmark.batches import Batches
from benchmark.protocol import TaskOptions, make_task, task_samples
from benchmark.reduction import reduce_references
from benchmark.requests import build_request
from benchmark.results import GENERATIONS
from benchmark.runner import generate
from benchmark.running import Running
from mrfashion.errors import OutOfMemory
from mrfashion.generation import Request, Result, Unsupported
from mrfashion.manifest import Dataset


class Batcher(Still):
    """Makes batches, records them, and has as much memory as it is told."""

    info = replace(Still.info, name="batcher")

    def __init__(self, most: int = 99, full: Exception | None = None, bad: str = "") -> None:
        self.most, self.full, self.bad = most, full, bad
        self.calls: list[tuple[str, ...]] = []

    def generate_batch(self, requests: list[Request]) -> list[Result]:
        self.calls.append(tuple(request.sample_id[-2:] for request in requests))
        if len(requests) > self.most and self.full:
            raise self.full
        if self.bad in (request.sample_id[-2:] for request in requests):
            raise Unsupported("too short a skirt")
        return [self.generate(request) for request in requests]


@pytest.fixture(scope="module")
def requests(tiny_dataset: Path) -> list[Request]:
    dataset = Dataset(tiny_dataset)
    task = make_task(dataset, tiny_dataset, TaskOptions())
    whole = [build_request(dataset, sample, task) for sample in task_samples(dataset, task)]
    return [reduce_references(request, "front", 1) for request in whole]


def answers(generator: Batcher, requests: list[Request], size: int) -> list[Answer]:
    made = Batches(generator, "cpu", size).attempt(requests)
    assert all(isinstance(answer, Answer) for answer in made)
    return [answer for answer in made if isinstance(answer, Answer)]


def used(answer: Answer) -> Any:
    return answer.result.effective.get("batch")


@pytest.mark.parametrize("size", [2, 3, 8])
def test_batches_give_what_single_requests_give(requests: list[Request], size: int) -> None:
    made = answers(generator := Batcher(), requests, size)
    assert [len(call) for call in generator.calls] == {2: [2, 2], 3: [3, 1], 8: [4]}[size]
    for request, answer in zip(requests, made, strict=True):
        assert used(answer) == {"asked": size, "used": size}
        alone = attempt(Batcher(), request, "cpu").result
        assert np.array_equal(answer.result.frames, alone.frames)


def test_other_shapes_do_not_go_together(requests: list[Request]) -> None:
    wide = replace(requests[1], size=(32, 48))
    generator = Batcher()
    made = answers(generator, [requests[0], wide, requests[2], requests[3]], 4)
    assert generator.calls == [("00",), ("01",), ("02", "03")]
    assert made[1].result.frames.shape[1:3] == (32, 48)


def test_the_windows_of_a_long_video_are_a_batch(requests: list[Request]) -> None:
    """12 frames in windows of 5 with 1 shared: 3 windows a video, 6 of two."""
    generator = Batcher()
    generator.info = replace(generator.info, max_frames=5, overlap=1)
    made = answers(generator, requests[:2], 4)
    assert generator.calls == [("00", "00", "00", "01"), ("01", "01")]
    for request, answer in zip(requests, made, strict=False):
        assert np.array_equal(
            answer.result.frames, attempt(generator, request, "cpu").result.frames
        )


@pytest.mark.parametrize(
    "full",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        OutOfMemory("the worker process ran out of memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)"),
        MemoryError(),
    ],
)
def test_a_full_memory_halves_the_batch(
    requests: list[Request], full: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    generator = Batcher(most=1, full=full)
    made = answers(generator, requests, 4)
    assert [len(call) for call in generator.calls] == [4, 2, 1, 1, 1, 1]
    assert [used(answer) for answer in made] == [{"asked": 4, "used": 1}] * 4
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == [
        "batcher: 4 at once fill the memory; going on with 2",
        "batcher: 2 at once fill the memory; going on with 1",
    ]


def test_what_fits_is_remembered(requests: list[Request]) -> None:
    generator = Batcher(most=2, full=MemoryError())
    batches = Batches(generator, "cpu", 4)
    batches.attempt(requests)
    batches.attempt(requests)
    assert [len(call) for call in generator.calls] == [4, 2, 2, 2, 2]


def test_one_that_fits_not_even_alone_fails_and_may_be_tried_again(
    requests: list[Request],
) -> None:
    made = Batches(Batcher(most=0, full=MemoryError("no")), "cpu", 2).attempt(requests)
    text = "MemoryError: no"
    assert made == [Failed("generate.out-of-memory", text, retryable=True)] * 4


def test_one_failing_takes_no_other_with_it(requests: list[Request]) -> None:
    generator = Batcher(bad="01")
    made = Batches(generator, "cpu", 4).attempt(requests)
    assert [type(answer) for answer in made] == [Answer, Failed, Answer, Answer]
    assert made[1] == Failed("generate.unsupported", "too short a skirt")


def test_a_wrong_number_of_results_is_invalid(
    requests: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = Batcher()
    monkeypatch.setattr(generator, "generate_batch", lambda requests: [])
    (made, *_) = Batches(generator, "cpu", 4).attempt(requests)
    assert isinstance(made, Failed)
    assert (made.code, made.text) == ("generate.invalid", "0 results; asked: 1 in one batch")


def test_the_runner_batches_and_the_key_does_not_tell(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Batcher] = []

    def factory() -> Batcher:
        made.append(Batcher(most=2, full=MemoryError()))
        return made[-1]

    monkeypatch.setitem(entrants.ENTRANTS, "batcher", factory)
    generate(tiny_dataset, tmp_path, ["batcher"], running=Running(batch=4))
    assert [len(call) for call in made[-1].calls] == [4, 2, 2]
    for row in GENERATIONS.read(tmp_path / "generations.parquet"):
        assert json.loads(row.effective)["batch"] == {"asked": 4, "used": 2}
    assert generate(tiny_dataset, tmp_path, ["batcher"]).entrants["batcher"].reused == 4


def test_a_generator_without_batches_is_said_to_have_none(
    tiny_dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generate(tiny_dataset, tmp_path, ["still"], running=Running(batch=4))
    assert "still makes no batches; one video at a time" in caplog.text
    assert "batch" not in json.loads(
        GENERATIONS.read(tmp_path / "generations.parquet")[0].effective
    )
