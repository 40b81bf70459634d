"""Findings with numbers as the doctor gives them, one for each picture, and a diagnosis and a prescription."""

import numpy as np

from pellucid.doctor import Diagnosis, Finding, Prescription

RNG = np.random.default_rng(0)
TIED = np.tile(np.linspace(-0.5, 0.6, 6)[:, None], (1, 8))
TIED[:, 6:] = RNG.normal(size=(6, 2)) / 3
PATHS = [f"layers[{i}]" for i in range(0, 24, 2)]
ROWS = {
    "INIT_SYMMETRY": {"weights": TIED.tolist()},
    "VANISH": {
        "paths": PATHS,
        "spread": np.geomspace(1, 1e-5, 12).tolist(),
        "blame": [0.0, 0.0, *np.geomspace(1e-12, 0.3, 10)],
    },
    "DEAD_RELU": {
        "dead": [0.25, 1.0],
        "paths": ["layers[1]", "layers[3]"],
        "margins": RNG.normal(-9, 3, 200).clip(None, -0.5).tolist(),
    },
    "HID_ACT_SAT": {
        "flat": {"layers[1]": 0.7, "layers[3]": 0.1},
        "z": RNG.normal(0, 12, 200).tolist(),
        "curve": "sigmoid",
    },
    "HID_ACT_SAT without z": {"flat": {"layers[1]": 0.7, "layers[3]": 0.1}},
    "INIT": {"ratios": [0.01, 1.2, 250.0], "paths": ["layers[0]", "layers[2]", "layers[4]"]},
    "OUT_SOFTMAX1": {"constant": 1.0},
    "OUT_ACT_RANGE": {"low": 0.0, "high": 1.0, "targets": np.sort(RNG.gamma(2, 1.5, 200)).tolist(), "share": 0.7},
    "OUT_ACT_RANGE of a ReLU": {"low": 0.0, "high": None, "targets": np.sort(RNG.normal(0.5, 1, 200)).tolist()},
    "LOSS": {"pair": ["sigmoid", "squared_error"], "margins": RNG.normal(-2, 3, 200).tolist()},
    "OUT_ACT_LOSS": {"pair": ["softmax", "cross_entropy"], "margins": RNG.normal(1, 2, 200).tolist()},
    "OUT_ACT_LOSS of numbers": {
        "clipped": RNG.normal(0.3, 0.8, 200).tolist(),
        "loss": "binary_cross_entropy_of_probabilities",
    },
    "LR_HIGH": {
        "rates": [[3.0, 0.5], [0.3, 0.61], [0.03, 0.97]],
        "rate": 3.0,
        "usual": 0.01,
        "metric": "accuracy",
        "trivial": 0.5,
    },
    "EPOCHS_LOW": {"losses": np.geomspace(1.2, 0.5, 16).tolist()},
    "EPOCHS_HIGH": {
        "held": [*np.geomspace(1, 0.4, 8), *np.linspace(0.45, 1.3, 16)],
        "loss": np.geomspace(1, 0.01, 24).tolist(),
    },
    "PREP_X": {
        "mean": [38.2, 52000.0, 0.4],
        "spread": [14.0, 21000.0, 0.02],
        "names": ("age (years)", "income", "share of savings"),
    },
    "PREP_X of many": {"deviations": np.sort(np.exp(RNG.normal(0, 3, 64))).tolist(), "offsets": [0.0] * 64},
    "PREP_Y": {"mean": 1.8e5, "deviation": 4.0e4},
    "PREP_Y as columns": {"mean": [1.8e5], "spread": [4.0e4], "names": ()},
    "REG": {
        "reached": {"a constant answer": 0.5, "as it is": 0.52, "no decay": 0.98},
        "metric": "accuracy",
        "trivial": 0.5,
    },
    "CAPACITY": {"reached": {"a constant answer": 0.0, "as it is": 0.31, "wider": 0.93}, "metric": "R²"},
    "DATA_LABELS": {"tests": {"nearest neighbours": 0.4, "one column": -0.3, "ridge regression": 1.1, "a forest": 0.2}},
    "DATA_LABELS moved": {"shift": 1, "reversed": False, "scores": {-2: 0.1, -1: 1.2, 1: 44.0, 2: 0.4, 0: -0.5}},
    "DATA": {"rows": np.arange(9), "share": 0.42, "chance": 0.03},
    "DATA_IMBALANCE": {"counts": np.array([930, 60, 10])},
    "DATA_IMBALANCE of many": {"counts": np.array([900, *range(40, 4, -2)])},
    "DATA_AUGMENT": {"before": 0.97, "after": 0.41, "chance": 0.1},
    "DATA with gaps": {"parts": {"age": 0.2, "income": 0.04}, "of": "Rows with NaN or infinity", "rows": np.arange(9)},
    "DATA given away": {"points": [[*range(40)], [2.0 * i for i in range(40)]], "name": "paid", "beside": "target"},
    "EXPRESSIBILITY_MONOTONE": {
        "along": np.linspace(-2, 2, 80).tolist(),
        "values": (-np.linspace(-2, 2, 80) + RNG.normal(size=80) / 5).tolist(),
        "name": "age of the house",
        "share": 0.97,
    },
}  # fmt: skip
EVIDENCE = "93% of its <units> are 0 on every row at the start: no blame goes through them"


def finding(name, **more):
    """A finding with the numbers of a row above."""
    given = {"where": "layers[0]", "epoch": 0, "evidence": EVIDENCE, "mechanism": "Why it harms.", "cure": "Mend it."}
    given |= {"explains": 0.6, "confidence": "likely"} | more
    return Finding(code=name.split()[0], numbers=ROWS.get(name, {}) | {"rule": "what it is called"}, **given)


def diagnosis(**more):
    found = (
        finding("OUT_SOFTMAX1", confidence="certain", explains=1.0),
        finding("PREP_X", where="input", closes=0.85),
        finding("INIT", confidence="possible", explains=0.1),
        finding("NOTHING", confidence="harmless", explains=0.0),
    )
    given = {"findings": found, "notes": ("The start was not kept.",), "metric": "accuracy", "reached": 0.517}
    given |= {"trivial": 0.5, "best": 0.993, "seconds": 4.2}
    return Diagnosis(**given | more)


CURE = Prescription(
    changes=("standardise inputs", "adam at 0.01"),
    words="give every input column mean 0 and variance 1; Adam at 0.01",
    code='x = (x - x.mean(0)) / x.std(0)\noptimizer="adam", learning_rate=0.01',
    settings={"learning_rate": (None, 0.01), "loss": ({"name": "squared_error"}, {"name": "huber", "delta": 1.5})},
    before=(0.51, 0.5, 0.55),
    after=(0.97, 0.985, 0.99),
    metric="accuracy",
    tried=17,
    seconds=12.3,
)
NO_CURE = Prescription((), "nothing that was tried is better", "", {}, (0.9, 0.91), (0.9, 0.91), "R²", 9, 3.0)
