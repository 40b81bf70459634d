import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.activations import CURVES
from pellucid.errors import SettingError
from pellucid.initializers import (
    INITIALIZERS,
    default_for,
    fans,
    glorot_uniform,
    he_normal,
    initializer,
    lecun_normal,
    orthogonal,
    sparse,
)

KEY = jax.random.key(3)
OTHER_SETTINGS = {
    "constant": {"value": -2.0},
    "uniform": {"low": 1.0, "high": 4.0},
    "normal": {"std": 3.0},
    "truncated_normal": {"std": 3.0},
    "orthogonal": {"gain": 2.0},
    "layer_sequential_unit_variance": {"gain": 2.0},
    "sparse": {"connections": 30, "std": 2.0},
}
MATRICES_ONLY = {"orthogonal", "layer_sequential_unit_variance"}


@pytest.fixture(params=INITIALIZERS, ids=str)
def row(request):
    return INITIALIZERS[request.param]


@pytest.mark.parametrize("shape", [(300, 120), (3, 3, 20, 60)], ids=str)
@pytest.mark.parametrize(
    ("name", "settings"), [*((name, {}) for name in INITIALIZERS), *OTHER_SETTINGS.items()], ids=str
)
def test_the_measured_variance_meets_the_law(name, settings, shape):
    if name in MATRICES_ONLY and len(shape) > 2:
        shape = (60, 180)
    draw = np.asarray(initializer(name, **settings)(KEY, shape), np.float64)
    assert draw.shape == shape
    squares = (draw - draw.mean()) ** 2
    error = squares.std() / np.sqrt(draw.size)
    assert abs(squares.mean() - INITIALIZERS[name].variance(*fans(shape), **settings)) <= 5 * error + 1e-12
    assert error <= 0.06 * squares.mean()


def test_the_mean_is_zero_where_no_setting_moves_it(row):
    if row.name in ("constant", "zeros"):
        return
    draw = np.asarray(row.function(KEY, (300, 120)))
    assert abs(draw.mean()) < 5 * draw.std() / np.sqrt(draw.size)


def test_a_draw_follows_from_the_key_and_has_the_asked_type(row):
    one, again, other = (row.function(jax.random.key(k), (20, 30), jnp.bfloat16) for k in (1, 1, 2))
    assert one.dtype == jnp.bfloat16
    assert (one == again).all()
    assert (one != other).any() == (row.name not in ("constant", "zeros"))


def test_the_cut_normal_stays_within_two_deviations():
    draw = initializer("truncated_normal", std=0.5)(KEY, (100, 100))
    assert 0.95 < abs(draw).max() <= 1.0


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 2, 4, 5)], ids=str)
def test_orthogonal_is_orthogonal(shape):
    matrix = np.asarray(orthogonal(KEY, shape, gain=2.0)).reshape(-1, shape[-1])
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, 4 * np.eye(matrix.shape[1]), atol=1e-5)


def test_sparse_gives_every_output_its_number_of_connections_at_random_places():
    weight = np.asarray(sparse(KEY, (36, 8), connections=7))
    assert ((weight != 0).sum(0) == 7).all()
    assert len(np.unique(weight != 0, axis=1).T) == 8
    kernel = np.asarray(sparse(KEY, (3, 3, 4, 8)))
    assert ((kernel != 0).sum((0, 1, 2)) == 15).all()
    assert (np.asarray(sparse(KEY, (36, 8), connections=99)) != 0).all()


def test_uniform_draws_keep_their_bounds():
    draw = initializer("uniform", low=1.0, high=4.0)(KEY, (50, 50))
    assert 1 <= draw.min() < 1.1
    assert 3.9 < draw.max() <= 4
    limit = np.sqrt(6 / 100)
    assert 0.98 * limit < abs(glorot_uniform(KEY, (50, 50))).max() <= limit


def test_fans_count_the_positions_of_a_kernel():
    assert fans((3, 2)) == (3, 2)
    assert fans((5, 3, 8)) == (15, 40)
    assert fans((2, 3, 4, 5)) == (24, 30)
    with pytest.raises(SettingError, match=r"got the shape \(3,\)"):
        fans((3,))


def test_the_row_that_needs_data_says_so():
    assert [name for name, row in INITIALIZERS.items() if row.needs_data] == ["layer_sequential_unit_variance"]
    assert "on the data" in INITIALIZERS["layer_sequential_unit_variance"].law


def test_every_activation_has_a_default():
    assert all(default_for(name) in [row.function for row in INITIALIZERS.values()] for name in CURVES)
    assert default_for("relu") is default_for("gelu") is he_normal
    assert default_for("tanh") is default_for("identity") is glorot_uniform
    assert default_for("selu") is lecun_normal
    with pytest.raises(SettingError, match="did you mean 'softplus'"):
        default_for("sofplus")


@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "selu", "identity"])
def test_the_default_carries_the_signal_through_twenty_layers(name):
    x = jax.random.normal(KEY, (64, 100))
    for key in jax.random.split(KEY, 20):
        x = CURVES[name].value(x @ default_for(name)(key, (100, 100)))
    assert 0.02 < jnp.sqrt((x * x).mean()) < 5  # half the variance in each would leave 0.001


def test_names_and_settings_there_are_not_are_refused():
    assert initializer(he_normal) is he_normal is initializer("he_normal")
    with pytest.raises(SettingError, match="did you mean 'he_normal'"):
        initializer("he_norml")
    with pytest.raises(SettingError, match="no setting of normal 'sd': did you mean 'std'"):
        initializer("normal", sd=1.0)
    with pytest.raises(SettingError, match="no setting of he_normal 'std'"):
        initializer("he_normal", std=1.0)


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("normal", {"std": 0.0}, "normal: std must be above 0, got 0.0"),
        ("truncated_normal", {"std": -1.0}, "truncated_normal: std must be above 0"),
        ("sparse", {"connections": 0}, "sparse: connections must be above 0"),
        ("uniform", {"low": 2.0, "high": 1.0}, "uniform expects low < high, got low=2.0 and high=1.0"),
    ],
)
def test_impossible_settings_are_refused_in_words(name, settings, words):
    with pytest.raises(SettingError, match=words):
        initializer(name, **settings)(KEY, (3, 2))
