"""Weights of PyTorch from files: read as they were written, and hostile files refused without running anything."""

import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import pellucid as pl
from pellucid.errors import InteropError, StoreError
from pellucid.interop import load_state
from pellucid.interop._torch._pickled import read_pickle
from pellucid.interop._torch._pt import read_pt
from pellucid.store import read_tensors
from torch_cases import MODULES, module_of, tensor

NUMBERS = torch.arange(12.0).reshape(3, 4)
SEVERAL = {
    "plain": NUMBERS, "turned": NUMBERS.T, "part": NUMBERS[1:, ::2], "brain": NUMBERS.bfloat16(),
    "half": NUMBERS.half(), "double": NUMBERS.double(), "truth": NUMBERS > 3, "whole": NUMBERS.int(),
    "long": NUMBERS.long(), "byte": NUMBERS.byte(), "empty": NUMBERS[:0], "one": torch.tensor(2.5),
}  # fmt: skip


def saved(folder: Path, what: Any, name: str = "a.pt") -> Path:
    torch.save(what, folder / name)
    return folder / name


def same(mine: np.ndarray, theirs: torch.Tensor) -> None:
    theirs = theirs.float() if theirs.dtype is torch.bfloat16 else theirs
    assert mine.dtype == theirs.numpy().dtype
    np.testing.assert_array_equal(mine, theirs.numpy())


def test_tensors_of_every_type_and_lie_are_read_as_pytorch_reads_them(tmp_path):
    found = read_pt(saved(tmp_path, SEVERAL))
    assert list(found) == list(SEVERAL)
    for name, wanted in SEVERAL.items():
        same(found[name], wanted)


def test_a_checkpoint_gives_its_tensors_and_nothing_else(tmp_path):
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    whole = {"epoch": 3, "lr": 0.1, "names": ["a", ("b", None)], "model": module.state_dict(), "size": NUMBERS.shape,
             "optimizer": optimizer.state_dict(), "list": [nn.Parameter(NUMBERS), {"deep": NUMBERS}],
             "type": torch.float32}  # fmt: skip
    found = read_pt(saved(tmp_path, whole))
    wanted = {f"model.{name}": t for name, t in module.state_dict().items()} | {
        "list.0": NUMBERS,
        "list.1.deep": NUMBERS,
    }
    assert set(wanted) < set(found)
    assert all(name in wanted or name.startswith("optimizer.state") for name in found)
    for name, t in wanted.items():
        same(found[name], t.detach())


def test_the_arrays_share_the_numbers_that_tensors_share_and_cannot_be_written_to(tmp_path):
    found = read_pt(saved(tmp_path, {"a": NUMBERS, "b": NUMBERS[1]}))
    assert np.shares_memory(found["a"], found["b"])
    assert not found["a"].flags.writeable


@pytest.mark.parametrize("name", ["resnet", "norms", "mobilenet"])
def test_weights_from_any_file_go_to_the_layers_of_their_names(name, tmp_path):
    net = pl.from_torch(module_of(name, torch.float32), MODULES[name][1])
    torch.manual_seed(7)
    other = MODULES[name][0]().eval()
    paths = [saved(tmp_path, other.state_dict()), saved(tmp_path, {"epoch": 1, "model": other.state_dict()}, "b.pth")]
    safetensors.torch.save_file(other.state_dict(), tmp_path / "c.safetensors")
    x = MODULES[name][1].astype("f")
    wanted = other(tensor(x, torch.float32)).detach().numpy()
    loaded = [pl.load(path, net=net) for path in [*paths, tmp_path / "c.safetensors"]]
    np.testing.assert_allclose(loaded[0](x), wanted, 1e-5, 1e-5)
    for again in loaded[1:]:
        for mine, theirs in zip(pl.parameters(again).values(), pl.parameters(loaded[0]).values(), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_names_that_differ_are_told(tmp_path):
    net, there = pl.mlp([2, 3, 1], key=0), {"fc1.weight": torch.ones(3, 2), "fc1.bias": torch.zeros(3),
                                            "out.weight": torch.ones(1, 3), "out.bias": torch.ones(1)}  # fmt: skip
    path = saved(tmp_path, there)
    with pytest.raises(InteropError, match=r"no tensor for layers\[0\]\.weight.*no place for fc1\.weight.*names="):
        pl.load(path, net=net)
    loaded = pl.load(path, net=net, names={"fc1": "layers[0]", "out": "layers[2]"})
    assert float(loaded(jnp.ones((1, 2)))[0, 0]) == 7.0
    with pytest.raises(InteropError, match=r"no layer with weights called 'layers\[1\]'"):
        pl.load(path, net=net, names={"fc1": "layers[1]"})


def test_what_does_not_fit_is_said(tmp_path):
    net = pl.mlp([2, 1], key=0)
    with pytest.raises(InteropError, match=r"weight has the shape \(1, 3\); the network takes \(1, 2\)"):
        pl.load(saved(tmp_path, {"0.weight": torch.ones(1, 3), "0.bias": torch.ones(1)}), net=net)
    with pytest.raises(InteropError, match=r"no place for 1\.bias"):
        pl.load(
            saved(tmp_path, {"0.weight": torch.ones(1, 2), "0.bias": torch.ones(1), "1.bias": torch.ones(1)}), net=net
        )
    slots = {"0.weight": torch.ones(1, 2), "0.bias": torch.ones(1)}
    twice = saved(tmp_path, {f"{at}.{name}": t for at in ("a", "b") for name, t in slots.items()})
    with pytest.raises(InteropError, match="in it 2 times"):
        pl.load(twice, net=net)
    with pytest.raises(StoreError, match="holds weights without a network"):
        pl.load(tmp_path / "a.pt")
    with pytest.raises(InteropError, match="is no file of weights"):
        pl.load(tmp_path / "a.txt", net=net)


# Hostile .pt files.


class Runs:
    """Whoever unpickles it has run something."""

    def __reduce__(self):
        return (Path.touch, (Path("it-ran"),))


def archive(path: Path, entries: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def refused(path: Path, why: str) -> None:
    with pytest.raises(InteropError, match=why):
        read_pt(path)


def test_nothing_in_a_file_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for protocol in range(2, 6):
        content = pickle.dumps({"weight": Runs()}, protocol)
        refused(archive(tmp_path / "a.pt", {"a/data.pkl": content}), r"its pickle (asks for|uses)")
    refused(saved(tmp_path, nn.Linear(1, 1)), r"asks for torch\.nn\.modules\.linear\.Linear.*state_dict")
    evil = b"\x80\x02cos\nsystem\nX\x0a\x00\x00\x00touch ranqq\x85R."
    refused(archive(tmp_path / "b.pt", {"a/data.pkl": evil}), r"asks for os\.system, which is no tensor and is not run")
    assert not list(tmp_path.glob("*ran*"))


def test_calls_cannot_be_made_of_known_names():
    ordered = pickle.dumps(OrderedDict(a=1), 2)
    assert read_pickle(ordered) == {"a": 1}
    for content, why in (
        (b"\x80\x02ccollections\nOrderedDict\n(K\x01K\x02tR.", "broken|pairs"),
        (b"\x80\x02ctorch\nfloat32\n)R.", "calls torch.float32, which is not run"),
        (b"\x80\x02ctorch\nload\n)R.", "asks for torch.load"),
        (b"\x80\x02}(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00aK\x02u.", "the key 'a' stands in it twice"),
        (b"\x80\x02K\x01Q.", "points to something other than numbers"),
        (b"\x80\x02K\x01", "has no end|broken"),
        (b"\x80\x02.", "empty stack"),
        (b"\x80\x02h\x05.", "never remembered"),
        (b"\x80\x02c__builtin__\neval\n.", r"__builtin__\.eval"),
        (b"\x80\x02(ios\nsystem\n.", "uses INST"),
        (b"\x80\x02\x82\x01.", "uses EXT1"),
    ):
        with pytest.raises(InteropError, match=why):
            read_pickle(content)


def parts(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture
def good(tmp_path) -> dict[str, bytes]:
    """The entries of a file that can be read."""
    return parts(saved(tmp_path, {"w": NUMBERS}, "good.pt"))


def test_archives_that_lie_are_refused(tmp_path, good):
    path = tmp_path / "a.pt"
    assert set(read_pt(archive(path, good))) == {"w"}
    refused(archive(path, good, compression=zipfile.ZIP_DEFLATED), "is compressed")
    refused(archive(path, {n: c for n, c in good.items() if "/data/" not in n}), "the entry 'good/data/0' is missing")
    refused(archive(path, good | {"other/data.pkl": good["good/data.pkl"]}), "2 tables of contents")
    refused(archive(path, {"a/data": b""}), "0 tables of contents")
    refused(archive(path, good | {"good/byteorder": b"middle"}), "in the order 'middle'")
    refused(archive(path, good | {"good/data/0": b"\0" * 4}), "has 4 bytes, and 12 numbers of 4 bytes are announced")
    refused(tmp_path, "there is no such file")
    path.write_bytes(b"\x80\x02}.")
    refused(path, "not a zip archive, as PyTorch writes since version 1.6")
    with pytest.raises(InteropError, match="more than the 10 allowed"):
        read_pt(archive(path, good), max_bytes=10)


def test_bytes_in_the_other_order_are_turned(tmp_path, good):
    turned = np.frombuffer(good["good/data/0"], "<f4").astype(">f4").tobytes()
    found = read_pt(archive(tmp_path / "a.pt", good | {"good/data/0": turned, "good/byteorder": b"big"}))
    np.testing.assert_array_equal(found["w"], NUMBERS.numpy())


def test_a_bomb_of_zeros_and_entries_that_lie_over_each_other_are_refused(tmp_path, good):
    path = archive(tmp_path / "a.pt", good | {"good/data/1": b"\0" * 10**6}, compression=zipfile.ZIP_DEFLATED)
    refused(path, "is compressed")
    path = archive(tmp_path / "b.pt", good)
    content = bytearray(path.read_bytes())
    places = [i for i in range(len(content)) if content[i : i + 4] == b"PK\x01\x02"]
    first = struct.unpack_from("<I", content, places[0] + 42)
    struct.pack_into("<I", content, places[-1] + 42, *first)  # the last entry begins where the first does
    path.write_bytes(content)
    refused(path, "lies over")
    with zipfile.ZipFile(tmp_path / "c.pt", "w") as file:
        for name, content in good.items():
            file.writestr(name, content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("good/data.pkl", b"")
    refused(tmp_path / "c.pt", "stands in it twice")


def described(numbers: int, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """The pickle of one tensor, as PyTorch writes it."""

    def whole(n: int) -> bytes:
        return b"\x8a\x09" + n.to_bytes(9, "little", signed=True)

    def row(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(whole, values)) + b"t"

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    held = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + whole(numbers) + b"tQ"
    inner = held + whole(offset) + row(shape) + row(strides) + b"\x89}t"
    return b"\x80\x02}" + text("w") + b"ctorch._utils\n_rebuild_tensor_v2\n(" + inner + b"Rs."


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ((12, 1, (3, 4), (4, 1)), r"reaches beyond its numbers \(12 of 12\)"),
        ((12, 0, (3, 4), (2**62, 1)), "reaches beyond its numbers"),
        ((12, 0, (10**9,), (0,)), "repeats its numbers"),
        ((12, 0, (10**9, 10**9), (0, 0)), "repeats its numbers"),
        ((12, -1, (3,), (1,)), "impossible shape or place"),
        ((12, 0, (3,), (-1,)), "impossible shape or place"),
        ((12, 0, (3, 4), (1,)), "impossible shape or place"),
        ((12, 0, (1,) * 33, (1,) * 33), "impossible shape or place"),
        ((10**12, 0, (3,), (1,)), "1,000,000,000,000 numbers of 4 bytes are announced"),
    ],
)
def test_tensors_that_lie_are_refused(asked, why, tmp_path, good):
    refused(archive(tmp_path / "a.pt", good | {"good/data.pkl": described(*asked)}), why)
    assert read_pt(archive(tmp_path / "a.pt", good | {"good/data.pkl": described(12, 5, (1, 2), (2**60, 3))}))


def test_tables_that_unfold_without_end_are_refused(tmp_path, good):
    """Ten tables in each of ten tables, thirty levels deep, in a pickle of some hundred bytes."""
    content = b"\x80\x02" + b"]q\x00"
    for level in range(30):
        content += b"](" + b"h" + bytes([level]) + (b"h" + bytes([level])) * 9 + b"eq" + bytes([level + 1])
    refused(archive(tmp_path / "a.pt", good | {"good/data.pkl": content + b"."}), "hold more than")
    deep = b"\x80\x02" + b"]" + b"\x85" * 100_000 + b"."
    refused(archive(tmp_path / "a.pt", good | {"good/data.pkl": deep}), "lie 32 deep")


PIECES = [
    b"\x80\x02", b"}", b"]", b")", b"(", b"t", b"\x85", b"\x86", b"\x87", b"a", b"e", b"s", b"u", b"Q", b"R", b"b",
    b"N", b"\x88", b"K\x01", b"q\x00", b"h\x00", b"\x94", b"X\x01\x00\x00\x00a", b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n", b"ctorch\nFloatStorage\n",
    b"ctorch\nSize\n", b"X\x07\x00\x00\x00storage", b"\x8a\x01\x05", b".", b"\x93", b"\x8a\xff",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_row_of_opcodes_is_read_or_refused(pieces):
    try:
        read_pickle(b"".join(pieces) + b".")
    except InteropError:
        return


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_some_bytes_changed_is_read_or_refused(data, tmp_path):
    path = tmp_path / "a.pt"
    whole = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.sampled_from([len(whole), len(whole) - 1, len(whole) // 2]))])
    try:
        found = read_pt(path)
    except InteropError:
        return
    assert all(array.size <= 12 for array in found.values())


def in_memory(what: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(what, buffer)
    return buffer.getvalue()


GOOD = in_memory({"w": NUMBERS, "b": NUMBERS[0]})

# Safetensors of others.


def test_safetensors_of_others_are_read_as_their_own_library_reads_them(tmp_path):
    held = {name: t.contiguous() for name, t in SEVERAL.items()}
    safetensors.torch.save_file(held, tmp_path / "a.safetensors", {"format": "pt"})
    found = read_tensors(tmp_path / "a.safetensors")
    assert set(found) == set(held)
    for name, t in held.items():
        same(found[name], t)


def written(path: Path, header: str, content: bytes) -> Path:
    raw = header.encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + content)
    return path


def entry(start: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": [(end - start) // 4] if shape is None else shape, "data_offsets": [start, end]}


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (json.dumps({"a": entry(0, 8), "b": entry(8, 16)}).replace('"b"', '"a"'), "'a' stands in it twice"),
        (json.dumps({"a": entry(0, 12), "b": entry(8, 16)}), "a gap or an overlap"),
        (json.dumps({"a": entry(0, 4), "b": entry(8, 16)}), "a gap or an overlap"),
        (json.dumps({"a": entry(0, 8)}), "something was added"),
        (json.dumps({"a": entry(0, 16, [10**9])}), "takes 4000000000 bytes; its place has 16"),
        (json.dumps({"a": entry(0, 16, [-4])}), "impossible shape"),
        (json.dumps({"a": entry(0, 16, [4], "F31")}), "unknown dtype 'F31'; known: .*BF16"),
        (json.dumps({"a": entry(0, 16), "__metadata__": ["x"]}), "metadata is not a table"),
        ('{"a": ' + "[" * 10_000, "nested deeper|broken"),
    ],
)
def test_safetensors_that_lie_are_refused(header, why, tmp_path):
    with pytest.raises(StoreError, match=why):
        read_tensors(written(tmp_path / "a.safetensors", header, b"\0" * 16))


@given(content=st.binary(max_size=200), length=st.integers(0, 2**64 - 1) | st.integers(0, 200))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_as_safetensors_or_refused(content, length, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", length) + b"{" + content)
    with pytest.raises(StoreError):
        read_tensors(tmp_path / "a.safetensors")


def test_an_array_written_by_us_is_found_by_its_path(tmp_path):
    net = pl.mlp([2, 1], key=0)
    pl.save(tmp_path / "a.safetensors", net)
    assert set(read_tensors(tmp_path / "a.safetensors")) == set(pl.parameters(net))


def test_weights_under_other_names_are_refused_with_the_names_that_would_do(tmp_path):
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)

    module = Named()
    state = {name: array.detach() for name, array in module.state_dict().items()}
    net = pl.mlp([4, 5, 3], key=0)
    with pytest.raises(InteropError, match=r"names=\{'first': 'layers\[0\]', 'second': 'layers\[2\]'\} \(in this"):
        load_state(net, state)
    opened = load_state(net, state, {"first": "layers[0]", "second": "layers[2]"})
    same(np.asarray(opened.layers[2].bias), module.second.bias.detach())
    turned = {name: state[name] for name in ("second.weight", "second.bias", "first.weight", "first.bias")}
    with pytest.raises(InteropError, match=r"names=\{'theirs': 'ours'\}\."):
        load_state(net, turned)
