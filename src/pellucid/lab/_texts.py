"""The words of the claims, English and Chinese side by side in one file each."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import unknown
from ..language import spoken
from ..records import Record

CODES = tuple(f"C{n}" for n in range(1, 14))
PARTS = ("title", "idea", "measured", "words", "figure", "tries")


@dataclass(frozen=True)
class Claim(Record):
    """A claim in words: its formula, the idea, what is measured, how to read the figure, what to try, and with what.

    `words` is the paragraph on what was found, with {places} for the numbers; `code` is Python that a reader can run,
    the same in every language.
    """

    claim: str
    formula: str
    title: str
    idea: str
    measured: str
    words: str
    figure: str
    tries: str
    code: str


def claim(code: str, lang: str | None = None) -> Claim:
    """A claim by its number, in a language, by default the one at hand.

    Raises: SettingError where there is no such claim.
    Example:
        >>> claim("c6").formula
        'dL/dz = σ(z) − y'
    """
    code = code_of_claim(code)
    read = written(code)
    lang = lang or spoken()
    texts = {part: read[part][lang].strip() for part in PARTS}
    return Claim(claim=code, formula=read["formula"], code=read["try"]["code"].strip(), **texts)


def code_of_claim(code: str) -> str:
    """ "C6" from "c6".

    Raises: SettingError where there is no such claim.
    """
    if str(code).upper() not in CODES:
        raise unknown("claim", code, CODES)
    return str(code).upper()


@cache
def written(code: str) -> dict[str, Any]:
    """The file of one claim."""
    name = f"c{int(code[1:]):02}.toml"
    return tomllib.loads(files("pellucid.lab").joinpath("claims", name).read_text("utf-8"))
