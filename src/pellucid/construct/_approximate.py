"""A network for a given function, with a proven error: the cheapest form that is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import SettingError
from ._grid import interpolation, planned
from ._products import multiplied
from ._record import Construction, above_zero, built, checked_box, whole
from ._separable import Form, summed
from ._shallow import MOST_NEURONS, of_error, of_neurons
from ._target import Target, target_of


def approximate(
    function: Callable[[Any], Any],
    box: Any,
    *,
    error: float | None = None,
    neurons: int | None = None,
    lipschitz: float | None = None,
    curvature: float | None = None,
    convex: bool | None = None,
    name: str = "",
) -> Construction:
    """A network that is within a proven error of a continuous function everywhere on a box.

    Of one variable, `box` a pair: one hidden layer, the best that is found for so many `neurons`, or with the fewest
    for an `error`. Its kinks are where the curvature puts them: every piece has the same error.

    Of several variables, `box` a pair for each and the function of one array: a sum of functions of one variable, a sum
    of products of such, or the interpolation on the simplices of a grid, whichever takes the fewest neurons for the
    `error`; `notes` say what the others would take. A grid may reach a thousandth of a cell beyond the box.

    The error between two inputs rests on what is known of the function. Where it is written with jax.numpy, its
    derivatives are bounded by interval arithmetic, and nothing need be given: it is taken as in real arithmetic, also
    where it asks for float32. Of any other function give `lipschitz=`, `curvature=` (the largest second derivative
    along a direction of length 1) or `convex=`, which are believed.

    Raises: SettingError for an empty box, impossible numbers, or where nothing is known of the function; DataError
        where it fails, gives NaN, or something else than one number.
    Source: Suri 1986 and Imai and Iri 1986 for the path with the fewest links; docs/decisions/construct.md.
    Example:
        >>> import jax.numpy as jnp
        >>> made = approximate(jnp.sin, (0, np.pi), neurons=8)
        >>> made.neurons, made.error < 0.005, made.error < 1.02 * made.best
        (8, True, True)
        >>> approximate(abs, (-1, 2), error=0.01).neurons
        2
        >>> plane = approximate(lambda x: jnp.sin(x[0]) + x[1] ** 2, [(0, 3), (-1, 1)], error=0.05)
        >>> plane.neurons, plane.measured <= plane.error <= 0.05, plane.proof.partition(",")[0]
        (8, True, 'a sum of 2 functions of one variable')
    """
    box = checked_box(box)
    if (error is None) == (neurons is None):
        raise SettingError("Give either neurons=, how many there may be, or error=, how large it may be.")
    target = target_of(function, box, lipschitz=lipschitz, curvature=curvature, convex=convex)
    name = name or getattr(function, "__name__", "").replace("<lambda>", "") or "a function"
    if len(box) == 1:
        return of_one(target, name, error, neurons)
    if error is None:
        raise SettingError("neurons= is for functions of one variable: of several give error=.")
    return of_several(target, name, above_zero("error", error))


def of_one(target: Target, name: str, error: float | None, neurons: int | None) -> Construction:
    """One hidden layer for a function of one variable."""
    if error is None:
        found = of_neurons(target, checked_neurons(neurons))
        needed = ""
    else:
        found, least = of_error(target, above_zero("error", error))
        needed = f"one hidden layer needs {least:,} neurons or more for an error of {error:g}"
    low, high = target.box[0]
    pieces = len(found.units.ends(low, high)) - 1
    best = f"no continuous function of {pieces:,} straight pieces is nearer than {found.best_pieces:.6g}"
    return built(
        found.units.chain(), target.box, lambda x: target.middle(x)[:, None], name, found.error.proven,
        f"between its kinks the network is straight; the function is known there by {target.basis()}",
        best=found.best, notes=tuple(note for note in (needed, best) if note), more=np.array([[found.error.at]]),
    )  # fmt: skip


def of_several(target: Target, name: str, error: float) -> Construction:
    """The form with the fewest neurons, and why not the others."""
    found, notes = [], []
    for form in (summed, multiplied) if target.operations is not None else ():
        try:
            found += [] if found else [form(target, error)]  # a sum takes no products
        except SettingError as problem:
            notes.append(str(problem).rstrip("."))
    try:
        plan = planned(target, error)
        cells = " × ".join(f"{int(n):,}" for n in plan.grid.cells)
        how = f"interpolation on the simplices of a grid of {cells} cells"
        fewest = min((form.chain.neurons for form in found), default=np.inf)
        if len(plan.grid.cells) == 2 and plan.neurons > 4 * fewest:
            notes.append(f"{how} takes up to {plan.neurons:,} neurons")
        else:
            chain, proven = interpolation(target, plan)
            found.append(Form(chain, proven, how))
    except SettingError as problem:
        notes.append(str(problem).rstrip("."))
    if not found:
        raise SettingError("; ".join(dict.fromkeys(notes)) + ".")
    best = min(found, key=lambda form: form.chain.neurons)
    notes += [f"{form.how} takes {form.chain.neurons:,} neurons" for form in found if form is not best]
    return built(
        best.chain, target.box, lambda x: target.middle(x)[:, None], name, best.error,
        f"{best.how}, the cheapest form found; the function is known by {target.basis()}", notes=tuple(notes),
        regular=best.chain.depth > 1,
    )  # fmt: skip


def checked_neurons(neurons: Any) -> int:
    number = whole("neurons", neurons, 1)
    if number > MOST_NEURONS:
        raise SettingError(f"neurons is at most {MOST_NEURONS:,}: float32 has no room for more kinks; got {number:,}.")
    return number
