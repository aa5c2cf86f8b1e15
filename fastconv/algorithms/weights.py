"""The gradient of the weights: a matrix product summed over the pixels of all images.

    dw [K/groups x T]  =  sum over images of  grad [K/groups x pixels]  @  columns' [pixels x T]

    weights_filters    filters in the lanes                            kernels/weights_filters.pxi
    weights_taps       the same tap by tap, without any padding        kernels/weights_taps.pxi
    weights_pixels     pixels in the lanes, for few filters            kernels/weights_pixels.pxi
    weights_planes     the same of 1x1, few filters or few channels    kernels/weights_planes.pxi
    weights_slide      one channel and filter per group, in place      kernels/weights_slide.pxi
    weights_rows       the same along rows that are copied             kernels/weights_rows.pxi

What needs fewer multiplications is in weights_winograd.py.

The blocks, and with them the order of every sum, depend on the problem alone, never on how many
threads there are. A block of rows is summed from zero before it is added, which keeps rounding
small: a relative L2 error of 3.9e-7 where PyTorch, which adds up pixels in a row, has 2.8e-6
(normal float32 data, 32 channels to 32 filters of 3×3, 8 images of 56×56).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import tuning
from ..machine import Machine
from ..problem import ConvProblem, Piece
from ..problem.operands import Array
from .blocks import (
    band_bytes,
    ceil_div,
    copies_too_much,
    even,
    fewest_rows,
    lies_far,
    more_rows,
    only_scales,
)
from .compiled import (
    Description,
    Kernel,
    beyond_limit,
    kernel,
    scratch_of_threads,
    steps,
    vector_bytes,
    vector_values,
)
from .costs import copy_steps, lone_vectors, of_bytes, predicted, thread_count
from .gemm_taps import counted, padding_share
from .implementation import Plan, Prediction, Request, Run
from .slide import cannot_slide, no_small_square, rows_bytes

__all__ = [
    "WEIGHTS_FILTERS",
    "WEIGHTS_PIXELS",
    "WEIGHTS_PLANES",
    "WEIGHTS_ROWS",
    "WEIGHTS_SLIDE",
    "WEIGHTS_TAPS",
    "WeightsKernel",
    "direct_weight_cycles",
]

# The filters of a tile with pixels in the lanes, RUN_FILTERS of every instruction set, or the few
# planes of one, FEW_PLANES; those beside one of them, MANY_PLANES_1; and the vectors of a row that
# are taken at a time, ROW_VECTORS.
_PIXEL_FILTERS = 4
_MANY_PLANES = 8
_ROW_VECTORS = 16


class _Blocks(NamedTuple):
    """What a unit computes, in how many parts the pixels are cut, and `far` as of `Blocks`."""

    rows: int
    channels: int
    filters: int
    parts: int
    far: bool = False


class WeightsKernel(Kernel):
    """A compiled weight gradient: how it is run, its pixels perhaps cut into parts."""

    compiled = "Weights"

    def make_run(self, made: Any, description: Description, threads: int) -> tuple[Run, int]:
        """Return the function that runs the compiled object, and the scratch that it wants.

        Where pixels are cut into parts, each has its copy of dw, at the end of the scratch.
        """
        problem, parts = description.problem, description.blocks.parts
        run_units, units = made.run, made.units
        step = steps(units, problem.flops, threads, tuning.FLOPS_PER_STEP)
        of_threads = scratch_of_threads(made, threads)
        copies = parts if parts > 1 else 0
        shape = copies, *problem.weight_shape
        size = copies * problem.out_channels * problem.taps * problem.dtype.itemsize

        def run(
            grad: Array, x: Array, _prepared: Array | None, _bias: Array | None, dw: Array,
            scratch: Array | None,
        ) -> bool:  # fmt: skip
            assert scratch is not None  # as many bytes as the plan says, which are some
            target, finite = dw, False
            if copies:
                target = scratch[of_threads:].view(problem.dtype).reshape(shape)
            for first in range(0, units, step):
                last = min(first + step, units)
                finite = run_units(grad, x, target, scratch, first, last, threads)
            if copies:
                with np.errstate(all="ignore"):  # infinities and NaN flow through
                    np.add.reduce(target, axis=0, out=dw)
            return finite

        return run, of_threads + size


class _Weights(WeightsKernel):
    """What the three have in common.

    Attributes
    ----------
    streams_gradient : bool
        Whether rows of the gradient come in time: not where those of a few filters are copied
        between products, from one plane after the other.
    """

    streams_gradient = True

    def unable(self, piece: Piece) -> str | None:
        """Refuse what would need more than a few MiB of scratch for its smallest blocks.

        These are a single row of the output and of a single channel: its band, the gradient of the
        fewest filters there, and their sums.
        """
        problem = piece.problem
        needed = band_bytes(problem, 1, 1) + self._row_values(problem) * problem.dtype.itemsize
        return beyond_limit(
            f"one row of a channel reads {problem.rows.span} rows of the padded image and with its "
            "gradient and sums needs a scratch of",
            needed,
        )

    def _row_values(self, problem: ConvProblem) -> int:
        """Return the values of the gradient of the fewest filters in a row, and of their sums."""
        raise NotImplementedError

    def _panel_filters(self, problem: ConvProblem) -> int:
        return _PIXEL_FILTERS

    def _first_rows(self, problem: ConvProblem) -> int:
        return min(problem.out_height, max(1, tuning.WEIGHTS_MOST_PIXELS // problem.out_width))

    def _lanes(self, problem: ConvProblem, filters: int) -> int:
        """Return how many sums a tap has of so many filters."""
        return filters * vector_values(problem)

    def blocks(self, request: Request) -> _Blocks:
        problem = request.problem
        kernel_taps = problem.rows.kernel * problem.columns.kernel
        itemsize = problem.dtype.itemsize
        panel = self._panel_filters(problem)
        most_filters = tuning.WEIGHTS_MOST_FILTERS[vector_bytes()]
        most_filters = max(panel, most_filters // panel * panel)
        most_sums = tuning.WEIGHTS_SUMS_BYTES[vector_bytes()]
        most_taps = tuning.WEIGHTS_MOST_TAPS
        filters = min(problem.out_channels_per_group, most_filters)
        channels = min(problem.in_channels_per_group, max(1, most_taps // kernel_taps))
        rows = self._first_rows(problem)

        def sums() -> int:
            return self._lanes(problem, filters) * channels * kernel_taps * itemsize

        def too_large() -> bool:
            return band_bytes(problem, rows, channels) > tuning.WEIGHTS_BAND_BYTES

        while filters > panel and sums() > most_sums:
            filters = ceil_div(ceil_div(filters, 2), panel) * panel
        while channels > 1 and (sums() > most_sums or too_large()):
            channels = ceil_div(channels, 2)
        fewest = fewest_rows(problem.rows, problem.columns)
        while rows > fewest and too_large():
            rows = ceil_div(rows, 2)
        if rows < fewest:
            # the gradient is as wide as the band at the most, and there for a panel's filters
            across = min(filters, panel) * problem.columns.padded * itemsize
            rows = more_rows(
                problem, rows, filters,
                lambda more: band_bytes(problem, more, 1) + more * across,
            )  # fmt: skip

        return self._enough(problem, rows, channels, filters)

    def _enough(self, problem: ConvProblem, rows: int, channels: int, filters: int) -> _Blocks:
        """Return blocks of so much or less, and parts, of which there are enough for threads."""
        kernel_taps = problem.rows.kernel * problem.columns.kernel
        panel = self._panel_filters(problem)

        def missing() -> bool:
            return _units(problem, channels, filters) < tuning.WEIGHTS_FEWEST_UNITS

        is_work = problem.flops > tuning.WEIGHTS_FEWEST_FLOPS
        while is_work and filters > panel and missing():
            filters = ceil_div(ceil_div(filters, 2), panel) * panel
        most_taps = tuning.WEIGHTS_MOST_TAPS
        while is_work and channels > 1 and channels * kernel_taps > most_taps // 4 and missing():
            channels = ceil_div(channels, 2)
        rows = even(problem.out_height, rows)
        channels = even(problem.in_channels_per_group, channels)
        parts = self._parts(problem, rows, channels, filters) if is_work and missing() else 1
        return _Blocks(rows, channels, filters, parts)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for bands and the gradient's panels, which every block of weights makes."""
        problem, blocks = plan.piece.problem, plan.blocks
        rows = ceil_div(problem.out_height, blocks.rows)
        filters = ceil_div(problem.out_channels_per_group, blocks.filters)
        channels = ceil_div(problem.in_channels_per_group, blocks.channels)
        copied = copy_steps(problem, blocks.rows)
        images = problem.batch * problem.groups
        weights = problem.out_channels * problem.taps * blocks.parts
        product, packed = self._predicted_steps(problem, blocks)
        # each block of weights reads its channels of the image, and its filters of the gradient
        again = (filters - 1) * math.prod(problem.x_shape)
        again += (channels - 1) * math.prod(problem.output_shape)
        prediction = predicted(
            plan, machine, problem.groups * filters * channels * blocks.parts,
            again=again * problem.dtype.itemsize,
            band=images * filters * rows * problem.in_channels_per_group * copied,
            pack=images * channels * packed, product=images * product,
            turn=weights * self._sum_steps(),
        )  # fmt: skip
        if not self.streams_gradient:
            gradient = math.prod(problem.output_shape) * problem.dtype.itemsize
            waited = of_bytes(gradient, thread_count(plan), machine)
            prediction += Prediction({"memory": waited})
        return prediction

    def _predicted_steps(self, problem: ConvProblem, blocks: _Blocks) -> tuple[float, float]:
        """Return the steps of an image and a group: of its products, and of packing its gradient.

        Each block of channels packs it anew.
        """
        raise NotImplementedError

    def _sum_steps(self) -> float:
        """Return the steps of bringing a sum into the result."""
        return tuning.MODEL_WEIGHT_STEPS

    def _parts(self, problem: ConvProblem, rows: int, channels: int, filters: int) -> int:
        """Return in how many parts pixels are cut where there are too few units."""
        units = _units(problem, channels, filters)
        copy = problem.out_channels * problem.taps * problem.dtype.itemsize
        return max(
            1,
            min(
                ceil_div(tuning.WEIGHTS_FEWEST_UNITS, units),
                problem.batch * ceil_div(problem.out_height, rows),
                tuning.WEIGHTS_MOST_COPIES_BYTES // copy,
            ),
        )


class _Filters(_Weights):
    """Filters in the lanes: a step is a pixel, the tile's rows are taps."""

    name = "weights_filters"
    families = ("gemm",)

    def unsuited(self, request: Request) -> str | None:
        filters = request.problem.out_channels_per_group
        vector = vector_values(request.problem)
        few = max(vector // 2, tuning.STENCIL_MOST_FILTERS)
        if filters < vector:
            few = max(few, tuning.WEIGHTS_FEW_FILTERS)
        if filters > few:
            return copies_too_much(request, self.blocks)
        return f"{filters} filters would leave too many of a vector's {vector} lanes idle"

    def out_of_place(self, request: Request) -> str | None:
        return None

    def _panel_filters(self, problem: ConvProblem) -> int:
        count: int = kernel("panel_filters")(self.name, problem.dtype.itemsize)
        return count

    def _row_values(self, problem: ConvProblem) -> int:
        taps = problem.rows.kernel * problem.columns.kernel
        return self._panel_filters(problem) * (problem.out_width + taps)

    def _lanes(self, problem: ConvProblem, filters: int) -> int:
        vector = vector_values(problem)
        return ceil_div(filters, vector) * vector

    def _predicted_steps(self, problem: ConvProblem, blocks: _Blocks) -> tuple[float, float]:
        lanes = vector_bytes()
        panel = self._panel_filters(problem) // vector_values(problem)
        whole = ceil_div(problem.out_channels_per_group, vector_values(problem))
        vectors = lone_vectors(whole, panel, tuning.MODEL_LONE_VECTORS[lanes]["weights"])
        pixels = problem.out_height * problem.out_width
        rows = ceil_div(problem.out_height, blocks.rows)
        channels = ceil_div(problem.in_channels_per_group, blocks.channels)
        taps = problem.taps + tuning.MODEL_TILE_PIXELS[lanes] * channels
        tiles = vectors * taps  # for a pixel; for each block of rows they are loaded and stored
        product = tiles * pixels / tuning.MODEL_WEIGHTS_FILTERS_PRODUCT
        product += tiles * rows * tuning.MODEL_WEIGHT_TILE_STEPS
        return product, pixels * whole * vector_values(problem) * tuning.MODEL_PACK_GRADIENT_STEPS


class _Taps(_Filters):
    """The same tap by tap, each with the outputs that it finds in the image."""

    name = "weights_taps"
    general = False

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if problem.stride != (1, 1):
            return "it has stride 1"
        plane = problem.height * problem.width
        return beyond_limit(
            "a channel of the image, and a row of the gradient with its sums, need a scratch of",
            (plane + self._row_values(problem)) * problem.dtype.itemsize,
        )

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        share = padding_share(problem)
        if share < tuning.WEIGHTS_TAPS_PADDING_SHARE[vector_bytes()]:
            return f"only {share:.0%} of the work is multiplying padding"
        taps = problem.rows.kernel * problem.columns.kernel
        found, fewest = counted(problem).needed // taps, tuning.WEIGHTS_TAPS_FEWEST_OUTPUTS
        if found < fewest:
            return f"a tap finds {found} outputs, which pays from {fewest} on"
        fewest = tuning.WEIGHTS_TAPS_FEWEST_CHANNELS
        if self.blocks(request).channels < fewest:
            return f"a tile has {fewest} channels, and a block fewer"
        return super().unsuited(request)

    def out_of_place(self, request: Request) -> str | None:
        return self.unsuited(request)

    def _row_values(self, problem: ConvProblem) -> int:
        taps = problem.rows.kernel * problem.columns.kernel
        return self._panel_filters(problem) * 2 * (problem.out_width + taps)

    def blocks(self, request: Request) -> _Blocks:
        problem = request.problem
        itemsize, panel = problem.dtype.itemsize, self._panel_filters(problem)
        plane = problem.height * problem.width * itemsize
        sums = problem.rows.kernel * problem.columns.kernel * panel * itemsize
        most_filters = tuning.WEIGHTS_MOST_FILTERS[vector_bytes()]
        most_sums = tuning.WEIGHTS_SUMS_BYTES[vector_bytes()]
        channels = min(
            problem.in_channels_per_group,
            max(1, tuning.WEIGHTS_TAPS_IMAGE_BYTES // plane),
            max(1, most_sums // sums),
        )
        panels = max(1, min(most_sums // (sums * channels), most_filters // panel))
        filters = min(problem.out_channels_per_group, panels * panel)
        return self._enough(problem, self._first_rows(problem), channels, filters)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the outputs that taps find, and for what is copied of both images."""
        problem, blocks = plan.piece.problem, plan.blocks
        vector = vector_values(problem)
        filters = ceil_div(problem.out_channels_per_group, blocks.filters)
        channels = ceil_div(problem.in_channels_per_group, blocks.channels)
        vectors = lone_vectors(
            ceil_div(problem.out_channels_per_group, vector),
            self._panel_filters(problem) // vector,
            tuning.MODEL_LONE_VECTORS[vector_bytes()]["weights"],
        )  # fmt: skip
        rows = ceil_div(problem.out_height, blocks.rows)
        taps = problem.rows.kernel * problem.columns.kernel
        images = problem.batch * problem.groups
        beside = tuning.MODEL_TILE_PIXELS[vector_bytes()] / 2
        tiles = vectors * (problem.in_channels_per_group + beside * channels)
        lanes = ceil_div(problem.out_channels_per_group, vector) * vector
        packed: float = channels * problem.out_height * problem.out_width * lanes
        packed *= 1 + (problem.columns.kernel - 1) / vector
        return predicted(
            plan, machine, problem.groups * filters * channels * blocks.parts,
            band=images * filters * problem.in_channels_per_group * problem.height
            * problem.width / vector,
            pack=images * packed * tuning.MODEL_PACK_GRADIENT_STEPS,
            product=images * tiles * (
                counted(problem).needed / tuning.MODEL_WEIGHTS_FILTERS_PRODUCT
                + taps * rows * tuning.MODEL_WEIGHT_TILE_STEPS
            ),
            turn=problem.out_channels * problem.taps * blocks.parts * self._sum_steps(),
        )  # fmt: skip


class _Pixels(_Weights):
    """Pixels in the lanes: a sum of products along the pixels for every filter and tap."""

    name = "weights_pixels"
    families: tuple[str, ...] = ("gemm_pixels", "depthwise")
    streams_gradient = False

    def unsuited(self, request: Request) -> str | None:
        if only_scales(request.problem):
            return "there is a single sum of products, and plain loops copy none of them"
        return copies_too_much(request, self.blocks)

    def out_of_place(self, request: Request) -> str | None:
        return None

    def _row_values(self, problem: ConvProblem) -> int:
        taps = vector_values(problem) * problem.rows.kernel * problem.columns.kernel
        filters = min(problem.out_channels_per_group, _PIXEL_FILTERS)
        return filters * (problem.columns.padded + taps)

    def _predicted_steps(self, problem: ConvProblem, blocks: _Blocks) -> tuple[float, float]:
        filters, rest = divmod(problem.out_channels_per_group, _PIXEL_FILTERS)
        lanes = filters * _PIXEL_FILTERS + tuning.MODEL_FEW_WEIGHTS_STEPS[vector_bytes()].get(
            rest, rest
        )
        columns = problem.columns
        width = columns.outputs + (columns.kernel - 1) * columns.dilation // columns.stride
        rows = ceil_div(problem.out_height, blocks.rows)
        vectors = problem.out_height * width / vector_values(problem) + rows / 2
        product = (
            lanes
            * problem.taps
            * (vectors / tuning.MODEL_WEIGHTS_PIXELS_PRODUCT + rows * tuning.MODEL_WEIGHT_RUN_STEPS)
        )
        packed = problem.out_height * width * problem.out_channels_per_group
        return product, packed * tuning.MODEL_BAND_STEPS

    def _sum_steps(self) -> float:
        return tuning.MODEL_WEIGHT_LANES_STEPS


class _Planes(WeightsKernel):
    """Pixels in the lanes, of 1x1: planes of both images as they lie, few of either."""

    name = "weights_planes"
    families = ("gemm_pixels",)
    general = False

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if not problem.is_pointwise:
            return "it takes kernels of 1×1 without stride or padding"
        pixels, vector = problem.height * problem.width, vector_values(problem)
        if pixels < vector:
            return f"a plane of {pixels} pixels does not fill a vector of {vector}"
        return None

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        if only_scales(problem):
            return "there is a single sum of products, and plain loops copy none of them"
        few, most = min(_sides(problem)), tuning.PLANES_MOST[vector_bytes()]
        if few > most:
            return (
                f"of {few} planes on either side panels stay in the caches, which pays beyond "
                f"{most}"
            )
        return None

    def blocks(self, request: Request) -> _Blocks:
        """Return a stretch of both images, and enough blocks of the planes that are many.

        Only the stretch, in rows, and the parts have to do with the order of sums.
        """
        problem = request.problem
        few, many = sorted(_sides(problem))
        row = min(few, _PIXEL_FILTERS) * problem.width * problem.dtype.itemsize
        rows = even(problem.height, min(problem.height, max(1, tuning.PLANES_BYTES // row)))
        last = problem.height - (ceil_div(problem.height, rows) - 1) * rows
        if last * problem.width < vector_values(problem):
            rows = problem.height
        few = min(few, tuning.PLANES_FEW)
        lanes = vector_bytes()
        most = tuning.WEIGHTS_SUMS_BYTES[lanes] // (few * lanes)  # a vector for each sum
        wanted = ceil_div(tuning.WEIGHTS_FEWEST_UNITS, problem.groups)
        block = min(ceil_div(many, wanted), max(1, most))
        many = min(many, ceil_div(block, _MANY_PLANES) * _MANY_PLANES)
        by_filters = problem.out_channels_per_group <= problem.in_channels_per_group
        filters, channels = (few, many) if by_filters else (many, few)
        units = _units(problem, channels, filters)
        parts = 1
        if problem.bytes > tuning.PLANES_PARTS_BYTES and units < tuning.WEIGHTS_FEWEST_UNITS:
            stretches = problem.batch * ceil_div(problem.height, rows)
            parts = min(ceil_div(tuning.WEIGHTS_FEWEST_UNITS, units), stretches)
        return _Blocks(rows, channels, filters, parts)

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the products, all lanes of tiles, and the images as they come by."""
        problem, blocks = plan.piece.problem, plan.blocks
        few, many = sorted(_sides(problem))
        tile = few if few <= 2 else ceil_div(few, _PIXEL_FILTERS) * _PIXEL_FILTERS
        beside = _MANY_PLANES if few <= 2 else _PIXEL_FILTERS
        across = ceil_div(many, beside) * beside
        images = problem.batch * problem.groups
        stretches = ceil_div(problem.height, blocks.rows)
        vectors = problem.height * problem.width / vector_values(problem)
        vectors += stretches * tuning.MODEL_PLANES_STRETCH_STEPS
        loads = across * ceil_div(few, _PIXEL_FILTERS)
        sums = problem.out_channels * problem.taps * blocks.parts
        units = problem.groups * ceil_div(few, min(blocks[1:3]))
        units *= ceil_div(many, max(blocks[1:3])) * blocks.parts
        return predicted(
            plan, machine, units,
            product=images * vectors * (tile * across + loads),
            turn=sums * tuning.MODEL_PLANES_SUM_STEPS,
        )  # fmt: skip


def _sides(problem: ConvProblem) -> tuple[int, int]:
    """Return how many planes of the gradient and of the image a group has."""
    return problem.out_channels_per_group, problem.in_channels_per_group


class _Rows(_Pixels):
    """The same for one channel and filter, along rows copied so that every tap is a run."""

    name = "weights_rows"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        """Refuse all but square kernels over one channel and filter; its scratch is bounded."""
        filters = piece.problem.out_channels_per_group
        if filters != 1:
            return f"it takes one filter per group, here are {filters}"
        return no_small_square(piece.problem)

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        if problem.rows.kernel == 5 and vector_bytes() >= tuning.WEIGHTS_SLIDE_VECTOR_BYTES:
            return "25 sums stay in registers beside rows that are not copied"
        if problem.rows.kernel == 3 and problem.rows.stride == 1:
            return "9 taps of strips in place take less than copying rows for them"
        fewest = tuning.WEIGHTS_ROWS_FEWEST_COLUMNS[vector_bytes()]
        if problem.rows.kernel != 3:
            return None
        if fewest is None:
            return "strips in place deal rows out faster than they are copied"
        if problem.out_width < fewest:
            return f"copying rows of less than {fewest} columns takes longer than their 9 taps"
        return None

    def out_of_place(self, request: Request) -> str | None:
        return self.unsuited(request)

    def _first_rows(self, problem: ConvProblem) -> int:
        stride, rows = problem.rows.stride, problem.out_height
        vectors = min(_ROW_VECTORS, ceil_div(problem.out_width, vector_values(problem)))
        width = (vectors + 1) * vector_values(problem) * problem.dtype.itemsize

        def copied() -> int:
            return ((rows - 1) * stride + problem.rows.kernel) * stride * width

        while rows > 1 and copied() > tuning.WEIGHTS_ROWS_BYTES:
            rows = ceil_div(rows, 2)
        return rows

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the products of rows, and for copying these."""
        problem, blocks = plan.piece.problem, plan.blocks
        planes, rows = problem.batch * problem.groups, ceil_div(problem.out_height, blocks.rows)
        vectors = planes * ceil_div(problem.out_width, vector_values(problem))
        kernel_rows, stride = problem.rows.kernel, problem.rows.stride
        taps = kernel_rows * problem.columns.kernel
        seen = problem.out_height * stride + rows * (kernel_rows - stride)
        return predicted(
            plan, machine, problem.groups * blocks.parts,
            band=vectors * seen * stride * tuning.MODEL_WEIGHT_ROW_STEPS
            + planes * seen * tuning.MODEL_WEIGHT_RUN_STEPS,
            product=vectors * problem.out_height * taps / tuning.MODEL_WEIGHTS_ROWS_PRODUCT,
            turn=problem.out_channels * taps * blocks.parts * tuning.MODEL_WEIGHT_LANES_STEPS,
        )  # fmt: skip


class _Slide(_Pixels):
    """The same for one channel and filter, down strips of image and gradient in place."""

    name = "weights_slide"
    families = ("depthwise",)

    def unable(self, piece: Piece) -> str | None:
        problem = piece.problem
        if problem.out_channels_per_group != 1:
            return f"it takes one filter per group, here are {problem.out_channels_per_group}"
        if problem.rows.kernel == 7:
            return "it has kernels of 3×3 and 5×5, not 7×7"
        return cannot_slide(problem) or super().unable(piece)

    def _first_rows(self, problem: ConvProblem) -> int:
        rows = problem.out_height
        while rows > 1 and rows_bytes(problem, rows) > tuning.WEIGHTS_ROWS_BYTES:
            rows = ceil_div(rows, 2)
        return rows

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        if problem.rows.kernel == 5 and vector_bytes() < tuning.WEIGHTS_SLIDE_VECTOR_BYTES:
            return "25 sums do not stay in registers: rows that are copied are ahead"
        return super().unsuited(request)

    def blocks(self, request: Request) -> _Blocks:
        return super().blocks(request)._replace(far=lies_far(request.problem))

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for the strips of image and gradient, read in place."""
        problem, blocks = plan.piece.problem, plan.blocks
        planes, rows = problem.batch * problem.groups, ceil_div(problem.out_height, blocks.rows)
        strips = planes * ceil_div(problem.out_width, vector_values(problem))
        kernel_rows, stride = problem.rows.kernel, problem.rows.stride
        taps = kernel_rows * problem.columns.kernel
        height = problem.out_height + rows * ((kernel_rows - 1) // stride)
        return predicted(
            plan, machine, problem.groups * blocks.parts,
            # far rows are brought near before, once for all strips
            strips=1 if blocks.far else ceil_div(problem.out_width, vector_values(problem)),
            product=strips * height * taps / tuning.MODEL_SLIDE_WEIGHTS_PRODUCT[stride],
            turn=strips * (height * tuning.MODEL_SLIDE_ROW_STEPS[stride]
                           + rows * (tuning.MODEL_STRIP_STEPS + taps))
            + problem.out_channels * taps * blocks.parts * tuning.MODEL_WEIGHT_LANES_STEPS,
        )  # fmt: skip


def _units(problem: ConvProblem, channels: int, filters: int) -> int:
    """Return how many there are of blocks of so many channels and filters."""
    return (
        problem.groups * ceil_div(problem.out_channels_per_group, filters)
        * ceil_div(problem.in_channels_per_group, channels)
    )  # fmt: skip


def direct_weight_cycles(problem: ConvProblem) -> float:
    """Return about how many cycles the better of filters and pixels in the lanes takes.

    By one thread; as measured in benchmarks/STUDY.md.
    """
    vector = vector_values(problem)
    filters = problem.out_channels_per_group
    lanes = filters / (ceil_div(filters, vector) * vector)
    products = problem.flops / 2 / (2 * vector)
    weights = problem.out_channels * problem.taps
    return products / tuning.WEIGHTS_PRODUCT / max(lanes, 0.5) + 2 * weights


WEIGHTS_FILTERS = _Filters()
WEIGHTS_TAPS = _Taps()
WEIGHTS_PIXELS = _Pixels()
WEIGHTS_PLANES = _Planes()
WEIGHTS_SLIDE = _Slide()
WEIGHTS_ROWS = _Rows()
