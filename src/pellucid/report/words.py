"""Numbers, shares and lists in words, the same in every text, figure and page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "r2": "r²",
    "mae": "mean absolute error",
    "rmse": "root mean square error",
}
LOWER_IS_BETTER = {"log_loss", "mae", "rmse"}


def number(value: Any, digits: int = 4) -> str:
    """A number with its leading digits; "none" for None, "not finite" for NaN and infinity.

    Example:
        >>> number(0.123456), number(1234567), number(-2.0), number(None), number(float("nan"))
        ('0.1235', '1,234,567', '-2', 'none', 'not finite')
    """
    if value is None:
        return "none"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if not math.isfinite(value):
        return "not finite"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.{digits}g}"


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
    return f"<{least:g} %" if 0 < 100 * value < least / 2 else f"{100 * value:.{digits}f} %"


def seconds(value: float) -> str:
    """A duration.

    Example:
        >>> seconds(0.31), seconds(75), seconds(7260)
        ('0.31 s', '1 min 15 s', '2 h 1 min')
    """
    if value < 60:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def cut(value: Any, most: int = 40) -> str:
    """Any value as one short line.

    Example:
        >>> cut("a long name, broken\\nin two", 12)
        'a long name…'
    """
    words = number(value) if isinstance(value, float) else " ".join(str(value).split())
    return words if len(words) <= most else words[: most - 1] + "…"


def sentence_case(words: str) -> str:
    """With a capital at its beginning."""
    return words[:1].upper() + words[1:]


def squeezed(value: Any, most: int = 16) -> str:
    """Any value as a short label: what it begins and what it ends with.

    Example:
        >>> squeezed("signup (sine of week)", 16)
        'signup …of week)'
    """
    words = " ".join(str(value).split())
    tail = (most - 1) // 2 + 1
    return words if len(words) <= most else f"{words[: most - 1 - tail]}…{words[-tail:]}"


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
