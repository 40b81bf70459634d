"""Operations in the words of ONNX, and tuples of arrays."""

import jax.numpy as jnp
import numpy as np
import torch

from layer_cases.case import Case, F, draw
from pellucid.layers import Collect, Operator, Pick

CASES = {
    "Operator": Case(Operator("Mul", opset=14, constants={1: draw(3)}, learned=[1]), lambda p, x: x * p["weights[1]"]),
    "Operator of two inputs": Case(
        Operator("Sub", opset=14, given=(1, 0)),
        lambda p, x: x[1] - x[0],
        pair=True,
        bad=jnp.ones((5, 3)),
        refusal=r"Operator Sub expects a tuple of 2 inputs, got one",
    ),
    "Operator with a buffer and settings": Case(
        Operator("Clip", opset=13, constants={1: np.array(-0.5), 2: np.array(0.9)}, buffers=[1]),
        lambda p, x: torch.clip(x, -0.5, 0.9),
    ),
    "Operator of several outputs": Case(
        Operator("Split", opset=13, constants={1: np.array([1, 2])}, attributes={"axis": 1}, outputs=2),
        lambda p, x: torch.split(x, [1, 2], 1),
    ),
    "Operator by one axis": Case(
        Operator("LogSoftmax", opset=13, attributes={"axis": 1}), lambda p, x: F.log_softmax(x, 1), smooth=draw(2, 3, 2)
    ),
    "Pick": Case(
        Pick(1),
        lambda p, x: x[1] + 0 * x[0],
        pair=True,
        bad=jnp.ones((5, 3)),
        refusal=r"Pick expects a tuple of at least 2 arrays, got one ArrayImpl",
    ),
    "Collect": Case(Collect(), lambda p, x: (x[0].clone(), x[1].clone()), pair=True),
}
