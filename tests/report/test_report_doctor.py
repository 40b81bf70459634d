"""What the doctor found is told and drawn as its records say: every kind of finding, diagnoses and prescriptions."""

import dataclasses
import json
import re

import jax
import numpy as np
import pytest

from doctor_cases import CURE, NO_CURE, ROWS, diagnosis, finding
from pellucid.activations import curve
from pellucid.doctor import LIVE_RULES, RULES, Finding, diagnose
from pellucid.errors import SettingError
from pellucid.layers import Activation, Dense, Sequential
from pellucid.losses import LOSSES
from pellucid.report import diagnosis_page, figure, html, page, text
from pellucid.report._finding import PICTURES, found
from pellucid.report._finding_output import BLAMES, MOST, SPAN, cut_off
from pellucid.report._svg import svg_of
from pellucid.train import Epoch, LayerWatch


def tips_of(made):
    """All texts at the pointer."""
    return [word for artist in made.findobj() if (gid := artist.get_gid()) and gid.startswith("tips:")
            for word in json.loads(gid[5:])]  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_every_finding_is_drawn_and_tells_its_numbers(name):
    made = figure(finding(name))
    assert tips_of(made)
    assert made.axes[0].get_title(loc="left")
    assert "<svg" in svg_of(made, "f", "words")


@pytest.mark.parametrize("name", ROWS)
def test_a_finding_read_back_from_json_is_drawn_the_same(name):
    kept = finding(name)
    again = Finding(**json.loads(json.dumps(kept.to_json())))
    assert tips_of(figure(again)) == tips_of(figure(kept))


def test_every_picture_has_a_finding_here():
    assert {found(finding(name)).needs for name in ROWS} == {picture.needs for picture in PICTURES}


def test_a_finding_without_numbers_has_no_picture_and_says_so():
    assert found(finding("NOTHING")) is None
    with pytest.raises(SettingError, match=r"NOTHING at layers\[0\] has no picture"):
        figure(finding("NOTHING"))
    assert "<figure" not in finding("NOTHING")._repr_html_()


def test_what_was_tried_is_drawn_beside_the_picture_where_asked():
    both = Finding(**{**vars(finding("INIT")), "numbers": ROWS["INIT"] | ROWS["REG"]})
    assert "no decay: 98.0 %" in tips_of(figure(both, kind="tried"))
    assert "no decay: 98.0 %" not in tips_of(figure(both))
    with pytest.raises(SettingError, match="No cure of INIT was tried"):
        figure(finding("INIT"), kind="tried")


def test_layers_without_blame_are_marked_and_not_left_out():
    said = tips_of(figure(finding("VANISH")))
    assert said.count("layers[0]: 0") == 1
    assert len(said) == 24


def test_a_network_without_any_blame_is_drawn():
    none = {"paths": ["a", "b"], "spread": [1.0, None], "blame": [0.0, 0.0]}
    made = figure(Finding("VANISH", "a", 0, "", "", "", numbers=none))
    assert "the blame is 0 in every layer" in [word.get_text() for word in made.axes[1].texts]


@pytest.mark.parametrize(("name", "loss"), BLAMES)
def test_the_blame_drawn_is_the_derivative_of_the_loss_through_the_output(name, loss):
    """By automatic differentiation of the library's own activation and loss; a softmax over two classes."""

    def value(z):
        if name == "softmax":
            both = jax.nn.softmax(jax.numpy.stack([z, jax.numpy.zeros_like(z)]))
            y = np.array([0]) if LOSSES[loss].targets == "labels" else np.array([[1.0, 0.0]])
            return LOSSES[loss].evaluate(both[None], y)[0]
        return LOSSES[loss].evaluate(curve(name).value(z)[None, None], np.array([[1.0]]))[0]

    z = np.linspace(-6, 6, 25, dtype=np.float32)
    wanted = [float(jax.grad(value)(one)) for one in z]
    np.testing.assert_allclose(BLAMES[name, loss](z.astype(float)), wanted, atol=2e-6)


def test_the_blame_of_a_probability_that_is_none_is_the_derivative_of_the_loss():
    loss = LOSSES["binary_cross_entropy_of_probabilities"]
    z = np.linspace(*SPAN, 31, dtype=np.float32)
    wanted = [abs(float(jax.grad(lambda a: loss.evaluate(a[None, None], np.array([[1.0]]))[0])(one))) for one in z]
    np.testing.assert_allclose(cut_off(z.astype(float)), wanted, rtol=1e-4)
    assert cut_off(z.astype(float)).max() > MOST / 2


def test_targets_out_of_reach_are_counted():
    y = np.array(ROWS["OUT_ACT_RANGE"]["targets"])
    share = 100 * ((y < 0) | (y > 1)).mean()
    assert figure(finding("OUT_ACT_RANGE")).axes[0].get_title(loc="left").startswith(f"{share:.1f} %")


def test_tied_units_of_a_real_network_are_drawn_as_equal_columns():
    net = Sequential([Dense(np.full((3, 4), 0.5), np.zeros(4)), Activation("tanh"), Dense(np.ones((4, 1)), None)])
    (tied,) = [one for one in diagnose(net).findings if one.code == "INIT_SYMMETRY"]
    said = tips_of(figure(tied))
    assert len(said) == 12
    assert len({word.partition(": ")[2] for word in said}) == 1


def test_a_diagnosis_is_told_alarms_first_then_hints_then_what_is_harmless():
    said = text(diagnosis())
    joined = " ".join(said.split())
    marks = [line[0] for line in said.splitlines() if line[:1] in "✗!?·" and line[1:2] == " "]
    assert marks == ["✗", "!", "?", "·"]
    assert said.startswith("2 findings, 1 certain and 1 likely. The first: OUT_SOFTMAX1")
    assert "accuracy 51.7 %; always the same answer has 50.0 %, the best that was tried 99.3 %" in joined
    assert "- The start was not kept." in said
    assert max(map(len, said.splitlines())) <= 110
    assert said == str(diagnosis())


def test_a_healthy_diagnosis_says_so_and_what_was_looked_at():
    said = " ".join(text(diagnosis(findings=(), reached=0.99)).split())
    kinds = [rule.kind for rule in RULES]
    assert said.startswith("Nothing wrong was found.")
    for kind, words in (("static", "the network and its settings"), ("probe", "short trainings")):
        assert f"{kinds.count(kind)} at {words}" in said
    hint = text(diagnosis(findings=(finding("INIT", confidence="possible"),)))
    assert hint.startswith("Nothing certain or likely was found, but hints were.")


def test_a_diagnosis_without_a_training_says_that_none_was_tried():
    bare = diagnosis(findings=(), reached=None, trivial=None, best=None, metric="")
    assert "No training was tried." in text(bare)
    assert "short trainings" not in text(bare)
    with pytest.raises(SettingError, match="there is no picture of it all"):
        figure(bare)


def test_the_picture_of_a_diagnosis_has_a_bar_for_each_finding_or_the_scores():
    said = tips_of(figure(diagnosis()))
    assert said[:2] == ["OUT_SOFTMAX1 layers[0], certain, not tried by itself", "PREP_X input, likely: 85 %"]
    assert len(said) == 3
    untried = diagnosis(findings=(finding("PREP_X"),))
    assert figure(untried).axes[0].get_title(loc="left") == figure(diagnosis(findings=())).axes[0].get_title(loc="left")
    assert tips_of(figure(diagnosis(findings=()))) == [
        "a constant answer: 50.0 %", "as it is: 51.7 %", "best that was tried: 99.3 %",
    ]  # fmt: skip


def test_a_prescription_tells_the_change_the_code_the_settings_and_every_score():
    said = text(CURE)
    wanted = ["Adam at 0.01", 'optimizer="adam", learning_rate=0.01', "learning_rate: its own → 0.01", "17 programs"]
    wanted += ["loss: squared_error → huber (delta 1.5)", "51.0 % → 98.5 %", "97.0 %, 98.5 %, 99.0 %"]
    for words in wanted:
        assert words in said
    assert set(tips_of(figure(CURE))) == {"51.0 %", "50.0 %", "55.0 %", "97.0 %", "98.5 %", "99.0 %"}


def test_where_nothing_helps_that_is_said():
    assert text(NO_CURE).startswith("No cure: nothing that was tried is better. 9 programs were tried")
    assert "R² 0.900, 0.910" in " ".join(text(NO_CURE).split())
    with pytest.raises(SettingError, match="no cure to draw"):
        figure(NO_CURE)
    assert "No cure: " in NO_CURE._repr_html_()


@pytest.mark.parametrize("record", [diagnosis(), finding("LOSS"), CURE])
def test_html_is_escaped_and_its_ids_are_unique(record):
    for said in (record._repr_html_(), html(record, whole=True)):
        assert "<script" not in said
        assert "<units>" not in said
        ids = re.findall(r'\bid="([^"]+)"', said)
        assert len(ids) == len(set(ids))
        assert "<svg" in said


def test_the_page_of_a_diagnosis_has_its_findings_its_cure_and_all_rules():
    said = diagnosis_page(diagnosis(), CURE, "houses <b>")
    assert "<h1>houses &lt;b&gt;</h1>" in said
    assert said.count("<figure>") == 4
    assert "Adam at 0.01" in said
    assert all(rule.name in said for rule in RULES)
    assert diagnosis_page(diagnosis(), CURE, "houses <b>") == said


def test_the_report_of_a_run_shows_what_was_seen_and_the_diagnosis_where_there_is_one(classified):
    seen = dataclasses.replace(classified.run, findings=(finding("DEAD_RELU"),))
    plain = page(dataclasses.replace(classified, run=seen))
    section = plain[plain.index('id="findings"') : plain.index('id="again"')]
    assert section.count("<figure>") == 1
    assert "The diagnosis" not in section
    told = page(dataclasses.replace(classified, run=seen, diagnosis=diagnosis()))
    section = told[told.index('id="findings"') : told.index('id="again"')]
    assert section.count("<figure>") == 4
    assert "The diagnosis" in section


def test_what_is_seen_during_training_can_be_drawn():
    """Every live rule, fed with epochs in which it speaks."""
    healthy = {"mean": 0.1, "variance": 1.0, "zero": 0.4, "saturated": 0.1, "blame_variance": 1e-2}
    losses = {"overfitting": np.geomspace(1, 0.01, 16), "oscillation": [1, 0.6, 1, 0.6, 1, 0.6, 1, 0.6],
              "divergence": [1, 0.1, 0.5, 2], "no progress": [1.0] * 6}  # fmt: skip
    changes = {"dead units": {"zero": 1.0}, "saturated units": {"zero": 0.0, "saturated": 0.95},
               "vanishing blame": {"blame_variance": 1e-20}}  # fmt: skip
    for rule in LIVE_RULES:
        given = losses.get(rule.name, [1.0, 0.9])
        held = [1, 0.8, 0.6, 0.5, *np.linspace(0.6, 2, 12)] if rule.name == "overfitting" else [None] * len(given)
        watch = {f"layers[{i}]": LayerWatch(**healthy, gradient_ratio=None) for i in range(3)}
        watch["layers[0]"] = LayerWatch(**healthy | changes.get(rule.name, {}), gradient_ratio=None)
        epochs = [
            Epoch(i, float(a), b, {}, 0.1, 0.0, watch) for i, (a, b) in enumerate(zip(given, held, strict=True), 1)
        ]
        where, evidence, numbers = rule.look(epochs, None)
        assert tips_of(figure(Finding(rule.code, where, len(epochs), evidence, "", "", numbers=numbers))), rule.name
