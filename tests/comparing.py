"""How close is close enough, and what is said where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fastconv.algorithms.implementation import Accuracy

Array = npt.NDArray[Any]

DIRECT = Accuracy()


def assert_equal(actual: Array, expected: npt.ArrayLike, name: str = "result") -> None:
    """Assert that two arrays have the same shape and values, NaN being equal to NaN."""
    __tracebackhide__ = True
    wanted = np.asarray(expected)
    assert actual.shape == wanted.shape, (
        f"{name} has the shape {actual.shape} and should have {wanted.shape}"
    )
    wrong = (actual != wanted) & ~((actual != actual) & (wanted != wanted))
    if wrong.any():
        raise AssertionError(_first_of(wrong, actual, wanted, name))


def assert_within_bounds(
    actual: Array,
    truth: Array,
    magnitude: Array,
    terms: int,
    accuracy: Accuracy = DIRECT,
    name: str = "result",
) -> None:
    """Assert both tiers of the error bound.

    Parameters
    ----------
    actual
        A sum of `terms` products, computed in its own dtype.
    truth
        The same in float64.
    magnitude
        The sum of the products' absolute values.
    terms
        The most products in one sum.
    accuracy
        What the algorithm states of itself.
    name
        What `actual` is, for the message.

    Notes
    -----
    The first tier is what can be proved of the order of summation: of any, n·u times the magnitude.
    It is wide. The second is what rounding errors, being independent, really add up to: the root of
    n times u times the size of the result, by root mean square over all outputs. A dropped or
    doubled tap moves that by 1/√n, which for n up to a million products is far above n^½·u.
    """
    __tracebackhide__ = True
    u = unit_roundoff(str(actual.dtype))
    if not accuracy.componentwise and magnitude.size:
        magnitude = np.full_like(magnitude, magnitude.max())
    error = np.abs(actual.astype(np.float64) - truth)
    # float64 results are compared with float64 sums, which have the error of a plain one themselves
    own = 1 if actual.dtype == np.float64 else 0
    bound = (own + accuracy.growth) * (terms + 2) * u * magnitude
    beyond = ~(error <= bound)
    if beyond.any():
        proven = _first_of(beyond, actual, truth, name, "exceed the proven bound of the error")
        raise AssertionError(proven)
    canary = (
        (own + accuracy.typical) * np.sqrt(terms + 2) * u
        * max(_rms(truth), _rms(magnitude) * 0.05)
    )  # fmt: skip
    if _rms(error) > canary:
        worst = _first_of(error == error.max(), actual, truth, name, "have the largest error")
        raise AssertionError(f"typical error {_rms(error):.3g} exceeds {canary:.3g}; {worst}")


def unit_roundoff(dtype: str) -> float:
    """Return u, half the spacing of floating-point numbers at 1."""
    return float(np.finfo(dtype).eps) / 2


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _first_of(wrong: Array, actual: Array, expected: Array, name: str, verb: str = "differ") -> str:
    """Return the first place where an array is wrong, and how many there are."""
    at = tuple(np.argwhere(wrong)[0].tolist())
    place = f"{name}[{', '.join(map(str, at))}]"
    return (
        f"{place} is {actual[at]} and should be {expected[at]}; "
        f"{np.count_nonzero(wrong)} of {wrong.size} values {verb}"
    )
