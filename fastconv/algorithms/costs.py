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
    turn             sums brought into the order of the result
    spread           sums of a phase brought to their columns of the result, whose lines come first
    rows             of plain loops: beginning each run of a row
    memory           operands through the caches
    result           the same of what is written; of plain loops and NumPy in `memory`
    call             finding the kernel, its units, waking threads
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from .. import tuning
from ..machine import Machine, measured_here
from ..problem import Axis, ConvProblem, Piece
from .blocks import band_bytes
from .compiled import LINE_BYTES, vector_bytes, vector_values
from .definition import meet
from .implementation import Plan, Prediction

__all__ = [
    "copy_steps",
    "far_weights",
    "inside",
    "left_over",
    "line_steps",
    "lone_vectors",
    "of_bytes",
    "of_streams",
    "of_winograd",
    "predicted",
    "share_of",
    "spread_steps",
    "step_seconds",
    "thread_count",
]

# Bytes of the vectors that rows of an image are a few of.
_WIDE = 64
# Of a kernel with more taps so many, evenly chosen, stand for all.
_MOST_TAPS = 32


def step_seconds(problem: ConvProblem, machine: Machine) -> float:
    """Return the seconds of a multiply-add of whole vectors."""
    return 2 * vector_values(problem) / machine.multiply_adds[_name(problem.dtype)]


@cache  # NumPy makes it anew each time, which takes longer than all of a stage's arithmetic
def _name(dtype: np.dtype[Any]) -> str:
    return dtype.name


def thread_count(plan: Plan) -> int:
    """Return how many threads a plan is for; where the BLAS decides, that of the caller."""
    return plan.threads or 1


def share_of(units: int, threads: int) -> float:
    """Return the part of all units that the slowest of the threads has."""
    return -(-units // threads) / units


def predicted(
    plan: Plan, machine: Machine, units: int, *, strips: int = 1, waited: float = 1.0,
    again: float = 0.0, **steps: float,
) -> Prediction:  # fmt: skip
    """Return the prediction of a compiled kernel.

    Parameters
    ----------
    units : int
        How many there are, of about the same size.
    strips : int
        In how many a row is read, one down the whole image after the other: what each finds of a
        row is not what the processor expects next.
    waited : float
        The part of what goes through the caches that is not hidden by multiply-adds.
    again : float
        Bytes of operands that are read once more.
    **steps : float
        Stage → steps, of all units together.
    """
    problem, threads = plan.piece.problem, thread_count(plan)
    step, share = step_seconds(problem, machine), share_of(units, threads)
    stages = {name: count * step * share for name, count in steps.items() if count}
    passes = waited * (1 + tuning.MODEL_STRIP_PASSES * (strips - 1))
    written = _written(plan)
    byte = passes * of_bytes(problem.bytes, threads, machine) / problem.bytes
    counted = measured_here(tuning.MODEL_READS_COUNTED) * (again - _unread(plan))
    stages["memory"] = byte * (problem.bytes - written + counted)
    stages["result"] = byte * written
    if plan.piece.output is not None:
        stages["spread"] = stages.get("spread", 0.0) + _between(plan.piece, threads, machine)
    stages["call"] = (
        tuning.MODEL_KERNEL_CALLS * machine.call
        + tuning.MODEL_UNIT_STEPS * units * step * share
        + tuning.MODEL_WAKING_CALLS * machine.call * (threads > 1)
    )
    return Prediction(stages)


def _written(plan: Plan) -> int:
    """Return the bytes of what a plan computes."""
    problem = plan.piece.problem
    shape = {
        "forward": problem.output_shape, "input-grad": problem.x_shape,
        "weight-grad": problem.weight_shape,
    }[plan.operation]  # fmt: skip
    return math.prod(shape) * problem.dtype.itemsize


def _unread(plan: Plan) -> float:
    """Return the bytes of the image in lines that lie wholly between the rows of windows."""
    problem = plan.piece.problem
    row = problem.width * problem.dtype.itemsize
    if row == 0 or plan.operation == "input-grad":  # which writes the image
        return 0.0
    touched = (problem.rows.kernel + LINE_BYTES / row) / problem.rows.stride
    return max(0.0, 1 - touched) * math.prod(problem.x_shape) * problem.dtype.itemsize


def _between(piece: Piece, threads: int, machine: Machine) -> float:
    """Return the seconds of what a piece moves beside its own columns of a result.

    Its lines hold those of other pieces as well: all of them are read, and written back.
    """
    if piece.output is None:
        return 0.0
    problem = piece.problem
    own = problem.batch * problem.out_channels * problem.out_height * problem.out_width
    own *= problem.dtype.itemsize
    near, far = measured_here(tuning.MODEL_BETWEEN_SHARES)
    whole = own * piece.output.row_step * piece.output.column_step
    share = near if whole <= measured_here(tuning.MODEL_CACHES)[1] else far
    return share * of_bytes((2 * piece.output.column_step - 1) * own, threads, machine)


def of_winograd(
    plan: Plan, machine: Machine, units: int, *, product: float, transform: float
) -> Prediction:  # fmt: skip
    """Return the prediction of tiles that are transformed, whose cycles are counted by thread.

    Parameters
    ----------
    units : int
        Of the slowest thread.
    product, transform : float
        Its cycles: two steps each.
    """
    problem, threads = plan.piece.problem, thread_count(plan)
    cycle = 2 * step_seconds(problem, machine)
    return Prediction(
        {
            "transform": cycle * transform,
            "product": cycle * product,
            "memory": of_bytes(problem.bytes, threads, machine),
            "call": tuning.MODEL_KERNEL_CALLS * machine.call
            + tuning.MODEL_UNIT_STEPS * units * cycle / 2
            + tuning.MODEL_WAKING_CALLS * machine.call * (threads > 1),
        }
    )


def of_bytes(size: float, threads: int, machine: Machine) -> float:
    """Return the seconds of so many bytes through the caches, each thread with its part."""
    part = size / threads
    return tuning.MODEL_MEMORY_SHARE * part / machine.bandwidth(part, threads)


def of_streams(plan: Plan, threads: int, machine: Machine) -> float:
    """Return the seconds of operands that are read in a row as they lie, and of the result.

    The processor fetches ahead what is read so, unless a row of the result sees that of one plane
    after the other; what is written is read first, and goes back.
    """
    problem, share = plan.piece.problem, tuning.MODEL_MEMORY_SHARE
    if (problem.taps if plan.operation == "forward" else problem.out_channels_per_group) == 1:
        share = tuning.MODEL_STREAM_SHARE
    written = _written(plan)
    read = problem.bytes - written
    moved = share * read + tuning.MODEL_MEMORY_SHARE * written
    return moved / threads / machine.bandwidth(problem.bytes / threads, threads)


def copy_steps(problem: ConvProblem, outputs: int) -> float:
    """Return the steps of copying a channel of the band of so many rows of the output.

    Whole vectors of a row are copied as such; padding, and what is left over, value by value. With
    vectors of 64 bytes what is left over is masked, and rows follow so closely that what is seen is
    beginning a channel, and padding, column by column.
    """
    vector, columns = vector_values(problem), problem.columns
    width = columns.outputs + (columns.kernel - 1) * columns.dilation // columns.stride
    values = band_bytes(problem, outputs, 1) / problem.dtype.itemsize
    rows, apart = values / width, problem.stride != (1, 1)
    padding = max(0, columns.before) + max(0, columns.after)
    if vector_bytes() == _WIDE:
        each, begun, beside = tuning.MODEL_WIDE_APART_STEPS if apart else tuning.MODEL_WIDE_STEPS
        if apart and columns.kernel == 1:  # of one phase no more than that is copied
            each, begun = tuning.MODEL_WIDE_PHASE_STEPS, 0.0
        elif apart and columns.size < vector:
            each = tuning.MODEL_WIDE_SINGLE_STEPS
        return tuning.MODEL_WIDE_CHANNEL_STEPS + each * values + (begun + beside * padding) * rows
    if apart:
        return tuning.MODEL_BAND_APART_STEPS * values + tuning.MODEL_BAND_ROW_STEPS * rows
    begun = tuning.MODEL_BAND_ROW_STEPS if padding else tuning.MODEL_BAND_BARE_ROW_STEPS
    edge = min(width, padding + columns.size % vector)
    return tuning.MODEL_BAND_STEPS * values + (begun + tuning.MODEL_BAND_EDGE_STEPS * edge) * rows


def spread_steps(piece: Piece) -> float:
    """Return the steps of spreading a piece's results over its columns of the whole result."""
    if piece.output is None:
        return 0.0
    problem = piece.problem
    rows = problem.batch * problem.out_channels * problem.out_height
    each, begun = tuning.MODEL_SPREAD_STEPS[vector_bytes()]
    return rows * (each * problem.out_width + begun)


def far_weights(plan: Plan, machine: Machine, reads: int) -> Prediction:
    """Return what it takes to bring weights near whose taps lie apart, if they are far.

    Of a phase of an input gradient: the cache lines of its taps hold those of all others. They are
    read a plane at a time, which the processor does not expect.
    """
    weights, itemsize = plan.piece.weights, plan.piece.problem.dtype.itemsize
    if plan.prepared or weights is None or abs(weights.column) <= 1:
        return Prediction()
    size = weights.end * itemsize
    if size <= tuning.FAR_WEIGHTS_BYTES:
        return Prediction()
    seconds = of_bytes(size, thread_count(plan), machine)
    return Prediction({"pack": tuning.MODEL_FAR_WEIGHT_READS * reads * seconds})


def line_steps(piece: Piece) -> float:
    """Return the steps of fetching lines, for each weight of a phase, which has few in each."""
    view, problem = piece.weights, piece.problem
    if view is None or abs(view.column) <= 1:
        return 0.0
    lines = view.plane * problem.dtype.itemsize / LINE_BYTES
    taps = problem.rows.kernel * problem.columns.kernel
    return tuning.MODEL_PACK_LINE_STEPS[vector_bytes()] * lines / taps


def lone_vectors(vectors: int, panel: int, few: Mapping[int, float]) -> float:
    """Return so many vectors of filters, where a few that are alone in their panel count for more.

    Beside few filters a tile loads about a pixel for every multiply-add.
    """
    rest = vectors % panel
    return vectors - rest + few.get(rest, rest)


def left_over(axis: Axis, vector: int) -> float:
    """Return how many outputs of a tap are no whole vector, in the mean over taps."""
    taps = range(0, axis.kernel, -(-axis.kernel // _MOST_TAPS))
    return sum(_length(meet(axis, tap)[0]) % vector for tap in taps) / len(taps)


def inside(axis: Axis) -> float:
    """Return how many outputs of an axis a tap finds inside the image, in the mean over taps."""
    taps = range(0, axis.kernel, -(-axis.kernel // _MOST_TAPS))
    return sum(_length(meet(axis, tap)[0]) for tap in taps) / len(taps)


def _length(outputs: slice) -> int:
    return (outputs.stop or 0) - (outputs.start or 0)
