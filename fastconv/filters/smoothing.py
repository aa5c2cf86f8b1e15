"""Smoothing: every pixel becomes a weighted mean of its neighbourhood."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, SupportsIndex

import numpy as np
import numpy.typing as npt

from ..problem.arguments import Pair, parse_pair, shown
from ..problem.operands import Array
from .bands import Reach, Weights, reach_of
from .numbers import RealPair, parse_real, parse_real_pair
from .photograph import Photograph, open_photograph

__all__ = ["Window", "bell", "box", "gaussian"]

# Weights beyond are a mistake in sigma or size, not a photograph: no image is as large.
LARGEST_RADIUS = 2**24


def box(
    image: npt.ArrayLike,
    size: Pair = 3,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Replace every pixel by the mean of a box around it.

    .. math::
        Y_{i,j} = \frac{1}{RS} \sum_{r=0}^{R-1} \sum_{s=0}^{S-1}
                  X_{i + r - \lfloor R/2 \rfloor,\; j + s - \lfloor S/2 \rfloor}

    Parameters
    ----------
    image : array_like, (H, W), (..., H, W) or with `channel_axis`
        A photograph, grey or in colour, or a stack; of any real dtype.
    size : int or (int, int)
        Rows and columns of the box: R, S. The pixel stands in its middle; where a side is even, in
        the second half: a box of 2 holds the pixel and the one before it, a box of 4 two before and
        one after.
    boundary : {"reflect", "mirror", "nearest", "wrap", "constant"}
        What lies beyond the image, see `fastconv.filters`.
    cval : float
        The value beyond it with "constant".
    channel_axis : int, optional
        Where the channels are, -1 for (H, W, C). Each is filtered by itself.
    out : ndarray, optional
        Where to write, SciPy's ``output``; the shape of `image`, and the dtype of the result. It
        may be `image` itself or share memory with it: the result is then held beside it until it
        is whole.

    Returns
    -------
    ndarray, shape of `image`
        float32, or float64 for float64 and integers of more than 16 bits; in the units of `image`.

    Raises
    ------
    TypeError
        For an image that is no array of real numbers, options of a wrong type, an `out` of another
        dtype.
    ValueError
        For an image without rows or columns, or one that may have channels where `channel_axis` is
        not given; for options out of range, an `out` that cannot take the result.
    MemoryError
        If the result or a buffer cannot be allocated; `out` may be partly written then.

    Notes
    -----
    An image of one colour stays as it is, exactly (`fastconv.filters`). The convention is that of
    ``scipy.ndimage.uniform_filter``, also for even sizes; the cost is that of R + S taps a pixel.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.box(np.array([[0.0, 3.0, 6.0]]), (1, 3))
    array([[1., 3., 5.]])
    """
    photograph = open_photograph(image, boundary, cval, channel_axis, out)
    rows, columns = parse_pair("size", size, 1)
    if max(rows, columns) > 2 * LARGEST_RADIUS + 1:
        raise ValueError(f"size must be at most {2 * LARGEST_RADIUS + 1}, not {shown(size)}")
    return _mean_under(photograph, Window(_mean_of(rows), _mean_of(columns)))


def gaussian(
    image: npt.ArrayLike,
    sigma: RealPair = 1.0,
    *,
    truncate: float = 4.0,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Smooth with a Gaussian bell.

    .. math::
        w_k \propto e^{-k^2 / 2\sigma^2}, \quad |k| \le \lfloor \mathrm{truncate} \cdot \sigma
            + 1/2 \rfloor, \quad \sum_k w_k = 1

    along each axis.

    Parameters
    ----------
    image : array_like, (H, W), (..., H, W) or with `channel_axis`
        A photograph, grey or in colour, or a stack; of any real dtype.
    sigma : float or (float, float)
        The standard deviation in pixels: everywhere, or vertical, horizontal. 0 leaves an axis as
        it is.
    truncate : float
        Where the bell is cut off, in standard deviations: its radius is
        ``int(truncate * sigma + 0.5)`` pixels, 4 for sigma 1, as in SciPy.
    boundary, cval, channel_axis, out
        As for `box`.

    Returns
    -------
    ndarray, shape of `image`
        As of `box`.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `box`; ValueError also for a sigma or truncate that is negative or not finite, and for a
        radius of more than 2**24.

    Notes
    -----
    The same numbers as ``scipy.ndimage.gaussian_filter``, and as ``skimage.filters.gaussian`` with
    ``mode="reflect"``, whose own default is "nearest". An image of one colour stays as it is,
    exactly (`fastconv.filters`).

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> spot = np.zeros((9, 9))
    >>> spot[4, 4] = 1.0
    >>> blurred = filters.gaussian(spot, 1.0)
    >>> float(blurred[4, 4].round(4)), float(blurred[4, 5].round(4))
    (0.1592, 0.0965)
    """
    photograph = open_photograph(image, boundary, cval, channel_axis, out)
    return _mean_under(photograph, bell(sigma, truncate))


class Window(NamedTuple):
    """Weights that sum to one, down and across."""

    vertical: Weights
    horizontal: Weights

    @property
    def reach(self) -> Reach:
        """Return the rows that it sees."""
        return reach_of(len(self.vertical))

    @property
    def columns(self) -> int:
        """Return how many columns it sees beside a pixel's own."""
        return len(self.horizontal) - 1


def _mean_under(photograph: Photograph, window: Window) -> Array:
    return photograph.filtered(
        lambda band, y: band.smoothed(*window, y), window.reach, window.columns,
        lambda band, y: band.smoothed_in_one_call(*window, y),
    )  # fmt: skip


def bell(sigma: object, truncate: object) -> Window:
    """Return the weights of `gaussian`."""
    sigmas = parse_real_pair("sigma", sigma, 0)
    cut = parse_real("truncate", truncate, 0)
    for one in sigmas:
        if cut * one > LARGEST_RADIUS:
            raise ValueError(
                f"sigma {one:g} with truncate {cut:g} makes a radius of more than "
                f"{LARGEST_RADIUS} pixels"
            )
    return Window(*(_bell(one, int(cut * one + 0.5)) for one in sigmas))


def _mean_of(taps: int) -> Weights:
    return np.full(taps, 1 / taps)


@lru_cache(maxsize=16)
def _bell(sigma: float, radius: int) -> Weights:
    with np.errstate(over="ignore", under="ignore"):  # of a tiny sigma: weights of 0 beside the 1
        places = np.arange(-radius, radius + 1) / (sigma or 1.0)
        weights = np.exp(-0.5 * places**2)
    bell = np.asarray(weights / weights.sum())
    bell.setflags(write=False)
    return bell
