"""Every claim holds, by a number from elsewhere; and fails with each of its faults."""

import json
from importlib import import_module
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from chinese import HAN, texts_of
from pellucid.lab._run import EXPERIMENTS
from pellucid.lab._texts import CODES
from pellucid.language import speaking
from pellucid.report._figures import figure_of

SOURCE = Path(pl.__file__).parent.parent
HEADLINES = {  # what each claim says first, and how it is known here
    "C1": 13 * 13,  # the points of the grid
    "C2": 1 + 10 + 45,  # regions, by the lines and their crossings
    "C3": None,
    "C4": 1,
    "C5": None,
    "C6": -1 / (1 + np.exp(-8)),
    "C7": (32 - 2) ** 2,
    "C8": 1,
    "C9": 0.9,
    "C10": None,
    "C11": None,
}


@pytest.mark.parametrize("claim", EXPERIMENTS)
def test_a_claim_holds_with_its_number_its_figure_and_its_code(claim):
    found = pl.lab.run(claim)
    assert found.verdict == "holds", [check for check in found.checks if not check.holds]
    assert found.expected == found.shown.expected
    assert found.residual == pytest.approx(found.shown.residual)
    assert HEADLINES[claim] is None or found.expected == pytest.approx(HEADLINES[claim], rel=1e-6)
    assert json.loads(json.dumps(found.to_json()))["claim"] == claim
    assert found.seconds > 0
    assert "{" not in found.words
    for piece in found.code:
        lines = (SOURCE / piece.file).read_text("utf-8").splitlines()
        assert piece.text.splitlines()[0].strip() == lines[piece.line - 1].strip()
    for language in ("en", "zh"):
        with speaking(language):
            drawn = figure_of(found)
            titles = [axes.get_title(loc="left") for axes in drawn.axes]
        assert any(titles)
        assert any(HAN.search(text) for text in texts_of(drawn)) == (language == "zh")


def test_every_layer_and_curve_there_is_has_a_row():
    import inspect

    import jax

    from pellucid import layers
    from pellucid.activations import CURVES
    from pellucid.lab._kinds import every_kind
    from pellucid.module import Layer

    public = {getattr(layers, name) for name in layers.__all__}
    with jax.enable_x64(True):
        held = every_kind()
    assert {type(layer) for layer, _ in held.values()} == {
        kind for kind in public if inspect.isclass(kind) and issubclass(kind, Layer)
    }
    assert {layer.name for layer, _ in held.values() if isinstance(layer, layers.Activation)} == set(CURVES)


ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
SMALL = {  # what a fault is tried on where the lab's own case takes long
    "C3": {"net": pl.mlp([3, 4, 1], key=0, activation="tanh"), "data": (ROWS, ROWS.sum(1, keepdims=True))},
    "C10": {"data": (jnp.sin, (0, 3))},
}
FAULTS = [
    (claim, fault) for claim in EXPERIMENTS for fault in import_module(f"pellucid.lab.{EXPERIMENTS[claim]}").FAULTS
]


@pytest.mark.parametrize(("claim", "fault"), FAULTS)
def test_a_deliberate_fault_makes_the_claim_fail_and_without_it_the_same_holds(claim, fault, monkeypatch):
    if claim == "C10":
        monkeypatch.setattr("pellucid.lab._c10_universal.NEURONS", (8, 16))
    found = pl.lab.run(claim, fault=fault, **SMALL.get(claim, {}))
    assert found.verdict == "fails"
    assert found.fault == fault
    assert fault in found.faults
    assert not found.shown.holds
    if claim in SMALL:
        assert pl.lab.run(claim, **SMALL[claim]).verdict == "holds"


def test_every_experiment_has_a_fault():
    assert {claim for claim, _ in FAULTS} == set(EXPERIMENTS)


@pytest.mark.parametrize("claim", [code for code in CODES if code not in EXPERIMENTS])
def test_a_claim_without_its_package_says_not_yet_and_looks_whether_it_is_there(claim, monkeypatch):
    found = pl.lab.run(claim)
    assert (found.verdict, found.expected, found.checks) == ("not yet", None, ())
    monkeypatch.setattr("pellucid.lab._run.find_spec", lambda name: name == "pellucid.science")
    assert pl.lab.run(claim).words == "pellucid.science exists now, and its experiment is still to be written."
    monkeypatch.setattr("pellucid.lab._run.find_spec", lambda name: None)
    assert "pellucid.science, does not exist yet" in pl.lab.run(claim).words
