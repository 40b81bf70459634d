"""The colours by what they are for, on light and on dark. Figures are drawn in the first; HTML makes them variables."""

from __future__ import annotations

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#12161b"),
    "panel": ("#f5f8fa", "#1a2027"),
    "line": ("#dbe2e8", "#323c47"),
    "ink": ("#18212b", "#e9edf1"),
    "muted": ("#55626f", "#a3afbb"),
    "blue": ("#0f6fae", "#62b4ee"),
    "orange": ("#c4560a", "#f4a063"),
    "green": ("#1b7a4b", "#5fcb92"),
    "red": ("#b42c2c", "#f48a84"),
    "bright": ("#fffffe", "#0c1116"),  # on a filled cell
    "violet": ("#6f4bb8", "#b79cf2"),
    "gold": ("#967000", "#dfbc4b"),
    "teal": ("#0b7f88", "#57c6cf"),
    "pink": ("#b5357d", "#f08cc4"),
    "brown": ("#7a5331", "#c8a27e"),
    "slate": ("#51606e", "#a4b1bd"),
}

PAPER, PANEL, LINE, INK, MUTED, BLUE, ORANGE, GREEN, RED, BRIGHT, *MORE = (light for light, _ in COLOURS.values())
VIOLET, GOLD, TEAL, PINK, BROWN, SLATE = MORE
MANY = (BLUE, ORANGE, GREEN, VIOLET, GOLD, PINK, TEAL, RED, BROWN, SLATE)  # to tell classes or layers apart, in order


def variables(which: int) -> str:
    """The colours as CSS variables: 0 light, 1 dark."""
    return "".join(f"--pl-{name}:{pair[which]};" for name, pair in COLOURS.items())
