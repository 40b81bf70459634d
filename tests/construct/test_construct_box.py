"""Functions of several variables: the cheapest form, with its proven error, and what a construction can be used for."""

import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid import construct
from pellucid.construct._chain import stored
from pellucid.construct._grid import Grid, hats, interpolation, plane, planned, values_at
from pellucid.construct._target import target_of
from pellucid.errors import SettingError
from pellucid.geometry import complex_of


def kuhn(z, values):
    """Interpolation on the simplices of a grid, from its definition: the coordinates in order, the largest first."""
    out = []
    for p in z:
        node = np.minimum(np.floor(p).astype(int), np.array(values.shape) - 2)
        share = p - node
        order = np.argsort(-share, kind="stable")
        y, steps = values[tuple(node)] * (1 - share[order[0]]), [*share[order[1:]], 0.0]
        for i, following in zip(order, steps, strict=True):
            node[i] += 1
            y += values[tuple(node)] * (share[i] - following)
        out.append(y)
    return np.array(out)


@pytest.mark.parametrize("cells", [(1, 1), (3, 5), (2, 3, 2), (1, 2, 1, 1)])
def test_the_network_of_a_grid_is_its_interpolation(cells):
    rng = np.random.default_rng(0)
    d = len(cells)
    grid, values = Grid(np.ones(d), np.zeros(d), np.array(cells)), rng.normal(size=[n + 1 for n in cells])
    chain = (plane if d == 2 else hats)(grid, values)
    x = np.concatenate([rng.uniform(0, cells, (400, d)), np.array(list(np.ndindex(*[n + 1 for n in cells])))])
    inside = np.minimum(x, np.array(cells) - 1e-12)
    assert chain(x)[:, 0] == pytest.approx(kuhn(inside, values), abs=1e-9)


def test_the_regions_of_a_grid_are_its_triangles():
    grid, values = Grid(np.ones(2), np.zeros(2), np.array([2, 2])), np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], float)
    from pellucid.construct._chain import layers_of

    found = complex_of(layers_of(plane(grid, values)), [(0, 2), (0, 2)])
    heights = dict(zip(map(tuple, found.xy.tolist()), found.values[:, 0].tolist(), strict=True))
    assert heights[(1.0, 1.0)] == 1
    assert all(abs(heights[corner]) < 1e-12 for corner in ((0.0, 0.0), (2.0, 0.0), (0.0, 2.0), (2.0, 2.0)))
    assert found.linear_count == 8  # six around the node, and two corners in which it is 0


CASES = {
    "a sum": (lambda x: jnp.sin(2 * x[0]) + x[1] ** 2, [(-1, 1), (0, 2)], 0.01, "a sum of 2 functions"),
    "a bump": (lambda x: jnp.exp(-(x[0] ** 2 + x[1] ** 2)), [(-2, 2)] * 2, 0.02, "a product of 2 functions"),
    "two products": (lambda x: jnp.sin(x[0] + x[1]), [(-1, 1)] * 2, 0.02, "a sum of 2 products"),
    "a ridge": (lambda x: jnp.abs(x[0] - x[1]), [(0, 1)] * 2, 0.1, "simplices of a grid"),
    "three": (lambda x: jnp.exp(-(x[0] ** 2 + x[1] ** 2 + x[2] ** 2)), [(-1, 1)] * 3, 0.1, "a product of 3"),
    "a product": (lambda x: jnp.prod(x), [(0, 1)] * 4, 0.1, "a product of 4"),
    "ten inputs": (lambda x: jnp.sum(jnp.abs(x)), [(-1, 1)] * 10, 0.1, "a sum of 10"),
    "mixed": (lambda x: jnp.sin(x[0] + x[1] * x[2]), [(0, 1)] * 3, 0.1, "simplices of a grid of"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cheapest_form_keeps_the_error(name):
    function, box, error, form = CASES[name]
    made = construct.approximate(function, box, error=error)
    assert form in made.proof
    assert made.measured <= made.error <= error
    x = np.random.default_rng(0).uniform(*np.array(box, float).T, (5000, len(box))).astype(np.float32)
    off = abs(np.asarray(made.net(x), float)[:, 0] - made.target(x.astype(float))[:, 0]).max()
    assert off <= made.error + made.residual + 1e-6


def test_a_function_that_only_has_a_lipschitz_constant_is_interpolated():
    made = construct.approximate(lambda x: np.hypot(x[0], x[1]), [(-1, 1)] * 2, error=0.2, lipschitz=1)
    assert "as given" in made.proof
    assert made.measured <= made.error <= 0.2


@pytest.mark.parametrize("known", [{"lipschitz": 1}, {"curvature": 0.5}])
def test_what_is_told_wrongly_is_refused_where_it_shows(known):
    with pytest.raises(SettingError, match=r"does not hold: .*as given"):
        construct.approximate(lambda x: np.sin(20 * x[0]) * x[1], [(-1, 1)] * 2, error=0.2, **known)


def test_the_error_of_a_grid_counts_what_float32_takes_away():
    target = target_of(lambda x: 1000 + jnp.sin(3 * x[0]) * x[1], ((0.1, 0.9), (0.3, 1.7)))
    plan = planned(target, 0.02)
    chain, error = interpolation(target, plan)
    x = np.random.default_rng(0).uniform([0.1, 0.3], [0.9, 1.7], (5000, 2))
    assert abs(stored(chain)(x)[:, 0] - target.middle(x)).max() <= error
    assert plan.error < error
    values, _ = values_at(target, plan.grid)
    assert values.shape == tuple(int(n) + 1 for n in plan.grid.cells)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: construct.approximate(lambda x: x[0] * x[1], [(0, 1)] * 2, neurons=3), "one variable"),
        (lambda: construct.approximate(lambda x: x[0] * x[1], [(0, 1)] * 2, error=0.1, convex=True), "one variable"),
        (lambda: construct.approximate(lambda x: x, [(0, 1)] * 2, error=0.1), "wanted is one number"),
        (lambda: construct.approximate(lambda x: jnp.sin(999 * x[0] * x[1]), [(0, 9)] * 2, error=1e-3), "more than"),
        (lambda: construct.approximate(lambda x: jnp.sin(jnp.sum(x)), [(0, 1)] * 12, error=0.1), "more than 200,000"),
        (
            lambda: construct.approximate(lambda x: jnp.sin(x[0] * x[1]), [(1e6, 1e6 + 1)] * 2, error=0.1),
            "nearer to it",
        ),
        (lambda: construct.approximate(lambda x: jnp.where(x[0] > x[1], 1.0, 0.0), [(0, 1)] * 2, error=0.1), "inf"),
        (lambda: construct.rate(jnp.sin, (0, 1), neurons=5), "give a list"),
        (lambda: construct.rate(jnp.sin, (0, 1)), "either neurons="),
        (lambda: construct.rate(jnp.sin, (0, 1), neurons=[3]), "two networks"),
    ],
)
def test_bad_input_is_told(call, words):
    with pytest.raises(SettingError, match=words):
        call()


@pytest.fixture(scope="module")
def sine():
    return construct.approximate(jnp.sin, (0, 6.25), neurons=12)


def test_a_construction_is_an_ordinary_network(sine, tmp_path):
    onnx = pytest.importorskip("onnxruntime")
    x = np.linspace(0, 6.25, 101, dtype=np.float32)[:, None]
    y = np.asarray(sine.net(x))
    assert np.array_equal(np.asarray(pl.load(pl.save(tmp_path / "sine.safetensors", sine.net))(x)), y)
    path = tmp_path / "sine.onnx"
    pl.to_onnx(sine.net, path)
    session = onnx.InferenceSession(str(path))
    assert session.run(None, {session.get_inputs()[0].name: x})[0] == pytest.approx(y, abs=1e-5)


def test_a_construction_can_be_trained_on(sine):
    x = np.linspace(0, 6.25, 200, dtype=np.float32)[:, None]
    run = pl.fit(sine.net, (x, np.sin(x)), epochs=3, learning_rate=1e-4, validation=None, progress=False)
    assert run.history[0].loss < 1e-3  # it starts where it was built
    assert np.isfinite(run.history[-1].loss)


def test_a_construction_says_what_it_is(sine):
    told = sine.to_json()
    assert (told["neurons"], told["depth"], told["parameters"]) == (12, 1, 37)
    assert "net" not in told
    assert sine.residual < 1e-5
    text = str(sine)
    assert "12 neurons" in text
    assert "proven" in text
