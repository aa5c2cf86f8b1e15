"""Convolution itself, the mathematical operation, and the correlation it is confused with.

A convolution runs one index against the other, (f * g)[n] = sum_m f[m] g[n - m].  That is what
makes it commutative and associative.  A correlation runs both the same way: it is the convolution
with g flipped, neither commutative nor associative.  What CNN layers compute is a correlation;
since the kernel is learned, the flip makes no difference to what a layer can represent, only to
which way round its weights are stored.

Integers give exact integers, or an OverflowError where their dtype has no room for one; floats are
summed in float64 and rounded once.

Source: ``numpy.convolve`` and ``scipy.signal.convolve2d``, ``correlate``, ``correlate2d``, whose
meaning these have; A. V. Oppenheim and R. W. Schafer, "Discrete-Time Signal
Processing", section 2.3.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference.boundaries import source_at

RealArray = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]
Mode = Literal["full", "same", "valid"]


def convolve1d(f: RealArray, g: RealArray) -> RealArray:
    """(f * g)[n] = sum_m f[m] g[n - m], wherever both exist.

    Parameters
    ----------
    f, g : 1-D ndarray of integers or floats
        Not empty; f[0] and g[0] stand at index 0.

    Returns
    -------
    ndarray
        n from 0 to len(f) + len(g) - 2.

    Raises
    ------
    ValueError
        If `f` or `g` is empty or not 1-D.
    TypeError
        If `f` or `g` is neither integer nor float.
    """
    (length_f,), (length_g,) = _checked_shapes(f, g, 1)
    F, G = f.tolist(), g.tolist()
    result = np.empty(length_f + length_g - 1, dtype=np.result_type(f, g))
    for n in range(length_f + length_g - 1):
        total = 0
        for m in range(length_f):
            if 0 <= n - m < length_g:
                total += F[m] * G[n - m]
        result[n] = total
    return result


def correlate1d(f: RealArray, g: RealArray) -> RealArray:
    """c[n] = sum_m f[m + n] g[m], wherever both exist.

    Parameters
    ----------
    f, g : 1-D ndarray of integers or floats

    Returns
    -------
    ndarray
        n from -(len(g) - 1) to len(f) - 1: the lag n = 0 is element len(g) - 1.

    Raises
    ------
    ValueError
        If `f` or `g` is empty or not 1-D.
    TypeError
        If `f` or `g` is neither integer nor float.
    """
    (length_f,), (length_g,) = _checked_shapes(f, g, 1)
    F, G = f.tolist(), g.tolist()
    result = np.empty(length_f + length_g - 1, dtype=np.result_type(f, g))
    for n in range(-(length_g - 1), length_f):
        total = 0
        for m in range(length_g):
            if 0 <= m + n < length_f:
                total += F[m + n] * G[m]
        result[n + length_g - 1] = total
    return result


def convolve2d(
    f: RealArray,
    g: RealArray,
    mode: Mode = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
) -> RealArray:
    """(f * g)[n, p] = sum_m sum_q f[n - m, p - q] g[m, q], over all of g.

    Beyond its edge f holds what `boundary` says: with zeros, the sum is over what exists of both.

    Parameters
    ----------
    f, g : 2-D ndarray of integers or floats
    mode : {"full", "same", "valid"}
        "full": every n, p where anything is summed.  "same": of the shape of `f`, from the middle.
        "valid": only where the smaller array lies wholly on the larger.
    boundary : {"fill", "symm", "mirror", "nearest", "wrap", ...}
        See `reference.boundaries`.
    fillvalue : int or float
        What "fill" holds.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        If `f` or `g` is empty or not 2-D, `mode` or `boundary` has another value, or for "valid"
        neither array is at least as large as the other along both axes.
    TypeError
        If `f` or `g` is neither integer nor float.
    """
    (rows_f, columns_f), (rows_g, columns_g) = _checked_shapes(f, g, 2)
    if _exchanged(mode, f.shape, g.shape):
        return convolve2d(g, f, mode)  # it commutes
    source = source_at(boundary)
    F, G = f.tolist(), g.tolist()
    full = np.empty((rows_f + rows_g - 1, columns_f + columns_g - 1), np.result_type(f, g))
    for n in range(full.shape[0]):
        for p in range(full.shape[1]):
            total = 0
            for m in range(rows_g):
                for q in range(columns_g):
                    h, w = source(n - m, rows_f), source(p - q, columns_f)
                    pixel = fillvalue if h is None or w is None else F[h][w]
                    total += pixel * G[m][q]
            full[n, p] = total
    # In an even kernel no tap is the middle one: the earlier of the two counts as such.
    return _part(full, mode, f.shape, g.shape, ((rows_g - 1) // 2, (columns_g - 1) // 2))


def correlate2d(
    f: RealArray,
    g: RealArray,
    mode: Mode = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
) -> RealArray:
    """c[n, p] = sum_m sum_q f[m + n, q + p] g[m, q], over all of g.

    The layer of `reference.conv2d` is this with mode "valid" on the padded image.

    Parameters
    ----------
    f, g : 2-D ndarray of integers or floats
    mode : {"full", "same", "valid"}
        As in `convolve2d`.  "full" begins with the lags -(rows of g - 1), -(columns of g - 1).
    boundary, fillvalue
        As in `convolve2d`.

    Returns
    -------
    ndarray

    Raises
    ------
    ValueError
        As in `convolve2d`.
    TypeError
        If `f` or `g` is neither integer nor float.
    """
    (rows_f, columns_f), (rows_g, columns_g) = _checked_shapes(f, g, 2)
    if _exchanged(mode, f.shape, g.shape):
        return correlate2d(g, f, mode)[::-1, ::-1]  # it does not commute, it mirrors
    source = source_at(boundary)
    F, G = f.tolist(), g.tolist()
    full = np.empty((rows_f + rows_g - 1, columns_f + columns_g - 1), np.result_type(f, g))
    for n in range(-(rows_g - 1), rows_f):
        for p in range(-(columns_g - 1), columns_f):
            total = 0
            for m in range(rows_g):
                for q in range(columns_g):
                    h, w = source(m + n, rows_f), source(q + p, columns_f)
                    pixel = fillvalue if h is None or w is None else F[h][w]
                    total += pixel * G[m][q]
            full[n + rows_g - 1, p + columns_g - 1] = total
    # The flip of `convolve2d` turns the earlier middle tap of an even kernel into the later one.
    return _part(full, mode, f.shape, g.shape, (rows_g // 2, columns_g // 2))


def _checked_shapes(
    f: RealArray, g: RealArray, rank: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    for name, array in (("f", f), ("g", g)):
        if array.ndim != rank or array.size == 0:
            raise ValueError(f"{name} must have {rank} axes, none empty, got shape {array.shape}")
        if array.dtype.kind not in "iuf":
            raise TypeError(f"{name} must hold integers or floats, got {array.dtype}")
    return f.shape, g.shape


def _exchanged(mode: Mode, shape_f: tuple[int, ...], shape_g: tuple[int, ...]) -> bool:
    """Whether "valid" is where f lies wholly on g, which is the larger.

    Raises
    ------
    ValueError
        If neither contains the other.
    """
    if mode != "valid" or (shape_f[0] >= shape_g[0] and shape_f[1] >= shape_g[1]):
        return False
    if shape_f[0] > shape_g[0] or shape_f[1] > shape_g[1]:
        raise ValueError(f"for valid one array must contain the other, got {shape_f}, {shape_g}")
    return True


def _part(
    full: RealArray,
    mode: Mode,
    shape_f: tuple[int, ...],
    shape_g: tuple[int, ...],
    middle: tuple[int, int],
) -> RealArray:
    """The rows and columns of the full result that `mode` keeps."""
    if mode == "full":
        return full
    if mode == "same":
        part: RealArray = full[middle[0] :, middle[1] :][: shape_f[0], : shape_f[1]]
        return part
    if mode != "valid":
        raise ValueError(f'mode must be "full", "same" or "valid", got {mode!r}')
    part = full[shape_g[0] - 1 : shape_f[0], shape_g[1] - 1 : shape_f[1]]
    return part
