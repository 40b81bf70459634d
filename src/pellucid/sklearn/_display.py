from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..errors import DataError
from ..geometry import Complex, complex_of
from ..interop import from_sklearn

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class DecisionRegionDisplay:
    """The decision regions of an estimator of two features, exactly: every linear region and the boundary itself.

    Scikit-learn's own display asks the estimator at the points of a grid; this one reads the network, so that nothing
    is too thin to be seen. `complex_` is the record, with the vertices, maps and `boundary()` of the regions.
    """

    complex_: Complex
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    rows: tuple[np.ndarray, list[Any]] | None = field(default=None, repr=False)

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any = None, *, eps: float = 1.0) -> Self:
        """The regions in a box around the rows X (n, 2), `eps` wider on every side; with y, the rows are drawn too.

        The estimator is any that `pellucid.from_sklearn` opens: one of ours, an `MLPClassifier`, a pipeline that ends
        in one.

        Raises: InteropError where it cannot be opened; GeometryError where it is not piecewise linear; DataError for
            rows of other than two features.
        Example:
            >>> from pellucid.sklearn import NetClassifier
            >>> x = np.random.default_rng(0).normal(size=(60, 2))
            >>> net = NetClassifier((8,), max_iter=5, random_state=0).fit(x, x[:, 0] > x[:, 1])
            >>> display = DecisionRegionDisplay.from_estimator(net, x)
            >>> display.complex_.complete, display.complex_.euler
            (True, 1)
        """
        rows = np.asarray(X, float)
        if rows.ndim != 2 or rows.shape[1] != 2:
            raise DataError(f"Regions are drawn of two features; X has the shape {rows.shape}.")
        low, high = rows.min(0) - eps, rows.max(0) + eps
        found = complex_of(from_sklearn(estimator), np.stack([low, high], 1).tolist(), progress=False)
        columns = getattr(X, "columns", ("x[0]", "x[1]"))
        names = tuple(map(str, getattr(estimator, "feature_names_in_", columns)))
        classes = [str(name) for name in getattr(estimator, "classes_", [])]
        outputs = tuple(classes[1:]) if found.flat.n_out == 1 else tuple(classes)
        return cls(found, names, outputs, None if y is None else (rows, np.asarray(y).astype(str).tolist()))

    def plot(self, **options: Any) -> Figure:
        """The picture, with the options of `plot` of a Complex; of a regressor without a boundary."""
        level = {} if self.outputs else {"level": None}
        return self.complex_.plot(**{"names": self.names, "outputs": self.outputs, "rows": self.rows} | level | options)
