import datetime
import json
import math
from dataclasses import FrozenInstanceError, dataclass, field

import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.records import Record, plain, unlisted


@dataclass(frozen=True)
class Inner(Record):
    value: float


@dataclass(frozen=True)
class Outer(Record):
    name: str
    numbers: np.ndarray
    inner: dict[str, Inner]
    when: object = None
    secret: object = unlisted(default=None)
    extra: tuple = field(default=())


def test_a_record_is_json_without_what_is_unlisted():
    record = Outer("a", np.array([1.0, np.inf]), {"b": Inner(0.5)}, datetime.date(2020, 1, 2), lambda x: x, (1, None))
    wanted = {
        "name": "a",
        "numbers": [1.0, None],
        "inner": {"b": {"value": 0.5}},
        "when": "2020-01-02",
        "extra": [1, None],
    }
    assert record.to_json() == wanted
    assert json.loads(json.dumps(record.to_json(), allow_nan=False)) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.float64(0.25), 0.25),
        (np.float32(np.nan), None),
        (-math.inf, None),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (jnp.array([[1, 2]]), [[1, 2]]),
        (jnp.array(1.5), 1.5),
        (np.array(["a"]), ["a"]),
        ({1: {2.0}}, {"1": [2.0]}),
        (None, None),
        ("x", "x"),
    ],
)
def test_plain_is_what_json_can_say(value, wanted):
    found = plain(value)
    assert found == wanted
    assert type(found) is type(wanted) or isinstance(found, float)
    json.dumps(found, allow_nan=False)


def test_a_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Inner(1.0).value = 2.0
