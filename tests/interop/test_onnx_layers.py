"""Single operations with constant weights: which layer each becomes, and the numbers of onnxruntime."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
from onnx import helper

from onnx_models import model
from pellucid.interop._convert import network_of
from pellucid.interop._onnx_in import model_of
from pellucid.layers import BatchNorm, Graph, Operator, Sequential, fold_batchnorm
from pellucid.module import children, walk

RNG = np.random.default_rng(0)


def drawn(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return abs(drawn(*shape)) + 0.5


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


PICTURE = (2, 4, 7, 6)
# operation, shape of x, the other inputs, attributes, the layers it becomes
ROWS: list[tuple[str, tuple[int, ...], list[np.ndarray], dict[str, Any], list[str]]] = [
    ("Gemm", (3, 4), [drawn(4, 5), drawn(5)], {}, ["Dense"]),
    ("Gemm", (3, 4), [drawn(5, 4), drawn(1, 5)], {"transB": 1, "alpha": 0.5, "beta": 2.0}, ["Dense"]),
    ("Gemm", (3, 4), [drawn(4, 5), drawn(3, 1)], {}, ["Gemm"]),
    ("MatMul", (2, 3, 4), [drawn(4, 5)], {}, ["Dense"]),
    ("MatMul", (2, 3, 4), [drawn(2, 4, 5)], {}, ["MatMul"]),
    ("Conv", (2, 4, 9), [drawn(6, 4, 3), drawn(6)], {"pads": [1, 2], "strides": [2]}, ["Transpose", "Conv1d"]),
    ("Conv", PICTURE, [drawn(6, 2, 3, 2)], {"group": 2, "dilations": [2, 1]}, ["Transpose", "Conv2d"]),
    ("Conv", PICTURE, [drawn(6, 4, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, ["Transpose", "Conv2d"]),
    ("Conv", PICTURE, [drawn(6, 4, 2, 2)], {"auto_pad": "SAME_LOWER"}, ["Conv"]),
    ("Conv", (1, 2, 4, 4, 4), [drawn(3, 2, 2, 2, 2)], {}, ["Transpose", "Conv3d"]),
    ("ConvTranspose", PICTURE, [drawn(4, 3, 3, 3), drawn(6)], {"group": 2, "strides": [2, 1], "pads": [1, 0, 1, 0],
     "output_padding": [1, 0]}, ["Transpose", "ConvTranspose2d"]),
    ("BatchNormalization", PICTURE, [drawn(4), drawn(4), drawn(4), positive(4)], {}, ["Transpose", "BatchNorm"]),
    ("BatchNormalization", (3, 4), [drawn(4), drawn(4), drawn(4), positive(4)], {"epsilon": 0.1}, ["BatchNorm"]),
    ("LayerNormalization", (2, 3, 4), [drawn(4), drawn(4)], {}, ["LayerNorm"]),
    ("LayerNormalization", (2, 3, 4), [drawn(3, 4)], {"axis": 1, "epsilon": 0.1}, ["LayerNorm"]),
    ("InstanceNormalization", PICTURE, [drawn(4), drawn(4)], {}, ["Transpose", "InstanceNorm"]),
    ("MaxPool", PICTURE, [], {"kernel_shape": [3, 2], "pads": [1, 0, 1, 0], "strides": [2, 1]},
     ["Transpose", "MaxPool"]),
    ("MaxPool", PICTURE, [], {"kernel_shape": [3, 2], "pads": [1, 0, 0, 0]}, ["MaxPool of ONNX"]),
    ("AveragePool", PICTURE, [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, ["Transpose", "AvgPool"]),
    ("AveragePool", PICTURE, [], {"kernel_shape": [2, 2], "ceil_mode": 1, "strides": [2, 2]}, ["AveragePool"]),
    ("ReduceMean", PICTURE, [], {"axes": [2, 3], "keepdims": 0}, ["ReduceMean"]),
    ("PRelu", PICTURE, [drawn(4, 1, 1)], {}, ["Transpose", "PReLU"]),
    ("PRelu", PICTURE, [drawn(7, 1)], {}, ["PRelu"]),
    ("Softmax", (2, 3, 4), [], {}, ["Softmax"]),
    ("Softmax", (2, 3, 4), [], {"axis": 1}, ["Softmax of ONNX"]),
    ("HardSigmoid", (2, 3), [], {"alpha": 1 / 6}, ["Activation"]),
    ("HardSigmoid", (2, 3), [], {}, ["HardSigmoid"]),
    ("Clip", (2, 3), [np.float32(0), np.float32(6)], {}, ["Activation"]),
    ("Clip", (2, 3), [np.float32(-0.5)], {}, ["Clip"]),
    ("Pad", PICTURE, [whole(0, 0, 1, 2, 0, 0, 0, 1), np.float32(3)], {}, ["Transpose", "Pad"]),
    ("Add", PICTURE, [drawn(4, 1, 1)], {}, ["Add of ONNX"]),
]  # fmt: skip


def of_onnx(layer: Any) -> str:
    twin = layer.kind in ("MaxPool", "Softmax", "Add")
    return f"{layer.kind} of ONNX" if twin else layer.kind


@pytest.mark.parametrize("row", range(len(ROWS)), ids=[f"{i}-{row[0]}" for i, row in enumerate(ROWS)])
def test_an_operation_becomes_this_layer_and_gives_what_onnxruntime_gives(row: int):
    kind, shape, arrays, attributes, wanted = ROWS[row]
    names = [f"w{i}" for i in range(len(arrays))]
    proto = model(
        [helper.make_node(kind, ["x", *names], ["y"], **attributes)], shape, dict(zip(names, arrays, strict=True))
    )
    net = network_of(model_of(proto, "the test"))
    found = [layer for _, layer in walk(net) if not children(layer)]
    names = [of_onnx(layer) if isinstance(layer, Operator) else type(layer).__name__ for layer in found]
    behind = ["Transpose"] if wanted[0] == "Transpose" else []
    assert names == wanted + behind
    x = drawn(*shape)
    want = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(net(jnp.asarray(x)), want, 1e-5, 1e-5)


def test_batchnorm_is_folded_on_request():
    rng = [drawn(4) for _ in range(3)]
    arrays = {"w": drawn(4, 3, 3, 3), "s": rng[0], "b": rng[1], "m": rng[2], "v": positive(4)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"]),
    ]
    proto = model(nodes, (1, 3, 5, 5), arrays)
    plain, folded = (network_of(model_of(proto, "t"), fold_batchnorm=fold) for fold in (False, True))
    assert isinstance(folded, Sequential)
    assert [type(layer).__name__ for layer in folded.layers] == ["Operator", "Conv2d", "Operator"]
    x = jnp.asarray(drawn(2, 3, 5, 5))
    np.testing.assert_allclose(folded(x), plain(x), 1e-5, 1e-5)
    assert len(fold_batchnorm(plain).layers) == 3


def test_batchnorm_is_folded_where_a_network_branches():
    arrays = {"w": drawn(3, 3, 1, 1), "s": drawn(3), "b": drawn(3), "m": drawn(3), "v": positive(3)}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv"),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"], "norm"),
        helper.make_node("Add", ["x", "n"], ["a"], "add"),
        helper.make_node("BatchNormalization", ["a", "s", "b", "m", "v"], ["y"], "last"),
    ]
    proto = model(nodes, (1, 3, 5, 5), arrays)
    plain, folded = (network_of(model_of(proto, "t"), fold_batchnorm=fold) for fold in (False, True))
    assert isinstance(folded, Graph)
    assert [node for node, name, _ in folded.nodes if isinstance(folded.layers[name], BatchNorm)] == ["last"]
    x = jnp.asarray(drawn(2, 3, 5, 5))
    np.testing.assert_allclose(folded(x), plain(x), 1e-4, 1e-5)


def test_shapes_that_the_model_works_out_by_itself_leave_no_trace():
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["n"]),
        helper.make_node("Unsqueeze", ["n", "front"], ["n1"]),
        helper.make_node("Concat", ["n1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    arrays = {"first": np.array(0), "front": whole(0), "rest": whole(-1)}
    net = network_of(model_of(model(nodes, ["batch", 3, 2], arrays), "t"))
    assert [type(layer).__name__ for layer in net.layers] == ["Flatten"]


def test_transposes_around_a_convolution_cancel():
    """What tf2onnx writes: the input has its channels last already."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["a", "w"], ["b"]),
        helper.make_node("Transpose", ["b"], ["y"], perm=[0, 2, 3, 1]),
    ]
    net = network_of(model_of(model(nodes, ["batch", 5, 5, 3], {"w": drawn(4, 3, 2, 2)}), "t"))
    assert [type(layer).__name__ for layer in net.layers] == ["Conv2d"]


def test_several_inputs_and_outputs_are_tuples():
    proto = model([helper.make_node("Add", ["x", "z"], ["s"]), helper.make_node("Relu", ["s"], ["y"])], (2, 3),
                  outputs=("y", "s"))  # fmt: skip
    proto.graph.input.append(helper.make_tensor_value_info("z", 1, (2, 3)))
    net = network_of(model_of(proto, "t"))
    x, z = drawn(2, 3), drawn(2, 3)
    y, s = net((jnp.asarray(x), jnp.asarray(z)))
    np.testing.assert_allclose(s, x + z)
    np.testing.assert_allclose(y, np.maximum(x + z, 0))


def body(nodes: list[Any], outputs: list[str], inputs: tuple[str, ...] = ()) -> Any:
    ports = [[helper.make_tensor_value_info(name, 1, None) for name in names] for names in (inputs, outputs)]
    return helper.make_graph(nodes, "body", *ports)


def test_of_a_branch_that_is_known_beforehand_its_operations_are_left():
    yes = body([helper.make_node("Relu", ["x"], ["a"])], ["a"])
    no = body([helper.make_node("Neg", ["x"], ["b"])], ["b"])
    nodes = [helper.make_node("If", ["condition"], ["y"], then_branch=yes, else_branch=no)]
    net = network_of(model_of(model(nodes, (2, 3), {"condition": np.array(True)}), "t"))
    assert [type(layer).__name__ for layer in net.layers] == ["Activation"]


def test_a_branch_that_the_input_chooses_is_computed_as_onnxruntime_does():
    yes = body([helper.make_node("Mul", ["x", "w"], ["a"])], ["a"])
    no = body([helper.make_node("Neg", ["x"], ["b"])], ["b"])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["condition"]),
        helper.make_node("If", ["condition"], ["y"], then_branch=yes, else_branch=no),
    ]
    proto = model(nodes, (2, 3), {"zero": np.float32(0), "w": drawn(3)})
    net, session = network_of(model_of(proto, "t")), onnxruntime.InferenceSession(proto.SerializeToString())
    for x in (abs(drawn(2, 3)), -abs(drawn(2, 3))):
        np.testing.assert_allclose(net(jnp.asarray(x)), session.run(None, {"x": x})[0], 1e-6)
