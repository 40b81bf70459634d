"""Indicators: 1 on a polygon or polytope, 0 beyond a thin collar around it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection, QhullError

from ..errors import DataError, SettingError
from ._chain import Chain, beside, hidden, single, then
from ._lattice import numbers
from ._record import Construction, above_zero, built

MOST = 2000  # corners of a polygon


def polygon(corners: Any, *, collar: float) -> Construction:
    """1 on a polygon, 0 wherever the distance from it is `collar` or more, and between these two in the collar.

    A convex one is `relu(1 − Σ relu(a_i · x − b_i) / δ)`: one neuron for each side, and one. Another is cut into convex
    parts, and is `1 − relu(1 − Σ parts)`.

    Raises: DataError for fewer than three corners, corners that coincide, or sides that cross; SettingError for a
        collar that is not above 0, or too thin for float32.
    Example:
        >>> square = polygon([[0, 0], [1, 0], [1, 1], [0, 1]], collar=0.1)
        >>> square.neurons, square.net(np.array([[0.5, 1.0], [1.2, 0.5]], np.float32)).tolist()
        (5, [[1.0], [0.0]])
    """
    points = outline(numbers("corners", corners, 2))
    wide = above_zero("collar", collar)
    parts = convex_parts(points)
    chains = [part_of(points[part], wide) for part in parts]
    chain = chains[0]
    if len(chains) > 1:
        chain = then(beside(chains, [0.0] * len(chains)), hidden(-np.ones((len(chains), 1)), [1], [[-1]], [1]))
    box = tuple((float(a - 2 * wide), float(b + 2 * wide)) for a, b in zip(points.min(0), points.max(0), strict=True))

    def truth(x: np.ndarray) -> np.ndarray:
        inside, far = within(points, x), distance(points, x)
        return np.where(inside, 1.0, np.where(far >= wide, 0.0, np.nan))[:, None]

    return built(
        chain, box, truth, f"a polygon of {len(points)} corners", 0.0,
        "every corner satisfies every inequality of its part with the weights as they are stored, and beyond a "
        f"distance of {wide:g} their sum is 1 or more; between, in the collar, nothing is said",
        notes=(f"{len(parts)} convex part{'s' * (len(parts) > 1)}",), more=points,
    )  # fmt: skip


def polytope(normals: Any = None, offsets: Any = None, *, corners: Any = None, collar: float) -> Construction:
    """1 on a bounded convex polytope, `normals · x ≤ offsets` or the hull of `corners`, and 0 beyond a collar.

    It is 0 wherever some `a_i · x − b_i`, rows of length 1, is `collar` or more, and so at every point that far beyond
    one of its sides.

    Raises: DataError where the inequalities have no solution, a flat one or an endless one, or a corner lies within the
        hull of the others; SettingError for a collar that is not above 0.
    Example:
        >>> cube = polytope(np.vstack([np.eye(3), -np.eye(3)]), np.ones(6), collar=0.5)
        >>> cube.neurons, cube.net(np.array([[1.0, 1.0, -1.0], [0.0, 1.5, 0.0]], np.float32)).tolist()
        (7, [[1.0], [0.0]])
    """
    wide = above_zero("collar", collar)
    if (corners is None) == (normals is None) or (normals is None) != (offsets is None):
        raise DataError("A polytope is given by normals and offsets, or by corners=.")
    points = corners_in(normals, offsets) if corners is None else hull_of(numbers("corners", corners, 2))
    sides = sides_of(points)
    chain = indicator(sides, points, wide)
    box = tuple((float(a - 2 * wide), float(b + 2 * wide)) for a, b in zip(points.min(0), points.max(0), strict=True))

    def truth(x: np.ndarray) -> np.ndarray:
        past = (x @ sides[:, :-1].T + sides[:, -1]).max(1)
        return np.where(past <= 0, 1.0, np.where(past >= wide, 0.0, np.nan))[:, None]

    return built(
        chain, box, truth, f"a polytope of {len(sides)} sides", 0.0,
        "every corner satisfies every inequality with the weights as they are stored, and where one is missed by "
        f"{wide:g} or more their sum is 1 or more; between, in the collar, nothing is said",
        more=np.concatenate([points, points.mean(0, keepdims=True)]),
    )  # fmt: skip


def indicator(sides: np.ndarray, points: np.ndarray, width: float) -> Chain:
    """`relu(1 − Σ relu((a_i · x − b_i) / width))`; rows of sides are `a_i, −b_i`.

    Each bias is the largest in float32 for which every corner is on the inside with the weights of float32; these are
    larger by what that may take away, so that at the width the sum is 1 still.

    Raises: SettingError where float32 cannot tell so thin a collar.
    """
    reach = abs(points).max(0) + 4 * width
    steeper = 2.0**-20 * (1 + float((abs(sides[:, :-1]) @ reach + abs(sides[:, -1])).max()) / width)
    if steeper > 0.01:
        raise SettingError(
            f"A collar of {width:.3g} is too thin for float32 that far from 0: make it wider, or move it."
        )
    weight = single(sides[:, :-1].T / width * (1 + steeper))
    most = (points @ weight + 2.0**-50 * (abs(points) @ abs(weight))).max(0)
    bias = -np.nextafter(most.astype(np.float32), np.float32(np.inf)).astype(float)
    return then(hidden(weight, bias, -np.ones((len(sides), 1)), [1]), hidden([[1]], [0], [[1]]))


def part_of(points: np.ndarray, collar: float) -> Chain:
    """A convex polygon; its sides are moved out by as much as keeps the tips of the collar within its width.

    Where two sides meet at an angle θ the tip is `width / sin(θ / 2)` away from the corner.
    """
    ahead = np.roll(points, -1, 0) - points
    ahead = ahead / np.linalg.norm(ahead, axis=1, keepdims=True)
    normal = np.stack([ahead[:, 1], -ahead[:, 0]], 1)
    back = -np.roll(ahead, 1, 0)
    half = np.sqrt(np.clip((1 - (ahead * back).sum(1)) / 2, 0, 1))  # sin(θ / 2)
    sides = np.column_stack([normal, -(normal * points).sum(1)])
    return indicator(sides, points, collar * float(half.min()) * (1 - 1e-9))


def outline(points: np.ndarray) -> np.ndarray:
    """The corners counterclockwise, without those on a straight side.

    Raises: DataError where they are no simple polygon.
    """
    if points.shape[1] != 2 or len(points) < 3:
        raise DataError(f"A polygon has three corners or more in the plane; got an array of shape {points.shape}.")
    if len(points) > MOST:
        raise DataError(f"A polygon has {MOST:,} corners at most; got {len(points):,}.")
    if len(np.unique(points, axis=0)) < len(points):
        raise DataError("Two corners of the polygon coincide: name each once, and not the first again at the end.")
    exact = [(Fraction(x), Fraction(y)) for x, y in points.tolist()]
    n = len(exact)
    for i in range(n):
        for j in range(i + 1, n):
            a, b, c, d = exact[i], exact[(i + 1) % n], exact[j], exact[(j + 1) % n]
            if crosses(a, b, c, d, shared=(j == i + 1) or (i == 0 and j == n - 1)):
                raise DataError(f"The polygon crosses itself: sides {i} and {j} meet.")
    area = sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(exact, exact[1:] + exact[:1], strict=True))
    points = points if area > 0 else points[::-1]
    exact = exact if area > 0 else exact[::-1]
    bent = [turn(exact[i - 1], exact[i], exact[(i + 1) % n]) != 0 for i in range(n)]
    return points[bent]


def turn(a: Any, b: Any, c: Any) -> Any:
    """Above 0 where c lies left of the way from a to b."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def crosses(a: Any, b: Any, c: Any, d: Any, shared: bool) -> bool:
    """Whether two sides have a point in common, beside the corner that neighbours share."""
    one, two, three, four = turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)
    if shared:
        if any((one, two, three, four)):
            return False
        e, f, g = (a, b, d) if b == c else (b, a, c)  # on one line: back over itself, or straight on
        return (e[0] - f[0]) * (g[0] - f[0]) + (e[1] - f[1]) * (g[1] - f[1]) > 0
    if one * two < 0 and three * four < 0:
        return True
    ends = ((one, a, b, c), (two, a, b, d), (three, c, d, a), (four, c, d, b))
    return any(side == 0 and between(p, q, r) for side, p, q, r in ends)


def between(p: Any, q: Any, r: Any) -> bool:
    """Whether r, on the line of p and q, lies between them."""
    return all(min(p[k], q[k]) <= r[k] <= max(p[k], q[k]) for k in (0, 1))


def convex_parts(points: np.ndarray) -> list[list[int]]:
    """Convex parts of a polygon: ears are cut off, then triangles are joined where that stays convex.

    Source: Hertel and Mehlhorn 1983, Fast triangulation of simple polygons.
    """
    exact = [(Fraction(x), Fraction(y)) for x, y in points.tolist()]
    left, parts = list(range(len(exact))), []
    while len(left) > 3:
        k = next(k for k in range(len(left)) if is_ear(exact, left, k))
        parts.append([left[k - 1], left[k], left[(k + 1) % len(left)]])
        del left[k]
    parts.append(left)
    merged = True
    while merged:
        merged = False
        for i in range(len(parts)):
            for j in range(i + 1, len(parts)):
                both = joined(exact, parts[i], parts[j])
                if both is not None:
                    parts[i] = both
                    del parts[j]
                    merged = True
                    break
            if merged:
                break
    return parts


def is_ear(exact: Any, left: list[int], k: int) -> bool:
    a, b, c = left[k - 1], left[k], left[(k + 1) % len(left)]
    if turn(exact[a], exact[b], exact[c]) <= 0:
        return False
    corner = [exact[a], exact[b], exact[c]]
    return not any(
        all(turn(corner[m], corner[(m + 1) % 3], exact[v]) >= 0 for m in range(3)) for v in left if v not in (a, b, c)
    )


def joined(exact: Any, one: list[int], two: list[int]) -> list[int] | None:
    """Two convex parts with a side in common as one, where that is convex."""
    for i, a in enumerate(one):
        b = one[(i + 1) % len(one)]
        if a in two and b in two and two[(two.index(b) + 1) % len(two)] == a:
            j = two.index(a)
            both = one[: i + 1] + [two[(j + m) % len(two)] for m in range(1, len(two) - 1)] + one[i + 1 :]
            n = len(both)
            if all(turn(exact[both[m - 1]], exact[both[m]], exact[both[(m + 1) % n]]) >= 0 for m in range(n)):
                return both
    return None


def within(points: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Whether points lie in a polygon: a ray to the right crosses its sides an odd number of times."""
    inside = np.zeros(len(x), bool)
    for a, b in zip(points, np.roll(points, -1, 0), strict=True):
        over = (a[1] > x[:, 1]) != (b[1] > x[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            at = a[0] + (x[:, 1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        inside ^= over & (x[:, 0] < at)
    return inside


def distance(points: np.ndarray, x: np.ndarray) -> np.ndarray:
    """How far points are from the sides of a polygon."""
    found = np.full(len(x), np.inf)
    for a, b in zip(points, np.roll(points, -1, 0), strict=True):
        share = np.clip((x - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        found = np.minimum(found, np.linalg.norm(x - a - share[:, None] * (b - a), axis=1))
    return found


def corners_in(normals: Any, offsets: Any) -> np.ndarray:
    """The corners of `normals · x ≤ offsets`.

    Raises: DataError where it is empty, flat or endless.
    """
    a, b = numbers("normals", normals, 2), numbers("offsets", offsets, 1)
    if len(a) != len(b):
        raise DataError(f"There are {len(a)} normals and {len(b)} offsets: give one for each.")
    length = np.linalg.norm(a, axis=1)
    if not length.all():
        raise DataError(f"Normal {int(length.argmin())} is 0: an inequality needs a direction.")
    a, b = a / length[:, None], b / length
    n = a.shape[1]
    ball = linprog(
        np.append(np.zeros(n), -1), np.column_stack([a, np.ones(len(a))]), b, bounds=[(None, None)] * n + [(None, 1e6)]
    )
    if ball.x is None or ball.x[-1] <= 1e-9:
        raise DataError("The inequalities have no solution, or only a flat one: a polytope has an inside.")
    ends = [linprog(sign * np.eye(n)[k], a, b, bounds=(None, None)).status for k in range(n) for sign in (1, -1)]
    if any(ends):
        raise DataError("The polytope does not end in every direction: add inequalities that bound it.")
    if n == 1:
        return np.array([[np.max(-b[a[:, 0] < 0])], [np.min(b[a[:, 0] > 0])]])
    found = HalfspaceIntersection(np.column_stack([a, -b]), ball.x[:-1]).intersections
    return found[ConvexHull(found).vertices]


def hull_of(points: np.ndarray) -> np.ndarray:
    """The corners of a convex polytope.

    Raises: DataError where they lie in a plane, or one lies within the hull of the others.
    """
    if points.shape[1] < 2:
        raise DataError("corners= is for two dimensions or more: in one give normals and offsets.")
    try:
        hull = ConvexHull(points)
    except (QhullError, ValueError):
        raise DataError(f"{len(points)} corners span no polytope in {points.shape[1]} dimensions.") from None
    inside = np.setdiff1d(np.arange(len(points)), hull.vertices)
    if len(inside):
        raise DataError(f"Corner {inside[0]} lies within the hull of the others: the polytope would not be convex.")
    return points


def sides_of(points: np.ndarray) -> np.ndarray:
    """The inequalities of a hull, rows `a, −b` of length 1, each once."""
    if points.shape[1] == 1:
        return np.array([[1.0, -points.max()], [-1.0, points.min()]])
    rows = ConvexHull(points).equations
    return rows[np.unique(np.round(rows, 9), axis=0, return_index=True)[1]]
