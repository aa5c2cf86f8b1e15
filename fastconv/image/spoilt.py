"""What is not finite in an image that is transformed: it is taken out, and put in afterwards.

    image        which windows hold it      result
    . . . .      ┌───────┐
    . . N .      │ N N . │                  NaN where a window holds a NaN;
    . . . .      │ N N . │                  where it holds infinities, their sum
                 └───────┘

A transform would spoil its whole block. But no sum has to be known beside a NaN or an infinity: a
window that holds a NaN makes NaN, and one that holds infinities makes that of their products' sign,
or NaN if they have both signs or a weight is 0. How many products there are of each is a sum of
small integers, which transforms find exactly.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..problem.operands import Array
from .lengths import fast_length
from .running import copy_of_seen
from .shapes import Filtering
from .tiles import Row, tiles, whole

__all__ = ["put_in", "spoilt_images"]

Mask = npt.NDArray[np.bool_]


def spoilt_images(x: Array) -> list[int]:
    """Return which of the images (N, H, W) hold what is not finite."""
    if x.dtype.kind != "f":
        return []
    with np.errstate(all="ignore"):  # a NaN may be a signalling one
        peaks = np.maximum(x.max(axis=(1, 2)), -x.min(axis=(1, 2)))
    return np.flatnonzero(~np.isfinite(peaks)).tolist()


def put_in(filtering: Filtering, x: Array, kernels: Array, y: Array) -> None:
    """Put into y (1, K, OH, OW) what an image (1, H, W) makes where it is not finite."""
    one = replace(filtering, images=1)
    _, taps, across = kernels.shape
    # beside what a tile sees, masks and counts of windows, and spectra of twice the width of values
    held = Row(10, across - 1)
    for tile in tiles(one, whole(one), held, cut_rows=True):
        part = copy_of_seen(one, x, tile)[0]
        is_nan, is_infinite = np.isnan(part), np.isinf(part)
        target = y[0, :, tile.rows, tile.columns]
        if is_infinite.any():
            signs = np.where(is_infinite, np.copysign(1.0, part), 0.0)
            for kernel, result in zip(kernels, target, strict=True):
                _put_infinities(signs, kernel, result)
        if is_nan.any():
            target[:, _hold(is_nan, taps, across)] = np.nan


def _put_infinities(signs: Array, kernel: Array, y: Array) -> None:
    """Put into y (OH, OW) what infinities of these signs, and zeros elsewhere, make."""
    weights = np.sign(kernel).astype(np.float64)
    if np.abs(weights.sum()) == weights.size:  # all of one sign, as those of a mean are
        up, down = (_hold(signs * weights[0, 0] == sign, *kernel.shape) for sign in (1, -1))
        y[up] = np.inf
        y[down] = -np.inf
        y[up & down] = np.nan
        return
    difference = _correlated(signs, weights)
    held = _correlated(np.abs(signs), np.ones_like(weights))
    # of one sign all of them, and none of them beside a zero
    y[(held > 0) & (difference == held)] = np.inf
    y[(held > 0) & (difference == -held)] = -np.inf
    y[(held > 0) & (np.abs(difference) != held)] = np.nan


def _correlated(image: Array, kernel: Array) -> Array:
    """Return whole numbers (OH, OW): the sums under a kernel of small integers, inside an image."""
    taps, across = kernel.shape
    size = fast_length(image.shape[0]), fast_length(image.shape[1])
    spectrum = np.fft.rfft2(image, size) * np.fft.rfft2(kernel[::-1, ::-1], size)
    sums = np.fft.irfft2(spectrum, size)[taps - 1 : image.shape[0], across - 1 : image.shape[1]]
    return np.rint(sums)


def _hold(mask: Mask, taps: int, across: int) -> Mask:
    """Return which windows (OH, OW) hold a pixel of a mask."""
    return _runs_hold(_runs_hold(mask, taps).T, across).T


def _runs_hold(mask: Mask, extent: int) -> Mask:
    """Return which runs of so many rows hold a pixel in a column."""
    counts = np.zeros((len(mask) + 1, mask.shape[1]), np.int32)
    np.cumsum(mask, axis=0, out=counts[1:])
    return counts[extent:] > counts[:-extent]
