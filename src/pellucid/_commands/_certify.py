"""The command that proves what a network can and cannot do: `certify`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SettingError
from ._ask import PICTURES
from ._command import FOUND, GOOD, Answer, runs_option
from ._geometry import draw, kind_of_file, network_and_rows, opened

if TYPE_CHECKING:
    import numpy as np

    from ..certify import OutputRange
    from ..module import Layer
    from ..train import Run

CERTIFICATE, ALL = ".certificate", "all"
NORMS = {"1": 1.0, "2": 2.0, "inf": float("inf")}
FOR_ALL = 20.0  # seconds
RADIUS = 0.1  # of the question that a network of several classes is asked by default
KEPT = "property", "equivalent"  # the questions whose one certificate can be kept


@click.argument("run", metavar="RUN|FILE")
@click.option("--monotone", metavar="all|NAMES", help="Does the answer rise or fall with each feature, or these?")
@click.option("--direction", type=click.Choice(["rising", "falling"]), help="With --monotone: this way only.")
@click.option("--robust", type=float, metavar="RADIUS", help="Does every input so near to a row get the row's answer?")
@click.option("--range", is_flag=True, help="What can the outputs be?")
@click.option("--lipschitz", is_flag=True, help="How steep can the output be?")
@click.option("--property", metavar="FILE", help="Does no input meet the assertions of a VNN-LIB file?")
@click.option("--equivalent", metavar="RUN|FILE", help="Does this other network give the same?")
@click.option("--tolerance", type=float, default=1e-3, show_default=True, help="With --equivalent: how nearly.")
@click.option("--recheck", metavar="FILE", help="Verify a .certificate of this network again.")
@click.option("--data", metavar="FILE", help="The rows, whose range is the box: another file than that of RUN.")
@click.option(
    "--box", metavar="LOW,HIGH", help="The range of every input, or of each in turn, in the network's own units."
)
@click.option("--output", metavar="NAME", help="Which output, by its name or number.")
@click.option("--norm", type=click.Choice(list(NORMS)), default="inf", show_default=True, help="Of distances.")
@click.option("--rows", type=int, default=100, show_default=True, help="With --robust: at most so many rows.")
@click.option("--seconds", type=float, help=f"For the question, {FOR_ALL:g} by default; of --robust for each row.")
@click.option("--out", type=Path, metavar="FILE", help=f"Draw it: {', '.join(PICTURES)}, .html; or a {CERTIFICATE}.")
@runs_option
def certify(run: str, root: str, **given: Any) -> Answer:
    """What can RUN do, and what never? Proven, or refuted by an input, or said to be unknown.

    One question at a time. By default whether the answer rises or falls with each feature, over the range of the data;
    of several classes, how many rows keep their answer within a tenth of a standard deviation. "Proven" holds for every
    input of the box, rounding counted. FILE is a network saved by pl.save, or an .onnx file; it wants --data or --box,
    in the numbers it takes. The exit code is 1 where what was asked is refuted or unknown.
    """
    asked = [name for name in (*ASK, "recheck") if given[name] not in (None, False)]
    if len(asked) > 1:
        raise SettingError(f"One question at a time: of {', '.join(f'--{name}' for name in asked)} give one.")
    suffix = kind_of_file(given["out"], (*PICTURES, ".html", CERTIFICATE))
    if suffix == CERTIFICATE and not set(asked) & set(KEPT):
        raise SettingError(f"A {CERTIFICATE} is kept of --property and --equivalent; other answers hold several.")
    if asked == ["recheck"]:
        return checked_again(opened(run, root), given["recheck"])
    net, x = network_and_rows(run, root, given["data"]) if asked != ["property"] else (opened(run, root), None)
    question = Question(net, x, root, given)
    several = question.classes is not None and len(question.classes) > 2 and not given["output"]
    found, good = ASK[asked[0] if asked else "robust" if several else "monotone"](question)
    return told(found, good, given["out"], suffix)


class Question:
    """A network, the rows that come with it, and what was typed."""

    def __init__(self, net: Layer | Run, x: Any, root: str, given: dict[str, Any]):
        self.net, self.layer, self.x, self.root, self.given = net, alone(net), x, root, given

    @property
    def run(self) -> Run | None:
        """The run, where it is not a network alone."""
        from ..train import Run

        return self.net if isinstance(self.net, Run) else None

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Those a run tells apart, none where its answers are numbers; None for a network alone."""
        return self.run.preprocess.target.classes if self.run else None

    @property
    def seconds(self) -> float:
        """The time there is."""
        return FOR_ALL if self.given["seconds"] is None else self.given["seconds"]

    @property
    def output(self) -> Any:
        name = self.given["output"]
        return int(name) if name and name.isdigit() else name

    @property
    def box(self) -> Any:
        """The box that was typed: a pair for each input; None where there is none.

        Raises: SettingError where it is not of numbers, or not of as many as there are inputs.
        """
        text = self.given["box"]
        if text is None:
            return None
        from ..geometry import lowered

        try:
            ends = [float(part) for part in text.split(",")]
        except ValueError:
            ends = []
        n = lowered(self.layer, curves=True).n_in
        if len(ends) not in (2, 2 * n):
            raise SettingError(
                f"--box wants two numbers for all inputs, or two for each of the {n}, as in --box=-1,1; got {text!r}."
            )
        pairs = list(zip(ends[::2], ends[1::2], strict=True))
        return pairs * n if len(pairs) == 1 else pairs

    @property
    def space(self) -> Any:
        """The box that was typed, or else the range of the rows, in the numbers that the network takes.

        Raises: SettingError where there is neither.
        """
        import numpy as np

        if self.given["box"] is not None:
            return self.box
        low, high, _ = self.ranged()
        return np.stack([low.reshape(-1), high.reshape(-1)], 1)

    def ranged(self) -> tuple[Any, Any, np.ndarray]:
        from ..certify._monotone_ask import ranged

        low, high, rows = ranged(self.net, self.x)
        if low is None:
            raise SettingError("Nothing says where the inputs lie: give --data FILE, or --box=LOW,HIGH.")
        return low, high, rows

    @property
    def held_out(self) -> np.ndarray:
        """The rows that are asked about: those held out from training where there are some."""
        import numpy as np

        from ..train import unit

        most = max(self.given["rows"], 1)
        held = self.run.data.validation if self.run and self.run.data else None
        return np.asarray(unit(held.x))[:most] if held is not None and self.x is None else self.ranged()[2][:most]


def alone(net: Any) -> Layer:
    """The network of a run, or the network itself."""
    return getattr(net, "net", net)


def monotone(q: Question) -> tuple[Any, bool]:
    from ..certify import monotone

    names: Any = q.given["monotone"]
    if q.classes and len(q.classes) > 2 and q.output is None:
        named = ", ".join(map(str, q.classes))
        raise SettingError(f"Say the probability of which class with --output, one of {named}.")
    names = None if names in (None, ALL) else [name.strip() for name in names.split(",")]
    found = monotone(q.net, names, q.given["direction"], q.box, q.x, output=q.output, seconds=q.seconds)
    wanted = q.given["direction"]
    return found, all(t.answer in (wanted, "constant") if wanted else t.answer != "unknown" for t in found.trends)


def robust(q: Question) -> tuple[Any, bool]:
    from ..certify import robust

    if q.classes == ():
        raise SettingError("--robust is of classes, and the answers of this run are numbers: ask for its --range.")
    radius = RADIUS if q.given["robust"] is None else q.given["robust"]
    found = robust(q.layer, q.held_out, radius, NORMS[q.given["norm"]], seconds=q.seconds)
    return found, found.share == 1.0


def ranges(q: Question) -> tuple[Any, bool]:
    from ..certify import output_range

    found = output_range(q.layer, q.space, seconds=q.seconds)
    return (in_own_units(found, q.run) if q.run else found), True


def in_own_units(found: OutputRange, run: Run) -> OutputRange:
    """The range in the units of the target, rounded outward; a proof is of the network's own."""
    from dataclasses import replace

    import numpy as np

    from ..geometry._given import outputs_of

    names, gain, shift = outputs_of(run, len(found.low))
    ends = {name: getattr(found, name) * gain + shift for name in ("low", "lowest", "highest", "high")}
    slack = 4 * np.finfo(float).eps * (abs(found.low * gain) + abs(found.high * gain) + abs(shift))
    ends |= {"low": ends["low"] - slack, "high": ends["high"] + slack, "proof": None}
    return replace(found, **ends, names=tuple(names))


def steepness(q: Question) -> tuple[Any, bool]:
    from ..certify import lipschitz

    return lipschitz(q.net, q.box, NORMS[q.given["norm"]], data=q.x, output=q.output, seconds=q.seconds), True


def asserted(q: Question) -> tuple[Any, bool]:
    from ..certify import property

    found = property(q.layer, q.given["property"], seconds=q.seconds)
    return found, found.holds


def same(q: Question) -> tuple[Any, bool]:
    from ..certify import equivalent

    other = alone(opened(q.given["equivalent"], q.root))
    found = equivalent(q.layer, other, q.space, q.given["tolerance"], seconds=q.seconds)
    return found, found.holds


ASK: dict[str, Callable[[Question], tuple[Any, bool]]] = {
    "monotone": monotone, "robust": robust, "range": ranges, "lipschitz": steepness, "property": asserted,
    "equivalent": same,
}  # fmt: skip


def told(found: Any, good: bool, out: Path | None, suffix: str) -> Answer:
    """The answer in words, and where it was written."""
    from ..certify import save
    from ..report import text

    if out and suffix == CERTIFICATE:
        save(found, out)
    elif out:
        draw(out, suffix, found)
    return Answer(text(found) + (f"\n\nwritten  {out}" if out else ""), found, GOOD if good else FOUND)


def checked_again(net: Layer | Run, path: str) -> Answer:
    """A certificate verified again, by code that shares nothing with what found it."""
    from ..certify import load, recheck
    from ..report import text

    certificate = load(path)
    found = recheck(certificate, alone(net))
    document = {**found.to_json(), "question": certificate.question}
    return Answer(f"{certificate.question}\n{text(found)}", document, GOOD if found.holds else FOUND)
