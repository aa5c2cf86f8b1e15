"""The answer in float64: each window's maximum or mean, and the way back to its pixels.

    x ─→ windows (N, C, P, Q, k, k) ─┬─→ their maximum or mean       (N, C, P, Q)
                                     └─→ each pixel's share of it, which it gets of the gradient

A view of all windows at once, so that it shares no loop with anybody who pools.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.measuring.truth import Truth
from benchmarks.pooling.problems import Array, Pooling


@lru_cache(maxsize=2)
def solve(pooling: Pooling) -> tuple[Truth, Truth]:
    """Return the truth of a pooling and of its gradient."""
    grad, x = (array.astype(np.float64) for array in pooling.arrays())
    shares, y = _shares(pooling, x)
    magnitude, terms = np.abs(y), 1
    if pooling.kind != "max":
        magnitude, terms = _shares(pooling, np.abs(x))[1], pooling.kernel**2
    # one term more than a pixel has windows: its share of a mean is rounded too
    backward = Truth(
        (_scattered(pooling, grad, shares),),
        (_scattered(pooling, np.abs(grad), shares),),
        (pooling.windows_of_a_pixel + 1,),
    )
    return Truth((y,), (magnitude,), (terms,)), backward


def _shares(pooling: Pooling, x: Array) -> tuple[Array, Array]:
    """Return what part each pixel has in its window's result, and the results."""
    border = -np.inf if pooling.kind == "max" else 0.0
    p = pooling.padding
    framed = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), constant_values=border)
    size = (pooling.kernel, pooling.kernel)
    views = sliding_window_view(framed, size, axis=(2, 3))
    windows = views[:, :, :: pooling.stride, :: pooling.stride]
    if pooling.kind != "max":
        return np.full(windows.shape, 1 / pooling.kernel**2), windows.mean(axis=(-2, -1))
    flat = windows.reshape(*windows.shape[:4], -1)
    # of equal ones the first, as everybody's
    is_largest = np.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None]
    return is_largest.astype(np.float64).reshape(windows.shape), flat.max(axis=-1)


def _scattered(pooling: Pooling, grad: Array, shares: Array) -> Array:
    """Return the gradient of the image: tap by tap, each window's, in the shares of its pixels."""
    p, stride = pooling.padding, pooling.stride
    batch, channels, height, width = pooling.x_shape
    framed = np.zeros((batch, channels, height + 2 * p, width + 2 * p))
    down, right = ((count - 1) * stride + 1 for count in grad.shape[2:])
    for r, s in np.ndindex(shares.shape[4:]):
        view = framed[:, :, r : r + down : stride, s : s + right : stride]
        view += grad * shares[..., r, s]
    return framed[:, :, p : p + height, p : p + width]
