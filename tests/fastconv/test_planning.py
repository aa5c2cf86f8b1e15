"""Planning asked about problems far larger than any test could compute.

Whatever halves, walks or counts while a call is laid out has to end, soon, for every size there is:
the worst fault so far, a weight gradient that never returned, hid behind a threshold that no small
problem crosses.
"""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest

import fastconv
from fastconv import isa, planning, tuning
from fastconv.algorithms.compiled import kernel
from fastconv.algorithms.pooling import plan_pool
from fastconv.problem import PoolProblem
from fastconv.problem.axis import ceil_div
from tests.large_problems import dilated_problem, planned_at_once, random_problem
from tests.walking import in_one_test

DIRECTIONS = ("forward", "input-grad", "weight-grad")
MIB = 2**20

# A unit of these weight gradients has a single channel whose kernel alone is beyond what a block
# of taps should be: there is nothing left to halve.
KERNELS_BEYOND_A_BLOCK = {
    "patch embedding": ((8, 3, 224, 224), (64, 3, 16, 16), {"stride": 16}),
    "one channel": ((1, 1, 100, 100), (1, 1, 15, 15), {}),
    "few filters": ((1, 1, 28, 28), (8, 1, 21, 21), {"padding": 10}),
    "audio filters": ((4, 1, 1, 16_000), (32, 1, 1, 251), {}),
    "depthwise": ((2, 4, 64, 64), (4, 1, 31, 31), {"groups": 4, "padding": 15}),
}

# Where planning once walked over what may be millions: strides, rows, empty batches.
WALKS = {
    "kernel as wide as the stride": ((1, 1, 800, 800), (1, 1, 400, 400), {"stride": 400}),
    "a stride of a million": ((1, 1, 10**6, 10**6), (1, 1, 1, 1), {"stride": 10**6}),
    "the largest stride": ((1, 1, 7, 7), (1, 1, 3, 3), {"stride": 2**31 - 1}),
    "many sizes at stride 32": ((1, 8, 640, 640), (8, 8, 3, 3), {"stride": 32}),
    "a million dilated rows": ((1, 1, 10**6, 3), (1, 1, 3, 3), {"dilation": 2, "padding": 2}),
    "the largest dilation": (
        (0, 1, 1, 1), (1, 1, 2, 1), {"dilation": 2**31 - 1, "padding": (2**31 - 1, 0)}
    ),
    "a trillion filters": ((1, 1, 28, 28), (10**12, 1, 3, 3), {}),
    "a long dilated kernel": (
        (1, 1, 1, 9), (1, 1, 1, 10**6), {"dilation": 3, "padding": 3 * 10**6}
    ),
}  # fmt: skip


@in_one_test
@pytest.mark.parametrize("name", KERNELS_BEYOND_A_BLOCK)
@pytest.mark.parametrize(
    "backend", ["auto", *(name for name in fastconv.backends() if name != "winograd")]
)
def test_the_weight_gradient_of_a_large_kernel_is_planned(name, backend):
    x_shape, weight_shape, options = KERNELS_BEYOND_A_BLOCK[name]
    explanation = fastconv.explain(
        x_shape, weight_shape, direction="weight-grad", backend=backend, **options
    )
    assert explanation.scratch_bytes < 66 * MIB


@in_one_test
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", WALKS)
def test_planning_does_not_walk(name, direction):
    x_shape, weight_shape, options = WALKS[name]
    ask = partial(fastconv.explain, x_shape, weight_shape, direction=direction, **options)
    planned_at_once(ask, name, seconds=0.25)  # all backends are asked


def _limit(problem, plan, threads):
    """Return what a plan's scratch may be at the most: documented in tuning.py and README."""
    if plan.threads is None:  # im2col: its columns, and a product of the size of the weights
        weights = problem.out_channels * problem.taps * problem.dtype.itemsize
        return 64 * MIB + max(weights, problem.out_channels * problem.dtype.itemsize)
    # The smallest blocks, results that are spread, what hangs over; copies of a weight gradient.
    return threads * (4 + 4 + 0.5) * MIB + 2 * MIB


@in_one_test
@pytest.mark.parametrize("threads", [1, 2, 64])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("block", range(4))
def test_every_size_is_planned_at_once_and_within_the_limits(block, direction, threads):
    """Each thread count and direction sees its own problems: 5,100 in every direction."""
    first = ((DIRECTIONS.index(direction) * 3 + [1, 2, 64].index(threads)) * 4 + block) * 425
    for seed in range(first, first + 425):
        problem = random_problem(seed)
        ask = partial(planning.plan, direction, problem, "auto", threads)
        plan = planned_at_once(ask, (problem, direction, seed))
        assert plan.scratch_bytes <= _limit(problem, plan, threads), (problem, seed, plan.leaf)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_who_computes_it_is_a_question_of_the_problem_alone(direction):
    """Of one image, but for weight gradients, and not of threads: others sum in another order."""
    dilated = fastconv.ConvProblem.create((1, 8, 232, 232), (3, 8, 3, 3), dilation=100)
    for problem in (dilated, *(random_problem(seed) for seed in range(20_000, 20_120))):
        batches = (problem.batch,) if direction == "weight-grad" else (1, 3)
        found = {
            tuple(leaf.implementation.name for leaf in _leaves(plan))
            for batch in batches
            for threads in (1, 2, 16)
            for plan in [planning.plan(direction, replace(problem, batch=batch), "auto", threads)]
        }
        assert len(found) == 1, (problem, found)


def _leaves(plan):
    return [leaf for piece in plan.pieces for leaf in _leaves(piece)] or [plan]


def _copies_and_products(leaf):
    """Return the values of a channel that all units of a plan copy, and the products they make."""
    problem, blocks, name = leaf.piece.problem, leaf.blocks, leaf.implementation.name
    if name in (
        "gemm_filters", "gemm_columns", "gemm_pixels", "stencil_rows", "weights_filters",
        "weights_pixels",
    ):  # fmt: skip
        of_unit = kernel("band_values")(problem, blocks.rows)
        units = ceil_div(problem.out_height, blocks.rows)
    elif name == "stencil_large":
        _, lanes = kernel("tile_shape")(problem.rows.kernel, problem.dtype.itemsize)
        of_unit = blocks.rows + problem.rows.kernel - 1
        of_unit *= lanes + (problem.columns.kernel - 1) * problem.dilation[1]
        units = ceil_div(problem.out_height, blocks.rows) * ceil_div(problem.out_width, lanes)
    elif name == "gemm_scatter":  # of its image, which is the gradient
        of_unit = 1
        for axis, block in ((problem.rows, blocks.rows), (problem.columns, blocks.columns)):
            of_unit *= min(axis.outputs, block + (axis.span - 1) // axis.stride)
        units = ceil_div(problem.out_height, blocks.rows)
        units *= ceil_div(problem.out_width, blocks.columns)
    else:
        return 0, 0
    filters = ceil_div(problem.out_channels_per_group, blocks.filters)
    rows = ceil_div(problem.out_height, blocks.rows)
    products = rows * blocks.rows * problem.out_width * filters * blocks.filters
    taps = problem.rows.kernel * problem.columns.kernel
    return of_unit * units * filters, products * taps


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("block", range(4))
def test_units_copy_a_few_times_the_image_however_far_apart_taps_are(block, direction):
    """Or, if scratch sets a limit, no more than costs less than the products made of it."""
    times = []
    for seed in range(block * 150, block * 150 + 150):
        problem = dilated_problem(seed)
        names = [one.name for one in planning.IMPLEMENTATIONS[direction] if seed % 4 == 0]
        for name in ("auto", *names):
            for threads in (1, 2, 64) if name == "auto" else (2,):
                plan = planning.ask(direction, problem, name, threads, forced=False)
                if isinstance(plan, planning.Refusal):
                    continue
                for leaf in _leaves(plan):
                    copied, products = _copies_and_products(leaf)
                    piece = leaf.piece.problem
                    image = max(
                        piece.rows.padded * piece.columns.padded, piece.out_height * piece.out_width
                    )
                    few = copied <= max(5 * image, tuning.MOST_COPIES_OF_A_PRODUCT * products)
                    assert few, (f"{copied / image:.0f} times", seed, threads, piece, leaf.blocks)
                    times.append(copied / image)
    assert sum(n > 5 for n in times) < 0.2 * len(times)


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
@pytest.mark.parametrize("direction", ["max-pool-grad", "avg-pool-grad"])
def test_units_of_a_pooling_overlap_a_few_times_however_far_apart_taps_are(direction):
    for dilation in (1, 100, 1000, 10_000):
        problem = PoolProblem.create((1, 1, 10**6, 3), (3, 1), stride=1, dilation=(dilation, 1))
        for threads in (1, 2, 64):
            blocks = plan_pool(direction, problem, "loops", threads).blocks
            units = ceil_div(problem.rows.size, blocks.rows)
            assert units * (blocks.rows + problem.rows.span) < 5 * problem.rows.size


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_the_random_problems_are_of_every_size():
    problems = [random_problem(seed) for seed in range(5000)]

    def count(condition):
        return sum(map(condition, problems))

    assert count(lambda p: p.in_channels > 1000) > 100
    assert count(lambda p: p.width > 500_000) > 100
    assert count(lambda p: min(p.height, p.width) > 2000) > 20
    assert count(lambda p: p.kernel_width > 500) > 30
    assert count(lambda p: max(p.stride) > 100) > 100
    assert count(lambda p: max(p.dilation) > 30) > 100
    every = {
        implementation.name
        for implementations in planning.IMPLEMENTATIONS.values()
        for implementation in implementations
        if implementation.families and implementation.name not in ("loops_rows", "loops_literal")
    }
    rare = {"stencil_spread", "weights_slide", "weights_rows", "stencil_slide", "weights_taps"}
    rare |= {name for name in every if "winograd" in name}  # they have files of their own
    if isa.name == "baseline":
        rare |= {"gemm_columns", "weights_planes"}  # they were not measured there
    if isa.name == "avx512":
        rare |= {"stencil_phases"}  # for four filters of a group and more
    left = every - rare
    for problem, direction in product(problems[:1000], DIRECTIONS):
        if not left:
            break
        left.discard(planning.plan(direction, problem, "auto", 2).leaf.implementation.name)
    assert not left


def test_what_is_planned_for_an_empty_batch_holds_nothing():
    explanation = fastconv.explain((0, 3, 64, 64), (8, 3, 3, 3), padding_mode="reflect", padding=1)
    assert explanation.scratch_bytes == 0
    y = fastconv.conv2d(np.empty((0, 3, 64, 64)), np.ones((8, 3, 3, 3)))
    assert y.shape == (0, 8, 62, 62)


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_what_only_scales_pixels_is_left_to_loops_where_copies_would_not_pay(monkeypatch):
    monkeypatch.setattr(tuning, "RECKONED_VECTOR_BYTES", ())  # by the rules alone
    monkeypatch.setattr(tuning, "SLIDE_FAR_BYTES", 200_000)
    near, far = (
        fastconv.ConvProblem.create((1, 16, side, side), (16, 1, 1, 1), groups=16)
        for side in (32, 64)
    )
    for problem, names in ((near, ["stencil_rows"] * 2), (far, ["loops"] * 2)):
        for operation, name in zip(("forward", "input-grad"), names, strict=True):
            leaf = planning.plan(operation, problem, "auto", 1).leaf
            assert leaf.implementation.name == name
        plan = planning.plan("weight-grad", problem, "auto", 1)
        assert plan.implementation.name == "loops"


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_three_filters_of_threes_go_to_the_stencil_unless_channels_are_many(monkeypatch):
    monkeypatch.setattr(tuning, "RECKONED_VECTOR_BYTES", ())  # by the rules alone
    monkeypatch.setattr(tuning, "STENCIL_THREES_CHANNELS", 4)
    for channels, filters, side, stencil in (
        (4, 3, 3, True), (5, 3, 3, False), (4, 4, 3, False), (4, 3, 5, False),
    ):  # fmt: skip
        problem = fastconv.ConvProblem.create(
            (1, channels, 56, 56), (filters, channels, side, side), padding=side // 2
        )
        name = planning.plan("forward", problem, "auto", 1, accuracy="strict").implementation.name
        assert (name == "stencil_rows") is stencil, (channels, filters, side)
