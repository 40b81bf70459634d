"""ONNX's own backend tests: none may come out wrong, and those of the core set pass."""

import pytest

from onnx_conformance import CORE, PASS, UNSUPPORTED, by_network_in_jax, by_operators, cases, run

ALL, LEAST, IN_CORE = 2024, 1950, 344


@pytest.fixture(scope="module")
def found():
    return list(cases())


def test_by_the_operators_alone_nothing_is_wrong_and_nearly_all_passes(found):
    verdicts = [run(case, by_operators) for case in found]
    assert [verdict for verdict in verdicts if verdict.result not in (PASS, UNSUPPORTED)] == []
    assert len(verdicts) >= ALL
    assert sum(verdict.result == PASS for verdict in verdicts) >= LEAST


def test_as_networks_those_of_the_core_set_pass(found):
    core = [case for case in found if case.kinds and case.kinds <= CORE]
    assert len(core) >= IN_CORE
    verdicts = [run(case, by_network_in_jax) for case in core]
    assert [verdict for verdict in verdicts if verdict.result != PASS] == []
