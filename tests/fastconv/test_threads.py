"""Thread counts: who sets them, how far they reach, and what happens after a fork."""

import multiprocessing
import threading

import numpy as np
import pytest
import threadpoolctl

import fastconv
from fastconv import isa, threads

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
    return fastconv.conv2d(x, weight, padding=1, backend=fastconv.backends()[0])


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
def test_ctrl_c_ends_a_long_call():
    """A call of minutes comes back soon after the signal."""
    import os
    import signal
    import subprocess
    import sys
    import time

    code = (
        "import numpy as np, fastconv\n"
        "x, w = np.ones((64, 64, 224, 224), np.float32), np.ones((256, 64, 3, 3), np.float32)\n"
        "print('start', flush=True)\n"
        "fastconv.conv2d(x, w, backend='loops_literal')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout.readline() == "start\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
