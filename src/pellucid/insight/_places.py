from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

PLACE = re.compile(r"(.*?)\[?(\d+)(?:_|, ?)(\d+)\]?")


def places_of(names: Sequence[str]) -> tuple[tuple[int, int], ...] | None:
    """Row and column of each input where all are pixels by their names ("pixel_3_5", "x[3, 5]"); else None.

    Example:
        >>> places_of(["pixel_0_1", "pixel_2_0"]), places_of(["age", "x_1_2"])
        (((0, 1), (2, 0)), None)
    """
    found = [PLACE.fullmatch(name) for name in names]
    if len(found) < 2 or not all(found) or len({m[1] for m in found if m}) > 1:
        return None
    places = tuple((int(m[2]), int(m[3])) for m in found if m)
    large = max(max(place) for place in places) >= 256
    return None if large or len(set(places)) < len(places) else places


def pictured(names: Sequence[str], values: np.ndarray) -> np.ndarray | None:
    """One number for each input at its place in the image; None where the inputs are no image."""
    places = places_of(names)
    if places is None:
        return None
    high, wide = (max(place[axis] for place in places) + 1 for axis in (0, 1))
    picture = np.zeros((high, wide))
    for place, value in zip(places, values, strict=True):
        picture[place] = value
    return picture
