"""Padding: the forms it may be given in, and the modes that need a padded copy.

Padding with zeros is never written out: each backend skips the taps that fall outside the image.
The other modes read real pixels there, so the image is copied once into its padded shape, and the
backend sees a problem without padding:

    reflect      c b | a b c d | c b
    replicate    a a | a b c d | d d
    circular     c d | a b c d | a b

Both directions work from one list per axis: which pixel each padded position copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from . import extension
from .arguments import Pair, is_sequence, parse_pair, shown
from .slices import at_once, slices

__all__ = [
    "PADDING_FORMS",
    "PADDING_MODES",
    "Padding",
    "PaddingInNumbers",
    "PaddingMode",
    "Pads",
    "check_mode",
    "fold_image",
    "pad_bytes",
    "pad_image",
    "parse_padding",
    "parse_padding_in_numbers",
    "sources",
]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
# What `extension` calls those that read pixels.
_KINDS = {"reflect": "mirror", "replicate": "nearest", "circular": "wrap"}

# ((top, bottom), (left, right))
Pads: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
# As users give it, in numbers or, where the image decides, by name
PaddingInNumbers: TypeAlias = Pair | Sequence[Sequence[SupportsIndex]]
Padding: TypeAlias = PaddingInNumbers | str

PADDING_FORMS = "an int, a pair of ints, ((top, bottom), (left, right)), 'same' or 'valid'"
_FORMS_IN_NUMBERS = "an int, a pair of ints or ((top, bottom), (left, right))"


def parse_padding(
    value: object,
    image: tuple[int, int],
    span: tuple[int, int],
    stride: tuple[int, int],
) -> Pads:
    """Return any form of padding as ((top, bottom), (left, right)).

    Parameters
    ----------
    value
        An int, a (vertical, horizontal) pair, ((top, bottom), (left, right)), "same" or "valid".
    image, span, stride
        Extents that "same" depends on; `span` is the dilated kernel's.

    Notes
    -----
    "same" gives ceil(image / stride) outputs; where its total is odd, the extra row or column goes
    to the bottom or right, as in ONNX SAME_UPPER.
    """
    if isinstance(value, str):
        if value == "valid":
            return (0, 0), (0, 0)
        if value == "same":
            vertical, horizontal = map(_same, image, span, stride)
            return vertical, horizontal
    return parse_padding_in_numbers(value, PADDING_FORMS)


def parse_padding_in_numbers(value: object, forms: str = _FORMS_IN_NUMBERS) -> Pads:
    """Return padding as ((top, bottom), (left, right)), or say which `forms` it may have."""
    if isinstance(value, str):
        raise ValueError(f"padding must be {forms}, not {shown(value)}")
    if is_sequence(value):
        axes = list(cast("Sequence[object]", value))
        sides = [is_sequence(axis) for axis in axes]
        if any(sides):
            if len(axes) != 2 or not all(sides):
                raise ValueError(f"padding must be {forms}, not {shown(value)}")
            return (
                parse_pair("padding", axes[0], 0, forms),
                parse_pair("padding", axes[1], 0, forms),
            )
    vertical_pad, horizontal_pad = parse_pair("padding", value, 0, forms)
    return (vertical_pad, vertical_pad), (horizontal_pad, horizontal_pad)


def _same(image: int, span: int, stride: int) -> tuple[int, int]:
    outputs = -(-image // stride)
    total = max(0, (outputs - 1) * stride + span - image)
    return total // 2, total - total // 2


def check_mode(mode: object, pads: Pads, image: tuple[int, int]) -> None:
    """Refuse an unknown padding mode, and pads that reach past the pixels the mode would read."""
    if not isinstance(mode, str) or mode not in PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {PADDING_MODES}, not {shown(mode)}")
    for axis, extent, pair in zip(("height", "width"), image, pads, strict=True):
        widest = {"reflect": extent - 1, "circular": extent}.get(mode, max(pair))
        if max(pair) > widest:
            raise ValueError(
                f"padding {pair} is too wide for padding_mode {mode!r}: an image of {axis} "
                f"{extent} has pixels for at most {widest}"
            )


def sources(extent: int, pad: tuple[int, int], mode: str) -> npt.NDArray[np.intp]:
    """Return, for each padded position along one axis, the position it copies."""
    return extension.sources(extent, -pad[0], extent + pad[1], _KINDS[mode])


def pad_image(x: npt.NDArray[Any], pads: Pads, mode: str) -> npt.NDArray[Any]:
    """Return a C-contiguous copy of x (N, C, H, W), padded by a mode other than zeros."""
    batch, channels, height, width = x.shape
    (top, bottom), (left, right) = pads
    padded = np.empty((batch * channels, top + height + bottom, left + width + right), x.dtype)
    planes = x.reshape(batch * channels, height, width)
    for some in slices(padded.shape, padded.itemsize):
        rows, columns = (
            (axis.start - before, axis.stop - before)
            for axis, before in zip(some[1:], (top, left), strict=True)
        )
        extension.extend_part(planes[some[0]], rows, columns, _KINDS[mode], 0.0, padded[some])
    return padded.reshape(batch, channels, *padded.shape[1:])


def pad_bytes(shape: Sequence[int], pads: Pads, itemsize: int) -> int:
    """Return the most bytes that `pad_image` holds besides its result, for an image's shape."""
    height, width = shape[2:]
    copied = max(height * max(pads[1]), max(pads[0]) * (width + sum(pads[1])))
    return at_once(shape[0] * shape[1] * copied, itemsize) * itemsize


def fold_image(padded: npt.NDArray[Any], pads: Pads, mode: str) -> npt.NDArray[Any]:
    """Sum each padded pixel's gradient onto the pixel it copied: the adjoint of `pad_image`.

    `padded` is used up: its rows are summed up in place, then its columns. The result is the view
    of it that is the image.
    """
    rows = _fold_rows(padded, pads[0], mode)
    columns = _fold_rows(rows.swapaxes(2, 3), pads[1], mode)
    return columns.swapaxes(2, 3)


def _fold_rows(padded: npt.NDArray[Any], pad: tuple[int, int], mode: str) -> npt.NDArray[Any]:
    """Fold along axis 2: the padding onto the image, row by row. Return the image's rows."""
    before, after = pad
    extent = padded.shape[2] - before - after
    image = padded[:, :, before : before + extent]
    source = sources(extent, pad, mode)
    for position in (*range(before), *range(before + extent, len(source))):
        image[:, :, source[position]] += padded[:, :, position]
    return image
