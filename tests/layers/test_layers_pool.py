import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pellucid.errors import SettingError
from pellucid.layers import (
    AdaptiveAveragePool,
    AvgPool,
    Dense,
    GlobalMaxPool,
    GroupNorm,
    MaxPool,
    Pad,
    Residual,
    Sequential,
    Upsample,
)

NAN = jnp.array([1.0, jnp.nan, 2.0, 5.0, 4.0, 3.0]).reshape(1, 6, 1)


def test_what_is_not_a_number_is_not_hidden_by_a_maximum():
    assert jnp.isnan(MaxPool(2)(NAN)).ravel().tolist() == [True, False, False]
    assert jnp.isnan(GlobalMaxPool()(NAN)).all()


def test_a_window_wider_than_a_byte_counts_keeps_its_winner():
    x = np.zeros((1, 300, 1), np.float32)
    x[0, [140, 290]] = 1
    y, saved = MaxPool(150)(x), MaxPool(150).forward(jnp.asarray(x))[1]
    dx, _ = MaxPool(150).backward(saved, jnp.array([2.0, 3.0]).reshape(1, 2, 1))
    assert y.ravel().tolist() == [1, 1]
    assert (dx[0, 140, 0], dx[0, 290, 0], dx.sum()) == (2, 3, 5)


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 1), (3, 2, 0), (3, 2, 1), (2, 3, 0)])
def test_odd_sizes_with_a_stride_give_pytorchs_places(size, window, stride, padding):
    x = np.arange(size, dtype=np.float32).reshape(1, size, 1)
    theirs = torch.nn.functional.max_pool1d(torch.tensor(x).movedim(-1, 1), window, stride, padding)
    assert MaxPool(window, stride, padding)(x).ravel().tolist() == theirs.ravel().tolist()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaxPool(0), "MaxPool: size is a whole number from 1 on, or up to three of them; got 0"),
        (lambda: MaxPool(2.5), "got 2.5"),
        (lambda: MaxPool(3, padding=2), "padding is at most half of the window; got padding=2 and size=3"),
        (lambda: AvgPool((2, 2), (1, 1, 1)), "size, stride and padding are for different numbers of axes: [2, 3]"),
        (lambda: AdaptiveAveragePool(()), "got ()"),
        (lambda: Pad(-1), "Pad: widths is a whole number from 0 on"),
        (lambda: Pad(((1, 2, 3),)), "Pad: widths are numbers or pairs (before, behind)"),
        (lambda: Pad(1, mode="miror"), "There is no way to pad 'miror'"),
        (lambda: Upsample(2, "cubic"), "There is no way to upsample 'cubic'"),
    ],
)
def test_an_impossible_setting_is_refused(make, words):
    with pytest.raises(SettingError, match=re.escape(words)):
        make()


@pytest.mark.parametrize("seed", [4, 8])
def test_the_largest_is_found_where_the_compiler_computes_values_twice(seed):
    norms = [GroupNorm.create(4, 2), GroupNorm.create(4, 2)]
    dense = Residual(Sequential([Dense.create(4, 4, key=jax.random.key(seed))]))
    net = Sequential([AdaptiveAveragePool(6), *norms, dense, GlobalMaxPool()])
    x = np.random.default_rng(seed).normal(size=(2, 3, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(jax.jit(lambda x: net(x))(x), net(x), rtol=1e-5)
