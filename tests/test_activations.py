from math import isfinite

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pellucid.activations import CURVES, curve
from pellucid.errors import SettingError

TORCH = {
    "identity": lambda x: x.clone(),
    "relu": torch.nn.functional.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "selu": torch.nn.functional.selu,
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "mish": torch.nn.functional.mish,
    "softplus": lambda x: torch.nn.functional.softplus(x, threshold=50),
    "softsign": torch.nn.functional.softsign,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_tanh": torch.nn.functional.hardtanh,
    "hard_sigmoid": torch.nn.functional.hardsigmoid,
    "relu6": torch.nn.functional.relu6,
    "abs": torch.abs,
    "exponential": torch.exp,
}
SLOPE_AT_KINK_DIFFERS = {"leaky_relu", "hard_tanh"}  # PyTorch takes the flatter side there, JAX the steeper one
SETTINGS = {"leaky_relu": {"slope": 0.2}, "elu": {"alpha": 1.7}}
GRID = np.unique(np.concatenate([np.linspace(-12, 12, 2401), [-1e4, 1e4]]))


@pytest.fixture(params=CURVES, ids=str)
def row(request):
    return CURVES[request.param]


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def value_and_slope(row, x, **settings):
    x = jnp.asarray(x)
    y = row.value(x, **settings)
    return np.asarray(y), np.asarray(row.derivative(x, y, **settings))


def test_every_curve_has_its_oracle_and_its_own_name():
    assert TORCH.keys() == CURVES.keys()
    assert all(name == row.name and row.source and row.formula for name, row in CURVES.items())


def test_value_and_slope_are_those_of_pytorch(row):
    x = torch.tensor(GRID, requires_grad=True)
    wanted = TORCH[row.name](x)
    wanted.sum().backward()
    y, slope = value_and_slope(row, GRID)
    np.testing.assert_allclose(y, wanted.detach().numpy(), rtol=1e-12, atol=1e-12)
    compared = ~np.isin(GRID, row.kinks) if row.name in SLOPE_AT_KINK_DIFFERS else slice(None)
    tolerance = 1e-7 if row.name == "hard_sigmoid" else 1e-10  # PyTorch's own 1/6 has single precision
    np.testing.assert_allclose(slope[compared], x.grad.numpy()[compared], rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize(("name", "settings"), [*((name, {}) for name in CURVES), *SETTINGS.items()], ids=str)
def test_derivative_is_the_vjp_at_the_kinks_too(name, settings):
    row = curve(name)
    x = jnp.asarray([*row.kinks, -7.0, -2.5, -0.3, 0.0, 0.4, 2.9, 8.0, -1e4, 1e4])
    y, vjp = jax.vjp(lambda x: row.value(x, **settings), x)
    np.testing.assert_allclose(row.derivative(x, y, **settings), vjp(jnp.ones_like(y))[0], rtol=1e-12, atol=1e-15)


def test_derivative_meets_finite_differences_away_from_the_kinks(row):
    settings, h = SETTINGS.get(row.name, {}), 1e-5
    x = np.linspace(-8.03, 8.04, 300)
    x = x[np.all([abs(x - kink) > 2 * h for kink in (*row.kinks, np.inf)], axis=0)]
    measured = (value_and_slope(row, x + h, **settings)[0] - value_and_slope(row, x - h, **settings)[0]) / (2 * h)
    np.testing.assert_allclose(value_and_slope(row, x, **settings)[1], measured, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_derivative_are_finite_and_keep_the_type_at_any_size(row, dtype):
    x = np.array([-3e38, -1e30, -1e8, -1e4, -100, -0.0, 0, 1e-40, 100, 1e4, 1e8, 1e30, 3e38], dtype)
    for numbers in value_and_slope(row, x):
        assert numbers.dtype == dtype
        if isfinite(row.lipschitz()):
            assert np.isfinite(numbers).all()
        else:  # a curve of no greatest slope overflows: infinity, and never NaN
            assert not np.isnan(numbers).any()
            assert np.isfinite(numbers[x < 80]).all()


@pytest.mark.parametrize(("name", "settings"), [*((name, {}) for name in CURVES), *SETTINGS.items()], ids=str)
def test_the_lipschitz_bound_holds_and_is_attained(name, settings):
    row = curve(name)
    x = np.linspace(-12, 12, 24001)
    steepest = abs(np.diff(value_and_slope(row, x, **settings)[0]) / np.diff(x)).max()
    slope = abs(value_and_slope(row, x, **settings)[1]).max()
    bound = row.lipschitz(**settings)
    assert max(steepest, slope) <= bound * (1 + 1e-9)
    assert slope > bound * (1 - 1e-5) if isfinite(bound) else slope > 1e5


def test_a_curve_is_flat_where_its_slope_is_a_hundredth_of_the_steepest_or_of_one():
    slopes = np.array([-1.0, -0.004, 0.0, 0.002, 0.004, 0.02])
    assert curve("tanh").flat(slopes).tolist() == [False, True, True, True, True, False]
    assert curve("sigmoid").flat(slopes).tolist() == [False, False, True, True, False, False]
    assert curve("exponential").flat(slopes).tolist() == curve("tanh").flat(slopes).tolist()
    assert curve("elu").flat(slopes, alpha=5.0).tolist() == [False, True, True, True, True, True]


def test_a_curve_is_piecewise_linear_exactly_when_its_second_difference_vanishes_between_kinks(row):
    x, h = np.linspace(-8.03, 8.04, 300), 1e-3
    x = x[np.all([abs(x - kink) > 2 * h for kink in (*row.kinks, np.inf)], axis=0)]
    below, here, above = (value_and_slope(row, x + step)[0] for step in (-h, 0, h))
    bend = abs(below - 2 * here + above).max() / h**2
    assert (bend < 1e-6) == row.piecewise_linear


def test_the_slope_jumps_at_every_kink_and_nowhere_else(row):
    settings, h = SETTINGS.get(row.name, {}), 1e-7
    x = np.unique([*np.linspace(-8, 8, 161).round(6), *row.kinks])
    jump = abs(value_and_slope(row, x + h, **settings)[1] - value_and_slope(row, x - h, **settings)[1]) > 1e-3
    np.testing.assert_array_equal(x[jump], sorted(row.kinks))


def test_settings_are_the_defaults_of_the_functions(row):
    np.testing.assert_array_equal(value_and_slope(row, GRID), value_and_slope(row, GRID, **row.settings))
    assert row.lipschitz() == row.lipschitz(**row.settings)


def test_an_unknown_name_is_met_with_the_nearest():
    assert curve("silu") is CURVES["silu"]
    with pytest.raises(SettingError, match="no activation 'rellu': did you mean 'relu'"):
        curve("rellu")
