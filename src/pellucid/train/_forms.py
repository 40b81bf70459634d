"""What rows of plain arrays are: numbers, images in bytes or sequences, and what the network wants of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np

from ..errors import DataError, PellucidError, SettingError, ShapeError
from ..language import phrase
from ..layers import Masking, Sequences
from ..module import Layer, walk
from ..shapes import words
from ._cells import Rows, as_float32
from ._images import as_bytes
from ._padding import is_ragged, padded

FORMS = ("numbers", "bytes", "sequences")


class Form(NamedTuple):
    """Rows of plain arrays: what they are, the shape of one as the network sees it, how many tokens there are.

    "numbers" come as they are, "bytes" (0 to 255) as fractions of 255, "sequences" padded with NaN at the end. `names`
    are those of the numbers of a row, where they have any.
    """

    name: str
    shape: tuple[int, ...]
    tokens: int | None = None
    names: tuple[str, ...] = ()

    def sound(self) -> bool:
        """Whether its fields, read from a file, are of their types."""
        sizes = [*self.shape, self.tokens or 1]
        named = not self.names or (self.shape == (len(self.names),) and all(isinstance(n, str) for n in self.names))
        return self.name in FORMS and bool(self.shape) and named and all(type(n) is int and n > 0 for n in sizes)

    def line(self) -> str:
        """What the rows are and what is made of them, in one line, in the language at hand."""
        shape = words((phrase("rows"), *self.shape))
        if self.name == "bytes" and self.shape[-1:] == (1,):
            return phrase("images, an array of shape {shape}, one channel: bytes as fractions of 255", shape=shape)
        if self.name == "bytes":
            return phrase("images, an array of shape {shape}: bytes as fractions of 255", shape=shape)
        if self.name == "sequences" and self.tokens:
            return phrase(
                "sequences, padded to an array of shape {shape}: tokens 0 to {last:,}",
                shape=shape,
                last=self.tokens - 1,
            )
        if self.name == "sequences":
            return phrase("sequences, padded to an array of shape {shape}: taken as they are", shape=shape)
        return phrase("an array of shape {shape}, taken as it is", shape=shape)

    def rows(self, x: Any, numbered: Rows = None) -> np.ndarray:
        """Rows as they are kept: bytes stay bytes until the network sees them.

        Raises: DataError where they are not what the form says.
        """
        if self.name == "sequences":
            out = padded(x, numbered, self.shape[0])
            fixed, wanted = out.shape[2:], self.shape[1:]
        else:
            if is_ragged(x):
                raise DataError("x has rows of different lengths, and the network was trained on rows of one length.")
            out = as_bytes(x) if self.name == "bytes" else as_float32(x, "x", numbered)
            fixed, wanted = out.shape[1:], self.shape
        if wanted[-1:] == (1,) and fixed == wanted[:-1]:
            return out[..., None]
        if fixed != wanted:
            raise DataError(
                f"x has the shape {words(('rows', *out.shape[1:]))}, and the network was trained on "
                f"{words(('rows', *self.shape))}: give rows of that shape."
            )
        if self.tokens is not None and np.nanmax(out, initial=0) >= self.tokens:
            row, step = np.argwhere(out >= self.tokens)[0]
            at = row if numbered is None else numbered[row]
            raise DataError(
                f"x holds {out[row, step]:.0f} in row {at}, step {step} (the first is 0), and the network knows the "
                f"tokens 0 to {self.tokens - 1}."
            )
        return out


def as_rows(x: Any, name: str) -> Any:
    """Rows as an array, or sequences as they are.

    Raises: DataError where they are neither.
    """
    if is_ragged(x):
        return x
    try:
        rows = np.asarray(x)
    except Exception as error:  # a tensor that needs its gradient: each library has its own words
        raise DataError(f"{name} cannot be read as an array: {error}.") from error
    if not rows.ndim:
        raise DataError(f"{name} must be an array with one entry for each row, got {x!r}.")
    return rows


def form_of(x: Any, net: Layer | None) -> Form:
    """What rows of a plain array are, for a network or for one still to be made.

    Raises: DataError where no network can be made for them; SettingError where the network cannot take sequences.
    """
    masks = net is not None and any(isinstance(layer, Masking) for _, layer in walk(net))
    if is_ragged(x) or (masks and np.ndim(x) in (2, 3)) or (net is None and np.ndim(x) == 3 and not is_bytes(x)):
        return of_sequences(x, net, masks)
    form = Form("bytes" if is_bytes(x) else "numbers", np.shape(x)[1:] or (1,))
    if net is None and len(form.shape) > 1:
        check_image(np.shape(x))
        return form._replace(shape=(*form.shape, 1)) if len(form.shape) == 2 else form
    return with_channel(form, net) if net is not None and len(form.shape) > 1 else form


def answers_steps(form: Form, x: np.ndarray, y: Any, net: Layer | None) -> bool:
    """Whether there is a target for every step: the network answers at each, or, where there is none yet, y has as many
    as x."""
    if form.name != "sequences":
        return False
    if net is None:
        return is_ragged(y) or (np.ndim(y) > 1 and np.shape(y)[:2] == x.shape[:2])
    one = jax.ShapeDtypeStruct((1, *form.shape), np.float32)
    return isinstance(jax.eval_shape(lambda net, x: net(x), net, one), Sequences)


def is_bytes(x: Any) -> bool:
    return getattr(x, "dtype", None) == np.uint8 and np.ndim(x) > 2


def of_sequences(x: Any, net: Layer | None, masks: bool) -> Form:
    if is_ragged(x) and net is not None and not masks:
        raise SettingError("Rows of different lengths need Masking() first: Sequential([Masking(), …]).")
    whole = all(np.asarray(row).dtype.kind in "iu" for row in x if len(row)) and net is None
    out = padded(x)
    form = Form("sequences", out.shape[1:])
    if net is not None:
        return with_channel(form, net)
    if not whole or out.ndim == 3:
        return form._replace(shape=(*form.shape, 1)) if out.ndim == 2 else form
    low, high = np.nanmin(out, initial=0), np.nanmax(out, initial=0)
    if low < 0 or high >= 2**24:
        raise DataError(f"Tokens are whole numbers from 0 to {2**24 - 1:,}; x holds {low if low < 0 else high:,.0f}.")
    return form._replace(tokens=int(high) + 1)


def with_channel(form: Form, net: Layer | None) -> Form:
    """The form with an axis for one channel, where the network refuses rows without it and takes them with it.

    (Dense takes any axes, so that what it refuses says nothing.)
    """
    one, wide = (jax.ShapeDtypeStruct((1, *form.shape, *more), np.float32) for more in ((), (1,)))
    try:
        jax.eval_shape(lambda net, x: net(x), net, one)
    except ShapeError as error:
        if error.who != "Dense":
            try:
                jax.eval_shape(lambda net, x: net(x), net, wide)
            except PellucidError:
                return form
            return form._replace(shape=wide.shape[1:])
    return form


def check_image(shape: tuple[int, ...]) -> None:
    """Raises: DataError where these are not (rows, height, width) or (rows, height, width, channels)."""
    if len(shape) > 4:
        raise DataError(
            f"x has the shape {words(shape)}: images are (rows, height, width) or (rows, height, width, channels), and "
            "other shapes need a network of your own."
        )
    if len(shape) == 4 and shape[1] in (1, 3) and shape[3] > 4:
        raise DataError(
            f"x has the shape {words(shape)}, which has its channels first: give x.transpose(0, 2, 3, 1), "
            "(rows, height, width, channels)."
        )
