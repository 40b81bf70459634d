"""What is proven, how tightly and how fast: bounds, ACAS Xu, monotone features, rows that keep their answer.

    python benchmarks/certify.py [DATA] [--peer PYTHON] [--rounds 8] [--write]

Bounds of 1,000 boxes of half-width 0.02 on a 64-128-128-10 network, with optimized slopes of 50. PYTHON is an
interpreter in which auto_LiRPA is installed (0.3, on PyTorch 2.2): it bounds the same boxes in the same rounds. DATA is
a folder with the ACAS Xu networks, properties and verdicts of VNN-COMP 2021 in `verification`. The features of diabetes
are asked of a 64-64 network, the rows of digits, pixels in [0, 1], of a plain 32-32 network.
"""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from measuring import NAMED, arguments, measure, pinned, table, write

SIZES, HALF = (64, 128, 128, 10), 0.02
METHODS = {"interval": "IBP", "crown": "CROWN", "alpha": "CROWN-Optimized"}  # ours, and auto_LiRPA's
BOXES = {"interval": 1000, "crown": 1000, "alpha": 50}
LIMIT = 116.0  # seconds of VNN-COMP 2021
EASY = 10.0  # published seconds up to which an instance is to take no longer here

PEER = """
import json, sys, time
import numpy as np, torch, torch.onnx.utils
import torch.onnx.symbolic_helper as helper
from torch.onnx._globals import GLOBALS
# auto_LiRPA 0.3 wants these two of PyTorch 1.12; a later one has them elsewhere.
helper._set_opset_version = lambda version: setattr(GLOBALS, "export_onnx_opset_version", version)
torch._C.Node.__getitem__ = lambda node, name: getattr(node, node.kindOf(name))(name)
from auto_LiRPA import BoundedModule, BoundedTensor
from auto_LiRPA.perturbations import PerturbationLpNorm
torch.set_num_threads(int(sys.argv[2]))
given = np.load(sys.argv[1])
layers = []
for i in range(int(given["layers"])):
    layer = torch.nn.Linear(*given[f"w{i}"].shape)
    layer.weight.data, layer.bias.data = torch.tensor(given[f"w{i}"].T), torch.tensor(given[f"b{i}"])
    layers += [layer, torch.nn.ReLU()]
net = torch.nn.Sequential(*layers[:-1])
lows, highs = torch.tensor(given["low"]), torch.tensor(given["high"])
models = {}
for line in sys.stdin:
    method, count = line.split()
    low, high = lows[: int(count)], highs[: int(count)]
    x = BoundedTensor((low + high) / 2, PerturbationLpNorm(norm=np.inf, x_L=low, x_U=high))
    if line not in models:
        models[line] = BoundedModule(net, torch.zeros_like(low))
    began = time.perf_counter()
    below, above = models[line].compute_bounds(x=(x,), method=method)
    seconds = time.perf_counter() - began
    print(json.dumps([seconds, float((above - below).mean())]), flush=True)
"""


class Peer:
    """auto_LiRPA in a process of its own, which holds the same network and boxes."""

    def __init__(self, python: str, place: str, threads: int):
        command = [python, "-W", "ignore", "-c", PEER, place, str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, method: str, count: int) -> list[float]:
        """Seconds, and the mean width of the bounds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{method} {count}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def network():
    """The network, and its weights and biases."""
    import numpy as np

    from pellucid.layers import Activation, Dense, Sequential

    rng, layers, arrays = np.random.default_rng(0), [], {}
    for i, (n, m) in enumerate(pairwise(SIZES)):
        weight = np.float32(rng.normal(size=(n, m)) * np.sqrt(2 / n))
        bias = np.float32(0.1 * rng.normal(size=m))
        layers += [Dense(weight, bias), Activation("relu")]
        arrays |= {f"w{i}": weight, f"b{i}": bias}
    return Sequential(layers[:-1]), arrays | {"layers": np.int64(len(SIZES) - 1)}


def bounds_beside(options) -> list[str]:
    """Seconds and widths of every method, ours and the peer's, in interleaved rounds."""
    import numpy as np

    from pellucid import certify

    net, arrays = network()
    centre = np.random.default_rng(1).uniform(0, 1, (max(BOXES.values()), SIZES[0])).astype(np.float32)
    low, high = centre - np.float32(HALF), centre + np.float32(HALF)
    box = np.stack([low, high], -1).astype(float)
    widths = {}

    def ours(method):
        def run():
            found = certify.bounds(net, box[: BOXES[method]], method=method)
            widths[f"{NAMED} {method}"] = float((found.high - found.low).mean())
            return found.seconds

        return run

    contenders = {f"{NAMED} {method}": ours(method) for method in METHODS}
    with tempfile.TemporaryDirectory() as folder:
        if options.peer:
            np.savez(f"{folder}/given.npz", low=low, high=high, **arrays)
            peer = Peer(options.peer, f"{folder}/given.npz", options.threads)

            def theirs(method):
                def run():
                    name = f"auto_LiRPA {METHODS[method]}"
                    seconds, widths[name] = peer(METHODS[method], BOXES[method])
                    return seconds

                return run

            contenders |= {f"auto_LiRPA {METHODS[method]}": theirs(method) for method in METHODS}
        times = measure(contenders, options.rounds)
        if options.peer:
            peer.process.kill()
    counts = {name: BOXES[method] for method, peer in METHODS.items() for name in (method, peer)}
    lines = table(["bounds", "boxes", "ms", "mean width", "asked"], options)
    for name, seconds in times.items():
        count, asked = counts[name.split()[1]], "≤ 50 ms" if name == f"{NAMED} crown" else ""
        milliseconds = 1e3 * statistics.median(seconds)
        lines.append(f"| {name} | {count:,} | {milliseconds:,.1f} | {widths[name]:.4f} | {asked} |")
        print(lines[-1], flush=True)
    exact = {m: certify.bounds(net, box[: BOXES[m]], method=m, arithmetic="real") for m in ("crown", "alpha")}
    said = ", ".join(f"{m} {float((found.high - found.low).mean()):.4f}" for m, found in exact.items())
    return [*lines, "", f"Ours hold for every float32 run too; in exact arithmetic alone the mean widths are {said}."]


def acas(folder: Path) -> list[str]:
    """Every instance: the verdict, whether it is right, our seconds, and the least and the most that were published."""
    import pellucid as pl

    lines = table(["ACAS Xu", "verdict", "right", "parts", "seconds", "published", "verified again"])
    for row in csv.DictReader((folder / "verdicts.csv").open()):
        net = pl.load(next(folder.glob(f"ACASXU_run2a_{row['net']}_*.onnx")))
        began = time.perf_counter()
        found = pl.certify.property(net, folder / f"prop_{row['prop']}.vnnlib", seconds=LIMIT, progress=False)
        seconds = time.perf_counter() - began
        right = found.verdict == ("proven" if "unsat" in row["verdict"] else "counterexample")
        times = row["vnncomp2021_times_incl_overhead"].split()
        published = sorted(float(part.split(":")[2][:-1]) for part in times)
        again = ""
        if found.proof is not None:
            checked = pl.certify.recheck(found, net)
            again = f"{'yes' if checked.holds else 'NO'}, {checked.seconds:.1f} s"
        lines.append(
            f"| {row['net']}, property {row['prop']} | {found.verdict} | {'yes' if right else 'NO'} | "
            f"{found.boxes:,} | {seconds:.1f} | {published[0]:g} to {published[-1]:g} | {again} |"
        )
        print(lines[-1], flush=True)
    return [
        *lines,
        "",
        f"Asked: all right, each within {LIMIT:g} s, those published with up to {EASY:g} s within that.",
    ]


def diabetes() -> str:
    """Which way a 64-64 network goes with each feature, over the range of the data."""
    import pellucid as pl

    run = pl.fit([64, 64], "diabetes", epochs=100, seed=0, runs=None, progress=False)
    began = time.perf_counter()
    found = pl.certify.monotone(run, seconds=60, progress=False)
    seconds = time.perf_counter() - began
    answers = ", ".join(f"{t.feature} {t.answer}" for t in found.trends)
    return f"- Diabetes, all features of a 64-64 network: {answers}; {seconds:.1f} s (asked: all decided within 60 s)."


def monotone_by_design() -> str:
    """Monotone layers on the same data, all features given a direction: the fit beside a free one, and the proof."""
    import pellucid as pl

    signs = {"bmi": 1, "bp": 1, "s5": 1, "s3": -1}
    scores = []
    for seed in range(5):
        for given in ({}, {"monotone": signs}):
            run = pl.fit([32, 32], "diabetes", epochs=60, seed=seed, runs=None, progress=False, **given)
            scores.append(run.evaluate().metrics["r2"])
    began = time.perf_counter()
    found = pl.certify.monotone(run, list(signs), seconds=60, progress=False)
    seconds = time.perf_counter() - began
    proven = all(t.answer == ("rising" if signs[t.feature] > 0 else "falling") for t in found.trends)
    free, held = statistics.median(scores[::2]), statistics.median(scores[1::2])
    return (
        f"- Diabetes with four features held to a direction: r² {held:.3f} on rows held out, free {free:.3f} (medians "
        f"of 5 seeds); all four {'proven' if proven else 'NOT proven'} in {seconds:.1f} s."
    )


def digits() -> str:
    """Certified accuracy of a plain 32-32 network on digits, and how many rows are decided within a second each."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    import pellucid as pl

    x, y = load_digits(return_X_y=True)
    x = np.float32(x / 16)
    learned, held, y_learned, y_held = train_test_split(x, y, test_size=0.25, random_state=0)
    run = pl.fit(pl.mlp([64, 32, 32, 10], key=0), (learned, y_learned), epochs=60, validation=None, runs=None,
                 loss="cross_entropy", progress=False)  # fmt: skip
    found = pl.certify.robust(run.net, held, 0.02, labels=y_held, within=(0, 1), seconds=1.0, progress=False)
    decided = sum(verdict != "unknown" for verdict in found.verdicts) / len(found.verdicts)
    clean = float((run.net(held).argmax(1) == y_held).mean())
    return (
        f"- Digits at L∞ 0.02, a plain 32-32 network: {clean:.1%} right, {found.share:.1%} certified, "
        f"{found.refuted:.1%} refuted; {decided:.1%} of {len(held)} rows decided within 1 s each (asked: 99 %), the "
        f"slowest {found.slowest:.2f} s, all of them {found.seconds:.1f} s."
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("data", nargs="?", type=Path, help="a folder with the ACAS Xu files in `verification`")
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter in which auto_LiRPA is installed")
    options = parser.parse_args()
    pinned(options.threads)
    lines = bounds_beside(options)
    if options.data:
        lines += ["", *acas(options.data / "verification")]
    for part in (diabetes, monotone_by_design, digits):
        lines += [*([""] if part is diabetes else []), part()]
        print(lines[-1], flush=True)
    if options.write:
        write("Certificates", lines)


if __name__ == "__main__":
    main()
