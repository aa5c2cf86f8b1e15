"""What lies beyond the edge of an image, by the names that users know.

    fill      constant        0 0 0 | a b c d | 0 0 0      fillvalue
    symm      reflect         c b a | a b c d | d c b
    mirror                    d c b | a b c d | c b a
    nearest                   a a a | a b c d | d d d
    wrap                      b c d | a b c d | a b c

The names are those of scipy.signal and scipy.ndimage, whose "grid-constant", "grid-mirror" and
"grid-wrap" are, of a convolution, "constant", "reflect" and "wrap": they differ for interpolation
alone. `problem.extension` has the five kinds that they are.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from ..problem.arguments import shown

__all__ = ["BOUNDARIES", "Boundary", "check_boundary", "is_zero_beyond"]

_KINDS = {
    "fill": "fill", "constant": "fill", "grid-constant": "fill",
    "symm": "reflect", "reflect": "reflect", "grid-mirror": "reflect",
    "mirror": "mirror",
    "nearest": "nearest",
    "wrap": "wrap", "grid-wrap": "wrap",
}  # fmt: skip
BOUNDARIES = tuple(_KINDS)
Boundary: TypeAlias = Literal[
    "fill", "constant", "grid-constant", "symm", "reflect", "grid-mirror", "mirror", "nearest",
    "wrap", "grid-wrap",
]  # fmt: skip


def is_zero_beyond(boundary: object, fillvalue: float) -> bool:
    """Whether all beyond the edge is 0; of what is no boundary not."""
    return isinstance(boundary, str) and _KINDS.get(boundary) == "fill" and fillvalue == 0


def check_boundary(boundary: object) -> str:
    """Return which of the five kinds a name means, or say which there are."""
    if not isinstance(boundary, str) or boundary not in _KINDS:
        raise ValueError(f"boundary must be one of {BOUNDARIES}, not {shown(boundary)}")
    return _KINDS[boundary]
