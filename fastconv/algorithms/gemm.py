"""gemm and gemm_pixels: a matrix product that reads the image, without an im2col buffer.

    y [K/groups x pixels]  =  weight [K/groups x T]  @  columns [T x pixels]

They differ in what lies in the lanes of the vectors. Filters (kernels/gemm_filters.pxi) waste
nothing at the ends of rows and images, and the weights need packing only once; but finished sums
have to be turned over, and filters short of a whole vector leave lanes idle. Pixels
(kernels/gemm_pixels.pxi) write y as it lies and take filters one by one. `_efficiency` says which
is better for a problem: part of the peak that is left, from counting the lanes that work.

gemm has a second kernel, for 1x1 (kernels/gemm_columns.pxi): pixels in the lanes, the columns of a
tile packed once for all filters. So it neither turns sums over, nor reads each channel from a page
of its own for every tile. Without stride and padding both read the image as it lies; gemm_pixels,
which copies it for more filters, where there are only as many as a tile has.

All sum in the same blocks, and give the same bits. A sum of n products in a row has, usually, an
error of the root of n; in parts of `tuning.SUM_TAPS`, in blocks of channels of `tuning.GEMM_TAPS`,
each from zero, that of its longest level. It is less than libraries have that sum their blocks in
a row: benchmarks/STUDY.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial

from .. import tuning
from ..machine import Machine
from ..problem import ConvProblem, Piece
from ..problem.operands import Array
from .blocks import (
    Blocks,
    band_bytes,
    ceil_div,
    copies_of_a_product,
    copies_too_much,
    even,
    fewest_rows,
    filters_at_once,
    more_rows,
    scales_far,
)
from .compiled import (
    LINE_BYTES,
    Description,
    Kernel,
    at_line,
    beyond_limit,
    kernel,
    vector_bytes,
    vector_values,
)
from .costs import copy_steps, far_weights, line_steps, lone_vectors, predicted, spread_steps
from .implementation import Accuracy, Plan, Prediction, Request

__all__ = ["GEMM_COLUMNS", "GEMM_FILTERS", "GEMM_PIXELS", "direct_cycles"]


# The vectors of a tile with pixels in the lanes: TALL_VECTORS of kernels/gemm_pixels.pxi.
_TILE_VECTORS = 3


class _Product(Kernel):
    """What the three kernels have in common."""

    def unable(self, piece: Piece) -> str | None:
        """Refuse what would need more than a few MiB of scratch for its smallest blocks.

        These are a single row of the output and of a single channel: its band, which holds the rows
        from the first to the last tap, those between two dilated taps as well; the sums of a
        panel's filters; and the panel.
        """
        problem = piece.problem
        needed = band_bytes(problem, 1, 1)
        needed += self._row_values(piece) * self._panel_filters(problem) * problem.dtype.itemsize
        return beyond_limit(
            f"one row of a channel reads {problem.rows.span} rows of the padded image and with its "
            "sums and weights needs a scratch of",
            needed,
        )

    def _row_values(self, piece: Piece) -> int:
        """Return what a panel's filter needs for a row and a channel: its taps."""
        if piece.weights is not None and piece.weights.column > 0:
            return piece.weights.plane  # a part's taps are picked from all of them
        return piece.problem.rows.kernel * piece.problem.columns.kernel

    def _panel_filters(self, problem: ConvProblem) -> int:
        """Return how many filters the widest panel has."""
        count: int = kernel("panel_filters")(self.name, problem.dtype.itemsize)
        return count

    def blocks(self, request: Request) -> Blocks:
        problem = request.problem
        itemsize = problem.dtype.itemsize
        filters, panel = problem.out_channels_per_group, self._panel_filters(problem)
        height, width = problem.out_height, problem.out_width
        most_sums = tuning.GEMM_SUMS_BYTES // itemsize
        most_filters = tuning.GEMM_MOST_FILTERS
        if not problem.is_pointwise:
            # what is copied of a small image is copied once for all of them, if their sums fit
            pixels = min(self._most_pixels(), problem.batch * height * width)
            most_filters = max(most_filters, most_sums // pixels)
        block_filters = min(filters, max(panel, most_filters // panel * panel))
        pixels = min(self._most_pixels(), most_sums // block_filters)
        rows = min(height, max(1, pixels // width))
        images = min(problem.batch, max(1, pixels // (rows * width))) if rows == height else 1
        while block_filters > panel and rows * width * block_filters > most_sums:
            block_filters = ceil_div(ceil_div(block_filters, 2), panel) * panel
        channels = channels_at_once(problem)
        most_band = tuning.GEMM_BAND_BYTES
        fewest = fewest_rows(problem.rows, problem.columns)
        while rows > fewest and band_bytes(problem, rows, channels) > most_band:
            rows, images = ceil_div(rows, 2), 1
        if rows < fewest:
            rows = more_rows(
                problem, rows, block_filters,
                lambda more: (
                    band_bytes(problem, more, channels) + more * width * block_filters * itemsize
                ),
            )  # fmt: skip
        while images > 1 and images * band_bytes(problem, rows, channels) > most_band:
            images = ceil_div(images, 2)

        if request.threads > 1:
            images, rows, block_filters = self._shares(
                problem, request.threads, images, rows, ceil_div(block_filters, panel), panel
            )
        block_filters = filters_at_once(request.piece, images * rows * width, block_filters)
        return Blocks(
            even(problem.batch, images), even(height, rows), channels,
            min(filters, block_filters), tuning.SUM_TAPS,
        )  # fmt: skip

    def _most_pixels(self) -> int:
        """Return of how many pixels a unit is at the most, if its rows are not longer."""
        return tuning.GEMM_MOST_PIXELS

    def accuracy_of(self, plan: Plan) -> Accuracy:
        problem, blocks = plan.piece.problem, plan.blocks
        taps = blocks.channels * problem.rows.kernel * problem.columns.kernel
        return Accuracy.in_blocks(
            problem.taps, min(taps, blocks.taps), ceil_div(taps, blocks.taps),
            ceil_div(problem.in_channels_per_group, blocks.channels),
        )  # fmt: skip

    def _shares(
        self, problem: ConvProblem, threads: int, images: int, rows: int, panels: int, panel: int
    ) -> tuple[int, int, int]:
        """Return images, rows and filters of a unit with which the slowest thread is done first.

        No more of any than was given. Every thread takes as many units, so it matters that they
        come out even, and how often a band is copied or a panel packed for it; a band that is
        larger than its products is left to fewer threads.
        """
        all_panels = ceil_div(problem.out_channels_per_group, panel)

        def copies_few(rows: int, panels: int) -> bool:
            filters = min(problem.out_channels_per_group, panels * panel)
            return problem.dilation == (1, 1) or (
                copies_of_a_product(problem, rows, filters) <= tuning.MOST_COPIES_OF_A_PRODUCT
            )

        def time(images: int, rows: int, panels: int) -> float:
            units = (
                ceil_div(problem.batch, images) * problem.groups
                * ceil_div(problem.out_height, rows) * ceil_div(all_panels, panels)
            )  # fmt: skip
            filters = min(problem.out_channels_per_group, panels * panel)
            return ceil_div(units, threads) * self._unit_cycles(problem, images, rows, filters)

        choices = (
            (n, i, p)
            for i in _parts(problem.out_height, rows, threads)
            for n in (
                _parts(problem.batch, images, threads) if i == problem.out_height else (1,)
            )
            for p in _parts(all_panels, panels, threads)
            if copies_few(i, p)
        )  # fmt: skip
        given = images, rows, panels
        images, rows, panels = min(choices, key=lambda choice: time(*choice), default=given)
        return images, rows, panels * panel

    def _unit_cycles(self, problem: ConvProblem, images: int, rows: int, filters: int) -> float:
        """Return about how many cycles a unit takes, as measured in benchmarks/STUDY.md."""
        band = band_bytes(problem, rows, problem.in_channels_per_group) / problem.dtype.itemsize
        work = self._product_cycles(problem, images, rows, filters)
        return work + tuning.BAND_CYCLES * images * band + tuning.UNIT_CYCLES

    def _product_cycles(
        self, problem: ConvProblem, images: int, rows: int, filters: int
    ) -> float:  # fmt: skip
        """Return the cycles of a unit's products and of what comes with them."""
        raise NotImplementedError

    def predict(self, plan: Plan, machine: Machine) -> Prediction:
        """Return it for bands and panels, which every unit makes, and products with idle lanes."""
        piece, blocks = plan.piece, plan.blocks
        problem = piece.problem
        rows, images = (
            ceil_div(problem.out_height, blocks.rows),
            ceil_div(problem.batch, blocks.images),
        )
        filters = ceil_div(problem.out_channels_per_group, blocks.filters)
        bands = problem.batch * rows * filters  # of a group
        weights = 0 if plan.prepared else images * rows * problem.out_channels * problem.taps
        product, turn = self._predicted_steps(problem, blocks)
        prediction = predicted(
            plan, machine, images * rows * filters * problem.groups,
            waited=self._waited(problem, blocks),
            band=problem.groups * bands * self._band_steps(problem, blocks),
            pack=weights * self._packing_steps(piece), product=product,
            turn=turn, spread=spread_steps(piece),
        )  # fmt: skip
        return prediction + far_weights(plan, machine, images * rows)

    def _waited(self, problem: ConvProblem, blocks: Blocks) -> float:
        """Return the part of what goes through the caches that the kernel waits for."""
        return 1.0

    def _is_in_place(self, problem: ConvProblem, blocks: Blocks) -> bool:
        """Whether an image that is its own band is read where it lies, as the kernel decides."""
        return False

    def _band_steps(self, problem: ConvProblem, blocks: Blocks) -> float:
        """Return the steps of copying the band of a unit's rows of the output, of all channels."""
        if problem.is_pointwise and self._is_in_place(problem, blocks):
            return 0
        return problem.in_channels_per_group * copy_steps(problem, blocks.rows)

    def _packing_steps(self, piece: Piece) -> float:
        """Return the steps of bringing a weight into a panel."""
        if piece.weights is None:
            return tuning.MODEL_PACK_STEPS
        return tuning.MODEL_PACK_FAR_STEPS[vector_bytes()] + line_steps(piece)

    def _predicted_steps(self, problem: ConvProblem, blocks: Blocks) -> tuple[float, float]:
        """Return the steps of all products, and of bringing the sums into the result."""
        raise NotImplementedError

    def make_prepare(self, piece: Piece) -> Callable[[Array], Array] | None:
        return partial(self._pack, piece)

    def _pack(self, piece: Piece, weight: Array) -> Array:
        """Return the weights in panels, at the start of a cache line."""
        problem = piece.problem
        # Any units: the panels do not depend on them.
        blocks = Blocks(1, 1, problem.in_channels_per_group, problem.out_channels_per_group)
        description = Description(self.entry, piece, blocks)
        values = kernel("packed_values")(description)
        # A line more: a tile of gemm_columns reads beyond the last filters, and uses none of it.
        panels = at_line(values * problem.dtype.itemsize + LINE_BYTES).view(problem.dtype)[:values]
        kernel("pack_weights")(description, weight, panels)
        return panels


def channels_at_once(problem: ConvProblem) -> int:
    """Return of how many channels a block is, whose sums begin from zero.

    By what an output sees and the width of rows alone, so that bits depend on nothing else: neither
    batch nor threads nor lanes. What a row of the output reads of them shall fit into a band.
    """
    most = min(
        tuning.GEMM_TAPS // (problem.rows.kernel * problem.columns.kernel),
        tuning.GEMM_PIXEL_BYTES // problem.dtype.itemsize,
        tuning.GEMM_ROW_BYTES // band_bytes(problem, 1, 1),
    )
    return even(problem.in_channels_per_group, max(1, most))


def _parts(total: int, most: int, threads: int) -> Iterable[int]:
    """Return sizes, none above `most`, that cut a total into a few more parts than they have to.

    Numbers of parts next to the fewest, and those next that every thread has as many of.
    """
    fewest = ceil_div(total, most)
    even = ceil_div(fewest, threads) * threads
    return {-(-total // count) for count in (*range(fewest, fewest + 5), even, even + threads)}


class _Filters(_Product):
    """Filters in the lanes."""

    name = "gemm_filters"
    families = ("gemm",)

    def _row_values(self, piece: Piece) -> int:
        return super()._row_values(piece) + piece.problem.out_width

    def unsuited(self, request: Request) -> str | None:
        by_filters, by_pixels = _efficiency(request.problem)
        if by_filters >= by_pixels:
            return copies_too_much(request, self.blocks)
        return f"filters in the lanes would use {by_filters:.0%} of them, pixels {by_pixels:.0%}"

    def out_of_place(self, request: Request) -> str | None:
        return None

    def _is_in_place(self, problem: ConvProblem, blocks: Blocks) -> bool:
        return problem.batch % blocks.images == 0 and problem.out_height % blocks.rows == 0

    def _product_cycles(self, problem: ConvProblem, images: int, rows: int, filters: int) -> float:
        pixels = images * rows * problem.out_width
        vectors = ceil_div(filters, vector_values(problem))
        packing = tuning.PACKING_CYCLES * filters * problem.taps
        return (pixels + 3) * vectors * problem.taps + 0.3 * pixels * filters + packing

    def _predicted_steps(self, problem: ConvProblem, blocks: Blocks) -> tuple[float, float]:
        pixels = problem.batch * problem.out_height * problem.out_width
        units = ceil_div(problem.out_height, blocks.rows) * ceil_div(problem.batch, blocks.images)
        panel = self._panel_filters(problem) // vector_values(problem)
        vectors = problem.groups * lone_vectors(
            ceil_div(problem.out_channels_per_group, vector_values(problem)), panel,
            tuning.MODEL_LONE_VECTORS[vector_bytes()]["images"],
        )  # fmt: skip
        tiles = (pixels + tuning.MODEL_TILE_PIXELS[vector_bytes()] * units) * vectors
        parts = ceil_div(problem.in_channels_per_group, blocks.channels)
        turn = pixels * problem.out_channels * tuning.MODEL_TURN_STEPS
        begun = tuning.MODEL_PART_STEPS * parts * tiles
        return tiles * problem.taps / tuning.MODEL_FILTERS_PRODUCT + begun, turn


class _Pixels(_Product):
    """Pixels in the lanes."""

    name = "gemm_pixels"
    families = ("gemm_pixels",)

    def _most_pixels(self) -> int:
        return tuning.GEMM_PIXELS_UNIT_TIMES * super()._most_pixels()

    def unsuited(self, request: Request) -> str | None:
        return scales_far(request.problem) or copies_too_much(request, self.blocks)

    def out_of_place(self, request: Request) -> str | None:
        return None

    def _is_in_place(self, problem: ConvProblem, blocks: Blocks) -> bool:
        in_place: bool = kernel("pixels_in_place")(problem)
        return in_place

    def _waited(self, problem: ConvProblem, blocks: Blocks) -> float:
        if self._is_in_place(problem, blocks):
            return tuning.MODEL_IN_PLACE_WAITED[vector_bytes()]
        return super()._waited(problem, blocks)

    def _product_cycles(self, problem: ConvProblem, images: int, rows: int, filters: int) -> float:
        vectors = ceil_div(rows * _band_width(problem), vector_values(problem)) + 1
        return images * vectors * filters * problem.taps + 0.1 * filters * problem.taps

    def _packing_steps(self, piece: Piece) -> float:
        if piece.weights is None:
            return tuning.MODEL_PACK_PIXELS_STEPS
        return tuning.MODEL_PACK_PIXELS_FAR_STEPS

    def _predicted_steps(self, problem: ConvProblem, blocks: Blocks) -> tuple[float, float]:
        vector, panel = vector_values(problem), self._panel_filters(problem)
        width, outputs = _band_width(problem), problem.out_width
        parts = ceil_div(problem.in_channels_per_group, blocks.channels)
        if _runs_by_rows(problem, blocks, panel):
            vectors, across, runs = float(problem.out_height * ceil_div(outputs, vector)), 0.0, 0.0
        else:
            rows = ceil_div(problem.out_height, blocks.rows)
            positions = problem.out_height * width - rows * (width - outputs)
            whole, beside = tuning.MODEL_TILE_VECTORS[vector_bytes()]
            each = positions / rows / vector
            vectors = rows * ((math.ceil(each) if whole else each) + beside)
            across = 0.0 if width == outputs else min(1.0, _TILE_VECTORS * vector / outputs)
            # each row has a run of its own, and each tile cuts one in two
            third = vector * (1 if problem.out_channels_per_group >= panel else 2)
            tiles = vectors * vector / (_TILE_VECTORS * third)
            runs = problem.out_height + min(tiles, problem.out_height)
            # else rows follow each other, if they are as many as the smallest tile takes
            runs *= width > outputs or positions < third
        filters, rest = divmod(problem.out_channels_per_group, panel)
        rest_steps = tuning.MODEL_FEW_FILTERS_STEPS[vector_bytes()].get(rest, rest)
        if problem.in_channels_per_group == problem.out_channels_per_group == 1:
            rest_steps = tuning.MODEL_LONE_PLANE_STEPS[vector_bytes()]
        lanes = filters * panel + rest_steps
        tiles = problem.batch * problem.groups * vectors
        product = tiles * lanes * problem.taps / tuning.MODEL_PIXELS_PRODUCT
        moved = tuning.MODEL_STORE_STEPS + across * tuning.MODEL_MOVE_STEPS[vector_bytes()]
        stored = tiles * problem.out_channels_per_group * (parts * moved)
        of_filter, of_panel = tuning.MODEL_MOVE_RUN_STEPS[vector_bytes()]
        begun = of_filter * problem.out_channels_per_group + of_panel * (filters + (rest > 0))
        # stored after each block of channels, loaded before each but the first
        stored += problem.batch * problem.groups * runs * (2 * parts - 1) * begun
        return product, stored


class _Columns(_Product):
    """Pixels in the lanes, the columns of a tile packed for all filters."""

    name = "gemm_columns"
    families = ("gemm",)
    general = False

    def _row_values(self, piece: Piece) -> int:
        # the panel that is packed, that which the unit keeps, and as many columns as they have
        return 4 * super()._row_values(piece)

    def unsuited(self, request: Request) -> str | None:
        problem = request.problem
        filters, pixels = problem.out_channels_per_group, problem.out_height * problem.out_width
        fewest = tuning.COLUMNS_FEWEST_FILTERS[vector_bytes()]
        if fewest is None:
            return "of vectors of this length it was not measured"
        if problem.rows.kernel * problem.columns.kernel != 1:
            return "it packs columns, which pays for kernels of 1x1"
        fewest_pixels, fewest_channels = _fewest_for_columns(problem)
        if problem.is_pointwise:
            fewest = 1
        if filters < fewest:
            return f"it packs columns for {filters} filters, which pays from {fewest} on"
        if pixels < fewest_pixels:
            return f"{pixels} pixels are too few for the columns to pay"
        if problem.taps < fewest_channels:
            return f"{problem.taps} channels are too few for the columns to pay"
        if problem.taps > _most_for_columns(problem):
            return f"{problem.taps} channels leave filters in the lanes little to lose"
        return copies_too_much(request, self.blocks)

    def blocks(self, request: Request) -> Blocks:
        blocks = super().blocks(request)
        problem = request.problem
        panel = self._panel_filters(problem)
        taps = blocks.channels * problem.rows.kernel * problem.columns.kernel
        # panels wait in the scratch in place of sums
        most = tuning.GEMM_SUMS_BYTES // (problem.dtype.itemsize * taps * panel)
        return blocks._replace(filters=min(blocks.filters, panel * max(1, most)))

    def _product_cycles(self, problem: ConvProblem, images: int, rows: int, filters: int) -> float:
        vectors = images * (ceil_div(rows * problem.out_width, vector_values(problem)) + 1)
        packing = tuning.PACKING_CYCLES * filters * problem.taps
        return vectors * (filters / 2 + 2) * problem.taps + packing

    def _is_in_place(self, problem: ConvProblem, blocks: Blocks) -> bool:
        return True

    def _predicted_steps(self, problem: ConvProblem, blocks: Blocks) -> tuple[float, float]:
        vector = vector_values(problem)
        units = ceil_div(problem.out_height, blocks.rows) * problem.batch
        pixels = problem.out_height * problem.out_width * problem.batch
        vectors = problem.groups * (pixels / vector + units / 2)
        filters = problem.out_channels_per_group
        parts = ceil_div(problem.in_channels_per_group, blocks.channels)
        # a tile's rows, with those that hang over
        rows = kernel("panel_filters")(GEMM_PIXELS.name, problem.dtype.itemsize)
        lanes = ceil_div(filters, rows) * rows
        product = vectors * lanes * problem.taps / tuning.MODEL_COLUMNS_PRODUCT
        packed = vectors * ceil_div(filters, blocks.filters) * problem.taps
        return product + packed, tuning.MODEL_STORE_STEPS * parts * vectors * filters


def _runs_by_rows(problem: ConvProblem, blocks: Blocks, panel: int) -> bool:
    """Whether tiles of pixels cover rows one by one, and none of them goes on in the next row.

    As kernels/gemm_pixels.pxi decides, for most of the filters.
    """
    outputs, taps = problem.out_width, problem.rows.kernel * problem.columns.kernel
    long = 1 if problem.out_channels_per_group >= panel else 2
    third = long * vector_values(problem)
    whole = blocks.channels >= problem.in_channels_per_group and (
        blocks.channels * taps <= blocks.taps
    )
    enough = outputs % third == 0 or (whole and outputs >= 3 * third)
    return _band_width(problem) > outputs >= 2 * third and enough


def _fewest_for_columns(problem: ConvProblem) -> tuple[int, int]:
    """Return from how many pixels and channels on columns of 1x1 are worth being packed."""
    few = tuning.COLUMNS_FEW_FILTERS[vector_bytes()]
    few_filters = problem.out_channels_per_group <= few
    if problem.is_pointwise and few_filters:
        return tuning.COLUMNS_FEW_PIXELS, tuning.COLUMNS_FEW_CHANNELS
    by_filters, by_pixels = _efficiency(problem)
    if problem.is_pointwise and by_pixels > by_filters:
        # what would be taken is gemm_pixels, which copies the image
        return tuning.COLUMNS_FEW_PIXELS, tuning.COLUMNS_FEWEST_CHANNELS
    return tuning.COLUMNS_FEWEST_PIXELS, tuning.COLUMNS_FEWEST_CHANNELS


def _most_for_columns(problem: ConvProblem) -> float:
    """Return up to how many channels columns of 1x1 are ahead of filters in the lanes."""
    by_filters, by_pixels = _efficiency(problem)
    if by_pixels > by_filters:
        return math.inf
    lanes = vector_bytes()
    of_filters = tuning.COLUMNS_CHANNELS_OF_A_FILTER[lanes] * problem.out_channels_per_group
    return min(tuning.COLUMNS_MOST_CHANNELS[lanes], of_filters)


def _band_width(problem: ConvProblem) -> int:
    """Return the columns of a row of the band."""
    columns = problem.columns
    return columns.outputs + (columns.kernel - 1) * columns.dilation // columns.stride


def _efficiency(problem: ConvProblem) -> tuple[float, float]:
    """Return the parts of the peak that lanes of filters and lanes of pixels can reach.

    Working lanes over all lanes, times T / (T + overhead): what a tile costs beyond its taps, in
    taps. The overheads and the pixels' 0.93 (they load the image unaligned) are measured, see
    benchmarks/STUDY.md.
    """
    vector = vector_values(problem)
    filters, taps = problem.out_channels_per_group, problem.taps
    pixels = problem.out_height * problem.out_width
    vectors: float = ceil_div(filters, vector)
    if vectors % (kernel("panel_filters")("gemm_filters", problem.dtype.itemsize) // vector) == 1:
        vectors += tuning.DIRECT_LONE_VECTORS[vector_bytes()] - 1
    by_filters = filters / (vectors * vector) * taps / (taps + 24)
    values = (problem.out_height - 1) * _band_width(problem) + problem.out_width
    positions = ceil_div(values, vector) * vector
    # a tile of one or two filters loads a vector for every one or two multiply-adds
    few = {1: 0.5, 2: 0.8, 3: 0.7}.get(filters, 1.0)
    by_pixels = 0.93 * few * pixels / positions * taps / (taps + 9)
    return by_filters, by_pixels


def direct_cycles(problem: ConvProblem, *, images: int, prepared: bool) -> float:
    """Return about how many cycles the better of the two takes for some images, by one thread."""
    products = problem.flops / 2 / problem.batch * images
    weights = problem.out_channels * problem.taps
    vector, lanes = vector_values(problem), vector_bytes()
    if weights * problem.dtype.itemsize > tuning.FAR_WEIGHTS_BYTES:
        packing = tuning.FAR_WEIGHT_CYCLES[lanes] * weights
    else:
        packing = 0 if prepared else tuning.PACKING_CYCLES * weights
    reached = tuning.DIRECT_PRODUCT[lanes] * max(_efficiency(problem))
    return products / (2 * vector) / reached + packing


GEMM_FILTERS = _Filters()
GEMM_PIXELS = _Pixels()
GEMM_COLUMNS = _Columns()
