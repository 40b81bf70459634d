"""A figure as a piece of HTML: SVG whose colours are CSS variables and whose parts say what they are."""

from __future__ import annotations

import io
import json
import re
from xml.etree import ElementTree

from matplotlib.figure import Figure

from ._colours import COLOURS
from ._style import styled

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
SHORTHAND = re.compile(r"font: (?:(\w+) )?([\d.]+)px [^;]*")
FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
OUTLINE = re.compile(r'(?<= d=")[^"]+')
DIGITS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is finer than any screen


def svg_of(figure: Figure, name: str, words: str) -> str:
    """The figure as inline SVG. `name` keeps its ids apart from those of other figures on the page; `words` are read to
    those who cannot see it."""
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for part in root.findall(f"{{{SVG}}}metadata"):
        root.remove(part)
    for element in root.iter():
        if element.get("id", "").startswith("tips:"):
            tell(element, json.loads(element.attrib.pop("id")[5:]))
    wide, high = (root.attrib.pop(side).removesuffix("pt") for side in ("width", "height"))
    root.attrib |= {
        "role": "img",
        "aria-label": words,
        "class": "pl-figure",
        "style": f"max-width:{float(wide) * 2:.0f}px",
    }
    root.attrib["viewBox"] = f"0 0 {wide} {high}"
    drop_names(root)
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=True)
    text = OUTLINE.sub(lambda m: DIGITS.sub(r"\1", m[0]), text)
    return coloured(own_ids(plain_tags(text), name))


def tell(group: ElementTree.Element, words: list[str]) -> None:
    """Put each text on its part of a drawn group, in the order drawn; a single text on the whole of it.

    Where matplotlib left parts out (places beyond what a float can draw), none is told: a wrong text is worse.
    """
    shapes = [e for e in parts_of(group) if e.tag in (f"{{{SVG}}}use", f"{{{SVG}}}path")]
    targets = [group] if len(words) == 1 else shapes if len(shapes) == len(words) else []
    for target, text in zip(targets, words, strict=False):
        target.set("class", "pl-tip")
        title = ElementTree.Element(f"{{{SVG}}}title")
        title.text = text
        target.insert(0, title)


def parts_of(element: ElementTree.Element) -> list[ElementTree.Element]:
    """All elements within, in order, but for definitions."""
    found = []
    for child in element:
        if child.tag != f"{{{SVG}}}defs":
            found += [child, *parts_of(child)]
    return found


def drop_names(root: ElementTree.Element) -> None:
    """Leave out the ids that nothing refers to, the empty groups and the global style."""
    used = set(re.findall(r"#([\w-]+)", ElementTree.tostring(root, encoding="unicode")))
    for parent in list(root.iter()):
        if "id" in parent.attrib and parent.get("id") not in used:
            del parent.attrib["id"]
        for child in list(parent):
            if child.tag == f"{{{SVG}}}style" or (child.tag == f"{{{SVG}}}defs" and not len(child)):
                parent.remove(child)


def plain_tags(text: str) -> str:
    """SVG as HTML writes it, without namespaces."""
    text = re.sub(r'\s?xmlns:\w+="[^"]*"', "", text)
    text = re.sub(r"<(/?)\w+:", r"<\1", text)
    return re.sub(r"\b\w+:href=", "href=", text)


def own_ids(text: str, name: str) -> str:
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'\bhref="#', f'href="#{name}-', text)
    return re.sub(r"url\(#", f"url(#{name}-", text)


def coloured(text: str) -> str:
    """The light colours as variables, with themselves where there is no page around; fonts as the page has them."""
    text = SHORTHAND.sub(lambda m: f"font-size: {m[2]}px" + (f"; font-weight: {m[1]}" if m[1] else ""), text)
    text = FAMILY.sub("", text)
    for name, (light, _) in COLOURS.items():
        text = re.sub(f"(?<=: ){light}", f"var(--pl-{name}, {light})", text)
    return text
