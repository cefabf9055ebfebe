"""A network in ONNX Runtime: in what batches it runs, and where."""

from __future__ import annotations

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

from mrfashion.errors import ConfigError, InputRefused, MissingRequirement
from mrfashion.poses.onnx_session import (
    OnnxConfig,
    OnnxSession,
)
from tests.onnx_graphs import Graph, random_simcc, sums_graph

ONE = OnnxConfig(threads=1)
FLOAT, IMAGE = TensorProto.FLOAT, ("batch", 3, 4, 4)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 4, 4)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize(("batch", "largest"), [("batch", 3), ("batch", 8), (1, 8), (3, 8)])
def test_any_number_of_images_runs_in_any_batch_size(
    batch: int | str, largest: int, count: int, tmp_path: Path
) -> None:
    path = sums_graph(tmp_path / "sums.onnx", batch)
    session = OnnxSession(path, OnnxConfig(threads=1, largest_batch=largest))
    assert session.fixed_batch == (None if batch == "batch" else batch)
    assert session.batch == (largest if batch == "batch" else batch)
    (found,) = session.run(images(count))
    np.testing.assert_array_equal(found[:, 0], images(count).sum((1, 2, 3)))


def test_a_session_says_what_it_is(tmp_path: Path) -> None:
    path = sums_graph(tmp_path / "sums.onnx")
    session = OnnxSession(path, ONE)
    assert session.providers == ("CPUExecutionProvider",)
    assert session.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert session.size_hw == [4, 4]
    assert session.output_shapes == [[None, 1]]


def test_threads_share_a_session(tmp_path: Path) -> None:
    session = OnnxSession(sums_graph(tmp_path / "sums.onnx"), ONE)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: session.run(images(20)[i : i + 1])[0], range(20)))
    np.testing.assert_array_equal(np.concatenate(found)[:, 0], images(20).sum((1, 2, 3)))


def test_batches_with_fewer_rows_are_filled_with_zeros(tmp_path: Path) -> None:
    """A network that answers with as many rows as the greatest value of its batch."""
    graph = Graph()
    rows = graph("ReduceMax", "input", axes=[1, 2, 3], keepdims=0)
    rows = graph("Reshape", graph("ReduceMax", rows, axes=[0], keepdims=0), np.array([1]))
    count = graph("Slice", graph("Shape", "input"), np.array([0]), np.array([1]))
    shape = graph.concat([count, graph("Cast", rows, to=TensorProto.INT64), np.array([5])], 0)
    dets = graph("Expand", np.float32(1), shape)
    path = graph.save(tmp_path / "rows.onnx", IMAGE, {"dets": (dets, ("batch", "m", 5), FLOAT)})
    session = OnnxSession(path, OnnxConfig(threads=1, largest_batch=2))
    batch = np.zeros((5, 3, 4, 4), np.float32)
    batch[:, 0, 0, 0] = (1, 3, 0, 0, 2)
    (found,) = session.run(batch)
    assert found.shape == (5, 3, 5)
    assert found.sum((1, 2)).tolist() == [15, 15, 0, 0, 10]


@pytest.mark.parametrize(
    "batch", [np.zeros((0, 3, 4, 4), np.float32), np.zeros((1, 3, 4, 4)), np.zeros(3, np.float32)]
)
def test_what_is_no_batch_of_images_is_refused(batch: np.ndarray, tmp_path: Path) -> None:
    session = OnnxSession(sums_graph(tmp_path / "sums.onnx"), ONE)
    with pytest.raises(ValueError, match="float32"):
        session.run(batch)
    with pytest.raises(InputRefused, match="does not run on"):
        session.run(np.zeros((1, 3, 5, 4), np.float32))


# Devices.

NO_CUDA = "CUDAExecutionProvider" not in onnxruntime.get_available_providers()
without_cuda = pytest.mark.skipif(not NO_CUDA, reason="this ONNX Runtime has CUDA")


@pytest.fixture(params=["absent", "broken", "raising"])
def cuda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """CUDA is not offered; is offered and silently left out; is offered and fails to start."""
    if request.param != "absent":
        names = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    if request.param == "raising":
        original = onnxruntime.InferenceSession

        def start(data: bytes, options: object, providers: list[object], **rest: object) -> object:
            if len(providers) > 1:
                raise RuntimeError("CUDA failure 35")
            return original(data, options, providers=providers, **rest)

        monkeypatch.setattr(onnxruntime, "InferenceSession", start)
    return str(request.param)


@without_cuda
@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_asked_for_and_missing_is_an_error(
    cuda: str, device: str, tmp_path: Path
) -> None:
    why = {"absent": "offers", "broken": "could not load", "raising": "CUDA failure 35"}[cuda]
    with pytest.raises(MissingRequirement, match=rf"{why}.*pip install 'mrfashion\[gpu\]'"):
        OnnxSession(sums_graph(tmp_path / "sums.onnx"), OnnxConfig(device=device))


@without_cuda
@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize(
    "config", [OnnxConfig(device="cuda", allow_fallback=True), OnnxConfig(device="auto")]
)
def test_where_the_cpu_is_allowed_it_is_taken_and_said(
    cuda: str, config: OnnxConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        session = OnnxSession(sums_graph(tmp_path / "sums.onnx"), config)
    assert session.providers == ("CPUExecutionProvider",)
    silent = config.device == "auto" and cuda == "absent"  # nothing was promised
    assert ("networks run on the CPU, not on cuda" in caplog.text) is not silent


@pytest.mark.usefixtures("cuda")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_damaged_file_is_not_blamed_on_the_device(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x09")  # an ONNX version, and no graph
    with pytest.raises(InputRefused, match=r"No graph was found"):
        OnnxSession(path, OnnxConfig(device="auto"))


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CUDA", ""])
def test_a_device_without_a_meaning_is_named(device: str) -> None:
    with pytest.raises(ConfigError, match="allowed: auto, cpu, cuda"):
        OnnxConfig(device=device)


@pytest.mark.parametrize(("field", "value"), [("threads", -1), ("largest_batch", 0)])
def test_a_setting_out_of_range_is_named(field: str, value: int) -> None:
    with pytest.raises(ConfigError, match=field):
        OnnxConfig(**{field: value})


def test_the_same_image_gives_the_same_bits_in_every_run(tmp_path: Path) -> None:
    session = OnnxSession(random_simcc(tmp_path / "bins.onnx"), ONE)
    batch = np.random.default_rng(2).normal(size=(3, 3, 384, 288)).astype(np.float32)
    first, second = session.run(batch), session.run(batch)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
