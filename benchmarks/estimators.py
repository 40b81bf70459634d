"""`NetClassifier.fit` beside scikit-learn's `MLPClassifier.fit` on the digits, with the same settings.

    python benchmarks/estimators.py [--threads 1] [--rounds 8] [--write]

Each fits both ways of giving rows, float64 (which scikit-learn learns in, and NetClassifier rounds to float32) and
float32. A figure is the median over the rounds of the seconds of a whole fit over its epochs, after one fit that
compiles; the accuracy is the mean over five seeds on rows held out, ± the standard error of the difference.
"""

from __future__ import annotations

import sys
import warnings

from measuring import arguments, clocked, measure, medians, pinned, table, write

EPOCHS, SEEDS, ASKED = 200, 5, 4.0
SETTINGS = {"hidden_layer_sizes": (100,), "tol": 0.0, "n_iter_no_change": 10_000, "max_iter": EPOCHS}


def digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = load_digits(return_X_y=True)
    return train_test_split(StandardScaler().fit_transform(x), y, test_size=0.25, random_state=0, stratify=y)


def fitted(kind, x, y, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where all epochs are taken
        return kind(**SETTINGS, random_state=seed).fit(x, y)


def main(options):
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    from pellucid.sklearn import NetClassifier

    x, x_test, y, y_test = digits()
    kinds = {"NetClassifier": NetClassifier, "MLPClassifier": MLPClassifier}
    contenders = {
        (name, str(dtype.__name__)): lambda kind=kind, dtype=dtype: clocked(lambda: fitted(kind, x.astype(dtype), y, 0))
        for name, kind in kinds.items()
        for dtype in (np.float64, np.float32)
    }
    seconds = dict(
        zip(contenders, medians(zip(*measure(contenders, options.rounds).values(), strict=True)), strict=True)
    )
    scores = {
        name: [fitted(kind, x, y, seed).score(x_test, y_test) for seed in range(SEEDS)] for name, kind in kinds.items()
    }
    lines = table(["rows in", "estimator", "ms per epoch", "NetClassifier is faster by", "asked"], options)
    for name, dtype in contenders:
        faster = seconds[name, dtype] / seconds["NetClassifier", dtype]
        asked = f"{faster:.1f}× | {ASKED:g}×" if name == "MLPClassifier" else " | "
        lines.append(f"| {dtype} | {name} | {1000 * seconds[name, dtype] / EPOCHS:.2f} | {asked} |")
    ours, theirs = (np.array(scores[name]) for name in kinds)
    error = np.hypot(ours.std(ddof=1), theirs.std(ddof=1)) / SEEDS**0.5
    lines += [
        "",
        f"Accuracy on {len(y_test)} rows held out, {SEEDS} seeds: NetClassifier {ours.mean():.4f}, MLPClassifier "
        f"{theirs.mean():.4f}; the difference is {ours.mean() - theirs.mean():+.4f} ± {error:.4f}.",
    ]
    print("\n".join(lines))
    if options.write:
        write("Estimators", lines)
    slow = [d for n, d in contenders if n == "MLPClassifier" and seconds[n, d] < ASKED * seconds["NetClassifier", d]]
    return int(bool(slow) or abs(ours.mean() - theirs.mean()) > 3 * error)


if __name__ == "__main__":
    options = arguments(__doc__).parse_args()
    pinned(options.threads)
    sys.exit(main(options))
