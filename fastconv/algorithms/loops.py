"""The plain typed loops, in the three orders that the study compares.

    loops_literal   for n, k, i, j, c, r, s: the definition as it stands
    loops_rows      the inner loop runs along the output row
    loops           the same, parallel over images, channels and rows

The bodies are in kernels/loops_*.pxi. A unit of work is one row of the result (one weight, of the
weights' gradient).
"""

from __future__ import annotations

import numpy as np

from .. import tuning
from ..machine import Machine, measured_here
from ..problem import ConvProblem
from ..problem.operands import Array
from ..problem.slices import add
from .blocks import only_scales
from .compiled import kernel, not_built, steps, vector_values
from .costs import inside, left_over, of_bytes, of_streams, share_of, step_seconds
from .implementation import (
    Chooser,
    Implementation,
    Operation,
    Plan,
    Prediction,
    Refusal,
    Request,
    Run,
)

__all__ = ["LOOPS", "LOOPS_LITERAL", "LOOPS_ROWS", "compute_units"]


def compute_units(
    operation: Operation, problem: ConvProblem, first: Array, second: Array, bias: Array | None,
    result: Array, begin: int, end: int, threads: int, order: str = "parallel",
) -> None:  # fmt: skip
    """Compute the units [begin, end) of a result: rows of its planes, or of a gradient, weights."""
    loop = kernel(f"{operation.replace('-', '_')}_{order}")
    if operation == "forward":  # the only one that starts its sums from a bias
        start = np.empty(0, problem.dtype) if bias is None else bias
        loop(first, second, start, result, problem, begin, end, threads)
        return
    loop(first, second, result, problem, begin, end, threads)
    if bias is not None and operation == "input-grad":
        rows = result.reshape(-1, result.shape[-1])
        channels = np.arange(begin, end) // result.shape[2] % result.shape[1]
        rows[begin:end] += bias[channels, None]


class _Loops(Implementation):
    """One loop order, for all three operations."""

    def __init__(self, name: str, order: str) -> None:
        self.name = name
        self.families = (name,)
        self._order = order

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return the loops over the units of the result, or why others are better."""
        missing = not_built()
        if missing is not None:
            return missing
        if not request.piece.is_whole:
            return Refusal("it computes whole results only")
        contends = request.forced or (request.contending and self.contends)
        reason = None if contends else self.unsuited(request.problem)
        if reason is not None:
            return Refusal(reason, able=True)
        threads = request.threads if self._order == "parallel" else 1
        return Plan(
            self,
            request.piece,
            threads,
            self._make_run(request.operation, request.problem, threads),
            operation=request.operation,
        )

    def unsuited(self, problem: ConvProblem) -> str | None:
        """Return why "auto" passes it over, or None."""
        filters, taps = problem.out_channels_per_group, problem.taps
        few, most, few_taps = (
            tuning.LOOPS_FEW_FILTERS, tuning.LOOPS_MOST_FILTERS, tuning.LOOPS_FEW_TAPS,
        )  # fmt: skip
        if filters <= few or (filters <= most and taps <= few_taps):
            return None
        return (
            f"with {filters} filters per group of {taps} taps a matrix product is faster; "
            f"loops are ahead up to {few} filters, or {most} of {few_taps} taps"
        )

    def _make_run(self, operation: Operation, problem: ConvProblem, threads: int) -> Run:
        units = _units(operation, problem)
        step = steps(units, problem.flops, threads, tuning.LOOP_FLOPS_PER_STEP)

        def run(
            first: Array, second: Array, _prepared: Array | None, bias: Array | None,
            result: Array, _scratch: Array | None,
        ) -> None:  # fmt: skip
            start = bias if operation == "forward" else None
            for unit in range(0, units, step):
                compute_units(
                    operation, problem, first, second, start, result, unit, min(unit + step, units),
                    threads, order=self._order,
                )  # fmt: skip
            if bias is not None and operation == "input-grad":
                add(result, bias[:, None, None])

        return run

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for runs of rows: beginning one, and its vectors; with a stride its values."""
        problem, threads = plan.piece.problem, plan.threads or 1
        operation, vector = plan.operation, vector_values(problem)
        length = inside(problem.columns)
        runs = (
            problem.batch * problem.out_channels * problem.taps * inside(problem.rows)
        )  # of all taps
        waits = tuning.MODEL_RUN_LATENCIES[operation]
        if problem.columns.stride == 1:
            over = left_over(problem.columns, vector)
            each = tuning.MODEL_RUN_VECTOR_STEPS[operation] * (length - over) / vector
            waits += tuning.MODEL_RUN_TAIL_LATENCIES[operation] * over
        else:
            each = measured_here(tuning.MODEL_RUN_VALUE_STEPS)[operation] * length
        step, units = step_seconds(problem, machine), _units(operation, problem)
        share = share_of(units, threads)
        waking = tuning.MODEL_WAKING_CALLS * (threads > 1)
        rows = share * (runs * waits * machine.latency + units * tuning.MODEL_RUN_UNIT_STEPS * step)
        product = share * runs * each * step
        hide = measured_here(tuning.MODEL_RUNS_HIDE)
        if operation == "weight-grad":
            # chains of additions wait for each other, and meanwhile what they read comes near
            memory = _read_for_weights(problem, threads, machine)
            memory = max(0.0, memory - hide["weight-grad"] * (rows + product))
        else:
            memory = of_streams(plan, threads, machine) + share * _read_again(plan, machine)
            if only_scales(problem):  # whose rows wait for no sums, only for pixels
                memory = max(0.0, memory - hide["scales"] * (rows + product))
        return Prediction(
            {
                "rows": rows,
                "product": product,
                "memory": memory,
                "call": (tuning.MODEL_KERNEL_CALLS + waking) * machine.call,
            }
        )


class _Study(_Loops):
    """A loop order on one thread."""

    contends = False

    def unsuited(self, problem: ConvProblem) -> str | None:
        return "it is a rung of the study; 'loops' does the same faster"


class _Literal(_Study):
    """The order of the definition, in which every addition waits for the one before it."""

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the latency of additions, and for beginning each row of a kernel."""
        problem = plan.piece.problem
        outer = problem.batch * problem.out_channels * problem.in_channels_per_group
        rows = outer * problem.kernel_height * inside(problem.rows)
        products = rows * problem.kernel_width * inside(problem.columns)
        starts = rows * problem.out_width  # of the rows of a kernel
        if plan.operation == "weight-grad":  # whose innermost loop runs along the image
            starts = rows * problem.kernel_width
        latency = machine.latency
        return Prediction(
            {
                "rows": starts * tuning.MODEL_LITERAL_ROW_LATENCIES * latency,
                "product": products * tuning.MODEL_LITERAL_LATENCIES[plan.operation] * latency,
                "memory": of_bytes(problem.bytes, 1, machine) + _read_again(plan, machine),
                "call": tuning.MODEL_KERNEL_CALLS * machine.call,
            }
        )


def _read_again(plan: Plan, machine: Machine) -> float:
    """Return the seconds of bringing an image into the caches again, for each filter of a group.

    For its gradient, of bringing that of the output, for each channel.
    """
    problem = plan.piece.problem
    if plan.operation == "input-grad":
        planes, others = problem.out_channels_per_group, problem.in_channels_per_group
        pixels = problem.out_height * problem.out_width
    else:
        planes, others = problem.in_channels_per_group, problem.out_channels_per_group
        pixels = problem.height * problem.width
    image = planes * pixels * problem.dtype.itemsize
    if image <= measured_here(tuning.MODEL_CACHES)[0]:
        return 0.0
    times = problem.batch * problem.groups * (others - 1)
    return tuning.MODEL_AGAIN_SHARE * times * image / machine.bandwidth(image)


def _read_for_weights(problem: ConvProblem, threads: int, machine: Machine) -> float:
    """Return the seconds of reading planes of both operands for each weight of all.

    Those of the same filter and channel find them near, if all images have room there.
    """
    pixels = problem.height * problem.width + problem.out_height * problem.out_width
    planes = problem.batch * pixels * problem.dtype.itemsize
    pairs = problem.out_channels * problem.in_channels_per_group
    if planes > measured_here(tuning.MODEL_CACHES)[0]:
        pairs *= problem.kernel_height * problem.kernel_width
    size = problem.bytes / threads
    return tuning.MODEL_STREAM_SHARE * pairs * planes / threads / machine.bandwidth(size, threads)


def _units(operation: Operation, problem: ConvProblem) -> int:
    """Return how many units of work there are."""
    return {
        "forward": problem.batch * problem.out_channels * problem.out_height,
        "input-grad": problem.batch * problem.in_channels * problem.height,
        "weight-grad": problem.out_channels * problem.taps,
    }[operation]


LOOPS = _Loops("loops", "parallel")
LOOPS_ROWS = _Study("loops_rows", "rows")
LOOPS_LITERAL = _Literal("loops_literal", "literal")
