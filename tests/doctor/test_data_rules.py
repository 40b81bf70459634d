"""Each rule of the data speaks on a case made for it, and all are silent on healthy sets."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import datasets
from sklearn.neighbors import NearestNeighbors

import pellucid as pl
from pellucid.doctor._data_rules import DATA_RULES
from pellucid.doctor._patient import Patient
from pellucid.doctor._program import Program
from pellucid.doctor._row_rules import best_accuracy, best_fit
from pellucid.doctor._rows import fingerprints, nearest, standard
from pellucid.layers import Activation, Conv2d, Embedding, GaussianNoise, Masking, RandomFlip, RandomShift, Sequential
from pellucid.losses import loss
from pellucid.train import Settings

RULES = {rule.name: rule for rule in DATA_RULES}
LABELS, NUMBERS, BITS = "cross_entropy", "squared_error", "binary_cross_entropy"
NET = pl.mlp([2, 2, 1], key=0)
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(300, 4))
SIDE = (TABLE[:, 0] > 0).astype(int)
DIGITS = (datasets.load_digits().images / 16).astype(np.float32)[..., None]
DIGIT = datasets.load_digits().target


def patient(x=None, y=None, row=LABELS, net=NET, outputs=0, class_weight=None, **known):
    """A patient whose network is not run: `outputs` says how many it would have."""
    found = Patient(Program(net, Settings(loss(row), class_weight=class_weight), x, y, **known))
    found.n_outputs = outputs or (int(np.max(y)) + 1 if row == LABELS and y is not None and np.size(y) else 1)
    return found


def signs(name, *args, **known):
    return list(RULES[name].look(patient(*args, **known)))


def found(*args, **known):
    """(code, name) of what alarms."""
    seen = [(rule, sign) for rule in DATA_RULES for sign in rule.look(patient(*args, **known))]
    return {(rule.code, rule.name) for rule, sign in seen if sign.confidence in ("certain", "likely")}


def only(name, *args, **known):
    (sign,) = signs(name, *args, **known)
    return sign


def scaled(a):
    return (a - a.mean(0)) / np.where(a.std(0) == 0, 1, a.std(0))


def split(x, y):
    order = np.random.default_rng(0).permutation(len(x))
    part = order[: len(x) // 5], order[len(x) // 5 :]
    return (x[part[1]], y[part[1]]), (x[part[0]], y[part[0]])


def one_class_in(n):
    return np.unique(n, return_inverse=True)[1]


HEALTHY = {
    **{
        name: (*getattr(datasets, f"load_{name}")(return_X_y=True), LABELS)
        for name in ("iris", "wine", "breast_cancer", "digits")
    },
    "diabetes": (*datasets.load_diabetes(return_X_y=True), NUMBERS),
    "moons": (*datasets.make_moons(400, noise=0.2, random_state=0), LABELS),
    "circles": (*datasets.make_circles(400, noise=0.1, factor=0.5, random_state=0), LABELS),
    "blobs": (*datasets.make_blobs(400, random_state=2), LABELS),
    "classification": (*datasets.make_classification(500, random_state=1), LABELS),
    "quantiles": (*datasets.make_gaussian_quantiles(n_samples=800, n_features=10, random_state=0), LABELS),
    "regression": (*datasets.make_regression(400, 20, noise=5, random_state=0), NUMBERS),
    "friedman1": (*datasets.make_friedman1(400, random_state=0), NUMBERS),
    "friedman2": (*datasets.make_friedman2(400, random_state=0), NUMBERS),
    "friedman3": (*datasets.make_friedman3(400, random_state=0), NUMBERS),
    "s_curve": (*datasets.make_s_curve(400, random_state=0), NUMBERS),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_nothing_alarms_on_healthy_standardised_rows(name):
    x, y, row = HEALTHY[name]
    (x, y), held = split(scaled(x), scaled(y) if row == NUMBERS else y)
    assert found(x, y, row, validation=held) == set()


@pytest.mark.parametrize("name", HEALTHY)
def test_only_scale_alarms_on_healthy_raw_rows(name):
    x, y, row = HEALTHY[name]
    (x, y), held = split(x, y)
    codes = {code for code, _ in found(x, y, row, validation=held)}
    expected = {
        "wine": {"PREP_X"},
        "breast_cancer": {"PREP_X"},
        "diabetes": {"PREP_Y"},
        "regression": {"PREP_Y"},
        "friedman2": {"PREP_X", "PREP_Y"},
        "friedman3": {"PREP_X"},
    }
    assert codes == expected.get(name, set())


def test_every_rule_says_why_what_to_do_and_where_it_is_from():
    for rule in DATA_RULES:
        assert rule.kind == ("probe" if rule.code in ("PREP_X", "PREP_Y") and rule.changes else "data")
        assert all((rule.mechanism, rule.cure, rule.source))
    assert len(RULES) == len(DATA_RULES)


@pytest.mark.parametrize(
    ("x", "y", "row"),
    [
        (None, None, NUMBERS),
        (np.zeros((0, 3)), np.zeros(0), NUMBERS),
        (np.ones((1, 3)), np.ones(1, int), BITS),
        (np.arange(12.0), np.arange(12.0) / 12, NUMBERS),
        (np.zeros((5, 0)), np.arange(5.0), NUMBERS),
        (RNG.normal(size=(120, 2, 3, 2, 2)), RNG.normal(size=(120, 2, 3)), NUMBERS),
        (RNG.integers(0, 2, (150, 3)).astype(bool), RNG.integers(0, 2, 150).astype(bool), BITS),
        (RNG.integers(0, 255, (150, 8, 8, 3)).astype(np.uint8), RNG.integers(0, 3, 150), LABELS),
        (RNG.normal(size=(150, 20, 2)), RNG.integers(0, 3, (150, 20)), LABELS),
        (np.full((150, 3), np.nan), np.full(150, np.inf), NUMBERS),
    ],
)
def test_rows_of_any_shape_are_looked_at(x, y, row):
    for rule in DATA_RULES:
        for finding in rule.findings(patient(x, y, row)):
            assert finding.evidence
            assert finding.to_json()


# Scale


def test_scale_is_said_in_the_names_of_the_columns():
    x = TABLE * [21, 1, 1, 0.002]
    sign = only("uneven columns", x, SIDE, names=("age", "a", "b", "dose"))
    assert "column 0 'age' has standard deviation 21" in sign.evidence
    assert "column 3 'dose' 0.002" in sign.evidence


@pytest.mark.parametrize(
    ("name", "x", "confidence"),
    [
        ("unscaled inputs", TABLE * [300, 1, 1, 1], "likely"),
        ("unscaled inputs", TABLE * [10, 1, 1, 1], "possible"),
        ("offset inputs", TABLE * 0.5 + [40, 0, 0, 0], "likely"),
        ("offset inputs", TABLE * 0.5 + [6, 0, 0, 0], "possible"),
        ("uneven columns", TABLE * [1, 1e-3, 1e-4, 1e-4], "likely"),
        ("uneven columns", TABLE * [1, 1, 1, 2e-3], "possible"),
        ("inputs too small", TABLE * 1e-3, "likely"),
        ("inputs too small", TABLE * 0.02, "possible"),
        ("pixels 0 to 255", DIGITS * 255, "likely"),
        ("pixels 0 to 255", (DIGITS * 255).reshape(-1, 64), "likely"),
    ],
)
def test_inputs_out_of_scale(name, x, confidence):
    sign = only(name, x, np.arange(len(x)) % 2)
    assert sign.confidence == confidence
    assert (sign.explains > 0) == (confidence == "likely")


@pytest.mark.parametrize(
    ("x", "net"),
    [
        ((DIGITS * 255).astype(np.uint8), NET),
        (RNG.integers(0, 9000, (50, 12)), Sequential([Embedding(np.zeros((9000, 2), np.float32))])),
        (TABLE, NET),
        ((TABLE > 3) * 1.0, NET),
        (np.pad(RNG.random((2500, 6, 6, 1)), [(0, 0), (1, 1), (1, 1), (0, 0)]), NET),
    ],
    ids=["bytes are divided", "tokens are names", "standardised", "rare bits", "images with empty corners"],
)
def test_inputs_that_have_their_scale(x, net):
    names = [rule.name for rule in DATA_RULES if rule.code == "PREP_X"]
    assert [sign for name in names for sign in signs(name, x, np.arange(len(x)) % 2, net=net)] == []


@pytest.mark.parametrize(
    ("y", "confidence"),
    [(100 * TABLE[:, 0], "likely"), (TABLE[:, 0] * 1e-3, "likely"), (TABLE[:, 0] + 60, "likely"),
     (10 * TABLE[:, 0], "possible")],
)  # fmt: skip
def test_targets_out_of_scale(y, confidence):
    assert only("unscaled targets", TABLE, y, NUMBERS).confidence == confidence
    assert signs("unscaled targets", TABLE, y, "poisson") == []
    assert signs("unscaled targets", TABLE, SIDE * 1.0, NUMBERS) == []


@pytest.mark.parametrize(
    ("shape", "layer", "confidence"),
    [((9, 3, 32, 32), True, "likely"), ((9, 1, 28, 28), True, "likely"), ((9, 3, 32, 32), False, "possible"),
     ((9, 32, 32, 3), True, None), ((9, 28, 28, 1), True, None), ((9, 3, 4, 64), True, None)],
)  # fmt: skip
def test_channels_first(shape, layer, confidence):
    net = Sequential([Conv2d(np.zeros((3, 3, shape[-1], 2), np.float32), np.zeros(2, np.float32))]) if layer else NET
    found = signs("channels first", np.zeros(shape), np.arange(9) % 2, net=net)
    assert [sign.confidence for sign in found] == [confidence] * (confidence is not None)


# What a table holds


@given(st.sets(st.integers(0, 299)), st.sets(st.integers(0, 299)))
def test_rows_that_are_not_finite_are_counted(nan, infinite):
    x, y = TABLE.copy(), TABLE[:, 1].copy()
    x[sorted(nan), 2] = np.nan
    y[sorted(infinite)] = np.inf
    found = {sign.where: sign for sign in signs("not finite", x, y, NUMBERS)}
    for where, rows in (("x", nan), ("y", infinite)):
        assert (where in found) == bool(rows)
        if rows:
            assert found[where].numbers["rows"].tolist() == sorted(rows)[:100]
            assert found[where].confidence == "certain"


def test_padding_behind_a_sequence_is_no_fault():
    x = RNG.normal(size=(20, 6, 2))
    x[3, 4:] = np.nan
    masked = Sequential([Masking()])
    assert signs("not finite", x, np.zeros(20), NUMBERS, net=masked) == []
    assert only("not finite", x, np.zeros(20), NUMBERS).where == "x"
    x[3, 5] = 1.0
    assert only("not finite", x, np.zeros(20), NUMBERS, net=masked).where == "x"


def test_constant_and_duplicate_columns():
    x = np.column_stack([TABLE, np.full(300, 7.0), TABLE[:, 1]])
    assert only("constant columns", x, SIDE).numbers["columns"].tolist() == [4]
    assert only("duplicate columns", x, SIDE).numbers["pairs"] == [(1, 5)]
    assert only("constant columns", np.ones((30, 2)), np.arange(30) % 2).confidence == "certain"
    x[5, 5] += 1e-9
    assert signs("duplicate columns", x, SIDE) == []


@pytest.mark.parametrize(
    ("column", "y", "row"),
    [
        (3.0 - 2 * SIDE, SIDE, LABELS),
        (2 * TABLE[:, 0] - 5, TABLE[:, 0], NUMBERS),
        (np.exp(TABLE[:, 0] / 2), TABLE[:, 0], NUMBERS),
    ],
)
def test_a_column_that_gives_the_target_away(column, y, row):
    x = np.column_stack([TABLE[:, 1:], column])
    sign = only("target among the inputs", x, y, row)
    assert sign.numbers["columns"] == [3]
    assert RULES["target among the inputs"].stands
    assert signs("target among the inputs", column[:, None], y, row) == []


def test_a_column_that_only_helps_gives_nothing_away():
    assert signs("target among the inputs", TABLE, SIDE) == []
    noisy = TABLE[:, 0] + 0.1 * RNG.normal(size=300)
    assert signs("target among the inputs", TABLE, noisy, NUMBERS) == []
    wrong = SIDE.astype(float)
    wrong[0] = 1 - wrong[0]
    assert signs("target among the inputs", np.column_stack([TABLE, wrong]), SIDE) == []


def test_inputs_that_are_the_targets():
    assert only("inputs are the targets", TABLE, TABLE, NUMBERS).confidence == "possible"
    assert signs("inputs are the targets", TABLE, TABLE + 1, NUMBERS) == []


@pytest.mark.parametrize(
    ("y", "row", "words"),
    [
        (np.ones(300, int), LABELS, "same class"),
        (np.full((300, 1), 2.5), NUMBERS, "same value"),
        (np.eye(3)[np.zeros(300, int)], LABELS, "same class"),
    ],
)
def test_targets_that_do_not_vary(y, row, words):
    sign = only("one answer", TABLE, y, row, outputs=3)
    assert sign.confidence == "certain"
    assert words in sign.evidence


def test_fewer_rows_than_classes():
    assert "3 rows for 9 classes" in only("one answer", TABLE[:3], np.eye(9)[:3], outputs=9).evidence
    assert signs("one answer", TABLE, SIDE) == []


def test_one_hot_rows_that_are_none():
    y = np.eye(3)[np.arange(300) % 3]
    assert signs("mixed one-hot rows", TABLE, y, outputs=3) == []
    y[4], y[9] = 0, [1, 1, 0]
    sign = only("mixed one-hot rows", TABLE, y, outputs=3)
    assert sign.confidence == "certain"
    assert sign.numbers["sums"].tolist() == [0, 2]
    assert only("mixed one-hot rows", TABLE, y, BITS, outputs=3).confidence == "possible"


def test_labels_taken_as_numbers():
    y = np.arange(300) % 3
    assert only("labels as numbers", TABLE, y, BITS).confidence == "certain"
    assert only("labels as numbers", TABLE, y, NUMBERS, outputs=3).confidence == "certain"
    assert signs("labels as numbers", TABLE, y, NUMBERS) == []  # counts, to be met by one output
    assert signs("labels as numbers", TABLE, y, LABELS) == []
    assert signs("labels as numbers", TABLE, SIDE, BITS) == []


@pytest.mark.parametrize(
    ("counts", "weight", "confidence"),
    [((995, 5), None, "likely"), ((960, 40), None, "possible"), ((995, 5), "balanced", "harmless"),
     ((700, 300), None, None), ((495, 500, 5), None, "possible")],
)  # fmt: skip
def test_imbalance(counts, weight, confidence):
    y = np.repeat(np.arange(len(counts)), counts)
    found = signs("class imbalance", RNG.normal(size=(len(y), 2)), y, class_weight=weight)
    assert [sign.confidence for sign in found] == [confidence] * (confidence is not None)


def test_rows_held_out_are_missed_but_harmless():
    assert only("no validation", TABLE, SIDE).confidence == "harmless"
    assert signs("no validation", TABLE, SIDE, validation=(TABLE, SIDE)) == []


# Rows that are equal


@given(arrays(np.float64, (30, 2), elements=st.sampled_from([0.0, -0.0, 1.0, 1.5, -3.0])))
def test_equal_rows_have_equal_fingerprints_and_no_others(rows):
    marks = fingerprints(rows)
    assert ((rows[:, None] == rows).all(2) == (marks[:, None] == marks)).all()


@given(st.integers(20, 80), st.integers(0, 20), st.randoms(use_true_random=False))
def test_rows_held_out_are_counted_in_any_order(held, shared, random):
    rows = np.random.default_rng(random.randrange(1000)).normal(size=(200 + held, 3))
    x, out = rows[:200], rows[200:].copy()
    out[:shared] = x[random.sample(range(200), shared)]
    order = random.sample(range(held), held)
    found = signs("rows on both sides of the split", x, np.zeros(200), NUMBERS, validation=(out[order], None))
    if shared / held > 0.02:
        assert found[0].numbers["share"] == shared / held
        assert found[0].confidence == "certain" or shared <= 4
    else:
        assert found == []


def test_rows_that_repeat_everywhere_are_no_leak():
    bits = RNG.integers(0, 2, (500, 3)).astype(float)
    found = signs("rows on both sides of the split", bits[:400], np.zeros(400), NUMBERS, validation=(bits[400:], None))
    assert all(sign.confidence == "possible" for sign in found)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=20, max_size=60))
def test_the_ceiling_of_contradicting_labels_is_that_of_the_best_table(rows):
    x, y = (np.array(part) for part in zip(*rows, strict=True))
    group = one_class_in(x)
    best = sum(Counter(y[x == value].tolist()).most_common(1)[0][1] for value in set(x.tolist()))
    assert best_accuracy(group, y) == best / len(y)
    means = np.array([y[x == value].mean() for value in x])
    spread = np.square(y - y.mean()).sum()
    expected = 1 - np.square(y - means).sum() / spread if spread else 1.0
    assert best_fit(group, np.bincount(group), y[:, None].astype(float)) == pytest.approx(expected)


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_count(random):
    x, y = np.repeat(TABLE, 2, 0), np.repeat(SIDE, 2)
    y[::6] = 1 - y[::6]
    order = np.array(random.sample(range(600), 600))
    plain, mixed = only("contradicting targets", x, y), only("contradicting targets", x[order], y[order])
    assert mixed.evidence == plain.evidence
    assert mixed.numbers["ceiling"] == plain.numbers["ceiling"] == 1 - 100 / 600


def test_contradicting_targets():
    x, y = np.repeat(TABLE, 2, 0), np.tile([0, 1], 300)
    sign = only("contradicting targets", x, y)
    assert (sign.confidence, sign.explains, sign.numbers["ceiling"]) == ("likely", 1.0, 0.5)
    assert signs("contradicting targets", x, np.repeat(SIDE, 2)) == []
    y = np.repeat(TABLE[:, 0], 2)
    assert signs("contradicting targets", x, y, NUMBERS) == []
    y[0] += 1
    assert signs("contradicting targets", x, y, NUMBERS) == []  # a pair in three hundred


# Targets of other rows


def shuffled(y, seed=0):
    return np.random.default_rng(seed).permutation(y)


@pytest.mark.parametrize("name", ["wine", "diabetes", "moons"])
def test_shuffled_targets_have_no_relation(name):
    x, y, row = HEALTHY[name]
    fired = [signs("no relation", x, shuffled(y, seed), row) for seed in range(6)]
    assert sum(map(bool, fired)) >= 4  # each is silent once in ten times


@pytest.mark.parametrize("name", ["iris", "digits", "diabetes", "moons"])
@pytest.mark.parametrize(("shift", "reverse"), [(1, False), (-3, False), (0, True)])
def test_targets_out_of_step_are_found_with_their_shift(name, shift, reverse):
    x, y, row = HEALTHY[name]
    order = np.random.default_rng(3).permutation(len(x))
    x, y = x[order], y[order]
    sign = only("no relation", x, y[::-1].copy() if reverse else np.roll(y, shift), row)
    assert sign.numbers["reversed"] == reverse
    assert sign.numbers["shift"] == shift
    assert sign.explains == 1.0


def test_a_relation_that_no_test_sees_is_only_a_hint():
    bits = np.random.default_rng(1).integers(0, 2, (1500, 12)).astype(float)
    parity = bits.sum(1).astype(int) % 2
    assert [sign.confidence for sign in signs("no relation", bits, parity)] in (["possible"], [])
    steps = RNG.normal(size=(300, 30, 1))
    assert all(sign.confidence == "possible" for sign in signs("no relation", steps, RNG.integers(0, 2, 300)))
    known = patient(TABLE, shuffled(SIDE))
    known.score = 0.9
    assert list(RULES["no relation"].look(known)) == []


@pytest.mark.parametrize(
    "y",
    [np.sin(3 * TABLE[:, 0]), TABLE[:, 0] * TABLE[:, 1], np.sign(TABLE[:, 0] * TABLE[:, 1]), np.abs(TABLE[:, 2])],
    ids=["waves", "products", "exclusive or", "absolute"],
)
def test_curved_relations_are_seen(y):
    assert signs("no relation", TABLE, y, NUMBERS) == []


def test_waves_of_neighbours_that_differ_are_a_relation():
    x = np.arange(1000.0)[:, None]
    assert signs("no relation", x, np.sin(x), NUMBERS) == []


@pytest.mark.parametrize("share", [0.05, 0.1, 0.15])
def test_wrong_labels_are_named(share):
    x, y = datasets.make_moons(500, noise=0.1, random_state=0)
    wrong = np.random.default_rng(0).random(500) < share
    sign = only("label noise", x, np.where(wrong, 1 - y, y))
    assert sign.confidence == "likely"
    assert abs(sign.numbers["share"] - wrong.mean()) < 0.03
    assert wrong[sign.numbers["rows"]].mean() > 0.9


@pytest.mark.parametrize(("share", "said"), [(0.0, []), (0.1, ["likely"]), (0.2, ["likely"])])
def test_wrong_labels_are_found_where_classes_touch(share, said):
    x, y = datasets.load_digits(return_X_y=True)
    wrong = np.random.default_rng(1).random(len(y)) < share
    y = np.where(wrong, np.random.default_rng(2).integers(0, 10, len(y)), y)
    assert [sign.confidence for sign in signs("label noise", x, y)] == said


@pytest.mark.parametrize("noise", [0.15, 0.3, 0.4])
def test_moons_that_overlap_hold_no_wrong_labels(noise):
    assert signs("label noise", *datasets.make_moons(800, noise=noise, random_state=0)) == []


def test_rings_that_overlap_are_a_hint_at_most():
    for factor in (0.3, 0.5, 0.8):
        found = signs("label noise", *datasets.make_circles(1000, noise=0.25, factor=factor, random_state=0))
        assert all(sign.confidence == "possible" for sign in found)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_nearest_rows_are_those_of_scikit_learn(seed):
    rows = standard(np.random.default_rng(seed).normal(size=(60, 3)), 0)
    ours = nearest(rows, rows, 4, np.eye(60, dtype=bool))
    theirs = NearestNeighbors(n_neighbors=4).fit(rows).kneighbors(return_distance=False)
    assert (np.sort(ours, 1) == np.sort(theirs, 1)).all()


# Changes in training


@pytest.mark.parametrize("layer", [RandomFlip(), RandomFlip("height"), RandomShift(5), GaussianNoise(3.0)])
def test_changes_that_turn_digits_into_others(layer):
    sign = only("augmentation", DIGITS, DIGIT, net=Sequential([layer]), outputs=10)
    assert sign.where == "layers[0]"
    assert sign.numbers["after"] < 0.7 * sign.numbers["before"]


@pytest.mark.parametrize("layer", [RandomShift(1), GaussianNoise(0.1), Activation("relu")])
def test_changes_that_leave_digits_what_they_are(layer):
    assert signs("augmentation", DIGITS, DIGIT, net=Sequential([layer]), outputs=10) == []


def test_mirrored_pictures_that_look_alike_mirrored_are_no_fault():
    both = np.concatenate([DIGITS, DIGITS[:, :, ::-1]])
    assert signs("augmentation", both, np.tile(DIGIT, 2), net=Sequential([RandomFlip()]), outputs=10) == []
