"""Networks and files that several tests of certificates use."""

import itertools
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from pellucid.certify._claim import Claim, Clause
from pellucid.layers import Activation, Dense, Sequential

OPERATIONS = [  # of ONNX that are smooth curves
    ("Tanh", {}), ("Sigmoid", {}), ("Softplus", {}), ("Softsign", {}), ("Mish", {}), ("Exp", {}), ("HardSwish", {}),
    ("Elu", {"alpha": 1.5}), ("Celu", {"alpha": 2.0}), ("Selu", {}), ("Gelu", {}),
    ("Gelu", {"approximate": "tanh"}), ("Swish", {"alpha": 1.7}), ("Swish", {}),
]  # fmt: skip
SHARED = Path(__file__).parents[2] / "shared" / "data" / "verification"


def mlp(sizes, activation="relu", seed=0, scale=1.5):
    rng, layers = np.random.default_rng(seed), []
    for n, m in itertools.pairwise(sizes):
        weight, bias = scale * rng.normal(size=(n, m)) / np.sqrt(n), 0.3 * rng.normal(size=m)
        layers += [Dense(jnp.float32(weight), jnp.float32(bias)), Activation(activation)]
    return Sequential(layers[:-1])


def above(it, space, level, output=0):
    """The claim that an output is above a level."""
    row = np.eye(it.network.n_out)[[output]]
    return Claim(it, space, (Clause(row, np.array([-level])),))
