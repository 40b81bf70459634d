from __future__ import annotations

import numpy as np
from jax import Array

from ._epoch import Plan, Segment, State, advance
from ._run import RangeTest

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100


def range_test(state: State, segment: Segment, batches: int, key: Array, plan: Plan, *, whole: bool) -> RangeTest:
    """Let the learning rate grow from step to step, `η_i = η_0 (η_n / η_0)^(i / n)`, until the loss blows up.

    The suggested rate is a tenth of the one at which the smoothed loss is lowest: on the slope, some way before the
    blow-up. (Where the loss falls steepest is the other usual choice, which one odd batch at the start can decide.)
    The training itself starts afresh.

    Source: Smith 2017, Cyclical learning rates for training neural networks, section 3.3.
    """
    rates = np.geomspace(LOWEST, HIGHEST, STEPS).astype(np.float32)
    losses: list[float] = []
    for i in range(STEPS):
        at = i % batches
        now = state._replace(at=np.int32(at), loss_sum=np.float32(0), weight_sum=np.float32(0))
        one = segment._replace(rates=np.full_like(segment.rates, rates[i]))
        state = advance(now, one, np.int32(at + 1), key, plan=plan, whole=whole)
        loss = float(state.loss_sum / state.weight_sum)
        if not np.isfinite(loss) or (losses and loss > 4 * max(min(losses), 1e-3) + losses[0]):
            break
        losses.append(loss)
    lowest = int(smoothed(np.array(losses)).argmin()) if losses else 0
    return RangeTest(rates[: len(losses)], np.array(losses), float(rates[lowest] / 10))


def smoothed(losses: np.ndarray, keep: float = 0.9) -> np.ndarray:
    """The running mean with the start counted right (as Adam corrects its moments)."""
    mean, out = 0.0, []
    for i, loss in enumerate(losses, 1):
        mean = keep * mean + (1 - keep) * loss
        out.append(mean / (1 - keep**i))
    return np.array(out)
