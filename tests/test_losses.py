import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from sklearn.metrics import hinge_loss, mean_pinball_loss

from pellucid.errors import DataError, SettingError, ShapeError
from pellucid.layers import Dense
from pellucid.losses import ALIASES, LIMITS, LINKS, LOSSES, loss, own
from pellucid.train import Settings, fit, open_data

F = torch.nn.functional
RNG = np.random.default_rng(0)
Z = RNG.normal(size=(6, 4)) * 3
REAL = RNG.normal(size=(6, 4))
BITS = RNG.integers(0, 2, size=(6, 4)).astype(float)
SIGNS = 2 * BITS - 1
COUNTS = RNG.poisson(2.0, size=(6, 4)).astype(float)
LABELS = np.array([0, 3, 1, 2, 3, 0])
SOFT = RNG.dirichlet(np.ones(4), size=6)
SHARP = np.eye(4)[LABELS]


def clipped_log(p, y):
    """−y log p with p brought into [1e-7, 1 − 1e-7], as in Keras: where it had to be, nothing is to blame."""
    return -y * torch.log(p.clamp(1e-7, 1 - 1e-7))


CASES = {  # name: (name of the loss, settings, targets, PyTorch's own terms)
    "squared_error": ("squared_error", {}, REAL, lambda z, y: F.mse_loss(z, y, reduction="none")),
    "absolute_error": ("absolute_error", {}, REAL, lambda z, y: F.l1_loss(z, y, reduction="none")),
    "huber": ("huber", {}, REAL, lambda z, y: F.huber_loss(z, y, reduction="none")),
    "huber 2.5": ("huber", {"delta": 2.5}, REAL, lambda z, y: F.huber_loss(z, y, reduction="none", delta=2.5)),
    "log_cosh": ("log_cosh", {}, REAL, lambda z, y: torch.log(torch.cosh(z - y))),
    "binary": (
        "binary_cross_entropy",
        {},
        BITS,
        lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none"),
    ),
    "labels": ("cross_entropy", {}, LABELS, lambda z, y: F.cross_entropy(z, y, reduction="none")),
    "one-hot": ("cross_entropy", {}, SHARP, lambda z, y: F.cross_entropy(z, y, reduction="none")),
    "soft": ("cross_entropy", {}, SOFT, lambda z, y: F.cross_entropy(z, y, reduction="none")),
    "smoothed labels": (
        "cross_entropy",
        {"label_smoothing": 0.1},
        LABELS,
        lambda z, y: F.cross_entropy(z, y, reduction="none", label_smoothing=0.1),
    ),
    "smoothed rows": (
        "cross_entropy",
        {"label_smoothing": 0.3},
        SOFT,
        lambda z, y: F.cross_entropy(z, y, reduction="none", label_smoothing=0.3),
    ),
    "probabilities": (
        "binary_cross_entropy_of_probabilities",
        {},
        BITS,
        lambda p, y: F.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), y, reduction="none"),
    ),
    "probabilities of real targets": (
        "binary_cross_entropy_of_probabilities",
        {},
        REAL,
        lambda p, y: clipped_log(p, y) + clipped_log(1 - p, 1 - y),
    ),
    "shares": (
        "cross_entropy_of_probabilities",
        {},
        LABELS,
        lambda p, y: clipped_log(p / p.sum(-1, keepdim=True), F.one_hot(y, 4)).sum(-1),
    ),
    "shares of rows": (
        "cross_entropy_of_probabilities",
        {},
        SOFT,
        lambda p, y: clipped_log(p / p.sum(-1, keepdim=True), y).sum(-1),
    ),
    "shares of real targets": (
        "cross_entropy_of_probabilities",
        {},
        REAL,
        lambda p, y: clipped_log(p / p.sum(-1, keepdim=True), y).sum(-1),
    ),
    "hinge": ("hinge", {}, SIGNS, lambda z, y: torch.clamp(1 - y * z, min=0)),
    "poisson": ("poisson", {}, COUNTS, lambda z, y: F.poisson_nll_loss(z, y, reduction="none")),
    "gaussian_nll": (
        "gaussian_nll",
        {},
        REAL[:, :2],
        lambda z, y: F.gaussian_nll_loss(z[:, :2], y, z[:, 2:].exp(), reduction="none", eps=1e-30),
    ),
    "quantile": ("quantile", {"q": 0.8}, REAL, lambda z, y: torch.maximum(0.8 * (y - z), -0.2 * (y - z))),
    "kl_divergence": (
        "kl_divergence",
        {},
        SOFT,
        lambda z, y: F.kl_div(F.log_softmax(z, -1), y, reduction="none").sum(-1),
    ),
    "sharp kl_divergence": (
        "kl_divergence",
        {},
        SHARP,
        lambda z, y: F.kl_div(F.log_softmax(z, -1), y, reduction="none").sum(-1),
    ),
    "cosine": (
        "cosine",
        {},
        REAL,
        lambda z, y: F.cosine_embedding_loss(z, y, torch.ones(len(z), dtype=z.dtype), reduction="none"),
    ),
}


@pytest.fixture(params=CASES, ids=str)
def case(request):
    name, settings, y, reference = CASES[request.param]
    with jax.enable_x64(True):
        yield loss(name, **settings), y, reference


def close(got, wanted, rtol=1e-9, atol=1e-12):
    np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=rtol, atol=atol)


def test_every_loss_has_a_case_a_link_and_its_own_name():
    assert {name for name, *_ in CASES.values()} == LOSSES.keys()
    assert all(name == row.name and row.link in LINKS for name, row in LOSSES.items())
    assert {setting for row in LOSSES.values() for setting, _ in row.settings} == LIMITS.keys()


def test_terms_and_blame_are_those_of_pytorch(case):
    row, y, reference = case
    z = torch.tensor(Z, requires_grad=True)
    wanted = reference(z, torch.tensor(y))
    wanted.sum().backward()
    terms = row.terms(Z, y)
    assert terms.shape == wanted.shape
    close(terms, wanted.detach().numpy())
    close(row.blame(Z, y), z.grad.numpy())


def test_blame_is_the_gradient_of_the_terms(case):
    row, y, _ = case
    close(row.blame(Z, y), jax.grad(lambda z: row.terms(z, y).sum())(jnp.asarray(Z)))


def test_blame_meets_finite_differences(case):
    row, y, _ = case
    blame, h = np.asarray(row.blame(Z, y)), 1e-6
    for column in range(Z.shape[1]):
        step = h * np.eye(4)[column]
        change = np.asarray(row.terms(Z + step, y) - row.terms(Z - step, y)) / (2 * h)
        if change.ndim == 1:
            change = change[:, None]
        close(change.sum(-1), blame[:, column], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("masked", [False, True], ids=["", "mask"])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weights"])
def test_evaluate_is_the_weighted_mean_and_its_gradient(case, weighted, masked):
    row, y, _ = case
    weights = np.array([1.0, 0.0, 2.5, 0.3, 1.0, 4.0]) if weighted else None
    terms = np.asarray(row.terms(Z, y))
    mask = RNG.integers(0, 2, size=terms.shape).astype(bool) if masked else None
    share = np.ones_like(terms)
    share *= 1 if weights is None else weights.reshape(6, *[1] * (terms.ndim - 1))
    share *= 1 if mask is None else mask
    value, dz = row.evaluate(Z, y, weights, mask)
    close(value, (share * terms).sum() / share.sum())
    close(dz, jax.grad(lambda z: row.evaluate(z, y, weights, mask)[0])(jnp.asarray(Z)))
    per_example = row.per_example(Z, y, mask)
    assert per_example.shape == (6,)
    seen = np.ones_like(terms) if mask is None else mask
    wanted = (seen * terms).reshape(6, -1).sum(1) / np.maximum(seen.reshape(6, -1).sum(1), 1)
    close(per_example, wanted)


def test_what_is_masked_counts_for_nothing_even_where_it_is_nan(case):
    row, y, _ = case
    z, mask = Z.copy(), np.array([True, True, False, True, True, True])
    z[2] = np.nan
    value, dz = row.evaluate(z, y, mask=mask)
    wanted, wanted_dz = row.evaluate(Z[mask], y[mask])
    close(value, wanted)
    close(dz[mask], wanted_dz)
    assert (dz[2] == 0).all()
    assert row.per_example(z, y, mask)[2] == 0


def test_a_batch_masked_wholly_or_of_no_weight_has_neither_loss_nor_blame(case):
    row, y, _ = case
    for hidden in ({"mask": np.zeros(6)}, {"weights": np.zeros(6)}):
        value, dz = row.evaluate(Z, y, **hidden)
        assert value == 0
        assert dz.shape == Z.shape
        assert (dz == 0).all()
    assert (row.per_example(Z, y, np.zeros(6)) == 0).all()


@pytest.mark.parametrize("name", CASES)
def test_huge_logits_give_finite_terms_and_blame_in_single_precision(name):
    name, settings, y, _ = CASES[name]
    row, y = loss(name, **settings), jnp.asarray(y, None if y.dtype == int else jnp.float32)
    for z in (np.full((6, 4), 1e4), np.full((6, 4), -1e4), 1e4 * np.sign(Z), -1e4 * np.sign(Z), 0 * Z, 1e4 * SHARP):
        z = jnp.asarray(z, jnp.float32)
        value, dz = row.evaluate(z, y)
        assert jnp.isfinite(value)
        assert jnp.isfinite(dz).all()
        assert jnp.isfinite(row.predict(z)).all()
        assert value.dtype == dz.dtype == jnp.float32


def test_logits_of_ten_thousand_are_judged_rightly_either_way():
    bce = loss("binary_cross_entropy")
    z = jnp.array([1e4, 1e4, -1e4, -1e4, 20.0])
    close(bce.terms(z, jnp.array([1, 0, 1, 0, 1])), [0, 1e4, 1e4, 0, 2.0611537e-9], rtol=1e-5)
    close(bce.blame(z, jnp.array([1, 0, 1, 0, 1])), [0, 1, -1, 0, 0], atol=1e-8)
    cross = loss("cross_entropy")
    z = jnp.array([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [1e4, 1e4, -1e4]])
    close(cross.terms(z, jnp.array([0, 1, 0])), [0, 2e4, np.log(2)], rtol=1e-6)
    close(cross.blame(z, jnp.array([0, 1, 0])), [[0, 0, 0], [1, -1, 0], [-0.5, 0.5, 0]], atol=1e-7)


def test_hinge_and_quantile_are_those_of_scikit_learn():
    with jax.enable_x64(True):
        close(loss("hinge").evaluate(Z[:, 0], SIGNS[:, 0])[0], hinge_loss(SIGNS[:, 0], Z[:, 0]))
        value = loss("quantile", q=0.3).evaluate(Z[:, 0], REAL[:, 0])[0]
        close(value, mean_pinball_loss(REAL[:, 0], Z[:, 0], alpha=0.3))


def test_terms_at_a_kink_take_a_slope_between_the_two_sides():
    assert loss("absolute_error").blame(jnp.zeros(1), jnp.zeros(1)) == 0
    assert loss("hinge").blame(jnp.ones(1), jnp.ones(1)) == 0
    assert -0.8 <= loss("quantile", q=0.8).blame(jnp.zeros(1), jnp.zeros(1))[0] <= 0.2


def test_log_cosh_keeps_its_digits_near_zero():
    close(loss("log_cosh").terms(jnp.array([1e-3, 50.0]), jnp.zeros(2)), [5e-7, 50 - np.log(2)], rtol=1e-3)


def test_cosine_of_a_vector_without_direction_is_one_without_blame():
    row, z = loss("cosine"), jnp.zeros((1, 3))
    assert row.terms(z, jnp.ones((1, 3)))[0] == 1
    assert (row.blame(z, jnp.ones((1, 3))) == 0).all()
    assert (row.predict(z) == 0).all()


def test_labels_may_be_given_per_position_of_a_sequence():
    z, y = jnp.asarray(RNG.normal(size=(2, 3, 4)), jnp.float32), jnp.array([[0, 1, 2], [3, 0, 1]])
    cross = loss("cross_entropy")
    close(cross.terms(z, y).ravel(), cross.terms(z.reshape(6, 4), y.ravel()), rtol=1e-6)
    assert cross.per_example(z, y).shape == (2,)
    value, dz = cross.evaluate(z, y, weights=jnp.array([1.0, 0.0]), mask=jnp.array([[1, 1, 0], [1, 1, 1]]))
    close(value, cross.terms(z, y)[0, :2].mean(), rtol=1e-6)
    assert (dz[1] == 0).all()
    assert dz.shape == z.shape


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, bool])
def test_the_type_of_the_targets_does_not_matter(dtype):
    y = np.array([0, 1, 1, 0, 1, 0])
    for name, z in (("cross_entropy", Z[:, :2]), ("binary_cross_entropy", Z[:, 0]), ("squared_error", Z[:, 0])):
        close(loss(name).blame(z, y.astype(dtype)), loss(name).blame(z, y), rtol=1e-6)


def test_targets_without_the_last_axis_of_one_are_lined_up_and_never_broadcast():
    row = loss("squared_error")
    assert row.terms(jnp.ones((3, 1)), jnp.zeros(3)).shape == (3, 1)
    assert loss("gaussian_nll").terms(jnp.ones((3, 2)), jnp.zeros(3)).shape == (3, 1)
    with pytest.raises(
        ShapeError, match=re.escape("squared_error expects targets (3, 2) for outputs (3, 2), got (3,)")
    ):
        row.terms(jnp.ones((3, 2)), jnp.zeros(3))
    with pytest.raises(ShapeError, match=re.escape("targets (3,) or (3, 2) for outputs (3, 2), got (3, 1)")):
        loss("cross_entropy").terms(jnp.ones((3, 2)), jnp.zeros((3, 1)))
    with pytest.raises(ShapeError, match=re.escape("weights or mask expects the first axes of (3, 2), got (2,)")):
        row.evaluate(jnp.ones((3, 2)), jnp.zeros((3, 2)), weights=jnp.ones(2))


def test_predict_applies_the_link():
    z = jnp.array([[0.0, 2.0], [-1.0, 1.0]])
    close(loss("binary_cross_entropy").predict(z), 1 / (1 + np.exp(-z)), rtol=1e-6)
    close(loss("cross_entropy").predict(z).sum(-1), [1, 1], rtol=1e-6)
    close(loss("poisson").predict(z), np.exp(z), rtol=1e-6)
    close(loss("hinge").predict(z), [[1, 1], [-1, 1]])
    close(loss("gaussian_nll").predict(z), [[0], [-1]])
    close(loss("cosine").predict(z), [[0, 1], [-(0.5**0.5), 0.5**0.5]], rtol=1e-6)
    close(loss("huber").predict(z), z)


def test_a_loss_is_a_constant_of_a_compiled_step():
    step = jax.jit(lambda z, y, loss: loss.evaluate(z, y), static_argnames="loss")
    first, same = loss("huber", delta=2.0), loss("huber", delta=2)
    assert first == same
    assert hash(first) == hash(same)
    assert first != loss("huber")
    z, y = jnp.asarray(Z, jnp.float32), jnp.asarray(REAL, jnp.float32)
    jax.tree.map(lambda got, wanted: close(got, wanted, rtol=1e-6), step(z, y, first), first.evaluate(z, y))
    step(z, y, same)
    assert step._cache_size() == 1


def test_names_and_settings_are_found_or_refused_in_words():
    assert all(loss(short) is not None and loss(short) == LOSSES[name] for short, name in ALIASES.items())
    assert loss(loss("huber", delta=3.0)) == loss("huber", delta=3.0)
    assert loss(loss("huber"), delta=3.0) == loss("huber", delta=3.0)
    for wrong, settings, words in (
        ("cross_entrpy", {}, "no loss 'cross_entrpy': did you mean 'cross_entropy'"),
        ("huber", {"detla": 1.0}, "no setting of huber 'detla': did you mean 'delta'"),
        ("huber", {"delta": 0.0}, "huber expects delta above 0, got 0.0"),
        ("quantile", {"q": 1.0}, "quantile expects q between 0 and 1, got 1.0"),
        ("cross_entropy", {"label_smoothing": "much"}, r"label_smoothing in \[0, 1\), got much"),
    ):
        with pytest.raises(SettingError, match=words):
            loss(wrong, **settings)


def test_check_accepts_the_targets_of_every_case(case):
    row, y, _ = case
    row.check(y, 4)


def test_check_accepts_a_column_missing_its_axis_and_labels_of_sequences():
    loss("squared_error").check([1, 2, 3], 1)
    loss("squared_error").check([[1, 2, 3]], 1)
    loss("gaussian_nll").check([1.5, 2.5], 2)
    loss("cross_entropy").check([[0, 1], [1, 2]], 3)
    loss("cross_entropy").check([[0, 1], [1, 1]], 2)


@pytest.mark.parametrize(
    ("name", "y", "n_outputs", "words"),
    [
        ("cross_entropy", [0, 1, 3], 3, "cross_entropy expects whole labels 0..2; row 2 has 3."),
        ("cross_entropy", [0, -1, 2], 3, "whole labels 0..2; row 1 has -1."),
        ("cross_entropy", [0, 0.5], 3, "whole labels 0..2; row 1 has 0.5."),
        ("cross_entropy", [[0, 1], [1, 5]], 3, "row 1 has 5."),
        ("cross_entropy", [[0.5, 0.5], [0.5, 0.6]], 2, "expects targets that sum to 1; those of row 1 sum to 1.1."),
        ("cross_entropy", [0, 1], 1, "needs an output for each class, the network has 1: binary_cross_entropy."),
        ("binary_cross_entropy", [0, 1, 2], 1, "binary_cross_entropy expects targets 0 or 1; row 2 has 2."),
        ("hinge", [1, 0], 1, "hinge expects targets -1 or 1; row 1 has 0."),
        ("poisson", [1, -2], 1, "poisson expects counts 0, 1, 2, ...; row 1 has -2."),
        ("poisson", [1, 2.5], 1, "row 1 has 2.5."),
        ("squared_error", [[1, 2], [3, np.nan]], 2, "squared_error expects finite targets; row 1 has nan."),
        ("squared_error", [1, np.inf], 1, "row 1 has inf."),
        ("squared_error", [1, 2], 3, "squared_error expects targets (batch, 3) for 3 outputs, got (2,)."),
        ("squared_error", ["a", "b"], 1, "expects numbers as targets, got <U1: encode them first."),
        ("squared_error", [], 1, "expects targets for at least one example, got shape (0,)."),
        ("binary_cross_entropy_of_probabilities", [[1, 2]], 3, "expects targets (batch, 3) for 3 outputs, got (1, 2)."),
        ("cross_entropy_of_probabilities", [0, 1, 3], 3, "expects whole labels 0..2; row 2 has 3."),
        ("cross_entropy_of_probabilities", [[1, 0], [0, np.inf]], 2, "expects finite targets; row 1 has inf."),
        ("gaussian_nll", [1, 2], 3, "gaussian_nll needs 2 outputs for each target, the network has 3."),
        ("kl_divergence", [[0.5, 0.6]], 2, "targets that sum to 1; those of row 0 sum to 1.1."),
        ("kl_divergence", [[1.5, -0.5]], 2, "kl_divergence expects targets ≥ 0; row 0 has -0.5."),
        ("kl_divergence", [0, 1], 2, "kl_divergence expects targets (batch, 2) for 2 outputs, got (2,)."),
    ],
)
def test_check_says_which_row_is_wrong_and_what_was_wanted(name, y, n_outputs, words):
    with pytest.raises(DataError, match=re.escape(words)):
        loss(name).check(y, n_outputs)


@trials(deadline=None)  # the first call compiles
@given(st.lists(st.floats(-30, 30), min_size=4, max_size=4), st.integers(0, 3))
def test_cross_entropy_of_a_softmax_is_that_of_its_logits(z, label):
    with jax.enable_x64(True):
        z, y = jnp.array([z]), jnp.array([label])
        p = jax.nn.softmax(z)
        inside = 1e-7 < float(p[0, label]) < 1 - 1e-7
        wanted = (
            float(loss("cross_entropy").terms(z, y)[0]) if inside else -np.log(np.clip(p[0, label], 1e-7, 1 - 1e-7))
        )
        close(loss("cross_entropy_of_probabilities").terms(p, y), [wanted], rtol=1e-9)


@trials(deadline=None)
@given(st.floats(-15, 15), st.floats(-2, 2))
def test_blame_through_a_sigmoid_is_that_of_its_logit(z, y):
    with jax.enable_x64(True):
        p, vjp = jax.vjp(jax.nn.sigmoid, jnp.array([z]))
        blame = vjp(loss("binary_cross_entropy_of_probabilities").blame(p, jnp.array([y])))[0]
        close(blame, p - y, rtol=1e-6, atol=1e-9)


def test_targets_no_probability_can_meet_are_taken_as_they_are():
    """As Keras does: the blame goes where the formula sends it, and checks let the training begin."""
    pair = loss("binary_cross_entropy_of_probabilities")
    pair.check([7.5, -2.0], 1)
    close(pair.blame(jnp.array([[0.5]]), jnp.array([7.5])), [[-28.0]])
    rows = loss("cross_entropy_of_probabilities")
    rows.check([0, 1, 2], 1)  # one output has no classes to number: these are amounts
    close(rows.terms(jnp.array([[0.3], [0.6]]), jnp.array([2.0, 0.0])), [2e-7, 0], atol=1e-7)
    assert (rows.blame(jnp.array([[0.3], [0.6]]), jnp.array([2.0, 0.0])) == 0).all()  # its share is 1 whatever it is


def test_a_probability_out_of_reach_is_not_to_blame():
    row = loss("binary_cross_entropy_of_probabilities")
    assert (row.blame(jnp.array([-0.1, 0.0, 1.0, 3.0]), jnp.array([1, 1, 0, 0])) == 0).all()
    close(row.terms(jnp.array([-0.1, 0.0]), jnp.array([1, 1])), -np.log([1e-7, 1e-7]), rtol=1e-6)
    shares = loss("cross_entropy_of_probabilities")
    nothing = jnp.zeros((1, 3))
    assert jnp.isfinite(shares.terms(nothing, jnp.array([1]))).all()
    assert (shares.blame(nothing, jnp.array([1])) == 0).all()


def mean_square(z, y):
    return jnp.mean((z - y) ** 2)


def sum_of_squares(z, y):
    return jnp.sum((z - y) ** 2)


def broadcast_by_mistake(z, y):
    return jnp.mean((z - y.reshape(-1)) ** 2)  # (n, 1) − (n,): every output against every target


def test_a_loss_of_your_own_has_the_value_of_the_function_and_the_blame_of_its_gradient():
    z, y = jnp.asarray(Z), jnp.asarray(REAL)
    for function in (mean_square, sum_of_squares, lambda z, y: jnp.abs(z - y).max()):
        value, dz = own(function).evaluate(z, y)
        close(value, function(z, y))
        close(dz, jax.grad(function)(z, y))
    theirs, ours = own(mean_square), loss("squared_error")
    close(theirs.evaluate(z, y)[1], ours.evaluate(z, y)[1], rtol=1e-6)
    close(theirs.per_example(z, y), ours.per_example(z, y), rtol=1e-6)
    close(own(sum_of_squares).per_example(z, y), 4 * ours.per_example(z, y), rtol=1e-6)
    close(own(mean_square).blame(z, y), ours.blame(z, y) / 4, rtol=1e-6)
    close(theirs.predict(z), z)


def test_a_loss_of_your_own_is_given_targets_beside_its_outputs_as_keras_gives_them():
    z, y = jnp.array([[1.0], [3.0]]), jnp.array([0.0, 1.0])
    close(own(mean_square).evaluate(z, y)[0], 2.5)  # not the (2, 2) table of differences
    pairs = torch.tensor([[1.0], [3.0]]) - torch.tensor([0.0, 1.0])
    close(own(broadcast_by_mistake).evaluate(z, y)[0], (pairs**2).mean().item())
    own(lambda z, y: jnp.mean(z)).check([[1.0, 2.0]], 1)  # what they mean is the function's affair
    with pytest.raises(DataError, match=r"mean_square expects finite targets; row 1 has nan"):
        own(mean_square).check([1.0, np.nan], 1)


def test_a_loss_of_your_own_is_equal_to_the_same_and_compiled_once():
    assert own(mean_square) == own(mean_square) == loss(mean_square)
    assert hash(own(mean_square)) == hash(loss(mean_square))
    assert own(mean_square) != own(sum_of_squares)
    assert own(mean_square).name == "mean_square"
    assert own(lambda z, y: z.sum(), "total").name == "total"
    step = jax.jit(lambda z, y, loss: loss.evaluate(z, y), static_argnames="loss")
    z, y = jnp.ones((3, 1)), jnp.zeros((3, 1))
    step(z, y, own(mean_square))
    step(z, y, own(mean_square))
    assert step._cache_size() == 1


def test_a_loss_of_your_own_that_cannot_be_one_is_refused_in_words():
    with pytest.raises(SettingError, match="a function of outputs and targets, got a int"):
        own(3)
    with pytest.raises(SettingError, match="no setting of mean_square 'delta'"):
        loss(mean_square, delta=1.0)
    message = "each expects its function to give one number for a batch, got (2, 1): take the mean."
    with pytest.raises(ShapeError, match=re.escape(message)):
        own(lambda z, y: z - y, "each").evaluate(jnp.ones((2, 1)), jnp.ones((2, 1)))
    with pytest.raises(SettingError, match=re.escape("mean_square fails for outputs (3, 2) and targets (3,): ")):
        own(mean_square).evaluate(jnp.ones((3, 2)), jnp.ones(3))
    with pytest.raises(SettingError, match="cannot leave out the steps of padding"):
        own(mean_square).evaluate(jnp.ones((2, 3)), jnp.ones((2, 3)), mask=jnp.ones((2, 3)))


def straight_line(criterion, epochs=40):
    """A line fitted to 64 rows in whole batches, from the same start."""
    x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    net = Dense(jnp.array([[0.1]]), jnp.zeros(1))
    data = open_data((x, 3 * x + 1), task="regression", validation=None)
    settings = Settings(criterion, "sgd", 0.05, epochs=epochs, batch_size=16, watch_every=0)
    return fit(net, data, settings, progress=False).net


def test_training_follows_the_function():
    theirs, ours = straight_line(own(mean_square)), straight_line(loss("squared_error"))
    close(theirs.weight, ours.weight, rtol=1e-5)
    close(theirs.bias, ours.bias, rtol=1e-5)
    one, sixteen = straight_line(own(sum_of_squares), 1), straight_line(own(mean_square), 1)
    assert one.weight > sixteen.weight + 1  # the steps are sixteen times as long
    lost = straight_line(own(broadcast_by_mistake))  # every output learns the mean of the batch
    assert abs(float(lost.weight[0, 0])) < 0.5
    assert abs(float(lost.bias[0]) - 1) < 0.3


def test_a_loss_and_the_settings_that_hold_it_print_by_its_name():
    assert str(loss("squared_error")) == "squared_error"
    assert "huber(delta=2)\n" in str(Settings(loss("huber", delta=2.0)))
