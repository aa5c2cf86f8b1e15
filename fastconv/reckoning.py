"""Whom auto takes where the model was measured: who is reckoned to be the fastest.

The rules of planning.py (an order, and what each is unsuited for) were measured one crossover at a
time. The model of algorithms/costs.py weighs all of a problem at once, so it has the last word: on
another kernel than that of the rules, if it is ahead by more than what predictions are about.

    rules   gemm_pixels          model   gemm_pixels   0.45 ms
                                         gemm_filters  0.38 ms   →   gemm_filters

Who computes something decides about bits. So it is asked of one image by one thread (of a gradient
of weights, whose sums go over all images, of all), and of one machine, whose rates are fixed:
nothing that is measured while a program runs has a part in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from . import isa, tuning
from .algorithms.compiled import vector_values
from .algorithms.implementation import Implementation, Plan, Request
from .machine import Machine
from .problem import ConvProblem

__all__ = ["alone", "fastest", "is_reckoned", "seconds"]


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
    return vector_values(problem) * problem.dtype.itemsize in tuning.RECKONED_VECTOR_BYTES


def alone(request: Request) -> Request:
    """Return what is asked whatever the threads, and of images that are summed one by one."""
    piece = request.piece
    if request.operation != "weight-grad" and piece.problem.batch > 1:
        piece = replace(piece, problem=replace(piece.problem, batch=1))
    return replace(request, piece=piece, threads=1)


def seconds(plan: Plan) -> float:
    """Return how long a plan is reckoned to take on the machine of the model."""
    return plan.predict(Machine(**tuning.RECKONED_RATES)).seconds


def fastest(by_rules: Plan, plans: Iterable[Plan]) -> Implementation:
    """Return who is reckoned to be the fastest of some, or whom the rules name if it is about as.

    Who has larger errors has to be ahead of the others by more.
    """
    times = {
        plan.implementation: seconds(plan) / plan.implementation.gain
        for plan in plans
        if plan.threads is not None  # the BLAS sums in an order of its own
    }
    named = by_rules.implementation
    best = min(times, key=lambda one: times[one], default=named)
    if named not in times or times[best] <= tuning.RECKONED_GAIN * times[named]:
        return best
    return named
