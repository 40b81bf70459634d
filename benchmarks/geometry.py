"""Exact geometry: every region of planar networks, boxes, slices, explanations, flips and surfaces.

    python benchmarks/geometry.py FOLDER [--threads 1] [--rounds 5] [--only plane] [--write]

FOLDER holds `geometry/` (networks 2-W-W-W-1 as arrays W1, b1, …), `verification/` (ACAS Xu networks as ONNX; to read
them, `pip install onnx`) and `images/mnist10k.npz`. The peer of the planar complex is one float64 NumPy forward pass of
the network at all vertices that were found, in the same rounds: in processor time on one thread, in wall time on more.
"""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from measuring import arguments, fresh, measure, pinned, table, write

SQUARE = [(-1.0, 1.0), (-1.0, 1.0)]
KNOWN = {"mlp_16": 851, "mlp_64": 9974, "mlp_256": 182231, "mlp_16_zerobias": 98, "mlp_64_zerobias": 352, "tent_3": 64}


def network_of(path: Path) -> Any:
    import numpy as np

    from pellucid.layers import Activation, Dense, Sequential

    data, layers = np.load(path), []
    for i in range(1, sum(name.startswith("W") for name in data) + 1):
        layers += [Dense(data[f"W{i}"].T, data[f"b{i}"]), Activation("relu")]
    return Sequential(layers[:-1])


def processor(work: Any) -> Any:
    def run() -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    return run


def wall(work: Any) -> Any:
    def run() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    return run


def plane(folder: Path, threads: int, rounds: int) -> list[str]:
    """Known networks: regions, and the time of complex, sides and boundary beside a forward pass at the vertices."""
    from pellucid.geometry import complex_of

    lines = table(
        ["network", "regions", "as known", "complex, s", "forward pass, s", "ratio", "with boundary", "residual"]
    )
    for name, known in KNOWN.items():
        net = network_of(folder / "geometry" / f"{name}.npz")
        held = complex_of(net, SQUARE, threads=threads)
        whole = [
            lambda net=net: complex_of(net, SQUARE, threads=threads).sides,
            lambda held=held: held.flat(held.xy),
            lambda net=net: [(c := complex_of(net, SQUARE, threads=threads)).sides, c.boundary()],
        ]
        clock = processor if threads == 1 else wall
        times = measure(dict(zip(("complex", "forward", "boundary"), map(clock, whole), strict=True)), rounds)
        a, b, c = (statistics.median(times[k]) for k in ("complex", "forward", "boundary"))
        ratio = statistics.median(x / y for x, y in zip(times["complex"], times["forward"], strict=True))
        more = statistics.median(x / y for x, y in zip(times["boundary"], times["forward"], strict=True))
        lines.append(
            f"| {name} | {held.count:,} | {'yes' if held.count == known else 'NO'} | {a:.4f} | {b:.4f} | {ratio:.2f}× |"
            f" {c:.4f}, {more:.2f}× | {held.residual:.0e} |"
        )
        print(lines[-1], flush=True)
    return lines


PEAK = """
import sys
from pathlib import Path
from measuring import peak, pinned
pinned(int(sys.argv[1]))
from geometry import SQUARE, network_of
from pellucid.geometry import complex_of
net = network_of(Path(sys.argv[2]))
complex_of(network_of(Path(sys.argv[3])), SQUARE).boundary()
before = peak()
found = complex_of(net, SQUARE, threads=int(sys.argv[1]))
found.sides, found.boundary()
print(before, peak())
"""


def memory(folder: Path, threads: int) -> list[str]:
    places = [folder / "geometry" / f"{name}.npz" for name in ("mlp_256", "mlp_16")]
    before, peak = fresh(PEAK, threads, *(place.resolve() for place in places))
    more = f"{peak - before:,.0f} beyond importing"
    return [f"- Memory of mlp_256 with its boundary: peak of the process {peak:,.0f} MiB, {more} (asked: at most 600)."]


def growth(folder: Path, threads: int, rounds: int) -> list[str]:
    """Time and memory of the record against regions, networks 2-W-W-W-1 in He's scale."""
    import jax
    import numpy as np

    import pellucid as pl
    from pellucid.geometry import complex_of

    lines = table(["width", "regions", "seconds", "regions a second", "record, MiB"])
    counts, seconds = [], []
    for width in (8, 16, 32, 64, 128, 256):
        net = pl.mlp([2, width, width, width, 1], key=width)
        net = jax.tree.map(lambda a: a + 0.1 * np.random.default_rng(0).normal(size=a.shape) * (a.ndim == 1), net)
        found = complex_of(net, SQUARE, threads=threads)
        taken = statistics.median(
            processor(lambda net=net: complex_of(net, SQUARE, threads=threads))() for _ in range(rounds)
        )
        counts.append(found.count)
        seconds.append(taken)
        mesh = found.mesh
        size = sum(a.nbytes for a in [*vars(mesh).values(), *mesh.above, *mesh.parents] if isinstance(a, np.ndarray))
        lines.append(f"| {width} | {found.count:,} | {taken:.4f} | {found.count / taken:,.0f} | {size / 2**20:.1f} |")
        print(lines[-1], flush=True)
    exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
    return [*lines, "", f"- Processor time grows as regions^{exponent:.2f}."]


def box(folder: Path, threads: int, rounds: int) -> list[str]:
    """All regions of ACAS Xu 1_1 around the middle of its normalized inputs."""
    from pellucid.geometry import enumerate_regions

    net = acas(next((folder / "verification").glob("*1_1*.onnx")))
    lines = table(["radius", "regions", "asked", "processor s", "regions a second"])
    for part, known in ((128, 103), (64, 587), (32, 3070)):
        side = [(-1 / part, 1 / part)] * 5
        found = enumerate_regions(net, side, threads=threads)
        taken = statistics.median(
            processor(lambda side=side: enumerate_regions(net, side, threads=threads))() for _ in range(rounds)
        )
        lines.append(f"| 1/{part} | {found.count:,} | {known:,} | {taken:.3f} | {found.count / taken:,.0f} |")
        print(lines[-1], flush=True)
    return lines


def acas(path: Path) -> Any:
    """An ONNX file of Sub, MatMul, Add and Relu nodes as layers; the rest of ONNX is not read here."""
    import numpy as np
    import onnx
    from onnx import numpy_helper

    from pellucid.layers import Activation, Dense, Sequential

    graph = onnx.load(path).graph
    held = {a.name: numpy_helper.to_array(a).astype(float) for a in graph.initializer}
    layers, weight = [], None
    for node in graph.node:
        array = next((held[name] for name in node.input if name in held), None)
        match node.op_type:
            case "MatMul":
                weight = array
            case "Add" if weight is not None:
                layers.append(Dense(weight, np.ravel(array)))
            case "Relu":
                layers.append(Activation("relu"))
    return Sequential(layers)


def digits_network(sizes: list[int]) -> tuple[Any, Any]:
    import numpy as np
    from sklearn.datasets import load_digits

    import pellucid as pl

    x, y = load_digits(return_X_y=True)
    x = np.float32(x / 16)
    run = pl.fit(sizes, (x[:1400], y[:1400]), epochs=20, validation=None, progress=False)
    return run.net, x[1400:]


def answers(folder: Path, threads: int, rounds: int) -> list[str]:
    """One answer: its region with all facets, and the nearest flip."""
    from pellucid.geometry import explain, nearest_flip

    lines = table(["what", "median", "largest", "of"])
    net, x = digits_network([128, 128])
    times = [wall(lambda row=row: explain(net, row))() for row in x[:50]]
    boxed = [wall(lambda row=row: explain(net, row, box=[(0, 1)] * 64))() for row in x[:50]]
    for what, found in (("explain, 64-128-128-10", times[5:]), ("the same within the data's box", boxed[5:])):
        lines.append(
            f"| {what} | {statistics.median(found) * 1e3:.1f} ms | {max(found) * 1e3:.1f} ms | {len(found)} rows |"
        )
        print(lines[-1], flush=True)
    net, x = digits_network([32, 32])
    nearest_flip(net, x[0], norm=2, seconds=10)
    for norm in (2, float("inf")):
        found, exact = [], 0
        for row in x[1:21]:
            began = time.perf_counter()
            exact += nearest_flip(net, row, norm=norm, seconds=30).status == "exact"
            found.append(time.perf_counter() - began)
        lines.append(
            f"| nearest flip, 64-32-32-10, norm {norm} | {statistics.median(found):.2f} s | {max(found):.2f} s |"
            f" {exact} of {len(found)} rows exactly |"
        )
        print(lines[-1], flush=True)
    return lines


def surface(folder: Path, threads: int, rounds: int) -> list[str]:
    """The level set of a network fitted to the signed distance of a torus."""
    import numpy as np

    import pellucid as pl
    from pellucid.geometry import surface_of

    x = np.float32(np.random.default_rng(0).uniform(-1, 1, (20_000, 3)))
    y = np.hypot(np.hypot(x[:, 0], x[:, 1]) - 0.6, x[:, 2]) - 0.25
    run = pl.fit(
        pl.mlp([3, 64, 64, 64, 1], key=0), (x, y), loss="squared_error", epochs=10, validation=None, progress=False
    )
    side = [(-1.0, 1.0)] * 3
    found = surface_of(run.net, side)
    taken = statistics.median(wall(lambda: surface_of(run.net, side))() for _ in range(rounds))
    lines = table(["network", "polygons", "watertight", "residual", "seconds"])
    lines.append(
        f"| 3-64-64-64-1, a torus | {found.count:,} | {found.watertight} | {found.residual:.0e} | {taken:.2f} |"
    )
    print(lines[-1], flush=True)
    return lines


def slices(folder: Path, threads: int, rounds: int) -> list[str]:
    """The plane through three real digits, a trained convnet with max pooling: parts of it, and all that they span.

    Of what takes longer than a minute the row says how far it came.
    """
    import numpy as np

    import pellucid as pl

    data = np.load(folder / "images" / "mnist10k.npz")
    x, y = np.float32(data["x"][..., None] / 255), data["y"]
    run = pl.fit([64, 64], (x[:8000], y[:8000]), epochs=2, validation=None, progress=False)
    lines = table(
        ["where", "kinks", "regions", "after each bend", "exact decisions", "wall s", "processor s", "peak, MiB"]
    )
    middle = (5.284, 2.4)
    sides = {side: [(m - side / 2, m + side / 2) for m in middle] for side in (0.02, 0.05, 0.5, 1.0, 2.0)}
    cases = [(f"a square of side {side} between three digits", x[:3], {"box": box}) for side, box in sides.items()]
    cases.append(("all between three ones near each other", x[near(x, y, 1)], {"margin": 0.0}))
    cases.append(("all between three ones near each other, and a quarter around", x[near(x, y, 1)], {}))
    cases.append(("all between three digits, and a quarter around", x[:3], {}))
    for name, points, options in cases:
        lines.append(f"| {name} | {sliced(run.net, points, options, threads)} |")
        print(lines[-1], flush=True)
    return lines


def near(x: Any, y: Any, digit: int) -> Any:
    """The first picture of a digit, and the two of it that are nearest to that."""
    import numpy as np

    rows = np.flatnonzero(y == digit)
    apart = ((x[rows] - x[rows[0]]) ** 2).sum((1, 2, 3))
    return rows[np.argsort(apart)[:3]]


class Enough(Exception):
    pass


def sliced(net: Any, points: Any, options: Any, threads: int, seconds: float = 60) -> str:
    """A slice with its time and memory; how far it came, where it takes more than these seconds."""
    from unittest.mock import patch

    from measuring import peak

    from pellucid.geometry import _complex, slice_of

    began, spent, far = time.perf_counter(), time.process_time(), (0, 0)

    def report(done: int, of: int, faces: int) -> None:
        nonlocal far
        far = done, faces
        if time.perf_counter() - began > seconds:
            raise Enough

    @contextmanager
    def telling(*_: Any) -> Any:
        yield report

    try:
        with patch.object(_complex, "telling", telling):
            found = slice_of(net, points, threads=threads, limit=10**9, **options)
        after = " · ".join(f"{n:,}" for n in found.counts)
        told = [f"{found.kinks:,}", f"{found.count:,}", after, f"{found.exact:,}"]
    except Enough:
        told = ["", f"{far[1]:,}", f"{far[0]} % of the area", ""]
    taken = f"{time.perf_counter() - began:.1f}", f"{time.process_time() - spent:.1f}"
    return " | ".join([*told, *taken, f"{peak():,.0f}"])


PARTS = {"plane": plane, "growth": growth, "box": box, "answers": answers, "surface": surface, "slices": slices}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="one of: " + ", ".join(PARTS))
    options = parser.parse_args()
    pinned(options.threads)
    found = [f"### {options.threads} thread{'s' * (options.threads > 1)}, {options.rounds} rounds", ""]
    for name, part in PARTS.items():
        if options.only in ("", name):
            found += [*part(options.folder, options.threads, options.rounds), ""]
    if options.only in ("", "plane"):
        found += memory(options.folder, options.threads)
        print(found[-1])
    if options.write:
        write("Geometry", found)


if __name__ == "__main__":
    main()
