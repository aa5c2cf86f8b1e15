"""What an image holds beyond its edge, for ever: one small function for each boundary.

On ``a b c d``, six positions either side::

    fill      . . . . . . | a b c d | . . . . . .      fillvalue, whatever the image
    symm      c d d c b a | a b c d | d c b a a b      reflect of scipy.ndimage
    mirror    a b c d c b | a b c d | c b a b c d      the edge itself is not repeated
    nearest   a a a a a a | a b c d | d d d d d d
    wrap      c d a b c d | a b c d | a b c d a b

Source: ``scipy.signal.convolve2d`` for fill, symm and wrap; ``scipy.ndimage`` for the others, and
for its names of these; ``numpy.pad``, which repeats a reflection as often as it takes.
"""

from __future__ import annotations

from collections.abc import Callable

Source = Callable[[int, int], "int | None"]


def fill(position: int, size: int) -> int | None:
    """The pixel itself, or None: there is none."""
    return position if 0 <= position < size else None


def symm(position: int, size: int) -> int:
    """Mirrored at the edge between two pixels, until it lies inside."""
    while not 0 <= position < size:
        position = -1 - position if position < 0 else 2 * size - 1 - position
    return position


def mirror(position: int, size: int) -> int:
    """Mirrored in the first or last pixel, until it lies inside."""
    if size == 1:
        return 0
    while not 0 <= position < size:
        position = -position if position < 0 else 2 * (size - 1) - position
    return position


def nearest(position: int, size: int) -> int:
    """The first or last pixel."""
    return min(max(position, 0), size - 1)


def wrap(position: int, size: int) -> int:
    """The pixel of the same image standing there once more."""
    return position % size


BOUNDARIES: dict[str, Source] = {
    "fill": fill,
    "constant": fill,
    "grid-constant": fill,
    "symm": symm,
    "reflect": symm,
    "grid-mirror": symm,
    "mirror": mirror,
    "nearest": nearest,
    "wrap": wrap,
    "grid-wrap": wrap,
}


def source_at(boundary: str) -> Source:
    """The function from (position, size) to the pixel read there, or None for no pixel.

    Raises
    ------
    ValueError
        If there is no such boundary.
    """
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be one of {tuple(BOUNDARIES)}, got {boundary!r}")
    return BOUNDARIES[boundary]
