import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pellucid.errors import DataError, SettingError
from pellucid.insight import gates
from pellucid.layers import GRU, LSTM, RNN, Add, Dense, Graph, Masking, Sequential, stacked
from pellucid.report import figure, text

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def sequences(*lengths, features=2, steps=6):
    """Sequences of these lengths, padded with NaN."""
    x = RNG.normal(size=(len(lengths), steps, features)).astype(np.float32)
    for row, length in enumerate(lengths):
        x[row, length:] = np.nan
    return x


def by_bias(kind, gate, value, units=3):
    """A layer that ignores its input, with one gate's bias set."""
    layer = jax.tree.map(jnp.zeros_like, kind.create(2, units, key=KEY))
    at = slice(kind.gates[gate] * units, (kind.gates[gate] + 1) * units)
    return kind(**{**vars(layer), "bias": layer.bias.at[at].set(value)})


@pytest.mark.parametrize(("kind", "gate"), [(LSTM, "forget"), (GRU, "update")])
def test_half_life_is_that_of_a_constant_gate(kind, gate):
    x = np.zeros((2, 4, 2), np.float32)
    for bias in (-2.0, 0.0, 3.0):
        (found,) = gates(by_bias(kind, gate, bias), x).layers
        share = 1 / (1 + np.exp(-bias))
        np.testing.assert_allclose(found.half_life, np.log(0.5) / np.log(share), rtol=1e-5)
        np.testing.assert_allclose(share**found.half_life, 0.5, rtol=1e-5)
        np.testing.assert_allclose(found.openings[gate], share, rtol=1e-6)
    assert (gates(by_bias(kind, gate, 40.0), x).layers[0].half_life == np.inf).all()
    assert (gates(by_bias(kind, gate, -200.0), x).layers[0].half_life == 0).all()


def test_steps_that_do_not_count_change_nothing():
    layer, x = LSTM.create(2, 3, key=KEY), sequences(4, 6)
    (found,) = gates(Sequential([Masking(), layer]), x).layers
    assert found.path == "layers[1]"
    assert found.lengths.tolist() == [4, 6]
    assert found.counts.sum() == 10
    one, two = (gates(layer, x[row : row + 1, :length]).layers[0] for row, length in ((0, 4), (1, 6)))
    f = np.concatenate([one.openings["forget"][0], two.openings["forget"][0]])
    np.testing.assert_allclose(found.openings["forget"][found.counts], f, rtol=1e-5)
    np.testing.assert_allclose(found.half_life, np.log(0.5) / np.log(f).mean(0), rtol=1e-4)


def test_what_a_gate_responds_to_is_its_weights_and_numpys_correlation():
    layer, x = GRU.create(2, 3, key=KEY), sequences(5, steps=5)
    (found,) = gates(layer, x).layers
    for response, part in zip(found.responses, (slice(0, 3), slice(3, 6)), strict=True):
        np.testing.assert_allclose(response.pull, layer.weight[:, part] * x[0].std(0)[:, None], rtol=1e-5)
        before = np.concatenate([np.zeros((1, 3)), layer(jnp.asarray(x))[0, :-1]])
        np.testing.assert_allclose(response.state_pull, layer.recurrent[:, part] * before.std(0)[:, None], rtol=1e-4)
        wanted = np.corrcoef(x[0].T, found.openings[response.gate][0].T)[:2, 2:]
        np.testing.assert_allclose(response.correlation, wanted, rtol=1e-4)
        assert response.strongest.tolist() == np.abs(response.pull).argmax(0).tolist()
        assert response.strongest_state.tolist() == np.abs(response.state_pull).argmax(0).tolist()
    assert np.isnan(gates(layer, np.ones((1, 4, 2), np.float32)).layers[0].responses[0].correlation).all()


def test_every_layer_with_gates_is_found_by_its_path():
    net = Sequential([stacked(LSTM, 2, 3, key=0, depth=2, bidirectional=True), RNN.create(6, 2, key=KEY)])
    found = gates(net, sequences(6)).layers
    assert [layer.path for layer in found] == [
        f"layers[0].layers[{i}].{way}" for i in (0, 1) for way in ("forwards", "backwards")
    ]
    shared = Graph({"cell": GRU.create(2, 2, key=KEY), "add": Add()}, [
        ("a", "cell", "input"), ("b", "cell", "a"), ("y", "add", ("a", "b"))
    ])  # fmt: skip
    assert [layer.path for layer in gates(shared, sequences(6)).layers] == ["layers.a", "layers.b"]


def test_without_gates_or_steps_there_is_nothing_to_read():
    with pytest.raises(SettingError, match="No layer of this network has gates: it has no LSTM and no GRU"):
        gates(Dense.create(2, 2, key=KEY), np.ones((1, 2)))
    net = Sequential([Masking(), LSTM.create(2, 3, key=KEY)])
    with pytest.raises(DataError, match="steps that count, and there is none"):
        gates(net, np.full((2, 3, 2), np.nan, np.float32))


def test_the_words_and_the_strip_say_what_the_gates_do():
    found = gates(Sequential([Masking(), by_bias(LSTM, "forget", 3.0)]), sequences(4, 6))
    said = text(found)
    assert "layers[1] (LSTM): half-life of memory 14.3 steps (median), from 14.3 steps to 14.3 steps" in said
    assert "forget 95.3 % 100.0 % 0.0 %" in " ".join(said.split())
    assert "unit 0, half-life 14.3 steps: input by input 0 (pull +0); forget by input 0 (pull +0); output" in said
    assert "correlation −" in text(gates(LSTM.create(2, 3, key=KEY), sequences(6)))
    drawn = figure(found)
    pictures, lines = drawn.axes[::2], drawn.axes[1::2]
    assert [axes.get_title(loc="left") for axes in pictures] == ["input gate", "forget gate", "output gate"]
    assert pictures[0].images[0].get_array().shape == (3, 4, 4)  # 3 units, the 4 steps that count
    np.testing.assert_allclose(lines[1].lines[0].get_ydata(), 1 / (1 + np.exp(-3)), rtol=1e-6)
    assert figure(found, row=1).axes[0].images[0].get_array().shape == (3, 6, 4)
    with pytest.raises(SettingError, match="There are 2 examples, from row 0 on; got row=2"):
        figure(found, row=2)
    with pytest.raises(SettingError, match="did you mean 'layers"):
        figure(found, layer="layer[1]")
