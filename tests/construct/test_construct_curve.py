"""One hidden layer for a function of one variable: the error is proven, and the best possible."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from pellucid import construct
from pellucid.construct._links import fewest, least_error, path_of
from pellucid.errors import DataError, SettingError
from pellucid.geometry import along

CASES = {
    "sin": (jnp.sin, np.sin, (0.0, 6.28125)),
    "runge": (lambda x: 1 / (1 + 25 * x**2), lambda x: 1 / (1 + 25 * x**2), (-1.0, 1.0)),
    "exp": (jnp.exp, np.exp, (0.0, 1.0)),
    "root": (jnp.sqrt, np.sqrt, (0.0, 1.0)),
    "tanh": (lambda x: jnp.tanh(3 * x), lambda x: np.tanh(3 * x), (-2.0, 1.5)),
}


def line(x, y, knots):
    """The least largest error of a continuous line with these kinks at the places x: a linear program."""
    ends = np.concatenate([[x[0]], knots, [x[-1]]])
    hats = np.stack([np.interp(x, ends, row) for row in np.eye(len(ends))], 1)
    ones = np.ones((len(x), 1))
    rows = np.vstack([np.hstack([hats, -ones]), np.hstack([-hats, -ones])])
    found = linprog(np.append(np.zeros(len(ends)), 1), rows, np.concatenate([y, -y]), bounds=(None, None))
    return found.fun


@pytest.mark.parametrize("name", ["sin", "runge", "tanh"])
@pytest.mark.parametrize(("pieces", "kinks"), [(2, 199), (3, 29)])
def test_the_path_is_as_near_as_the_best_of_all_kinks_on_a_grid(name, pieces, kinks):
    _, f, (low, high) = CASES[name]
    x = np.linspace(low, high, 49)
    y = f(x)
    below, above = least_error(x, y, pieces)
    places = np.linspace(low, high, kinks + 2)[1:-1]
    best = min(line(x, y, np.array(knots)) for knots in itertools.combinations(places, pieces - 1))
    assert below <= best * (1 + 1e-9)  # a lower bound for all of them
    assert best <= 1.3 * above  # and the grid of kinks comes near to it


@pytest.mark.parametrize("seed", range(5))
def test_fewer_links_are_not_possible(seed):
    """With one link less the tube of any such path is missed: brute force over kinks on a fine grid."""
    rng = np.random.default_rng(seed)
    x = np.linspace(0, 1, 12)
    y = np.cumsum(rng.normal(size=12)) / 3
    below, above = least_error(x, y, 3)
    count, lines = fewest(x, y - above, y + above)
    assert count <= 3
    path = path_of(x, lines)
    assert abs(np.interp(x, path.ends, path.values) - y).max() <= above * (1 + 1e-9)
    assert fewest(x, y - below * (1 - 1e-9), y + below * (1 - 1e-9))[0] > 3
    places = np.linspace(0, 1, 45)[1:-1]
    best = min(line(x, y, np.array(knots)) for knots in itertools.combinations(places[::2], 2))
    assert below <= best * (1 + 1e-9)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("neurons", [2, 7, 40])
def test_the_stated_bound_holds_on_a_dense_grid_and_is_nearly_reached(name, neurons):
    given, f, box = CASES[name]
    made = construct.approximate(given, box, neurons=neurons)
    assert made.neurons <= neurons
    assert made.depth == 1
    x = np.linspace(*box, 200_001)
    pieces = along(made.net, [box[0]], [box[1]])
    y = np.interp((x - box[0]) / (box[1] - box[0]), pieces.ends, pieces.values[:, 0])
    found = abs(y - f(x)).max()
    assert found <= made.error <= 1.003 * found + 1e-7
    assert made.best <= made.error
    assert made.measured <= made.error


@pytest.mark.parametrize("name", ["sin", "runge"])
@pytest.mark.parametrize("neurons", [8, 16, 64])
def test_the_error_is_within_a_twentieth_of_the_best_possible(name, neurons):
    given, _, box = CASES[name]
    made = construct.approximate(given, box, neurons=neurons)
    assert made.error <= 1.05 * made.best


def test_a_convex_function_meets_the_known_error():
    """x² on [−1, 1] with n pieces is off by (2 / n)² / 8 as a chord, and half of that at best."""
    for neurons in (2, 4, 8):
        made = construct.approximate(np.square, (-1, 1), neurons=neurons)
        assert made.best == pytest.approx(0.5 / (neurons + 1) ** 2, rel=2e-3)
        assert made.error == pytest.approx(made.best, rel=5e-3)


def test_the_best_error_falls_as_theory_says():
    """The best of n pieces comes near to (∫ √|f″|)² / (16 n²)."""
    found = construct.rate(jnp.exp, (0, 1), neurons=[20, 40])
    whole = (2 * (np.sqrt(np.e) - 1)) ** 2 / 16
    assert found.limit == pytest.approx(whole / (found.neurons + 1) ** 2, rel=1e-5)
    assert found.best == pytest.approx(found.limit, rel=0.01)
    assert found.slope == pytest.approx(-2, abs=0.15)


def test_the_absolute_value_is_exact_with_two_neurons_and_no_better_with_one():
    assert construct.approximate(abs, (-1, 2), neurons=2).error < 1e-12
    assert construct.approximate(abs, (-1, 1), neurons=1).error == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize("error", [0.1, 1e-2, 1e-3])
def test_an_error_is_kept_with_about_as_few_neurons_as_can_be(error):
    made = construct.approximate(jnp.sin, (0, 6.25), error=error)
    assert made.error <= error
    assert "neurons or more" in made.notes[0]
    fewer = construct.approximate(jnp.sin, (0, 6.25), neurons=made.neurons - 1)
    assert fewer.error > error


@pytest.mark.parametrize(
    "known", [{"convex": True}, {"curvature": np.e}, {"lipschitz": np.e}, {"lipschitz": np.e, "convex": True}], ids=str
)
def test_what_is_told_of_a_function_proves_the_error(known):
    made = construct.approximate(lambda x: np.exp(x), (0, 1), error=0.01, **known)
    x = np.linspace(0, 1, 50_001)
    found = abs(np.asarray(made.net(x.astype(np.float32)[:, None]), float)[:, 0] - np.exp(x.astype(np.float32))).max()
    assert found <= made.error + 1e-6
    assert made.error <= 0.01
    assert "as given" in made.proof


def test_a_concave_function_is_its_negative():
    made = construct.approximate(lambda x: -np.exp(x), (0, 1), neurons=6, convex=False)
    twin = construct.approximate(lambda x: np.exp(x), (0, 1), neurons=6, convex=True)
    assert made.error == pytest.approx(twin.error, rel=1e-3)


def test_what_is_told_is_believed_and_said():
    made = construct.approximate(lambda x: np.sin(50 * x) + 0 * x, (0, 1), neurons=8, lipschitz=50)
    assert "Lipschitz constant 50, as given" in made.proof


def test_a_jump_cannot_be_met():
    made = construct.approximate(lambda x: jnp.where(x > 0.5, 1.0, 0.0), (0, 1), neurons=8)
    assert made.error >= 0.5


def fails(x):
    if float(x) > 0.75:
        raise ZeroDivisionError("no answer")
    return 1.0


def made(function, **settings):
    return construct.approximate(function, (0, 1), **settings)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: construct.approximate(jnp.sin, (1, 1), neurons=3), SettingError, "empty"),
        (lambda: construct.approximate(jnp.sin, (0, np.inf), neurons=3), SettingError, "end somewhere"),
        (lambda: construct.approximate(jnp.sin, (0, np.nan), neurons=3), SettingError, "end somewhere"),
        (lambda: construct.approximate(jnp.sin, (2, 1), neurons=3), SettingError, "empty: a side from 2 to 1"),
        (lambda: construct.approximate(jnp.sin, (0, 1e39), neurons=3), SettingError, "beyond float32"),
        (lambda: construct.approximate(jnp.sin, (1, 1 + 1e-9), neurons=3), SettingError, "too thin for float32"),
        (lambda: construct.approximate(jnp.sin, "box", neurons=3), SettingError, "a pair"),
        (lambda: construct.approximate(jnp.sin, (0, 1), neurons=10**9), SettingError, "at most 4,000"),
        (lambda: construct.approximate(lambda x: 1 / x, (-1, 1.3), neurons=3), DataError, "not finite"),
        (lambda: construct.approximate(lambda x: 1e39 * x, (0, 1), neurons=3), SettingError, "beyond float32"),
        (lambda: made(fails, neurons=3, lipschitz=1), DataError, "fails at x = 0.75.*ZeroDivisionError: no answer"),
        (lambda: made(lambda x: x.nothing, neurons=3), DataError, "fails at x = 0.5: AttributeError"),
        (lambda: made(lambda x: x * 1j, neurons=3), SettingError, "complex"),
        (lambda: made(lambda x: "a", neurons=3, lipschitz=1), DataError, "a str for one input"),
        (lambda: made(np.exp, neurons=3, lipschitz="a"), SettingError, "lipschitz is a number"),
        (lambda: made(lambda x: np.exp(x), neurons=3, convex="yes"), SettingError, "convex is True"),
        (lambda: construct.approximate(jnp.sin, (0, 1), neurons=0), SettingError, "1 or more"),
        (lambda: construct.approximate(jnp.sin, (0, 1), neurons=2.5), SettingError, "whole number"),
        (lambda: construct.approximate(jnp.sin, (0, 1), error=0), SettingError, "above 0"),
        (lambda: construct.approximate(jnp.sin, (0, 1)), SettingError, "either neurons="),
        (lambda: construct.approximate(jnp.log, (-1, 1), neurons=3), DataError, "no value, at x = -1"),
        (lambda: construct.approximate(lambda x: np.sin(x), (0, 1), neurons=3), SettingError, "Nothing is known"),
        (lambda: made(lambda x: x * np.nan, neurons=3, lipschitz=1), DataError, "not finite"),
        (lambda: made(lambda x: np.ones(3), neurons=3, lipschitz=1), SettingError, "one number"),
        (lambda: made(lambda x: jnp.stack([x, x]), neurons=3), SettingError, "one number"),
        (lambda: made(lambda x: [float(x), 1.0], neurons=3, lipschitz=1), DataError, "one number"),
        (lambda: construct.approximate(jnp.sin, (0, 1), error=1e-12), SettingError, "more than 4,000 neurons"),
        (lambda: made(lambda x: jnp.sin(x) + 1e7, error=1e-3), SettingError, "for weights in float32"),
        (lambda: construct.approximate(jnp.sin, (0, 1), neurons=3, lipschitz=-1), SettingError, "lipschitz"),
        (lambda: construct.approximate("sin", (0, 1), neurons=3), SettingError, "function is wanted"),
    ],
)
def test_bad_input_is_told(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
