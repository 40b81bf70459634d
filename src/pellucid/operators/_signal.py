"""Frequencies: Fourier transforms and windows; complex numbers are pairs along the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._shape import listed
from ._table import Call, operator
from ._types import type_of


def joined(at: Call, x: Any) -> Any:
    """Pairs as complex numbers, or the real numbers where they are alone."""
    return x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]


def apart(at: Call, x: Any) -> Any:
    """Complex numbers as pairs."""
    return at.xp.stack([at.xp.real(x), at.xp.imag(x)], -1)


@operator("DFT", known=(1, 2))
def fourier(
    at: Call, x: Any, length: Any = None, over: Any = None, *, axis: int = 1, inverse: int = 0, onesided: int = 0
) -> Any:
    if at.opset >= 20:
        axis = -2 if over is None else listed(over)[0]
    along = axis % x.ndim
    n = None if length is None else listed(length)[0]
    if inverse and onesided:
        return at.xp.fft.irfft(joined(at, x), n, along)[..., None].astype(x.dtype)
    y = (at.xp.fft.ifft if inverse else at.xp.fft.fft)(joined(at, x), n, along)
    if onesided:
        y = at.xp.take(y, np.arange(y.shape[along] // 2 + 1), along)
    return apart(at, y).astype(x.dtype)


@operator("STFT", known=(1, 3))
def short_time_fourier(
    at: Call, x: Any, step: Any, window: Any = None, length: Any = None, *, onesided: int = 1
) -> Any:
    """The frequencies of each of overlapping pieces of x (batch, time, 1 or 2)."""
    signal = joined(at, x if x.ndim == 3 else x[..., None])
    n = listed(length)[0] if length is not None else signal.shape[1] if window is None else window.shape[0]
    starts = np.arange(0, signal.shape[1] - n + 1, listed(step)[0])
    frames = signal[:, starts[:, None] + np.arange(n)]
    frames = frames if window is None else frames * window
    y = at.xp.fft.fft(frames)
    return apart(at, y[..., : n // 2 + 1] if onesided else y).astype(x.dtype)


def put_window(kind: str, shares: tuple[float, ...]) -> None:
    """A window made of cosines: `Σ_k c_k cos(2π k n / N)`."""

    def window(at: Call, size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
        n = listed(size)[0]
        turn = 2 * np.pi * np.arange(n) / (n if periodic else n - 1)
        values = np.cos(np.outer(turn, range(len(shares)))) @ np.array(shares)
        return values.astype(type_of(output_datatype))

    operator(kind, known=(0,))(window)


put_window("HannWindow", (0.5, -0.5))
put_window("HammingWindow", (25 / 46, -21 / 46))
put_window("BlackmanWindow", (0.42, -0.5, 0.08))


@operator("MelWeightMatrix", known=(0, 1, 2, 3, 4))
def mel_weights(at: Call, bands: Any, length: Any, rate: Any, low: Any, high: Any, *, output_datatype: int = 1) -> Any:
    """Triangles that gather frequencies into bands that are even to the ear, (frequencies, bands)."""
    number, n, rate = listed(bands)[0], listed(length)[0], listed(rate)[0]
    first, last = (2595 * np.log10(1 + float(np.asarray(hertz).reshape(())) / 700) for hertz in (low, high))
    mels = first + (last - first) / (number + 2) * np.arange(number + 2)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    edges = ((n + 1) * hertz // rate).astype(int)
    matrix = np.zeros((n // 2 + 1, number))
    for band, (left, centre, right) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        rising = np.arange(left, centre + 1)
        matrix[rising, band] = (rising - left) / (centre - left) if centre > left else 1
        falling = np.arange(centre, right)
        matrix[falling, band] = (right - falling) / max(right - centre, 1)
    return matrix.astype(type_of(output_datatype))
