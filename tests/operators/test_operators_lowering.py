"""What an operator says of itself as a piecewise-affine map is what it does."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from certify_cases import OPERATIONS
from pellucid.affine import Lowering, Value
from pellucid.errors import GeometryError
from pellucid.layers import Collect, Concat, Operator, Pick
from pellucid.operators import LOWERINGS

RNG = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def one(kind: str, shape: tuple[int, ...], constants: dict[int, Any] | None = None, opset: int = 18, **attributes: Any):
    """An operator of one value and constants, and the shape of an example."""
    given = next(i for i in range(9) if i not in (constants or {}))
    return Operator(kind, opset=opset, given=(given,), constants=constants or {}, attributes=attributes), (shape,)


def two(kind: str, first: tuple[int, ...], second: tuple[int, ...], **attributes: Any):
    return Operator(kind, opset=18, given=(0, 1), attributes=attributes), (first, second)


CASES = {
    "Abs": one("Abs", (4,)),
    "Add a constant": one("Add", (3,), {1: draw(2, 3)[None]}),
    "Add": two("Add", (2, 3), (3,)),
    "AveragePool": one("AveragePool", (2, 5, 6), kernel_shape=[3, 2], pads=[1, 1, 0, 0], strides=[2, 1]),
    "BatchNormalization": one(
        "BatchNormalization", (3, 4), {1: draw(3), 2: draw(3), 3: draw(3), 4: draw(3) ** 2}, epsilon=1e-3
    ),
    "Cast": one("Cast", (3,), to=11),
    "CenterCropPad": one("CenterCropPad", (5, 2), {1: np.array([3, 4])}, axes=[1, 2]),
    "Clip": one("Clip", (5,), {1: np.array(-0.5), 2: np.array(0.25)}),
    "Clip below only": one("Clip", (5,), {1: np.array(0.25)}),
    "Clip by attributes": one("Clip", (5,), opset=6, min=-0.5, max=0.25),
    "Compress": one("Compress", (4,), {1: np.array([True, False, True, True])}, axis=1),
    "Concat": two("Concat", (2, 3), (2, 1), axis=2),
    "Conv": one("Conv", (2, 5), {1: draw(4, 2, 3), 2: draw(4)}, pads=[1, 1]),
    "ConvTranspose": one("ConvTranspose", (2, 4), {1: draw(2, 3, 3)}, strides=[2]),
    "CumSum": one("CumSum", (3, 4), {1: np.array(2)}, reverse=1),
    "DFT": one("DFT", (4, 1), opset=17, axis=1, onesided=1),
    "DepthToSpace": one("DepthToSpace", (8, 2, 3), blocksize=2),
    "Div": one("Div", (3,), {1: draw(3) + 2}),
    "Dropout": one("Dropout", (3,)),
    "Einsum": one("Einsum", (3,), {1: draw(3, 2)}, equation="bi,ij->bj"),
    "Expand": one("Expand", (1, 3), {1: np.array([1, 2, 3])}),
    "Flatten": one("Flatten", (2, 3)),
    "Gather": one("Gather", (5,), {1: np.array([[3, 1], [1, -1]])}, axis=1),
    "GatherElements": one("GatherElements", (2, 3), {1: np.array([[[2, 0, 1], [1, 1, 0]]])}, axis=2),
    "GatherND": one("GatherND", (3, 2), {1: np.array([[[2], [0]]])}, batch_dims=1),
    "Gemm": one("Gemm", (3,), {1: draw(2, 3), 2: draw(2)}, transB=1, alpha=0.5),
    "GlobalAveragePool": one("GlobalAveragePool", (2, 3, 4)),
    "GlobalMaxPool": one("GlobalMaxPool", (2, 3, 4)),
    "HardSigmoid": one("HardSigmoid", (9,), alpha=0.5, beta=0.3),
    "Identity": one("Identity", (3,)),
    "LeakyRelu": one("LeakyRelu", (5,), alpha=0.2),
    "MatMul": one("MatMul", (2, 3), {1: draw(3, 4)}),
    "MatMul from the left": one("MatMul", (3, 2), {0: draw(4, 3)}),
    "Max": two("Max", (2, 3), (3,)),
    "Max with a constant": one("Max", (3,), {1: draw(3)}),
    "MaxPool": one("MaxPool", (2, 5, 6), kernel_shape=[3, 2], pads=[1, 1, 0, 0], strides=[2, 1], ceil_mode=1),
    "Mean": two("Mean", (3,), (3,)),
    "Min": two("Min", (2, 3), (3,)),
    "Min with a constant": one("Min", (3,), {0: draw(3)}),
    "Mul": one("Mul", (3,), {0: draw(2, 3)[None]}),
    "Neg": one("Neg", (3,)),
    "PRelu": one("PRelu", (2, 3), {1: draw(2, 1)}),
    "Pad": one("Pad", (3, 2), {1: np.array([0, 1, -1, 0, 2, 1]), 2: np.array(0.5)}),
    "Pad by reflection": one("Pad", (4,), {1: np.array([0, 2, 0, 1])}, mode="reflect"),
    "ReduceMax": one("ReduceMax", (3, 4), {1: np.array([1])}, keepdims=0),
    "ReduceMean": one("ReduceMean", (3, 4), {1: np.array([-1])}),
    "ReduceSum": one("ReduceSum", (3, 4), {1: np.array([1, 2])}, keepdims=0),
    "Relu": one("Relu", (5,)),
    "Reshape": one("Reshape", (2, 6), {1: np.array([0, 3, -1])}),
    "Resize, nearest": one("Resize", (2, 3), {2: np.array([1.0, 1.0, 2.0])}, mode="nearest"),
    "Resize, linear": one("Resize", (2, 3), {2: np.array([1.0, 1.0, 2.0])}, mode="linear"),
    "ReverseSequence": one("ReverseSequence", (4, 2), {1: np.array([3])}, batch_axis=0, time_axis=1),
    "Scatter": one("Scatter", (3,), {1: np.array([[2, 0]]), 2: np.array([[5.5, 6.5]])}, opset=9, axis=1),
    "ScatterElements": one("ScatterElements", (3,), {1: np.array([[2, 0]]), 2: np.array([[5.5, 6.5]])}, axis=1),
    "ScatterND": one("ScatterND", (3,), {1: np.array([[0, 2]]), 2: np.array([5.5])}),
    "Slice": one("Slice", (5, 2), {1: np.array([4]), 2: np.array([-9]), 3: np.array([1]), 4: np.array([-2])}),
    "SpaceToDepth": one("SpaceToDepth", (2, 4, 6), blocksize=2),
    "Squeeze": one("Squeeze", (3, 1), {1: np.array([2])}),
    "Sub": two("Sub", (3,), (2, 3)),
    "Sub from a constant": one("Sub", (3,), {0: draw(3)}),
    "Sum": two("Sum", (3,), (2, 3)),
    "Tile": one("Tile", (2, 3), {1: np.array([1, 2, 1])}),
    "Transpose": one("Transpose", (2, 3), perm=[0, 2, 1]),
    "Trilu": one("Trilu", (3, 3), {1: np.array(1)}),
    "Unsqueeze": one("Unsqueeze", (3,), {1: np.array([1, 3])}),
    "Upsample": one("Upsample", (2, 3), {1: np.array([1.0, 1.0, 2.0])}, opset=9, mode="nearest"),
    "ArrayFeatureExtractor": one("ai.onnx.ml.ArrayFeatureExtractor", (4,), {1: np.array([2, 0])}),
    "Scaler": one("ai.onnx.ml.Scaler", (2,), offset=[1.0, 2.0], scale=[0.5, 3.0]),
    "Where": (
        Operator(
            "Where", opset=18, given=(1, 2), constants={0: np.array([True, False, True])}
        ), ((3,), (3,)),
    ),
}  # fmt: skip


def computed(layer: Operator, shapes: tuple[tuple[int, ...], ...], parts: list[np.ndarray]) -> Any:
    """The layer's lowered self at these examples, each part being a part of the input."""
    widths = [int(np.prod(shape)) for shape in shapes]
    at = Lowering((sum(widths),))
    starts = np.cumsum([0, *widths])
    given = [
        at.select(at.input, np.arange(a, b), shape) for a, b, shape in zip(starts, starts[1:], shapes, strict=False)
    ]
    y = layer.lower(at, given[0] if len(given) == 1 else tuple(given))
    values = {0: np.concatenate([part.reshape(len(part), -1) for part in parts], 1)}
    for step in at.steps:
        values[step.output] = step.operator(*(values[i] for i in step.inputs))
    outputs = (y,) if isinstance(y, Value) else y
    return [values[v.number].reshape(-1, *v.shape) for v in outputs]


@pytest.mark.parametrize("name", CASES)
def test_the_lowered_operator_is_the_operator(name):
    layer, shapes = CASES[name]
    with jax.enable_x64(True):
        parts = [draw(1, *shape) for shape in shapes]
        inputs = [jnp.asarray(part) for part in parts]
        y = layer(inputs[0] if len(inputs) == 1 else tuple(inputs))
        (found,) = computed(layer, shapes, parts)
    assert found.shape == y.shape
    np.testing.assert_allclose(found, y, rtol=1e-12, atol=1e-13)


def test_every_lowering_has_a_case():
    curves = {kind for kind, _ in OPERATIONS}  # see test_certify_curves
    assert {layer.kind for layer, _ in CASES.values()} | {"Split"} | curves == set(LOWERINGS)


def test_the_parts_of_a_split_are_lowered_one_by_one():
    layer = Operator("Split", opset=11, outputs=2, attributes={"axis": 1, "split": [1, 2]})
    x = draw(1, 3, 2)
    first, second = computed(layer, ((3, 2),), [x])
    assert (first == x[:, :1]).all()
    assert (second == x[:, 1:]).all()


def test_pick_and_collect_pass_values_on():
    at = Lowering((4,))
    parts = Collect().lower(at, (at.input, at.select(at.input, np.arange(2), (2,))))
    assert Pick(1).lower(at, parts).shape == (2,)
    assert Concat().lower(at, parts).shape == (6,)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        one("Exp", (3,)),
        one("Cast", (3,), to=7),
        one("Transpose", (3,), perm=[1, 0]),
        one("Reshape", (4,), {1: np.array([2, 2])}),
        one("Div", (3,), {0: draw(3)}),
        one("ReduceMax", (3,), {1: np.array([0])}),
        two("Mul", (3,), (3,)),
        two("MatMul", (2, 3), (3, 2)),
        two("Compress", (3,), (3,), axis=1),
        one("Gather", (2,), {0: draw(4)}),
        (Operator("Identity", opset=18, given=(), constants={0: draw(2)}), ((3,),)),
        one("BatchNormalization", (3,), {0: draw(2, 3), 2: draw(3), 3: draw(3), 4: draw(3) ** 2}),
    ],
    ids=lambda value: value.kind if isinstance(value, Operator) else "",
)
def test_what_is_not_piecewise_linear_or_mixes_examples_is_refused(layer, shapes):
    with pytest.raises(GeometryError, match=f"Operator is not piecewise linear, or mixes examples: it is {layer.kind}"):
        computed(layer, shapes, [draw(1, *shape) for shape in shapes])
