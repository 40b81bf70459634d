"""The reader of VNN-LIB reads what it says it reads, and refuses the rest by line."""

import numpy as np
import pytest

from certify_cases import mlp
from pellucid import certify
from pellucid.certify._vnnlib import CASES, read_vnnlib
from pellucid.errors import CertifyError

HEAD = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n"
BOX = "(assert (>= X_0 -1))(assert (<= X_0 1.5))(assert (and (<= X_1 2)(>= X_1 0)))\n"


def read(tmp_path, text, n_in=2, n_out=2):
    path = tmp_path / "p.vnnlib"
    path.write_text(text, encoding="utf-8")
    return read_vnnlib(path, n_in, n_out)


def test_a_box_and_rows_are_read_with_comments_and_both_ways_round(tmp_path):
    text = (
        "; a comment (with brackets\n"
        + HEAD
        + BOX
        + "(assert (<= Y_0 Y_1)) ; said\n(assert (>= 3.5 (+ Y_0 (* 2 Y_1) -1)))"
    )
    (case,) = read(tmp_path, text)
    np.testing.assert_array_equal(case.box, [[-1, 1.5], [0, 2]])
    np.testing.assert_array_equal(case.rows, [[1, -1], [1, 2]])
    np.testing.assert_array_equal(case.shift, [0, -4.5])


def test_linear_terms_are_summed(tmp_path):
    (case,) = read(tmp_path, HEAD + BOX + "(assert (<= (- Y_0 (* Y_1 3) 2) (- (+ Y_0 Y_0))))")
    np.testing.assert_array_equal(case.rows, [[3, -3]])
    np.testing.assert_array_equal(case.shift, [-2])
    (case,) = read(tmp_path, HEAD + BOX + "(assert (>= (* 2 X_0) -1))(assert (<= Y_0 0))")
    assert case.box[0, 0] == pytest.approx(-0.5, abs=1e-15)


def test_disjunctions_are_cases_of_boxes_and_of_outputs(tmp_path):
    parts = "(or (and (>= X_0 -1)(<= X_0 0)(<= Y_0 0)) (and (>= X_0 0)(<= X_0 1)(or (<= Y_1 0) (<= Y_1 Y_0))))"
    cases = read(tmp_path, HEAD + "(assert (>= X_1 0))(assert (<= X_1 1))(assert " + parts + ")")
    assert [case.box[0].tolist() for case in cases] == [[-1, 0], [0, 1], [0, 1]]
    assert [case.rows.tolist() for case in cases] == [[[1, 0]], [[0, 1]], [[-1, 1]]]


def test_the_inputs_alone_refute_where_nothing_is_said_of_outputs(tmp_path):
    (case,) = read(tmp_path, HEAD + BOX)
    assert (case.rows @ np.ones(2) + case.shift <= 0).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + BOX + "(assert (< Y_0 1))", "line 6: '<' is not supported"),
        (HEAD + BOX + "\n(assert (<= (* Y_0 Y_1) 1))", r"line 7: '\*' with 2 parts is not linear"),
        (HEAD + BOX + "(assert (<= (+ X_0 Y_0) 1))", "on inputs and outputs at once"),
        (HEAD + BOX + "(assert (<= (+ X_0 X_1) 1))", "several inputs"),
        (HEAD + BOX + "(assert (=> Y_0 1))", "is not supported"),
        (HEAD + BOX + "(assert (not (<= Y_0 1)))", "'not' is not supported"),
        (HEAD + BOX + "(check-sat)", "check-sat is not read"),
        (HEAD + BOX + "(assert (<= Y_0 1)", "not closed"),
        (HEAD + BOX + ")", "closed that was not opened"),
        (HEAD + BOX + "(assert (<= Y_0 one))", "'one' is neither a number"),
        (HEAD + BOX + "(assert (<= Y_0 inf))", "not finite"),
        (HEAD + BOX + "(assert (<= Y_0 1 2))", "compares two"),
        (HEAD + BOX + "(assert (<= Y_7 1))", "Y_7 was not declared"),
        (HEAD + "(declare-const Z Real)" + BOX, "'Z' is neither an input"),
        (HEAD + "(declare-const Y_2 Int)" + BOX, "a declaration is"),
        (HEAD + "(assert (>= X_0 0))", "X_0 has no upper bound"),
        (HEAD + "(declare-const X_2 Real)" + BOX, "declares 3 inputs X_i, and the network has 2"),
        (HEAD + BOX + "(assert " + "(and " * 80 + "(<= Y_0 1)" + ")" * 81, "deep"),
        (HEAD + BOX + "(assert (or (<= Y_0 0) (<= Y_1 0)))" * 15, f"more than {CASES:,} cases"),
        (HEAD + BOX + "loose", "outside of brackets"),
        (HEAD + "(assert (>= X_0 2))(assert (<= X_0 1))(assert (<= X_1 2))(assert (>= X_1 0))", "no box with a point"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_line(tmp_path, text, words):
    path = tmp_path / "p.vnnlib"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CertifyError, match=words):
        certify.property(mlp([2, 3, 2]), path)


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path):
    with pytest.raises(CertifyError, match="cannot be read"):
        certify.property(mlp([2, 3, 2]), tmp_path / "none.vnnlib")
    (tmp_path / "bytes.vnnlib").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CertifyError, match="cannot be read"):
        certify.property(mlp([2, 3, 2]), tmp_path / "bytes.vnnlib")


def test_a_property_of_two_boxes_is_proven_or_refuted_in_either(tmp_path):
    net = mlp([2, 6, 2], seed=1)
    y = np.asarray(net(np.random.default_rng(0).uniform(-1, 1, (4000, 2))))
    path = tmp_path / "p.vnnlib"
    side = "(and (>= X_0 {})(<= X_0 {})(>= Y_0 {}))"
    for level, verdict in ((float(y[:, 0].max()) + 0.2, "proven"), (float(y[:, 0].max()) - 0.05, "counterexample")):
        both = f"(or {side.format(-1, 0, level)} {side.format(0, 1, level)})"
        path.write_text(HEAD + f"(assert (>= X_1 -1))(assert (<= X_1 1))(assert {both})", encoding="utf-8")
        answer = certify.property(net, path, seconds=60)
        assert answer.verdict == verdict
        if verdict == "proven":
            assert certify.recheck(answer, net).holds
