"""Convolution and correlation of stacks of images with banks of kernels, pair by pair."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from reference import convolution
from reference.conv import check_backend
from reference.convolution import Mode, RealArray


def convolve2d(
    in1: RealArray,
    in2: RealArray,
    mode: Mode = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
    *,
    channel_axis: int | None = None,
    backend: str = "auto",
    out: RealArray | None = None,
) -> RealArray:
    """Y[..., k] = X[...] * W[k], each image with each kernel by `reference.convolution.convolve2d`.

    Parameters
    ----------
    in1 : ndarray (H, W) or (..., H, W)
        Integers or floats.
    in2 : ndarray (R, S) or (K, R, S)
        Integers or floats.
    mode, boundary, fillvalue
        As there.
    channel_axis : int, optional
        The axis of in1 that is neither rows nor columns, if it is not one of the first.
    backend : {"auto", "reference"}
        Accepted so that calls to ``fastconv.convolve2d`` can be repeated here.
    out : ndarray of the shape of the result, optional
        Filled and returned.

    Returns
    -------
    ndarray
        The axes of in1 in their order; K, if there is a bank, right before the rows.  Integers
        give exact integers, where ``fastconv`` gives floats.

    Raises
    ------
    ValueError, TypeError, OverflowError
        As there.
    """
    return _each_with_each(
        convolution.convolve2d, in1, in2, (mode, boundary, fillvalue), channel_axis, backend, out
    )


def correlate2d(
    in1: RealArray,
    in2: RealArray,
    mode: Mode = "full",
    boundary: str = "fill",
    fillvalue: float = 0,
    *,
    channel_axis: int | None = None,
    backend: str = "auto",
    out: RealArray | None = None,
) -> RealArray:
    """Each image with each kernel by `reference.convolution.correlate2d`.

    Parameters
    ----------
    in1, in2, mode, boundary, fillvalue, channel_axis, backend, out
        As in `convolve2d`.

    Returns
    -------
    ndarray
        As of `convolve2d`.

    Raises
    ------
    ValueError, TypeError, OverflowError
        As `convolve2d`.
    """
    return _each_with_each(
        convolution.correlate2d, in1, in2, (mode, boundary, fillvalue), channel_axis, backend, out
    )


def _each_with_each(
    operation: Callable[..., RealArray],
    in1: RealArray,
    in2: RealArray,
    options: tuple[Any, ...],
    channel_axis: int | None,
    backend: str,
    out: RealArray | None,
) -> RealArray:
    check_backend(backend)
    images = in1 if channel_axis is None else np.moveaxis(in1, channel_axis, 0)
    kernels = in2 if in2.ndim == 3 else in2[None]
    one = operation(np.zeros(images.shape[-2:], in1.dtype), kernels[0], *options)
    stack = images.shape[:-2]
    result = np.empty((*stack, len(kernels), *one.shape), one.dtype)
    for place in product(*map(range, stack)):
        for k in range(len(kernels)):
            at = (*place, k)
            result[at] = operation(images[place], kernels[k], *options)
    if in2.ndim == 2:
        result = result[..., 0, :, :]
    if channel_axis is not None:
        result = _channels_back(result, channel_axis, in1.ndim, in2.ndim == 3)
    if out is None:
        return result
    if out.shape != result.shape:
        raise ValueError(f"out must have shape {result.shape}, got {out.shape}")
    out[...] = result
    return out


def _channels_back(result: RealArray, channel_axis: int, rank: int, bank: bool) -> RealArray:
    """The channels, now first, where they were; the filters right before the rows."""
    if bank:
        filters = np.moveaxis(result, -3, 0)  # each filter's result has the axes of in1
        each = np.stack([np.moveaxis(of_one, 0, channel_axis) for of_one in filters])
        axes = list(range(rank))
        axes.remove(channel_axis % rank)
        return np.moveaxis(each, 0, axes[-2])  # the rows are the last but one of the others
    return np.moveaxis(result, 0, channel_axis)
