"""The catalogue of real faulty trainings, each as a Pellucid program: what a user wrote in Keras, said again here.

    cases = programs("data/faults")
    program = program_of(cases[0], fixed=False, seed=0)
    metric_of(trained(program), program, cases[0])

A case gives layers, loss, optimizer and their settings as Keras knows them (its defaults where nothing is said), for
the faulty and for the mended program, and what both reached when they were trained: `verified`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from pellucid import initializers, losses
from pellucid.doctor._program import Program
from pellucid.layers import Activation, BatchNorm, Dense, Dropout, Flatten, Sequential, Softmax
from pellucid.module import Layer
from pellucid.train import Run, Settings, open_data
from pellucid.train import fit as train
from pellucid.train._optimizers import OPTIMIZERS, weights_only

Case = dict[str, Any]


def programs(folder: str | Path) -> list[Case]:
    """The cases of the catalogue in a folder; each knows where its data lies."""
    folder = Path(folder)
    return [case | {"folder": folder} for case in json.loads((folder / "faults.json").read_text())["cases"]]


def program_of(case: Case, fixed: bool = False, seed: int = 0) -> Program:
    """The program of a case, faulty or mended, ready to be trained as it was when the case was verified."""
    spec, found = spec_of(case, fixed), case["verified"].get("fixed" if fixed else "buggy") or {}
    x, y = rows_of(case, fixed, found)
    net, outputs = network(spec["layers"], x.shape[1:], seed)
    y, loss = criterion(spec["loss"], y, (len(x), *outputs))
    learned = int(len(x) * (1 - (spec.get("validation_split") or 0)))
    settings = Settings(
        loss,
        epochs=epochs_of(spec, found),
        batch_size=min(spec.get("batch_size") or 32, learned),
        shuffle=spec.get("shuffle") is not False,
        seed=seed,
        **optimizer(spec),
    )
    held = None if learned == len(x) else (x[learned:], y[learned:])
    return Program(net, settings, x[:learned], y[:learned], held)


def spec_of(case: Case, fixed: bool) -> dict[str, Any]:
    """The faulty spec or the mended one; where the constraint is the fault, the mended one drops it."""
    spec = case["fixed_spec" if fixed else "spec"]
    if not (fixed and case.get("needs_constraint")):
        return spec
    return spec | {"layers": [{k: v for k, v in layer.items() if k != "kernel_constraint"} for layer in spec["layers"]]}


def trained(program: Program, watch_every: int = 0) -> Run:
    """Train it to its end."""
    settings = program.set(watch_every=watch_every).settings
    labels = program.y.dtype.kind == "i"
    data = open_data(
        (program.x, program.y),
        task="classification" if labels else "regression",
        loss_targets=settings.loss.targets,
        validation=program.validation,
        net=program.net,
    )
    return train(program.net, data, settings, progress=False)


def metric_of(run: Run, program: Program, case: Case) -> float | None:
    """What the verified figures are: accuracy, R² or the share of bits that are right on the rows learned from.

    None where a number stopped being finite.
    """
    p, y = np.asarray(jax.jit(lambda net, x: net(x))(run.net, program.x)), np.asarray(program.y)
    if run.status == "not finite" or not np.isfinite(p).all():
        return None
    name = case["verified"]["metric_name"]
    if name.startswith("R2"):
        return 1 - float(np.square(p - y).mean() / np.square(y - y.mean(0)).mean())
    if name.startswith("bit"):
        return float(((p > 0.5) == y).mean())
    if p.shape[-1] == 1:
        p, y = p[..., 0], y[..., 0] if y.shape == p.shape else y
    if p.ndim == 1:
        return float(((p > 0.5) == y).mean())
    return float((p.argmax(-1) == (y if y.ndim == 1 else y.argmax(-1))).mean())


def rows_of(case: Case, fixed: bool, found: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a case, as many of them as the verified training had."""
    x, y = generators(case["folder"]).load(case, fixed)
    notes = [note for note in found.get("notes", ()) if note.startswith("subsampled to ")]
    if notes:
        some = np.random.RandomState(0).permutation(len(x))[: int(notes[0].split()[-1])]
        x, y = x[some], y[some]
    x = np.asarray(x, np.float32)
    return x[:, None] if x.ndim == 1 else x, np.asarray(y, np.float32)


def generators(folder: Path) -> Any:
    """The module that makes the data of the cases, beside them."""
    if "faults_generators" not in sys.modules:
        found = importlib.util.spec_from_file_location("faults_generators", folder / "generators.py")
        assert found is not None
        assert found.loader is not None
        module = sys.modules["faults_generators"] = importlib.util.module_from_spec(found)
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        found.loader.exec_module(module)
        sys.dont_write_bytecode = before
    return sys.modules["faults_generators"]


def epochs_of(spec: dict[str, Any], found: dict[str, Any]) -> int:
    """The epochs of the verified training, which may have been cut short; all of them where it broke off."""
    notes = found.get("notes", [])
    if not any("non-finite" in note for note in notes):
        return found.get("epochs_run") or spec.get("epochs") or 1
    cut = [int(note.rsplit("->", 1)[1]) for note in notes if note.startswith("epochs cut")]
    return cut[0] if cut else spec.get("epochs") or 1


# --- layers -----------------------------------------------------------------------------------------------------------


def network(layers: list[dict[str, Any]], shape: tuple[int, ...], seed: int) -> tuple[Sequential, tuple[int, ...]]:
    """The layers in turn, and the shape of what they give for a row."""
    made: list[Layer] = []
    for layer, key in zip(layers, jax.random.split(jax.random.key(seed), len(layers)), strict=True):
        match layer["type"]:
            case "Dense":
                made += dense(layer, shape[-1], key)
                shape = (*shape[:-1], layer["units"])
            case "Activation":
                made += activation(layer["activation"])
            case "Flatten":
                made.append(Flatten())
                shape = (int(np.prod(shape)),)
            case "Dropout":
                made.append(Dropout(layer["rate"]))
            case "BatchNormalization":
                made.append(BatchNorm.create(shape[-1], momentum=0.01, epsilon=1e-3))
            case other:
                raise ValueError(f"A layer {other!r} is not known here.")
    return Sequential(made), shape


def dense(layer: dict[str, Any], n_in: int, key: jax.Array) -> list[Layer]:
    for_weight, for_bias = jax.random.split(key)
    weight = drawn(layer.get("kernel_initializer", "glorot_uniform"), for_weight, (n_in, layer["units"]))
    bias = drawn(layer.get("bias_initializer", "zeros"), for_bias, (layer["units"],))
    return [Dense(weight, bias if layer.get("use_bias", True) else None), *activation(layer.get("activation"))]


def activation(name: str | None) -> list[Layer]:
    if name is None or name == "linear":
        return []
    return [Softmax() if name == "softmax" else Activation(name)]


SHORT = {"uniform": "RandomUniform", "normal": "RandomNormal", "random_normal": "RandomNormal", "zeros": "Zeros"}
SCALED = {  # scale, mode, distribution
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
    "he_normal": (2.0, "fan_in", "normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"),
    "lecun_normal": (1.0, "fan_in", "normal"),
}


def drawn(given: str | dict[str, Any], key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """An array as a Keras initializer draws it, with Keras' defaults."""
    given = {"name": given} if isinstance(given, str) else given
    name: str = given["name"]
    match SHORT.get(name, name):
        case "Zeros":
            return initializers.zeros(key, shape)
        case "Constant":
            return initializers.constant(key, shape, value=given.get("value", 0.0))
        case "RandomUniform":
            low, high = given.get("minval", -0.05), given.get("maxval", 0.05)
            return initializers.uniform(key, shape, low=low, high=high)
        case "RandomNormal":
            return initializers.normal(key, shape, std=given.get("stddev", 0.05))
        case "TruncatedNormal":
            return initializers.truncated_normal(key, shape, std=given.get("stddev", 0.05))
        case "VarianceScaling":
            scale = given.get("scale", 1.0), given.get("mode", "fan_in"), given.get("distribution", "normal")
            return scaled(key, shape, *scale)
        case other:
            return scaled(key, shape, *SCALED[other])


def scaled(key: jax.Array, shape: tuple[int, ...], scale: float, mode: str, distribution: str) -> jax.Array:
    """Keras' VarianceScaling; its normal is cut at ±2 and widened so that the variance is what was asked."""
    n_in, n_out = (shape[0], shape[0]) if len(shape) == 1 else initializers.fans(shape)
    variance = scale / {"fan_in": n_in, "fan_out": n_out, "fan_avg": (n_in + n_out) / 2}[mode]
    if distribution == "uniform":
        limit = sqrt(3 * variance)
        return initializers.uniform(key, shape, low=-limit, high=limit)
    return initializers.truncated_normal(key, shape, std=sqrt(variance / initializers.TRUNCATED))


# --- loss -------------------------------------------------------------------------------------------------------------


def squared_error_as_broadcast(z, y):
    return jnp.mean((z - y) ** 2)


def squared_error_against_flat_targets(z, y):
    return jnp.mean((z - y.reshape(-1)) ** 2)


def sum_of_squares(z, y):
    return jnp.sum((z - y) ** 2)


NAMED = {
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "mae": "absolute_error",
    "mean_absolute_error": "absolute_error",
    "binary_crossentropy": "binary_cross_entropy_of_probabilities",
    "categorical_crossentropy": "cross_entropy_of_probabilities",
    "CategoricalCrossentropy": "cross_entropy_of_probabilities",
    "sparse_categorical_crossentropy": "cross_entropy_of_probabilities",
    "sse": sum_of_squares,
    "mse_broadcast": squared_error_against_flat_targets,
}


def criterion(name: str, y: np.ndarray, outputs: tuple[int, ...]) -> tuple[np.ndarray, losses.Loss]:
    """The targets in the shape Keras brings them to, and the loss; classes by number for the sparse one."""
    if name.startswith("sparse"):
        return y.reshape(outputs[:-1]).astype(np.int32), losses.loss(NAMED[name])
    if y.ndim < len(outputs):
        y = y[..., None]
    if y.shape == outputs:
        return y, losses.loss(NAMED[name])
    if NAMED[name] != "squared_error":
        raise ValueError(f"{name} of targets {y.shape} and outputs {outputs} is not known here.")
    return y, losses.own(squared_error_as_broadcast)


# --- optimizer --------------------------------------------------------------------------------------------------------


def optimizer(spec: dict[str, Any]) -> dict[str, Any]:
    """The settings of the update rule, by name where it has one; bound or frozen weights make it Optax's own."""
    given = spec["optimizer"]
    name = given["name"].lower().removesuffix("optimizer").replace("gradientdescent", "sgd")
    rate = given.get("lr", given.get("learning_rate", given.get("args", [None])[0]))
    rate = float(rate or {"sgd": 0.01}.get(name, 0.001))
    named = rule(name, given)
    layers = [layer for layer in spec["layers"] if layer["type"] == "Dense"]
    decay = {strength(layer) for layer in layers}
    if len(decay) > 1:
        raise ValueError("A regularizer that differs between layers is not known here.")
    settings = {"weight_decay": 2 * decay.pop()}  # λ Σ w² adds 2 λ w to the gradient
    kept = [layer.get("trainable", True) for layer in layers]
    more = []
    if any(layer.get("kernel_constraint") == "non_neg" for layer in layers):
        more.append(optax.masked(optax.keep_params_nonnegative(), weights_only))
    if not all(kept):
        more.append(optax.masked(optax.set_to_zero(), lambda net: held_fast(net, kept)))
    if not more:
        return settings | {"optimizer": named, "learning_rate": rate}
    return settings | {"optimizer": optax.chain(OPTIMIZERS[named][0](), optax.scale(rate), *more)}


def rule(name: str, given: dict[str, Any]) -> str:
    """Pellucid's rule that does what Keras' does; where its constants are others, the table of rules gets a row more.

    Keras' ε of 1e-7 in Adam, and a decay of the rate by 1e-6 a step, are taken for nothing.
    """
    momentum, nesterov = given.get("momentum", 0.0), given.get("nesterov", False)
    b1, b2 = given.get("beta_1", 0.9), given.get("beta_2", 0.999)
    match name:
        case "sgd" if momentum in (0.0, 0.9):
            return "sgd" if not momentum else "nesterov" if nesterov else "momentum"
        case "sgd":
            name = f"{'nesterov' if nesterov else 'momentum'}({momentum})"
            return another(name, lambda **_: optax.sgd(1.0, momentum=momentum, nesterov=nesterov))
        case "adam" if (b1, b2) == (0.9, 0.999):
            return "adam"
        case "adam":
            return another(f"adam({b1}, {b2})", lambda **_: optax.adam(1.0, b1, b2))
        case "rmsprop":
            return another("rmsprop(0.9)", lambda **_: optax.rmsprop(1.0, decay=0.9, eps=1e-7, eps_in_sqrt=False))
        case "adagrad":
            return another("adagrad(0.1)", lambda **_: optax.adagrad(1.0, initial_accumulator_value=0.1, eps=1e-7))
        case other:
            raise ValueError(f"An optimizer {other!r} is not known here.")


def another(name: str, made: Callable[..., optax.GradientTransformation]) -> str:
    """The name of a rule with constants of its own, so that it has a name and a rate like any other."""
    OPTIMIZERS.setdefault(name, (made, OPTIMIZERS[name.partition("(")[0]][1]))
    return name


def strength(layer: dict[str, Any]) -> float:
    """The λ of the `λ Σ w²` that Keras adds to the loss for a layer."""
    given: dict[str, Any] = layer.get("kernel_regularizer") or {"l2": 0.0}
    return float(given["l2"] if "l2" in given else given["args"][0])


def held_fast(net: Any, kept: list[bool]) -> Any:
    """True for the arrays of the layers that do not learn."""
    flags = iter(kept)
    return Sequential([constant(a, not next(flags)) if isinstance(a, Dense) else a for a in net.layers])


def constant(tree: Any, value: Any) -> Any:
    """The value in place of every array."""
    return jax.tree.map(lambda _: value, tree)
