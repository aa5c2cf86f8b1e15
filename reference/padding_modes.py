"""Where a position of the padded image reads from, by padding mode: see `reference.boundaries`.

Positions count from the first real pixel, so that -1 is the padding just before it and `size` the
padding just after the last one.  On ``a b c d``, three positions either side::

    zeros        . . . | a b c d | . . .
    reflect      d c b | a b c d | c b a      the edge itself is not repeated
    replicate    a a a | a b c d | d d d
    circular     b c d | a b c d | a b c

These are ``numpy.pad`` with ``constant``, ``reflect``, ``edge`` and ``wrap``, and the modes of
``torch.nn.Conv2d``; as there, nothing is reflected or wrapped twice.
"""

from __future__ import annotations

from reference.boundaries import Source, fill, mirror, nearest, wrap
from reference.geometry import Axis

_SOURCES: dict[str, Source] = {
    "zeros": fill,  # None outside: a tap there contributes nothing, not 0 times a weight
    "reflect": mirror,
    "replicate": nearest,
    "circular": wrap,
}


def source_of(padding_mode: str, *axes: Axis) -> Source:
    """The function from (position, size) to the pixel read there, or None for no pixel.

    Raises
    ------
    ValueError
        If `padding_mode` is not one of the four, or the padding of one of `axes` is wider than
        what there is to reflect or to repeat.
    """
    if padding_mode not in _SOURCES:
        raise ValueError(f"padding_mode must be one of {tuple(_SOURCES)}, got {padding_mode!r}")
    for axis in axes:
        widest = {"reflect": axis.size - 1, "circular": axis.size}.get(padding_mode)
        if widest is not None and max(axis.before, axis.after) > widest:
            raise ValueError(
                f"padding {axis.before} and {axis.after} is too wide for padding_mode "
                f"{padding_mode!r} of {axis.size} pixels"
            )
    return _SOURCES[padding_mode]
