"""Gates, recurrent layers, and what is made of them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import torch

from layer_cases.case import KEY, WIDE, Case, F, draw
from pellucid.layers import GRU, LSTM, RNN, Bidirectional, Gate, GatedLinear, Sequential

N_IN, HIDDEN = 3, 4
GATES = {RNN: 1, GRU: 3, LSTM: 4}
X = draw(2, 5, N_IN)
BAD = jnp.ones((2, 5, 4))


def recurrent(kind: Any, n_in: int = N_IN, *, start: bool = False, **settings: Any) -> Any:
    """A layer with every parameter drawn, the biases too."""
    width = GATES[kind] * HIDDEN
    arrays = [0.5 * draw(*shape) for shape in ((n_in, width), (HIDDEN, width), (width,))]
    if kind is GRU:
        arrays.append(draw(HIDDEN))
    if start:
        settings["h0"] = jnp.asarray(draw(HIDDEN))
        settings |= {"c0": jnp.asarray(draw(HIDDEN))} if kind is LSTM else {}
    return kind(*map(jnp.asarray, arrays), **settings)


def pytorch(kind: str, p: dict[str, torch.Tensor], at: str, x: torch.Tensor, **settings: Any) -> torch.Tensor:
    """PyTorch's own layer from ours: its two biases are one here, but for the GRU's candidate."""
    weight, hidden = p[f"{at}weight"], p[f"{at}recurrent"].shape[0]
    net = getattr(torch.nn, kind)(weight.shape[0], hidden, batch_first=True, dtype=torch.float64, **settings)
    bias = torch.zeros(weight.shape[1], dtype=torch.float64)
    if kind == "GRU":
        bias = torch.cat([bias[: 2 * hidden], p[f"{at}recurrent_bias"]])
    arrays = weight.T, p[f"{at}recurrent"].T, p[f"{at}bias"], bias
    names = "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
    start = tuple(p[f"{at}{n}"].expand(1, len(x), hidden).contiguous() for n in ("h0", "c0") if f"{at}{n}" in p)
    given = (x, start if kind == "LSTM" else start[0]) if start else (x,)
    return torch.func.functional_call(net, dict(zip(names, arrays, strict=True)), given)[0]


def backwards(kind: str, p: dict[str, torch.Tensor], at: str, x: torch.Tensor) -> torch.Tensor:
    return pytorch(kind, p, at, x.flip(1)).flip(1)


def refused(layer: Any, name: str, pytorch: Any = None, **more: Any) -> Case:
    words = rf"{name} expects x \(batch, time, 3\), got \(2, 5, 4\)"
    return Case(layer, pytorch, smooth=X, bad=BAD, refusal=words, **more)


with jax.enable_x64(True):
    CASES = {
        "Gate": Case(
            Gate(),
            lambda p, x: torch.sigmoid(x[0]) * x[1],
            pair=True,
            bad=(WIDE, WIDE[:, :1]),
            refusal=r"Gate expects two inputs of one shape, got \(5, 4\), \(5, 1\)",
        ),
        "GatedLinear": Case(
            GatedLinear(),
            lambda p, x: F.glu(x),
            smooth=draw(5, 4),
            bad=jnp.ones((5, 3)),
            refusal=r"GatedLinear expects an even number of features, got \(5, 3\)",
        ),
        **{
            kind.__name__: refused(
                recurrent(kind), kind.__name__, lambda p, x, name=kind.__name__: pytorch(name, p, "", x)
            )
            for kind in GATES
        },
        "RNN relu": refused(
            recurrent(RNN, activation="relu"), "RNN", lambda p, x: pytorch("RNN", p, "", x, nonlinearity="relu")
        ),
        **{
            f"{kind.__name__}, last state from a first one": refused(
                recurrent(kind, start=True, output="last"),
                kind.__name__,
                lambda p, x, name=kind.__name__: pytorch(name, p, "", x)[:, -1],
            )
            for kind in GATES
        },
        **{
            f"{kind.__name__} from the end": refused(
                recurrent(kind, reverse=True), kind.__name__, lambda p, x, name=kind.__name__: backwards(name, p, "", x)
            )
            for kind in (LSTM, GRU)
        },
        **{
            f"{kind.__name__} in training": refused(
                recurrent(kind, start=True, dropout_recurrent=0.4), kind.__name__, key=KEY
            )
            for kind in GATES
        },
        "Bidirectional": Case(
            Bidirectional(recurrent(LSTM), recurrent(GRU, reverse=True)),
            lambda p, x: torch.cat([pytorch("LSTM", p, "forwards.", x), backwards("GRU", p, "backwards.", x)], -1),
            smooth=X,
            bad=BAD,
            refusal=r"forwards\.LSTM expects x \(batch, time, 3\), got \(2, 5, 4\)",
        ),
        "Two LSTMs": Case(
            Sequential([recurrent(LSTM), recurrent(LSTM, HIDDEN, output="last")]),
            lambda p, x: pytorch("LSTM", p, "layers[1].", pytorch("LSTM", p, "layers[0].", x))[:, -1],
            smooth=X,
        ),
    }
