import dataclasses

import numpy as np

from pellucid.backprop import Blame, GradientCheck, summary
from pellucid.insight import Facts, dropout_scale, signal
from pellucid.layers import Dropout, PlainDropout, Sequential, mlp
from pellucid.report import html, text
from pellucid.train import Evaluation


def test_a_summary_is_an_aligned_table_with_its_totals():
    said = text(summary(mlp([64, 300, 10], key=0))).splitlines()
    assert "layers[0]" in said[4]
    assert "19,500" in said[4]
    assert said[-1].startswith("total")
    assert "22,510" in said[-1]
    assert len({len(line) for line in (said[2], said[3], said[4], said[-1])}) == 1


def test_a_summary_ends_with_the_error_of_the_layer_that_does_not_fit():
    said = text(summary(mlp([4, 3, 1], key=0), (2, 5)))
    assert "It ends here: layers[0].Dense expects" in said


def test_a_run_is_told_in_about_ten_lines(classified):
    said = text(dataclasses.replace(classified.run, findings=()))
    assert len(said.splitlines()) <= 12
    assert "4 of 4" in said
    assert "accuracy" in said


def test_metrics_of_a_run_are_those_of_the_network_it_kept(regressed):
    run = regressed.run
    kept = run.history[run.best_epoch - 1]
    assert f"that of epoch {run.best_epoch}:" in text(run)
    assert f"{kept.metrics['r2']:.3f}".replace("-", "−") in text(run)


def test_an_evaluation_shows_who_was_taken_for_whom():
    truth, prediction = np.array(["a", "a", "b"]), np.array(["a", "b", "b"])
    said = text(Evaluation("classification", 3, 0.5, {"accuracy": 2 / 3}, truth, prediction, None, ("a", "b")))
    assert "66.7 %" in said
    assert said.splitlines()[-2:] == ["a  1  1", "b  0  1"]


def test_blame_is_a_table_of_shares(classified):
    said = text(classified.blame)
    assert "layers[0].weight" in said
    assert said.count(" %") == len(classified.blame.shares)


def test_a_gradient_check_is_one_line():
    said = text(GradientCheck(2e-9, "layers[0].weight", {}, 40, 1, 1e-6))
    assert "\n" not in said
    assert said.startswith("The gradient agrees with finite differences")
    assert text(GradientCheck(0.5, "w", {}, 4, 0, 1e-6)).startswith("The gradient DIFFERS")


def test_a_signal_is_told_by_its_verdicts_and_layer_by_layer():
    found = signal(mlp([40] * 6 + [1], key=0), np.ones((9, 40)), np.zeros((9, 1)), "mse", init="lecun_normal")
    said = text(found).splitlines()
    assert said[0] == f"Signal {found.forward.verdict}"
    assert said[1] == f"Blame {found.backward.verdict}"
    assert "by the initializer's law ×0.5" in said[2]
    assert "the variance goes to" in said[4]
    assert len(said) == 7 + 6
    assert f"{found.layers[2].blame:.2e}" in said[9]


def test_the_scale_of_dropout_is_told_with_the_first_layer_that_is_off():
    net = Sequential([Dropout(0.5), PlainDropout(0.5)])
    said = text(dropout_scale(net, np.ones((9, 400)), seed=1)).splitlines()
    assert said[0] == "Over 128 passes in training, in testing 1 of 2 outputs have another scale, first layers[1]"
    assert "×1.00" in said[3] or "×0.99" in said[3]
    assert "×2.0" in said[4] or "×1.9" in said[4]


def test_a_neuron_is_told_in_own_units(classified):
    said = text(classified.neurons)
    assert "where city & co = Rome" in said
    assert "per unit of gap" in said


def test_any_other_record_is_told_without_its_arrays():
    said = text(Facts("x" * 500, "y", None, 0, 1, 1, "column", tuple(map(str, range(100)))))
    assert said.startswith("Facts\n")
    assert "100 entries" in said
    assert max(map(len, said.splitlines())) < 230


def test_every_record_of_a_story_is_told_briefly(classified, regressed):
    for told in (classified, regressed):
        for field in dataclasses.fields(told):
            value = getattr(told, field.name)
            for record in value if isinstance(value, tuple) else [value]:
                if dataclasses.is_dataclass(record):
                    assert len(text(record)) < 8000, field.name


def test_a_record_in_a_notebook_has_its_picture_and_its_numbers(classified):
    said = html(classified.blame)
    assert "<svg" in said
    assert "layers[0].weight" in said
    assert "var(--pl-ink" in said
    assert "<table>" in html(classified.summary)
    assert "<script>" not in html(classified.neurons)
    assert isinstance(classified.blame, Blame)
    assert classified.blame._repr_html_() == said
