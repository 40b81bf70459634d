"""Networks that suit images and sequences, as `mlp` suits tables."""

from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import Array

from ..errors import SettingError, unknown
from ..initializers import he_normal
from ..module import Layer
from ._activation import Activation
from ._augment import GaussianNoise, RandomFlip, RandomShift
from ._containers import Sequential
from ._conv import Conv2d
from ._dense import Dense
from ._dropout import Dropout
from ._embedding import Embedding
from ._flatten import Flatten
from ._pool import GlobalAveragePool, MaxPool
from ._recurrent import GRU, LSTM, RNN
from ._sequences import Masking
from ._stacked import stacked

FLAT = 64  # of more places than these the average goes to the Dense layers, of fewer each one
CELLS = {"gru": GRU, "lstm": LSTM, "rnn": RNN}


def convnet(
    input_shape: Sequence[int],
    n_out: int,
    *,
    key: int | Array,
    channels: Sequence[int] = (32, 64),
    hidden: int = 128,
    dropout: float = 0.0,
    augment: Sequence[str | Layer] = (),
) -> Sequential:
    """A network for images (height, width, channels): 3×3 `Conv2d`, ReLU and `MaxPool` in turn, then two `Dense`.

    `channels` are the widths of the convolutions; `hidden` units stand before the last layer (0 for none). Where more
    than 8×8 places are left in the end, their average is taken. `augment` has "shift" (by up to a fourteenth of the
    image), "flip", "noise" (0.05), or layers of your own.

    Raises: SettingError for an image, a width or an augmentation that is none.
    Example:
        >>> net = convnet((28, 28, 1), 10, key=0, channels=[8], augment=["shift"])
        >>> [type(layer).__name__ for layer in net.layers][:5]
        ['RandomShift', 'Conv2d', 'Activation', 'MaxPool', 'GlobalAveragePool']
    """
    if len(input_shape) != 3 or min(input_shape) < 1:
        raise SettingError(f"convnet wants the shape (height, width, channels) of an image; got {tuple(input_shape)}.")
    high, wide, n_in = input_shape
    keys, relu = keys_of(key, [*channels, hidden or 1, n_out]), Activation("relu")
    layers = augmenting(augment, max(1, min(high, wide) // 14), ("height", "width"), 0.05)
    for n, own in zip(channels, keys[:-2], strict=True):
        layers += [Conv2d.create(n_in, n, 3, key=own, padding="same", init=he_normal), relu]
        if min(high, wide) > 1:
            layers.append(MaxPool(2))
            high, wide = high // 2, wide // 2
        n_in = n
    flat = high * wide <= FLAT
    layers.append(Flatten() if flat else GlobalAveragePool())
    n_in = n_in * high * wide if flat else n_in
    layers += [Dropout(dropout)] * bool(dropout)
    if hidden:
        layers += [Dense.create(n_in, hidden, key=keys[-2], init=he_normal), relu, *[Dropout(dropout)] * bool(dropout)]
    return Sequential([*layers, Dense.create(hidden or n_in, n_out, key=keys[-1])])


def recurrent_net(
    n_in: int,
    n_out: int,
    *,
    key: int | Array,
    hidden: Sequence[int] = (64,),
    cell: str = "gru",
    bidirectional: bool = True,
    tokens: bool = False,
    every_step: bool = False,
    dropout: float = 0.0,
    augment: Sequence[str | Layer] = (),
) -> Sequential:
    """A network for sequences of any lengths: `Masking`, recurrent layers of these widths, a `Dense`.

    The input has `n_in` numbers at each step, or `tokens` from 0 to n_in − 1, which begin with an `Embedding`. `cell`
    is "gru", "lstm" or "rnn". The answer is given after the last step, or at `every_step`. `augment` has "shift" (by a
    step), "noise" (0.05), or layers of your own.

    Raises: SettingError for a width, a cell or an augmentation that is none.
    Example:
        >>> net = recurrent_net(50, 2, key=0, hidden=[8], tokens=True)
        >>> [type(layer).__name__ for layer in net.layers]
        ['Masking', 'Embedding', 'Bidirectional', 'Dense']
        >>> net(jax.numpy.array([[3.0, 17.0, jax.numpy.nan]])).shape
        (1, 2)
    """
    if cell not in CELLS:
        raise unknown("recurrent cell", cell, CELLS)
    if not hidden:
        raise SettingError("recurrent_net wants one hidden layer at least, as in [64].")
    keys = keys_of(key, [n_in, *hidden, n_out])
    layers: list[Layer] = [Masking()]
    if tokens:
        layers.append(Embedding.create(n_in, hidden[0], key=keys[0]))
        n_in = hidden[0]
    layers += augmenting(augment, 1, ("time",), 0.05)
    for i, (n, own) in enumerate(zip(hidden, keys[1:-1], strict=True)):
        output = "last" if i == len(hidden) - 1 and not every_step else "sequence"
        layers += stacked(CELLS[cell], n_in, n, key=own, bidirectional=bidirectional, output=output).layers
        n_in = 2 * n if bidirectional else n
        layers += [Dropout(dropout)] * bool(dropout)
    return Sequential([*layers, Dense.create(n_in, n_out, key=keys[-1])])


def keys_of(key: int | Array, sizes: Sequence[int]) -> list[Array]:
    """A key for each layer, whose sizes are known to be some."""
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise SettingError(f"The sizes of layers are whole numbers above 0, as in [32, 64]; got {list(sizes)}.")
    return list(jax.random.split(key if isinstance(key, Array) else jax.random.key(key), len(sizes)))


def augmenting(wanted: Sequence[str | Layer], places: int, axes: tuple[str, ...], deviation: float) -> list[Layer]:
    """The layers that names of augmentations stand for."""
    found = {"shift": RandomShift(places, axes), "noise": GaussianNoise(deviation)}
    found |= {} if axes == ("time",) else {"flip": RandomFlip()}
    for name in wanted:
        if not isinstance(name, Layer) and name not in found:
            raise unknown("augmentation", name, found)
    return [name if isinstance(name, Layer) else found[name] for name in wanted]
