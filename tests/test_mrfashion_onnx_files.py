"""Files that are no network, or not only one: each is refused, in words, and nothing worse."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from mrfashion.errors import InputRefused, MissingRequirement
from mrfashion.poses.onnx_file import check_contents
from mrfashion.poses.onnx_session import (
    MAX_BATCH,
    OnnxConfig,
    OnnxSession,
    missing_package,
)
from mrfashion.poses.simcc import KeypointNetwork
from mrfashion.poses.yolox import PersonDetector
from tests.onnx_graphs import Graph, detector_graph, simcc_graph, sums_graph

ONE = OnnxConfig(threads=1)
FLOAT, IMAGE = TensorProto.FLOAT, ("batch", 3, 4, 4)


def initializer(size: int = 4) -> TensorProto:
    """A tensor without the values it promises."""
    return TensorProto(name="w", data_type=FLOAT, dims=[size])


def outside(location: str, offset: int = 0) -> TensorProto:
    """Four floats that lie elsewhere."""
    tensor = initializer()
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def model(
    nodes: list[onnx.NodeProto],
    initializers: list[TensorProto],
    inputs: dict[str, tuple[int, tuple[int | str, ...]]] | None = None,
    **fields: object,
) -> bytes:
    """A model of one output `y`, unchecked."""
    inputs = {"x": (FLOAT, IMAGE)} if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, *what) for name, what in inputs.items()],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        initializers,
        **{k: v for k, v in fields.items() if k == "sparse_initializer"},
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    functions = {k: v for k, v in fields.items() if k == "functions"}
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, **functions)
    return bytes(made.SerializeToString())


def node(op: str, *inputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(op, list(inputs), ["y"], **attributes)


def constant_inside_if(depth: int, tensor: TensorProto) -> onnx.NodeProto:
    output = [helper.make_tensor_value_info("y", FLOAT, None)]
    inner, other = node("Constant", value=tensor), node("Constant", value_float=1.0)
    for _ in range(depth):
        branches = [helper.make_graph([n], "branch", [], output) for n in (other, inner)]
        inner = node("If", "x", then_branch=branches[0], else_branch=branches[1])
    return inner


def sparse(tensor: TensorProto) -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.arange(4), "i")
    return onnx.SparseTensorProto(values=tensor, indices=indices, dims=[9])


OUTSIDE: dict[str, Callable[[TensorProto], bytes]] = {
    "initializer": lambda t: model([node("Add", "x", "w")], [t]),
    "constant": lambda t: model([node("Constant", value=t)], []),
    "branch": lambda t: model([constant_inside_if(2, t)], []),
    "sparse": lambda t: model([node("Relu", "x")], [], sparse_initializer=[sparse(t)]),
    "sparse constant": lambda t: model([node("Constant", sparse_value=sparse(t))], []),
    "function": lambda t: model(
        [node("F", "x", domain="evil")],
        [],
        functions=[
            helper.make_function(
                "evil",
                "F",
                ["x"],
                ["y"],
                [node("Constant", value=t)],
                [helper.make_opsetid("", 17)],
            )
        ],
    ),
}
LOCATIONS = ["secret.bin", "../../../../../etc/passwd", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"]


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("where", list(OUTSIDE))
def test_weights_in_other_files_are_refused(where: str, location: str, tmp_path: Path) -> None:
    """Wherever a tensor may stand, and wherever it points."""
    (tmp_path / "secret.bin").write_bytes(np.ones(4, np.float32).tobytes())
    path = tmp_path / "model.onnx"
    path.write_bytes(OUTSIDE[where](outside(location)))
    with pytest.raises(InputRefused, match=r"model.onnx keeps weights in other files.*onnx\.save"):
        OnnxSession(path, ONE)
    inside = numpy_helper.from_array(np.ones(4, np.float32), "w")
    check_contents(OUTSIDE[where](inside), path)  # it is the place that is refused


def test_the_runtime_alone_would_read_the_other_file(tmp_path: Path) -> None:
    """Why the test above matters: a file beside the model is read without a word."""
    (tmp_path / "secret.bin").write_bytes(np.ones(4, np.float32).tobytes())
    path = tmp_path / "model.onnx"
    path.write_bytes(OUTSIDE["initializer"](outside("secret.bin")))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert (session.run(None, {"x": np.zeros((1, 3, 4, 4), np.float32)})[0] == 1).all()


RELU = [node("Relu", "x")]
REFUSED = {
    "empty": (b"", "0 bytes"),
    "noise": (np.random.default_rng(1).bytes(3000), "no ONNX model"),
    "zeros": (bytes(3000), "no ONNX model|can open"),
    "text": (b"<!DOCTYPE html><html><body>Not found</body></html>", "no ONNX model"),
    "pickle": (b"\x80\x04\x95\x10\x00\x00\x00", "no ONNX model|can open"),
    "ort format": (b"\x20\x00\x00\x00ORTM" + bytes(200), "no ONNX model|can open"),
    "cut short": (model(RELU, [numpy_helper.from_array(np.ones(99))])[:-300], "no ONNX model"),
    "too deep": (model([constant_inside_if(24, initializer())], []), "deep"),
    "unknown operator": (model([node("Evil", "x", domain="evil")], []), "Evil"),
    "weights too large": (model([node("Add", "x", "w")], [initializer(1 << 40)]), "open"),
    "weights lacking": (model([node("Add", "x", "w")], [initializer()]), "can open"),
    "no input": (model([node("Constant", value_float=1.0)], [], {}), "inputs none"),
    "two inputs": (model(RELU, [], {"x": (FLOAT, IMAGE), "z": (FLOAT, IMAGE)}), "one of float32"),
    "half precision": (model(RELU, [], {"x": (TensorProto.FLOAT16, IMAGE)}), r"open|float16"),
    "bytes": (model([node("Cast", "x", to=1)], [], {"x": (TensorProto.UINT8, IMAGE)}), "uint8"),
    "three axes": (model(RELU, [], {"x": (FLOAT, (3, 4, 4))}), "one of float32"),
    "four channels": (model(RELU, [], {"x": (FLOAT, ("n", 4, 4, 4))}), "one of float32"),
    "huge images": (model(RELU, [], {"x": (FLOAT, ("n", 3, 1 << 40, 8))}), "allowed"),
    "huge batch": (model(RELU, [], {"x": (FLOAT, (MAX_BATCH + 1, 3, 8, 8))}), "allowed"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_file_that_is_no_image_network_is_refused(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data, reason = REFUSED[name]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(InputRefused, match=f"model.onnx .*({reason})"):
        OnnxSession(path, ONE)
    assert capfd.readouterr() == ("", "")  # ONNX Runtime prints, unless told not to


def test_damaged_files_never_do_worse_than_be_refused(tmp_path: Path) -> None:
    good = sums_graph(tmp_path / "good.onnx").read_bytes()
    rng, path = np.random.default_rng(5), tmp_path / "model.onnx"
    refused = 0
    for _ in range(400):
        data = bytearray(good)
        for place in rng.integers(0, len(data), rng.integers(1, 5)):
            data[place] = rng.integers(256)
        path.write_bytes(data)
        try:
            session = OnnxSession(path, ONE)
            session.run(np.zeros((1, 3, *(side or 4 for side in session.size_hw)), np.float32))
        except InputRefused:
            refused += 1
    assert 100 < refused < 400


def test_a_path_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingRequirement, match="does not exist; `mrfashion weights"):
        OnnxSession(tmp_path / "none.onnx", ONE)
    with pytest.raises(InputRefused, match="no file"):
        OnnxSession(tmp_path, ONE)


@pytest.mark.parametrize(
    ("network", "graph"),
    [
        (PersonDetector, simcc_graph),
        (PersonDetector, sums_graph),
        (KeypointNetwork, detector_graph),
        (KeypointNetwork, sums_graph),
    ],
)
def test_a_network_of_another_kind_is_refused(
    network: type, graph: Callable[[Path], Path], tmp_path: Path
) -> None:
    session = OnnxSession(graph(tmp_path / "model.onnx"), ONE)
    with pytest.raises(InputRefused, match=r"model.onnx has .*mrfashion weights list"):
        network(session)


def test_a_network_of_other_keypoints_is_refused(tmp_path: Path) -> None:
    graph = Graph()
    rows = graph("ReduceSum", "input", np.array([1, 2]), keepdims=1)
    x = graph("Expand", graph("ReduceSum", rows, np.array([1, 3])), np.array([1, 17, 576]))
    y = graph("Expand", graph("ReduceSum", rows, np.array([1, 3])), np.array([1, 17, 768]))
    outputs = {"simcc_x": (x, ("n", 17, 576), FLOAT), "simcc_y": (y, ("n", 17, 768), FLOAT)}
    path = graph.save(tmp_path / "body.onnx", ("n", 3, 384, 288), outputs)
    with pytest.raises(InputRefused, match="133"):
        KeypointNetwork(OnnxSession(path, ONE))


def test_an_answer_for_fewer_images_than_asked_is_refused(tmp_path: Path) -> None:
    graph = Graph()
    total = graph("ReduceSum", "input", np.array([0, 1, 2]), keepdims=0)
    path = graph.save(tmp_path / "liar.onnx", IMAGE, {"y": (total, ("batch",), FLOAT)})
    with pytest.raises(InputRefused, match=r"answers \(3, 3, 4, 4\) with"):
        OnnxSession(path, ONE).run(np.zeros((3, 3, 4, 4), np.float32))


def test_without_the_package_the_command_that_installs_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert missing_package() is None
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingRequirement, match=r"pip install 'mrfashion\[cpu\]'"):
        OnnxSession(sums_graph(tmp_path / "sums.onnx"), ONE)
