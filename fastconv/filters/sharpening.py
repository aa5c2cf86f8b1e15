"""Sharpening: the image, and more of what distinguishes a pixel from its neighbourhood."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from ..problem.operands import Array
from .bands import Band
from .edges import DIFFERENCE, NEIGHBOURS, laplacian_of
from .numbers import RealPair, parse_real_of
from .photograph import open_photograph
from .smoothing import bell

__all__ = ["emboss", "sharpen", "unsharp_mask"]

_ALIKE = np.ones(3)


def sharpen(
    image: npt.ArrayLike,
    amount: float = 1.0,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Sharpen by subtracting the Laplacian: X − amount·∇²X.

    With amount a, the weights are those of ::

         0  -a    0
        -a  1+4a -a        sum: 1
         0  -a    0

    Parameters
    ----------
    image : array_like, (H, W), (..., H, W) or with `channel_axis`
        A photograph, grey or in colour, or a stack; of any real dtype.
    amount : float
        How much. 1 is the mask of the textbooks, with 5 in its middle; 0 changes nothing; less than
        0 blurs.
    boundary, cval, channel_axis, out
        As for `box`.

    Returns
    -------
    ndarray, shape of `image`
        As of `box`. Beside edges the values go beyond those of the image, and are not clipped.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `box`; ValueError also for an amount that is not finite in the dtype computed in.

    Notes
    -----
    Where an image is flat it stays as it is, exactly.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.sharpen(np.array([[1.0, 1.0, 1.0, 3.0, 3.0, 3.0]]))
    array([[ 1.,  1., -1.,  5.,  3.,  3.]])
    """
    photograph = open_photograph(image, boundary, cval, channel_axis, out)
    strength = parse_real_of(photograph.dtype, "amount", amount)

    def fill(band: Band, y: Array) -> None:
        laplacian_of(band, y)
        y *= -strength
        y += band.own

    return photograph.filtered(fill, *NEIGHBOURS)


def unsharp_mask(
    image: npt.ArrayLike,
    sigma: RealPair = 1.0,
    amount: float = 1.0,
    *,
    truncate: float = 4.0,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    """Sharpen by what a Gaussian blur takes away: X + amount·(X − gaussian(X, sigma)).

    Parameters
    ----------
    image : array_like, (H, W), (..., H, W) or with `channel_axis`
        A photograph, grey or in colour, or a stack; of any real dtype.
    sigma : float or (float, float)
        The standard deviation of the blur in pixels, see `gaussian`: about the size of the details
        that become sharper.
    amount : float
        How much; 0 changes nothing.
    truncate
        As for `gaussian`.
    boundary, cval, channel_axis, out
        As for `box`.

    Returns
    -------
    ndarray, shape of `image`
        As of `box`. Beside edges the values go beyond those of the image, and are not clipped.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `gaussian`; ValueError also for an amount that is not finite in the dtype computed in.

    Notes
    -----
    The same numbers as ``skimage.filters.unsharp_mask(image, radius=sigma, amount=amount,
    preserve_range=True)``. An image of one colour stays as it is, exactly.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.unsharp_mask(np.array([[1.0, 1.0, 1.0, 3.0, 3.0, 3.0]]), 0.5).round(2)
    array([[1.  , 1.  , 0.79, 3.21, 3.  , 3.  ]])
    """
    photograph = open_photograph(image, boundary, cval, channel_axis, out)
    strength = parse_real_of(photograph.dtype, "amount", amount)
    window = bell(sigma, truncate)

    def fill(band: Band, y: Array) -> None:
        band.smoothed(*window, y)
        np.subtract(band.own, y, out=y)
        y *= strength
        y += band.own

    return photograph.filtered(fill, window.reach, window.columns)


def emboss(
    image: npt.ArrayLike,
    amount: float = 1.0,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: SupportsIndex | None = None,
    out: Array | None = None,
) -> Array:
    r"""Let an image stand out in relief, lit from the top left.

    With amount a, the weights are those of ::

        -2a -a   0
        -a   1   a         sum: 1
         0   a   2a

    Parameters
    ----------
    image : array_like, (H, W), (..., H, W) or with `channel_axis`
        A photograph, grey or in colour, or a stack; of any real dtype.
    amount : float
        How high the relief is. What becomes brighter towards the bottom right is made brighter;
        less than 0 lights it from the bottom right.
    boundary, cval, channel_axis, out
        As for `box`.

    Returns
    -------
    ndarray, shape of `image`
        As of `box`. Beside edges the values go beyond those of the image, and are not clipped.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `box`; ValueError also for an amount that is not finite in the dtype computed in.

    Notes
    -----
    The relief is three times the sum of `prewitt` along both axes, and with a ramp of slopes p per
    row and q per column is 6·(p + q). Where an image is flat it stays as it is, exactly.

    References
    ----------
    The mask is that of GIMP's and many others' lessons on convolution; it differs from Pillow's
    ``ImageFilter.EMBOSS``, which adds a grey of 128.

    Examples
    --------
    >>> import numpy as np
    >>> from fastconv import filters
    >>> filters.emboss(np.array([[1.0, 1.0, 1.0, 3.0, 3.0, 3.0]]))
    array([[1., 1., 7., 9., 3., 3.]])
    """
    photograph = open_photograph(image, boundary, cval, channel_axis, out)
    strength = parse_real_of(photograph.dtype, "amount", amount)

    def fill(band: Band, y: Array) -> None:
        band.across(band.difference(DIFFERENCE, 0), _ALIKE, 1, y)
        y += band.across(band.difference(DIFFERENCE, 1), _ALIKE, 0)
        y *= strength
        y += band.own

    return photograph.filtered(fill, *NEIGHBOURS)
