"""Reading real numbers and pairs of them as users give them."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite
from numbers import Real
from typing import Any, TypeAlias, cast

import numpy as np

from ..problem.arguments import is_sequence, shown

__all__ = ["RealPair", "parse_real", "parse_real_of", "parse_real_pair"]

RealPair: TypeAlias = float | Sequence[float]


def parse_real(
    name: str, value: object, minimum: float = -inf, form: str = "a finite number"
) -> float:
    """Return `value` as a finite float of at least `minimum`, or say what `name` may be."""
    if type(value) is not float and (
        isinstance(value, (bool, np.bool_)) or not isinstance(value, Real)
    ):
        raise TypeError(f"{name} must be {form}, not {shown(value)}")
    try:
        number = float(value)
    except OverflowError:  # an int of more than 308 digits
        number = inf
    if not isfinite(number):
        raise ValueError(f"{name} must be {form}, not {shown(value)}")
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum:g}, not {shown(value)}")
    return number


def parse_real_of(dtype: np.dtype[Any], name: str, value: object) -> float:
    """Return `value` as a float that is finite in `dtype` too, the image's."""
    number = parse_real(name, value)
    if number and abs(number) > float(np.finfo(dtype).max):
        raise ValueError(f"{name} must be a number of the image's {dtype}, not {shown(value)}")
    return number


def parse_real_pair(name: str, value: object, minimum: float) -> tuple[float, float]:
    """Return `value`, a number for both axes or a (vertical, horizontal) pair, as a pair."""
    form = "a finite number or a pair of them"
    if not is_sequence(value):
        number = parse_real(name, value, minimum, form)
        return number, number
    items = list(cast("Sequence[object]", value))
    if len(items) != 2:
        raise ValueError(f"{name} must be {form}, not {shown(value)}")
    return parse_real(name, items[0], minimum, form), parse_real(name, items[1], minimum, form)
