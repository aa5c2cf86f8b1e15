"""Whom auto takes where the model was measured: who is reckoned to be the fastest.

The rules of planning.py (an order, and what each is unsuited for) were measured one crossover at a
time. The model of algorithms/costs.py weighs all of a problem at once, so it has the last word: on
another kernel than that of the rules, if it is ahead by more than what predictions are about.

    rules   gemm_pixels          model   gemm_pixels   0.45 ms
                                         gemm_filters  0.38 ms   →   gemm_filters

Who computes something decides about bits. So it is asked of one thread, and of an image by itself
and of several at once, whose times are weighed against each other, however many are there (of a
gradient of weights, whose sums go over all images, of all); and of one machine, whose rates are
fixed: nothing that is measured while a program runs has a part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from statistics import geometric_mean
from typing import TypeGuard

from . import isa, tuning
from .algorithms.compiled import vector_bytes
from .algorithms.implementation import Implementation, Plan, Request
from .machine import Machine
from .problem import ConvProblem

__all__ = ["fastest", "is_reckoned", "seconds", "whatever_is_asked"]


def is_reckoned(problem: ConvProblem) -> bool:
    """Whether the model was measured on vectors of this length, and on problems of this kind."""
    sides = problem.rows, problem.columns
    if (
        isa.kernels is None
        or problem.dilation != (1, 1)
        or max(side.kernel for side in sides) > tuning.RECKONED_MOST_TAPS
        or max(side.size for side in sides) > tuning.RECKONED_MOST_PIXELS
    ):
        return False
    return vector_bytes() in tuning.RECKONED_VECTOR_BYTES


def whatever_is_asked(request: Request) -> Request:
    """Return the same for any threads, and any number of images that are summed one by one.

    And for any phase of a gradient with as many taps: where it lies in the result, and its taps
    among the weights, makes no difference.
    """
    piece = request.piece
    if piece.weights is not None:
        piece = replace(piece, weights=replace(piece.weights, first=0))
    if piece.output is not None:
        piece = replace(piece, output=replace(piece.output, first_row=0, first_column=0))
    return _of_images(request._replace(piece=piece, threads=1), 1)


def _of_images(request: Request, images: int) -> Request:
    if request.operation == "weight-grad" or request.problem.batch == images:
        return request
    problem = replace(request.problem, batch=images)
    return request._replace(piece=replace(request.piece, problem=problem))


def seconds(plan: Plan) -> float:
    """Return how long a plan is reckoned to take on the machine of the model."""
    rates = tuning.RECKONED_RATES[vector_bytes()]
    return plan.predict(Machine(**rates)).seconds


def _contends(answer: object) -> TypeGuard[Plan]:
    return isinstance(answer, Plan) and answer.threads is not None


def fastest(
    request: Request, by_rules: Implementation, plan: Callable[[Implementation, Request], object],
    alone: Mapping[Implementation, object],
) -> Implementation:  # fmt: skip
    """Return who is reckoned to be the fastest, or whom the rules name if it is about as fast.

    Who has larger errors has to be ahead of the others by more.

    Parameters
    ----------
    request
        As `whatever_is_asked` makes it.
    by_rules
        Whom the rules name.
    plan
        Returns how one of the contenders does it; what is no plan, or one for the BLAS's threads,
        which sum in an order of their own, takes no part.
    alone
        How each of them does what is asked.
    """
    singles = {one: seconds(answer) for one, answer in alone.items() if _contends(answer)}
    if by_rules not in singles:  # of whom the model cannot tell
        return by_rules
    most = tuning.RECKONED_NEAR * min(singles.values())
    near = {one: single for one, single in singles.items() if single <= most}
    times = near if request.operation == "weight-grad" else _with_several(request, plan, near)
    times = {one: seconds / one.gain for one, seconds in times.items()}
    best = min(times, key=lambda one: times[one])
    if by_rules in times and times[best] > tuning.RECKONED_GAIN[vector_bytes()] * times[by_rules]:
        return by_rules
    return best


def _with_several(
    request: Request, plan: Callable[[Implementation, Request], object],
    singles: Mapping[Implementation, float],
) -> dict[Implementation, float]:  # fmt: skip
    """Return the mean of what each takes for one image and for several."""
    several = _of_images(request._replace(contending=True), tuning.RECKONED_IMAGES)
    return {
        one: geometric_mean([single, seconds(answer)])
        for one, single in singles.items()
        if _contends(answer := plan(one, several))
    }
