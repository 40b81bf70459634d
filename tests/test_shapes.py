import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.errors import ShapeError
from pellucid.shapes import expect, located, words


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((5, 3), ("batch", 3)),
        ((5, 3), (5, "features")),
        ((3,), ("...", 3)),
        ((7, 5, 3), ("...", 3)),
        ((), ("...",)),
        ((2, 3), ("...",)),
        ((0, 3), ("batch", 3)),
    ],
)
def test_a_word_stands_for_any_size_and_dots_for_any_axes(shape, wanted):
    expect(object(), np.zeros(shape), wanted)
    expect(object(), jax.ShapeDtypeStruct(shape, jnp.float32), wanted)


@pytest.mark.parametrize(
    ("shape", "wanted", "message"),
    [
        ((5, 4), ("batch", 3), "object expects x (batch, 3), got (5, 4)."),
        ((5, 3, 1), ("batch", 2), "object expects x (batch, 2), got (5, 3, 1)."),
        ((), ("...", 3), "object expects x (..., 3), got ()."),
        ((2, 4), ("...", 3), "object expects x (..., 3), got (2, 4)."),
        ((4,), ("...", "height", "width", 4), "object expects x (..., height, width, 4), got (4,)."),
        ((3,), ("batch", 3), "object expects x (batch, 3), got (3,): for one example give x[None]."),
        ((5, 8, 8), ("batch", 64), "object expects x (batch, 64), got (5, 8, 8): put a Flatten before it."),
    ],
)
def test_a_misfit_is_told_with_what_to_do(shape, wanted, message):
    with pytest.raises(ShapeError) as caught:
        expect(object(), np.zeros(shape), wanted)
    assert str(caught.value) == message


def test_what_is_no_array_is_called_by_its_type():
    with pytest.raises(ShapeError, match=r"object expects weight \(2,\), got a list, which is not an array\."):
        expect(object(), [1.0, 2.0], (2,), "weight")


def test_located_adds_the_path_and_leaves_other_errors_alone():
    with (
        pytest.raises(ShapeError, match=r"^layers\[0\]\.layer\.object expects"),
        located("layers[0]"),
        located("layer"),
    ):
        expect(object(), 1.0, ())
    with pytest.raises(KeyError), located("layers[0]"):
        raise KeyError("x")


def test_shapes_read_as_people_write_them():
    assert [words(shape) for shape in ((), (5,), ("batch", 9))] == ["()", "(5,)", "(batch, 9)"]
