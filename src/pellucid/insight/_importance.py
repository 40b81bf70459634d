from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ..backprop import backpropagate, summary
from ..language import phrase
from ..records import Record
from ..train import Block, Preprocess, Run, metrics, outputs, true_names
from ._judged import data_of, judged
from ._places import places_of

MOST_ROWS, FEWEST_ROWS = 2_000, 100
MOST_GROUPS = 256
WORK = 2e10  # multiply-adds: a second or two
PATCHES = 8  # an image is looked at in so many patches each way, a sequence in so many spans of steps


@dataclass(frozen=True)
class Importance(Record):
    """How much worse the network gets when a column's cells are shuffled among the rows: `drop`, with its spread.

    `drop[i]` is the mean over the repeats of (the metric as it is − the metric with column i shuffled), `spread[i]` its
    standard deviation. All inputs that a column became are shuffled together; `places` are rows and columns of an image
    where the inputs are its pixels, or patches of it. Steps of sequences are shuffled among the rows that have them. A
    column that says the same as another one can be shuffled at little cost, important as the two may be.

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

    Images are looked at in patches, and sequences by feature, or in spans of steps where they have one only; of more
    than 256 columns, those with the largest mean |x · dL/dx|. What takes long is done on fewer rows and repeated less.
    """
    data = data_of(run)
    groups = grouped(run.preprocess)
    cost = max(sum(leaf.size for leaf in jax.tree.leaves(run.net)), summary(run.net, data.sample.x[:1]).macs, 1)
    cost *= min(len(groups), MOST_GROUPS)
    repeats = min(repeats, max(2, int(WORK / (FEWEST_ROWS * cost))))
    rows = judged(data, max(FEWEST_ROWS, min(MOST_ROWS, int(WORK / (repeats * cost)))))
    block = rows.block
    groups, note = chosen(run, block, groups)
    flat = np.asarray(block.x).reshape(len(block.x), -1)
    rng = np.random.default_rng(seed)
    metric = "accuracy" if run.preprocess.target.classes else "r2"
    score, padded = measured(run, flat, block, metric), bool(np.isnan(flat).any())
    drop = np.zeros((len(groups), repeats))
    for repeat in range(repeats):
        order = rng.permutation(len(flat))
        for i, inputs in enumerate(groups.values()):
            shuffled = flat.copy()
            shuffled[:, inputs] = flat[np.ix_(order, np.array(inputs))]
            if padded:
                keep_padding(shuffled, flat, inputs, order)
            drop[i, repeat] = score - measured(run, shuffled, block, metric)
    names = tuple(groups)
    places = grid_of(run.preprocess) if is_image(run.preprocess) else places_of(names)
    return Importance(
        metric, score, names, drop.mean(1), drop.std(1), repeats, len(flat), rows.held_out, note, places
    )  # fmt: skip


def keep_padding(shuffled: np.ndarray, flat: np.ndarray, inputs: list[int], order: np.ndarray) -> None:
    """Shuffle these inputs among the rows that have them alone, so that every sequence keeps its length."""
    for i in inputs:
        there = ~np.isnan(flat[:, i])
        shuffled[:, i] = flat[:, i]
        shuffled[there, i] = flat[order[there[order]], i]


def measured(run: Run, flat: np.ndarray, block: Block, metric: str) -> float:
    """One metric of the network on these inputs."""
    preprocess = run.preprocess
    prediction = preprocess.names(run.settings.loss.predict(jnp.asarray(outputs(run.net, flat.reshape(block.x.shape)))))
    classes = preprocess.target.classes
    truth = true_names(preprocess, block.y) if classes else preprocess.names(block.y)
    return metrics(truth, prediction, None, classes)[metric]


def grouped(preprocess: Preprocess) -> dict[str, list[int]]:
    """The inputs that are shuffled together: those of a column, of a patch of an image, of a feature of sequences."""
    shape = preprocess.shape or ()
    if preprocess.form and preprocess.form.name == "sequences":
        return spans(shape)
    if is_image(preprocess):
        return patches(shape)
    groups: dict[str, list[int]] = {}
    for i, column in enumerate(preprocess.input_columns):
        groups.setdefault(column, []).append(i)
    return groups


def spans(shape: tuple[int, ...]) -> dict[str, list[int]]:
    """The inputs of sequences by feature, or by span of steps where there is one feature."""
    places = np.arange(math.prod(shape)).reshape(shape[0], -1)
    if places.shape[1] > 1:
        return {f"x[:, {f}]": places[:, f].tolist() for f in range(places.shape[1])}
    steps = np.array_split(np.arange(shape[0]), min(shape[0], PATCHES))
    return {
        phrase("steps {first} to {last}", first=int(s[0]), last=int(s[-1])): places[s].ravel().tolist() for s in steps
    }


def is_image(preprocess: Preprocess) -> bool:
    """Whether its rows are images that are looked at in patches."""
    shape = preprocess.shape or ()
    sequences = preprocess.form is not None and preprocess.form.name == "sequences"
    return len(shape) > 1 and math.prod(shape) > PATCHES**2 and not sequences


def grid_of(preprocess: Preprocess) -> tuple[tuple[int, int], ...]:
    """The row and column of each patch among the patches."""
    high, wide = (min(n, PATCHES) for n in (preprocess.shape or ())[:2])
    return tuple(np.ndindex(high, wide))


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
        note = phrase("{n} patches of {shape}", n=len(groups), shape=run.preprocess.shape)
        return groups, note if is_image(run.preprocess) else ""
    rows = block.take(slice(0, FEWEST_ROWS))
    dx = jax.jit(backpropagate, static_argnums=1)(run.net, run.settings.loss, rows.x, rows.y).dx
    size = np.nan_to_num(np.abs(np.asarray(dx) * rows.x)).reshape(len(rows.x), -1).mean(0)
    names = sorted(groups, key=lambda name: -float(size[groups[name]].sum()))[:MOST_GROUPS]
    return {name: groups[name] for name in names}, phrase(
        "the {shown} of {n:,} columns with the largest mean |x · dL/dx|; the others were not tried",
        shown=MOST_GROUPS,
        n=len(groups),
    )
