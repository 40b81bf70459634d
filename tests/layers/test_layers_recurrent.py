from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pellucid.backprop import backpropagate
from pellucid.errors import SettingError, ShapeError
from pellucid.layers import (
    GRU,
    LSTM,
    RNN,
    Bidirectional,
    Dense,
    Dropout,
    Masking,
    Sequences,
    Sequential,
    State,
    stacked,
)
from pellucid.losses import loss
from pellucid.module import parameters

KINDS = (RNN, LSTM, GRU)
GATES = {RNN: 1, LSTM: 4, GRU: 3}
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
LENGTHS = np.array([4, 6, 0, 1])
HIDDEN = 5


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def made(kind, n_in=3, **settings):
    """A layer in double precision whose biases are not zero."""
    layer = kind.create(n_in, HIDDEN, key=KEY, **settings)
    return jax.tree.map(lambda a: jnp.asarray(np.asarray(a, float) + 0.1 * RNG.normal(size=a.shape)), layer)


def inputs(*shape):
    return jnp.asarray(RNG.normal(size=shape))


def passed(layer, x, dy, key=None):
    y, saved = layer.forward(x, key=key)
    return y, *layer.backward(saved, dy)


def close(got, wanted, tolerance=1e-11):
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, tolerance, 1e-12)


def pytorch(net):
    """PyTorch's module with our parameters, and ours by the name of theirs."""
    layers = [layer for layer in net.layers if not isinstance(layer, Dropout)]
    both = isinstance(layers[0], Bidirectional)
    first = layers[0].forwards if both else layers[0]
    theirs = getattr(torch.nn, type(first).__name__)(
        first.weight.shape[0], HIDDEN, len(layers), batch_first=True, bidirectional=both, dtype=torch.float64
    )
    for i, layer in enumerate(layers):
        for part, end in ((layer.forwards, ""), (layer.backwards, "_reverse")) if both else ((layer, ""),):
            bias = np.zeros(part.bias.shape)
            if isinstance(part, GRU):
                bias[2 * HIDDEN :] = part.recurrent_bias
            ours = {"weight_ih": part.weight.T, "weight_hh": part.recurrent.T, "bias_ih": part.bias, "bias_hh": bias}
            for name, array in ours.items():
                getattr(theirs, f"{name}_l{i}{end}").data = torch.tensor(np.array(array))
    return theirs


def assert_gradients(net, dnet, theirs):
    layers = [pair for pair in zip(net.layers, dnet.layers, strict=True) if not isinstance(pair[0], Dropout)]
    for i, (layer, blame) in enumerate(layers):
        parts = ((blame.forwards, ""), (blame.backwards, "_reverse")) if isinstance(layer, Bidirectional) else None
        for part, end in parts or ((blame, ""),):
            grad = {n: getattr(theirs, f"{n}_l{i}{end}").grad.numpy() for n in ("weight_ih", "weight_hh", "bias_ih")}
            close((part.weight.T, part.recurrent.T, part.bias), tuple(grad.values()))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_stacked_layers_are_pytorchs(kind, bidirectional):
    net = stacked(kind, 3, HIDDEN, key=1, depth=2, bidirectional=bidirectional, dropout=0.2)
    net = jax.tree.map(lambda a: jnp.asarray(a, float), net)
    x, dy = inputs(4, 6, 3), inputs(4, 6, HIDDEN * (1 + bidirectional))
    y, dx, dnet = passed(net, x, dy)
    theirs, given = pytorch(net), torch.tensor(np.array(x), requires_grad=True)
    wanted, _ = theirs(given)
    wanted.backward(torch.tensor(np.array(dy)))
    close((y, dx), (wanted.detach().numpy(), given.grad.numpy()))
    assert_gradients(net, dnet, theirs)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_sequences_of_different_lengths_are_pytorchs_packed_ones(kind, bidirectional):
    kept = LENGTHS > 0  # PyTorch packs no empty sequence
    net = stacked(kind, 3, HIDDEN, key=2, depth=2, bidirectional=bidirectional)
    net = jax.tree.map(lambda a: jnp.asarray(a, float), net)
    x, dy = inputs(4, 6, 3), inputs(4, 6, HIDDEN * (1 + bidirectional))
    y, dx, dnet = passed(net, Sequences(x, jnp.asarray(LENGTHS)), dy)
    assert isinstance(y, Sequences)
    theirs, given = pytorch(net), torch.tensor(np.array(x)[kept], requires_grad=True)
    packed = pack_padded_sequence(given, torch.tensor(LENGTHS[kept]), batch_first=True, enforce_sorted=False)
    wanted, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    wanted.backward(torch.tensor(np.array(dy)[kept]))
    close((y.values[kept], dx[kept]), (wanted.detach().numpy(), given.grad.numpy()))
    assert_gradients(net, dnet, theirs)
    assert (y.values[~kept] == 0).all()
    assert (dx[~kept] == 0).all()


@pytest.mark.parametrize("reverse", [False, True])
def test_the_last_state_is_that_behind_each_examples_own_last_step(kind, reverse):
    layer = made(kind, output="last", reverse=reverse)
    x = inputs(4, 6, 3)
    y = layer(Sequences(x, jnp.asarray(LENGTHS)))
    for row, length in enumerate(LENGTHS):
        wanted = layer(x[row : row + 1, :length])[0] if length else np.zeros(HIDDEN)
        np.testing.assert_allclose(y[row], wanted, 1e-12)


@pytest.mark.parametrize(("output", "reverse"), [("sequence", True), ("last", False)])
def test_backward_is_the_vjp_where_lengths_truncation_and_dropout_meet(kind, output, reverse):
    start = {"h0": inputs(HIDDEN)} | ({"c0": inputs(HIDDEN)} if kind is LSTM else {})
    plain = made(kind)
    arrays = parameters(plain)
    layer = kind(**arrays, **start, output=output, reverse=reverse, truncate=2, dropout_recurrent=0.3)
    x, lengths = inputs(4, 6, 3), jnp.asarray(LENGTHS)

    def value(layer, x):
        y, _ = layer.forward(Sequences(x, lengths), key=KEY)
        return y.values if isinstance(y, Sequences) else y

    y, vjp = jax.vjp(value, layer, x)
    dy = inputs(*y.shape)
    _, dx, dlayer = passed(layer, Sequences(x, lengths), dy, KEY)
    close((dlayer, dx), vjp(dy), 1e-10)


def test_truncation_cuts_the_blame_and_nothing_else(kind):
    whole, short = made(kind, output="last"), None
    short = kind(**parameters(whole), output="last", truncate=4)
    x, dy = inputs(2, 10, 3), inputs(2, HIDDEN)
    y, dx, _ = passed(whole, x, dy)
    again, dcut, _ = passed(short, x, dy)
    close(again, y)
    assert (dcut[:, :8] == 0).all()  # the last cut is before step 8
    close(dcut[:, 8:], dx[:, 8:])
    assert (dx[:, :8] != 0).all()


def test_dropout_leaves_out_the_same_units_at_every_step(kind):
    layer = made(kind, dropout_recurrent=0.5)
    _, saved = layer.forward(inputs(3, 7, 3), key=KEY)
    entering = np.asarray(saved.inputs[1:, :, :HIDDEN])  # h as it enters the product; at the first step it is 0
    out = entering == 0
    assert (out == out[0]).all()
    assert 0 < out[0].mean() < 1
    assert out[0].any(1).all()
    undropped = np.asarray(layer.forward(inputs(3, 7, 3))[1].inputs[1:, :, :HIDDEN])
    assert (undropped != 0).all()


def test_dropout_keeps_the_mean_of_what_enters():
    layer = made(RNN, dropout_recurrent=0.25)
    _, saved = layer.forward(inputs(2000, 1, 3), key=KEY)
    np.testing.assert_allclose(saved.mask.mean(), 1, atol=0.03)
    assert set(np.unique(saved.mask)) == {0, 1 / 0.75}


def test_steps_go_on_where_they_stopped(kind):
    layer = made(kind)
    x = inputs(2, 9, 3)
    whole, last = layer.steps(x)
    first, state = layer.steps(x[:, :4])
    rest, end = layer.steps(x[:, 4:], state)
    close((jnp.concatenate([first, rest], 1), end), (whole, last))
    close(whole, layer(x))
    close(last.h, whole[:, -1])
    assert (last.c is None) == (kind is not LSTM)


def test_steps_begin_with_the_first_state_that_was_learned():
    layer = LSTM(**parameters(made(LSTM)), h0=inputs(HIDDEN), c0=inputs(HIDDEN))
    x = inputs(2, 3, 3)
    close(layer.steps(x)[0], layer(x))
    state = State(*(jnp.broadcast_to(a, (2, HIDDEN)) for a in (layer.h0, layer.c0)))
    close(layer.steps(x, state)[0], layer(x))


def test_openings_are_the_gates_of_a_step_by_hand():
    lstm, gru = made(LSTM), made(GRU)
    x = inputs(2, 3, 3)
    opened = lstm.openings(lstm.forward(x)[1])
    z = x[:, 1] @ lstm.weight + lstm(x)[:, 0] @ lstm.recurrent + lstm.bias
    for name, at in (("input", 0), ("forget", 1), ("output", 3)):
        close(opened[name][:, 1], jax.nn.sigmoid(z[:, at * HIDDEN : (at + 1) * HIDDEN]))
    opened = gru.openings(gru.forward(x)[1])
    z = x[:, 1] @ gru.weight + gru(x)[:, 0] @ gru.recurrent + gru.bias
    for name, at in (("reset", 0), ("update", 1)):
        close(opened[name][:, 1], jax.nn.sigmoid(z[:, at * HIDDEN : (at + 1) * HIDDEN]))


def test_a_new_layer_is_orthogonal_gate_by_gate_and_its_forget_gate_is_open(kind):
    layer = kind.create(7, HIDDEN, key=KEY)
    for gate in range(GATES[kind]):
        part = layer.recurrent[:, gate * HIDDEN : (gate + 1) * HIDDEN]
        np.testing.assert_allclose(part @ part.T, np.eye(HIDDEN), atol=1e-6)
    limit = np.sqrt(6 / (7 + HIDDEN))
    assert 0.8 * limit < np.abs(layer.weight).max() <= limit
    bias = np.zeros(GATES[kind] * HIDDEN)
    if kind is LSTM:
        bias[HIDDEN : 2 * HIDDEN] = 1
    assert (layer.bias == bias).all()


def test_masking_before_a_layer_hands_it_the_lengths(kind):
    layer = made(kind, output="last")
    x = np.array(inputs(2, 6, 3))
    x[0, 4:] = np.nan
    y = Sequential([Masking(), layer])(jnp.asarray(x))
    np.testing.assert_allclose(y[0], layer(jnp.asarray(x[:1, :4]))[0], 1e-12)
    np.testing.assert_allclose(y[1], layer(jnp.asarray(x[1:]))[0], 1e-12)


def test_impossible_settings_and_inputs_are_refused(kind):
    name, layer = kind.__name__, made(kind)
    with pytest.raises(SettingError, match=f"There is no output of {name} 'first'"):
        made(kind, output="first")
    with pytest.raises(SettingError, match=f"{name}: truncate is after how many steps .* got 0"):
        made(kind, truncate=0)
    with pytest.raises(SettingError, match=rf"{name}: dropout_recurrent is a share in \[0, 1\), got 1"):
        made(kind, dropout_recurrent=1.0)
    with pytest.raises(SettingError, match=f"{name} wants at least one input and one unit"):
        kind.create(0, 3, key=KEY)
    with pytest.raises(ShapeError, match=rf"{name} expects at least one step of time, got \(2, 0, 3\)"):
        layer(inputs(2, 0, 3))
    with pytest.raises(ShapeError, match=rf"{name} expects state\.h \(2, 5\), got \(1, 5\)"):
        layer.steps(inputs(2, 3, 3), State(*[jnp.zeros((1, 5))] * (1 + (kind is LSTM))))
    with pytest.raises(SettingError, match=f"{name} goes on from a State with"):
        layer.steps(inputs(2, 3, 3), State(jnp.zeros((2, 5)), None if kind is LSTM else jnp.zeros((2, 5))))
    with pytest.raises(SettingError, match="wants a depth of at least 1"):
        stacked(kind, 3, 4, key=0, depth=0)


def test_two_directions_must_be_two_and_agree():
    ahead, back = made(LSTM), made(GRU, reverse=True)
    with pytest.raises(SettingError, match="backwards is an RNN, LSTM or GRU with reverse=True, got LSTM with"):
        Bidirectional(ahead, ahead)
    with pytest.raises(SettingError, match="forwards is an RNN, LSTM or GRU with reverse=False, got Dense"):
        Bidirectional(Dense.create(2, 2, key=KEY), back)
    with pytest.raises(SettingError, match="both layers give the same output, got sequence and last"):
        Bidirectional(ahead, made(GRU, reverse=True, output="last"))
    with pytest.raises(SettingError, match="There is no activation of RNN 'gelu'"):
        made(RNN, activation="gelu")


MEMORY, BATCH, UNITS = 120, 32, 16


def remembered(rng, n):
    """The first of 120 steps holds the answer, the others noise of half its size."""
    answer = rng.integers(0, 2, n)
    x = 0.5 * rng.normal(size=(n, MEMORY, 1))
    x[:, 0, 0] = 2 * answer - 1
    return jnp.asarray(x, jnp.float32), jnp.asarray(answer[:, None], jnp.float32)


def accuracy_behind(layer, rates, updates=240):
    """The share of 512 new sequences answered rightly after that many steps of Adam, for each learning rate."""
    start = Sequential([layer, Dense.create(UNITS, 1, key=KEY)])
    rule = optax.chain(optax.clip_by_global_norm(1.0), optax.scale_by_adam())
    x, y = remembered(np.random.default_rng(1), updates * BATCH)
    criterion = loss("binary_cross_entropy")

    @jax.jit
    def trained(net, rate):
        def step(i, held):
            net, memory = held
            at = partial(jax.lax.dynamic_slice_in_dim, start_index=i * BATCH, slice_size=BATCH)
            blame = backpropagate(net, criterion, at(x), at(y)).dnet
            change, memory = rule.update(blame, memory)
            return jax.tree.map(lambda p, c: p - rate * c, net, change), memory

        net, _ = jax.lax.fori_loop(0, updates, step, (net, rule.init(net)))
        new, answer = remembered(np.random.default_rng(2), 512)
        return ((net(new) > 0) == (answer > 0.5)).mean()

    return [float(trained(start, jnp.float32(rate))) for rate in rates]


def test_gates_remember_over_120_steps_where_a_plain_layer_forgets():
    open_gate = np.log(MEMORY)  # so that f ≈ 1 − 1/120: Tallec and Ollivier 2018, section 2
    with jax.enable_x64(False):
        (gated,) = accuracy_behind(LSTM.create(1, UNITS, key=KEY, forget=open_gate, output="last"), [1e-2])
        plain = accuracy_behind(RNN.create(1, UNITS, key=KEY, output="last"), [1e-2, 1e-3])
    assert gated > 0.97
    assert max(plain) < 0.6
