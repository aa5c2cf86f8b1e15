"""gemm_taps: the matrix product tap by tap, which leaves padding out (kernels/gemm_taps.pxi).

    y [K/groups x pixels]  =  Σ over taps (r, s)  of  weight[r, s] [K/groups x C/groups]
                                                      @  pixels that it finds [C/groups x pixels]

unit      images x rows of the result x a block of filters
scratch   of a thread: the rows that a unit sees, of a block of channels; a panel; and all its sums

What it saves are the products with padding: half of them where a 3x3 kernel of dilation 12 sees
28x28 pixels, a fifth of them where a plain one sees 7x7. And with channels next to each other it
reads whole lines of the cache, where dilated kernels find a few pixels in each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import NamedTuple

from .. import tuning
from ..machine import Machine
from ..problem import Axis, ConvProblem, Piece
from ..problem.operands import Array
from .blocks import Blocks, ceil_div, even
from .compiled import (
    Description,
    Kernel,
    at_line,
    beyond_limit,
    kernel,
    not_built,
    vector_bytes,
    vector_values,
)
from .costs import far_weights, line_steps, lone_vectors, predicted, spread_steps
from .definition import meet
from .gemm import direct_cycles
from .implementation import Accuracy, Plan, Prediction, Request

__all__ = ["GEMM_TAPS", "fewest_cycles"]

# A tile has so many pixels at the least, and an even number of them, or nearly.
_FEWEST_PIXELS = 4
# Of so many taps at the most: a larger kernel is not counted tap by tap.
_MOST_TAPS = 64


class _Counted(NamedTuple):
    """What an image takes: places of its tiles under all taps, by filter and channel."""

    needed: int
    covered: int


class _Taps(Kernel):
    """Filters in the lanes, channels next to each other."""

    name = "gemm_taps"
    families = ("gemm",)
    general = False

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if problem.stride != (1, 1):
            return "it has stride 1"
        smallest = Blocks(1, 1, min(problem.in_channels_per_group, _channels(problem)), 1)
        return beyond_limit(
            "the rows that a row of the output sees, with all channels of a block, take",
            _scratch_bytes(piece, smallest),
        )

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        reason = _out_of_place(problem)
        if reason is not None:
            return reason
        own = cycles(problem, prepared=request.prepared)
        direct = direct_cycles(problem, images=1, prepared=request.prepared)
        if own > tuning.TAPS_GAIN * direct:
            return f"it would take {own / direct:.0%} of the cycles of sums that multiply padding"
        return None

    def out_of_place(self, request: Request) -> str | None:
        return _out_of_place(request.problem)

    def is_ahead_of_pieces(self, request: Request, share: float) -> bool:
        """Whether it takes less than pieces, in which so much of all work is not padding."""
        if request.backend not in ("auto", self.name, *self.families) or not_built() is not None:
            return False
        if self.unable(request.piece) is not None or self.unsuited(request) is not None:
            return False
        direct = direct_cycles(request.problem, images=1, prepared=False)
        pieces = share * direct / tuning.TAPS_PIECES
        return cycles(request.problem, prepared=request.prepared) < pieces

    def blocks(self, request: Request) -> Blocks:
        """Return those of the choices by which the slowest thread is done first."""
        problem, threads = request.problem, request.threads
        panel: int = kernel("panel_filters")(self.name, problem.dtype.itemsize)

        def time(blocks: Blocks) -> float:
            return ceil_div(_units(problem, blocks), threads) * self._unit_cycles(request, blocks)

        return min(_choices(request.piece, panel, threads), key=time)

    def _unit_cycles(self, request: Request, blocks: Blocks) -> float:
        problem = request.problem
        vector = vector_values(problem)
        rate = tuning.TAPS_PRODUCT[vector_bytes()]
        pixels = blocks.images * blocks.rows * problem.out_width
        vectors = ceil_div(blocks.filters, vector)
        turned = blocks.images * _seen_rows(problem, blocks.rows) * problem.width
        work = pixels * problem.taps * vectors / 2 / rate
        if _data_bytes(problem, blocks) > tuning.TAPS_DATA_BYTES:
            work *= tuning.TAPS_FAR_SHARE
        if _sums_bytes(problem, blocks) > tuning.GEMM_SUMS_BYTES:
            work *= tuning.TAPS_FAR_SHARE
        work += tuning.TAPS_TURN_CYCLES * turned * problem.in_channels_per_group
        if not request.prepared:
            work += tuning.TAPS_PACKING_CYCLES * blocks.filters * problem.taps
        return work + tuning.UNIT_CYCLES

    def accuracy_of(self, plan: Plan) -> Accuracy:
        problem, channels = plan.piece.problem, plan.blocks.channels
        parts = problem.taps // problem.in_channels_per_group
        parts *= ceil_div(problem.in_channels_per_group, channels)
        return Accuracy.in_blocks(problem.taps, channels, parts)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the tiles of all taps, and what is turned over for every unit."""
        problem, blocks = plan.piece.problem, plan.blocks
        vector = vector_values(problem)
        bands = ceil_div(problem.out_height, blocks.rows)
        filters = problem.out_channels_per_group
        panel: int = kernel("panel_filters")(self.name, problem.dtype.itemsize)
        lone = tuning.MODEL_LONE_VECTORS[vector_bytes()]["images"]
        vectors = lone_vectors(ceil_div(filters, vector), panel // vector, lone)
        tiles = problem.batch * counted(problem).covered * vectors * problem.groups
        parts = ceil_div(problem.in_channels_per_group, blocks.channels)
        turned = bands * _seen_rows(problem, blocks.rows) * problem.width
        turned *= problem.batch * problem.in_channels * ceil_div(filters, blocks.filters)
        weights = ceil_div(problem.batch, blocks.images) * bands
        weights *= 0 if plan.prepared else problem.out_channels * problem.taps
        outputs = problem.batch * problem.out_channels * problem.out_height * problem.out_width
        prediction = predicted(
            plan, machine, _units(problem, blocks), band=tuning.MODEL_TURN_STEPS * turned,
            pack=(tuning.MODEL_ORDER_STEPS + line_steps(plan.piece)) * weights,
            product=tiles * problem.in_channels_per_group / tuning.MODEL_TAPS_PRODUCT
            + tuning.MODEL_TAPS_ADD_STEPS * tiles * parts,
            turn=tuning.MODEL_TURN_STEPS * outputs + spread_steps(plan.piece),
        )  # fmt: skip
        reads = ceil_div(problem.batch, blocks.images) * bands
        return prediction + far_weights(plan, machine, reads)

    def make_prepare(self, piece: Piece) -> Callable[[Array], Array] | None:
        return partial(self._pack, piece)

    def _pack(self, piece: Piece, weight: Array) -> Array:
        """Return the weights in panels, at the start of a cache line."""
        problem = piece.problem
        # Any rows and images: the weights do not depend on them.
        blocks = Blocks(1, 1, _channels(problem), problem.out_channels_per_group)
        description = Description(self.entry, piece, blocks)
        values = kernel("packed_values")(description)
        panels = at_line(values * problem.dtype.itemsize).view(problem.dtype)
        kernel("order_weights")(description, weight, panels)
        return panels


def _channels(problem: ConvProblem) -> int:
    """Return of how many channels a block is: by how many there are alone, as bits are."""
    channels = problem.in_channels_per_group
    lines = ceil_div(even(channels, min(channels, tuning.TAPS_CHANNELS)), 16) * 16
    return min(channels, lines)


def _seen_rows(problem: ConvProblem, rows: int) -> int:
    """Return how many rows of the image are turned over for so many of the output."""
    return min(problem.height, rows + problem.rows.span - 1)


def _units(problem: ConvProblem, blocks: Blocks) -> int:
    return (
        ceil_div(problem.batch, blocks.images) * problem.groups
        * ceil_div(problem.out_height, blocks.rows)
        * ceil_div(problem.out_channels_per_group, blocks.filters)
    )  # fmt: skip


def _data_bytes(problem: ConvProblem, blocks: Blocks) -> int:
    pixels = blocks.images * _seen_rows(problem, blocks.rows) * problem.width
    vector = vector_values(problem)
    return ceil_div(blocks.channels, vector) * vector * (pixels + 32) * problem.dtype.itemsize


def _sums_bytes(problem: ConvProblem, blocks: Blocks) -> int:
    pixels = blocks.images * blocks.rows * problem.out_width
    vector = vector_values(problem)
    return ceil_div(blocks.filters, vector) * vector * (pixels + 8) * problem.dtype.itemsize


def _scratch_bytes(piece: Piece, blocks: Blocks) -> int:
    """Return about how many bytes a thread holds."""
    problem = piece.problem
    itemsize = problem.dtype.itemsize
    panel: int = kernel("panel_filters")("gemm_taps", itemsize)
    taps = problem.rows.kernel * problem.columns.kernel
    plane = taps if piece.weights is None else max(taps, piece.weights.plane)
    panels = panel * blocks.channels * (taps + plane) * itemsize
    sums = _sums_bytes(problem, blocks._replace(filters=max(blocks.filters, panel)))
    return _data_bytes(problem, blocks) + sums * (1 if piece.output is None else 2) + panels


def _choices(piece: Piece, panel: int, threads: int) -> list[Blocks]:
    """Return blocks that fit the scratch, or the smallest there are."""
    problem = piece.problem
    channels, height = _channels(problem), problem.out_height
    filters = problem.out_channels_per_group
    all_panels = ceil_div(filters, panel)
    most = max(1, min(problem.batch, tuning.GEMM_MOST_PIXELS // (height * problem.out_width)))
    blocks = [
        Blocks(even(problem.batch, images), rows, channels, min(filters, panels * panel))
        for rows in _halves(height)
        for images in (_halves(most) if rows == height else (1,))
        for panels in {*_halves(all_panels), ceil_div(all_panels, threads)}
    ]
    fitting = [one for one in blocks if _scratch_bytes(piece, one) <= tuning.MOST_SCRATCH_BYTES]
    return fitting or [Blocks(1, 1, channels, min(filters, panel))]


def _halves(most: int) -> Iterator[int]:
    """Yield what is left of it, halved again and again."""
    while True:
        yield most
        if most == 1:
            return
        most = ceil_div(most, 2)


def _covered(outputs: int) -> int:
    """Return how many places the tiles of a row have."""
    return max(_FEWEST_PIXELS, outputs + outputs % 2) if outputs else 0


def _found(axis: Axis) -> list[int]:
    """Return how many outputs each tap finds in the image."""
    return [
        max(0, (found.stop or 0) - (found.start or 0))
        for found in (meet(axis, tap)[0] for tap in range(axis.kernel))
    ]


def counted(problem: ConvProblem) -> _Counted:
    """Return what one image takes."""
    rows, columns = _found(problem.rows), _found(problem.columns)
    return _Counted(sum(rows) * sum(columns), sum(rows) * sum(map(_covered, columns)))


def padding_share(problem: ConvProblem) -> float:
    """Return how much of the work would be multiplying padding."""
    sides = (problem.rows, problem.columns)
    return 1 - counted(problem).needed / prod(axis.outputs * axis.kernel for axis in sides)


def _out_of_place(problem: ConvProblem) -> str | None:
    """Return why it is no place for it, whatever it would take, or None."""
    channels, filters = problem.in_channels_per_group, problem.out_channels_per_group
    if max(problem.rows.kernel, problem.columns.kernel) > _MOST_TAPS:
        return "a kernel of so many taps would be gone through tap by tap"
    if channels < tuning.TAPS_FEWEST_CHANNELS:
        return f"it reads vectors of channels, and a group has {channels}"
    if filters < tuning.TAPS_FEWEST_FILTERS:
        return f"filters are in its lanes, and a group has {filters}"
    share = padding_share(problem)
    if share < tuning.TAPS_PADDING_SHARE:
        return f"only {share:.0%} of the work is multiplying padding"
    return None


def cycles(problem: ConvProblem, *, prepared: bool) -> float:
    """Return about how many cycles an image takes, by one thread, whatever is asked for."""
    vector = vector_values(problem)
    lanes = vector_bytes()
    channels = problem.in_channels_per_group
    panel: int = kernel("panel_filters")("gemm_taps", problem.dtype.itemsize)
    vectors: float = ceil_div(problem.out_channels_per_group, vector)
    if vectors % (panel // vector) == 1:
        vectors += tuning.DIRECT_LONE_VECTORS[lanes] - 1
    places = counted(problem).covered * vectors * problem.groups
    product = places * channels / 2 / tuning.TAPS_PRODUCT[lanes]
    added = places * ceil_div(channels, _channels(problem)) * tuning.TAPS_ADD_CYCLES
    turned = tuning.TAPS_TURN_CYCLES * problem.in_channels * problem.height * problem.width
    weights = problem.out_channels * problem.taps
    packing = 0 if prepared else tuning.TAPS_PACKING_CYCLES * weights
    if weights * problem.dtype.itemsize > tuning.FAR_WEIGHTS_BYTES:
        packing = max(packing, tuning.FAR_TAP_CYCLES[lanes] * weights)
    return product + added + turned + packing


def fewest_cycles(piece: Piece, *, prepared: bool) -> float:
    """Return about how many cycles direct sums of an image take, by whoever is the fastest."""
    problem = piece.problem
    direct = direct_cycles(problem, images=1, prepared=prepared)
    if _out_of_place(problem) is not None or GEMM_TAPS.unable(piece) is not None:
        return direct
    return min(direct, cycles(problem, prepared=prepared))


GEMM_TAPS = _Taps()
