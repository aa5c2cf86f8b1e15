"""Cutting a problem into units: what several kernels share of it.

None of the blocks of an image's kernel changes a bit of the result but those of channels and taps,
which therefore follow from the problem alone. A unit is what a thread takes at a time, so there are
several for every thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from .. import tuning
from ..problem import ConvProblem, Piece
from ..problem.axis import Axis, ceil_div
from .compiled import kernel
from .implementation import Request

__all__ = [
    "Blocks",
    "band_bytes",
    "ceil_div",
    "copies_of_a_product",
    "copies_too_much",
    "cut_rows",
    "even",
    "fewest_rows",
    "filters_at_once",
    "lies_far",
    "many_filters",
    "more_rows",
    "only_scales",
    "planes_of_unit",
    "scales_far",
    "wanted_units",
]


class _Banded(Protocol):
    """What blocks say of the units of a kernel that copies bands."""

    @property
    def rows(self) -> int: ...
    @property
    def filters(self) -> int: ...


class Blocks(NamedTuple):
    """How much of a problem one unit computes.

    Attributes
    ----------
    images : int
        More than one where a whole image has few pixels. Where a stencil slides: planes.
    rows : int
        Of the output: those that a band of the image is copied for, unless it is read in place.
    channels : int
        Of the group, copied at a time.
    filters : int
        Of the group.
    taps : int
        Summed from zero at a time, or 0 where a sum is not cut.
    far : bool
        Whether a stencil that slides brings its rows near first: see `lies_far`.
    """

    images: int
    rows: int
    channels: int
    filters: int
    taps: int = 0
    far: bool = False


def lies_far(problem: ConvProblem) -> bool:
    """Whether image and result are so large that strips of them would wait for memory, row by row.

    It changes no bit of the result.
    """
    return problem.bytes > tuning.SLIDE_FAR_BYTES


def only_scales(problem: ConvProblem) -> bool:
    """Whether an output is one pixel times one weight."""
    return problem.taps == problem.out_channels_per_group == 1 and problem.stride == (1, 1)


def scales_far(problem: ConvProblem) -> str | None:
    """Return why plain loops scale an image that lies in memory, or None, whatever the batch."""
    if only_scales(problem) and lies_far(replace(problem, batch=1)):
        return "each pixel is read once, whoever does it, and plain loops copy none"
    return None


def many_filters(piece: Piece, most: int) -> str | None:
    """Return why a stencil is unsuited for more filters of a group than so many, or None."""
    filters = piece.problem.out_channels_per_group
    if filters <= most:
        return None
    return f"it reads the image once for each filter, and a group has {filters}"


def filters_at_once(piece: Piece, pixels: int, filters: int) -> int:
    """Return of how many filters a unit of so many pixels is: fewer if results wait to be spread.

    They do where a piece's output is not dense, in a scratch of their own.
    """
    most_values = tuning.MOST_SCRATCH_BYTES // piece.problem.dtype.itemsize
    while piece.output is not None and filters > 1 and pixels * filters > most_values:
        filters = ceil_div(filters, 2)
    return filters


def even(total: int, part: int) -> int:
    """Return a part no larger, of which so many as before make the total with little left over."""
    return ceil_div(total, ceil_div(total, part))


def fewest_rows(rows: Axis, columns: Axis) -> int:
    """Return how few rows a unit may have, if taps are apart: half of those that hang over.

    Between the taps of a dilated kernel a band has pixels that no tap of its first row reads. They
    are there for the rows that follow; where a unit has few of these, most is copied for nothing,
    again in every unit. However large the band, fewer rows would hardly make it smaller.

        3 taps, dilation 1000     1 row: 3 of the 2001 copied are read     1000: 3000 of 3000
    """
    if rows.dilation == columns.dilation == 1:
        return 1
    over = (rows.kernel - 1) * rows.dilation // rows.stride
    return min(rows.outputs, max(1, over // 2))


def more_rows(problem: ConvProblem, rows: int, filters: int, bytes_of: Callable[[int], int]) -> int:
    """Return of how many rows a unit is, instead of so few that copying would rival its work.

    As many more as it takes, and as fit into the scratch, of which a unit of so many takes
    `bytes_of(rows)`.
    """
    fewest = fewest_rows(problem.rows, problem.columns)
    while (
        rows < fewest
        and copies_of_a_product(problem, rows, filters) > tuning.FEW_COPIES_OF_A_PRODUCT
        and bytes_of(min(2 * rows, fewest)) <= tuning.MOST_SCRATCH_BYTES
    ):
        rows = min(2 * rows, fewest)
    return rows


def copies_too_much(request: Request, blocks_of: Callable[[Request], _Banded]) -> str | None:
    """Return why units that copy a band are unsuited, or None: if it is larger than their work.

    It is asked of the units of one thread and one image, since others sum in another order: which
    one it is shall not depend on either.
    """
    problem = request.problem
    if problem.dilation == (1, 1):
        return None
    if request.operation == "forward":
        problem = replace(problem, batch=1)
    one_image = request._replace(threads=1, piece=replace(request.piece, problem=problem))
    blocks = blocks_of(one_image)
    copies = copies_of_a_product(problem, blocks.rows, blocks.filters)
    if copies <= tuning.MOST_COPIES_OF_A_PRODUCT:
        return None
    return (
        f"with taps {problem.dilation} apart it would copy {copies:.0f} values of the image, most "
        "of which are not read, for every product"
    )


def copies_of_a_product(problem: ConvProblem, rows: int, filters: int) -> float:
    """Return the values of a band of so many output rows by the products that are made of it."""
    taps = problem.rows.kernel * problem.columns.kernel
    values: int = kernel("band_values")(problem, rows)
    return values / (rows * problem.out_width * taps * filters)


def wanted_units(threads: int) -> int:
    """Return how many units of a stencil there should be."""
    return tuning.UNITS_PER_THREAD * threads if threads > 1 else 1


def cut_rows(
    problem: ConvProblem, threads: int, height: int,
    bytes_of: Callable[[ConvProblem, int], int], least: int = 1,
) -> int:  # fmt: skip
    """Return of how many of `height` rows a stencil's unit is; `bytes_of` says what they read."""
    rows = height
    fewest = max(tuning.STENCIL_FEWEST_ROWS, fewest_rows(problem.rows, problem.columns))
    while rows > fewest and bytes_of(problem, rows) > tuning.STENCIL_ROWS_BYTES:
        rows = ceil_div(rows, 2)
    while rows > least and bytes_of(problem, rows) > tuning.MOST_SCRATCH_BYTES:
        rows = ceil_div(rows, 2)
    planes = problem.batch * problem.groups
    wanted = wanted_units(threads)
    while rows > fewest and planes * ceil_div(height, rows) < wanted:
        rows = ceil_div(rows, 2)
    return even(height, rows)


def planes_of_unit(problem: ConvProblem, threads: int, pixels: int) -> int:
    """Return how many planes of so many pixels a stencil's unit takes together."""
    planes = problem.batch * problem.groups
    return max(1, min(tuning.SLIDE_UNIT_PIXELS // pixels, planes // wanted_units(threads)))


def band_bytes(problem: ConvProblem, rows: int, channels: int, vector: int = 1) -> int:
    """Return what the band of so many output rows takes, its rows in whole vectors."""
    values: int = kernel("band_values")(problem, rows, vector)
    return values * channels * problem.dtype.itemsize
