"""Records as text, as figures, and as one HTML page. What is here draws and computes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..insight import Story
    from ..records import Record

__all__ = ["figure", "html", "page", "text"]

# matplotlib and the packages whose records are drawn are loaded by the first call, not by the import.


def figure(record: Record, **options: Any) -> Figure:
    """The picture of a record, a matplotlib Figure.

    Raises: SettingError for a record that has no picture, or an unknown kind of picture.
    """
    from ._figures import figure_of

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


def html(record: Record) -> str:
    """A record for a notebook: its picture where it has one, and its table."""
    from ._html import html_of

    return html_of(record)


def page(story: Story) -> str:
    """The one-file report: HTML that needs no network, for screen (light and dark), phone and paper."""
    from ._page import page_of

    return page_of(story)
