"""What Pellucid does with a network, done with one that came from an ONNX file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner
from onnx import helper

import pellucid as pl
from onnx_models import mlp, model
from pellucid.cli import main
from pellucid.errors import InteropError
from pellucid.geometry import enumerate_regions, lowered
from pellucid.interop import from_onnx
from pellucid.interop._convert import network_of
from pellucid.interop._onnx_in import model_of
from pellucid.layers import values_of
from pellucid.module import with_parameters
from pellucid.report import text

SHARED = Path(__file__).parents[3] / "shared" / "data" / "verification"
RNG = np.random.default_rng(0)


def branching() -> onnx.ModelProto:
    """Parts, a gate, the largest of them, and all joined: operations with several outputs, and some without a layer."""
    nodes = [
        helper.make_node("Gemm", ["x", "fc.weight", "fc.bias"], ["a"], "fc"),
        helper.make_node("Split", ["a", "sizes"], ["p", "q", "r"], axis=1),
        helper.make_node("Sigmoid", ["p"], ["open"]),
        helper.make_node("Mul", ["open", "q"], ["m"]),
        helper.make_node("TopK", ["m", "one"], ["most", "where"]),
        helper.make_node("Concat", ["m", "r", "most"], ["y"], axis=1),
    ]
    arrays = {
        "fc.weight": RNG.standard_normal((4, 6)).astype(np.float32),
        "fc.bias": np.zeros(6, np.float32),
        "sizes": np.array([2, 2, 2]),
        "one": np.array([1]),
    }
    return model(nodes, ["batch", 4], arrays)


def convnet() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "fc.weight"], ["y"]),
    ]
    arrays = {"conv.weight": RNG.standard_normal((3, 2, 3, 3)), "fc.weight": RNG.standard_normal((12, 3))}
    return model(nodes, ["batch", 2, 4, 4], {name: a.astype(np.float32) for name, a in arrays.items()})


MODELS = {"mlp": (mlp(), (8, 3)), "branching": (branching(), (8, 4)), "convnet": (convnet(), (8, 2, 4, 4))}


@pytest.fixture(params=MODELS)
def opened(request, tmp_path: Path):
    proto, shape = MODELS[request.param]
    path = tmp_path / "net.onnx"
    onnx.save(proto, path)
    return pl.load(path), jnp.asarray(RNG.standard_normal(shape).astype(np.float32)), path


def test_the_chain_rule_is_that_of_jax(opened):
    net, x, _ = opened
    y, saved = net.forward(x)
    dy = jnp.asarray(RNG.standard_normal(y.shape).astype(np.float32))
    dx, dnet = net.backward(saved, dy)
    _, vjp = jax.vjp(lambda parameters, x: with_parameters(net, parameters)(x), pl.parameters(net), x)
    wanted, wanted_dx = vjp(dy)
    np.testing.assert_allclose(dx, wanted_dx, 1e-4, 1e-5)
    for path, blame in pl.parameters(dnet).items():
        np.testing.assert_allclose(blame, wanted[path], 1e-4, 1e-5)


def test_it_is_blamed_summed_up_saved_and_trained_further(opened, tmp_path: Path):
    net, x, _ = opened
    y = np.arange(8) % net(x).shape[1]
    assert pl.summary(net, x).error is None
    assert text(pl.blame(net, x, y, loss="cross_entropy"))
    back = pl.load(pl.save(tmp_path / "net", net))
    np.testing.assert_array_equal(back(x), net(x))
    run = pl.fit(net, (np.asarray(x), y), loss="cross_entropy", epochs=2, progress=False, validation=None)
    assert run.status == "finished"
    assert not np.array_equal(values_of(run.net(x)), net(x))


@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_its_lowering_is_what_onnxruntime_computes(name: str):
    proto, shape = MODELS[name]
    x = RNG.standard_normal(shape).astype(np.float32)
    net = network_of(model_of(proto, "t"))
    want = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(lowered(net, shape[1:])(x.reshape(8, -1)), want, 1e-5, 1e-5)


@pytest.mark.parametrize("name", ["1_1", "3_3"])
def test_networks_of_a_competition_open_and_have_exact_regions(name: str):
    path = SHARED / f"ACASXU_run2a_{name}_batch_2000.onnx"
    if not path.exists():
        pytest.skip("the networks are not here")
    net, session = from_onnx(path), onnxruntime.InferenceSession(path)
    x = RNG.uniform(-0.5, 0.5, (16, 1, 1, 1, 5)).astype(np.float32)
    want = [session.run(None, {session.get_inputs()[0].name: one})[0] for one in x]
    np.testing.assert_allclose(net(jnp.asarray(x[:, 0])), np.concatenate(want), 1e-5, 1e-6)
    found = enumerate_regions(net, [(0.0, 0.004)] * 5)
    assert found.complete
    assert found.mismatched == 0
    assert found.count > 1


def run(*words: str):
    return CliRunner().invoke(main, [*words])


def test_commands_take_onnx_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    onnx.save(mlp(), "net.onnx")
    Path("x.csv").write_text("a,b,c\n" + "\n".join(f"{i / 7},{i % 3},{-i / 5}" for i in range(12)))
    table = json.loads(run("summary", "net.onnx", "--json").stdout)
    assert [row["kind"] for row in table["rows"]] == ["Dense", "Activation", "Dense"]
    assert "Dense" in run("report", "net.onnx").stdout or Path("net.html").read_text().count("Dense") >= 2
    assert run("doctor", "net.onnx").exit_code == 0
    told = run("explain", "net.onnx", "--data", "x.csv", "--row", "3", "--seconds", "0")
    assert told.exit_code == 0, told.output
    seen = run("regions", "net.onnx", "--data", "x.csv", "--rows", "0,5,11")
    assert seen.exit_code == 0, seen.output
    assert "region" in seen.stdout


def test_a_convnet_file_says_how_large_its_input_is(tmp_path: Path):
    onnx.save(convnet(), tmp_path / "net.onnx")
    result = run("summary", str(tmp_path / "net.onnx"), "--json")
    assert json.loads(result.stdout)["input"] == [1, 2, 4, 4]


def test_commands_say_what_is_wrong_with_a_file(tmp_path: Path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    for command in ("summary", "doctor", "report"):
        result = run(command, str(tmp_path / "bad.onnx"))
        assert result.exit_code == 2
        assert "bad.onnx" in result.stderr
    assert run("summary", str(tmp_path / "none.onnx")).exit_code == 2


def test_without_the_package_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    onnx.save(mlp(), tmp_path / "net.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InteropError, match=r'pip install "pellucid\[onnx\]"'):
        pl.load(tmp_path / "net.onnx")
