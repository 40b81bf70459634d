"""Regions over time: one picture after the other in a file that plays by itself, without a script."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from matplotlib.figure import Figure

from ..errors import SettingError
from ..geometry import Complex
from ..insight import View
from ..language import phrase, spoken
from ..store import write_bytes, write_text
from ._colours import PAPER, variables
from ._figures import figure_of
from ._style import styled
from ._svg import SVG, svg_of
from .words import cut

KINDS = (".svg", ".html", ".gif")
TELL = 0  # nothing is told at the pointer of a region: a moving part cannot be read
PIXELS, SHADES = 320, 64  # along a side of a picture, and of each colour: a third of the bytes
REST = 3  # how much longer the last picture stays

STYLE = """
.film>.turn{visibility:hidden}
.film:hover>.turn,.film:focus>.turn{animation-play-state:paused!important}
.film .pl-tip{pointer-events:visible}
@media (prefers-reduced-motion:reduce),print{.film>.turn{animation:none!important}.film>.last{visibility:visible}}
"""
KEYS = "@keyframes {name}{{0%{{visibility:visible}}{part:.6g}%{{visibility:hidden}}100%{{visibility:hidden}}}}\n"
ALONE = """
svg.film{{{light}background:var(--pl-paper);font-family:system-ui,"DejaVu Sans",sans-serif}}
@media screen and (prefers-color-scheme:dark){{svg.film{{{dark}}}}}
"""


def film_of(
    complexes: Sequence[Complex | View],
    path: str | Path,
    seconds_per_frame: float,
    labels: Sequence[str] | None,
    options: dict[str, Any],
) -> Path:
    """Draw every complex and write them as one film; see `pellucid.report.film`."""
    place = Path(path)
    frames = list(complexes)
    if place.suffix.lower() not in KINDS:
        raise SettingError(f"A film wants a name that ends in {', '.join(KINDS)}; got {place.name!r}.")
    if not frames or not seconds_per_frame > 0:
        raise SettingError(
            f"A film wants one complex or more, and a time above 0 for each; got {len(frames)} and {seconds_per_frame}."
        )
    if labels is None:
        labels = [phrase("{i} of {n}", i=i + 1, n=len(frames)) for i in range(len(frames))]
    if len(labels) != len(frames):
        raise SettingError(f"There are {len(frames)} complexes and {len(labels)} labels: give one for each.")
    drawn = drawings(frames, list(labels), options)
    if place.suffix.lower() == ".gif":
        return write_bytes(place, gif(drawn, seconds_per_frame))
    words = phrase("The regions over time, {n} pictures.", n=len(drawn))
    svg = moving(drawn, seconds_per_frame, "film", words, ALONE.format(light=variables(0), dark=variables(1)))
    if place.suffix.lower() == ".svg":
        return write_text(place, svg)
    title = phrase("Regions over time")
    head = f'<!doctype html>\n<html lang="{spoken()}"><head><meta charset="utf-8"><title>{title}</title>'
    return write_text(
        place, f"{head}<style>body{{margin:0}}svg{{max-width:760px}}</style></head><body>{svg}</body></html>\n"
    )


def drawings(frames: Sequence[Complex | View], labels: Sequence[str], options: dict[str, Any]) -> list[Figure]:
    """A figure for each, all with the same colours for the same outputs, and those of one box in the same place."""
    options = {"tell": TELL} | options
    found = [frame.complex if isinstance(frame, View) else frame for frame in frames]
    titles: list[dict[str, str]] = [{} for _ in frames]
    if options.get("kind", "regions") == "regions":
        options = {"span": np.concatenate([one.values for one in found]), "pixels": PIXELS, "shades": SHADES} | options
        titles = [
            {"title": phrase("{label}: {n:,} regions", label=cut(said, 40), n=one.count)}
            for one, said in zip(found, labels, strict=True)
        ]
    figures = [figure_of(frame, **options, **title) for frame, title in zip(frames, titles, strict=True)]
    if len({one.box for one in found}) == 1:
        laid_out_alike(figures)
    return figures


def laid_out_alike(figures: Sequence[Figure]) -> None:
    """Give all the layout of the first: to find it again would take half the time."""
    with styled():
        figures[0].draw_without_rendering()
    places = [axes.get_position(original=True) for axes in figures[0].axes]
    for figure in figures:
        figure.set_layout_engine("none")
        for axes, place in zip(figure.axes, places, strict=True):
            axes.set_position(place)


def moving(figures: Sequence[Figure], seconds: float, name: str, words: str, style: str = "") -> str:
    """SVG of all figures in one place, each shown for its time and the last one longer, again and again.

    What all have in common, such as axes and keys, is written once.
    """
    roots = [ElementTree.fromstring(svg_of(figure, name, "")) for figure in figures]
    wide, high = (max(float(root.attrib["viewBox"].split()[i]) for root in roots) for i in (2, 3))
    named = {part.get("id"): ElementTree.tostring(part, "unicode") for root in roots for part in definitions(root)}
    below, turns, above = shared([pieces(root) for root in roots])
    slots, n = len(turns) - 1 + REST, len(turns)
    keys = KEYS.format(name=f"{name}-turn", part=100 / slots) + KEYS.format(
        name=f"{name}-last", part=100 * REST / slots
    )
    groups = [
        f'<g class="turn{" last" * last}" style="animation:{name}-{"last" if last else "turn"} {slots * seconds:.6g}s '
        f'steps(1,end) {(i - slots) * seconds:.6g}s infinite">{"".join(turn)}</g>'
        for i, turn in enumerate(turns)
        for last in [i == n - 1]
    ]
    size = f'width="{wide * 1.6:.0f}" height="{high * 1.6:.0f}" viewBox="0 0 {wide:g} {high:g}"'
    return (
        f'<svg xmlns="{SVG}" class="pl-figure film" {size} role="img" tabindex="0" aria-label="{escape(words)}">'
        f"<style>{style}{STYLE}{keys}</style>\n<defs>{''.join(named.values())}</defs>\n"
        f'<rect width="100%" height="100%" style="fill:var(--pl-paper, {PAPER})"/>\n'
        f"{''.join(below)}\n{''.join(groups)}\n{''.join(above)}</svg>\n"
    )


def definitions(root: ElementTree.Element) -> list[ElementTree.Element]:
    """Take out what is only referred to: in a part that is not shown it would not be shown either."""
    found = []
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "defs":
                parent.remove(child)
                found += list(child)
    return found


def pieces(element: ElementTree.Element) -> list[str]:
    """What is drawn, in its order, without the groups that say nothing."""
    if element.tag in ("svg", "g") and (element.tag == "svg" or not element.attrib):
        return [piece for child in element for piece in pieces(child)]
    element.tail = None
    return [ElementTree.tostring(element, "unicode")]


def shared(frames: Sequence[list[str]]) -> tuple[list[str], list[list[str]], list[str]]:
    """What all frames begin with, what each has for itself, and what else all have, which is drawn above."""
    first, common = frames[0], set(frames[0]).intersection(*frames[1:])
    begin = next((i for i, alike in enumerate(zip(*frames, strict=False)) if len(set(alike)) > 1), len(first))
    own = [[piece for piece in frame[begin:] if piece not in common] for frame in frames]
    return first[:begin], own, [piece for piece in first[begin:] if piece in common]


def gif(figures: Sequence[Figure], seconds: float) -> bytes:
    """The figures as an animated GIF.

    Raises: SettingError where Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise SettingError("A GIF needs Pillow (pip install pillow); .svg and .html need nothing more.") from None
    pictures = []
    for figure in figures:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, facecolor=PAPER)
        pictures.append(Image.open(buffer).convert("RGB").quantize(128))
    times = [round(1000 * seconds)] * (len(pictures) - 1) + [round(1000 * seconds * (REST if pictures[1:] else 1))]
    out = io.BytesIO()
    pictures[0].save(out, format="GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0, disposal=1)
    return out.getvalue()
