"""Reading bools, ints, pairs of ints and choices of gradients as users give them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias, cast

import numpy as np

__all__ = ["Pair", "is_sequence", "parse_bool", "parse_int", "parse_needs", "parse_pair", "shown"]

Pair: TypeAlias = SupportsIndex | Sequence[SupportsIndex]

# No extent of a real problem comes near it, and products of two still fit in 64 bits.
LARGEST_INT = 2**31 - 1


def parse_bool(name: str, value: object) -> bool:
    """Return `value` as a bool, or say what `name` may be: 1 or "no" is a mistake, not a choice."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, not {shown(value)}")
    return bool(value)


def parse_int(name: str, value: object, minimum: int, form: str = "an int") -> int:
    """Return `value` as an int of at least `minimum`, or say what `name` may be."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be {form}, not {shown(value)}")
    try:
        number = operator.index(cast(Any, value))
    except TypeError:
        raise TypeError(f"{name} must be {form}, not {shown(value)}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, not {shown(number)}")
    if number > LARGEST_INT:
        raise ValueError(f"{name} must be at most {LARGEST_INT}, not {shown(number)}")
    return number


def shown(value: object) -> str:
    """Return a value for a message; Python refuses to print the digits of very large ints."""
    if isinstance(value, int) and value.bit_length() > 256:
        power = f"2**{value.bit_length() - 1}"
        return f"-{power} or less" if value < 0 else f"{power} or more"
    try:
        return repr(value)
    except ValueError:
        return f"a {type(value).__name__} of very large numbers"


def parse_pair(
    name: str, value: object, minimum: int, form: str = "an int or a pair of ints"
) -> tuple[int, int]:
    """Return `value`, an int for both axes or a (vertical, horizontal) pair, as a pair."""
    if not is_sequence(value):
        number = parse_int(name, value, minimum, form)
        return number, number
    items = list(cast("Sequence[object]", value))
    if len(items) != 2:
        raise ValueError(f"{name} must be {form}, not {shown(value)}")
    return parse_int(name, items[0], minimum, form), parse_int(name, items[1], minimum, form)


def parse_needs(needs: object) -> tuple[bool, bool, bool]:
    """Return which of the gradients of x, weight and bias are wanted."""
    if not isinstance(needs, (tuple, list)) or not all(
        isinstance(need, (bool, np.bool_)) for need in needs
    ):
        raise TypeError(f"needs must be three bools (x, weight, bias), not {shown(needs)}")
    if len(needs) != 3:
        raise ValueError(f"needs must be three bools (x, weight, bias), not {shown(needs)}")
    return bool(needs[0]), bool(needs[1]), bool(needs[2])


def is_sequence(value: object) -> bool:
    """Whether `value` is something whose items have an order: a tuple, list or array."""
    return isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim > 0)
