"""A reader of VNN-LIB: which inputs, and which outputs are not to be.

A file declares `X_i` and `Y_j` and asserts; together the assertions say what would refute. Read are `and`, `or`, `<=`
and `>=` of linear terms, numbers and names, under limits; nothing is evaluated but sums and products of numbers.
Source: Demarchi and others 2023, the VNN-LIB standard, https://www.vnnlib.org
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import CertifyError

BYTES, DEPTH, CASES = 2**26, 64, 20_000
TOKEN = re.compile(r";[^\n]*|[()]|[^\s();]+|\n")
NAME = re.compile(r"([XY])_(\d{1,7})")


class Node(NamedTuple):
    """A word or a list of nodes, and the line it is on."""

    value: Any
    line: int


class Atom(NamedTuple):
    """`Σ terms + constant ≤ 0`, terms by name."""

    terms: dict[str, float]
    constant: float
    line: int


class Case(NamedTuple):
    """A box of inputs (n, 2), and rows of outputs that refute: `rows · y + shift ≤ 0` for all."""

    box: np.ndarray
    rows: np.ndarray
    shift: np.ndarray


class Refused(Exception):
    """What is wrong, and on which line."""

    def __init__(self, line: int, why: str):
        super().__init__(f"line {line}: {why}")


def read_vnnlib(path: str | os.PathLike[str], n_in: int, n_out: int) -> list[Case]:
    """What would refute, as cases: it is refuted where one of them has such an input.

    Raises: CertifyError naming the file and the line where it is not of this form, or does not fit the network.
    """
    path = Path(path)
    try:
        if path.stat().st_size > BYTES:
            raise CertifyError(f"{path} has more than {BYTES:,} bytes: it is not read.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CertifyError(f"{path} cannot be read: {error}.") from None
    try:
        return list(cases(text, n_in, n_out))
    except Refused as error:
        raise CertifyError(f"{path}, {error}") from None


def cases(text: str, n_in: int, n_out: int) -> Iterator[Case]:
    declared, formulas = set(), [[[]]]
    for node in nodes(text):
        head = word(node.value[0]) if isinstance(node.value, list) and node.value else ""
        if head in ("declare-const", "declare-fun"):
            declared.add(variable(node))
        elif head == "assert" and len(node.value) == 2:
            formulas.append(disjunction(node.value[1]))
        else:
            raise Refused(node.line, f"{head or 'this'} is not read: declare-const and assert are.")
    for kind, count in (("X", n_in), ("Y", n_out)):
        found = {name for name in declared if name[0] == kind}
        if found != {f"{kind}_{i}" for i in range(count)}:
            what = "inputs" if kind == "X" else "outputs"
            raise Refused(
                1, f"it declares {len(found)} {what} {kind}_i, and the network has {count}, from {kind}_0 on."
            )
    if np.prod([float(len(f)) for f in formulas]) > CASES:
        raise Refused(1, f"it has more than {CASES:,} cases.")
    for parts in product(*formulas):
        yield case([atom for part in parts for atom in part], declared, n_in, n_out)


def nodes(text: str) -> Iterator[Node]:
    """The lists on the outmost level."""
    line, open_ = 1, []
    for token in TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token == "(":
            open_.append(Node([], line))
            if len(open_) > DEPTH:
                raise Refused(line, f"brackets lie more than {DEPTH} deep.")
        elif token == ")":
            if not open_:
                raise Refused(line, "a bracket is closed that was not opened.")
            done = open_.pop()
            if open_:
                open_[-1].value.append(done)
            else:
                yield done
        elif not token.startswith(";"):
            if not open_:
                raise Refused(line, f"{token!r} stands outside of brackets.")
            open_[-1].value.append(Node(token, line))
    if open_:
        raise Refused(open_[0].line, "this bracket is not closed.")


def word(node: Node) -> str:
    return node.value if isinstance(node.value, str) else ""


def variable(node: Node) -> str:
    """The name that is declared."""
    parts = node.value
    fits = len(parts) == 3 if word(parts[0]) == "declare-const" else len(parts) == 4 and parts[2].value == []
    if not fits or word(parts[-1]) != "Real":
        raise Refused(node.line, "a declaration is (declare-const X_0 Real).")
    if not NAME.fullmatch(word(parts[1])):
        raise Refused(node.line, f"{word(parts[1])!r} is neither an input X_i nor an output Y_j.")
    return word(parts[1])


def disjunction(node: Node) -> list[list[Atom]]:
    """A formula as an `or` of `and`s."""
    if not isinstance(node.value, list) or not node.value:
        raise Refused(node.line, f"{node.value!r} is no formula.")
    head, *rest = node.value
    match word(head):
        case "and":
            parts = [disjunction(part) for part in rest]
            if np.prod([float(len(part)) for part in parts]) > CASES:
                raise Refused(node.line, f"it has more than {CASES:,} cases.")
            return [[atom for part in choice for atom in part] for choice in product(*parts)]
        case "or":
            found = [atoms for part in rest for atoms in disjunction(part)]
            if len(found) > CASES:
                raise Refused(node.line, f"it has more than {CASES:,} cases.")
            return found
        case "<=" | ">=":
            if len(rest) != 2:
                raise Refused(node.line, f"{word(head)} compares two terms, not {len(rest)}.")
            less, more = rest if word(head) == "<=" else rest[::-1]
            terms, constant = added(linear(less), linear(more), -1.0)
            return [[Atom(terms, constant, node.line)]]
    raise Refused(node.line, f"{word(head) or 'this'!r} is not supported: and, or, <= and >= are.")


def linear(node: Node) -> tuple[dict[str, float], float]:
    """A term as factors of names, and a constant."""
    if isinstance(node.value, str):
        if NAME.fullmatch(node.value):
            return {node.value: 1.0}, 0.0
        return {}, number(node)
    head, *rest = node.value if node.value else [node]
    parts = [linear(part) for part in rest]
    match word(head), parts:
        case "-", [one]:
            return added(({}, 0.0), one, -1.0)
        case ("+" | "-") as sign, [first, *others]:
            for other in others:
                first = added(first, other, 1.0 if sign == "+" else -1.0)
            return first
        case "*", [(terms, factor), other] if not terms:
            return added(({}, 0.0), other, factor)
        case "*", [other, (terms, factor)] if not terms:
            return added(({}, 0.0), other, factor)
    raise Refused(
        node.line, f"{word(head)!r} with {len(parts)} parts is not linear: +, − and a number times a term are."
    )


def added(a: tuple[dict[str, float], float], b: tuple[dict[str, float], float], factor: float) -> Any:
    terms = dict(a[0])
    for name, value in b[0].items():
        terms[name] = terms.get(name, 0.0) + factor * value
    return terms, a[1] + factor * b[1]


def number(node: Node) -> float:
    try:
        found = float(node.value)
    except ValueError:
        raise Refused(node.line, f"{node.value!r} is neither a number nor a name X_i or Y_j.") from None
    if not np.isfinite(found):
        raise Refused(node.line, f"{node.value!r} is not finite.")
    return found


def case(atoms: list[Atom], declared: set[str], n_in: int, n_out: int) -> Case:
    """The box and the rows of one case."""
    box, rows, shift = np.tile([-np.inf, np.inf], (n_in, 1)), [], []
    for terms, constant, line in atoms:
        if unknown := sorted(set(terms) - declared):
            raise Refused(line, f"{unknown[0]} was not declared.")
        terms = {name: value for name, value in terms.items() if value}
        kinds = {name[0] for name in terms}
        if kinds == {"Y"}:
            row = np.zeros(n_out)
            for name, value in terms.items():
                row[int(name[2:])] = value
            rows.append(row)
            shift.append(constant)
        elif kinds == {"X"} and len(terms) == 1:
            ((name, value),) = terms.items()
            i, bound, exact = int(name[2:]), -constant / value, abs(value) == 1
            if value > 0:
                box[i, 1] = min(box[i, 1], bound if exact else np.nextafter(bound, np.inf))
            else:
                box[i, 0] = max(box[i, 0], bound if exact else np.nextafter(bound, -np.inf))
        elif terms:
            raise Refused(line, "a condition on several inputs, or on inputs and outputs at once, is not supported.")
        elif constant > 0:
            rows.append(np.zeros(n_out))
            shift.append(constant)
    if not np.isfinite(box).all():
        i, side = np.argwhere(~np.isfinite(box))[0]
        raise Refused(1, f"X_{i} has no {('lower', 'upper')[side]} bound.")
    if not rows:  # any input of the box refutes
        rows, shift = [np.zeros(n_out)], [0.0]
    return Case(box, np.array(rows), np.array(shift))
