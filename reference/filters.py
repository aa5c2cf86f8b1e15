"""Filters for photographs as textbooks print them: a mask is laid over every pixel.

::

    Y[i,j] = sum_r sum_s  M[r,s] X[i + r - R//2, j + s - S//2]

The masks are written out below as they are laid over the image, not flipped.  Beyond the image
stands what `reference.boundaries` says, as often as a mask reaches it, or `cval`.  Sums are in
float64 and rounded once.

Source: R. C. Gonzalez and R. E. Woods, "Digital Image Processing", sections 3.5 and 3.6, for the
masks; scikit-image for the divisors of sobel, scharr and prewitt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.boundaries import source_at

Image = NDArray[Any]
Mask = Sequence[Sequence[float]]

LAPLACIAN: Mask = [
    [0, 1, 0],
    [1, -4, 1],
    [0, 1, 0],
]
SOBEL_DOWN: Mask = [
    [-1 / 4, -2 / 4, -1 / 4],
    [0, 0, 0],
    [1 / 4, 2 / 4, 1 / 4],
]
SOBEL_RIGHT: Mask = [
    [-1 / 4, 0, 1 / 4],
    [-2 / 4, 0, 2 / 4],
    [-1 / 4, 0, 1 / 4],
]
SCHARR_DOWN: Mask = [
    [-3 / 16, -10 / 16, -3 / 16],
    [0, 0, 0],
    [3 / 16, 10 / 16, 3 / 16],
]
SCHARR_RIGHT: Mask = [
    [-3 / 16, 0, 3 / 16],
    [-10 / 16, 0, 10 / 16],
    [-3 / 16, 0, 3 / 16],
]
PREWITT_DOWN: Mask = [
    [-1 / 3, -1 / 3, -1 / 3],
    [0, 0, 0],
    [1 / 3, 1 / 3, 1 / 3],
]
PREWITT_RIGHT: Mask = [
    [-1 / 3, 0, 1 / 3],
    [-1 / 3, 0, 1 / 3],
    [-1 / 3, 0, 1 / 3],
]


def sharpen_mask(a: float) -> Mask:
    """1 in the middle of nothing, minus a times the Laplacian."""
    return [
        [0, -a, 0],
        [-a, 1 + 4 * a, -a],
        [0, -a, 0],
    ]


def emboss_mask(a: float) -> Mask:
    """Dark towards the top left, bright towards the bottom right."""
    return [
        [-2 * a, -a, 0],
        [-a, 1, a],
        [0, a, 2 * a],
    ]


def box_mask(rows: int, columns: int) -> Mask:
    """As many equal weights, their sum 1."""
    return [[1 / (rows * columns)] * columns for _ in range(rows)]


def gaussian_mask(sigma_down: float, sigma_right: float, truncate: float) -> Mask:
    """exp(-i^2 / 2 sigma_down^2 - j^2 / 2 sigma_right^2), divided by their sum."""

    def bell(sigma: float) -> list[float]:
        radius = int(truncate * sigma + 0.5)
        if radius == 0:
            return [1.0]
        return [math.exp(-(k * k) / (2 * sigma * sigma)) for k in range(-radius, radius + 1)]

    down, right = bell(sigma_down), bell(sigma_right)
    total = sum(down) * sum(right)
    return [[one * other / total for other in right] for one in down]


def box(image: Image, size: int | tuple[int, int] = 3, **around: Any) -> Image:
    """The mean of a box of `size`, in whose middle (or just behind it) the pixel stands."""
    rows, columns = size if isinstance(size, tuple) else (size, size)
    return lay(box_mask(rows, columns), image, **around)


def gaussian(
    image: Image, sigma: float | tuple[float, float] = 1.0, *, truncate: float = 4.0, **around: Any
) -> Image:
    """The mean under a bell of that standard deviation, cut off at `truncate` of them."""
    down, right = sigma if isinstance(sigma, tuple) else (sigma, sigma)
    return lay(gaussian_mask(down, right, truncate), image, **around)


def sharpen(image: Image, amount: float = 1.0, **around: Any) -> Image:
    """X - amount * laplacian(X)."""
    return lay(sharpen_mask(amount), image, **around)


def unsharp_mask(
    image: Image,
    sigma: float | tuple[float, float] = 1.0,
    amount: float = 1.0,
    *,
    truncate: float = 4.0,
    **around: Any,
) -> Image:
    """X + amount * (X - gaussian(X))."""
    x = image.astype(np.float64)
    y = x + amount * (x - gaussian(x, sigma, truncate=truncate, **around))
    return y.astype(result_dtype(image))


def laplacian(image: Image, **around: Any) -> Image:
    """The second derivatives along both axes, added up."""
    return lay(LAPLACIAN, image, **around)


def sobel(image: Image, axis: int | None = None, **around: Any) -> Image:
    """The derivative down (0) or to the right (1), or the magnitude of both (None)."""
    return derivative(SOBEL_DOWN, SOBEL_RIGHT, image, axis, **around)


def scharr(image: Image, axis: int | None = None, **around: Any) -> Image:
    """As `sobel`, with other weights."""
    return derivative(SCHARR_DOWN, SCHARR_RIGHT, image, axis, **around)


def prewitt(image: Image, axis: int | None = None, **around: Any) -> Image:
    """As `sobel`, with equal weights."""
    return derivative(PREWITT_DOWN, PREWITT_RIGHT, image, axis, **around)


def emboss(image: Image, amount: float = 1.0, **around: Any) -> Image:
    """The image in relief, lit from the top left."""
    return lay(emboss_mask(amount), image, **around)


def derivative(down: Mask, right: Mask, image: Image, axis: int | None, **around: Any) -> Image:
    """One of two masks, or the root of the mean of both squares."""
    if axis is not None:
        return lay((down, right)[axis], image, **around)
    x = image.astype(np.float64)
    y = np.sqrt((lay(down, x, **around) ** 2 + lay(right, x, **around) ** 2) / 2)
    return y.astype(result_dtype(image))


def lay(
    mask: Mask,
    image: Image,
    *,
    boundary: str = "reflect",
    cval: float = 0.0,
    channel_axis: int | None = None,
) -> Image:
    """The sums under a mask laid over every pixel of every plane.

    Parameters
    ----------
    mask : R rows of S numbers
    image : ndarray, (H, W), (..., H, W), or with `channel_axis`
    boundary : {"reflect", "mirror", "nearest", "wrap", "constant"}
    cval : float
        What lies beyond with "constant".
    channel_axis : int, optional
        The axis that is neither rows nor columns.

    Returns
    -------
    ndarray, shape of `image`
        float32, or float64 where the dtype of `image` does not fit into float32.
    """
    planes = image if channel_axis is None else np.moveaxis(image, channel_axis, -3)
    result = np.empty(planes.shape, result_dtype(image))
    *stack, H, W = planes.shape
    R, S = len(mask), len(mask[0])
    source = source_at(boundary)
    for plane in np.ndindex(*stack):
        X = planes[plane].astype(np.float64).tolist()
        for i in range(H):
            for j in range(W):
                y = 0.0
                for r in range(R):
                    h = source(i + r - R // 2, H)
                    for s in range(S):
                        w = source(j + s - S // 2, W)
                        if mask[r][s] != 0:
                            y += mask[r][s] * (cval if h is None or w is None else X[h][w])
                result[plane][i, j] = y
    return result if channel_axis is None else np.moveaxis(result, -3, channel_axis)


def result_dtype(image: Image) -> np.dtype[Any]:
    """float32 or float64, whichever is the narrower to hold every value of the image's dtype."""
    return np.dtype(np.promote_types(image.dtype, np.float32))
