"""Measurements that only a sick training is worth: curvature, the noise of the gradient, one batch, simple models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..backprop import backpropagate
from ..language import phrase
from ..losses import Loss
from ..module import Layer, learned
from ._changes import standardised
from ._program import Program
from ._task import Task, answers, flat, score

ROUNDS, STEP = 12, 1e-3  # of the power iteration; of the weights' size
GROUPS = 8
NEAR, SOME = 5, 1000  # neighbours, rows
LINEAR, NEIGHBOURS = "a linear model", "the five nearest neighbours"
MODELS = {LINEAR: phrase("a linear model"), NEIGHBOURS: phrase("the five nearest neighbours")}
Gradient = Callable[[Any], np.ndarray]


def gradient_of(net: Layer, loss: Loss, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Gradient]:
    """The learned weights as one vector, and the gradient at any such vector."""
    from jax.flatten_util import ravel_pytree

    flat_weights, back = ravel_pytree(learned(net))
    run = jax.jit(backpropagate, static_argnums=1)

    def gradient(weights: Any) -> np.ndarray:
        given = back(jnp.asarray(weights, flat_weights.dtype))
        whole = jax.tree.map(lambda old, new: old if new is None else new, net, given)
        return np.asarray(ravel_pytree(learned(run(whole, loss, x, y).dnet))[0], np.float64)

    return np.asarray(flat_weights, np.float64), gradient


def sharpness(net: Layer, loss: Loss, x: np.ndarray, y: np.ndarray) -> float:
    """The largest curvature of the loss over its weights: the largest eigenvalue of the Hessian, by power iteration.

    `H v ≈ (g(w + εv) − g(w − εv)) / 2ε`. Plain steps of more than 2 / curvature go up the other side of the valley.

    Source: LeCun, Simard and Pearlmutter 1992, Automatic learning rate maximization.
    """
    weights, gradient = gradient_of(net, loss, x, y)
    v = np.random.default_rng(0).normal(size=len(weights))
    step = STEP * max(float(np.linalg.norm(weights)), 1.0)
    found = 0.0
    for _ in range(ROUNDS):
        v /= max(float(np.linalg.norm(v)), 1e-30)
        hv = (gradient(weights + step * v) - gradient(weights - step * v)) / (2 * step)
        found = float(v @ hv)
        v = hv
    return found


def noise_scale(net: Layer, loss: Loss, x: np.ndarray, y: np.ndarray) -> float:
    """At how many rows a batch's gradient is as much noise as signal: `tr Σ / ‖g‖²`, from eight groups of rows.

    Source: McCandlish and others 2018, An empirical model of large-batch training, appendix A.
    """
    size = len(x) // GROUPS
    if size < 2:
        return float("nan")
    parts = [slice(i * size, (i + 1) * size) for i in range(GROUPS)]
    found = []
    for part in parts:
        weights, gradient = gradient_of(net, loss, x[part], y[part])
        found.append(gradient(weights))
    gradients = np.stack(found)
    mean = gradients.mean(0)
    spread = float(np.square(gradients - mean).sum() / (GROUPS - 1))  # of the mean of `size` rows
    signal = max(float(mean @ mean) - spread / GROUPS, 1e-30)
    return size * spread / signal


def one_batch(program: Program, size: int = 32) -> Program:
    """The program on one batch of its rows, over and over: what any network with enough units can learn by heart."""
    rows = np.resize(np.linspace(0, len(program.x) - 1, min(size, len(program.x))).astype(int), len(program.x))
    return replace(program, x=np.asarray(program.x)[rows], y=np.asarray(program.y)[rows])


def simple_scores(program: Program, task: Task) -> dict[str, float]:
    """What a linear model (least squares) and the five nearest neighbours reach, each row left to the others.

    The linear model is scored on the rows it was fitted to, as the network is.
    """
    rows = np.linspace(0, len(program.x) - 1, min(len(program.x), SOME)).astype(int)
    x = standardised(np.asarray(program.x)[rows]).reshape(len(rows), -1).astype(float)
    y = np.asarray(program.y)[rows]
    wanted = as_columns(y, task)
    if x.shape[1] > SOME or not np.isfinite(x).all() or not np.isfinite(wanted).all():
        return {}
    design = np.concatenate([x, np.ones((len(x), 1))], 1)
    solved = np.linalg.solve(design.T @ design + 1e-6 * len(x) * np.eye(design.shape[1]), design.T @ wanted)
    found = {LINEAR: judged(task, design @ solved, y)}
    if len(x) > NEAR + 1:
        square = np.square(x).sum(1)
        far = square[:, None] + square - 2 * x @ x.T
        np.fill_diagonal(far, np.inf)
        near = np.argpartition(far, NEAR, axis=1)[:, :NEAR]
        found[NEIGHBOURS] = judged(task, wanted[near].mean(1), y)
    return found


def as_columns(y: np.ndarray, task: Task) -> np.ndarray:
    y = flat(y)
    if task.kind == "labels":
        return np.eye(task.classes)[y.astype(int)]
    return np.asarray(y, float).reshape(len(y), -1)


def judged(task: Task, z: np.ndarray, y: np.ndarray) -> float:
    """The score of outputs that are shares or numbers."""
    if task.kind == "numbers":
        return score(task, z.reshape(np.shape(flat(y))), y, 0.5)
    wanted = flat(y)
    wanted = wanted.argmax(-1) if task.kind == "one-hot" else wanted
    return float((answers(task, flat(z), 0.5) == wanted).mean())
