"""The one-file report."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..insight import Story
from ..language import phrase
from . import _about, _captions, _diagnosis_page, _evidence, _pieces
from ._markup import Markup, document, element, join

SECTIONS: dict[str, tuple[str, Callable[[Story], Markup]]] = {
    "result": (phrase("How good it is"), _about.result),
    "data": (phrase("What it learned from"), _about.data),
    "network": (phrase("The network"), _about.network),
    "training": (phrase("How it learned"), _evidence.training),
    "answers": (phrase("Right and wrong"), _evidence.answers),
    "inside": (phrase("Signal and blame"), _evidence.inside),
    "neurons": (phrase("The first neurons"), _evidence.neurons),
    "regions": (phrase("Regions"), _pieces.section),
    "importance": (phrase("What the answers rest on"), _evidence.rests_on),
    "findings": (phrase("The doctor"), _diagnosis_page.section),
    "again": (phrase("Do it again"), _about.again),
}


def page_of(story: Story) -> str:
    """The page of a run: one file that needs nothing else."""
    with np.errstate(over="ignore", invalid="ignore"):  # a network that broke off may hold numbers near the largest
        written = [(id, title, write(story)) for id, (title, write) in SECTIONS.items()]
    links = [element("a", title, href=f"#{id}") for id, title, _ in written]
    sections = [element("section", element("h2", title), body, id=id) for id, title, body in written]
    body = [element("nav", join(links), aria_label=phrase("Sections")), *sections, element("footer", _captions.FOOT)]
    return document(phrase("{title}: a Pellucid report", title=story.title), _about.hero(story), body)
