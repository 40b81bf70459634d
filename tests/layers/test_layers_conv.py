"""Convolution: every geometry against PyTorch, both lowerings against each other, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from layer_cases.conv import convolution, transposed
from pellucid.errors import SettingError, ShapeError
from pellucid.layers import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, _lowering
from pellucid.layers._lowering import LOWERINGS, Slide, spread, windows

CONVS, TRANSPOSED = (Conv1d, Conv2d, Conv3d), (ConvTranspose1d, ConvTranspose2d)
RNG = np.random.default_rng(0)

SWEEP = [  # places of x, size, channels in and out, settings
    ((1,), (1,), 1, 1, {}),
    ((8,), (3,), 3, 2, {"stride": 3}),
    ((9,), (4,), 2, 4, {"stride": 2, "padding": 3, "dilation": 2, "groups": 2}),
    ((5, 5), (5, 5), 2, 3, {}),
    ((7, 6), (1, 1), 3, 2, {"stride": 2}),
    ((8, 7), (3, 3), 2, 3, {"stride": 2, "padding": 1}),
    ((8, 7), (5, 3), 2, 3, {"padding": "same", "dilation": (1, 2)}),
    ((8, 7), (2, 3), 6, 6, {"stride": (3, 2), "padding": (2, 0), "dilation": (1, 3), "groups": 3}),
    ((6, 5), (3, 2), 3, 6, {"stride": (1, 2), "padding": (2, 1), "groups": 3}),
    ((4, 5, 3), (2, 1, 3), 2, 4, {"stride": 2, "padding": (0, 1, 1), "dilation": (2, 1, 1), "groups": 2}),
]
BACK = [
    ((4,), (3,), 2, 3, {"stride": 3}),
    ((1,), (2,), 1, 1, {"padding": 0}),
    ((5,), (3,), 4, 6, {"stride": 2, "padding": 3, "output_padding": 1, "dilation": 2, "groups": 2}),
    ((4, 3), (3, 4), 2, 3, {"stride": (1, 3), "padding": (1, 2), "output_padding": (0, 2)}),
    ((3, 4), (2, 2), 3, 6, {"stride": 2, "dilation": (3, 1), "output_padding": (2, 0), "groups": 3}),
]


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def name_of(row) -> str:
    places, size, n_in, n_out, settings = row
    return f"{places} {size} {n_in}-{n_out} {settings}"


def agrees(layer, theirs, x: np.ndarray) -> None:
    """Value and every gradient, within rounding."""
    y, saved = layer.forward(jnp.asarray(x))
    tensors = {"weight": torch.tensor(np.asarray(layer.weight)), "bias": torch.tensor(np.asarray(layer.bias))}
    inputs = [torch.tensor(x), *tensors.values()]
    wanted = theirs({k: v.requires_grad_() for k, v in tensors.items()}, inputs[0].requires_grad_())
    np.testing.assert_allclose(y, wanted.detach(), rtol=1e-12, atol=1e-12)
    dy = RNG.normal(size=y.shape)
    dx, dlayer = layer.backward(saved, jnp.asarray(dy))
    gradients = torch.autograd.grad(wanted, inputs, torch.tensor(dy))
    for got, gradient in zip((dx, dlayer.weight, dlayer.bias), gradients, strict=True):
        np.testing.assert_allclose(got, gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("row", SWEEP, ids=name_of)
def test_every_geometry_agrees_with_pytorch(row):
    places, size, n_in, n_out, settings = row
    kernel = RNG.normal(size=(*size, n_in // settings.get("groups", 1), n_out))
    layer = CONVS[len(size) - 1](kernel, RNG.normal(size=n_out), **settings)
    agrees(layer, convolution(len(size), **settings), RNG.normal(size=(2, *places, n_in)))


@pytest.mark.parametrize("row", BACK, ids=name_of)
def test_every_transposed_geometry_agrees_with_pytorch(row):
    places, size, n_in, n_out, settings = row
    kernel = RNG.normal(size=(*size, n_in // settings.get("groups", 1), n_out))
    layer = TRANSPOSED[len(size) - 1](kernel, RNG.normal(size=n_out), **settings)
    agrees(layer, transposed(len(size), **settings), RNG.normal(size=(2, *places, n_in)))


@pytest.mark.parametrize("batch", [6, 7])
@pytest.mark.parametrize(
    ("groups", "at"),
    [
        (1, Slide((2, 1), ((1, 0), (2, 1)), (1, 2), 1)),
        (2, Slide((1, 1), ((1, 1), (1, 1)), (1, 1), 2)),
        (4, Slide((1, 2), ((0, -1), (1, 1)), (2, 1), 4)),
    ],
)
def test_both_lowerings_are_the_vjp_of_lax_however_the_batch_is_cut(monkeypatch, batch, groups, at):
    x, kernel = jnp.asarray(RNG.normal(size=(batch, 6, 7, 4))), jnp.asarray(RNG.normal(size=(3, 2, 4 // groups, 8)))
    y, vjp = jax.vjp(lambda x, kernel: _lowering.convolve(x, kernel, at), x, kernel)
    dy = jnp.asarray(RNG.normal(size=y.shape))
    wanted = (y, *vjp(dy))
    for lowering, cache in (("any other", 0), ("cpu", 10**9), ("cpu", 2 * 30 * 6 * 4 * 8)):  # whole, or two rows a time
        monkeypatch.setattr(_lowering, "CACHE", cache)
        functions = (function.__wrapped__ for function in LOWERINGS[lowering])  # a compiled one knows its own cache
        got = jax.jit(
            lambda x, kernel, dy, forward, dx, dkernel: (
                forward(x, kernel, at),
                dx(dy, kernel, at, x.shape),
                dkernel(x, dy, at, kernel.shape),
            ),
            static_argnums=(3, 4, 5),
        )(x, kernel, dy, *functions)
        blames = (*got[:2], *got[2])
        for a, b in zip(blames, (*wanted, dy.sum((0, 1, 2))), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_a_batch_is_cut_into_equal_parts_that_fit(monkeypatch):
    monkeypatch.setattr(_lowering, "CACHE", 100)
    monkeypatch.setattr(_lowering, "cores", lambda: 1)
    at = Slide((1,), ((0, 0),), (1,), 1)
    cut = {batch: _lowering.chunks(batch, (5,), (2, 1, 1), at, np.dtype(np.float32)) for batch in (0, 1, 2, 6, 7, 8)}
    assert cut == {0: 1, 1: 1, 2: 1, 6: 3, 7: 7, 8: 4}  # 40 bytes a row
    assert _lowering.chunks(6, (5,), (1, 1, 1), at, np.dtype(np.float32)) == 1  # one place sees x as it is
    assert _lowering.chunks(3, (500,), (2, 1, 1), at, np.dtype(np.float32)) == 3


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_spread_is_the_transpose_of_windows(data):
    size, stride, dilation, before, behind = (
        data.draw(st.integers(a, b)) for a, b in [(1, 4), (1, 4), (1, 3)] + [(0, 3)] * 2
    )
    reach = dilation * (size - 1) + 1
    n = data.draw(st.integers(max(1, reach - before - behind), 12))
    at = Slide((stride,), ((before, behind),), (dilation,), 1)
    x = data.draw(st.lists(st.integers(-9, 9), min_size=n, max_size=n))
    seen = windows(jnp.asarray(x).reshape(1, n, 1), (size,), at)
    padded = np.pad(x, (before, behind))
    wanted = [
        [padded[p * stride + k * dilation] for p in range((len(padded) - reach) // stride + 1)] for k in range(size)
    ]
    assert np.stack(seen)[:, 0, :, 0].tolist() == wanted
    dys = [RNG.integers(-9, 10, part.shape) for part in seen]
    back = np.asarray(spread(map(jnp.asarray, dys), (size,), at, (1, n, 1)))
    assert back.ravel() @ np.array(x) == sum((np.asarray(a) * b).sum() for a, b in zip(seen, dys, strict=True))


@pytest.mark.parametrize(("n", "stride"), [(8, 2), (9, 2), (7, 3), (5, 5)])
def test_same_padding_with_a_stride_is_that_of_tensorflow_and_jax(n, stride):
    kernel = RNG.normal(size=(3, 2, 2, 3))
    x = RNG.normal(size=(2, n, n + 1, 2))
    wanted = jax.lax.conv_general_dilated(x, kernel, (stride,) * 2, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    got = Conv2d(kernel, stride=stride, padding="same")(x)
    assert got.shape[1:3] == (-(-n // stride), -(-(n + 1) // stride))
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


def test_whole_numbers_are_a_picture_too():
    layer = Conv2d(jnp.ones((2, 2, 1, 1), jnp.float32), jnp.zeros(1, jnp.float32))
    y, saved = layer.forward(np.full((1, 3, 3, 1), 200, np.uint8))
    assert (y.dtype, y.ravel().tolist()) == (jnp.float32, [800.0] * 4)
    assert layer.backward(saved, y)[1].weight.ravel().tolist() == [4 * 200 * 800.0] * 4


def test_a_batch_may_be_empty():
    layer = Conv1d.create(2, 3, 3, key=jax.random.key(0))
    y, saved = layer.forward(jnp.zeros((0, 5, 2)))
    dx, dlayer = layer.backward(saved, y)
    assert (y.shape, dx.shape, float(jnp.abs(dlayer.weight).sum())) == ((0, 3, 3), (0, 5, 2), 0.0)


def test_create_draws_the_kernel_by_its_groups_and_no_bias_where_there_is_none():
    layer = Conv2d.create(4, 6, (3, 5), key=jax.random.key(0), groups=2, bias=False)
    assert (layer.weight.shape, layer.bias, layer.stride, layer.padding) == ((3, 5, 2, 6), None, (1, 1), "valid")
    assert ConvTranspose1d.create(4, 6, 3, key=jax.random.key(0), groups=2).weight.shape == (3, 2, 6)


KERNEL = np.ones((3, 3, 2, 4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv2d(KERNEL, stride=0), "Conv2d: stride is a whole number from 1 on"),
        (lambda: Conv2d(KERNEL, stride=(1, 2, 3)), "Conv2d: stride is one whole number or 2"),
        (lambda: Conv2d(KERNEL, dilation=-1), "Conv2d: dilation is a whole number from 1 on"),
        (lambda: Conv2d(KERNEL, padding=-1), "padding is 'same', 'valid'.*got -1"),
        (lambda: Conv2d(KERNEL, padding=((1, 2, 3), 1)), "padding is 'same', 'valid'"),
        (lambda: Conv2d(KERNEL, padding=(1,)), "for each of 2 axes"),
        (lambda: Conv2d(KERNEL, padding="full"), "There is no padding 'full'"),
        (lambda: Conv2d(KERNEL, groups=3), "groups is a whole number that divides the 4 channels; got 3"),
        (lambda: Conv2d.create(3, 4, 3, key=jax.random.key(0), groups=2), "divides the 3 and 4 channels; got 2"),
        (lambda: Conv2d.create(0, 4, 3, key=jax.random.key(0)), "at least one channel"),
        (lambda: Conv2d.create(1, 4, 0, key=jax.random.key(0)), "size is a whole number from 1 on"),
        (lambda: ConvTranspose2d(KERNEL, padding=-1), "padding is a whole number from 0 on"),
        (lambda: ConvTranspose2d(KERNEL, output_padding=1), "output_padding must be less than the stride"),
    ],
)
def test_an_impossible_setting_is_refused(make, words):
    with pytest.raises(SettingError, match=words):
        make()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Conv1d(KERNEL), r"Conv1d expects weight \(length, in / groups, out\), got \(3, 3, 2, 4\)"),
        (
            lambda: Conv2d(KERNEL, padding=1, dilation=4)(jnp.ones((1, 6, 9, 2))),
            r"Conv2d expects x of at least \(batch, 7, 7, channels\), got \(1, 6, 9, 2\)",
        ),
        (lambda: Conv2d(KERNEL, groups=2)(jnp.ones((1, 6, 6, 2))), r"\(batch, height, width, 4\), got \(1, 6, 6, 2\)"),
        (lambda: ConvTranspose2d(KERNEL, padding=2)(jnp.ones((1, 2, 9, 2))), "take a smaller padding"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(make, words):
    with pytest.raises(ShapeError, match=words):
        make()
