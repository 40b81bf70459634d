"""The command line. Nothing but click is loaded before a command is called: `pellucid --help` is quick."""

from __future__ import annotations

import os

import click

from . import __version__
from ._commands import _ask, _certify, _diff, _doctor, _export, _geometry, _lab, _runs, _train
from ._commands._command import command, epilog

EXAMPLES = (
    "pellucid demo",
    "pellucid fit iris",
    "pellucid fit data.csv --target price",
    "pellucid blame last --row 12",
    "pellucid doctor last",
)


@click.group(epilog=epilog(*EXAMPLES), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Neural networks you can see through: train one on a table, and ask it how.

    Exit codes: 0 good; 1 the answer is "no", or something was found; 2 it could not be done.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


command(main, "pellucid demo", "pellucid demo --out /tmp/demo")(_train.demo)
command(
    main,
    "pellucid fit iris",
    "pellucid fit data.csv --target price --hidden 32,32 --epochs 50 --early-stop 5",
    "pellucid fit digits --learning-rate find --optimizer adamw --schedule cosine",
    "pellucid fit photos --size 64 --augment shift,flip",
    "pellucid fit data.csv --target price --resume last",
)(_train.fit)
command(
    main,
    "pellucid predict last new.csv",
    "pellucid predict last new.csv --out answers.csv",
    "pellucid predict last iris --json",
    "pellucid predict last photo.jpg",
)(_ask.predict)
command(main, "pellucid evaluate last", "pellucid evaluate last new.csv --json")(_ask.evaluate)
command(main, "pellucid blame last --row 12", "pellucid blame last --row 0 --parameter layers[0].weight")(_ask.blame)
command(main, "pellucid summary last", "pellucid summary model.safetensors --shape 1,64")(_ask.summary)
command(main, "pellucid neuron last layers[0] 3", "pellucid neuron last layers[0] 3 --out unit.png")(_ask.neuron)
command(
    main,
    "pellucid regions last",
    "pellucid regions last --out regions.html",
    "pellucid regions last --rows 3,70,120 --kind slope --out slice.png",
    "pellucid regions net.safetensors --box=-1,1,-1,1 --out regions.json",
)(_geometry.regions)
command(main, "pellucid explain last --row 12", "pellucid explain last --row 0 --data new.csv --out why.png --json")(
    _geometry.explain
)
command(
    main,
    "pellucid doctor last",
    "pellucid doctor last --prescribe --page doctor.html",
    "pellucid doctor net.safetensors --data houses.csv --target price --loss squared_error",
    "pellucid doctor --rules",
)(_doctor.doctor)
command(
    main,
    "pellucid certify last",
    "pellucid certify last --monotone all --out trends.html",
    "pellucid certify last --monotone age,bmi --direction rising",
    "pellucid certify last --robust 0.05 --norm 2",
    "pellucid certify acas.onnx --property prop_1.vnnlib --out prop_1.certificate",
    "pellucid certify acas.onnx --recheck prop_1.certificate",
)(_certify.certify)
command(
    main,
    "pellucid export last -o iris.onnx",
    "pellucid export last -o iris.onnx --answers --opset 20",
    "pellucid export net.safetensors -o net.onnx --shape 1,28,28,1",
)(_export.export)
command(
    main,
    "pellucid diff last 20260131-142501-iris-a1b2",
    "pellucid diff before.safetensors after.safetensors --data new.npz --json",
    "pellucid diff before.onnx after.onnx --out diff.html",
)(_diff.diff)
command(
    main,
    "pellucid lab",
    "pellucid lab C6 C8 --page lab.html --lang zh",
    "pellucid lab C4 --data iris",
    "pellucid lab C6 --fault factor-kept",
)(_lab.lab)
command(main, "pellucid report last", "pellucid report last --out story.html")(_ask.report)
command(main, "pellucid runs", "pellucid runs --limit 5 --json")(_runs.runs)
command(main, "pellucid show last", "pellucid show runs/20260131-142501-iris-a1b2")(_runs.show)
