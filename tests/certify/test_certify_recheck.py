"""Proofs verify, of every kind; and none does that was changed, or that is of another network."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from certify_cases import mlp
from pellucid import certify
from pellucid.errors import CertifyError, StoreError
from pellucid.layers import Activation, Dense, Sequential

BOX = [(-1.0, 1.0)] * 2
NET = mlp([2, 8, 6, 2], seed=1)


def other(net):
    """The network with another bias of the last layer."""
    last = net.layers[-1]
    return Sequential([*net.layers[:-1], Dense(last.weight, last.bias + jnp.float32([-3.0, 3.0]))])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One record of each kind, with the network that it is about."""
    y = np.asarray(NET(np.random.default_rng(0).uniform(-1, 1, (4000, 2))))
    path = tmp_path_factory.mktemp("p") / "p.vnnlib"
    names = "".join(f"(declare-const {v}_{i} Real)" for v in "XY" for i in (0, 1))
    sides = "".join(f"(assert (>= X_{i} -1))(assert (<= X_{i} 1))" for i in (0, 1))
    path.write_text(f"{names}{sides}(assert (>= Y_0 {y[:, 0].max() + 0.1}))", encoding="utf-8")
    near = Sequential([*NET.layers[:-1], Dense(NET.layers[-1].weight + 1e-3, NET.layers[-1].bias)])
    x = np.array([[0.5, -0.4]])
    radius = next(r for r in (0.2, 0.1, 0.05, 0.01) if certify.robust(NET, x, r).share == 1)
    return {
        "robust": certify.robust(NET, x, radius).certificates[0], "property": certify.property(NET, path),
        "range": certify.output_range(NET, BOX), "equivalent": certify.equivalent(NET, near, BOX, 0.1),
        "robust 1": certify.robust(NET, x, radius, 1).certificates[0],
        "robust 2": certify.robust(NET, x, radius, 2).certificates[0],
        "lipschitz": certify.lipschitz(NET, BOX), "near": near,
    }  # fmt: skip


KINDS = ("robust", "robust 1", "robust 2", "property", "range", "lipschitz")


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_verifies_and_not_of_another_network(made, kind):
    assert certify.recheck(made[kind], NET).holds
    again = certify.recheck(made[kind], mlp([2, 8, 6, 2], seed=5, scale=6.0))
    assert not again.holds
    assert again.problems


def with_array(record, name, array):
    return replace(record, proof=replace(record.proof, arrays=record.proof.arrays | {name: array}))


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_that_is_left_out_is_missed(made, kind):
    record, prefix = made[kind], "" if kind == "lipschitz" else "0.0."
    var = record.proof.arrays[f"{prefix}var"].copy()
    var[-1] = -2 if prefix else 10_000
    assert not certify.recheck(with_array(record, f"{prefix}var", var), NET).holds


@pytest.mark.parametrize("kind", KINDS)
def test_a_wider_box_is_not_proven_by_the_same_tree(made, kind):
    record, name = made[kind], "low" if kind == "lipschitz" else "0.low"
    wide = with_array(record, name, record.proof.arrays[name] - 30.0)
    if f"{name[:-3]}radius" in record.proof.arrays:
        wide = with_array(wide, "0.radius", np.array(60.0))
    assert not certify.recheck(wide, NET).holds


def test_a_record_that_says_more_than_its_proof_is_refused(made):
    robust, wide, steep = made["robust"], made["range"], made["lipschitz"]
    changed = [
        replace(robust, verdict="counterexample"), replace(robust, bounds=(robust.bounds[1] + 1, robust.bounds[1])),
        replace(wide, low=wide.low + 0.05), replace(wide, high=wide.high - 0.05), replace(steep, high=steep.high * 0.9),
        with_array(robust, "0.0.shift", robust.proof.arrays["0.0.shift"] - 100.0),
        with_array(wide, "0.0.rows", -wide.proof.arrays["0.0.rows"]),
        with_array(robust, "0.centre", np.full(2, np.nan)) if robust.proof.about["norms"] != ["inf"] else
        with_array(robust, "0.low", np.full(2, np.nan)),
        replace(steep, proof=replace(steep.proof, about=steep.proof.about | {"high": steep.high * 0.9})),
        replace(robust, proof=replace(robust.proof, about=robust.proof.about | {"norms": [], "clauses": []})),
        replace(robust, proof=replace(robust.proof, arrays={})),
    ]  # fmt: skip
    for record in changed:
        again = certify.recheck(record, NET)
        assert not again.holds
        assert again.problems


def test_a_proof_of_two_networks_verifies_on_their_difference(made):
    from pellucid.certify._bounds import certified
    from pellucid.certify._equivalent import joined

    both = joined(certified(NET), certified(made["near"])).network
    assert certify.recheck(made["equivalent"], both).holds
    assert not certify.recheck(made["equivalent"], joined(certified(NET), certified(other(NET))).network).holds


def test_what_has_no_proof_cannot_be_verified_and_what_is_read_is_what_was_saved(made, tmp_path):
    with pytest.raises(CertifyError, match="holds no proof"):
        certify.recheck(replace(made["robust"], proof=None), NET)
    strange = replace(made["robust"], proof=replace(made["robust"].proof, kind="magic"))
    with pytest.raises(CertifyError, match="no checker for a proof of kind 'magic'"):
        certify.recheck(strange, NET)
    read = certify.load(certify.save(made["robust"], tmp_path / "a.certificate"))
    assert certify.recheck(read, NET).holds
    assert (read.verdict, read.bounds, read.question) == tuple(
        getattr(made["robust"], name) for name in ("verdict", "bounds", "question")
    )
    with pytest.raises(StoreError, match="is no certificate"):
        certify.save(made["range"], tmp_path / "b")
    (tmp_path / "c").write_bytes(b"nothing")
    with pytest.raises(StoreError):
        certify.load(tmp_path / "c")


def absorbing():
    """`relu(x + 2²⁴) − 2²⁴`: x in exact arithmetic; in float32 the small number is lost beside the large one.

    After Zombori and others 2021, Fooling a complete neural network verifier.
    """
    one = jnp.float32([[1.0]])
    return [Dense(one, jnp.float32([2.0**24])), Activation("relu"), Dense(one, jnp.float32([-(2.0**24)]))]


def test_what_the_run_breaks_is_not_proven_by_any_question():
    switch = Sequential([*absorbing(), Dense(jnp.float32([[1.0, 0.0]]), jnp.float32([0.0, 0.2]))])
    x = np.float32([[0.45]])
    assert np.asarray(switch(x)).argmax() == 1  # in exact arithmetic it is 0
    assert certify.robust(switch, x, 0.1, labels=[0], arithmetic="real").verdicts == ("proven",)
    assert certify.robust(switch, x, 0.1, labels=[0]).verdicts != ("proven",)
    line = Sequential(absorbing())
    assert certify.output_range(line, [(0.3, 0.6)]).low[0] <= float(np.asarray(line(x))[0, 0]) == 0.0
    same = Sequential([Dense(jnp.float32([[1.0]]), None)])
    assert certify.equivalent(line, same, [(0.3, 0.6)], 0.01, arithmetic="real").verdict == "proven"
    assert certify.equivalent(line, same, [(0.3, 0.6)], 0.01).verdict != "proven"


def test_a_rise_that_rounding_undoes_is_not_proven():
    """`relu(x + 2²⁴) − 2²⁴ − x / 2` rises with 1/2 in exact arithmetic, and falls in float32."""
    first = Dense(jnp.float32([[1.0, 1.0]]), jnp.float32([2.0**24, 4.0]))
    last = [Dense(jnp.float32([[1.0, 0.0], [0.0, 1.0]]), jnp.float32([-(2.0**24), 0.0])),
            Dense(jnp.float32([[1.0], [-0.5]]), None)]  # fmt: skip
    net = Sequential([first, Activation("relu"), *last])
    y = np.asarray(net(np.float32([[0.1], [0.9]])))[:, 0]
    assert y[1] < y[0]
    answer = certify.monotone(net, 0, 1, box=[(0.0, 0.9)]).trends[0].rises
    assert answer.verdict == "unknown"
    assert "rounding undoes it" in answer.advice


def test_a_network_too_large_for_its_numbers_is_unknown_with_what_to_do():
    net = Sequential([Dense(jnp.float32([[1e30]]), None), Activation("relu"), Dense(jnp.float32([[1e30]]), None)])
    assert "too large" in certify.output_range(net, [(0, 1)], seconds=0.2).advice
    found = certify.robust(net, [[0.5]], 0.1).certificates[0]
    assert found.verdict == "unknown"
    assert "too large" in found.advice


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: certify.output_range("net", BOX), "str is none"),
        (lambda: certify.robust(NET, np.zeros((0, 2)), 0.1), "no rows"),
        (lambda: certify.robust(NET, [["a", "b"]], 0.1), "rows of numbers"),
        (lambda: certify.robust(NET, [[1.0, 2.0]], [0.1]), "radius is one number"),
        (lambda: certify.equivalent(NET, NET, BOX, "a"), "tolerance"),
        (lambda: certify.output_range(NET, BOX, tolerance="a"), "tolerance"),
        (lambda: certify.output_range(NET, BOX, seconds="a"), "seconds"),
    ],
)
def test_what_cannot_be_asked_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
