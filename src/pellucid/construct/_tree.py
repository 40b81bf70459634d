"""A decision tree or forest of scikit-learn as a network, equal to it but in thin collars around its thresholds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, SettingError
from ._chain import Chain
from ._record import Construction, above_zero, built

KINDS = (
    "DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor",
    "RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor",
)  # fmt: skip
MOST = 20_000  # leaves
THIN = 2.0**-120  # a collar: 1 / margin is a weight


class Leaf(NamedTuple):
    """The splits on the way to a leaf, each the number of a threshold and whether it goes left; and what it answers."""

    path: list[tuple[int, bool]]
    value: np.ndarray


def tree(model: Any, *, data: Any = None, margin: float | None = None) -> Construction:
    """The network of a fitted tree or forest: its prediction, or for a classifier the share of every class.

    A split asks `x ≤ t`. A network is continuous, so it cannot jump there: it answers as the tree does for `x ≤ t` and
    for `x ≥ t + margin`, and goes from one to the other between. With `data`, rows as they are predicted, the margin of
    each threshold is half of the way to the next value in them, and the answers on these rows are compared.

    Three layers: `r = relu(x − t)`, `q = relu(1 − r / margin)`, which is 1 on the left and 0 on the right, and for each
    leaf `relu(Σ q or 1 − q − (splits − 1))`. They are whole numbers outside of the collars, also in float32.

    Raises: SettingError for another model, one that is not fitted, or neither data nor margin; DataError for data that
        does not fit.
    Source: Balestriero 2017, Neural decision trees, section 3; Sethi 1990, Entropy nets.
    Example:
        >>> from sklearn.tree import DecisionTreeRegressor
        >>> x, y = np.array([[0.0], [1.0], [2.0]]), np.array([5.0, 7.0, 4.0])
        >>> made = tree(DecisionTreeRegressor().fit(x, y), data=x)
        >>> made.net(x.astype(np.float32)).ravel().tolist(), made.measured
        ([5.0, 7.0, 4.0], 0.0)
    """
    trees, classes = fitted(model)
    rows = None if data is None else checked(data, trees[0].n_features)
    if rows is None and margin is None:
        raise SettingError(
            "A network cannot jump: give margin=, how wide a collar above each threshold may be, or data=."
        )
    splits = sorted({(int(f), single_below(float(t))) for one in trees for f, t in
                     zip(one.feature, one.threshold, strict=True) if f >= 0})  # fmt: skip
    margins = np.array([margin_of(rows, f, t, margin) for f, t in splits])
    numbers = {split: i for i, split in enumerate(splits)}
    leaves = [leaf for one in trees for leaf in leaves_of(one, numbers, classes)]
    if len(leaves) > MOST:
        raise SettingError(f"The forest has {len(leaves):,} leaves; {MOST:,} at most become a network.")
    chain, lost = chain_of(splits, margins, leaves, trees[0].n_features, len(trees))
    box = box_of(rows, splits, margins, trees[0].n_features)
    points = rows if rows is not None else edges(splits, margins, box)
    said = f"all {len(points):,} rows of the data" if rows is not None else "inputs on both sides of every collar"
    widest = float(margins.max(initial=0.0))
    return built(
        chain, box, lambda x: answers(model, x, splits, margins, classes),
        f"a {type(model).__name__} of {len(trees):,} tree{'s' * (len(trees) > 1)}", lost,
        f"every split is 0 or 1 outside of its collar, from its threshold to at most {widest:.3g} above it, and there "
        "exactly one leaf of each tree is on; what is left is what float32 rounds off the answers",
        notes=(f"{len(splits):,} thresholds, {len(leaves):,} leaves",), points=(points, said),
    )  # fmt: skip


def fitted(model: Any) -> tuple[list[Any], int]:
    """The trees of a model, and how many classes it tells apart, 0 for a regressor.

    Raises: SettingError where it is no tree or forest, is not fitted, or has several outputs of classes.
    """
    if type(model).__name__ not in KINDS or not type(model).__module__.startswith("sklearn."):
        raise SettingError(f"tree wants one of {', '.join(KINDS)}; got a {type(model).__name__}.")
    alone = getattr(model, "tree_", None)
    several = getattr(model, "estimators_", None)
    if alone is None and several is None:
        raise SettingError(f"The {type(model).__name__} is not fitted: call its fit first.")
    trees = [alone] if several is None else [one.tree_ for one in several]
    classes = getattr(model, "n_classes_", 0)
    if np.ndim(classes):
        raise SettingError("A tree of several outputs of classes has no single answer: build one for each.")
    return trees, int(classes)


def checked(data: Any, features: int) -> np.ndarray:
    """Rows as scikit-learn sees them, in float32."""
    try:
        rows = np.asarray(data, np.float32).astype(float)
    except (TypeError, ValueError):
        raise DataError("data wants rows of numbers, as the tree predicts them.") from None
    if rows.ndim != 2 or rows.shape[1] != features or not len(rows):
        raise DataError(f"data wants rows of {features} numbers, as the tree predicts them; got shape {rows.shape}.")
    if not np.isfinite(rows).all():
        raise DataError("data holds NaN or infinity: a network has no answer for a missing value.")
    return rows


def single_below(t: float) -> float:
    """The largest number of float32 that is not above a threshold: for x in float32 it splits alike."""
    single = np.float32(t)
    return float(single if float(single) <= t else np.nextafter(single, np.float32(-np.inf)))


def margin_of(rows: np.ndarray | None, feature: int, threshold: float, margin: float | None) -> float:
    """How wide a collar is: as asked, and at most half of the way to the next value of the data."""
    most = np.inf if margin is None else above_zero("margin", margin)
    above = np.zeros(0) if rows is None else rows[rows[:, feature] > threshold, feature]
    gap = float(above.min()) - threshold if len(above) else 2 * max(abs(threshold), 1.0) * 1e-3
    return min(most, gap / 2) if rows is not None else most


def leaves_of(one: Any, numbers: dict[tuple[int, float], int], classes: int) -> list[Leaf]:
    """Every leaf with its way from the root."""
    found, open_ = [], [(0, [])]
    while open_:
        node, path = open_.pop()
        left, right = int(one.children_left[node]), int(one.children_right[node])
        if left < 0:
            value = one.value[node][:, 0] if not classes else one.value[node][0] / one.value[node][0].sum()
            found.append(Leaf(path, np.asarray(value, float)))
            continue
        split = numbers[int(one.feature[node]), single_below(float(one.threshold[node]))]
        open_ += [(right, [*path, (split, False)]), (left, [*path, (split, True)])]
    return found


def chain_of(splits: Any, margins: np.ndarray, leaves: list[Leaf], features: int, trees: int) -> tuple[Chain, float]:
    """The three layers, and how far float32 moves their answer."""
    n, m = len(splits), len(leaves)
    read, ask = np.zeros((features, n)), np.zeros((n, m))
    for i, (feature, _) in enumerate(splits):
        read[feature, i] = 1
    need = np.zeros(m)
    for k, leaf in enumerate(leaves):
        way = dict(leaf.path)  # a split that is passed twice the same way counts once
        for split, is_left in way.items():
            ask[split, k] = 1 if is_left else -1
        need[k] = 1 - sum(way.values())  # Σ q + Σ (1 − q) − (splits − 1)
    if margins.min(initial=1.0) < THIN:
        raise SettingError(f"A collar of {margins.min():.3g} is too thin for float32: allow {THIN:.3g} or more.")
    steep = np.nextafter((1 / margins).astype(np.float32), np.float32(np.inf)).astype(float)
    values = np.array([leaf.value for leaf in leaves]) / trees
    lost = trees * float(abs(values.astype(np.float32) - values).max())
    thresholds = np.array([t for _, t in splits])
    maps = ((read, -thresholds), (-np.diag(steep), np.ones(n)), (ask, need), (values, np.zeros(values.shape[1])))
    return Chain(maps if n else ((np.zeros((features, values.shape[1])), values.sum(0)),)), lost


def box_of(rows: np.ndarray | None, splits: Any, margins: np.ndarray, features: int) -> Any:
    """Where the answers are compared: around the data, or around the thresholds."""
    low, high = np.full(features, -1.0), np.ones(features)
    if rows is not None:
        low, high = rows.min(0), rows.max(0)
    for f in range(features) if rows is None else []:
        here = [(t, m) for (g, t), m in zip(splits, margins, strict=True) if g == f]
        if here:
            reach = max(max(t + m for t, m in here) - min(t for t, _ in here), 1.0)
            low[f], high[f] = min(t for t, _ in here) - reach, max(t + m for t, m in here) + reach
    return tuple((float(a), float(max(b, np.nextafter(a, np.inf)))) for a, b in zip(low, high, strict=True))


def edges(splits: Any, margins: np.ndarray, box: Any) -> np.ndarray:
    """Inputs at random in the box, of which some coordinates are on either end of a collar."""
    rng = np.random.default_rng(0)
    low, high = np.array(box).T
    x = rng.uniform(low, high, (4000, len(box)))
    for (feature, t), margin in zip(splits, margins, strict=True):
        some = rng.random(len(x)) < 0.02
        end = np.nextafter(np.float32(t + margin), np.float32(np.inf))
        x[some, feature] = np.where(rng.random(some.sum()) < 0.5, t, float(end))
    return x.astype(np.float32).astype(float)


def answers(model: Any, x: np.ndarray, splits: Any, margins: np.ndarray, classes: int) -> np.ndarray:
    """What the model answers, NaN in the collars."""
    found = model.predict_proba(x.astype(np.float32)) if classes else model.predict(x.astype(np.float32))
    found = np.array(found, float).reshape(len(x), -1)
    for (feature, t), margin in zip(splits, margins, strict=True):
        found[(x[:, feature] > t) & (x[:, feature] < t + margin)] = np.nan
    return found
