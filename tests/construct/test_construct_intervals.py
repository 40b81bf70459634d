"""Bounds of functions with their derivatives hold: against values and derivatives in float64, on random boxes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.construct import _interval as iv
from pellucid.construct._interval import Interval
from pellucid.construct._jaxpr import bounds, traced
from pellucid.errors import SettingError

FUNCTIONS = {
    "sin": jnp.sin,
    "a fraction": lambda x: 1 / (1 + 25 * x * x),
    "roots and powers": lambda x: jnp.sqrt(x + 5) + (x + 6) ** 2.5 + x**3 - x**-2 * 0.001,
    "an if": lambda x: jnp.where(x > 0.3, jnp.sin(3 * x) ** 2, 0.1 * x),
    "kinks": lambda x: jnp.abs(x) + jnp.maximum(x - 0.3, 0) * jnp.minimum(x, 1) + jax.nn.relu(0.5 - x),
    "a loop": lambda x: jnp.polyval(jnp.array([1.0, -2.0, 0.5, 3.0]), x),
    "squashed": lambda x: jnp.tanh(2 * x) * jax.nn.sigmoid(x) + jax.scipy.special.erf(x) + jnp.arctan(x),
    "exponentials": lambda x: jnp.exp(-x * x) + jnp.log1p(x * x) + jnp.cosh(x / 2) + jnp.log(x + 7),
    "softplus and gelu": lambda x: jax.nn.softplus(x) + jax.nn.gelu(x) + jax.nn.silu(x),
    "tangent": lambda x: jnp.tan(x / 3),
    "steps": lambda x: jnp.floor(2 * x) + jnp.sign(x - 0.1) + jnp.ceil(x),
    "several powers": lambda x: jnp.sum((x + 3) ** jnp.array([0.0, 1.5, 2.0, 3.0])) + jnp.sum(x ** jnp.arange(4)),
    "a power of itself": lambda x: (x + 4) ** (x / 3) + jnp.exp2(x),
    "smallest and product": lambda x: jnp.min(jnp.stack([x, x * x])) * jnp.prod(jnp.stack([x, 1 - x, jnp.cos(x)])),
    "sum of exponentials": lambda x: jax.scipy.special.logsumexp(jnp.stack([x, 2 * x, -x])),
    "normal": lambda x: jax.scipy.stats.norm.cdf(x) + jnp.arcsinh(x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_value_slope_and_curvature_lie_within_the_bounds(name):
    f = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    centre, wide = rng.uniform(-2, 2, 300), 10 ** rng.uniform(-7, 0, 300)
    low, high = centre - wide, centre + wide
    found = bounds(traced(f, ()), low[:, None], high[:, None])
    with jax.enable_x64(True):
        for share in (0.0, 0.31, 0.77, 1.0):
            x = np.clip(low + share * (high - low), low, high)
            value = np.asarray(jax.vmap(f)(x))
            slope, bent = (np.nan_to_num(jax.vmap(g)(x)) for g in (jax.grad(f), jax.grad(jax.grad(f))))
            assert inside(value, found.value, 0)
            assert inside(slope, Interval(*(end[:, 0] for end in found.slope)), 1e-9)
            assert inside(bent, Interval(*(end[:, 0, 0] for end in found.curve)), 1e-9)


def inside(value, bound, slack):
    room = slack * (1 + abs(value))
    return bool(((bound.low - room <= value) & (value <= bound.high + room)).all())


def test_a_function_of_several_numbers_has_its_hessian_in_the_bounds():
    def f(x):
        weights = jnp.array([[1.0, 2.0, 0.5], [0.3, -0.4, 1.0], [0.0, 1.0, 1.0]])
        return jnp.sum(jnp.tanh(weights @ x)) + jnp.linalg.norm(x + 4) * x[1] + jnp.max(jnp.stack([x[0] * x[2], x[1]]))

    rng = np.random.default_rng(1)
    centre, wide = rng.uniform(-1, 1, (200, 3)), 10 ** rng.uniform(-5, -0.5, (200, 1))
    low, high = centre - wide, centre + wide
    found = bounds(traced(f, (3,)), low, high)
    x = np.clip(low + rng.uniform(size=(200, 3)) * (high - low), low, high)
    with jax.enable_x64(True):
        parts = [np.asarray(jax.vmap(g)(x)) for g in (f, jax.grad(f), jax.hessian(f))]
    assert inside(parts[0], found.value, 0)
    assert inside(parts[1], found.slope, 1e-9)
    assert inside(parts[2], found.curve, 1e-9)


def test_where_a_function_may_bend_or_jump_its_derivatives_are_unbounded():
    low, high = np.array([[-1.0], [0.5]]), np.array([[1.0], [1.0]])
    bent = bounds(traced(jnp.abs, ()), low, high)
    assert np.isinf(bent.curve.low[0]).all()
    assert bent.curve.most[1] == 0
    assert bent.slope.low[0] == pytest.approx(-1)
    jumps = bounds(traced(lambda x: jnp.where(x > 0, 1.0, 0.0), ()), low, high)
    assert np.isinf(jumps.slope.high[0]).all()
    assert (jumps.value.low[0], jumps.value.high[0]) == (0, 1)


finite = st.floats(-1e3, 1e3, allow_nan=False, allow_subnormal=False)


@settings(deadline=None, max_examples=200)
@given(finite, finite, finite, finite, st.floats(0, 1), st.floats(0, 1))
def test_sums_products_and_powers_hold_every_value_exactly(a, b, c, d, s, t):
    from fractions import Fraction

    x, y = Interval(*map(np.array, sorted((a, b)))), Interval(*map(np.array, sorted((c, d))))
    u = float(np.clip(x.low + s * (x.high - x.low), x.low, x.high))
    v = float(np.clip(y.low + t * (y.high - y.low), y.low, y.high))
    exact = {"add": Fraction(u) + Fraction(v), "multiply": Fraction(u) * Fraction(v)}
    for name, value in exact.items():
        found = getattr(iv, name)(x, y)
        assert Fraction(float(found.low)) <= value <= Fraction(float(found.high))
    for n in (2, 3, 5):
        found = iv.power(x, n)
        assert Fraction(float(found.low)) <= Fraction(u) ** n <= Fraction(float(found.high))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: jnp.sort(jnp.stack([x, -x]))[0], "'sort'"),
        (lambda x: x.astype(int) * 1.0, "whole numbers"),
        (lambda x: x * jnp.sum(jax.lax.div(jnp.arange(4), 2)), "'div' on int"),
        (lambda x: jnp.abs(x + 1j), "complex"),
    ],
)
def test_what_cannot_be_bounded_is_named(function, words):
    found = traced(function, ())
    with pytest.raises(SettingError, match=words):
        bounds(found, np.zeros((1, 1)), np.ones((1, 1)))


def test_a_power_that_may_be_of_a_negative_number_has_no_bound():
    found = bounds(traced(lambda x: x ** (jnp.floor(x) + 2), ()), np.array([[-2.0]]), np.array([[-1.0]]))
    assert found.value.low[0] == -np.inf


def test_a_constant_that_becomes_a_whole_number_is_cut():
    found = bounds(traced(lambda x: x * jnp.asarray(-2.7).astype(int), ()), np.array([[1.0]]), np.array([[1.0]]))
    assert found.value.low[0] == pytest.approx(-2)


def test_a_function_that_jax_cannot_see_into_is_not_traced():
    assert traced(lambda x: float(np.sin(float(x))), ()) is None
