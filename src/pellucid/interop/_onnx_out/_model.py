"""The finished graph as a model of ONNX, and in a file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InteropError
from ...store import write_bytes
from ._sheet import ML, Node, Sheet, Value

ML_OPSET = 3  # the first in which LabelEncoder takes texts to whole numbers, with the opsets 18 and up
LARGEST = 2**31 - 2**20  # bytes of a file in the format of ONNX, and room for its graph
SUFFIX = ".onnx"


def model_of(sheet: Sheet, inputs: Sequence[tuple[Value, str]], outputs: Mapping[str, Value], about: str) -> Any:
    """The model: nodes that lead to an output, and the arrays that these read.

    Raises: InteropError where its arrays take more than a file of ONNX can hold, or the opset has no words for them.
    """
    from onnx import helper

    nodes, results = with_outputs(sheet, outputs)
    nodes = needed(nodes, set(results))
    read = {name for node in nodes for name in node.inputs}
    constants = {name: array for name, array in sheet.constants.items() if name in read}
    size = sum(array.nbytes for array in constants.values())
    if size > LARGEST:
        raise InteropError(
            f"The arrays of the network take {size / 2**30:.2f} GiB, and an ONNX file holds less than 2: write it in "
            "half precision (jax.tree.map(lambda a: a.astype('float16'), net)), or keep it with pl.save."
        )
    graph = helper.make_graph(
        [proto(node) for node in nodes],
        "pellucid",
        [info(value.name, value, doc) for value, doc in inputs],
        [info(name, value) for name, value in results.items()],
        [tensor(name, array) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", sheet.opset)]
    opsets += [helper.make_opsetid(ML, ML_OPSET)] * any(node.domain == ML for node in nodes)
    model = helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="pellucid",
        producer_version=metadata.version("pellucid"),
        doc_string=about,
    )
    settle_types(model, results)
    check(model, sheet)
    return model


def settle_types(model: Any, results: Mapping[str, Value]) -> None:
    """Outputs of whole numbers get the type that ONNX finds for them: JAX may have cut theirs to 32 bits."""
    from onnx import ModelProto, shape_inference

    whole = [port for port in model.graph.output if results[port.name].dtype.kind in "iu"]
    if not whole:
        return
    bare = ModelProto()
    bare.CopyFrom(model)
    for port in bare.graph.output:
        port.ClearField("type")
    found = {port.name: port.type.tensor_type.elem_type for port in shape_inference.infer_shapes(bare).graph.output}
    for port in whole:
        port.type.tensor_type.elem_type = found[port.name] or port.type.tensor_type.elem_type


def check(model: Any, sheet: Sheet) -> None:
    """Raises: InteropError where an operator of this opset does not take the numbers of the network."""
    from onnx import checker, shape_inference

    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, shape_inference.InferenceError) as problem:
        raise InteropError(
            f"Opset {sheet.opset} of ONNX cannot say this network in {sheet.dtype}: {str(problem).splitlines()[0]}. "
            "Take a newer opset, or the network in another type: jax.tree.map(lambda a: a.astype('float32'), net)."
        ) from None


def with_outputs(sheet: Sheet, outputs: Mapping[str, Value]) -> tuple[list[Node], dict[str, Value]]:
    """The nodes with their outputs called as they should be, or by a name near it where an input is called so."""
    made = {name for node in sheet.nodes for name in node.outputs}
    results = {sheet.fresh(name): value for name, value in outputs.items()}
    renamed: dict[str, str] = {}
    copies = []
    for name, value in results.items():
        if value.name in made and value.name not in renamed:
            renamed[value.name] = name
        else:
            copies.append(Node("Identity", name, (renamed.get(value.name, value.name),), (name,), {}))

    def called(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(renamed.get(name, name) for name in names)

    nodes = [replace(node, inputs=called(node.inputs), outputs=called(node.outputs)) for node in sheet.nodes]
    return nodes + copies, results


def needed(nodes: list[Node], wanted: set[str]) -> list[Node]:
    """The nodes that the wanted values are made from."""
    wanted, kept = set(wanted), []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def proto(node: Node) -> Any:
    from onnx import helper

    made = helper.make_node(node.kind, node.inputs, node.outputs, name=node.name, domain=node.domain)
    for name, value in node.attributes.items():
        made.attribute.append(helper.make_attribute(name, word(value)))
    return made


def word(value: Any) -> Any:
    """The value of an attribute as ONNX takes it."""
    if isinstance(value, np.dtype):
        return kind_of(value)
    return tensor("", value) if isinstance(value, np.ndarray) else value


def info(name: str, value: Value, about: str = "") -> Any:
    from onnx import helper

    open_axes = ("batch", "time") if value.rank > 1 and value.shape[1] is None else ("batch",)
    known = dict(enumerate(open_axes))
    shape = [known.get(axis) if n is None else n for axis, n in enumerate(value.shape)]
    return helper.make_tensor_value_info(name, kind_of(value.dtype), shape, about)


def tensor(name: str, array: np.ndarray) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(array, order="C"), name)


def kind_of(dtype: np.dtype) -> int:
    from onnx import TensorProto, helper

    return TensorProto.STRING if dtype.kind in "OU" else helper.np_dtype_to_tensor_dtype(dtype)


def write_file(path: str | os.PathLike[str], model: Any) -> Path:
    """Write a model as one file, whole or not at all; the name always ends in `.onnx`, and a folder gets `model.onnx`.

    Raises: StoreError where the disk refuses; a file already there stays.
    """
    place = Path(path)
    place = place / "model.onnx" if place.is_dir() else place
    place = place if place.suffix == SUFFIX else place.with_name(place.name + SUFFIX)
    return write_bytes(place, model.SerializeToString(deterministic=True))
