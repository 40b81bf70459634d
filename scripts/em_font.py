"""Write the font that tells matplotlib how wide Chinese is: one blank glyph, an em wide, for every character of it."""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib.tables._c_m_a_p import CmapSubtable

FILE = Path(__file__).parent.parent / "src" / "pellucid" / "report" / "em.ttf"
CHARACTERS = ((0x2E80, 0x9FFF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF))  # ideographs, their punctuation, wide forms


def write() -> None:
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "em"])
    builder.setupCharacterMap({})
    nothing = TTGlyphPen(None).glyph()
    builder.setupGlyf({".notdef": nothing, "em": nothing})
    builder.setupHorizontalMetrics({".notdef": (600, 0), "em": (1000, 0)})
    builder.setupHorizontalHeader(ascent=880, descent=-120)
    builder.setupNameTable({"familyName": "Pellucid Em", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=880, sTypoDescender=-120)
    builder.setupPost()
    many = CmapSubtable.newSubtable(13)  # the kind of map that sends a range of characters to one glyph
    many.platformID, many.platEncID, many.language, many.reserved, many.length, many.nGroups = 3, 10, 0, 0, 0, 0
    many.cmap = {character: "em" for low, high in CHARACTERS for character in range(low, high + 1)}
    builder.font["cmap"].tables = [many]
    builder.font["head"].created = builder.font["head"].modified = 3_800_000_000  # the same bytes every time
    builder.font.recalcTimestamp = False
    builder.font.save(FILE)


if __name__ == "__main__":
    write()
