"""Networks written as ONNX: onnxruntime computes what Pellucid computes, for every layer there is."""

import errno

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest

import pellucid as pl
from onnx_cases import computed
from pellucid.activations import CURVES
from pellucid.errors import InteropError, SettingError, ShapeError, StoreError
from pellucid.interop import to_onnx
from pellucid.interop._onnx_out._elementwise import CURVES as WRITTEN
from pellucid.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    BatchNorm,
    Bidirectional,
    Collect,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Function,
    GlobalAveragePool,
    GlobalMaxPool,
    Graph,
    GroupNorm,
    InstanceNorm,
    Masking,
    MaxPool,
    MultiHeadAttention,
    Operator,
    Parallel,
    Pick,
    Residual,
    Sequential,
)
from pellucid.module import parameters, walk
from test_every_layer import CASES

NEWEST = onnx.defs.onnx_opset_version()
WRITABLE = [name for name, case in CASES.items() if case.saved]
KEY = jax.random.key(0)


def single(tree):
    """Real numbers in single precision, in NumPy."""
    arrays = jax.tree.map(np.asarray, tree)
    return jax.tree.map(lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a, arrays)


HELD = {name: (single(CASES[name].layer), single(CASES[name].away())) for name in WRITABLE}


def kinds(model):
    return [node.op_type for node in model.graph.node]


@pytest.fixture(scope="module")
def answers():
    """What every layer of the table gives, in one program: they share one compilation."""
    return jax.jit(lambda held: {name: jax.tree.leaves(layer(x)) for name, (layer, x) in held.items()})(HELD)


@pytest.mark.parametrize("name", WRITABLE)
def test_onnxruntime_computes_every_layer_as_pellucid_does(name, answers):
    layer, x = HELD[name]
    model = to_onnx(layer, x=x)
    onnx.checker.check_model(model, full_check=True)
    found = computed(model, *(x if isinstance(x, tuple) else (x,)))
    for got, wanted in zip(found, answers[name], strict=True):
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


OPENED_AGAIN = (
    *("Dense", "PReLU", "Softmax", "LayerNorm", "GroupNorm", "BatchNorm", "MaxPool of overlapping windows"),
    *("Conv1d", "Conv2d in groups", "Conv2d with the same places", "ConvTranspose1d", "Upsample"),
    *("LSTM", "GRU from the end", "MultiHeadAttention", "Embedding", "GlobalAveragePool"),
)


def test_what_was_written_opens_again_as_the_same_layers(tmp_path, answers):
    opened = {}
    for name in OPENED_AGAIN:
        layer, x = HELD[name]
        to_onnx(layer, tmp_path / "layer.onnx", x=x)
        opened[name] = pl.load(tmp_path / "layer.onnx"), x
        assert type(layer) in {type(part) for _, part in walk(opened[name][0])}
    found = jax.jit(lambda held: {name: net(x) for name, (net, x) in held.items()})(opened)
    for name in OPENED_AGAIN:
        np.testing.assert_allclose(found[name], answers[name][0], rtol=1e-5, atol=1e-5)


def test_every_curve_is_written():
    assert WRITTEN.keys() == CURVES.keys()


def test_every_layer_can_be_said_in_the_newest_opset_too():
    for name in WRITABLE:
        layer, x = HELD[name]
        onnx.checker.check_model(to_onnx(layer, x=x, opset=NEWEST), full_check=True)


@pytest.mark.parametrize("curve", ["gelu", "gelu_tanh"])
def test_a_curve_that_a_newer_opset_has_is_the_same_in_both(curve):
    x = np.linspace(-5, 5, 101, dtype=np.float32)[:, None]
    old, new = (to_onnx(Activation(curve), x=x, opset=opset) for opset in (19, 20))
    assert "Gelu" in kinds(new)
    assert "Gelu" not in kinds(old)
    np.testing.assert_allclose(computed(old, x)[0], computed(new, x)[0], atol=2e-6)


def test_what_onnx_cannot_say_is_named_all_at_once_with_its_path():
    net = Sequential([Function(jnp.sin), Dense.create(2, 2, key=KEY), Residual(Function(jnp.cos))])
    with pytest.raises(InteropError, match=r"layers\[0\] \(Function\), layers\[2\]\.layer \(Function\)\. It holds no"):
        to_onnx(net)


def test_paths_are_the_names_and_arrays_come_once():
    square = Dense.create(3, 3, key=KEY)
    wiring = [("z", "square", "input"), ("a", "bend", "z"), ("y", "square", "a")]
    net = Graph({"square": square, "bend": Activation("tanh")}, wiring)
    graph = to_onnx(net).graph
    assert [node.name for node in graph.node] == ["layers.z/Gemm", "layers.a/Tanh", "layers.y/Gemm"]
    assert [array.name for array in graph.initializer] == list(parameters(net))
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(graph.initializer[0]), square.weight)


def test_channels_stay_first_from_one_convolution_to_the_next():
    net = pl.layers.convnet((8, 8, 1), 3, key=0, channels=[4, 4])
    assert kinds(to_onnx(net, x=(1, 8, 8, 1))) == [
        *("Transpose", "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Transpose"),
        *("Flatten", "Gemm", "Relu", "Gemm"),
    ]


def test_batch_and_open_axes_may_be_of_any_length():
    net = Sequential(
        [
            Conv2d.create(2, 4, 3, key=KEY, stride=2, padding="same"),
            BatchNorm.create(4),
            MaxPool(2),
            GlobalAveragePool(),
            Dense.create(4, 2, key=KEY),
        ]
    )
    model = to_onnx(net, x=(1, None, None, 2))
    onnx.checker.check_model(model, full_check=True)
    rng = np.random.default_rng(0)
    pictures = [rng.normal(size=shape).astype(np.float32) for shape in ((1, 9, 16, 2), (3, 12, 7, 2))]
    for x, wanted in zip(pictures, jax.jit(lambda net, xs: list(map(net, xs)))(net, pictures), strict=True):
        np.testing.assert_allclose(computed(model, x)[0], wanted, atol=1e-5)


def test_sequences_of_any_length_with_padding_and_without_a_step():
    net = Sequential(
        [
            Masking(),
            LSTM.create(2, 4, key=KEY),
            MultiHeadAttention.create(4, 2, key=KEY, causal=True, positions="rotary"),
        ]
    )
    model = to_onnx(net, x=(1, None, 2))
    x = np.random.default_rng(0).normal(size=(3, 6, 2)).astype(np.float32)
    x[0, 4:], x[1, 2:], x[2] = np.nan, np.nan, np.nan
    wanted = jax.jit(lambda net, x: net(x).values)(net, x)
    for steps in (6, 4):
        values, lengths = computed(model, x[:, :steps])
        np.testing.assert_allclose(values, wanted[:, :steps], atol=1e-5)
        assert lengths.tolist() == [4, 2, 0]


def test_padding_is_seen_by_no_layer():
    rnn = RNN.create(2, 4, key=KEY, reverse=True)
    lstm, gru = LSTM.create(8, 4, key=KEY), GRU.create(8, 4, key=KEY, reverse=True)
    net = Sequential(
        [
            Masking(),
            Parallel([rnn, Sequential([Conv1d.create(2, 4, 3, key=KEY, padding="same"), GroupNorm.create(4, 2)])]),
            Residual(Sequential([BatchNorm.create(8), InstanceNorm.create(8, affine=True)])),
            Bidirectional(lstm, gru),
            Dense.create(8, 3, key=KEY),
            Parallel([GlobalAveragePool(), GlobalMaxPool(), GRU.create(3, 2, key=KEY, reverse=True, output="last")]),
        ]
    )
    x = np.random.default_rng(0).normal(size=(4, 6, 2)).astype(np.float32)
    x[1, 4:], x[2, 1:], x[3] = np.nan, np.nan, np.nan
    wanted = jax.jit(lambda net, x: net(x))(net, x)
    model = to_onnx(net, x=(1, None, 2))
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(computed(model, x)[0], wanted, atol=1e-5)


def test_an_axis_that_a_layer_has_to_know_cannot_be_open():
    net = pl.layers.AdaptiveAveragePool(3)
    with pytest.raises(InteropError, match=r"has to know the length of axis 1 .* give a shape with a number there"):
        to_onnx(net, x=(1, None, 2))


def test_whole_numbers_are_taken_as_such_where_the_example_holds_them():
    net = Embedding.create(5, 3, key=KEY)
    words = np.array([[0, 4, 7]])
    model = to_onnx(net, x=words)
    np.testing.assert_array_equal(computed(model, words)[0], net(words))  # 7 has no row: NaN
    dense = Dense.create(3, 2, key=KEY)
    np.testing.assert_allclose(computed(to_onnx(dense, x=words), words)[0], dense(words), rtol=1e-6)


def test_double_precision_stays_double():
    with jax.enable_x64(True):
        x = np.random.default_rng(0).normal(size=(4, 3))
        net = Sequential(
            [pl.layers.LayerNorm(np.full(3, 1.1), np.ones(3)), Dense(np.eye(3), np.ones(3)), pl.layers.RMSNorm(None)]
        )
        wanted = np.asarray(net(jnp.asarray(x)))
        model = to_onnx(net)
    onnx.checker.check_model(model, full_check=True)
    (got,) = computed(model, x)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, wanted, rtol=1e-13)


def test_half_precision_stays_half():
    net = jax.tree.map(lambda a: a.astype(jnp.float16), pl.mlp([3, 4, 2], key=0))
    x = np.ones((2, 3), np.float16)
    (got,) = computed(to_onnx(net), x)
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, net(jnp.asarray(x)), rtol=5e-3)
    attention = MultiHeadAttention.create(4, 2, key=KEY, causal=True, positions="rotary")
    brief = jax.tree.map(lambda a: a.astype(jnp.bfloat16), attention)
    with pytest.raises(InteropError, match=r"Opset 18 of ONNX cannot say this network in bfloat16: .*Cos"):
        to_onnx(brief, x=(1, 5, 4))
    model = to_onnx(brief, x=(1, 5, 4), opset=22)
    assert {array.data_type for array in model.graph.initializer} == {onnx.TensorProto.BFLOAT16, onnx.TensorProto.INT64}


def test_an_empty_network_is_written_as_it_is():
    x = np.ones((2, 3), np.float32)
    for net in (Sequential([]), Sequential([Dropout(0.5), Sequential([])])):
        model = to_onnx(net, x=x)
        assert kinds(model) == ["Identity"]
        np.testing.assert_array_equal(computed(model, x)[0], x)


def test_weights_that_are_not_finite_are_written_as_they_are():
    net = Dense(jnp.array([[jnp.nan], [jnp.inf]]), jnp.zeros(1))
    (weight, _) = to_onnx(net).graph.initializer
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), net.weight)


def test_what_takes_more_than_a_file_of_onnx_holds_is_refused_before_it_is_copied():
    huge = np.broadcast_to(np.float32(0), (2**15, 2**14 + 2**10))
    with pytest.raises(InteropError, match=r"take 2\.12 GiB, and an ONNX file holds less than 2"):
        to_onnx(Dense(huge, None))


@pytest.mark.parametrize("opset", [17, NEWEST + 1, 18.0, True])
def test_an_opset_there_is_not_is_refused(opset):
    with pytest.raises(SettingError, match="opset is a whole number from 18 to"):
        to_onnx(Flatten(), x=(1, 2), opset=opset)


def test_what_does_not_fit_is_refused_in_pellucids_words():
    with pytest.raises(SettingError, match=r"give its shape as x, as in x=\(1, 28, 28, 2\)"):
        to_onnx(Conv2d.create(2, 3, 3, key=KEY))
    with pytest.raises(ShapeError, match=r"layers\[0\]\.Dense expects x \(batch, 3\)"):
        to_onnx(pl.mlp([3, 1], key=0), x=(1, 4))
    with pytest.raises(SettingError, match="to_onnx writes a network or a run, got a str"):
        to_onnx("net")
    with pytest.raises(SettingError, match="answers=True is for a run"):
        to_onnx(pl.mlp([3, 1], key=0), answers=True)
    for x, words in ((3, "x is an array or a shape"), ((1, -3), "x is an array or a shape"), ((), "x is empty")):
        with pytest.raises(SettingError, match=words):
            to_onnx(pl.mlp([3, 1], key=0), x=x)


def test_a_file_is_whole_or_not_there(tmp_path):
    net = pl.mlp([3, 4, 2], key=0)
    model = to_onnx(net, tmp_path / "deep" / "net")
    assert onnx.load(tmp_path / "deep" / "net.onnx") == model
    to_onnx(net, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "model.onnx"]
    (tmp_path / "file").write_text("here")
    with pytest.raises(StoreError, match="could not be written"):
        to_onnx(net, tmp_path / "file" / "net.onnx")
    with pytest.raises(InteropError):
        to_onnx(Function(jnp.sin), tmp_path / "none.onnx")
    assert not (tmp_path / "none.onnx").exists()


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path, monkeypatch):
    old = to_onnx(pl.mlp([3, 2], key=0), tmp_path / "net.onnx")

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="free some space"):
        to_onnx(pl.mlp([3, 4, 2], key=0), tmp_path / "net.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    assert onnx.load(tmp_path / "net.onnx") == old


def test_without_onnx_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr("pellucid.interop._onnx_out.find_spec", lambda name: None)
    with pytest.raises(InteropError, match=r'pip install "pellucid\[onnx\]"'):
        to_onnx(pl.mlp([3, 1], key=0))


X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
OPERATORS = {
    "with a weight": Operator("Mul", constants={1: np.array([2.0, 1.0, 0.5, 3.0], np.float32)}, learned=[1], opset=14),
    "with axes as an attribute": Operator("ReduceMean", attributes={"axes": [1], "keepdims": 0}, opset=13),
    "that had another meaning": Operator("Softmax", attributes={"axis": 1}, opset=11),
    "with several outputs": Graph(
        {"top": Operator("TopK", constants={1: np.array([2])}, opset=11, outputs=2), "both": Collect()},
        [("top", "top", "input"), ("y", "both", "top")],
    ),
    "with shapes as values": Graph(
        {"of": Operator("Shape", opset=13), "to": Operator("Reshape", given=(0, 1), opset=13), "flat": Flatten()},
        [("shape", "of", "input"), ("flat", "flat", "input"), ("y", "to", ("flat", "shape"))],
    ),
    "one of its outputs": Graph(
        {"top": Operator("TopK", constants={1: np.array([1])}, opset=11, outputs=2), "which": Pick(1)},
        [("top", "top", "input"), ("y", "which", "top")],
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_go_back_to_onnx_in_the_words_of_the_opset_that_is_written(name):
    net = OPERATORS[name]
    found = computed(to_onnx(net, x=X), X)
    for got, wanted in zip(found, jax.tree.leaves(net(jnp.asarray(X))), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_an_operator_that_cannot_be_said_is_named():
    with pytest.raises(InteropError, match=r"^The network: SplitToSequence gives a sequence of tensors, which is not"):
        to_onnx(Operator("SplitToSequence", attributes={"axis": 1}, opset=11), x=X)
    with pytest.raises(InteropError, match=r"^layers\[0\]: opset 18 has no Gelu: write the network with opset=20\.$"):
        to_onnx(Sequential([Operator("Gelu", opset=20)]), x=X)
    with pytest.raises(InteropError, match=r"^The network: TopK is in the words of opset 1, and onnx cannot say it in"):
        to_onnx(Operator("TopK", attributes={"k": 2}, opset=1), x=X)
