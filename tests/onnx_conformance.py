"""The backend tests inside the `onnx` package, run by Pellucid: what passes, what is refused, and what is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from onnx import numpy_helper

from pellucid.errors import InteropError
from pellucid.interop._convert import network_of
from pellucid.interop._onnx_in import model_of
from pellucid.operators import evaluate

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
CORE = frozenset((
    "Add", "AveragePool", "BatchNormalization", "Celu", "Clip", "Concat", "Conv", "Div", "Dropout", "Elu", "Flatten",
    "GRU", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization", "HardSigmoid", "HardSwish",
    "Identity", "InstanceNormalization", "LSTM", "LayerNormalization", "LeakyRelu", "LogSoftmax", "MatMul", "MaxPool",
    "Mul", "PRelu", "RNN", "Relu", "Reshape", "Selu", "Sigmoid", "Softmax", "Softplus", "Softsign", "Sub", "Tanh",
    "Transpose",
))  # fmt: skip
PASS, WRONG, UNSUPPORTED = "pass", "wrong", "unsupported"
Compute = Callable[[Any, list[Any]], Sequence[Any]]


@dataclass(frozen=True)
class Case:
    """One backend test: its model, its operators, and inputs with the outputs that ONNX says they have."""

    name: str
    proto: Any
    kinds: frozenset[str]
    data: Callable[[], Iterator[tuple[list[Any], list[Any]]]]
    rtol: float
    atol: float


@dataclass(frozen=True)
class Verdict:
    """How a case ended, and why where it did not pass."""

    case: str
    kinds: frozenset[str]
    result: str
    why: str = ""


def cases(kinds: Iterable[str] = KINDS) -> Iterator[Case]:
    """All backend tests that need no download."""
    from onnx.backend.test.loader import load_model_tests

    for kind in kinds:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the numbers that ONNX's own tests are made with
            found = load_model_tests(kind=kind)
        for one in found:
            proto = one.model or onnx.load(Path(one.model_dir or "") / "model.onnx")
            operators = frozenset(node.op_type for node in proto.graph.node)
            yield Case(one.name, proto, operators, lambda one=one, p=proto: data_of(one, p), one.rtol, one.atol)


def data_of(one: Any, proto: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    if one.data_sets is not None:
        for inputs, outputs in one.data_sets:
            yield [plain(x) for x in inputs], [plain(y) for y in outputs]
        return
    for folder in sorted(Path(one.model_dir).glob("test_data_set_*")):
        yield in_folder(folder, "input", proto.graph.input), in_folder(folder, "output", proto.graph.output)


def in_folder(folder: Path, name: str, ports: Sequence[Any]) -> list[Any]:
    """The values of the inputs or outputs that a folder holds."""
    paths = [folder / f"{name}_{i}.pb" for i in range(len(ports))]
    return [in_file(path, port) for path, port in zip(paths, ports, strict=True) if path.exists()]


def in_file(path: Path, port: Any) -> Any:
    kinds = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}
    return plain(kinds.get(port.type.WhichOneof("value"), onnx.TensorProto).FromString(path.read_bytes()))


def plain(x: Any) -> Any:
    """A value as a NumPy array, a list of these, or None; texts as text."""
    if isinstance(x, onnx.TensorProto):
        x = numpy_helper.to_array(x)
    elif isinstance(x, onnx.SequenceProto):
        x = numpy_helper.to_list(x)
    elif isinstance(x, onnx.OptionalProto):
        x = numpy_helper.to_optional(x)
    if x is None or isinstance(x, list | tuple):
        return None if x is None else [plain(part) for part in x]
    x = np.asarray(x)
    if x.dtype.kind not in "OSU":
        return x
    texts = [t.decode() if isinstance(t, bytes) else t for t in x.reshape(-1).tolist()]
    return np.array(texts, object).reshape(x.shape)


def by_operators(model: Any, inputs: list[Any]) -> Sequence[Any]:
    """The outputs, by the table of operators alone."""
    return evaluate(model, inputs)


def by_network(model: Any, inputs: list[Any]) -> Sequence[Any]:
    """The outputs of the network that the model becomes."""
    y = network_of(model)(inputs[0] if len(inputs) == 1 else tuple(inputs))
    return (y,) if len(model.outputs) == 1 else y


def by_network_in_jax(model: Any, inputs: list[Any]) -> Sequence[Any]:
    """The same where the numbers that are not whole come as JAX arrays."""
    return by_network(
        model, jax.tree.map(lambda x: jnp.asarray(x) if jnp.issubdtype(x.dtype, jnp.inexact) else x, inputs)
    )


def run(case: Case, compute: Compute) -> Verdict:
    """How one case ends, in double precision where it asks for it."""
    try:
        with jax.enable_x64(True):
            model = model_of(case.proto, case.name)
            for inputs, wanted in case.data():
                got = list(compute(model, inputs))
                if len(got) != len(wanted):
                    return Verdict(case.name, case.kinds, WRONG, f"{len(got)} outputs, not {len(wanted)}")
                if misfit := next(filter(None, map(misfit_of, got, wanted, [case] * len(got))), ""):
                    return Verdict(case.name, case.kinds, WRONG, misfit)
    except InteropError as error:
        return Verdict(case.name, case.kinds, UNSUPPORTED, str(error))
    return Verdict(case.name, case.kinds, PASS)


def misfit_of(got: Any, wanted: Any, case: Case) -> str:
    """In what a value is not the one wanted: kind, type, shape or numbers; "" where in nothing."""
    if wanted is None or isinstance(wanted, list):
        if type(got) is not type(wanted) or len(got or ()) != len(wanted or ()):
            return f"{type(got).__name__}, not {type(wanted).__name__}"
        return next(filter(None, map(misfit_of, got or (), wanted or (), [case] * len(wanted or ()))), "")
    got = np.asarray(got)
    if (got.dtype, got.shape) != (wanted.dtype, wanted.shape):
        return f"{got.dtype} {got.shape}, not {wanted.dtype} {wanted.shape}"
    if wanted.dtype == object:
        return "" if (got == wanted).all() else f"{got.tolist()}, not {wanted.tolist()}"
    rtol = max(case.rtol, 2**-6) if wanted.dtype == jnp.bfloat16 else case.rtol  # as ONNX's own runner has it
    if wanted.dtype.kind not in "biufc":  # the small types of ml_dtypes
        got, wanted = got.astype(np.float32), wanted.astype(np.float32)
    close = np.isclose(got, wanted, rtol, case.atol, equal_nan=True)
    return "" if close.all() else f"{int((~close).sum())} of {close.size} numbers are off"
