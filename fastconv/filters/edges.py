"""Edges: derivatives of an image, along its axes and regardless of them.

The first derivatives follow scikit-image in scale and sign::

    sobel      1 2 1  / 4     ┐
    scharr     3 10 3 / 16    ├  across the axis, and  -1 0 1  along it
    prewitt    1 1 1  / 3     ┘

A step of height h along the axis gives h, whatever its direction across; a ramp that rises by p
from pixel to pixel gives 2·p. SciPy and OpenCV leave the divisors out.
"""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from ..problem.arguments import parse_int
from ..problem.operands import Array
from .bands import Band, Reach, Weights
from .photograph import Photograph, open_photograph

__all__ = ["DIFFERENCE", "NEIGHBOURS", "laplacian", "laplacian_of", "prewitt", "scharr", "sobel"]

# The rows that all of these see, and how many columns.
NEIGHBOURS = Reach(1, 1), 2

# Products with these are exact and cancel where pixels are equal, in any order of summation.
DIFFERENCE: Weights = np.array([-1.0, 0.0, 1.0])

_SOBEL: Weights = np.array([1.0, 2.0, 1.0]) / 4
_SCHARR: Weights = np.array([3.0, 10.0, 3.0]) / 16
_PREWITT: Weights = np.array([1.0, 1.0, 1.0]) / 3


def laplacian(
    image: npt.ArrayLike,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Compute the Laplacian, the sum of the second derivatives along both axes.

    The weights are those of ::

        0  1  0
        1 -4  1
        0  1  0

    Parameters
    ----------
    image : array_like, (H, W), (..., H, W) or with `channel_axis`
        A photograph, grey or in colour, or a stack; of any real dtype.
    boundary, cval, channel_axis, out
        As for `box`.

    Returns
    -------
    ndarray, shape of `image`
        float32, or float64 for float64 and integers of more than 16 bits. Positive where a pixel is
        darker than the mean of its four neighbours, by a quarter of the value.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `box`.

    Notes
    -----
    Of the quadratic a·i² + b·i·j + c·j² it is 2·(a + c) everywhere inside; of a ramp 0. Scale and
    sign are those of ``scipy.ndimage.laplace`` and ``cv2.Laplacian``; ``skimage.filters.laplace``
    has the other sign. It is computed as differences of differences: of the brightest pixels 4·x
    would overflow where they are all alike.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.laplacian(np.array([[0.0, 0.0, 1.0, 4.0, 9.0, 9.0]]))
    array([[ 0.,  1.,  2.,  2., -5.,  0.]])
    """
    photograph = open_photograph(image, boundary, cval, channel_axis, out)
    return photograph.filtered(laplacian_of, *NEIGHBOURS)


def laplacian_of(band: Band, y: Array) -> None:
    """Fill y with the Laplacian of a band."""
    band.second_difference(0, y)
    y += band.second_difference(1)


def sobel(
    image: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Find edges with Sobel's operator: a derivative along an axis, or their magnitude.

    The weights along the rows' axis (0) and the columns' axis (1) are those of ::

            -1 -2 -1            -1  0  1
        1/4  0  0  0        1/4 -2  0  2
             1  2  1            -1  0  1

    Parameters
    ----------
    image : array_like, (H, W), (..., H, W) or with `channel_axis`
        A photograph, grey or in colour, or a stack; of any real dtype.
    axis : {None, 0, 1}
        0 for the change from row to row, which finds horizontal edges, 1 for that from column to
        column; of the photograph, whatever axes of a stack stand before. None for the magnitude of
        both.
    boundary, cval, channel_axis, out
        As for `box`.

    Returns
    -------
    ndarray, shape of `image`
        float32, or float64 for float64 and integers of more than 16 bits. Along an axis positive
        where the image becomes brighter downwards (0) or to the right (1): the height of a step,
        twice the slope of a ramp. The magnitude is √((Y₀² + Y₁²) / 2) and never exceeds
        the range of the image.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `box`; TypeError and ValueError also for another axis.

    Notes
    -----
    The same numbers as ``skimage.filters.sobel``, the root of 2 included; along an axis a quarter
    of ``scipy.ndimage.sobel``, whose magnitude ``hypot`` of both is 4·√2 times the one here. (Not
    with a constant boundary other than 0, which SciPy puts around the result of its first pass.)

    References
    ----------
    I. Sobel, G. Feldman, "A 3x3 isotropic gradient operator for image processing", 1968.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.sobel(np.array([[0.0, 0.0, 5.0, 5.0]]), axis=1)
    array([[0., 5., 5., 0.]])
    """
    return _edges(_SOBEL, axis, open_photograph(image, boundary, cval, channel_axis, out))


def scharr(
    image: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Find edges with Scharr's operator, which depends least on the direction of an edge.

    The weights along the rows' axis (0) and the columns' axis (1) are those of ::

             -3 -10 -3             -3  0   3
        1/16  0   0  0        1/16 -10 0  10
              3  10  3             -3  0   3

    Parameters
    ----------
    image, axis, boundary, cval, channel_axis, out
        As for `sobel`.

    Returns
    -------
    ndarray, shape of `image`
        As of `sobel`: the height of a step, twice the slope of a ramp.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `sobel`.

    Notes
    -----
    The same numbers as ``skimage.filters.scharr``; along an axis a sixteenth of ``cv2.Scharr``.

    References
    ----------
    H. Scharr, "Optimal operators in digital image processing", 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.scharr(np.array([[0.0, 0.0, 5.0, 5.0]]), axis=1)
    array([[0., 5., 5., 0.]])
    """
    return _edges(_SCHARR, axis, open_photograph(image, boundary, cval, channel_axis, out))


def prewitt(
    image: npt.ArrayLike,
    axis: SupportsIndex | None = None,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Find edges with Prewitt's operator, the mean of three differences.

    The weights along the rows' axis (0) and the columns' axis (1) are those of ::

            -1 -1 -1            -1  0  1
        1/3  0  0  0        1/3 -1  0  1
             1  1  1            -1  0  1

    Parameters
    ----------
    image, axis, boundary, cval, channel_axis, out
        As for `sobel`.

    Returns
    -------
    ndarray, shape of `image`
        As of `sobel`: the height of a step, twice the slope of a ramp.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `sobel`.

    Notes
    -----
    The same numbers as ``skimage.filters.prewitt``; along an axis a third of
    ``scipy.ndimage.prewitt``, with the reservation of `sobel`.

    References
    ----------
    J. M. S. Prewitt, "Object enhancement and extraction", 1970.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.prewitt(np.array([[0.0, 0.0, 6.0, 6.0]]), axis=1)
    array([[0., 6., 6., 0.]])
    """
    return _edges(_PREWITT, axis, open_photograph(image, boundary, cval, channel_axis, out))


def _edges(across: Weights, axis: object, photograph: Photograph) -> Array:
    """Return the derivative along an axis, or the magnitude of both."""
    only = None if axis is None else _parse_axis(axis)

    def fill(band: Band, y: Array) -> None:
        band.across(band.difference(DIFFERENCE, only or 0), across, 1 - (only or 0), y)
        if only is None:
            _root_of_mean_square(y, band.across(band.difference(DIFFERENCE, 1), across, 0))

    return photograph.filtered(fill, *NEIGHBOURS)


def _root_of_mean_square(first: Array, second: Array) -> None:
    """Make of the first √((first² + second²) / 2), and overwrite the second.

    Every plane is brought to the size of 1 before, by a power of two, so that no square is too
    large or vanishes that would be seen beside the largest of the plane: a seventh of the time of
    `np.hypot`.
    """
    extremes = [
        f(one, axis=(-2, -1), keepdims=True, initial=0)
        for one in (first, second)
        for f in (np.max, np.min)
    ]
    largest = np.abs(extremes).max(axis=0)
    exponents = np.clip(np.frexp(largest)[1], -100, np.finfo(first.dtype).maxexp - 2)
    spoilt = ~np.isfinite(largest)[..., 0, 0]
    apart = np.hypot(first[spoilt], second[spoilt]) * first.dtype.type(np.sqrt(0.5))
    down = np.ldexp(np.ones_like(largest), -exponents)
    for one in (first, second):
        one *= down  # by a power of two: in a tenth of the time of ldexp
        one *= one
    first += second
    np.sqrt(first, out=first)
    first *= np.ldexp(np.full_like(largest, np.sqrt(0.5)), exponents)
    first[spoilt] = apart


def _parse_axis(axis: object) -> int:
    number = parse_int("axis", axis, 0, "None, 0 or 1")
    if number > 1:
        raise ValueError(f"axis must be None, 0 or 1, not {number}: 0 is that of the rows")
    return number
