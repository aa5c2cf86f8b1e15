"""What each way of filtering would take, and which one is taken.

    direct       2·R·S FLOPs an output, at the speed of the compiled kernels
    separable    two passes of 2·S and 2·R, which pass through memory
    fft          transforms of overlapping blocks (fft.py)

The estimates are for one image and one core, whatever there are: the way, and so the bits of the
result, does not depend on threads or on what else is in a stack.

Where calls are to be "strict" (levels.py), a way is taken only if each result keeps the bound of a
direct sum: two passes of small kernels do not, nor do transforms, unless their results are rounded
to the integers that they are.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .. import isa, tuning
from ..algorithms.compiled import vector_bytes
from ..call import remembered
from ..levels import allows, get_accuracy
from ..planning import FAMILIES, IMPLEMENTATIONS, check_name, check_usable
from ..problem.arguments import shown
from ..problem.operands import Array
from .digits import Digits
from .fft import cost_of_blocks, digits_of
from .separable import Factors, factor, is_within_bound
from .shapes import Filtering

__all__ = ["WAYS", "Choice", "check_backend", "choose"]

WAYS = ("direct", "separable", "fft")


class Choice(NamedTuple):
    """The way that is taken.

    Attributes
    ----------
    way : {"direct", "separable", "fft"}
    backend : str
        Of the convolutions that it is made of.
    factors : Factors or None
        Of a separable kernel.
    nanoseconds : dict of str to float
        What each way that is possible would take, for one image on one core.
    refusals : dict of str to str
        Why the others are not.
    digits : Digits or None
        In which integers are transformed.
    """

    way: str
    backend: str
    factors: Factors | None
    nanoseconds: dict[str, float]
    refusals: dict[str, str]
    digits: Digits | None = None


class _Estimates(NamedTuple):
    """Nanoseconds for one image, and why two passes would not be better than one."""

    direct: float
    separable: float
    fft: float
    unsuited_for_passes: str | None


@remembered
def _estimate(filtering: Filtering, integers: bool) -> _Estimates:
    one = replace(filtering, images=1)
    direct, separable = _direct_cost(one), _separable_cost(one)
    return _Estimates(
        direct, separable, _fft_cost(one, integers), _unsuited_for_passes(one, separable, direct)
    )


def check_backend(backend: object) -> None:
    """Refuse what is neither a way nor a backend of `conv2d` that sums tap by tap."""
    if isinstance(backend, str) and backend in ("auto", *WAYS):
        return
    try:
        check_name(backend)
    except ValueError:
        families = [family.name for family in FAMILIES]
        raise ValueError(
            f"backend must be one of {['auto', *WAYS]}, or for the direct way one of conv2d's "
            f"{families} or their kernels, not {shown(backend)}"
        ) from None
    check_usable(str(backend))
    able = [one for one in IMPLEMENTATIONS["forward"] if backend in (one.name, *one.families)]
    if able and not any(allows("strict", one.level) for one in able):
        raise ValueError(
            f"backend {backend!r} cannot filter images: its errors are larger than "
            "accuracy='strict' allows, which sums tap by tap always keep here"
        )


def choose(
    filtering: Filtering, kernels: Array | None, backend: str, integers: Array | None = None
) -> Choice:
    """Return the way to take.

    Parameters
    ----------
    filtering
    kernels
        (K, R, S) as a correlation has them; None where only their shape is known.
    backend
        Checked.
    integers
        The image, where both operands hold integers: the result is to be exact.

    Raises
    ------
    ValueError
        Where the way that was asked for by name cannot be taken, or is not as accurate as calls
        are to be.
    """
    if backend not in ("auto", *WAYS):
        direct = _direct_cost(replace(filtering, images=1))
        return Choice("direct", backend, None, {"direct": direct}, {})
    strict = get_accuracy() == "strict"
    estimates = _estimate(filtering, integers is not None)
    costs = {"direct": estimates.direct}
    refusals: dict[str, str] = {}
    factors = digits = None
    if backend in ("auto", "separable"):
        reason = estimates.unsuited_for_passes if backend == "auto" else None
        if strict and integers is None and not is_within_bound(*filtering.kernel_shape[1:]):
            reason = estimates.unsuited_for_passes
        if reason is None:
            factors = None if kernels is None else factor(kernels)
            if factors is None:
                reason = _no_factors(kernels)
        if reason is None:
            costs["separable"] = estimates.separable
        else:
            refusals["separable"] = reason
    if backend in ("auto", "fft"):
        reason = None
        if backend == "auto" and filtering.taps < _fewest_taps():
            reason = f"a kernel of {filtering.taps} taps is too small"
        elif backend == "auto" and estimates.fft > estimates.direct:
            costs["fft"] = estimates.fft  # whether it could does not matter
        else:
            reason = _unable_to_transform(filtering, kernels)
            if reason is None and integers is not None and kernels is not None:
                digits = digits_of(filtering, kernels, integers)
                if digits is None:
                    reason = "its results could not be rounded to the integers that they are"
            elif reason is None and strict:
                reason = "its errors are those of a block, larger than accuracy='strict' allows"
        if reason is None:
            costs["fft"] = estimates.fft * (1 if digits is None else digits.number)
        else:
            refusals["fft"] = reason
    if backend != "auto" and backend in refusals:
        raise ValueError(
            f"backend {backend!r} cannot filter {describe(filtering)}: {refusals[backend]}"
        )
    way = backend if backend != "auto" else min(costs, key=lambda name: costs[name])
    return Choice(way, "auto", factors, costs, refusals, digits)


def describe(filtering: Filtering) -> str:
    """Return the shapes on one line."""
    filters, taps, across = filtering.kernel_shape
    kernel = f"{taps}×{across}" if filters == 1 else f"{filters} kernels of {taps}×{across}"
    images, height, width = filtering.x_shape
    image = f"{height}×{width}" if images == 1 else f"{images} images of {height}×{width}"
    return f"{image} with {kernel} in {filtering.dtype}"


def _unsuited_for_passes(filtering: Filtering, cost: float, direct: float) -> str | None:
    rows, columns = filtering.rows.kernel, filtering.columns.kernel
    if not is_within_bound(rows, columns):
        return f"two passes of a {rows}×{columns} kernel would not keep its bound of the error"
    if cost >= direct:
        return "two passes would take longer"
    return None


def _no_factors(kernels: Array | None) -> str:
    if kernels is None:
        return "whether the kernel is a column times a row shows in its values alone"
    if len(kernels) == 1:
        return "in2 is not a column times a row, up to rounding"
    return "not every kernel of the bank in2 is a column times a row, up to rounding"


def _unable_to_transform(filtering: Filtering, kernels: Array | None) -> str | None:
    if kernels is not None and not np.isfinite(kernels).all():
        return "in2 holds what is not finite"
    if not np.isfinite(filtering.fillvalue):
        return "fillvalue is not finite"
    return None


def _fewest_taps() -> int:
    """Return from how many taps on a transform is thought of."""
    return tuning.FFT_FEWEST_TAPS[32 if isa.kernels is None else vector_bytes()]


def _nanoseconds(
    filtering: Filtering, outputs: int, taps: int, of_output: float, gflops: float
) -> float:
    """Return the time of so many sums here, from that of float32 in vectors of 256 bits."""
    if isa.kernels is None:
        return outputs * 2 * taps / tuning.IMAGE_PURE_GFLOPS * filtering.dtype.itemsize / 4
    times = tuning.IMAGE_VECTOR_TIMES[vector_bytes()] * filtering.dtype.itemsize / 4
    return outputs * (of_output + 2 * taps / gflops) * times + tuning.IMAGE_CALL_NS


def _direct_cost(filtering: Filtering) -> float:
    return _nanoseconds(
        filtering, math.prod(filtering.output_shape), filtering.taps, tuning.IMAGE_DIRECT_NS,
        tuning.IMAGE_DIRECT_GFLOPS,
    )  # fmt: skip


def _separable_cost(filtering: Filtering) -> float:
    rows, columns = filtering.rows, filtering.columns
    times = [
        _nanoseconds(
            filtering, filtering.filters * height * columns.outputs, taps, tuning.IMAGE_PASS_NS,
            tuning.IMAGE_PASS_GFLOPS,
        )
        for height, taps in ((rows.size, columns.kernel), (rows.outputs, rows.kernel))
    ]  # fmt: skip
    return sum(times)


def _fft_cost(filtering: Filtering, integers: bool) -> float:
    return cost_of_blocks(filtering, integers=integers)
