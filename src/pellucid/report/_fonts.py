"""Fonts for Chinese. A page's figures are read with the browser's own; what is drawn here is only how wide they are."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import cache
from importlib.resources import as_file, files

from matplotlib import font_manager

from ..language import spoken

LATIN, WIDTHS = "DejaVu Sans", "Pellucid Em"
CHINESE = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei", "Droid Sans Fallback",
)  # fmt: skip


def families() -> list[str]:
    """The fonts of a figure in the language at hand, each for what the one before does not have."""
    if spoken() == "en":
        return [LATIN]
    found = chinese()
    return [LATIN, *([found] if found else []), widths()]


def check_fonts() -> None:
    """Say so where a figure's Chinese can be read in SVG and HTML alone."""
    if spoken() != "en" and chinese() is None:
        warnings.warn(
            "No Chinese font is installed: .svg files and pages show the words, a .png or .pdf leaves them blank. "
            "Install one, such as Noto Sans CJK SC.",
            stacklevel=5,
        )


@cache
def chinese() -> str | None:
    """A Chinese font of this machine; None where it has none."""
    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in CHINESE if name in known), None)


@cache
def widths() -> str:
    """The font of blank glyphs, as wide as Chinese ones, so that a figure leaves room for them."""
    with as_file(files("pellucid.report").joinpath("em.ttf")) as path:
        font_manager.fontManager.addfont(str(path))
    plain = font_manager.fontManager.ttflist[-1]
    font_manager.fontManager.ttflist.append(replace(plain, weight="bold"))  # as wide, and nothing is said of it
    return WIDTHS
