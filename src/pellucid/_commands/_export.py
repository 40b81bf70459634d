"""The command that writes a network for other programs: `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..errors import SettingError
from ._command import Answer, runs_option

OPEN = "?"


@click.argument("run", metavar="RUN|MODEL")
@click.option("--out", "-o", type=Path, required=True, metavar="FILE", help="Where to write it: an .onnx file.")
@click.option("--opset", type=int, default=18, show_default=True, help="The version of the operators of ONNX.")
@click.option("--answers", is_flag=True, help="Give names of classes and probabilities, or numbers in their own unit.")
@click.option("--bare", is_flag=True, help="Without the preprocessing: the inputs are those of the network itself.")
@click.option(
    "--shape",
    metavar="N,N",
    help=f"The shape of a network's input, such as 1,28,28,1, with {OPEN} where an axis may be of any length.",
)
@runs_option
def export(run: str, out: Path, opset: int, answers: bool, bare: bool, shape: str | None, root: str) -> Answer:
    """Write RUN, or a network in a file, as ONNX.

    A run is written with its preprocessing: an input for each column of the table it was trained on.
    """
    from .._api import load, locate
    from ..interop._onnx_out import to_onnx, write_file
    from ..report.words import table

    held = load(locate(run, root))
    given = None if shape is None else shape_of(shape)
    model = to_onnx(held, x=given, opset=opset, answers=answers, preprocessing=not bare)
    place = write_file(out, model)
    sides = {"takes": model.graph.input, "gives": model.graph.output}
    ports = [{"side": side, **port_of(port)} for side, held in sides.items() for port in held]
    rows = [[port["side"], port["name"], port["type"], f"({', '.join(map(str, port['shape']))})"] for port in ports]
    drawn = table(["", "name", "type", "shape"], rows)
    return Answer(f"{drawn}\n\nmodel  {place} (opset {opset})", {"model": place, "opset": opset, "ports": ports})


def shape_of(text: str) -> tuple[int | None, ...]:
    """Raises: SettingError where it is none."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part == OPEN or part.isdecimal() for part in parts):
        raise SettingError(f"--shape wants whole numbers, or {OPEN}, with commas between them; got {text!r}.")
    return tuple(None if part == OPEN else int(part) for part in parts)


def port_of(port: Any) -> dict[str, Any]:
    """An input or output: its name, type, and shape with the names of axes that may be of any length."""
    from onnx import TensorProto

    kind = port.type.tensor_type
    sizes = [n.dim_value if n.HasField("dim_value") else n.dim_param or OPEN for n in kind.shape.dim]
    return {"name": port.name, "type": TensorProto.DataType.Name(kind.elem_type).lower(), "shape": sizes}
