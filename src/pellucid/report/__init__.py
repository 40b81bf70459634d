"""Records as text, as figures, and as one HTML page. What is here draws and computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from ..doctor import Diagnosis, Prescription
    from ..geometry import Complex
    from ..insight import Story, View
    from ..lab import Lab
    from ..records import Record

__all__ = ["diagnosis_page", "figure", "film", "html", "lab_page", "page", "text"]

# matplotlib and the packages whose records are drawn are loaded by the first call, not by the import.


def figure(record: Record, *, lang: str | None = None, **options: Any) -> Figure:
    """The picture of a record, a matplotlib Figure; its words in the language `lang`.

    Raises: SettingError for a record that has no picture, or an unknown kind of picture.
    """
    from ..language import speaking
    from ._figures import figure_of
    from ._fonts import check_fonts

    with speaking(lang):
        check_fonts()
        return figure_of(record, **options)


def text(record: Record) -> str:
    """A record for a plain terminal: a table or a few lines.

    Example:
        >>> from pellucid.train import RangeTest
        >>> import numpy as np
        >>> print(text(RangeTest(np.ones(3), np.ones(3), 0.01)))
        RangeTest
          rates      3 numbers from 1 to 1
          losses     3 numbers from 1 to 1
          suggested  0.01
    """
    from ._text import text_of

    return text_of(record)


def html(record: Record, *, whole: bool = False, lang: str | None = None, **options: Any) -> str:
    """A record for a notebook: its picture where it has one, and its table; or a `whole` page of it.

    `options` are those of its `plot`; `lang` is the language of its words.
    """
    from ..language import speaking
    from ._html import document_of, html_of

    with speaking(lang):
        return document_of(record, options) if whole else html_of(record, options)


def page(story: Story, *, lang: str | None = None) -> str:
    """The one-file report: HTML that needs no network, for screen (light and dark), phone and paper; in the language
    `lang`, "en" or "zh"."""
    from ..language import speaking
    from ._page import page_of

    with speaking(lang):
        return page_of(story)


def diagnosis_page(
    diagnosis: Diagnosis, prescription: Prescription | None = None, title: str = "", *, lang: str | None = None
) -> str:
    """What the doctor found, with its pictures, and what it prescribes, as one file like that of `page`; in the
    language `lang`, "en" or "zh"."""
    from ..language import phrase, speaking
    from ._diagnosis_page import page

    with speaking(lang):
        return page(diagnosis, prescription, title or phrase("Diagnosis"))


def lab_page(lab: Lab, lang: str | None = None) -> str:
    """Every claim that was put to the test, with its number, its figure and its code, as one file like that of `page`;
    in the language `lang`, "en" or "zh"."""
    from ._lab_page import page

    return page(lab, lang)


def film(
    complexes: Sequence[Complex | View],
    path: str | Path,
    *,
    seconds_per_frame: float = 0.4,
    labels: Sequence[str] | None = None,
    lang: str | None = None,
    **options: Any,
) -> Path:
    """Regions over time, such as those of `run.snapshots`, as one file that plays by itself and rests on the last.

    `path` ends in .svg or .html, which need no script and no network, or in .gif. `labels` names each picture; all are
    drawn in the same colours. `options` are those of `plot` of a Complex; `lang` is the language of its words.

    Raises: SettingError for another kind of file, no pictures, or a time that is not above 0.
    """
    from ..language import speaking
    from ._film import film_of

    with speaking(lang):
        return film_of(complexes, path, seconds_per_frame, labels, options)
