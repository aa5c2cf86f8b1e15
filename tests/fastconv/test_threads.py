"""Thread counts: who sets them, how far they reach, and what happens after a fork."""

import multiprocessing
import os
import subprocess
import sys
import threading
from itertools import product

import numpy as np
import pytest
import threadpoolctl

import fastconv
from fastconv import isa, threads
from fastconv.algorithms import loops
from tests.comparing import assert_equal
from tests.support import EDGE_CASES, forget_calls, integer_operands, integer_truth, tuned

COMPILED = "im2col" if isa.kernels is None else "loops"
compiled = pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")


@pytest.fixture(autouse=True)
def _as_before(monkeypatch):
    monkeypatch.setattr(threads, "_of_process", None)


@compiled
def test_set_and_get():
    most = fastconv.get_num_threads()
    fastconv.set_num_threads(1)
    assert fastconv.get_num_threads() == 1
    fastconv.set_num_threads(10_000)
    assert fastconv.get_num_threads() == most


@compiled
def test_the_context_wins_and_ends():
    before = fastconv.get_num_threads()
    with fastconv.num_threads(1):
        assert fastconv.get_num_threads() == 1
        with fastconv.num_threads(2):
            assert fastconv.get_num_threads() == min(2, before)
        assert fastconv.get_num_threads() == 1
    assert fastconv.get_num_threads() == before


@compiled
def test_the_context_belongs_to_its_thread():
    seen = []
    with fastconv.num_threads(1):
        worker = threading.Thread(target=lambda: seen.append(fastconv.get_num_threads()))
        worker.start()
        worker.join()
    assert seen == [fastconv.get_num_threads()]


def test_the_context_ends_on_an_error():
    before = fastconv.get_num_threads()
    with pytest.raises(RuntimeError), fastconv.num_threads(1):
        raise RuntimeError
    assert fastconv.get_num_threads() == before


@compiled
def test_threadpoolctl_limits_apply():
    with threadpoolctl.threadpool_limits(1):
        assert fastconv.get_num_threads() == 1


def test_small_work_wakes_nobody():
    assert threads.threads_for(1000) == 1
    assert threads.threads_for(10**9) == fastconv.get_num_threads()


def _convolve(x, weight):
    return fastconv.conv2d(x, weight, padding=1, backend=COMPILED)


def _in_child(queue, x, weight):
    queue.put((fastconv.get_num_threads(), _convolve(x, weight)))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
def test_a_forked_child_runs_serial_and_correct():
    """GNU's OpenMP would wait for ever for the threads that the parent started."""
    x = np.random.default_rng(0).random((2, 16, 64, 64), np.float32)
    weight = np.ones((16, 16, 3, 3), np.float32)
    expected = _convolve(x, weight)  # the parent's threads exist now
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, x, weight))
    child.start()
    count, result = queue.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0
    assert count == 1
    np.testing.assert_array_equal(result, expected)


def test_calls_from_many_threads_at_once():
    x = np.random.default_rng(0).random((1, 8, 40, 40), np.float32)
    weight = np.ones((8, 8, 3, 3), np.float32)
    expected = _convolve(x, weight)
    results = [None] * 8

    def work(position):
        results[position] = _convolve(x, weight)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


@compiled
def test_a_single_large_plane_can_be_interrupted_too(monkeypatch):
    """Pieces are rows, not planes: one image with one kernel is many of them."""
    pieces = []
    kernel = loops.kernel("forward_parallel")
    monkeypatch.setattr(loops, "kernel", lambda name: lambda *a: (pieces.append(a), kernel(*a)))
    x, weight = np.ones((1, 1, 600, 600), np.float32), np.ones((1, 1, 31, 31), np.float32)
    with forget_calls():
        fastconv.conv2d(x, weight, backend="loops")
    assert len(pieces) >= 3


@compiled
@pytest.mark.parametrize(
    ("name", "most"), [("loops", None), ("loops_rows", 1), ("loops_literal", 1)]
)
def test_the_kernels_get_the_threads_that_are_promised(name, most, monkeypatch):
    counts = []
    original = loops.kernel

    def spy(kernel_name):
        kernel = original(kernel_name)
        return lambda *arguments: (counts.append(arguments[-1]), kernel(*arguments))

    monkeypatch.setattr(loops, "kernel", spy)
    x, weight = np.ones((1, 4, 256, 256), np.float32), np.ones((4, 4, 3, 3), np.float32)
    with forget_calls():
        fastconv.conv2d(x, weight, padding=1, backend=name)
        fastconv.conv2d_backward(x, x, weight, padding=1, backend=name)
    expected = fastconv.get_num_threads() if most is None else most
    assert len(counts) >= 3
    assert counts == [expected] * len(counts)


SAME_BITS = """
import hashlib, numpy as np, fastconv
rng = np.random.default_rng(0)
digest = hashlib.sha256()
for dtype in (np.float32, np.float64):
    for groups, stride in ((1, 1), (4, 2)):
        x = rng.standard_normal((3, 16, 37, 41)).astype(dtype)
        w = rng.standard_normal((24, 16 // groups, 3, 3)).astype(dtype)
        options = {"padding": 1, "groups": groups, "stride": stride}
        y = fastconv.conv2d(x, w, activation="tanh", backend="loops", **options)
        grads = fastconv.conv2d_backward(y, x, w, backend="loops", **options)
        for array in (y, *grads, fastconv.conv2d(x, w, backend="gemm", **options)):
            digest.update(array.tobytes())
print(fastconv.get_num_threads(), digest.hexdigest())
"""


@compiled
@pytest.mark.skipif(isa.kernels is None or not isa.kernels.has_openmp(), reason="no OpenMP")
def test_compiled_backends_give_the_same_bits_for_any_thread_count():
    """Forward and all gradients; more threads than cores, too."""
    outputs = {}
    for count in (1, 2, 3, 7):
        process = subprocess.run(
            [sys.executable, "-c", SAME_BITS],
            env={**os.environ, "OMP_NUM_THREADS": str(count)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        threads_used, outputs[count] = process.stdout.split()
        assert int(threads_used) == count
    assert len(set(outputs.values())) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_im2col_is_exact_on_any_number_of_blas_threads(dtype):
    """The processes of `python -m pytest` have one each (tests/conftest.py), as does this one."""
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 3, (2, 40, 30, 31)).astype(dtype)
    weight = rng.integers(-2, 3, (50, 40, 3, 3)).astype(dtype)
    results = []
    for count in (1, 2):
        with threadpoolctl.threadpool_limits(count, user_api="blas"):
            y = fastconv.conv2d(x, weight, padding=1, backend="im2col")
            grads = fastconv.conv2d_backward(x[:, :1].repeat(50, 1), x, weight, padding=1,
                                             backend="im2col")  # fmt: skip
        results.append((y, *grads))
    expected = fastconv.conv2d(x, weight, padding=1, accuracy="strict")
    for one, two in zip(*results, strict=True):
        assert_equal(one, two)
    assert_equal(results[0][0], expected)


@compiled
@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system"
)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_was_forked_before_the_import_is_serial_as_well(monkeypatch):
    process = multiprocessing.process
    monkeypatch.setattr(process, "current_process", lambda: ForkProcess())
    assert threads._born_by_fork()
    monkeypatch.undo()
    assert not threads._born_by_fork()


class ForkProcess:
    """Named as multiprocessing names its own."""


@compiled
@pytest.mark.parametrize("flops", [1, 5_000])
def test_steps_cover_the_whole_whatever_their_size(flops):
    with tuned(FLOPS_PER_STEP=flops, LOOP_FLOPS_PER_STEP=flops, FLOPS_WORTH_A_THREAD=1):
        for case, backend in product(EDGE_CASES, ("loops", "auto")):
            data = integer_operands(case, "float32")
            truth, grads = integer_truth(case)
            if case.options.get("activation") in ("sigmoid", "tanh"):
                continue
            options = {**case.options, "backend": backend}
            y = fastconv.conv2d(data.x, data.weight, data.bias, **options)
            assert_equal(y, truth, case.name)
            output = y if "activation" in case.options else None
            actual = fastconv.conv2d_backward(
                data.grad_output, data.x, data.weight, output=output, **options
            )
            for got, expected in zip(actual, grads, strict=True):
                assert_equal(got, expected, case.name)


@compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", ["gemm", "gemm_pixels", "depthwise", "loops"])
def test_bits_depend_neither_on_the_batch_nor_on_the_rows_beside(backend, dtype):
    """Single filters and odd sizes: the tiles whose sums a compiler is tempted to reorder."""
    rng = np.random.default_rng(0)
    for filters in (1, 2, 9):
        x = rng.standard_normal((8, 2, 6, 4)).astype(dtype)
        weight = rng.standard_normal((filters, 2, 3, 3)).astype(dtype)
        whole = fastconv.conv2d(x, weight, backend=backend)
        for i in range(8):
            one = fastconv.conv2d(x[i : i + 1], weight, backend=backend)
            np.testing.assert_array_equal(one, whole[i : i + 1])
        top = fastconv.conv2d(x[:, :, :3], weight, backend=backend)
        np.testing.assert_array_equal(top, whole[:, :, :1])


@compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", ["gemm", "gemm_pixels", "depthwise"])
def test_bits_of_an_input_gradient_do_not_depend_on_the_batch(backend, dtype):
    rng = np.random.default_rng(0)
    for stride in (1, 2, 3):
        weight = rng.standard_normal((6, 5, 3, 3)).astype(dtype)
        x = rng.standard_normal((8, 5, 11, 10)).astype(dtype)
        options = {"stride": stride, "needs": (True, False, False), "backend": backend}
        shape = fastconv.conv2d(x, weight, stride=stride).shape
        grad = rng.standard_normal(shape).astype(dtype)
        whole = fastconv.conv2d_backward(grad, x, weight, **options).x
        for i in range(8):
            one = fastconv.conv2d_backward(grad[i : i + 1], x[i : i + 1], weight, **options).x
            np.testing.assert_array_equal(one, whole[i : i + 1])


@compiled
@pytest.mark.parametrize("backend", ["gemm", "gemm_pixels", "depthwise"])
def test_bits_of_gradients_do_not_depend_on_the_threads(backend):
    """Few weights and many pixels, so that the pixels are cut into parts; and many weights."""
    rng = np.random.default_rng(0)
    for x_shape, weight_shape in [
        ((2, 3, 150, 150), (16, 3, 3, 3)),
        ((1, 200, 9, 9), (150, 200, 3, 3)),
        ((4, 40, 40, 40), (40, 1, 5, 5)),
    ]:
        groups = x_shape[1] // weight_shape[1]
        x = rng.standard_normal(x_shape, np.float32)
        weight = rng.standard_normal(weight_shape, np.float32)
        shape = fastconv.conv2d(x, weight, groups=groups).shape
        grad = rng.standard_normal(shape, np.float32)
        results = []
        for count in (1, 2, 5):
            with fastconv.num_threads(count):
                results.append(
                    fastconv.conv2d_backward(grad, x, weight, groups=groups, backend=backend)
                )
        for other in results[1:]:
            for one, two in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(one, two)
