from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ..backprop import backpropagate
from ..records import Record
from ..train import Block, Preprocess, Run, metrics, outputs, true_names
from ._judged import data_of, judged
from ._places import places_of

MOST_ROWS, FEWEST_ROWS = 2_000, 100
MOST_GROUPS = 256
WORK = 2e10  # multiply-adds: a second or two
PATCHES = 8  # an image is looked at in so many patches each way


@dataclass(frozen=True)
class Importance(Record):
    """How much worse the network gets when a column's cells are shuffled among the rows: `drop`, with its spread.

    `drop[i]` is the mean over the repeats of (the metric as it is − the metric with column i shuffled), `spread[i]` its
    standard deviation. All inputs that a column became are shuffled together; `places` are rows and columns of an image
    where the inputs are its pixels. A column that says the same as another one can be shuffled at little cost,
    important as the two may be.

    Source: Breiman 2001, Random forests, section 10.
    """

    metric: str
    score: float
    names: tuple[str, ...]
    drop: np.ndarray
    spread: np.ndarray
    repeats: int
    rows: int
    held_out: bool
    note: str = ""
    places: tuple[tuple[int, int], ...] | None = None

    @property
    def order(self) -> np.ndarray:
        """The columns from the most important to the least."""
        return np.argsort(-self.drop, kind="stable")


def importance(run: Run, repeats: int = 5, seed: int = 0) -> Importance:
    """Permutation importance of every column, in accuracy or r2, on at most 2,000 of the rows held out.

    Images are looked at in patches; of more than 256 columns, those with the largest mean |x · dL/dx|.
    """
    data = data_of(run)
    groups = grouped(run.preprocess)
    passes = min(len(groups), MOST_GROUPS) * repeats * max(sum(leaf.size for leaf in jax.tree.leaves(run.net)), 1)
    rows = judged(data, max(FEWEST_ROWS, min(MOST_ROWS, int(WORK / passes))))
    block = rows.block
    groups, note = chosen(run, block, groups)
    flat = np.asarray(block.x).reshape(len(block.x), -1)
    rng = np.random.default_rng(seed)
    metric = "accuracy" if run.preprocess.target.classes else "r2"
    score = measured(run, flat, block, metric)
    drop = np.zeros((len(groups), repeats))
    for repeat in range(repeats):
        order = rng.permutation(len(flat))
        for i, inputs in enumerate(groups.values()):
            shuffled = flat.copy()
            shuffled[:, inputs] = flat[np.ix_(order, np.array(inputs))]
            drop[i, repeat] = score - measured(run, shuffled, block, metric)
    names = tuple(groups)
    return Importance(
        metric, score, names, drop.mean(1), drop.std(1), repeats, len(flat), rows.held_out, note, places_of(names)
    )  # fmt: skip


def measured(run: Run, flat: np.ndarray, block: Block, metric: str) -> float:
    """One metric of the network on these inputs."""
    preprocess = run.preprocess
    prediction = preprocess.names(run.settings.loss.predict(jnp.asarray(outputs(run.net, flat.reshape(block.x.shape)))))
    classes = preprocess.target.classes
    truth = true_names(preprocess, block.y) if classes else preprocess.names(block.y)
    return metrics(truth, prediction, None, classes)[metric]


def grouped(preprocess: Preprocess) -> dict[str, list[int]]:
    """The inputs that are shuffled together: those of a column, or of a patch of an image."""
    shape = preprocess.shape or ()
    if len(shape) > 1 and math.prod(shape) > PATCHES**2:
        return patches(shape)
    groups: dict[str, list[int]] = {}
    for i, column in enumerate(preprocess.input_columns):
        groups.setdefault(column, []).append(i)
    return groups


def patches(shape: tuple[int, ...]) -> dict[str, list[int]]:
    """The inputs of rows of an image (or of anything with two axes or more) by patch, with all channels."""
    places = np.arange(math.prod(shape)).reshape(*shape[:2], -1)
    high, wide = (np.array_split(np.arange(n), min(n, PATCHES)) for n in shape[:2])
    return {
        f"x[{r[0]}:{r[-1] + 1}, {c[0]}:{c[-1] + 1}]": places[np.ix_(r, c)].ravel().tolist() for r in high for c in wide
    }


def chosen(run: Run, block: Block, groups: dict[str, list[int]]) -> tuple[dict[str, list[int]], str]:
    """At most 256 of the groups, with a note where there are more, or where they are patches."""
    if len(groups) <= MOST_GROUPS:
        note = f"{len(groups)} patches of {run.preprocess.shape}" if len(run.preprocess.shape or ()) > 1 else ""
        return groups, note
    rows = block.take(slice(0, FEWEST_ROWS))
    dx = jax.jit(backpropagate, static_argnums=1)(run.net, run.settings.loss, rows.x, rows.y).dx
    size = np.abs(np.asarray(dx) * rows.x).reshape(len(rows.x), -1).mean(0)
    names = sorted(groups, key=lambda name: -float(size[groups[name]].sum()))[:MOST_GROUPS]
    return {name: groups[name] for name in names}, (
        f"the {MOST_GROUPS} of {len(groups):,} columns with the largest mean |x · dL/dx|; the others were not tried"
    )
