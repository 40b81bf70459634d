"""Small ONNX models for the tests of reading them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper


def model(
    nodes: Sequence[Any],
    shape: Sequence[Any],
    arrays: Mapping[str, np.ndarray] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
    **more: Any,
) -> Any:
    """A model from x to its outputs."""
    initializers = [numpy_helper.from_array(np.asarray(a), name) for name, a in (arrays or {}).items()]
    graph = helper.make_graph(
        list(nodes), "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs], initializers,
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10, **more)


def mlp(n_hidden: int = 8) -> Any:
    rng = np.random.default_rng(0)
    arrays = {
        "fc1.weight": rng.standard_normal((n_hidden, 3)).astype(np.float32),
        "fc1.bias": rng.standard_normal(n_hidden).astype(np.float32),
        "fc2.weight": rng.standard_normal((n_hidden, 2)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "fc1.weight", "fc1.bias"], ["h"], "/fc1/Gemm", transB=1),
        helper.make_node("Relu", ["h"], ["r"], "/relu/Relu"),
        helper.make_node("MatMul", ["r", "fc2.weight"], ["y"], "/fc2/MatMul"),
    ]
    return model(nodes, ["batch", 3], arrays)


def export(module: torch.nn.Module, x: torch.Tensor, path: Path, *, fixed: bool = False, opset: int = 17) -> Path:
    """What torch.onnx writes for a module, the batch open, or fixed to 1."""
    module.eval()
    axes = None if fixed else {"x": {0: "batch"}, "y": {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x[:1] if fixed else x,), path, input_names=["x"], output_names=["y"], opset_version=opset,
            dynamo=False, dynamic_axes=axes,
        )  # fmt: skip
    return path
