"""What sharing a kernel between places means: claim C7 of the foundation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import pellucid as pl
from pellucid.errors import SettingError, ShapeError
from pellucid.layers import (
    Activation,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    GlobalMaxPool,
    LocallyConnected1d,
    LocallyConnected2d,
    Sequential,
    share,
    unshare,
)

KEY = jax.random.key(0)


def test_a_kernel_of_3_by_3_over_32_by_32_is_used_at_900_places():
    conv = Conv2d.create(1, 8, 3, key=KEY)
    local = unshare(conv, (1, 32, 32, 1))
    assert local.weight.size == 900 * conv.weight.size
    assert local.bias.size == 900 * conv.bias.size
    row = pl.summary(conv, (1, 32, 32, 1)).rows[0]
    assert (row.uses, row.unshared) == (900, 900 * row.parameters)
    assert pl.summary(local, (1, 32, 32, 1)).parameters == row.unshared


@st.composite
def convolutions(draw):
    """A convolution over one or two axes with any setting, and an input it accepts."""
    rank, groups = draw(st.integers(1, 2)), draw(st.integers(1, 2))

    def along(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    size, stride, dilation = along(1, 3), along(1, 2), along(1, 2)
    pairs = tuple(zip(along(0, 2), along(0, 1), strict=True))
    padding = draw(st.sampled_from(["valid", "same", pairs]))
    places = tuple(n + d * (k - 1) for n, d, k in zip(along(1, 3), dilation, size, strict=True))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    weight = rng.normal(size=(*size, draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))))
    bias = rng.normal(size=weight.shape[-1]) if draw(st.booleans()) else None
    kind = (Conv1d, Conv2d)[rank - 1]
    with jax.enable_x64(True):
        conv = kind(*map(jnp.asarray, (weight, *[bias] * (bias is not None))), stride=stride, padding=padding,
                    dilation=dilation, groups=groups)  # fmt: skip
        return conv, jnp.asarray(rng.normal(size=(2, *places, weight.shape[-2] * groups)))


@settings(max_examples=5, deadline=None)
@given(convolutions())
def test_undone_sharing_is_the_same_function_and_the_blame_of_a_kernel_the_sum_over_its_places(drawn):
    conv, x = drawn
    with jax.enable_x64(True):
        local = unshare(conv, x.shape)
        (y, saved), (same, saved_apart) = conv.forward(x), local.forward(x)
        np.testing.assert_allclose(same, y, rtol=1e-12, atol=1e-12)
        found = share(local)
        assert (type(found.conv), found.conv.groups) == (type(conv), 1)
        assert max(found.error, found.largest) < 1e-14
        dy = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
        dx, dconv = conv.backward(saved, dy)
        dx_apart, dlocal = local.backward(saved_apart, dy)
        np.testing.assert_allclose(dx_apart, dx, rtol=1e-11, atol=1e-12)
        if conv.groups == 1:
            np.testing.assert_allclose(found.conv.weight, conv.weight, rtol=1e-14)
            dshared = dlocal.weight.sum(tuple(range(y.ndim - 2)))
            np.testing.assert_allclose(dshared, dconv.weight, rtol=1e-11, atol=1e-12)


def test_the_nearest_convolution_is_the_mean_and_no_other_is_nearer():
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        local = LocallyConnected2d(
            jnp.asarray(rng.normal(size=(4, 3, 2, 2, 1, 2))), jnp.asarray(rng.normal(size=(4, 3, 2)))
        )
        found = share(local)
        rows = np.concatenate([local.weight.reshape(12, -1), local.bias.reshape(12, -1)], 1)
        best = np.linalg.lstsq(np.ones((12, 1)), rows, rcond=None)[0][0]
        np.testing.assert_allclose(np.concatenate([found.conv.weight.ravel(), found.conv.bias]), best, rtol=1e-12)
        np.testing.assert_allclose(found.error, np.linalg.norm(rows - best) / np.linalg.norm(rows), rtol=1e-12)
        np.testing.assert_allclose(found.largest, abs(rows - best).max(), rtol=1e-12)


def test_equal_kernels_at_many_places_are_shared_without_any_error():
    conv = Conv2d.create(1, 8, 3, key=KEY)
    found = share(unshare(conv, (1, 32, 32, 1)))
    assert found.error == 0
    np.testing.assert_array_equal(found.conv.weight, conv.weight)


def test_what_cannot_be_unshared_or_shared_is_refused():
    with pytest.raises(SettingError, match=r"unshare wants a Conv1d or Conv2d, got a Conv3d\."):
        unshare(Conv3d.create(1, 1, 1, key=KEY), (1, 2, 2, 2, 1))
    with pytest.raises(ShapeError, match=r"Conv2d expects x \(batch, height, width, 1\), got \(32, 32\)"):
        unshare(Conv2d.create(1, 8, 3, key=KEY), (32, 32))
    with pytest.raises(SettingError, match=r"share wants a LocallyConnected1d or LocallyConnected2d, got a Conv1d\."):
        share(Conv1d.create(1, 1, 1, key=KEY))


def test_kernels_drawn_for_every_place_have_the_variance_of_a_kernel_and_differ():
    local = LocallyConnected1d.create(4, 16, 3, 40, key=KEY)
    assert local.weight.shape == (38, 3, 4, 16)
    np.testing.assert_allclose(local.weight.var((1, 2, 3)).mean(), 2 / (3 * 4 + 3 * 16), rtol=0.05)
    assert len({kernel.tobytes() for kernel in np.asarray(local.weight)}) == 38


def shifted(images: np.ndarray, seed: int) -> np.ndarray:
    """Every image moved by up to two pixels up or down and left or right."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    corners = np.random.default_rng(seed).integers(0, 5, (len(images), 2))
    return np.stack([image[a : a + 8, b : b + 8] for image, (a, b) in zip(padded, corners, strict=True)])


def test_sharing_makes_the_test_error_on_shifted_images_smaller():
    digits = load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(images))
        train, test = order[:300], order[300:900]
        first, second = jax.random.split(jax.random.key(seed))
        conv, errors = Conv2d.create(1, 8, 3, key=first, padding="same"), []
        for start in (conv, unshare(conv, (1, 8, 8, 1))):  # the same function before the first step
            net = Sequential([start, Activation("relu"), GlobalMaxPool(), Dense.create(8, 10, key=second)])
            run = pl.fit(
                net, (images[train], digits.target[train]), loss="cross_entropy", epochs=60, learning_rate=0.01,
                validation=None, progress=False, seed=seed, watch_every=0,
            )  # fmt: skip
            errors.append((run.net(shifted(images[test], seed)).argmax(-1) != digits.target[test]).mean())
        assert errors[0] < errors[1] - 0.08
