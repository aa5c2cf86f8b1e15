"""Convolutions drawn at random from all sizes there are: to be planned, and the lesser ones to run.

Half of the thresholds of planning are crossed by no problem that the naive reference could compute.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from fastconv import ConvProblem
from fastconv.remembering import forget_calls

Asked = TypeVar("Asked")


def planned_at_once(ask: Callable[[], Asked], what: object, seconds: float = 0.05) -> Asked:
    """Return what is planned, if that takes the processor no longer than that the first time.

    The least of three times, each with nothing remembered: others share the machine, and Python
    collects its garbage when it likes.
    """
    times = []
    for _ in range(3):
        forget_calls()
        start = time.process_time()
        answer = ask()
        times.append(time.process_time() - start)
        if times[-1] < seconds:
            return answer
    raise AssertionError(f"{what} took {min(times):.3f} s")


class _Axis(NamedTuple):
    size: int
    kernel: int
    stride: int
    dilation: int
    padding: tuple[int, int]


def random_problem(seed: int) -> ConvProblem:
    """Return a convolution of any size; the same for the same seed.

    Up to thousands of channels, images of 4096×4096 and rows of a million pixels, kernels to 33×33
    and 1×1024, strides to 512, dilations to 64.
    """
    rng = random.Random(seed)
    rows, columns = _random_axis(rng), _random_axis(rng)
    if rng.random() < 0.15:  # a sound, or a spectrum of one
        rows, columns = _Axis(1, 1, 1, 1, (0, 0)), _long_row(rng)
    groups = rng.choice((1, 1, 1, 2, _any(rng, 2048)))
    most = max(1, 4096 // groups)
    return _problem(
        rng, rows, columns, groups, rng.choice((1, 1, 3, _any(rng, most))),
        rng.choice((1, 1, 2, _any(rng, most))), rng.choice((1, 1, _any(rng, 256))),
    )  # fmt: skip


def computable_problem(seed: int) -> ConvProblem:
    """Return a convolution of 0.02 to 0.6 GFLOP: real sizes, and a fraction of a second to compute.

    The work is drawn first, so that small and large ones are as many; batch and filters follow.
    """
    rng = random.Random(seed)
    wanted = 2e7 * 30 ** (rng.random() ** 2)
    while True:
        rows, columns = _random_axis(rng, 224), _random_axis(rng, 224)
        if rng.random() < 0.1:
            rows, columns = _Axis(1, 1, 1, 1, (0, 0)), _long_row(rng, 10**5)
        groups = rng.choice((1, 1, 1, 2, _any(rng, 256)))
        channels = rng.choice((1, 1, 3, _any(rng, max(1, 512 // groups))))
        problem = _problem(rng, rows, columns, groups, channels, 1, 1)
        factor = wanted / problem.flops
        if factor < 1:
            continue
        filters = min(max(1, 1024 // groups), round(factor ** rng.random()))
        batch = max(1, round(factor / filters))
        problem = _problem(rng, rows, columns, groups, channels, filters, batch)
        quick = batch <= 256 and max(problem.bytes, problem.im2col_bytes) < 2**25  # by im2col too
        if quick and wanted / 2 < problem.flops < 2 * wanted:
            return problem


def _problem(
    rng: random.Random, rows: _Axis, columns: _Axis, groups: int, channels: int, filters: int,
    batch: int,
) -> ConvProblem:  # fmt: skip
    return ConvProblem.create(
        (batch, channels * groups, rows.size, columns.size),
        (filters * groups, channels, rows.kernel, columns.kernel),
        dtype=rng.choice(("float32", "float64")),
        stride=(rows.stride, columns.stride),
        dilation=(rows.dilation, columns.dilation),
        padding=(rows.padding, columns.padding),
        groups=groups,
    )


def _random_axis(rng: random.Random, most: int = 4096) -> _Axis:
    kernel = rng.choice((1, 3, 3, _any(rng, 33)))
    stride = rng.choice((1, 1, 1, 2, 2, 4, 16, kernel, _any(rng, 512)))
    dilation = rng.choice((1, 1, 1, 1, 2, 12, _any(rng, 64)))
    return _fitting(rng, _any(rng, most), kernel, stride, dilation)


def _long_row(rng: random.Random, most: int = 10**6) -> _Axis:
    kernel = _any(rng, 1024)
    stride = rng.choice((1, 1, 2, kernel, max(1, kernel // 4), _any(rng, 512)))
    return _fitting(rng, rng.randint(1000, most), kernel, stride, rng.choice((1, 1, _any(rng, 64))))


def _fitting(rng: random.Random, size: int, kernel: int, stride: int, dilation: int) -> _Axis:
    span = (kernel - 1) * dilation + 1
    before = rng.choice((0, span // 2, span // 2, _any(rng, 64)))
    after = rng.choice((before, before, 0))
    return _Axis(max(size, span - before - after), kernel, stride, dilation, (before, after))


def _any(rng: random.Random, most: int) -> int:
    """Return a number from 1 to `most`, small ones as likely as large ones."""
    return round(math.exp(rng.uniform(0, math.log(most))))


def dilated_problem(seed: int) -> ConvProblem:
    """Return a convolution of real size whose taps are up to 10,000 rows or columns apart.

    Its image has at least the pixels that they span, up to three times as many or a few more, some
    of them padding; the other axis is short or long, and dilated or not.
    """
    rng = random.Random(seed)
    far, other = _far_axis(rng), rng.choice((_near_axis, _near_axis, _far_axis))(rng)
    rows, columns = rng.choice(((far, other), (far, other), (other, far)))
    groups = rng.choice((1, 1, 2, _any(rng, 64)))
    return _problem(
        rng, rows, columns, groups, rng.choice((1, 2, _any(rng, 64))),
        rng.choice((1, 2, _any(rng, 256))), rng.choice((1, 4)),
    )  # fmt: skip


def _far_axis(rng: random.Random) -> _Axis:
    kernel, dilation = rng.choice((2, 3, 3, 5, _any(rng, 33))), _any(rng, 10**4)
    stride = rng.choice((1, 1, 1, 2, _any(rng, 64)))
    span = (kernel - 1) * dilation + 1
    size = span + _any(rng, 2 * span + 1000)
    return _fitting(rng, size, kernel, stride, dilation)


def _near_axis(rng: random.Random) -> _Axis:
    return _fitting(rng, _any(rng, 1000), rng.choice((1, 3, 3, 5, 7)), rng.choice((1, 1, 2)), 1)
