"""Numbers, shares and lists in words, the same in every text, figure and page."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import east_asian_width

import numpy as np

from ..language import phrase, translated

METRICS = {
    "accuracy": phrase("accuracy"),
    "balanced_accuracy": phrase("balanced accuracy"),
    "log_loss": phrase("log loss"),
    "r2": phrase("r²"),
    "mae": phrase("mean absolute error"),
    "rmse": phrase("root mean square error"),
}
SCORE = "score"  # where it is not said which
SCORES = {"accuracy": METRICS["accuracy"], "R²": phrase("R²"), SCORE: phrase("score")}  # the doctor's
LOWER_IS_BETTER = {"log_loss", "mae", "rmse"}
LOSSES = {
    "squared_error": phrase("squared error"),
    "absolute_error": phrase("absolute error"),
    "quantile": phrase("quantile"),
    "poisson": phrase("poisson"),
    "binary_cross_entropy": phrase("binary cross entropy"),
    "binary_cross_entropy_of_probabilities": phrase("binary cross entropy of probabilities"),
    "cross_entropy": phrase("cross entropy"),
    "cross_entropy_of_probabilities": phrase("cross entropy of probabilities"),
    "kl_divergence": phrase("kl divergence"),
    "gaussian_nll": phrase("gaussian nll"),
    "log_cosh": phrase("log cosh"),
}
# What is not broken in two: a Chinese letter with the marks around it, or a word with the blanks before it.
PIECE = re.compile(r" *[（《“]*(?:[一-鿿]|[^\s一-鿿（《“]+)[，。；：、！？）》”]*|\S")


def number(value: Any, digits: int = 4) -> str:
    """A number with its leading digits; "none" for None, "not finite" for NaN and infinity.

    Example:
        >>> number(0.123456), number(1234567), number(-2.0), number(None), number(float("nan"))
        ('0.1235', '1,234,567', '-2', 'none', 'not finite')
    """
    if value is None:
        return phrase("none")
    if isinstance(value, bool | np.bool_):
        return phrase("yes") if value else phrase("no")
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if not math.isfinite(value):
        return phrase("not finite")
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.{digits}g}"


def measure(name: str) -> str:
    """What a metric, or a score of the doctor's, is called."""
    return translated(METRICS.get(name) or SCORES.get(name, name))


def loss_name(name: str) -> str:
    """What a loss is called."""
    return translated(LOSSES.get(name, name.replace("_", " ")))


def metric(name: str, value: float) -> str:
    """A metric as it is read: accuracies in percent, r² with three decimals, the others as numbers."""
    if name == "r2" and math.isfinite(value):
        return f"{value:.3f}".replace("-", "−")
    return share(value) if "accuracy" in name else number(value, 3)


def scored(name: str, value: float) -> str:
    """A score of the doctor's as it is read: accuracies in percent, R² with three decimals.

    Example:
        >>> scored("accuracy", 0.5), scored("R²", -0.25)
        ('50.0 %', '−0.250')
    """
    return share(value) if name == "accuracy" else f"{value:.3f}".replace("-", "−")


def signed(value: float, form: str = ".3g") -> str:
    """A number with its sign.

    Example:
        >>> signed(0.5), signed(-2.0, ".1f")
        ('+0.5', '−2.0')
    """
    return f"{value:+{form}}".replace("-", "−")


def share(value: float | None, digits: int = 1) -> str:
    """A share in percent.

    Example:
        >>> share(0.5), share(1.0), share(0.0004)
        ('50.0 %', '100.0 %', '<0.1 %')
    """
    if value is None or not math.isfinite(value):
        return number(value)
    least = 10**-digits
    return percent(f"<{least:g}" if 0 < 100 * value < least / 2 else f"{100 * value:.{digits}f}")


def percent(value: str) -> str:
    """A number of hundredths."""
    return phrase("{value} %", value=value)


def seconds(value: float) -> str:
    """A duration.

    Example:
        >>> seconds(0.31), seconds(75), seconds(7260)
        ('0.31 s', '1 min 15 s', '2 h 1 min')
    """
    if value < 60:
        return phrase("{n} s", n=f"{value:.2g}" if value < 10 else f"{value:.0f}")
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return phrase("{minutes} min {rest} s", minutes=minutes, rest=rest)
    return phrase("{hours} h {minutes} min", hours=minutes // 60, minutes=minutes % 60)


def cut(value: Any, most: int = 40) -> str:
    """Any value as one short line.

    Example:
        >>> cut("a long name, broken\\nin two", 12)
        'a long name…'
    """
    words = number(value) if isinstance(value, float) else " ".join(str(translated(value)).split())
    return words if width(words) <= most else f"{beginning(words, most - 1)}…"


def width(words: str) -> int:
    """How many letters wide a text is; a Chinese one takes the room of two.

    Example:
        >>> width("layer"), width("隐藏层")
        (5, 6)
    """
    return len(words) if words.isascii() else sum(1 + (east_asian_width(c) in "WF") for c in words)


def beginning(words: str, most: int) -> str:
    """So much of a text as is at most so wide."""
    if words.isascii():
        return words[:most]
    taken = 0
    for i, letter in enumerate(words):
        taken += width(letter)
        if taken > most:
            return words[:i]
    return words


def sentence_case(words: str) -> str:
    """With a capital at its beginning."""
    return words[:1].upper() + words[1:]


def squeezed(value: Any, most: int = 16) -> str:
    """Any value as a short label: what it begins and what it ends with.

    Example:
        >>> squeezed("signup (sine of week)", 16)
        'signup …of week)'
    """
    words = " ".join(str(translated(value)).split())
    tail = (most - 1) // 2 + 1
    if width(words) <= most:
        return words
    return f"{beginning(words, most - 1 - tail)}…{beginning(words[::-1], tail)[::-1]}"


def wrapped(words: str, most: int) -> list[str]:
    """A text in lines so wide at most, broken between its words; a Chinese one anywhere but before a mark.

    Example:
        >>> wrapped("the rows fall", 8), wrapped("隐藏层，输出层", 8)
        (['the rows', 'fall'], ['隐藏层，', '输出层'])
    """
    if width(words) == len(words):
        return textwrap.wrap(words, most)
    lines, line = [], ""
    for part in PIECE.findall(" ".join(words.split())):
        if line and width((line + part).rstrip()) > most:
            lines.append(line.rstrip())
            line = part.lstrip()
        else:
            line += part
    return [*lines, line.rstrip()] if line.strip() else lines


def enumerated(parts: Iterable[str]) -> str:
    """Names or numbers one after the other."""
    return phrase(", ").join(map(translated, parts))


def sentences(parts: Iterable[str]) -> str:
    """Sentences one after the other, those that say nothing left out."""
    return phrase(" ").join(translated(part) for part in parts if part)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> str:
    """An aligned table for a terminal; `right` has an r for each column that is set flush right.

    Example:
        >>> print(table(["path", "size"], [["a", "1"], ["bc", "1,000"]], " r"))
        path   size
        a         1
        bc    1,000
    """
    wide = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    sides = [">" if i < len(right) and right[i] == "r" else "<" for i in range(len(head))]
    lines = ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, sides, wide, strict=True)) for row in (head, *rows)]
    return "\n".join(line.rstrip() for line in lines)


def listed(rows: dict[str, str]) -> str:
    """Names and values, one to a line, for a terminal."""
    wide = max(map(len, rows), default=0)
    return "\n".join(f"  {name:<{wide}}  {value}" for name, value in rows.items())
