"""Arrays and JSON in one file: what is written comes back, whole or not at all, and nothing hostile gets in."""

import errno
import json
import math
import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.errors import StoreError
from pellucid.store import _files, read_arrays, write_arrays, write_text

ABOUT = json.dumps({"format": 1, "about": {}})
DTYPES = [np.dtype(code) for code in _files.DTYPES.values()]
ARRAYS = st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda name: name != "__metadata__")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@FAST
@given(st.dictionaries(NAMES, ARRAYS, max_size=4))
def test_arrays_come_back_bit_for_bit(tmp_path, arrays):
    path = write_arrays(tmp_path / "a.safetensors", arrays, {})
    found, _ = read_arrays(path)
    assert found.keys() == arrays.keys()
    assert all(same(found[name], array) for name, array in arrays.items())
    others = safetensors.numpy.load_file(path)
    assert all(same(others[name], array) for name, array in arrays.items())


@FAST
@given(JSON)
def test_about_comes_back_equal(tmp_path, about):
    found = read_arrays(write_arrays(tmp_path / "a.safetensors", {}, about))[1]
    assert repr(found) == repr(about)  # the repr, so that NaN equals NaN and -0.0 is not 0.0


def test_numbers_that_are_not_finite_come_back_as_they_were(tmp_path):
    about = {"best": math.inf, "worst": -math.inf, "loss": [math.nan, 0.1, 5e-324]}
    found = read_arrays(write_arrays(tmp_path / "a.safetensors", {}, about))[1]
    assert found["best"] == math.inf
    assert found["worst"] == -math.inf
    assert math.isnan(found["loss"][0])
    assert found["loss"][1:] == [0.1, 5e-324]


def test_numpy_numbers_and_tuples_become_their_json_equals(tmp_path):
    about = {"a": np.float32(0.1), "b": (np.int64(3), np.bool_(True))}
    assert read_arrays(write_arrays(tmp_path / "a.safetensors", {}, about))[1] == {
        "a": float(np.float32(0.1)),
        "b": [3, True],
    }


def test_strided_and_big_endian_arrays_come_back_by_value(tmp_path):
    arrays = {"t": np.arange(6.0).reshape(2, 3).T, "big": np.arange(3, dtype=">f4"), "s": np.float32(2)}
    found, _ = read_arrays(write_arrays(tmp_path / "a.safetensors", arrays, {}))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.writeable


def test_a_random_key_is_stored_by_its_data(tmp_path):
    import jax

    key = jax.random.key(7)
    found, _ = read_arrays(write_arrays(tmp_path / "a.safetensors", {"key": jax.random.key_data(key)}, {}))
    assert found["key"].dtype == np.uint32
    assert (jax.random.wrap_key_data(found["key"]) == key).all()
    with pytest.raises(StoreError, match=r"key is of dtype key<fry>.*key_data"):
        write_arrays(tmp_path / "a.safetensors", {"key": key}, {})


@pytest.mark.parametrize(
    ("arrays", "about", "words"),
    [
        ({"w": np.array([None])}, {}, "w is of dtype object"),
        ({"w": np.array(["a"])}, {}, "w is of dtype <U1"),
        ({"w": np.zeros(1, complex)}, {}, "w is of dtype complex128"),
        ({"__metadata__": np.zeros(1)}, {}, "rename that array"),
        ({}, {"settings": {"f": [print]}}, r"about.settings.f\[0\] is a builtin_function_or_method"),
        ({}, {"n": {1: "a"}}, "about.n has the key 1"),
        ({}, {"x": np.zeros(2)}, "about.x is a ndarray"),
    ],
)
def test_what_cannot_be_stored_is_named_and_nothing_is_written(tmp_path, arrays, about, words):
    with pytest.raises(StoreError, match=f"a.safetensors was not written: .*{words}"):
        write_arrays(tmp_path / "a.safetensors", arrays, about)
    assert list(tmp_path.iterdir()) == []


def test_what_would_be_too_deep_to_read_is_not_written(tmp_path):
    def nested(levels):
        return [nested(levels - 1)] if levels else 0

    inside = write_arrays(tmp_path / "a.safetensors", {}, nested(_files.DEPTH - 2))
    assert read_arrays(inside)[1] == nested(_files.DEPTH - 2)
    with pytest.raises(StoreError, match=r"b\.safetensors was not written: its JSON is nested deeper"):
        write_arrays(tmp_path / "b.safetensors", {}, nested(_files.DEPTH + 1))


def test_a_header_too_large_to_read_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "HEADER_BYTES", 1000)
    with pytest.raises(StoreError, match="put what is long into arrays"):
        write_arrays(tmp_path / "a.safetensors", {}, "x" * 1000)


def crafted(header, data=b"", length=None):
    raw = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tensor(dtype="F32", shape=(1,), offsets=(0, 4), **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


def with_tensors(data=b"", about=ABOUT, **tensors):
    return crafted(json.dumps({"__metadata__": {"pellucid": about}, **tensors}), data)


HOSTILE = {
    "empty": (b"", "too few"),
    "short": (b"\x01\x00\x00", "too few"),
    "absurd length": (crafted("{}", b" " * 20, 2**64 - 1), "declares a header of"),
    "length beyond the file": (crafted("{}", length=11), "declares a header of 11"),
    "no length": (crafted("", b" " * 20), "not a JSON object"),
    "a pickle": (b"\x80\x04\x95" + b"\x00" * 60, "declares a header|not a JSON object"),
    "not JSON": (crafted('{"a": '), "its JSON is broken"),
    "not UTF-8": (crafted(b'{"\xff": 1}'), "utf-8"),
    "UTF-16": (crafted("{}".encode("utf-16")), "not a JSON object"),
    "a list": (crafted("[1, 2, 3]"), "not a JSON object"),
    "too deep": (crafted('{"a":' * 5000 + "1" + "}" * 5000), "nested deeper than"),
    "far too deep": (crafted('{"a":' + "[" * 1_000_000), "nested deeper than"),
    "deep about": (with_tensors(about="[" * 300 + "]" * 300), "nested deeper than"),
    "a key twice": (crafted('{"__metadata__": {}, "w": 1, "w": 2}'), "'w' stands in it twice"),
    "a field twice": (crafted('{"w": {"dtype": "F32", "dtype": "F32"}}'), "'dtype' stands in it twice"),
    "about twice": (with_tensors(about='{"format": 1, "about": 1, "about": 2}'), "'about' stands in it twice"),
    "a number of 5,000 digits": (with_tensors(about="9" * 5000), "digits"),
    "no metadata": (crafted(json.dumps({"w": tensor()}), b"\0" * 4), "Pellucid did not write it"),
    "strange metadata": (crafted('{"__metadata__": [1]}'), "Pellucid did not write it"),
    "not ours": (crafted('{"__metadata__": {"format": "pt"}}'), "Pellucid did not write it"),
    "no text": (crafted('{"__metadata__": {"pellucid": 1}}'), "Pellucid did not write it"),
    "no format": (with_tensors(about='{"about": 1}'), "no valid format"),
    "no about": (with_tensors(about='{"format": 1}'), "no valid format"),
    "true is no format": (with_tensors(about='{"format": true, "about": 1}'), "no valid format"),
    "newer": (with_tensors(about='{"format": 2, "about": 1}'), "newer Pellucid"),
    "no entry": (with_tensors(w=3), "'w' must have dtype, shape and data_offsets"),
    "a field too many": (with_tensors(b"\0" * 4, w=tensor(code="import os")), "nothing else"),
    "unknown dtype": (with_tensors(b"\0" * 4, w=tensor("F33")), "unknown dtype 'F33'"),
    "object dtype": (with_tensors(b"\0" * 8, w=tensor("|O", offsets=(0, 8))), "unknown dtype"),
    "dtype is a list": (with_tensors(b"\0" * 4, w=tensor(["F32"])), "unknown dtype"),
    "negative shape": (with_tensors(b"\0" * 4, w=tensor(shape=(-1,))), "impossible shape"),
    "shape of truths": (with_tensors(b"\0" * 4, w=tensor(shape=(True,))), "impossible shape"),
    "shape of floats": (with_tensors(b"\0" * 4, w=tensor(shape=(1.0,))), "impossible shape"),
    "99 axes": (with_tensors(b"\0" * 4, w=tensor(shape=(1,) * 99)), "impossible shape"),
    "three offsets": (with_tensors(b"\0" * 4, w=tensor(offsets=(0, 4, 4))), "impossible shape or place"),
    "backwards": (with_tensors(b"\0" * 4, w=tensor(offsets=(4, 0))), "takes 4 bytes; its place has -4"),
    "shape beyond its bytes": (with_tensors(b"\0" * 4, w=tensor(shape=(2,))), "takes 8 bytes; its place has 4"),
    "a terabyte": (with_tensors(w=tensor(shape=(2**38,), offsets=(0, 2**40))), "cut off"),
    "nothing of absurd shape": (with_tensors(w=tensor(shape=(2**62, 2**62, 0), offsets=(0, 0))), "cannot reshape"),
    "a gap": (with_tensors(b"\0" * 8, w=tensor(offsets=(4, 8))), "a gap or an overlap"),
    "an overlap": (with_tensors(b"\0" * 4, v=tensor(), w=tensor()), "a gap or an overlap"),
    "cut off": (with_tensors(b"\0" * 3, w=tensor()), "cut off"),
    "something added": (with_tensors(b"\0" * 5, w=tensor()), "something was added"),
    "a truth of 2": (with_tensors(b"\2", w=tensor("BOOL", offsets=(0, 1))), "other bytes than 0 and 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_by_name(tmp_path, name):
    content, words = HOSTILE[name]
    path = tmp_path / "h.safetensors"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=f"h.safetensors cannot be read: .*({words})"):
        read_arrays(path)


def test_the_crafted_files_would_be_read_if_they_were_sound(tmp_path):
    path = tmp_path / "h.safetensors"
    path.write_bytes(with_tensors(struct.pack("<f", 2.5), w=tensor()))
    assert read_arrays(path) == ({"w": np.float32([2.5])}, {})


def test_every_cut_of_a_file_is_refused(tmp_path):
    whole = write_arrays(tmp_path / "a.safetensors", {"w": np.arange(3.0)}, {"a": 1}).read_bytes()
    path = tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match=r"cut\.safetensors"):
            read_arrays(path)


def test_a_changed_header_is_refused_or_read_but_never_crashes(tmp_path):
    whole = write_arrays(tmp_path / "a.safetensors", {"w": np.arange(3.0), "b": np.array(True)}, {"a": 1}).read_bytes()
    path = tmp_path / "changed.safetensors"
    draw = random.Random(0)
    refused = 0
    for _ in range(300):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] = draw.randrange(256)
        path.write_bytes(changed)
        try:
            read_arrays(path)
        except StoreError:
            refused += 1
    assert refused > 100


def test_a_file_larger_than_allowed_is_not_read(tmp_path):
    path = write_arrays(tmp_path / "a.safetensors", {"w": np.zeros(1000)}, {})
    with pytest.raises(StoreError, match=r"more than the 5,000 allowed \(max_bytes\)"):
        read_arrays(path, max_bytes=5000)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(StoreError, match="there is no such file"):
        read_arrays(tmp_path / "none.safetensors")
    with pytest.raises(StoreError, match="it is not a file"):
        read_arrays(tmp_path)
    with pytest.raises(StoreError, match="it is not a file"):
        read_arrays(os.devnull)


def test_missing_folders_are_made(tmp_path):
    assert write_text(tmp_path / "a" / "b" / "c.txt", "σ").read_text("utf-8") == "σ"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = write_text(tmp_path / "a.txt", "old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(StoreError, match=r"a\.txt could not be written \(No space left.*free some space"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(mounted):
    disk = mounted("size=256k")
    path = write_arrays(disk / "a.safetensors", {"w": np.zeros(10)}, {"n": 1})
    with pytest.raises(StoreError, match="free some space"):
        write_arrays(path, {"w": np.zeros(100_000)}, {"n": 2})
    assert read_arrays(path)[1] == {"n": 1}
    assert list(disk.iterdir()) == [path]


LIMITED = """
import resource, sys
import numpy as np
from pellucid.store import write_arrays
write_arrays(sys.argv[1], {}, {"n": 1})
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_arrays(sys.argv[1], {"w": np.zeros(10_000)}, {"n": 2})
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of files are POSIX")
def test_a_write_that_is_cut_short_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.safetensors"
    command = [sys.executable, "-c", LIMITED, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("StoreError")
    assert "free some space" in said
    assert read_arrays(path)[1] == {"n": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_read_only_folder_is_named(read_only):
    with pytest.raises(StoreError, match=r"a\.txt could not be written .* choose a folder you may write to"):
        write_text(read_only / "a.txt", "x")


def test_a_folder_in_the_way_is_named(tmp_path):
    with pytest.raises(StoreError, match="something else of that name is in the way"):
        write_text(tmp_path, "x")
    write_text(tmp_path / "a", "x")
    with pytest.raises(StoreError, match="something else of that name is in the way"):
        write_text(tmp_path / "a" / "b", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_killed_writers_left_is_swept_once_it_is_old(tmp_path):
    old, young = tmp_path / ".pellucid-old.tmp", tmp_path / ".pellucid-young.tmp"
    old.touch()
    young.touch()
    os.utime(old, (0, 0))
    write_text(tmp_path / "a.txt", "x")
    assert not old.exists()
    assert young.exists()


WRITER = """
import sys
import numpy as np
from pellucid.store import write_arrays
for n in range(int(sys.argv[2]), 10**9, 2):
    write_arrays(sys.argv[1], {"w": np.full(50_000, n), "v": np.full(3, n)}, {"n": n})
"""


def writer(path, start):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(start)])


def wait_for(path: Path, writers):
    while not path.exists():
        assert all(process.poll() is None for process in writers)
        time.sleep(0.01)


def whole(path):
    arrays, about = read_arrays(path)
    return all((array == about["n"]).all() for array in arrays.values())


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_killed_process_leaves_a_whole_file(tmp_path):
    draw = random.Random(1)
    for n in range(5):
        path = tmp_path / f"{n}.safetensors"
        with writer(path, 0) as process:
            wait_for(path, [process])
            time.sleep(draw.random() / 20)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert whole(path)


def test_readers_see_only_whole_files_while_two_processes_write_the_same_name(tmp_path):
    path = tmp_path / "a.safetensors"
    writers = [writer(path, start) for start in (0, 1)]
    try:
        wait_for(path, writers)
        seen = set()
        for _ in range(200):
            assert whole(path)
            seen.add(read_arrays(path)[1]["n"])
        assert all(process.poll() is None for process in writers)
        assert len(seen) > 1
    finally:
        for process in writers:
            process.kill()
            process.wait()
