"""A proof that an output rises with a feature, verified again, by code that shares nothing with what found it.

The tree of cuts is walked from the whole box down, each part made from its parent, so the parts cover it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..geometry import Network, lowered
from ..module import Layer
from ._certificate import Proof
from ._monotone_check_leaf import Leaf, WrongError
from ._recheck_bounds import Bounder, State

CUTS = 8  # how often a leaf that does not hold at once is cut in two again
Given = dict[str, tuple[np.ndarray, np.ndarray]]  # multipliers: of which units, and how large
Proves = Callable[[State, int, Given], bool]  # whether a leaf holds, by what is known there, its node and multipliers


def check_monotone(proof: Proof, net: Layer | Network, shape: Any) -> tuple[int, list[str]]:
    """Verify a proof of kind "monotone": how many leaves it has, and what is wrong with it."""
    network = lowered(net, tuple(proof.about["shape"]) if shape is None else shape, curves=True)
    leaves, problems = 0, []
    rows = wanted(proof.about["goal"], network.n_out)
    if proof.about["trees"] != len(rows):
        problems.append(f"It has {proof.about['trees']} trees, where {len(rows)} are needed.")
    for k, row in enumerate(rows):
        arrays = {name.split(".", 1)[1]: a for name, a in proof.arrays.items() if name.startswith(f"{k}.")}
        try:
            if not np.array_equal(arrays["row"], row):
                raise WrongError("it is about other outputs.")
            leaves += Tree(network, proof, arrays, rising(network, proof, row)).run()
        except (WrongError, KeyError, IndexError) as wrong:
            problems.append(f"Tree {k}: {wrong}")
    return leaves, problems


def wanted(goal: Any, n_out: int) -> np.ndarray:
    """The sums of outputs that are to rise: an output, or its lead over each other."""
    output, shared = goal
    own = np.eye(n_out)[output]
    return np.delete(own - np.eye(n_out), output, 0) if shared else own[None]


def rising(network: Network, proof: Proof, row: np.ndarray) -> Proves:
    """What a leaf is to prove: that the derivative is nowhere below 0."""
    weights = proof.about["sign"] * np.eye(network.n_in)[proof.about["feature"]]
    groups = [list(group) for group in proof.about["groups"]]
    return lambda state, node, given: Leaf(network, state, weights, row, given, groups).holds()


class Place(NamedTuple):
    """A part: its node, how often it was cut again, its box and its units' bounds."""

    node: int
    cuts: int
    low: np.ndarray
    high: np.ndarray
    unit_low: np.ndarray
    unit_high: np.ndarray


class Tree:
    """One tree, and what each of its leaves is to prove."""

    def __init__(self, network: Network, proof: Proof, arrays: dict[str, np.ndarray], proves: Proves):
        self.network, self.arrays, self.proves = network, arrays, proves
        self.bounder = Bounder(network, proof.about["format"])
        self.names = list(proof.about["names"])
        self.choices = {i: dict(others) for i, others in proof.about["choices"]}
        low, high = (np.asarray(proof.arrays[name], float) for name in ("low", "high"))
        if low.shape != (network.n_in,) or high.shape != low.shape or not (low <= high).all():
            raise WrongError("its box is not one of the network's inputs.")
        ends = np.full(self.bounder.units, np.inf)
        self.open, self.leaves = [Place(0, 0, low, high, -ends, ends)], 0

    def run(self) -> int:
        while self.open:
            self.one(self.open.pop())
        return self.leaves

    def one(self, place: Place) -> None:
        """Bound a part: two parts of a node that is cut, and a leaf is to hold."""
        if (place.low > place.high).any() or (place.unit_low > place.unit_high).any():
            return
        low, high, unit_low, unit_high = (side[None] for side in place[2:])
        state = self.bounder.state(low, high, unit_low, unit_high, None)
        self.leaves += int(self.arrays["var"][place.node] == -1 and not place.cuts)
        if state.empty[0]:
            return
        low, high = (side[0] for side in state.units())
        place = place._replace(unit_low=low, unit_high=high)
        var = int(self.arrays["var"][place.node])
        if var >= 0:
            self.open += self.sides(place, var)
        elif not self.proves(state, place.node, self.given(place.node)):
            if place.cuts >= CUTS:
                raise WrongError(f"leaf {place.node} does not hold.")
            self.open += self.halves(place)

    def given(self, node: int) -> Given:
        """The multipliers of a leaf by the names of what they multiply."""
        part = slice(*map(int, self.arrays["start"][node : node + 2]))
        code, unit, value = (np.asarray(self.arrays[name][part]) for name in ("code", "unit", "value"))
        if not np.isfinite(value).all():
            raise WrongError("a multiplier is not finite.")
        return {name: (unit[code == k], value[code == k].astype(float)) for k, name in enumerate(self.names)}

    def sides(self, place: Place, var: int) -> list[Place]:
        """Both parts of a node, as the tree says."""
        at, child, n, units = (float(self.arrays["at"][place.node]), int(self.arrays["child"][place.node]),
                               self.network.n_in, self.bounder.units)  # fmt: skip
        if not place.node < child < len(self.arrays["var"]) - 1:
            raise WrongError(f"node {place.node} has no parts.")
        one, two = (place._replace(node=child + k, cuts=0, low=place.low.copy(), high=place.high.copy(),
                                   unit_low=place.unit_low.copy(), unit_high=place.unit_high.copy())
                    for k in (0, 1))  # fmt: skip
        if var < n:
            one.high[var], two.low[var] = min(one.high[var], at), max(two.low[var], at)
        elif var < n + units:
            j = var - n
            one.unit_high[j], two.unit_low[j] = min(one.unit_high[j], at), max(two.unit_low[j], at)
        else:
            i = var - n - units
            if i not in self.choices:
                raise WrongError(f"input {i} is cut as one that is 0 or 1, and is none.")
            one.high[i], two.low[i] = min(one.high[i], 0.0), max(two.low[i], 1.0)
            for j, value in self.choices[i].items():
                two.low[int(j)], two.high[int(j)] = max(two.low[int(j)], value), min(two.high[int(j)], value)
        return [one, two]

    def halves(self, place: Place) -> list[Place]:
        """A leaf cut along its widest side, to bound both halves closer."""
        i = int((place.high - place.low).argmax())
        middle = place.low[i] + (place.high[i] - place.low[i]) / 2
        made = [place._replace(cuts=place.cuts + 1, low=place.low.copy(), high=place.high.copy()) for _ in range(2)]
        made[0].high[i] = made[1].low[i] = middle
        return made
