"""Curves: their values and slopes in high precision, the lines above and below them, and these curves as they run."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certify_cases import OPERATIONS
from pellucid import smooth
from pellucid.activations import CURVES, SELU_ALPHA, SELU_SCALE
from pellucid.affine import Bend, Smooth
from pellucid.certify._lines import best, line, span, straight
from pellucid.certify._program import CURVE, FORMATS, Writer
from pellucid.certify._recheck_curves import lines_of, lines_with, ranged
from pellucid.geometry import lowered
from pellucid.layers import Activation, Dense, PReLU, Sequential
from pellucid.operators._lowering import Operation
from pellucid.operators._lowering import lowered as operation_lowered

mpmath = pytest.importorskip("mpmath")
SMOOTH = [name for name, row in CURVES.items() if row.pieces is None]
ALL = sorted(set(CURVES) - {"identity"})


def exactly(name):
    mp = mpmath

    def logistic(x):
        return 1 / (1 + mp.exp(-x))

    return {
        "tanh": mp.tanh, "sigmoid": logistic, "softplus": lambda x: mp.log1p(mp.exp(x)), "exponential": mp.exp,
        "elu": lambda x: x if x > 0 else mp.expm1(x), "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2,
        "gelu_tanh": lambda x: x * logistic(mp.sqrt(8 / mp.pi) * (x + mp.mpf(smooth.CUBE) * x**3)),
        "silu": lambda x: x * logistic(x), "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
        "softsign": lambda x: x / (1 + abs(x)), "hard_swish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    }[name]  # fmt: skip


@pytest.mark.parametrize("name", smooth.KINDS)
def test_values_and_slopes_are_within_their_rounding_of_the_curve(name):
    mpmath.mp.dps = 50
    kind, f = smooth.KINDS[name], exactly(name)
    rng = np.random.default_rng(0)
    for x in np.concatenate(
        [rng.normal(size=60), 10 * rng.normal(size=40), 1e-6 * rng.normal(size=10), [0.0, 50, -50]]
    ):
        y = f(mpmath.mpf(float(x)))
        assert abs(smooth.value(kind, 1.0, 1.0, x) - y) <= smooth.ROUNDED * (abs(y) + abs(x)) / 4
        if abs(x) not in (0, 3):
            slope = mpmath.diff(f, mpmath.mpf(float(x)))
            assert abs(smooth.slope(kind, 1.0, 1.0, x) - slope) <= smooth.ROUNDED * (1 + abs(slope)) / 2


@pytest.mark.parametrize("name", smooth.KINDS)
def test_between_its_turns_a_curve_bulges_as_it_says(name):
    mpmath.mp.dps = 120
    kind, f = smooth.KINDS[name], exactly(name)
    n, *places = smooth.turns(kind)
    ends = [-8.0, *places[:n], 8.0]
    for part in range(n + 1):
        low, high = ends[part], ends[part + 1]
        for share in (1e-9, 0.01, 0.3, 0.7, 0.99, 1 - 1e-9):
            x = mpmath.mpf(low) + mpmath.mpf(share) * (high - low)
            h = mpmath.mpf(10) ** -30
            second = (f(x + h) - 2 * f(x) + f(x - h)) / h**2
            bulge = smooth.bulge(kind, 1.0, 1.0, part)
            assert abs(second) < 1e-20 if bulge == 0 else second * bulge > 0


def programs():
    found = {}
    for name in ALL:
        net = Sequential([Dense(np.eye(1), None), Activation(name)])
        found[name] = net
    found["selu"] = Sequential([Dense(np.eye(1), None), Activation("selu")])
    found["elu, α = 2"] = Sequential([Dense(np.eye(1), None), Activation("elu", alpha=2.0)])
    found["elu, α = −1"] = Sequential([Dense(np.eye(1), None), Activation("elu", alpha=-1.0)])
    found["leaky_relu, slope 3"] = Sequential([Dense(np.eye(1), None), Activation("leaky_relu", slope=3.0)])
    found["prelu"] = Sequential([Dense(np.eye(1), None), PReLU(jnp.float32([-0.5]))])
    networks = {name: lowered(net, curves=True) for name, net in found.items()}
    return {
        name: (network.steps[-1].operator, Writer(network, FORMATS["real"]).program())
        for name, network in networks.items()
    }


PROGRAMS = programs()


@pytest.mark.parametrize("name", PROGRAMS)
@settings(max_examples=25, deadline=None)
@given(st.floats(-12, 12), st.sampled_from([0.0, 1e-9, 1e-3, 0.4, 1.0, 3.0, 12.0]), st.floats(-2, 2))
def test_no_value_lies_beyond_a_line(name, low, width, slope):
    """Of the prover and of the checker, whichever slope; and where the middle is, no line of the prover is looser."""
    curve, program = PROGRAMS[name]
    high = low + width
    x = np.linspace(low, high, 400).clip(low, high)
    x = np.sort(np.concatenate([x, [p for p in kinks(curve) if low <= p <= high]]))
    y = curve(x)
    middle = low + (high - low) / 2
    sides = [np.array([[end]]) for end in (low, high)]
    checked = [float(part[0, 0]) for part in lines_of(curve, *sides)]
    for sign, s, t in ((1, checked[0], checked[1]), (-1, checked[2], checked[3])):
        mine = line(program, 1, 0, low, high, sign)
        top, at = best(program, 1, 0, low, high, slope, sign)
        assert (sign * (y - slope * x) <= top).all()
        assert low <= at <= high
        for a, c in ((s, t), mine[:2]):
            assert (sign * (a * x + c - y) >= 0).all()
        if not straight(program, 1, low, high):
            free = best(program, 1, 0, low, high, slope, sign)[0] + sign * slope * middle
            assert sign * (mine[0] * middle + mine[1]) <= free + 2e-3 * width * (1 + abs(slope)) + 1e-9
    least, most = ranged(curve, *sides)
    assert least[0, 0] <= y.min()
    assert y.max() <= most[0, 0]
    shares = np.array([[0.25]])
    up, over, down, under = (float(part[0, 0]) for part in lines_with(curve, *sides, shares, shares))
    assert (up * x + over >= y).all()
    assert (down * x + under <= y).all()


def kinks(curve):
    if isinstance(curve, Bend):
        return curve.kinks.tolist()
    n, *places = smooth.turns(smooth.KINDS[curve.kind])
    return places[:n]


@pytest.mark.parametrize("name", PROGRAMS)
def test_slopes_between_two_points_are_in_the_range_of_slopes(name):
    curve, program = PROGRAMS[name]
    rng = np.random.default_rng(0)
    for _ in range(30):
        low, high = np.sort(rng.normal(size=2) * 4)
        x = np.sort(rng.uniform(low, high, 50))
        chords = np.diff(curve(x)) / np.diff(x)
        least, most = (float(part[0, 0]) for part in curve.slope_range(np.array([[low]]), np.array([[high]])))
        assert least - 1e-6 <= chords.min()
        assert chords.max() <= most + 1e-6
        near, far = span(program, 1, 0, low, high)
        assert near <= chords.min() + 1e-6
        assert far >= chords.max() - 1e-6


@pytest.mark.parametrize("name", SMOOTH)
def test_a_run_in_float32_is_within_its_roundings(name):
    """What a certificate allows a run's smooth curve, at many numbers of every size."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-30, 30, 60_000), rng.normal(size=60_000), 1e-3 * rng.normal(size=5_000)])
    x = np.float32(np.concatenate([x, np.linspace(-12, 12, 20_001), [0.0, 80.0, -80.0]]))
    kind, a, b = (
        smooth.KINDS["elu" if name == "selu" else name],
        *((SELU_ALPHA, SELU_SCALE) if name == "selu" else (1.0, 1.0)),
    )
    y = smooth.values(kind, a, b, x.astype(float))
    ran = np.asarray(CURVES[name].value(jnp.asarray(x)), float)
    slope = abs(smooth.slopes(kind, a, b, x.astype(float)))
    allowed = CURVE * 2.0**-24 * (abs(y) + (1 + slope) * abs(x)) + 64 * 2.0**-126
    assert (abs(ran - y) <= allowed / 2).all()


@pytest.mark.parametrize(("kind", "attributes"), OPERATIONS)
def test_an_operation_of_others_is_lowered_to_the_curve_that_it_computes(kind, attributes):
    from pellucid.affine import Lowering
    from pellucid.geometry import Network

    opset = 24 if kind == "Swish" else 22
    at, exact_only = Lowering((5,), curves=True), Lowering((5,))
    operation = Operation(kind, (at.input,), attributes, opset, 1)
    output = operation_lowered(at, operation)
    assert any(isinstance(step.operator, Smooth) for step in at.steps)
    x = np.random.default_rng(0).normal(size=(9, 5)) * 3
    network = Network((5,), tuple(at.steps), output, "")
    np.testing.assert_allclose(network(x), np.asarray(operation.of(x), float), rtol=2e-6, atol=1e-6)
    assert operation_lowered(exact_only, Operation(kind, (exact_only.input,), attributes, opset, 1)) is None
