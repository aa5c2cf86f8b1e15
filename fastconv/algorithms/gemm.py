"""gemm and gemm_pixels: a matrix product that reads the image, without an im2col buffer.

    y [K/groups x pixels]  =  weight [K/groups x T]  @  columns [T x pixels]

The two differ in what lies in the lanes of the vectors. Filters (kernels/gemm_filters.pxi) waste
nothing at the ends of rows and images, and the weights need packing only once; but finished sums
have to be turned over, and filters short of a whole vector leave lanes idle. Pixels
(kernels/gemm_pixels.pxi) write y as it lies and take filters one by one. `_efficiency` says which
is better for a problem: part of the peak that is left, from counting the lanes that work.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ..operands import Array
from ..parts import Part, find_parts
from ..phases import find_phases
from ..problem import ConvProblem
from .backend import Backend, Run
from .blocks import (
    FILTERS,
    PIXELS,
    Blocks,
    band_bytes,
    beyond_limit,
    ceil_div,
    even,
    make_forward,
    make_phases_run,
    make_run,
    pack,
    phases_bytes,
    scratch_bytes,
    with_bounded_results,
)  # fmt: skip
from .compiled import kernel, not_built
from .weight_grad import weight_grad, weight_grad_bytes, weight_grad_too_large

if TYPE_CHECKING:
    from ..isa.baseline import Images

__all__ = ["GEMM", "GEMM_PIXELS"]

# A unit's band and sums lie in the second-level cache, next to the weights that pass through it.
_BAND_BYTES = 384 * 1024
_SUMS_BYTES = 448 * 1024
# So many taps per block make the loading and storing of a tile's sums a small part of its work. Of
# narrow panels only as many as fit half the first-level cache, from where they are read then.
_TAPS = 512
_FEWEST_TAPS = 192
_PANEL_BYTES = 16 * 1024
# More pixels or filters to a unit save nothing any more.
_MOST_PIXELS = 896
_MOST_FILTERS = 256


def _blocks(method: str, problem: ConvProblem, threads: int) -> Blocks:
    filters, panel = problem.out_channels_per_group, _panel_filters(method, problem)
    height, width = problem.out_height, problem.out_width
    block_filters = min(filters, max(panel, _MOST_FILTERS // panel * panel))
    most_sums = _SUMS_BYTES // problem.dtype.itemsize
    pixels = min(_MOST_PIXELS, most_sums // block_filters)
    rows = min(height, max(1, pixels // width))
    images = min(problem.batch, max(1, pixels // (rows * width))) if rows == height else 1
    taps = _PANEL_BYTES // (panel * problem.dtype.itemsize)
    if not _FEWEST_TAPS <= taps <= _TAPS:
        taps = _TAPS
    channels = min(
        problem.in_channels_per_group,
        max(1, taps // (problem.kernel_height * problem.kernel_width)),
    )
    while block_filters > panel and rows * width * block_filters > most_sums:
        block_filters = ceil_div(ceil_div(block_filters, 2), panel) * panel
    while rows > 1 and band_bytes(problem, rows, 1) > _BAND_BYTES:
        rows, images = ceil_div(rows, 2), 1
    while channels > 1 and images * band_bytes(problem, rows, channels) > _BAND_BYTES:
        channels = ceil_div(channels, 2)
    while images > 1 and images * band_bytes(problem, rows, channels) > _BAND_BYTES:
        images = ceil_div(images, 2)

    if threads > 1:
        images, rows, block_filters = _shares(
            method, problem, threads, images, rows, ceil_div(block_filters, panel), panel
        )
    return Blocks(
        even(problem.batch, images), even(height, rows),
        even(problem.in_channels_per_group, channels), min(filters, block_filters),
    )  # fmt: skip


def _shares(
    method: str, problem: ConvProblem, threads: int, images: int, rows: int, panels: int, panel: int
) -> tuple[int, int, int]:
    """Return the images, rows and filters of a unit with which the slowest thread is done first.

    No more of any than was given. Every thread takes as many units, so it matters that they come
    out even, and how often a band is copied or a panel packed for it.
    """
    all_panels = ceil_div(problem.out_channels_per_group, panel)

    def parts(total: int, most: int) -> set[int]:
        fewest = ceil_div(total, most)
        return {ceil_div(total, count) for count in range(fewest, fewest + 2 * threads + 1)}

    def time(images: int, rows: int, panels: int) -> float:
        units = (
            ceil_div(problem.batch, images) * problem.groups * ceil_div(problem.out_height, rows)
            * ceil_div(all_panels, panels)
        )  # fmt: skip
        filters = min(problem.out_channels_per_group, panels * panel)
        return ceil_div(units, threads) * _unit_cycles(method, problem, images, rows, filters)

    choices = (
        (n, i, p)
        for i in parts(problem.out_height, rows)
        for n in (parts(problem.batch, images) if i == problem.out_height else {1})
        for p in parts(all_panels, panels)
    )
    images, rows, panels = min(choices, key=lambda choice: time(*choice))
    return images, rows, panels * panel


def _unit_cycles(method: str, problem: ConvProblem, images: int, rows: int, filters: int) -> float:
    """Return about how many cycles a unit takes, as measured in benchmarks/STUDY.md."""
    vector = kernel("vector_values")(problem.dtype.itemsize)
    band = band_bytes(problem, rows, problem.in_channels_per_group) / problem.dtype.itemsize
    pixels = images * rows * problem.out_width
    if method == FILTERS:
        multiply = (pixels + 3) * ceil_div(filters, vector) * problem.taps
        other = 0.3 * pixels * filters + 0.33 * filters * problem.taps
    else:
        row = (
            problem.out_width
            + (problem.kernel_width - 1) * problem.dilation[1] // problem.stride[1]
        )
        multiply = images * (ceil_div(rows * row, vector) + 1) * filters * problem.taps
        other = 0.1 * filters * problem.taps
    return multiply + other + 0.25 * images * band + 1500


@lru_cache(maxsize=256)
def _forward(method: str, problem: ConvProblem, threads: int) -> Images:
    return make_forward(method, problem, _blocks(method, problem, threads))


@lru_cache(maxsize=256)
def _phase_forward(method: str, phase: Part, threads: int) -> Images:
    assert phase.problem is not None  # make_phases_run saw to it
    if _pixels_are_better(phase.problem) and _scratch_too_large(PIXELS)(phase.problem) is None:
        method = PIXELS  # few taps are left to some phases; no weights are packed for them ahead
    blocks = _blocks(method, phase.problem, threads)
    if phase.target is not None:
        blocks = with_bounded_results(blocks, phase.problem)
    return make_forward(method, phase.problem, blocks, phase)


def _panel_filters(method: str, problem: ConvProblem) -> int:
    count: int = kernel("panel_filters")(method, problem.dtype.itemsize)
    return count


def _scratch_too_large(method: str) -> Callable[[ConvProblem], str | None]:
    """Refuse what would need more than a few MiB of scratch for its smallest blocks.

    These are a single row of the output and of a single channel: its band, which holds the rows
    from the first to the last tap, those between two dilated taps as well; the sums of a panel's
    filters; and the panel.
    """

    def unable(problem: ConvProblem) -> str | None:
        values = problem.kernel_height * problem.kernel_width
        if method == FILTERS:
            values += problem.out_width
        values *= _panel_filters(method, problem)
        needed = band_bytes(problem, 1, 1) + values * problem.dtype.itemsize
        return beyond_limit(
            f"one row of a channel reads {problem.window[0]} rows of the padded image and with its "
            "sums and weights needs a scratch of",
            needed,
        )

    return unable


def _efficiency(problem: ConvProblem) -> tuple[float, float]:
    """Return the parts of the peak that lanes of filters and lanes of pixels can reach.

    Working lanes over all lanes, times T / (T + overhead): what a tile costs beyond its taps, in
    taps. The overheads and the pixels' 0.93 (they load the image unaligned) are measured, see
    benchmarks/STUDY.md.
    """
    vector = kernel("vector_values")(problem.dtype.itemsize)
    filters, taps = problem.out_channels_per_group, problem.taps
    pixels = problem.out_height * problem.out_width
    by_filters = filters / (ceil_div(filters, vector) * vector) * taps / (taps + 24)
    width = (
        problem.out_width + (problem.kernel_width - 1) * problem.dilation[1] // problem.stride[1]
    )
    positions = ceil_div((problem.out_height - 1) * width + problem.out_width, vector) * vector
    # a tile of one or two filters loads a vector for every one or two multiply-adds
    few = {1: 0.5, 2: 0.8, 3: 0.7}.get(filters, 1.0)
    by_pixels = 0.93 * few * pixels / positions * taps / (taps + 9)
    return by_filters, by_pixels


def _pixels_are_better(problem: ConvProblem) -> str | None:
    by_filters, by_pixels = _efficiency(problem)
    if by_filters >= by_pixels:
        return None
    return f"filters in the lanes would use {by_filters:.0%} of them, pixels {by_pixels:.0%}"


def _few_filters(problem: ConvProblem) -> str | None:
    filters = problem.out_channels_per_group
    vector = kernel("vector_values")(problem.dtype.itemsize)
    if filters > vector // 2:
        return None
    return f"{filters} filters would leave most of a vector's {vector} lanes idle"


def _scratch(method: str) -> Callable[[ConvProblem, int], int]:
    """Return the function for `Backend.scratch_bytes`: a band, its sums and a panel per thread."""

    def count(problem: ConvProblem, threads: int) -> int:
        parts = find_parts(problem)
        if parts:
            return phases_bytes(parts, threads, partial(_phase_forward, method))
        return scratch_bytes(_forward(method, problem, threads), problem, threads)

    return count


def _run(method: str) -> Callable[[ConvProblem, int], Run]:
    def make(problem: ConvProblem, threads: int) -> Run:
        parts = find_parts(problem)
        if parts:
            return make_phases_run(
                parts, problem.activation, threads, partial(_phase_forward, method)
            )
        return make_run(_forward(method, problem, threads), problem, threads)

    return make


def _input_grad(method: str) -> Callable[[ConvProblem, int], Run]:
    return lambda problem, threads: make_phases_run(
        find_phases(problem), None, threads, partial(_phase_forward, method)
    )


def _input_grad_bytes(method: str) -> Callable[[ConvProblem, int], int]:
    return lambda problem, threads: phases_bytes(
        find_phases(problem), threads, partial(_phase_forward, method)
    )


def _pack(method: str) -> Callable[[ConvProblem, Array], Array]:
    return lambda problem, weight: pack(method, problem, weight)


GEMM = Backend(
    "gemm",
    "a matrix product that reads the image in place, filters in the lanes of the vectors",
    _run(FILTERS),
    _input_grad(FILTERS),
    weight_grad("weights_filters"),
    pack=_pack(FILTERS),
    unavailable=not_built,
    unable=_scratch_too_large(FILTERS),
    unsuited=_pixels_are_better,
    weight_grad_unsuited=_few_filters,
    threading="openmp",
    scratch_bytes=_scratch(FILTERS),
    input_grad_bytes=_input_grad_bytes(FILTERS),
    weight_grad_unable=weight_grad_too_large("weights_filters"),
    weight_grad_bytes=weight_grad_bytes("weights_filters"),
)

GEMM_PIXELS = Backend(
    "gemm_pixels",
    "the same product with pixels in the lanes: for few filters or few taps",
    _run(PIXELS),
    _input_grad(PIXELS),
    weight_grad("weights_pixels"),
    pack=_pack(PIXELS),
    unavailable=not_built,
    unable=_scratch_too_large(PIXELS),
    threading="openmp",
    scratch_bytes=_scratch(PIXELS),
    input_grad_bytes=_input_grad_bytes(PIXELS),
    weight_grad_unable=weight_grad_too_large("weights_pixels"),
    weight_grad_bytes=weight_grad_bytes("weights_pixels"),
)
