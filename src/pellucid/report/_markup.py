"""The few pieces of HTML that pages and notebooks are made of; every text given by a user is escaped here."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave

from ..language import phrase, spoken, translated
from ._colours import variables
from ._svg import svg_of

DOCUMENT = """<!doctype html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Pellucid">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>
:root{{color-scheme:light dark;{light}}}
@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}
{css}</style>
</head>
<body>
{hero}
<main class="wrap">
{body}
</main>
</body>
</html>
"""

THUMB = 96  # pixels of a thumbnail's longer side, at most


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def safe(value: Any) -> str:
    """A value as HTML text in the language at hand, escaped but where it is HTML already."""
    return value if isinstance(value, Markup) else escape(said_of(value))


def said_of(value: Any) -> str:
    """A value as text in the language at hand."""
    return translated(value) if isinstance(value, str) else str(value)


def document(title: str, hero: str, body: Iterable[Any], css: str = "") -> str:
    """A whole page, one file that needs nothing else, in the language at hand; `css` is added to that of all pages."""
    own = files("pellucid.report").joinpath("page.css").read_text("utf-8") + css
    light, dark = variables(0), variables(1)
    return DOCUMENT.format(
        lang=spoken(), title=safe(title), light=light, dark=dark, css=own, hero=hero, body=join(body)
    )


def element(name: str, *content: Any, **attributes: Any) -> Markup:
    """`<name attributes>content</name>`; `class_` is written class, a None is left out.

    Example:
        >>> element("p", "a < b", element("b", 1), class_="small")
        '<p class="small">a &lt; b<b>1</b></p>'
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    words = "".join(f' {key}="{escape(said_of(value))}"' for key, value in given.items())
    return Markup(f"<{name}{words}>{''.join(map(safe, content))}</{name}>")


def join(parts: Iterable[Any]) -> Markup:
    return Markup("\n".join(map(safe, parts)))


def table_of(
    head: Sequence[Any], rows: Sequence[Sequence[Any]], right: str = "", caption: str = "", own: int | None = None
) -> Markup:
    """A table that scrolls by itself where it is too wide; a row's first cell is its name, `own` is the row to mark."""

    def side(i: int) -> str | None:
        return "r" if i < len(right) and right[i] == "r" else None

    heads = [element("th", cell, class_=side(i), scope="col") for i, cell in enumerate(head)]
    lines = []
    for n, row in enumerate(rows):
        cells = [element("td", cell, class_=side(i)) for i, cell in enumerate(row) if i]
        first = element("th", row[0], scope="row", class_=side(0))
        lines.append(element("tr", first, *cells, class_="own" if n == own else None))
    above = element("caption", caption) if caption else ""
    made = element("table", above, element("thead", element("tr", *heads)), element("tbody", join(lines)))
    return element("div", made, class_="scroll", tabindex="0", role="region", aria_label=caption or phrase("table"))


def bar(part: float) -> Markup:
    """A share as a bar; the number stands beside it."""
    wide = min(max(part, 0.0), 1.0) if part == part else 0.0
    return element("span", element("i", style=f"--w:{100 * wide:.1f}%"), class_="meter", aria_hidden="true")


def call(tone: str, strong: str, words: str, *more: Markup) -> Markup:
    """A remark set off from the text: good, bad, even or warn."""
    return element("div", element("p", element("strong", strong), words), *more, class_=f"call {tone}")


def small(words: str) -> Markup:
    return element("p", words, class_="muted small")


def thumbnail(picture: np.ndarray, words: str) -> Markup:
    """A small image (height, width) or (height, width, 3) in bytes; a large one as every so many of its pixels."""
    step = -(-max(picture.shape[:2]) // THUMB)
    buffer = io.BytesIO()
    imsave(buffer, picture[::step, ::step], format="png", cmap="gray", vmin=0, vmax=255, metadata={"Software": ""})
    source = f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"
    return Markup(f'<img class="thumb" src="{source}" alt="{escape(translated(words))}">')


def figure_box(figure: Figure, name: str, words: str, caption: Any = "") -> Markup:
    """A figure with what it shows in words: read aloud where it cannot be seen, and below it how to read it."""
    below = element("figcaption", caption) if caption else ""
    return element("figure", Markup(svg_of(figure, name, translated(words))), below)


def facts(rows: dict[str, Any]) -> Markup:
    """Names and values."""
    return element(
        "dl", *(part for name, value in rows.items() for part in (element("dt", name), element("dd", value)))
    )
