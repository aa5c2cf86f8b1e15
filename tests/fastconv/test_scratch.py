"""What a thread keeps from one call to the next."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastconv
from fastconv import isa, scratch
from tests.comparing import assert_equal
from tests.support import tuned

MIB = 2**20


@pytest.fixture(autouse=True)
def _nothing_is_kept_before():
    scratch._kept.buffer = None
    yield
    scratch._kept.buffer = None


def test_the_next_call_gets_what_the_last_gave_back():
    first = scratch.take(3 * MIB)
    scratch.give_back(first)
    second = scratch.take(2 * MIB)
    assert second.nbytes == 2 * MIB
    assert np.shares_memory(first, second)
    scratch.give_back(second)
    assert scratch.take(3 * MIB) is not None


def test_what_is_in_use_is_given_to_nobody_else():
    first = scratch.take(MIB)
    assert not np.shares_memory(first, scratch.take(MIB))
    scratch.give_back(first)
    taken = scratch.take(MIB)
    assert not np.shares_memory(taken, scratch.take(MIB))


def test_another_thread_has_its_own():
    first = scratch.take(MIB)
    scratch.give_back(first)
    with ThreadPoolExecutor(1) as pool:
        assert not np.shares_memory(first, pool.submit(scratch.take, MIB).result())


def test_neither_little_nor_too_much_is_kept():
    with tuned(LEAST_KEPT_BYTES=1000, KEPT_SCRATCH_BYTES=MIB), fastconv.num_threads(1):
        for size in (999, MIB + 1):
            scratch.give_back(scratch.take(size))
            assert scratch._kept.buffer is None
        scratch.give_back(scratch.take(MIB))
        assert scratch._kept.buffer.nbytes == MIB


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
def test_nothing_of_one_call_is_seen_by_the_next():
    rng = np.random.default_rng(0)
    shapes = [
        ((2, 64, 28, 28), (48, 64, 3, 3)), ((2, 40, 33, 33), (24, 40, 3, 3)),
        ((2, 128, 9, 9), (100, 128, 3, 3)),
    ]  # fmt: skip
    layers = [tuple(rng.standard_normal(shape, np.float32) for shape in pair) for pair in shapes]
    alone = []
    for x, w in layers:
        scratch._kept.buffer = None
        alone.append(fastconv.conv2d(x, w, padding=1))
    scratch.give_back(np.full(8 * MIB, 0xFF, np.uint8))  # as floats, NaN
    for _ in range(2):
        for (x, w), wanted in zip(layers, alone, strict=True):
            assert_equal(fastconv.conv2d(x, w, padding=1), wanted)
        assert scratch._kept.buffer is not None
