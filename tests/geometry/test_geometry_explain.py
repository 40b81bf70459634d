"""The region of one input and the reason for its answer, against brute force, scipy and automatic differentiation."""

import json
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import polars
import pytest
from scipy.optimize import linprog
from scipy.spatial import HalfspaceIntersection

import pellucid as pl
from pellucid.errors import DataError, GeometryError, SettingError
from pellucid.geometry import lowered
from pellucid.geometry._explain import explain, residual
from pellucid.geometry._models import linear_models
from pellucid.geometry._polytope import facets
from pellucid.geometry._region import region
from pellucid.layers import (
    Activation,
    Conv2d,
    Dense,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    Residual,
    Sequential,
    Softmax,
)  # fmt: skip
from pellucid.records import Record


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def dense(rng, n, m, bias=1.0):
    return Dense(rng.normal(size=(n, m)), bias * rng.normal(size=m))


def mlp(n, width=12, act="relu", bias=1.0, seed=0, outputs=3):
    rng = np.random.default_rng(seed)
    layers = [dense(rng, n, width, bias), Activation(act), dense(rng, width, width, bias), Activation(act)]
    return Sequential([*layers, dense(rng, width, outputs, bias)])


def picture(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential(
        [
            Conv2d(rng.normal(size=(2, 2, 1, 2)), rng.normal(size=2), padding="same"), Activation("leaky_relu"),
            MaxPool(2), Flatten(), dense(rng, 8, 5), Residual(Sequential([dense(rng, 5, 5), Activation("hard_tanh")])),
            Activation("relu"), dense(rng, 5, 2), Softmax(),
        ]
    )  # fmt: skip


NETS = {
    "relu": (mlp(3), (3,)),
    "leaky_relu": (mlp(4, act="leaky_relu", seed=1), (4,)),
    "hard_tanh": (mlp(3, act="hard_tanh", seed=2), (3,)),
    "zero biases": (mlp(3, bias=0.0, seed=3), (3,)),
    "picture": (picture(), (4, 4, 1)),
}


def half_spaces(network, x, box=None):
    """Every kink as `normal · z ≤ offset`, with its owner; the box's sides behind them."""
    h = network.hyperplanes(x)
    sign = np.where(h.value > 0, -1.0, 1.0)
    normal, offset = h.normal * sign[:, None], -h.offset * sign
    owner = list(zip(h.bend.tolist(), h.unit.tolist(), h.kink.tolist(), strict=True))
    kept = np.flatnonzero(np.linalg.norm(normal, axis=1) > 1e-12)
    normal, offset, owner = normal[kept], offset[kept], [owner[i] for i in kept]
    if box is not None:
        n = len(x)
        normal = np.vstack([normal, -np.eye(n), np.eye(n)])
        offset = np.concatenate([offset, np.full(n, -box[0]), np.full(n, box[1])])
        owner += [None] * (2 * n)
    return normal, offset, owner


def by_brute_force(normal, offset):
    """A row is a facet if the maximum of its left side, without it, is beyond its right side."""
    found = []
    for i in range(len(normal)):
        others = np.delete(np.arange(len(normal)), i)
        most = linprog(-normal[i], normal[others], offset[others], bounds=(None, None))
        if most.status == 3 or -most.fun > offset[i] + 1e-8:
            found.append(i)
    return found


def units_of(found):
    return sorted((u.bend, u.unit, u.kink) for facet in found.facets for u in facet.units)


@pytest.mark.parametrize("box", [None, (-2.0, 2.0)])
@pytest.mark.parametrize("name", NETS)
def test_facets_are_those_of_brute_force(name, box):
    net, shape = NETS[name]
    network = lowered(net, shape)
    for x in np.random.default_rng(5).uniform(-1, 1, size=(2, network.n_in)):
        found = region(network, x, box)
        normal, offset, owner = half_spaces(network, x, box)
        wanted = by_brute_force(normal, offset)
        assert units_of(found) == sorted(owner[i] for i in wanted if owner[i])
        assert sum(bool(facet.side) for facet in found.facets) == sum(owner[i] is None for i in wanted)
        distance = (offset - normal @ x) / np.linalg.norm(normal, axis=1)
        np.testing.assert_allclose([f.distance for f in found.facets], np.sort(distance[wanted]), atol=1e-9)
        if box is not None and network.n_in < 5 and name != "zero biases":  # where Qhull can
            hull = HalfspaceIntersection(np.column_stack([normal, -offset]), found.centre)
            assert sorted(hull.dual_vertices) == wanted


@pytest.mark.parametrize("name", NETS)
def test_a_point_is_inside_exactly_if_its_pattern_is_that_of_x(name):
    net, shape = NETS[name]
    network, rng = lowered(net, shape), np.random.default_rng(6)
    x = rng.uniform(-1, 1, network.n_in)
    found = region(network, x)
    steps = rng.normal(size=(4000, network.n_in)) * rng.choice([0.03, 0.1, 0.3, 1.0], (4000, 1))
    points = x + steps
    same = np.ones(len(points), bool)
    alive = [step.width for step in network.bends]
    for here, there, width in zip(network.pieces(x[None]), network.pieces(points), alive, strict=True):
        assert here.shape == (1, width)
        same &= (here == there).all(1)
    inside = found.contains(points)
    assert same.any()
    assert not same.all()
    # A unit whose inputs are all off is on no kink: its piece cannot change inside.
    assert (inside == same).all()


@pytest.mark.parametrize("name", NETS)
def test_the_room_along_a_coordinate_ends_where_the_pattern_changes(name):
    net, shape = NETS[name]
    network = lowered(net, shape)
    x = np.random.default_rng(7).uniform(-1, 1, network.n_in)
    found = region(network, x)

    def pattern(z):
        return np.concatenate([p[0] for p in network.pieces(z[None])]).tolist()

    for i, step in enumerate(np.eye(network.n_in)):
        for side, sign in enumerate((-1, 1)):
            room = found.room[i, side]
            far = min(room, 1e3)
            assert pattern(x + sign * step * far * (1 - 1e-7)) == pattern(x)
            if np.isfinite(room):
                assert pattern(x + sign * step * room * (1 + 1e-7)) != pattern(x)
                assert found.facets[found.stops[i, side]].units


def test_the_ball_is_the_largest_and_lies_inside():
    network = lowered(mlp(4, seed=8))
    x = np.random.default_rng(8).uniform(-1, 1, 4)
    found = region(network, x, (-2, 2))
    normal, offset, _ = half_spaces(network, x, (-2, 2))
    length = np.linalg.norm(normal, axis=1)
    wanted = linprog(
        [0, 0, 0, 0, -1], np.column_stack([normal, length]), offset, bounds=[(None, None)] * 4 + [(0, None)]
    )
    assert found.radius == pytest.approx(-wanted.fun, rel=1e-8)
    assert ((offset - normal @ found.centre) / length).min() >= found.radius * (1 - 1e-9)


def test_in_many_dimensions_nearly_all_rows_are_told_apart_as_by_linear_programs():
    rng = np.random.default_rng(9)
    normal = rng.normal(size=(150, 20))
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    normal, slack = np.vstack([normal, np.eye(20), -np.eye(20)]), np.append(rng.uniform(0.2, 2, 150), np.full(40, 0.9))
    wanted = by_brute_force(normal, slack)
    assert 20 < len(wanted) < 190
    assert facets(normal, slack).tolist() == wanted


def test_rows_that_touch_a_corner_only_are_no_facets():
    square = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    corner = np.array([[1.0, 1.0]]) / np.sqrt(2)
    normal, slack = np.vstack([square, corner]), np.array([1, 1, 1, 1, np.sqrt(2)])
    assert facets(normal, slack).tolist() == [0, 1, 2, 3]
    cone = np.array([[-1.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [0.0, -1.0, 1.0], [0.0, 0.0, 1.0]])
    cone /= np.linalg.norm(cone, axis=1)[:, None]
    assert facets(cone, -cone @ np.array([0.0, 0.0, -1.0])).tolist() == [0, 1, 2, 3]  # the last passes the apex


def test_units_that_bend_together_are_one_facet_and_parallel_or_dead_ones_none():
    weight = np.array([[1.0, 1.0, -2.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0, 0.0]])
    bias = np.array([-1.0, -1.0, 2.0, -3.0, -1.0, 5.0])  # the same, the same, its opposite, behind it, another, dead
    net = Sequential([Dense(weight, bias), Activation("relu")])
    found = region(net, [0.0, 0.0])
    assert [facet.name for facet in found.facets] == [
        "layers[1][0], layers[1][1], layers[1][2]", "layers[1][4]"
    ]  # fmt: skip
    assert (found.hyperplanes, found.dead, found.touching, found.radius) == (6, 1, 0, np.inf)
    assert found.room.tolist() == [[np.inf, 1.0], [np.inf, 1.0]]


def test_on_a_kink_the_region_is_that_of_the_pieces_before():
    net = Sequential([Dense(np.eye(2), np.zeros(2)), Activation("relu")])
    found = region(net, [0.0, 0.0])
    assert (found.touching, found.radius) == (2, np.inf)
    assert found.contains([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]]).tolist() == [True, False, False]
    assert region(net, [0.0, 3.0]).touching == 1


def test_a_flat_region_has_no_ball_and_keeps_what_it_needs():
    net = Sequential([Dense(np.array([[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]), np.zeros(3)), Activation("relu")])
    found = region(net, [0.0, 0.0])  # x ≤ 0 and −x ≤ 0
    assert found.radius == 0
    assert found.touching == 3
    assert len(found.facets) == 3
    assert found.contains([[0.0, -1.0], [0.1, -1.0], [0.0, 1.0]]).tolist() == [True, False, False]
    star = lowered(mlp(2, width=9, bias=0.0))
    assert region(star, [0.0, 0.0]).contains([[0.0, 0.0]]).all()


def test_a_network_without_kinks_has_one_region():
    found = region(Dense(np.ones((2, 1)), np.zeros(1)), [1.0, 2.0])
    assert (found.facets, found.radius, found.hyperplanes) == ((), np.inf, 0)
    assert np.isinf(found.room).all()
    boxed = region(Dense(np.ones((2, 1)), np.zeros(1)), [1.0, 2.0], [(0, 4), (-np.inf, 3)], names=("age", "rooms"))
    assert [f.name for f in boxed.facets] == ["age ≥ 0", "rooms ≤ 3", "age ≤ 4"]


def test_the_list_of_all_half_spaces_is_the_same_region():
    network, x = lowered(mlp(4, seed=11)), np.zeros(4)
    short, long = region(network, x, (-1, 1)), region(network, x, (-1, 1), minimal=False)
    assert len(long.facets) >= len(short.facets)
    assert not long.minimal
    points = np.random.default_rng(0).uniform(-1, 1, size=(2000, 4))
    assert (short.contains(points) == long.contains(points)).all()


@pytest.mark.parametrize("name", NETS)
def test_contributions_are_the_derivative_and_sum_to_the_output(name):
    net, shape = NETS[name]
    x = np.random.default_rng(12).uniform(-1, 1, shape)
    plain = Sequential(net.layers[:-1]) if isinstance(net.layers[-1], Softmax) else net
    y = np.asarray(plain(jnp.asarray(x[None])))[0]
    found = explain(net, x)
    assert found.output == int(y.argmax())
    assert found.output_name == f"output {y.argmax()}"
    slope = jax.grad(lambda v: plain(v.reshape(1, *shape))[0, found.output])(jnp.asarray(x.ravel()))
    np.testing.assert_allclose(found.weights, slope, atol=1e-10)
    assert found.value == pytest.approx(float(y.max()), abs=1e-12)
    assert found.constant + found.contributions.sum() == pytest.approx(found.value, abs=1e-12)
    assert found.residual < 1e-13
    assert found.link == ("logit" if plain is not net else "")
    assert found.parts[0].contribution == found.contributions[np.abs(found.contributions).argmax()]
    json.dumps(found.to_json())


@dataclass(frozen=True)
class Wish(Record):
    sentence: str


def test_the_sentences_are_those_a_person_would_say():
    up, down = np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[3.0], [1.0]])
    net = Sequential([Dense(up, np.array([0.5, 0.0])), Activation("relu"), Dense(down, np.zeros(1))])
    found = explain(net, [1.0, 2.0])
    assert found.sentences == (
        "Output 0 is 16.5: 1.5 to begin with, 12 from x[1] = 2 and 3 from x[0] = 1.",
        "Within this region output 0 rises by 6 per unit of x[1] and rises by 3 per unit of x[0].",
        "The answer changes its formula if x[0] falls below 0 or x[1] falls below −0.75.",
    )  # fmt: skip
    assert replace(found, flips=(Wish("It flips."),)).sentences[-1] == "It flips."
    flat = explain(Sequential([Dense(np.zeros((1, 1)), np.ones(1)), Activation("relu")]), [1.0])
    assert flat.sentences[1] == "Within this region no input moves output 0."


def houses(n=400):
    rng = np.random.default_rng(0)
    rooms, age, city = rng.uniform(2, 9, n), rng.uniform(0, 90, n), rng.choice(["Bern", "Oslo", "Rome"], n)
    price = 30 * rooms - 0.5 * np.maximum(age, 40) + 25 * (city == "Rome") + rng.normal(size=n)
    sold = rng.uniform(size=n) < 0.5
    return polars.DataFrame({"rooms": rooms, "age": age, "city": city, "sold": sold, "price": price})


@pytest.fixture(scope="module")
def priced():
    frame = houses()
    with jax.enable_x64(False):
        return frame, pl.fit([8], frame, target="price", epochs=30, learning_rate=0.01, progress=False)


def test_a_run_is_explained_in_the_units_of_its_table(priced):
    frame, run = priced
    row = frame[7].to_dicts()[0]
    found = explain(run, row)
    with jax.enable_x64(False):
        assert found.value == pytest.approx(float(run.predict(frame[7])[0]), rel=1e-5)
    assert found.names[:2] == ("rooms", "age")
    assert found.link == ""
    assert found.output_name == "price"
    np.testing.assert_allclose(found.values[:2], [row["rooms"], row["age"]], rtol=1e-5)
    low, high = np.clip(found.ranges[0], 0, 12)
    ends = [frame[7].with_columns(rooms=low + (high - low) * t) for t in (0.05, 0.95)]
    with jax.enable_x64(False):
        below, above = run.predict(polars.concat(ends))
    assert (above - below) / (0.9 * (high - low)) == pytest.approx(found.weights[0], rel=1e-3)
    assert any("rises" in s and "per unit of rooms" in s for s in found.sentences)


def test_another_category_gives_what_the_network_says(priced):
    frame, run = priced
    found = explain(run, frame[7])
    city, sold = found.choices
    assert city.column == "city"
    assert city.name == f"city = {frame[7]['city'][0]}"
    assert len(city.others) == 2
    assert [other.name for other in sold.others] == [f"sold = {str(not frame[7]['sold'][0]).lower()}"]
    with jax.enable_x64(False):
        for other in city.others:
            changed = frame[7].with_columns(city=polars.lit(other.name.removeprefix("city = ")))
            assert other.output == pytest.approx(float(run.predict(changed)[0]), rel=1e-5)
    for other in (*city.others, *sold.others):
        if other.same_region:
            own = city if other in city.others else sold
            assert other.output == pytest.approx(found.value + other.contribution - own.contribution, rel=1e-9)


def test_a_box_is_the_range_of_the_data_or_is_given_by_name(priced):
    frame, run = priced
    found = explain(run, frame[7], box="data")
    sides = {f.side.split()[0]: float(f.side.split()[-1]) for f in found.region.facets if f.side[:3] in ("roo", "age")}
    assert sides
    for name, end in sides.items():
        data = run.data.train_rows[name]
        assert end == pytest.approx(data.min(), rel=1e-4) or end == pytest.approx(data.max(), rel=1e-4)
    named = explain(run, frame[7], box={"age": (frame[7]["age"][0] - 0.001, frame[7]["age"][0] + 0.001)})
    assert named.ranges[1] == pytest.approx(frame[7]["age"][0] + np.array([-0.001, 0.001]), abs=1e-5)
    with pytest.raises(SettingError, match=r"'aeg': did you mean 'age'"):
        explain(run, frame[7], box={"aeg": (0, 1)})
    with pytest.raises(SettingError, match=r"age wants \(low, high\)"):
        explain(run, frame[7], box={"age": 3})


def test_classes_are_asked_by_name_and_answered_as_logits():
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    frame = polars.DataFrame({"a": x[:, 0], "b": x[:, 1], "kind": np.where(x[:, 0] > 0, "cat", "dog")})
    with jax.enable_x64(False):
        run = pl.fit([4], frame, target="kind", loss="cross_entropy", epochs=3, progress=False)
        logits = run.output(frame[0])[0]
    found = explain(run, frame[0], "dog")
    assert found.value == pytest.approx(float(logits[1]), rel=1e-5)
    assert (found.output_name, found.link) == ("dog", "logit")
    assert found.sentences[0].startswith("The logit of dog is")
    with pytest.raises(SettingError, match=r"did you mean 'dog'"):
        explain(run, frame[0], "dgo")
    models = linear_models(run, frame)
    assert models.outputs == ("cat", "dog")
    assert models.models[0].weight.shape == (2, 2)


def test_the_linear_models_of_a_data_set_are_counted_and_right():
    net, rng = mlp(2, width=6, seed=13), np.random.default_rng(13)
    x = rng.uniform(-1, 1, size=(500, 2))
    found, network = linear_models(net, x), lowered(net)
    rows = np.concatenate(network.pieces(x), 1)
    _, code, count = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    assert (found.rows, found.regions, found.largest) == (500, len(count), count.max())
    assert found.sizes.tolist() == sorted(count, reverse=True)
    assert found.sharing == count[count > 1].sum()
    assert len(set(zip(code.ravel().tolist(), found.region.tolist(), strict=True))) == len(count)
    assert sorted(np.concatenate([model.rows for model in found.models]).tolist()) == list(range(500))
    for model in found.models:
        np.testing.assert_allclose(x[model.rows] @ model.weight + model.bias, network(x[model.rows]), atol=1e-12)
    assert found.residual < 1e-13
    assert linear_models(net, x, 1).models[0].weight.shape == (2, 1)


def test_regions_with_the_same_map_are_one_model():
    rng = np.random.default_rng(14)
    weight, down = rng.normal(size=(2, 5)), rng.normal(size=(5, 1))
    down[2:] = 0  # nothing reads the last three units
    net = Sequential([Dense(weight, np.zeros(5)), Activation("relu"), Dense(down, np.zeros(1))])
    x = rng.normal(size=(400, 2))
    found, read = linear_models(net, x), np.unique(x @ weight[:, :2] > 0, axis=0)
    assert found.regions == len(np.unique(x @ weight > 0, axis=0)) > len(found.models) == len(read)
    assert sum(model.regions for model in found.models) == found.regions


def test_bad_input_is_told_plainly(monkeypatch):
    net = mlp(3)
    with pytest.raises(SettingError, match=r"outputs 0 to 2; got 3"):
        explain(net, np.zeros(3), 3)
    with pytest.raises(SettingError, match=r"outputs 0 to 2; got True"):
        explain(net, np.zeros(3), True)
    with pytest.raises(GeometryError, match=r"3 inputs; the points have 4"):
        explain(net, np.zeros(4))
    with pytest.raises(DataError, match=r"nan in x\[1\]"):
        explain(net, [0.0, np.nan, 0.0])
    with pytest.raises(GeometryError, match=r"Input 2 of x is inf"):
        region(net, [0.0, 0.0, np.inf])
    with pytest.raises(DataError, match=r"One row .* got 2"):
        explain(net, np.zeros((2, 3)))
    with pytest.raises(GeometryError, match=r"lies outside of the box: input 0 is 3"):
        explain(net, [3.0, 0.0, 0.0], box=(-1, 1))
    with pytest.raises(GeometryError, match=r"empty along input 0"):
        region(net, np.zeros(3), (1, 1))
    with pytest.raises(GeometryError, match=r"3 of them; got the shape \(2, 2\)"):
        region(net, np.zeros(3), np.zeros((2, 2)))
    with pytest.raises(SettingError, match=r"'data' for the range of a run's rows"):
        explain(net, np.zeros(3), box="data")
    with pytest.raises(GeometryError, match=r"not piecewise linear"):
        explain(
            Sequential([Dense(np.ones((1, 1)), np.ones(1)), Activation("gelu"), Dense(np.ones((1, 1)), None)]), [1.0]
        )
    with pytest.raises(DataError, match=r"no rows"):
        linear_models(net, np.zeros((0, 3)))
    monkeypatch.setattr("pellucid.geometry._region.MOST_SWEPT", 50)
    with pytest.raises(GeometryError, match=r"24 kinks in 3 dimensions, whose normals have 72 numbers"):
        region(net, np.zeros(3))
    monkeypatch.setattr("pellucid.geometry._region.MOST_SWEPT", 100)
    monkeypatch.setattr("pellucid.geometry._region.ROWS", 20)
    with pytest.raises(GeometryError, match=r"24 half-spaces are facets .* minimal=False"):
        region(net, np.zeros(3), minimal=True)
    monkeypatch.setattr("pellucid.geometry._region.SOON", 10)
    assert not region(net, np.zeros(3)).minimal
    assert len(region(net, np.zeros(3), minimal=False).facets) == 24


def test_a_sum_that_misses_the_output_is_refused():
    assert residual(1.0, 0.5, np.array([0.75, -0.25])) == 0
    with pytest.raises(GeometryError, match=r"The map gives 0.90001, the network itself 0.9"):
        residual(0.9, 0.5, np.array([0.40001]))


def test_a_convnet_without_biases_has_a_region_without_end_whose_linear_program_the_simplex_method_does_not_end():
    layers = [Conv2d.create(1, 4, 3, key=jax.random.key(0)), Activation("relu"), MaxPool(2)]
    layers += [Conv2d.create(4, 8, 3, key=jax.random.key(1)), Activation("relu"), GlobalAveragePool()]
    net = Sequential([*layers, Dense.create(8, 10, key=jax.random.key(2))])
    x = np.random.default_rng(0).random((16, 16, 1))
    found = explain(net, x, minimal=False)
    assert found.region.radius == np.inf
    assert found.residual < 1e-12
    network, x = lowered(net, x.shape), x.reshape(1, -1)
    for scale in (0.5, 3.0):  # all kinks pass through 0
        np.testing.assert_allclose(network(scale * x), scale * network(x))


def test_of_a_network_too_large_to_hold_its_normals_the_ranges_and_the_nearest_kinks_are_the_same(monkeypatch):
    net, x, box = mlp(7, width=40), np.random.default_rng(1).normal(size=7), (-4.0, 4.0)
    whole = explain(net, x, box=box)
    monkeypatch.setattr("pellucid.geometry._region.MOST", 100)
    monkeypatch.setattr("pellucid.geometry._swept.NUMBERS", 3 * 80)
    monkeypatch.setattr("pellucid.geometry._swept.NEAREST", 5)
    swept = explain(net, x, box=box)
    np.testing.assert_allclose(swept.ranges, whole.ranges)
    np.testing.assert_allclose(swept.region.room, whole.region.room)
    assert swept.sentences == whole.sentences
    assert (swept.region.hyperplanes, swept.region.dead) == (whole.region.hyperplanes, whole.region.dead)
    nearest = [facet.name for facet in region(net, x, box, minimal=False).facets[:1]]
    monkeypatch.undo()
    every = region(net, x, box, minimal=False)
    assert [facet.name for facet in every.facets[:1]] == nearest == [swept.region.facets[0].name]
    assert len(swept.region.facets) < len(every.facets)
    assert not swept.region.complete
    assert "the nearest and those that end" in str(swept)
    with pytest.raises(GeometryError, match="cannot tell"):
        swept.region.contains(x[None])
