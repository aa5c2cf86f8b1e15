"""Convolution with fewer multiplications: kernels/winograd.pxi.

    F(m x m, r x r)    tiles of m x m outputs, batch · ⌈OH/m⌉ · ⌈OW/m⌉ of them; and for each tile,
                       channel and filter (m + r - 1)² multiplications in place of m²·r²
    F(m, r)            the same along one axis, for kernels of 1 x r and r x 1
    beside             transforming pixels, once for every channel; sums, once for every filter; and
                       the weights, in each unit if no plan has done it

It needs so many times fewer multiplications, and accuracy=, for results less accurate:

      m x r        2x3        4x3        6x3        2x5        4x5        2x7
    square        2.25       4.00    5.06 fast      2.78    6.25 fast  3.06 fast
      line        1.50       2.00       2.25        1.67       2.50       1.75

What it costs, and the pixels by which tiles hang over, winograd_tiles.py counts. It is chosen where
it then needs fewer cycles than direct sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from .. import tuning
from ..levels import Level
from ..machine import Machine
from ..problem import ConvProblem, Piece
from ..problem.operands import Array
from .compiled import (
    LINE_BYTES,
    Description,
    at_line,
    at_line_in,
    beyond_limit,
    kernel,
    scratch_of_threads,
    vector_bytes,
)
from .costs import of_winograd
from .gemm_taps import fewest_cycles
from .implementation import Accuracy, Chooser, Plan, Prediction, Refusal, Request, Run
from .rivals import Rival
from .winograd_tiles import WinogradBlocks, tiling_of

__all__ = ["WINOGRAD"]


# Of so many points: the growth and the usual size of errors, and who may have them. The growth that
# can be proved is three times what the absolute values of the transforms make of a product, whether
# tile or kernel has most of these points; what errors usually are is measured.
# tests/fastconv/test_winograd.py has both.
_Errors: TypeAlias = dict[int, tuple[float, float, Level]]
_SQUARES: _Errors = {4: (50, 2, "default"), 6: (530, 4, "default"), 8: (4700, 16, "fast")}
_LINES: _Errors = {4: (13, 2, "default"), 6: (40, 2, "default"), 8: (120, 4, "default")}


class _Winograd(Rival):
    """F(m x m, r x r), or F(m, r) along a line, for one m, `outputs`, and one r, `taps`."""

    families = ("winograd",)
    entry = "winograd"

    def __init__(self, outputs: int, taps: int, *, line: bool = False) -> None:
        self.name = f"winograd_{'line_' if line else ''}{outputs}x{taps}"
        self.outputs = outputs
        self.tiles = f"tiles of {outputs} outputs a side"
        self.kernels = ((1, taps), (taps, 1)) if line else ((taps, taps),)
        self._sides = " and ".join(f"{rows}×{columns}" for rows, columns in self.kernels)
        points = outputs + taps - 1
        growth, typical, self.level = (_LINES if line else _SQUARES)[points]
        self.accuracy = Accuracy(growth, typical, componentwise=False, exact_on_integers=False)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        sides = (problem.rows.kernel, problem.columns.kernel)
        if sides not in self.kernels:
            return f"it has kernels of {self._sides}, not {sides[0]}×{sides[1]}"
        if problem.stride != (1, 1):
            return "it has stride 1"
        if piece.output is not None:
            return "it writes whole rows of the result"
        tiling = tiling_of(problem, self.outputs)
        return beyond_limit(
            "all channels of a tile, transformed, and a panel of the weights take",
            tiling.scratch_bytes(tiling.cut(1, 1)),
        )

    def unsuited(self, request: Request) -> str | None:
        return _few_channels(request.problem) or super().unsuited(request)

    def out_of_place(self, request: Request) -> str | None:
        return _few_channels(request.problem) or super().out_of_place(request)

    @property
    def rivals(self) -> Sequence[Rival]:
        return [other for other in WINOGRAD if other.kernels == self.kernels]

    def cycles(self, request: Request) -> float:
        """Return those of a single image by a single thread, whatever is asked for.

        Other algorithms give other bits, which shall depend on neither batch nor threads.
        """
        tiling = tiling_of(request.problem, self.outputs)
        return tiling.best(1, 1, prepared=request.prepared)[0]

    def most_cycles(self, request: Request) -> tuple[float, float]:
        direct = fewest_cycles(request.piece, prepared=request.prepared)
        return tuning.WINOGRAD_GAIN * direct, direct

    def plan(self, request: Request, choose: Chooser) -> Plan | Refusal:
        """Return as `Rival` does; weights that many units need are transformed once."""
        plan = super().plan(request, choose)
        if isinstance(plan, Refusal) or request.prepared:
            return plan
        tiling = tiling_of(request.problem, self.outputs)
        if tiling.shares_weights(plan.blocks, request.problem.batch, request.threads):
            return self._preparing(plan)
        return plan

    def make_run(self, made: Any, description: Description, threads: int) -> tuple[Run, int]:
        """Run all units at once: ranges of them would part threads that have as much to do.

        Each asks for Ctrl-C by itself.
        """
        run_units, units = made.run, made.units
        return (lambda *arrays: run_units(*arrays, 0, units, threads)), scratch_of_threads(
            made, threads
        )

    def _preparing(self, plan: Plan) -> Plan:
        """Return the plan that transforms the weights itself, once for all of its units."""
        run, own = plan.run, plan.scratch_bytes
        transform, size = self._transform(plan.piece, plan.threads or 1)

        def run_once(
            x: Array, weight: Array, prepared: Array | None, bias: Array | None, y: Array,
            scratch: Array | None,
        ) -> bool | None:  # fmt: skip
            assert scratch is not None
            if prepared is None:
                prepared = transform(weight, at_line_in(scratch[own:], size))
            return run(x, weight, prepared, bias, y, scratch[:own])

        return replace(plan, run=run_once, scratch_bytes=own + size + LINE_BYTES)

    def blocks(self, request: Request) -> WinogradBlocks:
        """Return the blocks by which the slowest thread is done first."""
        problem = request.problem
        tiling = tiling_of(problem, self.outputs)
        return tiling.best(problem.batch, request.threads, prepared=request.prepared)[1]

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for what it was chosen by, transforms and product, each as it was measured."""
        problem, threads = plan.piece.problem, plan.threads or 1
        tiling = tiling_of(problem, self.outputs)
        cycles = tiling.cycles(plan.blocks, problem.batch, threads)
        is_line = min(problem.rows.kernel, problem.columns.kernel) == 1
        lanes = vector_bytes()
        product, weights, pixels, sums = (
            tuning.MODEL_WINOGRAD_LINE if is_line else tuning.MODEL_WINOGRAD_SQUARE
        )[lanes]
        if not is_line and problem.rows.kernel > 3:
            weights = tuning.MODEL_WINOGRAD_LARGE_WEIGHTS[lanes]
        return of_winograd(
            plan, machine, cycles.units, product=product * cycles.product * cycles.units,
            transform=weights * (cycles.once + cycles.weights * cycles.units)
            + (pixels * cycles.pixels + sums * cycles.sums) * cycles.units,
        )  # fmt: skip

    def make_prepare(self, piece: Piece) -> Callable[[Array], Array] | None:
        if not tiling_of(piece.problem, self.outputs).keeps_weights:
            return None
        transform, size = self._transform(piece, 1)
        return lambda weight: transform(weight, at_line(size))

    def _transform(self, piece: Piece, threads: int) -> tuple[Callable[[Array, Array], Array], int]:
        """Return what transforms weights into panels, and the bytes of memory that it fills.

        They begin at a cache line.
        """
        # One tile is enough of it: the weights do not depend on how many there are. Nor on how many
        # channels are transformed at a time, each of them for a thread.
        tile = tiling_of(piece.problem, self.outputs).cut(1, 1)
        tile = tile._replace(channels=min(tile.channels, tuning.WINOGRAD_CHANNELS_PACKED))
        description = Description(self.entry, piece, tile)
        compiled, dtype = kernel("transform_weights"), piece.problem.dtype
        values: int = kernel("transformed_values")(description)

        def transform(weight: Array, memory: Array) -> Array:
            panels = memory.view(dtype)
            compiled(description, weight, panels, threads)
            return panels

        return transform, values * dtype.itemsize


def _few_channels(problem: ConvProblem) -> str | None:
    """Return why sums of so few channels are made directly, or None."""
    channels, taps = problem.in_channels_per_group, problem.rows.kernel
    lanes = vector_bytes()
    if taps != problem.columns.kernel or taps != 3:
        return None
    if channels >= tuning.WINOGRAD_FEWEST_CHANNELS[lanes]:
        return None
    return f"of {channels} channels transforms take longer than the sums that they spare"


# In the order in which they are asked.
_TILES = ((6, 3), (4, 3), (2, 3), (4, 5), (2, 5), (2, 7))
WINOGRAD = (
    *(_Winograd(*tile) for tile in _TILES),
    *(_Winograd(*tile, line=True) for tile in _TILES),
)
