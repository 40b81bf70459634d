"""Claims put to the test."""

from __future__ import annotations

import time
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import PellucidError, SettingError, unknown
from ..language import phrase, translated
from ._given import Given, given
from ._record import FAILS, HOLDS, NOT_PUT, NOT_YET, Found, Lab, Result, code_of
from ._texts import CODES, claim, code_of_claim

EXPERIMENTS = {
    "C1": "_c01_neuron",
    "C2": "_c02_regions",
    "C3": "_c03_chain_rule",
    "C4": "_c04_symmetry",
    "C5": "_c05_scale",
    "C6": "_c06_saturation",
    "C7": "_c07_sharing",
    "C8": "_c08_dropout",
    "C9": "_c09_gates",
    "C10": "_c10_universal",
    "C11": "_c11_signs",
}
WAITING = "pellucid.science"  # what C12 and C13 are about


def run(
    claims: str | Iterable[str] | None = None,
    *,
    net: Any = None,
    data: Any = None,
    target: str | None = None,
    fault: str | None = None,
    progress: bool | None = None,
) -> Any:
    """Put a claim of the foundation to the test, such as "C6"; several, or all of them by default.

    Every experiment has networks and rows of its own, small ones and scikit-learn's. With `net`, a network or a run, or
    `data`, arrays `(x, y)`, a table or a file with `target` the column to predict, or the name of a bundled data set,
    the claim is put to these; C10 takes a function and its box, `(f, (low, high))`. `fault` switches a deliberate fault
    in, and the claim must fail: `faults("C6")` lists them. One claim gives a `Result`, several a `Lab`; `progress` None
    shows a bar on a terminal.

    Raises: SettingError for an unknown claim or fault, or where a claim cannot be put to this network; DataError where
        it cannot be put to these rows.
    Example:
        >>> found = run("C6")
        >>> found.verdict, round(found.found, 4)
        ('holds', -0.9997)
    """
    if isinstance(claims, str):
        return one(code_of_claim(claims), given(net, data, target), fault)
    codes = CODES if claims is None else tuple(dict.fromkeys(map(code_of_claim, claims)))
    if fault is not None and len(codes) != 1:
        raise SettingError("A fault is switched into one experiment: name its claim alone.")
    put, began = given(net, data, target), time.process_time()
    results = tuple(one_of_many(code, put, fault, len(codes)) for code in shown(codes, progress))
    return Lab(results, time.process_time() - began)


def one_of_many(code: str, put: Given, fault: str | None, claims: int) -> Result:
    """One claim; where it is one of several and cannot be put to what the user gave, the answer says why."""
    try:
        return one(code, put, fault)
    except PellucidError as problem:
        if claims == 1 or put.own:
            raise
        return without_numbers(code, NOT_PUT, str(problem))


def shown(codes: tuple[str, ...], progress: bool | None) -> Iterable[str]:
    """The claims one by one, on a bar that says which one is at work."""
    from tqdm import tqdm

    hidden = None if progress is None else not progress
    with tqdm(codes, disable=hidden, leave=False, bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}]") as bar:
        for code in bar:
            bar.set_description(f"{code} {claim(code).title}"[:60])
            yield code


def faults(code: str) -> dict[str, str]:
    """The deliberate faults of a claim's experiment, each by its name: what it does wrong.

    Example:
        >>> list(faults("C8"))
        ['scaling-left-out']
    """
    code = code_of_claim(code)
    return {} if code not in EXPERIMENTS else {name: translated(words) for name, words in module(code).FAULTS.items()}


def one(code: str, put: Given, fault: str | None) -> Result:
    """One claim put to the test."""
    if fault is not None and fault not in faults(code):
        raise unknown(f"fault of {code}", fault, faults(code))
    began, said = time.process_time(), claim(code)
    if code not in EXPERIMENTS:
        return not_yet(code)
    if put.function is not None and code != "C10":
        raise SettingError(f"{code} is put to networks and rows; a function is for C10.")
    found: Found = module(code).experiment(put, fault)
    decided = [check for check in found.checks if not check.holds] or list(found.checks)
    return Result(
        claim=code,
        title=said.title,
        formula=said.formula,
        expected=decided[0].expected,
        found=decided[0].found,
        residual=decided[0].residual,
        verdict=HOLDS if all(check.holds for check in found.checks) else FAILS,
        checks=found.checks,
        on=found.on,
        measured=found.measured,
        faults=faults(code),
        fault=fault,
        code=tuple(map(code_of, pieces(code))),
        seconds=time.process_time() - began,
        evidence=found.evidence,
    )


def pieces(code: str) -> tuple[Any, ...]:
    """The functions and classes that a claim rests on, its experiment last."""
    return (*module(code).CODE, module(code).experiment) if code in EXPERIMENTS else ()


def not_yet(code: str) -> Result:
    """The answer of a claim whose part of the library does not exist; found out by looking for it."""
    words = (
        phrase("The part of the library that this claim is about, {part}, does not exist yet.", part=WAITING)
        if find_spec(WAITING) is None
        else phrase("{part} exists now, and its experiment is still to be written.", part=WAITING)
    )
    return without_numbers(code, NOT_YET, words)


def without_numbers(code: str, verdict: str, why: str) -> Result:
    """The answer of a claim that was not put to the test, and why."""
    said, known = claim(code), faults(code)
    return Result(code, said.title, said.formula, None, None, None, verdict, (), "", {"why": why}, known, None, (), 0.0)


def module(code: str) -> Any:
    """The file of a claim's experiment, loaded when it is asked for."""
    return import_module(f".{EXPERIMENTS[code]}", __package__)
