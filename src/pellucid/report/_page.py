"""The one-file report."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import numpy as np

from ..insight import Story
from . import _about, _captions, _diagnosis_page, _evidence, _pieces
from ._colours import variables
from ._markup import DOCUMENT, Markup, element, join, safe

SECTIONS: dict[str, tuple[str, Callable[[Story], Markup]]] = {
    "result": ("How good it is", _about.result),
    "data": ("What it learned from", _about.data),
    "network": ("The network", _about.network),
    "training": ("How it learned", _evidence.training),
    "answers": ("Right and wrong", _evidence.answers),
    "inside": ("Signal and blame", _evidence.inside),
    "neurons": ("The first neurons", _evidence.neurons),
    "regions": ("Regions", _pieces.section),
    "importance": ("What the answers rest on", _evidence.rests_on),
    "findings": ("The doctor", _diagnosis_page.section),
    "again": ("Do it again", _about.again),
}


def page_of(story: Story) -> str:
    """The page of a run: one file that needs nothing else."""
    with np.errstate(over="ignore", invalid="ignore"):  # a network that broke off may hold numbers near the largest
        written = [(id, title, write(story)) for id, (title, write) in SECTIONS.items()]
    links = [element("a", title, href=f"#{id}") for id, title, _ in written]
    sections = [element("section", element("h2", title), body, id=id) for id, title, body in written]
    body = [element("nav", join(links), aria_label="Sections"), *sections, element("footer", _captions.FOOT)]
    return DOCUMENT.format(
        title=safe(f"{story.title}: a Pellucid report"),
        light=variables(0),
        dark=variables(1),
        css=files("pellucid.report").joinpath("page.css").read_text("utf-8"),
        hero=_about.hero(story),
        body=join(body),
    )
