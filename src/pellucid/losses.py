"""Losses: one row each, with its value and its blame in closed form, side by side.

All take logits, but those whose name says that they are of probabilities. A loss of your own is a function: `own`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from numbers import Real

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .errors import DataError, SettingError, ShapeError, unknown

CLIPPED = 1e-7  # how near to 0 and 1 a probability is let, so that its logarithm is finite


@dataclass(frozen=True)
class Loss:
    """A loss of logits z and targets y, with the blame `d(term)/dz` in closed form and the link that z is meant for.

    The settings are bound: `loss("huber", delta=2.0)` is another Loss, equal to every other one made so.

    Shapes: z (batch, ..., n_outputs); y (batch, ..., n_outputs / outputs), where a last axis of 1 may be missing.
        A `rowwise` loss consumes the last axis of z; labels then come without it, rows of numbers with it.
        `targets` is what y must hold: "any" and "own" are for what the formula, or the function, makes of any numbers.
    Raises: ShapeError where y does not fit z.
    Example:
        >>> bce = loss("binary_cross_entropy")
        >>> bce.evaluate(jnp.zeros((2, 1)), jnp.array([0, 1]))[1].tolist()  # (σ(0) − y) / 2
        [[0.25], [-0.25]]
    """

    name: str
    formula: str
    both: Callable[..., tuple[Array, Array]]
    link: str
    targets: str
    source: str
    outputs: int = 1
    rowwise: bool = False
    settings: tuple[tuple[str, float], ...] = ()

    def __str__(self) -> str:
        bound = ", ".join(f"{name}={value:g}" for name, value in self.settings)
        return f"{self.name}({bound})" if bound else self.name

    def terms_and_blame(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Every term, and its derivative by z, which has the shape of z."""
        z = jnp.asarray(z)
        return self.both(z, self.fitted(z, jnp.asarray(y)), **dict(self.settings))

    def terms(self, z: Array, y: Array) -> Array:
        """One number per target, or per row for a rowwise loss."""
        return self.terms_and_blame(z, y)[0]

    def blame(self, z: Array, y: Array) -> Array:
        """`d(terms)/dz`: what each logit is to blame for, the shape of z."""
        return self.terms_and_blame(z, y)[1]

    def per_example(self, z: Array, y: Array, mask: Array | None = None) -> Array:
        """The mean of each example's unmasked terms, (batch,); 0 where all are masked."""
        terms = self.terms(z, y)
        if mask is None:
            return terms.reshape(len(terms), -1).mean(-1)
        share = spread(mask, terms)
        total = share.reshape(len(terms), -1).sum(-1)
        seen = jnp.where(share != 0, share * terms, 0)
        return seen.reshape(len(terms), -1).sum(-1) / jnp.where(total == 0, 1, total)

    def evaluate(
        self, z: Array, y: Array, weights: Array | None = None, mask: Array | None = None
    ) -> tuple[Array, Array]:
        """The loss `Σ w m t / Σ w m` over all terms t, and its exact derivative by z.

        Where everything is masked the loss and the blame are 0. What is masked may be NaN.

        Shapes: weights (batch,); mask (batch, ...), its axes the first ones of the terms.
        """
        terms, blame = self.terms_and_blame(z, y)
        if weights is None and mask is None:
            return terms.mean(), blame / terms.size
        share = jnp.ones_like(terms)
        for factor in (weights, mask):
            share = share if factor is None else share * spread(factor, terms)
        total = share.sum()
        share = share / jnp.where(total == 0, 1, total)
        each = share[..., None] if self.rowwise else jnp.concatenate([share] * self.outputs, -1)
        return jnp.where(share != 0, share * terms, 0).sum(), jnp.where(each != 0, each * blame, 0)

    def predict(self, z: Array) -> Array:
        """The link applied: probabilities, means, signs."""
        return LINKS[self.link](jnp.asarray(z))

    def check(self, y: object, n_outputs: int) -> None:
        """Look at all targets before training, on the host.

        Raises: DataError saying which row has which value, and what was wanted.
        """
        y = np.asarray(y)
        self.check_shape(y, n_outputs)
        if bad := first(~np.isfinite(y)):
            raise DataError(f"{self.name} expects finite targets; row {bad[0]} has {y[bad]}.")
        if self.takes_labels(n_outputs) and not self.in_rows(y, n_outputs):
            self.check_each(y, (y == np.round(y)) & (y >= 0) & (y < n_outputs), f"whole labels 0..{n_outputs - 1}")
        elif self.targets in ("labels", "distribution"):
            total = y.sum(-1)
            self.check_each(y, y >= 0, "targets ≥ 0")
            if bad := first(abs(total - 1) > 1e-3):
                raise DataError(
                    f"{self.name} expects targets that sum to 1; those of row {bad[0]} sum to {total[bad]}."
                )
        elif self.targets in EXPECTED:
            allowed, words = EXPECTED[self.targets]
            self.check_each(y, allowed(y), words)

    def check_each(self, y: np.ndarray, good: np.ndarray, wanted: str) -> None:
        """Raise for the first target that is not good."""
        if bad := first(~good):
            raise DataError(f"{self.name} expects {wanted}; row {bad[0]} has {y[bad]}.")

    def check_shape(self, y: np.ndarray, n_outputs: int) -> None:
        """Raise where these targets cannot be met by this many outputs."""
        if y.dtype.kind not in "biuf":
            raise DataError(f"{self.name} expects numbers as targets, got {y.dtype}: encode them first.")
        if y.ndim == 0 or not y.size:
            raise DataError(f"{self.name} expects targets for at least one example, got shape {y.shape}.")
        if self.targets == "own":
            return
        if n_outputs % self.outputs:
            raise DataError(f"{self.name} needs {self.outputs} outputs for each target, the network has {n_outputs}.")
        if self.targets == "labels":
            if n_outputs < 2:
                raise DataError(f"{self.name} needs an output for each class, the network has 1: binary_cross_entropy.")
            return
        wanted = n_outputs // self.outputs
        fits = y.ndim > 1 and y.shape[-1] == wanted
        if not fits and not self.takes_labels(n_outputs) and (self.strict or wanted != 1):
            raise DataError(f"{self.name} expects targets (batch, {wanted}) for {n_outputs} outputs, got {y.shape}.")

    def takes_labels(self, n_outputs: int) -> bool:
        """Whether a number of a class may stand for a row of targets; a single output has no classes to number."""
        return self.targets == "labels" or (self.targets == "any" and self.rowwise and n_outputs > 1)

    @property
    def strict(self) -> bool:
        """Whether the targets must have the axis of the outputs even where there is one output."""
        return self.rowwise and self.targets != "any"

    def in_rows(self, y: np.ndarray, n_outputs: int) -> bool:
        """Whether y holds a row of probabilities for each label (one-hot or soft), not the labels themselves."""
        rows = y.ndim > 1 and y.shape[-1] == n_outputs
        return rows if self.targets == "any" else rows and (y.dtype.kind == "f" or bool((y.sum(-1) == 1).all()))

    def fitted(self, z: Array, y: Array) -> Array:
        """The targets in the shape the formula needs."""
        if self.takes_labels(z.shape[-1]) and y.shape == z.shape[:-1]:
            return y
        wanted = z.shape if self.outputs == 1 else (*z.shape[:-1], z.shape[-1] // self.outputs)
        if y.shape == wanted:
            return y
        if not self.strict and (*y.shape, 1) == wanted:
            return y[..., None]
        if self.targets == "own":
            return y
        labels = f"{z.shape[:-1]} or " if self.takes_labels(z.shape[-1]) else ""
        raise ShapeError(self.name, f"targets {labels}{wanted} for outputs {z.shape}", str(y.shape))


@dataclass(frozen=True)
class Own(Loss):
    """A loss written as `function(outputs, targets) -> number` over a batch, with the blame that `jax.grad` finds.

    Such a function is told of no weights: every row of a batch counts alike. A batch that is short of rows, as the last
    of an epoch may be, is filled up with others, and they count too. `per_example` is the function on each row alone.

    Shapes: the function is given z (batch, ..., n_outputs) and y (batch, ...), as (batch, 1) where there is one output.
    Raises: ShapeError where it gives more than one number; SettingError where it fails, or steps are masked.
    """

    function: Callable[[Array, Array], Array] = field(kw_only=True)

    def evaluate(
        self, z: Array, y: Array, weights: Array | None = None, mask: Array | None = None
    ) -> tuple[Array, Array]:
        """What the function makes of the batch, and its derivative by z."""
        if mask is not None:
            raise SettingError(f"{self.name} is a function of a whole batch: it cannot leave out the steps of padding.")
        z = jnp.asarray(z)
        y = self.fitted(z, jnp.asarray(y))
        return jax.value_and_grad(lambda z: one_number(self.name, self.function, z, y))(z)


@dataclass(frozen=True)
class Alone:
    """Of a function of a batch: its value and its slope on every row alone."""

    function: Callable[[Array, Array], Array]

    def __call__(self, z: Array, y: Array) -> tuple[Array, Array]:
        row = jax.value_and_grad(lambda z, y: one_number("The loss of a row", self.function, z[None], y[None]))
        return jax.vmap(row)(z, y)


def own(function: Callable[[Array, Array], Array], name: str | None = None) -> Own:
    """A loss of your own: `function(outputs, targets)` gives one number for a batch, by operations JAX can follow.

    The same function gives an equal loss, hence one compilation; a lambda written anew is another function.

    Raises: SettingError where it is not a function.
    Example:
        >>> def cubed(z, y):
        ...     return jnp.mean(jnp.abs(z - y) ** 3)
        >>> value, blame = own(cubed).evaluate(jnp.array([[2.0], [0.0]]), jnp.array([0.0, 0.0]))
        >>> float(value), blame.tolist()
        (4.0, [[6.0], [0.0]])
    """
    if not callable(function):
        raise SettingError(f"A loss of your own is a function of outputs and targets, got a {type(function).__name__}.")
    name = str(name or getattr(function, "__name__", type(function).__name__))
    return Own(name, f"{name}(z, y)", Alone(function), "identity", "own", "the user's", function=function)


def not_kept(name: str) -> Own:
    """In place of a user's own loss in a run that is read back: no file holds a function."""

    def missing(z: Array, y: Array) -> Array:
        raise SettingError(f"The run was trained with a loss of your own, {name}, which no file can hold.")

    return own(missing, name)


def one_number(name: str, function: Callable[[Array, Array], Array], z: Array, y: Array) -> Array:
    """What the function makes of outputs and targets, known to be a number alone."""
    try:
        value = jnp.asarray(function(z, y))
    except (TypeError, ValueError) as problem:
        raise SettingError(f"{name} fails for outputs {z.shape} and targets {y.shape}: {problem}") from problem
    if value.shape:
        raise ShapeError(name, "its function to give one number for a batch", str(value.shape), "take the mean")
    return value


def loss(name: str | Loss | Callable[[Array, Array], Array], **settings: float) -> Loss:
    """The loss of that name, or the given one, with its settings bound; a function becomes a loss by `own`.

    Raises: SettingError for a name, a setting or a value there is not.
    Example:
        >>> loss("huber", delta=2.0).settings
        (('delta', 2.0),)
    """
    if callable(name):
        name = own(name)
    if not isinstance(name, Loss):
        if name not in LOSSES and name not in ALIASES:
            raise unknown("loss", name, [*LOSSES, *ALIASES])
        name = LOSSES[ALIASES.get(name, name)]
    bound = dict(name.settings)
    for setting, value in settings.items():
        if setting not in bound:
            raise unknown(f"setting of {name.name}", setting, bound)
        allowed, words = LIMITS[setting]
        if not isinstance(value, Real) or not allowed(value):
            raise SettingError(f"{name.name} expects {setting} {words}, got {value}.")
        bound[setting] = float(value)
    return replace(name, settings=tuple(bound.items()))


def spread(factor: Array, terms: Array) -> Array:
    """A factor of the first axes, on every term."""
    factor = jnp.asarray(factor, terms.dtype)
    if factor.ndim > terms.ndim or any(n not in (1, m) for n, m in zip(factor.shape, terms.shape, strict=False)):
        raise ShapeError("weights or mask", f"the first axes of {terms.shape}", str(factor.shape))
    return jnp.broadcast_to(factor.reshape(factor.shape + (1,) * (terms.ndim - factor.ndim)), terms.shape)


def first(bad: np.ndarray) -> tuple[int, ...]:
    """Where the first True is, () if there is none."""
    return tuple(int(i) for i in np.unravel_index(bad.argmax(), bad.shape)) if bad.any() else ()


def tangent_exp(z: Array) -> tuple[Array, Array]:
    """exp(z) and its slope; past z = 30 (10¹³) the tangent goes on in its place, so that no logit overflows."""
    near = jnp.minimum(z, 30)
    slope = jnp.exp(near)
    return slope * (1 + z - near), slope


def inverse_norm(a: Array) -> Array:
    """1 / |a| along the last axis; 0 for the zero vector, which has no direction."""
    square = (a * a).sum(-1, keepdims=True)
    return jnp.where(square > 1e-16, jax.lax.rsqrt(jnp.maximum(square, 1e-16)), 0)


def squared_error(z, y):
    error = z - y
    return error * error, 2 * error


def absolute_error(z, y):
    error = z - y
    return jnp.abs(error), jnp.sign(error)


def huber(z, y, delta):
    error = z - y
    near = jnp.clip(error, -delta, delta)
    return near * (error - 0.5 * near), near


def log_cosh(z, y):
    size = jnp.abs(z - y)
    return size + jnp.log1p(0.5 * jnp.expm1(-2 * size)), jnp.tanh(z - y)


def binary_cross_entropy(z, y):
    return jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z))), jax.nn.sigmoid(z) - y


def cross_entropy(z, y, label_smoothing):
    labels = y.ndim < z.ndim
    if labels:
        y = one_hot(y, z)
    target = y.astype(z.dtype)
    if label_smoothing:
        target = (1 - label_smoothing) * target + label_smoothing / z.shape[-1]
    return against(z, target, 1 if labels else target.sum(-1, keepdims=True))


def binary_cross_entropy_of_probabilities(p, y):
    near = jnp.clip(p, CLIPPED, 1 - CLIPPED)
    terms = -(y * jnp.log(near) + (1 - y) * jnp.log1p(-near))
    return terms, jnp.where(near == p, (near - y) / (near * (1 - near)), 0)


def cross_entropy_of_probabilities(p, y):
    target = (one_hot(y, p) if y.ndim < p.ndim else y).astype(p.dtype)
    total = p.sum(-1, keepdims=True)
    total = jnp.where(total == 0, 1, total)
    share = p / total
    near = jnp.clip(share, CLIPPED, 1 - CLIPPED)
    blame = jnp.where(near == share, -target / near, 0)  # by the shares
    return -(target * jnp.log(near)).sum(-1), (blame - (blame * share).sum(-1, keepdims=True)) / total


def one_hot(labels, z):
    return labels[..., None] == jax.lax.broadcasted_iota(jnp.int32, z.shape, z.ndim - 1)


def kl_divergence(z, y):
    terms, blame = against(z, y, y.sum(-1, keepdims=True))
    return terms + jax.scipy.special.xlogy(y, y).sum(-1), blame


def against(z, target, total):
    """`−Σ t log softmax(z)` and `softmax(z) Σ t − t`; relative to the largest logit, which keeps the digits."""
    shifted = z - jax.lax.stop_gradient(z.max(-1, keepdims=True))
    log_sum = jnp.log(jnp.exp(shifted).sum(-1, keepdims=True))
    terms = (total * log_sum).squeeze(-1) - (target * shifted).sum(-1)
    return terms, total * jnp.exp(shifted - log_sum) - target


def hinge(z, y):
    margin = y * z
    return jnp.maximum(0, 1 - margin), jnp.where(margin < 1, -y, 0).astype(z.dtype)


def poisson(z, y):
    mean, slope = tangent_exp(z)
    return mean - y * z, slope - y


def gaussian_nll(z, y):
    mean, log_variance = jnp.split(z, 2, -1)
    precision, slope = tangent_exp(-log_variance)
    error = mean - y
    square = error * error
    blame = jnp.concatenate([error * precision, 0.5 * (1 - square * slope)], -1)
    return 0.5 * (log_variance + square * precision), blame


def quantile(z, y, q):
    steepness = jnp.where(y >= z, q, q - 1)
    return steepness * (y - z), -steepness


def cosine(z, y):
    scale = inverse_norm(z)
    z_unit, y_unit = z * scale, y * inverse_norm(y)
    similarity = (z_unit * y_unit).sum(-1)
    return 1 - similarity, (similarity[..., None] * z_unit - y_unit) * scale


ROWS = (
    Loss("squared_error", "(z − y)²", squared_error, "identity", "real", "Legendre, 1805"),
    Loss("absolute_error", "|z − y|", absolute_error, "identity", "real", "Boscovich, 1757"),
    Loss(
        "huber",
        "(z − y)² / 2 where |z − y| ≤ delta, else delta (|z − y| − delta / 2)",
        huber,
        "identity",
        "real",
        "Huber, 1964",
        settings=(("delta", 1.0),),
    ),
    Loss("log_cosh", "log cosh(z − y)", log_cosh, "identity", "real", "Green, 1990"),
    Loss(
        "binary_cross_entropy",
        "log(1 + exp(z)) − y z",
        binary_cross_entropy,
        "sigmoid",
        "binary",
        "Cox, 1958",
    ),
    Loss(
        "cross_entropy",
        "log Σ exp(z) − z[y]",
        cross_entropy,
        "softmax",
        "labels",
        "Bridle, 1990; label smoothing: Szegedy and others, 2016",
        rowwise=True,
        settings=(("label_smoothing", 0.0),),
    ),
    Loss(
        "binary_cross_entropy_of_probabilities",
        "−y log p − (1 − y) log(1 − p), where p is clipped to [1e-7, 1 − 1e-7]",
        binary_cross_entropy_of_probabilities,
        "identity",
        "any",
        "Good, 1952",
    ),
    Loss(
        "cross_entropy_of_probabilities",
        "−Σ y log(p / Σ p), where p / Σ p is clipped to [1e-7, 1 − 1e-7]",
        cross_entropy_of_probabilities,
        "identity",
        "any",
        "Good, 1952",
        rowwise=True,
    ),
    Loss("hinge", "max(0, 1 − y z)", hinge, "sign", "signs", "Cortes and Vapnik, 1995"),
    Loss("poisson", "exp(z) − y z", poisson, "exp", "counts", "Nelder and Wedderburn, 1972"),
    Loss(
        "gaussian_nll",
        "(s + (m − y)² exp(−s)) / 2, where z = [m, s]",
        gaussian_nll,
        "mean",
        "real",
        "Nix and Weigend, 1994",
        outputs=2,
    ),
    Loss(
        "quantile",
        "max(q (y − z), (q − 1) (y − z))",
        quantile,
        "identity",
        "real",
        "Koenker and Bassett, 1978",
        settings=(("q", 0.5),),
    ),
    Loss(
        "kl_divergence",
        "Σ y (log y − log softmax(z))",
        kl_divergence,
        "softmax",
        "distribution",
        "Kullback and Leibler, 1951",
        rowwise=True,
    ),
    Loss("cosine", "1 − z · y / (|z| |y|)", cosine, "unit", "real", "Salton, Wong and Yang, 1975", rowwise=True),
)

LOSSES: dict[str, Loss] = {row.name: row for row in ROWS}

ALIASES = {
    "mse": "squared_error",
    "mae": "absolute_error",
    "bce": "binary_cross_entropy",
    "log_loss": "cross_entropy",
    "kl": "kl_divergence",
}

LINKS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "sigmoid": jax.nn.sigmoid,
    "softmax": jax.nn.softmax,
    "exp": lambda z: tangent_exp(z)[0],
    "sign": lambda z: jnp.where(z >= 0, 1, -1).astype(z.dtype),
    "mean": lambda z: jnp.split(z, 2, -1)[0],  # the other half is the logarithm of the variance
    "unit": lambda z: z * inverse_norm(z),
}

# What each target must be, for the kinds that can be judged one number at a time.
EXPECTED: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "binary": (lambda y: (y == 0) | (y == 1), "targets 0 or 1"),
    "signs": (lambda y: (y == -1) | (y == 1), "targets -1 or 1"),
    "counts": (lambda y: (y == np.round(y)) & (y >= 0), "counts 0, 1, 2, ..."),
}

LIMITS: dict[str, tuple[Callable[[float], bool], str]] = {
    "delta": (lambda value: 0 < value < inf, "above 0"),
    "q": (lambda value: 0 < value < 1, "between 0 and 1"),
    "label_smoothing": (lambda value: 0 <= value < 1, "in [0, 1)"),
}
