"""Networks of others, opened: inference beside onnxruntime on the same file, and the import of a large file.

python benchmarks/interop.py [--threads 2] [--rounds 8] [--write]
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

from measuring import arguments, clocked, fresh, measure, medians, pinned, table, torch_convnet, write

BATCHES = (1, 256)
ASKED = {"convnet": 2.0, "residual convnet": 2.0, "mlp": 1.2}
LARGE = "ResNet-50, 25.6 million parameters"
IMPORT = """
import sys, time
from pathlib import Path
import pellucid as pl
from measuring import peak
pl.load(sys.argv[2])  # what is loaded and compiled once is not the file's
Path("/proc/self/clear_refs").write_text("5")
before = peak()
began = time.perf_counter()
net = pl.load(sys.argv[1])
print(time.perf_counter() - began, peak() - before, Path(sys.argv[1]).stat().st_size / 2**20)
"""


def bottleneck(n_in: int, n: int, stride: int):
    """1×1, 3×3, 1×1, and the input beside them."""
    import torch
    from torch import nn

    class Bottleneck(nn.Module):
        def __init__(self):
            super().__init__()
            self.path = nn.Sequential(
                nn.Conv2d(n_in, n, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
                nn.Conv2d(n, n, 3, stride, 1, bias=False), nn.BatchNorm2d(n), nn.ReLU(),
                nn.Conv2d(n, 4 * n, 1, bias=False), nn.BatchNorm2d(4 * n),
            )  # fmt: skip
            same = n_in == 4 * n and stride == 1
            beside = nn.Sequential(nn.Conv2d(n_in, 4 * n, 1, stride, bias=False), nn.BatchNorm2d(4 * n))
            self.beside = nn.Identity() if same else beside

        def forward(self, x):
            return torch.relu(self.path(x) + self.beside(x))

    return Bottleneck()


def resnet(blocks: tuple[int, ...], width: int, stem: list, classes: int):
    """Stages of bottlenecks, each of half the side and twice the width of the one before."""
    from torch import nn

    layers, n_in = [*stem], width
    for i, count in enumerate(blocks):
        for j in range(count):
            layers.append(bottleneck(n_in, width << i, 1 if j or not i else 2))
            n_in = 4 * (width << i)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, classes))


def resnet50():
    from torch import nn

    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return resnet((3, 4, 6, 3), 64, stem, 1000)


def networks():
    """Each network with the shape of one example."""
    from torch import nn

    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    mlp = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return {
        "mlp": (mlp, (784,)),
        "convnet": (torch_convnet(), (1, 28, 28)),
        "residual convnet": (resnet((2, 2, 2), 16, stem, 10), (3, 32, 32)),
    }


def export(module, shape: tuple[int, ...], path: Path) -> Path:
    import torch

    module.eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.randn(1, *shape),), path, input_names=["x"], output_names=["y"], dynamo=False,
            dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}}, opset_version=17,
        )  # fmt: skip
    return path


def contenders(path: Path, x, threads: int):
    """Calls from a NumPy array to a NumPy array."""
    import jax
    import numpy as np
    import onnxruntime

    import pellucid as pl

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    opened = pl.load(path)
    net = jax.jit(lambda x: opened(x))
    ours, theirs = np.asarray(net(x)), session.run(None, {"x": x})[0]
    assert np.allclose(ours, theirs, 1e-4, 1e-4), abs(ours - theirs).max()
    times = max(1, 200 // len(x))
    return {
        "pellucid": lambda: clocked(lambda: np.asarray(net(x)), times),
        "onnxruntime": lambda: clocked(lambda: session.run(None, {"x": x}), times),
    }


def inference(folder: Path, options) -> list[str]:
    import numpy as np

    lines = table(["network", "batch", "pellucid, µs", "onnxruntime, µs", "times as long", "asked"], options)
    for name, (module, shape) in networks().items():
        path = export(module, shape, folder / "net.onnx")
        for batch in BATCHES:
            x = np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)
            times = measure(contenders(path, x, options.threads), options.rounds)
            ours, theirs = (medians([[t] for t in times[who]])[0] * 1e6 for who in ("pellucid", "onnxruntime"))
            lines.append(f"| {name} | {batch} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} | {ASKED[name]} |")
            print(lines[-1], flush=True)
    return lines


def large(folder: Path) -> list[str]:
    """The import of a large file in a fresh process."""
    from torch import nn

    path = export(resnet50(), (3, 224, 224), folder / "large.onnx")
    small = export(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), (3, 8, 8), folder / "small.onnx")
    seconds, mebibytes, size = medians([fresh(IMPORT, path, small) for _ in range(3)])
    lines = table(["file", "size, MiB", "seconds", "asked", "peak memory, MiB", "times its size", "asked"])
    lines.append(f"| {LARGE} | {size:,.0f} | {seconds:.2f} | 3 | {mebibytes:,.0f} | {mebibytes / size:.2f} | 2 |")
    print(lines[-1], flush=True)
    return lines


def main() -> None:
    options = arguments(__doc__).parse_args()
    pinned(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [*large(folder), "", *inference(folder, options)]
    if options.write:
        write("Networks of others", lines)


if __name__ == "__main__":
    main()
