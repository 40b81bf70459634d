"""Reading ONNX files that nobody should trust: damaged, too large, and made to do harm."""

from __future__ import annotations

import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import pellucid as pl
from onnx_models import mlp, model
from pellucid.errors import InteropError
from pellucid.interop._convert import network_of
from pellucid.interop._onnx_in import Stored, model_of, read_onnx


def written(proto: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(proto.SerializeToString())
    return path


def refused(proto: onnx.ModelProto, tmp_path: Path, words: str) -> None:
    with pytest.raises(InteropError, match=words):
        pl.load(written(proto, tmp_path / "m.onnx"))


def test_a_file_opens_as_a_network(tmp_path: Path):
    path = written(mlp(), tmp_path / "m.onnx")
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    want = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    np.testing.assert_allclose(pl.load(path)(jnp.asarray(x)), want, 1e-5, 1e-6)


def test_large_arrays_stay_in_the_file_until_they_are_asked_for(tmp_path: Path):
    found = read_onnx(written(mlp(300), tmp_path / "m.onnx"))
    stored = found.constants.held["fc1.weight"]
    assert isinstance(stored, Stored)
    assert stored.shape == (300, 3)
    np.testing.assert_array_equal(found.constants["fc1.weight"], numpy_helper.to_array(mlp(300).graph.initializer[0]))


def test_external_data_beside_the_file_is_read(tmp_path: Path):
    proto = mlp(300)
    x = np.ones((1, 3), np.float32)
    want = network_of(model_of(proto, "t"))(jnp.asarray(x))
    onnx.save(proto, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.data").exists()
    np.testing.assert_array_equal(pl.load(tmp_path / "m.onnx")(jnp.asarray(x)), want)


def external(location: str, **more: str) -> onnx.ModelProto:
    proto = mlp()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return proto


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "../secret", "a/../../secret", "..\\secret", "C:\\secret", "", "a\0b"]
)
def test_external_data_elsewhere_is_refused(place: str, tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(1000))
    refused(external(place), folder, "only files in the model's folder are read")


def test_external_data_by_a_link_out_of_the_folder_is_refused(tmp_path: Path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(1000))
    (folder / "data").symlink_to(tmp_path / "secret")
    refused(external("data"), folder, "a link out of the model's folder")


def test_external_data_that_is_no_file_is_refused(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    refused(external("pipe"), tmp_path, "no file in the model's folder")
    refused(external("nowhere"), tmp_path, "no file in the model's folder")


@pytest.mark.parametrize("more", [{"offset": "90"}, {"length": "40"}, {"offset": "-4"}, {"offset": "9" * 30}])
def test_external_data_that_does_not_hold_the_array_is_refused(more: dict[str, str], tmp_path: Path):
    (tmp_path / "data").write_bytes(bytes(100))
    refused(external("data", **more), tmp_path, "fc1.weight")


def test_an_array_that_says_it_is_larger_than_it_is_is_refused(tmp_path: Path):
    proto = mlp()
    proto.graph.initializer[0].dims[:] = [10**9, 3]
    refused(proto, tmp_path, "fc1.weight")
    proto.graph.initializer[0].dims[:] = [10**4, 3]
    refused(proto, tmp_path, "wants 120,000 bytes, and there are 96")
    proto.graph.initializer[0].dims[:] = [-1, 3]
    refused(proto, tmp_path, "fc1.weight")


@pytest.mark.parametrize(
    ("nodes", "arrays"),
    [
        ([helper.make_node("ConstantOfShape", ["n"], ["y"])], {"n": np.array([10**5, 10**5])}),
        ([helper.make_node("Expand", ["x", "n"], ["y"])], {"n": np.array([10**5, 10**5])}),
        ([helper.make_node("Tile", ["x", "n"], ["y"])], {"n": np.array([10**5, 10**5])}),
        ([helper.make_node("Range", ["a", "b", "c"], ["y"])],
         {"a": np.array(0), "b": np.array(10**10), "c": np.array(1)}),
        ([helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Pad", ["a", "n"], ["y"])],
         {"w": np.ones((1, 1), np.float32), "n": np.array([0, 0, 10**5, 10**5])}),
    ],
    ids=["ConstantOfShape", "Expand", "Tile", "Range", "Pad"],
)  # fmt: skip
def test_values_that_no_memory_holds_are_refused(nodes, arrays, tmp_path: Path):
    refused(model(nodes, (1, 1), arrays), tmp_path, "numbers: at most")


def test_an_input_of_a_thousand_million_numbers_costs_nothing_and_is_refused(tmp_path: Path):
    refused(model([helper.make_node("Relu", ["x"], ["y"])], (10**5, 10**5)), tmp_path, "would hold")


def test_operations_in_a_circle_are_refused(tmp_path: Path):
    nodes = [helper.make_node("Add", ["x", "b"], ["y"]), helper.make_node("Relu", ["y"], ["b"])]
    refused(model(nodes, (1, 2)), tmp_path, "wait for each other in a circle")


def test_operations_in_any_order_are_put_in_order(tmp_path: Path):
    nodes = [helper.make_node("Relu", ["a"], ["y"]), helper.make_node("Neg", ["x"], ["a"])]
    net = pl.load(written(model(nodes, (1, 2)), tmp_path / "m.onnx"))
    np.testing.assert_array_equal(net(jnp.array([[1.0, -2.0]])), [[0, 2]])


def test_values_made_twice_or_by_nobody_are_refused(tmp_path: Path):
    twice = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Neg", ["x"], ["y"])]
    refused(model(twice, (1, 2)), tmp_path, "'y' is made twice")
    refused(model([helper.make_node("Relu", ["z"], ["y"])], (1, 2)), tmp_path, "nobody makes the values 'z'")


def test_all_that_is_not_supported_is_listed_at_once(tmp_path: Path):
    nodes = [
        helper.make_node("Fancy", ["x"], ["a"], "first", domain="com.example"),
        helper.make_node("Odd", ["a"], ["b"], "second"),
        helper.make_node("Relu", ["b"], ["y"], "third", tempo=3),
    ]
    proto = model(nodes, (1, 2))
    proto.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(InteropError, match=r"3 operations .*first \(com.example.Fancy\); second \(Odd\); third"):
        pl.load(written(proto, tmp_path / "m.onnx"))


def with_functions(*functions: onnx.FunctionProto) -> onnx.ModelProto:
    proto = model([helper.make_node("f0", ["x"], ["y"], domain="own", slope=0.5)], (1, 2), functions=list(functions))
    proto.opset_import.append(helper.make_opsetid("own", 1))
    return proto


def function(number: int, *nodes: onnx.NodeProto, attributes: tuple[str, ...] = ()) -> onnx.FunctionProto:
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", f"f{number}", ["a"], ["b"], list(nodes), opsets, list(attributes))


def test_functions_are_put_in_at_their_calls(tmp_path: Path):
    inner = helper.make_node("LeakyRelu", ["t"], ["b"])
    inner.attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=onnx.AttributeProto.FLOAT))
    proto = with_functions(function(0, helper.make_node("Neg", ["a"], ["t"]), inner, attributes=("slope",)))
    net = pl.load(written(proto, tmp_path / "m.onnx"))
    np.testing.assert_array_equal(net(jnp.array([[1.0, -2.0]])), [[-0.5, 2.0]])


def test_functions_that_call_themselves_are_refused(tmp_path: Path):
    itself = with_functions(function(0, helper.make_node("f0", ["a"], ["b"], domain="own")))
    refused(itself, tmp_path, "'f0' calls itself")
    around = with_functions(
        function(0, helper.make_node("f1", ["a"], ["b"], domain="own")),
        function(1, helper.make_node("f0", ["a"], ["b"], domain="own")),
    )
    refused(around, tmp_path, "calls itself")


def test_functions_that_double_at_every_level_are_refused(tmp_path: Path):
    def doubled(i: int) -> onnx.FunctionProto:
        kind, domain = (f"f{i + 1}", "own") if i < 40 else ("Neg", "")
        return function(
            i, helper.make_node(kind, ["a"], ["t"], domain=domain), helper.make_node(kind, ["t"], ["b"], domain=domain)
        )

    refused(with_functions(*map(doubled, range(41))), tmp_path, "more than 200,000 operations")


def test_what_is_no_file_or_empty_or_text_is_refused(tmp_path: Path):
    for name, content in (("empty", b""), ("text", b"hello, this is a letter"), ("page", b"<html></html>" * 9)):
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(content)
        with pytest.raises(InteropError):
            pl.load(path)
    with pytest.raises(InteropError, match="There is no file"):
        pl.load(tmp_path / "none.onnx")


def test_a_file_larger_than_allowed_is_not_read(tmp_path: Path):
    with pytest.raises(InteropError, match="max_bytes"):
        read_onnx(written(mlp(), tmp_path / "m.onnx"), max_bytes=100)


def convnet() -> onnx.ModelProto:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "v"], ["y"]),
    ]
    arrays = {"w": rng.standard_normal((8, 1, 3, 3)), "b": rng.standard_normal(8), "v": rng.standard_normal((32, 3))}
    return model(nodes, ["n", 1, 4, 4], {name: a.astype(np.float32) for name, a in arrays.items()})


BASES = [mlp().SerializeToString(), mlp(300).SerializeToString(), convnet().SerializeToString()]


def outcome(content: bytes, path: Path) -> str:
    """What comes of a file: a network, or an error that says what is wrong; anything else fails the test."""
    path.write_bytes(content)
    try:
        return type(pl.load(path)).__name__
    except InteropError as error:
        return str(error)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[0, 1]),
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2]),
        helper.make_node("Conv", ["x"], ["y"]),
        helper.make_node("Conv", ["x", "w"], ["y"], strides=[1]),
        helper.make_node("Conv", ["x", "w"], ["y"], group=3),
        helper.make_node("Gemm", [], ["y"]),
        helper.make_node("Transpose", ["x"], ["y"], perm=[0, 7, 1, 2]),
        helper.make_node("Concat", [], ["y"], axis=1),
    ],
    ids=lambda node: f"{node.op_type}-{len(node.input)}",
)
def test_operations_that_make_no_sense_are_refused(node: onnx.NodeProto, tmp_path: Path):
    """Found by changing bytes of files at random. Some are refused only where they are computed."""
    proto = model([node], (1, 2, 5, 5), {"w": np.ones((4, 2, 3, 3), np.float32)})
    with pytest.raises(InteropError):
        pl.load(written(proto, tmp_path / "m.onnx"))(jnp.ones((1, 2, 5, 5)))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.7, 0.99])
def test_files_that_are_cut_off_are_refused(share: float, tmp_path: Path):
    for base in BASES:
        path = tmp_path / "m.onnx"
        path.write_bytes(base[: int(share * len(base))])
        with pytest.raises(InteropError):
            pl.load(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_to_a_file_does_more_than_an_error(data, tmp_path_factory):
    base = bytearray(data.draw(st.sampled_from(BASES)))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, min(len(base) - 1, 700)))
        match data.draw(st.sampled_from(["change", "drop", "add"])):
            case "change":
                base[place] = data.draw(st.integers(0, 255))
            case "drop":
                del base[place : place + data.draw(st.integers(1, 8))]
            case _:
                base[place:place] = data.draw(st.binary(min_size=1, max_size=8))
    assert outcome(bytes(base), tmp_path_factory.mktemp("f") / "m.onnx")
