"""Padding: the forms it may be given in, and the padding modes that need a padded copy.

Zero padding is never materialised here: every backend knows how to skip the taps that fall outside
the image. The other three modes read real pixels there, so the image is copied once into its
padded shape and the backend sees an unpadded problem:

    reflect      c b | a b c d | c b
    replicate    a a | a b c d | d d
    circular     c d | a b c d | a b

Both ways are one list per axis that says which source pixel each padded pixel is.
"""

from __future__ import annotations

import operator
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

__all__ = ["PADDING_MODES", "Pads", "fold_image", "pad_image", "parse_padding"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")

# No extent of a real problem comes near it, and products of two still fit in 64 bits.
LARGEST_INT = 2**31 - 1

# ((top, bottom), (left, right))
Pads: TypeAlias = tuple[tuple[int, int], tuple[int, int]]

_FORMS = "an int, a pair of ints, ((top, bottom), (left, right)), 'same' or 'valid'"


def parse_int(name: str, value: object, minimum: int, form: str = "an int") -> int:
    """Return `value` as an int of at least `minimum`, or say what `name` may be."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {form}, not {value!r}")
    try:
        number = operator.index(cast(Any, value))
    except TypeError:
        raise TypeError(f"{name} must be {form}, not {value!r}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {number}")
    if number > LARGEST_INT:
        raise ValueError(f"{name} must be at most {LARGEST_INT}, not {number}")
    return number


def parse_pair(
    name: str, value: object, minimum: int, form: str = "an int or a pair of ints"
) -> tuple[int, int]:
    """Return `value`, an int for both axes or a (vertical, horizontal) pair, as a pair."""
    if type(value) is int:  # the common case, kept short for small calls
        number = parse_int(name, value, minimum)
        return number, number
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        number = parse_int(name, value, minimum, form)
        return number, number
    if getattr(value, "ndim", 1) == 0:  # a NumPy scalar in an array
        number = parse_int(name, value, minimum, form)
        return number, number
    items = list(cast(Any, value))
    if len(items) != 2:
        raise ValueError(f"{name} must be {form}, not {value!r}")
    return parse_int(name, items[0], minimum, form), parse_int(name, items[1], minimum, form)


def parse_padding(
    value: object,
    image: tuple[int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
) -> Pads:
    """Return any form of padding as ((top, bottom), (left, right)).

    Parameters
    ----------
    value
        An int, a (vertical, horizontal) pair, ((top, bottom), (left, right)), "same" or "valid".
    image, window, stride
        Extents that "same" depends on; `window` is the dilated kernel's.

    Notes
    -----
    "same" gives ceil(image / stride) outputs; where its total is odd, the extra row or column goes
    to the bottom or right, as in ONNX SAME_UPPER.
    """
    if isinstance(value, str):
        if value == "valid":
            return (0, 0), (0, 0)
        if value == "same":
            vertical, horizontal = map(_same, image, window, stride)
            return vertical, horizontal
        raise ValueError(f"padding must be {_FORMS}, not {value!r}")
    if hasattr(value, "__len__") and len(value) == 2:
        vertical_item, horizontal_item = cast(Any, value)
        sides = hasattr(vertical_item, "__len__"), hasattr(horizontal_item, "__len__")
        if any(sides):
            if not all(sides):
                raise ValueError(f"padding must be {_FORMS}, not {value!r}")
            return (
                parse_pair("padding", vertical_item, 0, _FORMS),
                parse_pair("padding", horizontal_item, 0, _FORMS),
            )
    vertical_pad, horizontal_pad = parse_pair("padding", value, 0, _FORMS)
    return (vertical_pad, vertical_pad), (horizontal_pad, horizontal_pad)


def _same(image: int, window: int, stride: int) -> tuple[int, int]:
    outputs = -(-image // stride)
    total = max(0, (outputs - 1) * stride + window - image)
    return total // 2, total - total // 2


def check_mode(mode: object, pads: Pads, image: tuple[int, int]) -> None:
    """Refuse an unknown padding mode, and pads that reach past the pixels the mode would read."""
    if mode not in PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {PADDING_MODES}, not {mode!r}")
    for axis, extent, pair in zip(("height", "width"), image, pads, strict=True):
        widest = {"reflect": extent - 1, "circular": extent}.get(cast(str, mode), max(pair))
        if max(pair) > widest:
            raise ValueError(
                f"padding {pair} is too wide for padding_mode {mode!r}: an image of {axis} "
                f"{extent} has pixels for at most {widest}"
            )


def sources(
    extent: int, pad: tuple[int, int], mode: Literal["reflect", "replicate", "circular"]
) -> npt.NDArray[np.intp]:
    """Return, for each padded position along one axis, the position it copies."""
    positions = np.arange(-pad[0], extent + pad[1])
    if mode == "circular":
        return positions % extent
    if mode == "replicate":
        return np.clip(positions, 0, extent - 1)
    mirrored = np.abs(positions)
    return np.minimum(mirrored, 2 * (extent - 1) - mirrored)


def pad_image(x: npt.NDArray[Any], pads: Pads, mode: Any) -> npt.NDArray[Any]:
    """Return a copy of x (N, C, H, W) padded by a mode other than zeros."""
    rows = sources(x.shape[2], pads[0], mode)
    columns = sources(x.shape[3], pads[1], mode)
    return cast("npt.NDArray[Any]", x.take(rows, axis=2).take(columns, axis=3))


def fold_image(padded: npt.NDArray[Any], pads: Pads, mode: Any, out: npt.NDArray[Any]) -> None:
    """Sum each padded pixel's gradient onto the pixel it copied: the adjoint of `pad_image`."""
    rows = sources(out.shape[2], pads[0], mode)
    columns = sources(out.shape[3], pads[1], mode)
    narrow = np.zeros((*padded.shape[:3], out.shape[3]), padded.dtype)
    for source, column in enumerate(columns):
        narrow[..., column] += padded[..., source]
    out[...] = 0
    for source, row in enumerate(rows):
        out[:, :, row] += narrow[:, :, source]
