"""Losses that a graph may hold."""

from __future__ import annotations

from jax import Array

from ._activation import log_softmax
from ._table import Call, operator


@operator("NegativeLogLikelihoodLoss")
def negative_log_likelihood(
    at: Call, x: Array, target: Array, weight: Array | None = None, *,
    ignore_index: int | None = None, reduction: str = "mean",
) -> Array:  # fmt: skip
    """−w[t] x[t] of each target t along axis 1; the mean is over the weights."""
    counts = at.xp.ones(target.shape, bool) if ignore_index is None else target != ignore_index
    label = at.xp.where(counts, target, 0)
    share = counts.astype(x.dtype) if weight is None else at.xp.where(counts, at.xp.take(weight, label), 0)
    loss = -share * at.xp.take_along_axis(x, label[:, None], 1)[:, 0]
    if reduction == "none":
        return loss
    if reduction not in ("sum", "mean"):
        raise at.refuse(f"there is no reduction {reduction!r}")
    return loss.sum() if reduction == "sum" else loss.sum() / share.sum()


@operator("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(
    at: Call, x: Array, target: Array, weight: Array | None = None, *,
    ignore_index: int | None = None, reduction: str = "mean",
) -> tuple[Array, Array]:  # fmt: skip
    shares = log_softmax(at, x, 1)
    return negative_log_likelihood(at, shares, target, weight, ignore_index=ignore_index, reduction=reduction), shares
