"""Filters for photographs: smoothing, sharpening, edges, each a convolution or two.

::

    smoothing.py     box, gaussian                         weights that sum to one
    sharpening.py    sharpen, unsharp_mask, emboss         the image and a part of what it is not
    edges.py         laplacian, sobel, scharr, prewitt     weights that sum to zero
        │
        ▼
    photograph.py    what comes in, checked; what goes out, the caller's `out` perhaps
        │
        ▼
    bands.py         some rows of every plane at a time, as floats; a pass along an axis
        │
        ▼
    image/           one pass or two over every plane by itself

All of them take a grey image (H, W), a stack of them (..., H, W), or with ``channel_axis=-1`` a
colour photograph (H, W, C), and return an array of the same shape. No channel ever reaches another:
an image of more than 4 columns and then a last axis of 1 to 4, which may be either, has to say what
it is.

float32 and float64 are computed as such. bool, integers of up to 16 bits (photographs are uint8)
and float16 come back as float32, wider integers as float64, always *in the units of the input*:
nothing is scaled to 1, clipped or wrapped.

Weights are given as they are laid over the image, not flipped: the first lies on the row above, or
on the column to the left. Rows count downwards, columns to the right.

Beyond the image, `boundary` says what there is, by the names of ``scipy.ndimage``::

    reflect     c b a | a b c d | d c b      the default, as there
    mirror      d c b | a b c d | c b a
    nearest     a a a | a b c d | d d d
    wrap        b c d | a b c d | a b c
    constant    k k k | a b c d | k k k      with cval = k

or by those of ``scipy.signal``: "symm" is "reflect", "fill" is "constant".

An image of one colour stays that colour, exactly, whatever the number, and every derivative of it
is exactly 0. That does not follow from weights which sum to one or zero: the products are rounded.
`bands` says how it is done for smoothing. Derivatives begin with differences of pixels, which
rounding leaves exact where pixels are equal, so that they are 0 in every flat part of an image;
sharpening adds such differences to the image, or what smoothing has changed.

A NaN spoils the pixels whose window holds it, and no others.
"""

from .edges import laplacian, prewitt, scharr, sobel
from .sharpening import emboss, sharpen, unsharp_mask
from .smoothing import box, gaussian

__all__ = [
    "box",
    "emboss",
    "gaussian",
    "laplacian",
    "prewitt",
    "scharr",
    "sharpen",
    "sobel",
    "unsharp_mask",
]
