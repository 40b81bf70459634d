"""A network that is saved and loaded is the same network, and a file can only ask for layers."""

import copy
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.errors import StoreError
from pellucid.layers import (
    Activation,
    Add,
    Concat,
    Dense,
    Dropout,
    Flatten,
    Function,
    Graph,
    LogSoftmax,
    Parallel,
    PlainDropout,
    Residual,
    Sequential,
    Softmax,
    mlp,
)
from pellucid.module import Layer, parameters, static
from pellucid.store import load, pack, read_arrays, save, unpack, write_arrays


class Kept(Layer):
    """A layer of a user's own with every kind of field."""

    parts: object
    name: str = static(default="kept")
    sizes: tuple[int, ...] = static(default=())
    scale: float = static(default=1.0)
    on: bool | None = static(default=None)

    def forward(self, x, *, key=None):
        return x, None

    def backward(self, saved, dy):
        return dy, self


def dense(n_in=2, n_out=3, bias=True):
    return Dense.create(n_in, n_out, key=jax.random.key(n_in), bias=bias)


def same(a, b):
    """Of one structure, settings included, and equal bit for bit."""
    leaves_a, tree_a = jax.tree.flatten(a)
    leaves_b, tree_b = jax.tree.flatten(b)
    if tree_a != tree_b:
        return False
    pairs = list(zip(leaves_a, leaves_b, strict=True))
    equal = [x.dtype == y.dtype and np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs]
    return all(equal) and all(isinstance(leaf, jax.Array) for leaf in leaves_b)


NETS = {
    "mlp": mlp([3, 5, 2], key=0, activation="tanh", dropout=0.25),
    "no bias": dense(bias=False),
    "every simple layer": Sequential(
        [Flatten(), Dropout(0.1), PlainDropout(0.2), Softmax(), LogSoftmax(), Add(), Concat()]
    ),
    "settings": Activation("leaky_relu", slope=0.1),
    "containers": Sequential([Residual(Sequential([dense(2, 2)])), Parallel([dense(), dense(2, 1)], "concat")]),
    "a graph with a layer used twice": Graph(
        {"d": dense(2, 2), "add": Add()}, [("a", "d", "input"), ("b", "d", "a"), ("sum", "add", ("a", "b"))]
    ),
    "nothing": Sequential([]),
    "odd numbers": Dense(jnp.array([[jnp.nan, -0.0], [jnp.inf, 1e-45]]), jnp.zeros(2, jnp.float16)),
    "integers and truths": Dense(jnp.arange(6).reshape(2, 3), jnp.array(True)),
}


@pytest.mark.parametrize("name", NETS)
def test_a_network_comes_back_bit_for_bit(tmp_path, name):
    about = {"task": "regression", "scales": [0.1, 1e300], "columns": {"age": None}}
    found, said = load(save(tmp_path / "net", NETS[name], about=about))
    assert same(NETS[name], found)
    assert said == about


def test_tensors_are_named_by_their_paths(tmp_path):
    for net in NETS.values():
        arrays, _ = read_arrays(save(tmp_path / "net", net))
        assert arrays.keys() == parameters(net).keys()


def test_a_loaded_network_computes_the_same(tmp_path):
    net = NETS["a graph with a layer used twice"]
    x = jnp.array([[1.0, -2.0]])
    assert (load(save(tmp_path / "net", net))[0](x) == net(x)).all()


ARRAY = st.integers(0, 3).map(lambda n: jnp.arange(float(n)))
PARTS = st.recursive(
    st.none() | ARRAY | st.builds(dense, st.integers(1, 2), st.integers(1, 2)),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(st.text("ab", min_size=1), inner, max_size=2)
        | st.builds(Kept, inner)
    ),
    max_leaves=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARTS, st.text(), st.tuples(st.integers()), st.floats(allow_nan=False), st.sampled_from([True, False, None]))
def test_any_nesting_comes_back(tmp_path, parts, name, sizes, scale, on):
    net = Kept(parts, name, sizes, scale, on)
    assert same(net, load(save(tmp_path / "net", net), types=[Kept])[0])


def test_a_path_stands_for_one_file_when_saving_and_loading(tmp_path):
    net = dense()
    for name, written in [("a", "a"), ("b.safetensors", "b"), ("v1.2", "v1.2"), ("", "model"), ("new/c", "new/c")]:
        assert save(tmp_path / name, net) == tmp_path / f"{written}.safetensors"
        assert same(net, load(str(tmp_path / name))[0])
    with pytest.raises(StoreError, match=r"none\.bin\.safetensors cannot be read: there is no such file"):
        load(tmp_path / "none.bin")


def test_a_function_cannot_be_saved(tmp_path):
    with pytest.raises(StoreError, match=r"net.safetensors was not written: layers\[1\].function is a function"):
        save(tmp_path / "net", Sequential([dense(), Function(jnp.sin)]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("net", "words"),
    [
        ("no layer", "a network is a Layer, got a str"),
        (Kept({1, 2}), "parts is a set"),
        (Kept({1: jnp.zeros(1)}), "parts is a dict"),
        (Kept({"a.b": jnp.zeros(1), "a": {"b": jnp.zeros(1)}}), "two arrays have the path parts.a.b"),
        (Sequential([type("Dense", (Kept,), {})(None)]), r"layers\[0\] is a Dense of your own"),
        (Kept(jax.random.key(0)), "parts is of dtype key<fry>"),
        (Kept(jnp.zeros(1, jnp.bfloat16)), "parts is of dtype bfloat16"),
    ],
)
def test_what_a_file_cannot_hold_is_named(tmp_path, net, words):
    with pytest.raises(StoreError, match=words):
        save(tmp_path / "net", net)
    assert list(tmp_path.iterdir()) == []


def test_about_that_is_not_json_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"about\.scaler is a object"):
        save(tmp_path / "net", dense(), about={"scaler": object()})


def test_a_class_that_was_not_handed_over_is_not_found(tmp_path):
    path = save(tmp_path / "net", Kept(None))
    with pytest.raises(StoreError, match=r"There is no layer 'Kept'.*Hand a class of your own in `types`"):
        load(path)


def test_float64_is_never_cut_in_silence(tmp_path):
    with jax.enable_x64(True):
        net = Dense(jnp.array([[0.1]]), None)
        path = save(tmp_path / "net", net)
        assert same(net, load(path)[0])
    with pytest.raises(StoreError, match="weight is float64, which JAX would cut: load it inside"):
        load(path)


def deep(levels):
    net = Sequential([dense(1, 1)])
    for _ in range(levels):
        net = Sequential([net])
    return net


def test_too_many_layers_inside_each_other_are_refused_when_saving(tmp_path):
    assert same(deep(40), load(save(tmp_path / "net", deep(40)))[0])
    with pytest.raises(StoreError, match="nested deeper than"):
        save(tmp_path / "net", deep(60))


def changed(change):
    """A file's content after someone changed its structure or its arrays."""
    structure, arrays = pack(Sequential([Dense(jnp.ones((2, 3)), jnp.zeros(3)), Dropout(0.5)]))
    structure, arrays = copy.deepcopy(structure), dict(arrays)
    layers = structure["fields"]["layers"]["tuple"]
    change(structure, layers, arrays)
    return structure, arrays


def put(where, key, value):
    where[key] = value


WEIGHT = "layers[0].weight"
BROKEN = {
    "unknown type": (
        lambda s, ls, a: put(ls[0], "type", "Dens"),
        r"layers\[0\]: There is no layer 'Dens': did you mean",
    ),
    "a function of the package": (lambda s, ls, a: put(ls[0], "type", "mlp"), "There is no layer 'mlp'"),
    "a dotted name": (lambda s, ls, a: put(ls[0], "type", "os.system"), "There is no layer 'os.system'"),
    "the abstract layer": (lambda s, ls, a: put(ls[0], "type", "Layer"), "There is no layer 'Layer'"),
    "missing field": (lambda s, ls, a: ls[0]["fields"].pop("bias"), r"layers\[0\].Dense lacks bias"),
    "extra field": (lambda s, ls, a: put(ls[0]["fields"], "bia", None), "no field 'bia': did you mean 'bias'"),
    "a method as a field": (lambda s, ls, a: put(ls[0]["fields"], "forward", None), "no field 'forward'"),
    "missing tensor": (lambda s, ls, a: a.pop(WEIGHT), r"the tensor layers\[0\].weight is missing"),
    "extra tensor": (lambda s, ls, a: put(a, "w", np.zeros(1)), "no place for w"),
    "wrong shape": (
        lambda s, ls, a: put(a, WEIGHT, np.ones((3, 2), "f4")),
        r"float32 \(3, 2\).* says float32 \(2, 3\)",
    ),
    "wrong dtype": (lambda s, ls, a: put(a, WEIGHT, np.ones((2, 3), "i4")), "is int32 .* says float32"),
    "another's tensor": (
        lambda s, ls, a: put(ls[0]["fields"]["weight"], "array", "layers[0].bias"),
        r"broken at layers\[0\].weight",
    ),
    "text for an array": (lambda s, ls, a: put(ls[0]["fields"], "weight", "x"), "weight must be .*Array.*, got a str"),
    "text for a number": (lambda s, ls, a: put(ls[1]["fields"], "p", "0.5"), "p must be .*float.*, got a str"),
    "a list for a tuple": (
        lambda s, ls, a: put(s["fields"], "layers", {"list": ls}),
        "Sequential.layers must be tuple.*, got a list",
    ),
    "a strange node": (lambda s, ls, a: put(s["fields"], "layers", {"set": []}), "broken at layers"),
    "a node too many": (lambda s, ls, a: put(ls[0], "more", 1), r"broken at layers\[0\]"),
    "a bare list": (lambda s, ls, a: put(s["fields"], "layers", []), "broken at layers"),
    "type is a list": (lambda s, ls, a: put(ls[0], "type", ["Dense"]), r"broken at layers\[0\]"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_structure_that_does_not_fit_is_refused(tmp_path, name):
    change, words = BROKEN[name]
    structure, arrays = changed(change)
    content = {"kind": "model", "structure": structure, "about": {}}
    path = write_arrays(tmp_path / "net.safetensors", arrays, content)
    with pytest.raises(StoreError, match=f"net.safetensors cannot be read: .*{words}"):
        load(path)


def test_the_structures_would_be_loaded_if_they_were_sound():
    structure, arrays = changed(lambda s, ls, a: None)
    assert isinstance(unpack(json.loads(json.dumps(structure)), arrays), Sequential)


def test_what_is_not_a_network_is_refused(tmp_path):
    for value in [3, None, {"tuple": []}]:
        with pytest.raises(StoreError, match="its structure is no layer"):
            unpack(value, {})
    path = tmp_path / "a.safetensors"
    for content, words in [
        ({"kind": "checkpoint"}, "it holds a checkpoint, not a whole model"),
        ([1], "it holds something else"),
        ({"kind": "model", "structure": None}, "not a whole model"),
        ({"kind": "model", "structure": None, "about": 3}, "not a whole model"),
    ]:
        write_arrays(path, {}, content)
        with pytest.raises(StoreError, match=words):
            load(path)
