"""ONNX's backend tests, by the table of operators and as networks; writes docs/onnx-operators.md.

    python benchmarks/conformance.py [--write]

The tests are those inside the `onnx` package that need no download. A case counts for every operator that it holds.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "onnx-operators.md"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true", help="write the page into docs/")
    write = options.parse_args().write
    conformance = runner()
    found = list(conformance.cases())
    verdicts = {
        way.__name__: [conformance.run(case, way) for case in found]
        for way in (conformance.by_operators, conformance.by_network)
    }
    text = page(found, verdicts["by_operators"], verdicts["by_network"], conformance.CORE)
    if write:
        PAGE.write_text(text, encoding="utf-8")
    print(text)
    for verdict in verdicts["by_network"]:
        if verdict.result != conformance.PASS:
            print(verdict.result, verdict.case, verdict.why)


def runner() -> Any:
    """The module that runs the cases, which the tests use too."""
    path = ROOT / "tests" / "onnx_conformance.py"
    spec = spec_from_file_location("conformance_runner", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(found: list[Any], by_table: list[Any], by_network: list[Any], core: frozenset[str]) -> str:
    from pellucid.operators import OPERATORS, THEMES

    totals, passed, networks = (tally(vs) for vs in (by_table, only("pass", by_table), only("pass", by_network)))
    inside = [i for i, case in enumerate(found) if case.kinds and case.kinds <= core]
    parts = [HEAD, table(["", "tests", "pass", "refused", "wrong"], [
        figures("the table of operators", by_table),
        figures("as networks", by_network),
        figures("as networks, the core set", [by_network[i] for i in inside]),
    ])]  # fmt: skip
    for theme in THEMES:
        rows = [
            [f"`{kind}`", exact(kind), *of_tests(kind, totals, passed, networks)]
            for kind, row in sorted(OPERATORS.items())
            if row.function.__module__ == theme.__name__
        ]
        head = ["operator", "exact geometry", "tests", "by the table", "as networks"]
        parts += [f"## {title(theme)}", table(head, rows)]
    left = {kind: n for kind, n in totals.items() if kind not in {name.rpartition(".")[2] for name in OPERATORS}}
    parts += ["## Not supported", ", ".join(f"`{kind}`" for kind in sorted(left)) + "."]
    return "\n\n".join(parts) + "\n"


HEAD = """# The operators of ONNX

What an ONNX file or a PyTorch graph asks for becomes a layer of Pellucid where there is one, and else an `Operator`,
which computes one operation of the table below and lets blame through. The figures are those of the backend tests
inside the package `onnx` that need no download: a case counts for every operator in it. A case is refused with an error
where an operator, or a way to use it, is not supported; none is computed wrongly. "Exact geometry" says which operators
are piecewise affine, so that regions, boundaries and explanations see through them. `benchmarks/conformance.py` writes
this page."""


def only(result: str, verdicts: Iterable[Any]) -> list[Any]:
    return [verdict for verdict in verdicts if verdict.result == result]


def tally(verdicts: Iterable[Any]) -> Counter[str]:
    """In how many cases each operator is."""
    return Counter(kind for verdict in verdicts for kind in verdict.kinds)


def figures(name: str, verdicts: list[Any]) -> list[str]:
    counts = Counter(verdict.result for verdict in verdicts)
    numbers = [len(verdicts), *(counts[result] for result in ("pass", "unsupported", "wrong"))]
    return [name, *(f"{n:,}" for n in numbers)]


def exact(kind: str) -> str:
    from pellucid.operators import LOWERINGS

    return "yes" if kind in LOWERINGS else ""


def of_tests(kind: str, *counts: Counter[str]) -> list[str]:
    found = [count[kind.rpartition(".")[2]] for count in counts]
    return [str(n) for n in found] if found[0] else ["", "", ""]


def title(theme: Any) -> str:
    """The first words of what a theme says of itself."""
    text = theme.__doc__.splitlines()[0]
    return text.split(":")[0].split(";")[0].split(". ")[0].removesuffix(".")


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
