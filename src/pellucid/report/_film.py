"""Regions over time: one picture after the other in a file that plays by itself, without a script."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import SettingError
from ..geometry import Complex
from ..store import write_bytes, write_text
from ._colours import PAPER, variables
from ._figures import figure_of
from ._svg import svg_of
from .words import cut

KINDS = (".svg", ".html", ".gif")
TELL = 0  # nothing is told at the pointer: a moving part cannot be read

STYLE = """
svg.film{{{light}background:var(--pl-paper);font-family:system-ui,"DejaVu Sans",sans-serif}}
@media (prefers-color-scheme:dark){{svg.film{{{dark}}}}}
.film>g{{visibility:hidden;animation:turn {whole:.6g}s steps(1,end) infinite}}
@keyframes turn{{0%{{visibility:visible}}{part:.6g}%{{visibility:hidden}}100%{{visibility:hidden}}}}
{delays}
@media (prefers-reduced-motion:reduce),print{{.film>g{{animation:none}}.film>g:last-of-type{{visibility:visible}}}}
"""


def film_of(
    complexes: Sequence[Complex],
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
    labels = [f"{i + 1} of {len(frames)}" for i in range(len(frames))] if labels is None else list(labels)
    if len(labels) != len(frames):
        raise SettingError(f"There are {len(frames)} complexes and {len(labels)} labels: give one for each.")
    drawn = drawings(frames, labels, options)
    if place.suffix.lower() == ".gif":
        return write_bytes(place, gif(drawn, seconds_per_frame))
    svg = moving(drawn, seconds_per_frame)
    if place.suffix.lower() == ".svg":
        return write_text(place, svg)
    head = '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Regions over time</title>'
    return write_text(
        place, f"{head}<style>body{{margin:0}}svg{{max-width:760px}}</style></head><body>{svg}</body></html>\n"
    )


def drawings(frames: Sequence[Complex], labels: Sequence[str], options: dict[str, Any]) -> list[Figure]:
    """A figure for each, all with the same colours for the same outputs."""
    options = {"tell": TELL} | options
    if options.get("kind", "regions") == "regions":
        options |= {"span": np.concatenate([frame.values for frame in frames])}
        titles = [{"title": f"{cut(said, 40)}: {f.count:,} regions"} for f, said in zip(frames, labels, strict=True)]
    else:
        titles = [{} for _ in frames]
    return [figure_of(frame, **options, **title) for frame, title in zip(frames, titles, strict=True)]


def moving(figures: Sequence[Figure], seconds: float) -> str:
    """SVG of all figures in one place, each shown for its time, again and again."""
    parts, n = [svg_of(figure, f"f{i}", "") for i, figure in enumerate(figures)], len(figures)
    wide, high = (
        max(float(re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', part)[0][i]) for part in parts) for i in (0, 1)
    )
    delays = "".join(f".film>g:nth-of-type({i + 1}){{animation-delay:{(i - n) * seconds:.6g}s}}" for i in range(n))
    style = STYLE.format(light=variables(0), dark=variables(1), whole=n * seconds, part=100 / n, delays=delays)
    style = (
        style if n > 1 else STYLE.split("{delays}")[0].split(".film>g")[0].format(light=variables(0), dark=variables(1))
    )
    size = f'width="{wide * 1.6:.0f}" height="{high * 1.6:.0f}" viewBox="0 0 {wide:g} {high:g}"'
    groups = "\n".join(f"<g>{sized(part)}</g>" for part in parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="film" {size} role="img" aria-label="The regions over time, '
        f'{n} pictures."><style>{style}</style>\n'
        f'<rect width="100%" height="100%" style="fill:var(--pl-paper, {PAPER})"/>\n'
        f"{groups}</svg>\n"
    )


def sized(part: str) -> str:
    """An inner picture with its own size, so that all lie in the same place."""
    wide, high = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', part)[0]
    head, rest = part.split(">", 1)
    head = re.sub(r' (style|role|aria-label|class)="[^"]*"', "", head)
    return f'{head} width="{wide}" height="{high}">{rest}'


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
    out = io.BytesIO()
    pictures[0].save(
        out, format="GIF", save_all=True, append_images=pictures[1:], duration=round(1000 * seconds), loop=0, disposal=1
    )
    return out.getvalue()
