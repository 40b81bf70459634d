import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from pellucid.errors import SettingError
from pellucid.train._optimizers import OPTIMIZERS, SCHEDULES, default_rate, optimizer, rates

START = {"w": np.array([[1.0, -2.0], [0.5, 3.0]]), "b": np.array([0.3, -0.7])}


def slopes(w, b):
    """The gradient of an uneven bowl, Σ c p⁴ / 4 + p² / 2, for both frameworks."""
    return (3 * w**3 + w, b**3 + b)


PEERS = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=0.01), {}),
    "momentum": (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9), {}),
    "nesterov": (lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True), {}),
    "adam": (lambda p: torch.optim.Adam(p, lr=0.01), {}),
    "rmsprop": (lambda p: torch.optim.RMSprop(p, lr=0.01), {}),
    "adagrad": (lambda p: torch.optim.Adagrad(p, lr=0.01), {}),
}


@pytest.mark.parametrize("name", PEERS)
def test_the_steps_are_pytorchs(name):
    peer, settings = PEERS[name]
    theirs = [torch.nn.Parameter(torch.tensor(START[k], dtype=torch.float32)) for k in ("w", "b")]
    rule, step = peer(theirs), optimizer(name, **settings)
    ours = {k: jnp.asarray(v, jnp.float32) for k, v in START.items()}
    memory = step.init(ours)
    for _ in range(5):
        theirs[0].grad, theirs[1].grad = (g.detach() for g in slopes(*theirs))
        rule.step()
        w, b = slopes(ours["w"], ours["b"])
        change, memory = step.update({"w": w, "b": b}, memory, ours)
        ours = jax.tree.map(lambda p, c: p + 0.01 * c, ours, change)
    np.testing.assert_allclose(ours["w"], theirs[0].detach(), rtol=2e-5)
    np.testing.assert_allclose(ours["b"], theirs[1].detach(), rtol=2e-5)


@pytest.mark.parametrize(("name", "peer"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_weight_decay_is_pytorchs_and_spares_biases(name, peer):
    theirs = torch.nn.Parameter(torch.tensor(START["w"], dtype=torch.float32))
    rule, step = peer([theirs], lr=0.1, weight_decay=0.3), optimizer(name, weight_decay=0.3)
    ours = {k: jnp.asarray(v, jnp.float32) for k, v in START.items()}
    theirs.grad = torch.ones_like(theirs)
    rule.step()
    gradient = {"w": jnp.ones((2, 2)), "b": jnp.zeros(2)}
    change, _ = step.update(gradient, step.init(ours), ours)
    np.testing.assert_allclose(ours["w"] + 0.1 * change["w"], theirs.detach(), rtol=1e-5)
    assert not change["b"].any()


def test_l1_pushes_every_weight_towards_zero():
    step = optimizer("sgd", l1=0.5)
    ours = {k: jnp.asarray(v, jnp.float32) for k, v in START.items()}
    change, _ = step.update(jax.tree.map(jnp.zeros_like, ours), step.init(ours), ours)
    np.testing.assert_allclose(change["w"], -0.5 * np.sign(START["w"]))
    assert not change["b"].any()


def test_clipping_bounds_the_norm_of_the_gradient():
    step = optimizer("sgd", clip=1.0)
    gradient = {"w": jnp.full((2, 2), 30.0), "b": jnp.full(2, -40.0)}
    change, _ = step.update(gradient, step.init(gradient), gradient)
    np.testing.assert_allclose(optax.tree.norm(change), 1.0, rtol=1e-6)


def test_the_same_settings_give_the_same_rule_and_hence_one_compilation():
    assert optimizer("adam", clip=1.0) is optimizer("adam", clip=1.0)
    assert optimizer("adam", clip=1.0) is not optimizer("adam", clip=2.0)


def test_the_strength_of_weight_decay_is_in_the_memory_and_not_in_the_program():
    weak, strong = optimizer("adam", weight_decay=0.1), optimizer("adam", weight_decay=0.3)
    assert (weak, hash(weak)) == (strong, hash(strong))
    assert weak != optimizer("adam", weight_decay=0.1, clip=1.0)
    net = {"w": jnp.ones((2, 2)), "b": jnp.ones(2)}
    step = jax.jit(
        lambda rule, memory: rule.update(jax.tree.map(jnp.zeros_like, net), memory, net)[0], static_argnums=0
    )
    sgd = [optimizer("sgd", weight_decay=strength) for strength in (0.1, 0.3)]
    for rule, strength in zip(sgd, (0.1, 0.3), strict=True):
        np.testing.assert_allclose(step(rule, rule.init(net))["w"], -strength, rtol=1e-6)
    assert step._cache_size() == 1


def test_every_optimizer_is_built_and_has_a_default_rate():
    for name in OPTIMIZERS:
        optimizer(name).init({"w": jnp.zeros((2, 2))})
        assert default_rate(name) > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"rule": "adamm"}, "did you mean 'adam'"),
        ({"rule": "sgd", "weight_decay": -1.0}, "weight_decay"),
        ({"rule": "sgd", "clip": float("nan")}, "clip"),
        ({"rule": 3}, "an Optax transformation"),
    ],
)
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        optimizer(**settings)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_stays_between_zero_and_the_rate_and_can_be_taken_in_pieces(name):
    whole = rates(name, 0.1, 0, 100, 100)
    assert whole.max() <= 0.1 + 1e-8
    assert whole.min() >= 0
    np.testing.assert_array_equal(whole[40:60], rates(name, 0.1, 40, 20, 100))


def test_schedules_have_their_shapes():
    cosine, warm, cycle = (rates(name, 1.0, 0, 100, 100) for name in ("cosine", "warmup_cosine", "one_cycle"))
    np.testing.assert_allclose(cosine[50], 0.5, atol=1e-6)
    assert (np.diff(cosine) < 0).all()
    assert 8 <= warm.argmax() <= 11
    assert 10 < cycle.argmax() < 50
    with pytest.raises(SettingError, match="'cosine'"):
        rates("cosin", 0.1, 0, 1, 1)
