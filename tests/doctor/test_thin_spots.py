"""Pairs of a fault and its healthy twin that rows and network show by themselves, without a training."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

from thin_spots import PAIRS, told

FAST = (
    "NaN in the data",
    "dropout without scaling",
    "rows on both sides of the split",
    "sign of the loss turned",
    "the target as a column",
)


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.name in FAST], ids=lambda pair: pair.name)
def test_a_fault_is_named_and_its_healthy_twin_is_left_in_peace(pair):
    found = told(pair, seconds=0.0)
    assert found.right
    assert not found.false_alarms


def test_every_pair_asks_for_codes_and_has_a_name_of_its_own():
    assert len({pair.name for pair in PAIRS}) == len(PAIRS)
    assert set(FAST) < {pair.name for pair in PAIRS}
    assert all(pair.codes for pair in PAIRS)
