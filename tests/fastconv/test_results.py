"""What layers return is used again when nobody holds it any more, and never before."""

import copy
import pickle
import threading

import numpy as np
import pytest

from fastconv import nn, results
from fastconv.results import Arena, empty
from tests.comparing import assert_equal
from tests.support import tuned

pytestmark = pytest.mark.skipif(not results._COUNTS, reason="references are not counted here")

SHAPE, DTYPE = (300, 400), np.dtype(np.float32)


def _address(array):
    return array.__array_interface__["data"][0]


def _taken(arena, shape=SHAPE, dtype=DTYPE):
    with arena:
        return empty(shape, dtype)


def test_memory_comes_again_when_nobody_holds_it():
    arena = Arena()
    array = _taken(arena)
    address = _address(array)
    del array
    again = _taken(arena)
    assert _address(again) == address
    assert again.flags.owndata
    assert again.flags.carray


@pytest.mark.parametrize(
    "hold",
    [
        lambda array: array,
        lambda array: array[3:5, ::2],
        lambda array: array.T[1:][..., None],
        lambda array: [{"kept": array}],
        memoryview,
        lambda array: np.frombuffer(array, np.uint8),
    ],
)
def test_what_somebody_holds_is_left_alone(hold):
    arena = Arena()
    array = _taken(arena)
    array[...] = 7
    address, held = _address(array), hold(array)
    del array
    others = [_taken(arena) for _ in range(5)]
    assert address not in map(_address, others)
    del held


def test_two_of_a_shape_are_kept_and_no_more():
    arena = Arena()
    arrays = [_taken(arena) for _ in range(4)]
    assert len({_address(array) for array in arrays}) == 4
    assert [len(kept) for kept in arena._kept.values()] == [2]
    last = {_address(array) for array in arrays[2:]}
    del arrays
    first, second = _taken(arena), _taken(arena)
    assert {_address(first), _address(second)} == last


def test_shapes_and_dtypes_do_not_mix_and_small_arrays_are_not_kept():
    arena = Arena()
    for shape, dtype in ((SHAPE, DTYPE), (SHAPE[::-1], DTYPE), (SHAPE, np.dtype(np.float64))):
        array = _taken(arena, shape, dtype)
        assert array.shape == shape
        assert array.dtype == dtype
    assert len(arena._kept) == 3
    _taken(arena, (3, 4))
    assert len(arena._kept) == 3


def test_what_was_made_read_only_or_another_shape_meanwhile():
    arena = Arena()
    array = _taken(arena)
    array.setflags(write=False)
    del array
    array = _taken(arena)
    array[...] = 1
    array.shape = (SHAPE[0] * SHAPE[1],)
    del array
    assert _taken(arena).shape == SHAPE
    array = _taken(arena)
    assert array.flags.carray


def test_outside_of_arenas_and_in_other_threads_nothing_is_kept():
    arena = Arena()
    found = []
    with arena:
        thread = threading.Thread(target=lambda: found.append(empty(SHAPE, DTYPE)))
        thread.start()
        thread.join()
        assert not arena._kept
        with Arena():
            found.append(empty(SHAPE, DTYPE))
        assert not arena._kept
        found.append(empty(SHAPE, DTYPE))
        assert len(arena._kept) == 1
    found.append(empty(SHAPE, DTYPE))
    assert len({_address(array) for array in found}) == 4
    assert [len(kept) for kept in arena._kept.values()] == [1]


def test_an_error_leaves_the_arena():
    arena = Arena()
    with pytest.raises(MemoryError), arena:
        empty((2**44,), DTYPE)
    assert not results._entered.arenas


def test_copies_of_an_arena_keep_nothing():
    arena = Arena()
    _taken(arena)
    for other in (copy.deepcopy(arena), pickle.loads(pickle.dumps(arena))):
        assert not other._kept


def test_steps_of_training_change_nothing_that_was_kept_of_earlier_ones():
    """All that a network has returned stays as it was, with buffers and without."""

    def returned(least):
        rng = np.random.default_rng(0)
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, activation="relu", rng=rng), nn.MaxPool2d(2),
            nn.ReLU(), nn.Conv2d(4, 4, 3, rng=rng), nn.AvgPool2d(2), nn.Flatten(),
            nn.Linear(4 * 6 * 6, 20, rng=rng), nn.Linear(20, 3, rng=rng),
        )  # fmt: skip
        loss, kept = nn.SoftmaxCrossEntropy(), []
        descent = nn.SGD(network.parameters(), 0.1, momentum=0.9)
        with tuned(LEAST_KEPT_BYTES=least):
            for _ in range(5):
                x = rng.random((6, 1, 28, 28)).astype(np.float32)
                y = network.forward(x)
                loss.forward(y, [0, 1, 2, 0, 1, 2])
                dx = network.backward(loss.backward(), needs_x=True)
                grads = [parameter.grad for parameter in network.parameters()]
                descent.step()
                kept += [y, dx, *grads, *(parameter.value for parameter in network.parameters())]
        return kept

    for with_buffers, without in zip(returned(1), returned(2**60), strict=True):
        assert_equal(with_buffers, without)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_large_results_begin_at_a_cache_line(dtype):
    with tuned(RESULTS_AT_LINES_BYTES=1000):
        for rows in range(40, 60):
            array = empty((rows, 7), np.dtype(dtype))
            assert _address(array) % 64 == 0
            assert array.shape == (rows, 7)
            assert array.dtype == dtype
            assert array.flags.carray
        assert empty((2, 3), np.dtype(dtype)).flags.owndata
