import json
import subprocess
import sys
from dataclasses import replace

import jax
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from chinese import HAN, english_in, texts_of
from doctor_cases import CURE, ROWS, diagnosis, finding
from pellucid import certify, construct
from pellucid.backprop import blame
from pellucid.errors import SettingError
from pellucid.geometry import along, complex_of, nearest_flip, surface_of
from pellucid.insight import (
    Calibration,
    Verdict,
    attention,
    diff,
    dropout_scale,
    filters,
    gates,
    nearest_change,
    signal,
)
from pellucid.layers import LSTM, Dense, MultiHeadAttention, Residual, Sequential, mlp
from pellucid.report import figure
from pellucid.report._figures import FIGURES
from pellucid.report._svg import svg_of
from pellucid.train import Evaluation, RangeTest


def plane():
    return complex_of(mlp([2, 4, 3], key=1))


def difference(run):
    """A run beside one of another start, on a slice of its rows."""
    other = mlp([len(run.preprocess.input_names), 5, run.output(run.data.train_rows[:1]).shape[1]], key=3)
    return diff(run, replace(run, net=other))


def constructed():
    """Networks that were built: of one input, two and more, within an error and exact; their rate; a smaller one."""
    return [
        ("Construction error", construct.piecewise_linear([0, 1, 3], [0, 1, 0.1]), {}),
        ("Construction error", construct.product(error=0.1), {}),
        ("Construction error", construct.polygon([[0, 0], [2, 0], [1, 1]], collar=0.1), {}),
        ("Construction error", construct.median(3), {}),
        ("Rate errors", construct.rate(np.square, (-1, 1), neurons=[2, 4]), {}),
        ("Simplification reasons", construct.simplify(mlp([2, 6, 1], key=0), (-1, 1), tolerance=0.2), {}),
    ]


def certified():
    """What was proven: which way an output goes, its range, rows that keep their answer, how steep it is."""
    net = mlp([2, 4, 1], key=0)
    box = [(-1.0, 1.0)] * 2
    kept = certify.robust(net, [[0.5, -1.0], [-1.0, 0.25], [0.1, 0.1]], 0.05)
    return [
        ("Monotonicity trends", certify.monotone(net, box=box), {}),
        ("OutputRange ranges", certify.output_range(net, box), {}),
        ("Robustness rows", kept, {}),
        ("Lipschitz slopes", certify.lipschitz(net, box), {}),
        *(("Certificate margin", found, {}) for found in kept.certificates),
    ]


def drawings(classified, regressed):
    """Every kind of picture there is, from a real record: (name, record, options)."""
    c, r = classified, regressed
    small = mlp([2, 3, 3, 1], key=0, dropout=0.5)
    check = blame(mlp([2, 3, 1], key=0), np.ones((4, 2)), np.zeros((4, 1)), loss="squared_error").check(samples=3)
    return [
        ("Run curves", c.run, {}),
        ("Run watch", c.run, {"kind": "watch"}),
        ("RangeTest loss", c.run.range_test, {}),
        ("Evaluation answers", c.evaluation, {"target": "kind"}),
        ("Evaluation answers", r.evaluation, {"target": "y"}),
        ("Evaluation residuals", r.evaluation, {"kind": "residuals"}),
        ("Calibration reliability", c.calibration, {}),
        ("Importance bars", c.importance, {}),
        ("Importance picture", r.importance, {"kind": "picture"}),
        ("Blame depth", c.blame, {}),
        ("Blame network", c.blame, {"kind": "network", "names": c.run.preprocess.input_names}),
        ("Neurons weights", c.neurons, {}),
        ("Neurons weights", r.neurons, {}),
        ("Neuron page", c.neurons.units[0], {}),
        ("Neuron page", r.neurons.units[0], {}),
        ("Neuron weights", c.neurons.units[0], {"kind": "weights"}),
        ("Neuron weights", r.neurons.units[0], {"kind": "weights"}),
        ("Filters grid", filters(r.run, "layers[0]"), {}),
        ("GradientCheck errors", check, {}),
        ("Propagation depth", signal(small, np.ones((4, 2)), np.zeros((4, 1)), "mse"), {}),
        *((f"Difference {kind}", difference(c.run), {"kind": kind}) for kind in ("layers", "answers", "regions")),
        ("DropoutScale ratio", dropout_scale(small, np.ones((4, 2)), passes=9), {}),
        ("Gates strip", gates(LSTM.create(2, 3, key=jax.random.key(0)), np.ones((1, 4, 2))), {}),
        *((f"Complex {kind}", plane(), {"kind": kind}) for kind in ("regions", "slope", "pattern", "layer")),
        ("Boundary boundary", plane().boundary(), {}),
        *((f"View {kind}", c.pieces.view, {"kind": kind}) for kind in ("regions", "slope", "pattern", "layer")),
        ("LinearModels weights", c.pieces.models, {}),
        ("Explanation bars", c.pieces.explanation, {}),
        ("Explanation picture", r.pieces.explanation, {"kind": "picture"}),
        ("NearestFlip moves", nearest_flip(small, [-1.0, 0.5]), {}),
        ("NearestChange moves", nearest_change(small, [-1.0, 0.5]), {}),
        ("Pieces line", along(small, [-1.0, 0.5], [1.0, 0.25]), {}),
        ("Surface surface", surface_of(mlp([3, 4, 1], key=0), [(-1, 1)] * 3, 0.05), {}),
        ("Attention heads", attention(MultiHeadAttention.create(4, 2, key=jax.random.key(0)), np.ones((1, 3, 4))), {}),
        *(("Finding picture", finding(name), {}) for name in ROWS),
        ("Finding tried", finding("REG"), {"kind": "tried"}),
        ("Diagnosis findings", diagnosis(), {}),
        ("Prescription scores", CURE, {}),
        *constructed(),
        *certified(),
    ]


def test_every_picture_is_a_figure_with_titles_and_labels(classified, regressed):
    drawn = set()
    for name, record, options in drawings(classified, regressed):
        made = figure(record, **options)
        assert isinstance(made, Figure), name
        seen = [axes for axes in made.axes if axes.axison]
        assert all(axes.get_title(loc="left") for axes in [*seen, made.axes[0]]), name
        words = "".join(axes.get_xlabel() for axes in seen) + made.get_supxlabel()
        assert words or name in ("Blame network", "Neuron weights"), name
        drawn.add(name)
    known = {f"{record.__name__} {kind}" for record, kinds in FIGURES.items() if not of_lab(record) for kind in kinds}
    assert drawn == known


def of_lab(record):
    """Whether it is the lab's: these take whole experiments, and are drawn where the experiments are tested."""
    return record.__module__.startswith("pellucid.lab")


@pytest.mark.filterwarnings("ignore:No Chinese font is installed")  # the words are asked for, not the ink
def test_every_picture_can_be_had_in_chinese(classified, regressed):
    names = (
        "<script>alert(1)</script>",
        "city & co",
        'kind"<i>',
        "age (years)",
        "share of savings",
        "age of the house",
    )
    for name, record, options in drawings(classified, regressed):
        texts = texts_of(figure(record, lang="zh", **options))
        assert english_in(texts, *names) == [], name
        assert any(HAN.search(text) for text in texts), name


def test_every_picture_as_svg_tells_its_numbers_and_can_be_read_aloud(classified, regressed):
    for name, record, options in drawings(classified, regressed):
        svg = svg_of(figure(record, **options), "f", f"about <{name}>")
        assert f'aria-label="about &lt;{name}&gt;"' in svg
        assert "<title>" in svg, name
        assert "tips:" not in svg, name
        assert "<metadata" not in svg
        assert "width=" not in svg.partition(">")[0]


def test_each_point_tells_its_own_number():
    rates, losses = np.array([1e-3, 1e-2, 1e-1]), np.array([3.0, 2.0, 1.0])
    svg = svg_of(figure(RangeTest(rates, losses, 0.01)), "f", "")
    assert [svg.count(f"loss {n}</title>") for n in (3, 2, 1)] == [1, 1, 1]


def test_svg_is_the_same_every_time_and_its_ids_are_its_own(classified):
    one, again = (svg_of(figure(classified.run), "first", "") for _ in range(2))
    assert one == again
    assert 'id="first-' in one
    assert one.count(' id="') == one.count(' id="first-')
    assert one.count("url(#") == one.count("url(#first-")


def test_every_colour_of_a_figure_is_a_variable(classified):
    svg = svg_of(figure(classified.evaluation), "f", "")
    assert "var(--pl-blue, #0f6fae)" in svg
    assert ": #" not in svg
    assert "DejaVu" not in svg


def test_drawing_leaves_matplotlib_as_it_was(classified):
    before = dict(matplotlib.rcParams)
    svg_of(figure(classified.run), "f", "")
    assert dict(matplotlib.rcParams) == before


def test_a_confusion_matrix_of_many_classes_shows_those_with_most_errors():
    classes = tuple(range(50))
    truth = np.repeat(np.arange(50), 3)
    prediction = truth.copy()
    prediction[truth >= 40] = 49
    made = figure(Evaluation("classification", 150, 0.0, {}, truth, prediction, None, classes))
    shown = [text.get_text() for text in made.axes[0].get_yticklabels()]
    assert len(shown) == 20
    assert shown[-10:] == [str(c) for c in range(40, 50)]
    assert "20 of 50 classes" in made.axes[0].get_title(loc="left")


def test_numbers_beyond_what_can_be_drawn_are_left_out():
    truth, prediction = np.array([1.0, 2.0, 3.0]), np.array([1.0, np.inf, 1e38])
    record = Evaluation("regression", 3, 0.0, {}, truth, prediction, None, ())
    assert svg_of(figure(record), "f", "").count("predicted 1</title>") == 1
    assert figure(record).axes[0].collections[0].get_offsets().tolist() == [[1.0, 1.0]]
    figure(record, kind="residuals")


def test_empty_bins_of_a_calibration_are_no_points():
    nan = np.nan
    record = Calibration(
        "p", np.linspace(0, 1, 4), np.array([0.1, nan, 0.9]), np.array([0.2, nan, 1]), np.array([5, 0, 5]), 0.1
    )
    assert len(figure(record).axes[0].collections[0].get_offsets()) == 2


def test_the_network_drawn_shows_the_units_blamed_most_and_says_how_many_are_left_out():
    found = blame(mlp([3, 40, 2], key=0), np.ones((4, 3)), np.zeros(4, int), loss="cross_entropy")
    made = figure(found, kind="network", most=5)
    words = [text.get_text() for text in made.axes[0].texts]
    assert "5 of 40 units" in words
    assert "2 units" in words
    lines = made.axes[0].collections[0]
    said = json.loads(lines.get_gid().removeprefix("tips:"))
    assert len(said) == len(lines.get_segments()) == 3 * 5


def test_a_network_that_is_no_chain_of_dense_layers_is_drawn_by_depth_only():
    key = jax.random.key(0)
    net = Sequential([Residual(Dense.create(2, 2, key=key)), Dense.create(2, 1, key=key)])
    found = blame(net, np.ones((3, 2)), np.zeros((3, 1)), loss="squared_error")
    with pytest.raises(SettingError, match="Only a chain of Dense layers"):
        figure(found, kind="network")
    assert len(figure(found).axes) == 2


def test_a_record_without_a_picture_says_which_have_one():
    with pytest.raises(SettingError, match=r"A Verdict has no picture; these have: .*Blame"):
        figure(Verdict("r2", "mean", 0.0, 0.0, 0.0, "better"))


def test_an_unknown_kind_of_picture_names_the_nearest(classified):
    with pytest.raises(SettingError, match="did you mean 'network'"):
        figure(classified.blame, kind="netwrok")


def test_classes_have_no_residuals(classified):
    with pytest.raises(SettingError, match="no residuals"):
        figure(classified.evaluation, kind="residuals")


def test_importing_the_report_loads_no_matplotlib():
    code = "import sys, pellucid.report; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
