"""What predictions have in common: from counted work to seconds.

    seconds of a stage  =  steps · 2 · lanes / multiply-adds per second · slowest thread's share

A step is one multiply-add of whole vectors at the machine's peak. Each implementation counts those
of its stages: of products all lanes, idle ones and those beyond edges as well; of what is packed,
copied or turned over so many values, at `tuning.MODEL_…` steps each, which were measured. The
stages have the same names everywhere:

    columns, band    the image copied into the form in which the product reads it
    pack             weights, or a gradient, into panels
    transform        of tiles: pixels, weights, and sums back
    product          the multiply-adds
    turn             sums brought into the order of the result, or spread over it
    rows             of plain loops: beginning each run of a row
    memory           operands and result through the caches
    call             finding the kernel, its units, waking threads
"""

from __future__ import annotations

from .. import tuning
from ..machine import Machine
from ..problem import Axis, ConvProblem, Piece
from .compiled import vector_values
from .definition import meet
from .implementation import Plan, Prediction

__all__ = [
    "copy_steps",
    "inside",
    "lone_vectors",
    "of_bytes",
    "of_winograd",
    "predicted",
    "share_of",
    "step_seconds",
    "thread_count",
]

# Of a kernel with more taps so many, evenly chosen, stand for all.
_MOST_TAPS = 32


def step_seconds(problem: ConvProblem, machine: Machine) -> float:
    """Return the seconds of a multiply-add of whole vectors."""
    return 2 * vector_values(problem) / machine.multiply_adds[problem.dtype.name]


def thread_count(plan: Plan) -> int:
    """Return how many threads a plan is for; where the BLAS decides, that of the caller."""
    return plan.threads or 1


def share_of(units: int, threads: int) -> float:
    """Return the part of all units that the slowest of the threads has."""
    return -(-units // threads) / units


def predicted(
    plan: Plan, machine: Machine, units: int, *, strips: int = 1, **steps: float
) -> Prediction:  # fmt: skip
    """Return the prediction of a compiled kernel.

    Parameters
    ----------
    units : int
        How many there are, of about the same size.
    strips : int
        In how many a row is read, one down the whole image after the other: what each finds of a
        row is not what the processor expects next.
    **steps : float
        Stage → steps, of all units together.
    """
    problem, threads = plan.piece.problem, thread_count(plan)
    step, share = step_seconds(problem, machine), share_of(units, threads)
    stages = {name: count * step * share for name, count in steps.items() if count}
    passes = 1 + tuning.MODEL_STRIP_PASSES * (strips - 1)
    stages["memory"] = passes * of_bytes(problem.bytes, threads, machine) + of_bytes(
        _between(plan.piece), threads, machine
    )
    stages["call"] = (
        tuning.MODEL_KERNEL_CALLS * machine.call
        + tuning.MODEL_UNIT_STEPS * units * step * share
        + tuning.MODEL_WAKING_CALLS * machine.call * (threads > 1)
    )
    return Prediction(stages)


def _between(piece: Piece) -> float:
    """Return the bytes of what lies between a piece's columns of a result: its lines hold both."""
    if piece.output is None:
        return 0.0
    problem = piece.problem
    own = problem.batch * problem.out_channels * problem.out_height * problem.out_width
    return float((piece.output.column_step - 1) * own * problem.dtype.itemsize)


def of_winograd(
    plan: Plan, machine: Machine, units: int, *, product: float, weights: float, images: float
) -> Prediction:  # fmt: skip
    """Return the prediction of tiles that are transformed, whose cycles are counted by thread.

    Parameters
    ----------
    units : int
        Of the slowest thread.
    product, weights, images : float
        Its cycles: two steps each, of those of the machine that the choice was measured on.
    """
    problem, threads = plan.piece.problem, thread_count(plan)
    cycle = 2 * step_seconds(problem, machine)
    return Prediction(
        {
            "transform": cycle * (weights * tuning.MODEL_WINOGRAD_WEIGHTS[plan.operation]
                                  + images * tuning.MODEL_WINOGRAD_IMAGES[plan.operation]),
            "product": cycle * product * tuning.MODEL_WINOGRAD_PRODUCT[plan.operation],
            "memory": of_bytes(problem.bytes, threads, machine),
            "call": tuning.MODEL_KERNEL_CALLS * machine.call
            + tuning.MODEL_UNIT_STEPS * units * cycle / 2
            + tuning.MODEL_WAKING_CALLS * machine.call * (threads > 1),
        }
    )  # fmt: skip


def of_bytes(size: float, threads: int, machine: Machine) -> float:
    """Return the seconds of so many bytes through the caches, each thread with its part."""
    part = size / threads
    return tuning.MODEL_MEMORY_SHARE * part / machine.bandwidth(part)


def copy_steps(problem: ConvProblem, values: float, width: int) -> float:
    """Return the steps of copying so many values of a channel into a band, in rows of a width.

    Whole vectors of a row are copied as such; padding, and what is left over, value by value.
    """
    rows, vector, columns = values / width, vector_values(problem), problem.columns
    if problem.stride != (1, 1):
        return tuning.MODEL_BAND_APART_STEPS * values + tuning.MODEL_BAND_ROW_STEPS * rows
    padding = max(0, columns.before) + max(0, columns.after)
    edge = min(width, padding + columns.size % vector)
    return (
        tuning.MODEL_BAND_STEPS * values
        + (tuning.MODEL_BAND_ROW_STEPS + tuning.MODEL_BAND_EDGE_STEPS * edge) * rows
    )


def lone_vectors(vectors: int, panel: int) -> float:
    """Return so many vectors of filters, where one that is alone in its panel counts for more.

    Beside few filters a tile loads about a pixel for every multiply-add.
    """
    return vectors + (tuning.MODEL_LONE_VECTORS - 1 if vectors % panel == 1 else 0)


def inside(axis: Axis) -> float:
    """Return how many outputs of an axis a tap finds inside the image, in the mean over taps."""
    taps = range(0, axis.kernel, -(-axis.kernel // _MOST_TAPS))
    return sum(_length(meet(axis, tap)[0]) for tap in taps) / len(taps)


def _length(outputs: slice) -> int:
    return (outputs.stop or 0) - (outputs.start or 0)
