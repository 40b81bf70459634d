"""`pellucid export`, end to end."""

import json

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import pellucid
from onnx_cases import computed
from pellucid.cli import main
from pellucid.layers import convnet, mlp


def run(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_written_with_its_columns_and_answers(here):
    trained = pellucid.fit([4], "iris", epochs=1, runs="runs", progress=False)
    result = run("export", "last", "-o", "flowers", "--answers", "--opset", 20)
    assert result.exit_code == 0, result.output
    assert "model  flowers.onnx (opset 20)" in result.stdout
    assert "sepal length (cm)" in result.stdout
    model = onnx.load("flowers.onnx")
    assert model.opset_import[0].version == 20
    flower = [5.1, 3.5, 1.4, 0.2]
    prediction, probabilities = computed(model, *(np.array([[cell]]) for cell in flower))
    raw = dict(zip([port.name for port in model.graph.input], flower, strict=True))
    assert prediction.tolist() == trained.predict(raw).tolist()
    np.testing.assert_allclose(probabilities, trained.predict_proba(raw), atol=1e-5)
    bare = json.loads(run("export", "last", "-o", "bare.onnx", "--bare", "--json").stdout)
    assert bare == {
        "model": "bare.onnx",
        "opset": 18,
        "ports": [
            {"side": "takes", "name": "input", "type": "float", "shape": ["batch", 4]},
            {"side": "gives", "name": "output", "type": "float", "shape": ["batch", 3]},
        ],
    }


def test_a_network_alone_is_written_for_the_shape_that_is_given(here):
    pellucid.save("net", convnet((8, 8, 1), 2, key=0, channels=[2], hidden=0))
    result = run("export", "net.safetensors", "-o", "net.onnx", "--shape", "1,8,8,1")
    assert result.exit_code == 0, result.output
    for shape, words in ((None, "does not say how large an input is"), ("1,a", "--shape wants whole numbers, or ?")):
        failed = run("export", "net.safetensors", "-o", "none.onnx", *(["--shape", shape] if shape else []))
        assert failed.exit_code == 2
        assert words in failed.stderr
    assert not (here / "none.onnx").exists()


def test_an_axis_may_be_open(here):
    pellucid.save("net", mlp([2, 1], key=0))
    said = json.loads(run("export", "net.safetensors", "-o", "net.onnx", "--shape", "1,?,2", "--json").stdout)
    assert said["ports"][0]["shape"] == ["batch", "time", 2]
    assert run("export", "net.safetensors", "-o", "net.onnx", "--opset", 1).exit_code == 2
