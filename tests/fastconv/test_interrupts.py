"""Every call answers Ctrl-C within a second, however long one of its units takes.

One process makes all the calls, one after another, and interrupts each as soon as it computes:

    LONG ── names and code ──▶ the process below ── names, as each call has answered ──▶ parent
              ▲                  hangs: faulthandler ends it, and tells where                │
              └──────────────────── those after the one that hung, to another ◀──────────────┘
"""

import itertools
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from unittest import mock

import numpy as np
import pytest

import fastconv
from fastconv import isa
from fastconv.algorithms.blocks import Blocks
from fastconv.algorithms.compiled import Description, kernel
from fastconv.problem import Piece, slices
from tests.support import tuned
from tests.walking import in_one_test

compiled = pytest.mark.skipif(isa.kernels is None, reason="compiled kernels")

# Units of half a minute and more on one of today's cores. Zeros, for which no memory is touched.
LONG = {
    "weight gradient": """
x, w = np.zeros((64, 8, 256, 256), np.float32), np.zeros((64, 8, 101, 101), np.float32)
dy = np.zeros((64, 64, 256, 256), np.float32)
fastconv.conv2d_backward(dy, x, w, padding=50, needs=(False, True, False))
""",
    "large kernel": """
x, w = np.zeros((1, 250, 256, 256), np.float32), np.zeros((64, 250, 201, 201), np.float32)
fastconv.conv2d(x, w, padding=100)
""",
    "large kernel, one filter": """
x, w = np.zeros((1, 4096, 300, 300), np.float32), np.zeros((1, 4096, 201, 201), np.float32)
fastconv.conv2d(x, w, padding=100)
""",
    "scattered": """
x, w = np.zeros((64, 1024, 1, 4096), np.float32), np.zeros((1024, 16, 1, 1024), np.float32)
fastconv.conv_transpose2d(x, w, stride=(1, 256))
""",
    "fewer multiplications": """
x, w = np.zeros((64, 2048, 64, 64), np.float32), np.zeros((2048, 2048, 3, 3), np.float32)
fastconv.conv2d(x, w, padding=1, backend="winograd")
""",
    "fewer multiplications, nothing finite": """
x, w = np.full((1, 1024, 128, 128), np.nan, np.float32), np.zeros((1024, 1024, 3, 3), np.float32)
fastconv.conv2d(x, w, padding=1, backend="winograd")
""",
    "fewer multiplications, weight gradient": """
x, w = np.zeros((64, 512, 128, 128), np.float32), np.zeros((512, 512, 3, 3), np.float32)
fastconv.conv2d_backward(x, x, w, padding=1, needs=(False, True, False), backend="winograd")
""",
    "fewer multiplications, weight gradient, nothing finite": """
x, w = np.full((1, 512, 128, 128), np.nan, np.float32), np.zeros((512, 512, 3, 3), np.float32)
fastconv.conv2d_backward(x, x, w, padding=1, needs=(False, True, False), backend="winograd")
""",
    "im2col": """
x, w = np.zeros((4, 3000, 64, 64), np.float32), np.zeros((3000, 3000, 3, 3), np.float32)
fastconv.conv2d(x, w, padding=1, backend="im2col")
""",
    "im2col, gradients": """
x, w = np.zeros((4, 3000, 64, 64), np.float32), np.zeros((3000, 3000, 3, 3), np.float32)
fastconv.conv2d_backward(x, x, w, padding=1, backend="im2col")
""",
    "loops": """
x, w = np.zeros((1, 4096, 300, 300), np.float32), np.zeros((1, 4096, 201, 201), np.float32)
fastconv.conv2d(x, w, padding=100, stride=2, backend="loops")
""",
    "loops, literally": """
x, w = np.zeros((64, 64, 224, 224), np.float32), np.zeros((256, 64, 3, 3), np.float32)
fastconv.conv2d(x, w, backend="loops_literal")
""",
    "weights that padding may have spoilt": """
from fastconv.mending import mender
x, dy = np.zeros((64, 64, 224, 224), np.float32), np.zeros((64, 64, 224, 224), np.float32)
x[0, 0, 0, 0] = np.nan
dw = np.full((64, 64, 3, 3), np.nan, np.float32)
problem = fastconv.ConvProblem.create(x.shape, dw.shape, padding=1)
mender("weight-grad", problem)(dy, x, None, dw, 2)
""",
    "transforms on two threads": """
x, k = np.zeros((6000, 6000), np.float32), np.zeros((32, 301, 301), np.float32)
fastconv.set_num_threads(2)
fastconv.convolve2d(x, k, "valid", backend="fft")
""",
    "squares of a large image": """
x, k = np.zeros((16000, 16000), np.float32), np.zeros((120, 120), np.float32)
fastconv.set_num_threads(1)
fastconv.convolve2d(x, k, "valid", backend="fft")
""",
    "a large image, tap by tap": """
x, k = np.zeros((16000, 16000), np.float32), np.zeros((61, 61), np.float32)
fastconv.convolve2d(x, k, "same", "symm", backend="direct")
""",
    "two passes over a large image": """
fastconv.filters.gaussian(np.zeros((16000, 16000), np.float32), 200)
""",
    "a fully connected layer": """
layer, x = fastconv.nn.Linear(4000, 4000, rng=0), np.zeros((20_000, 4000), np.float32)
layer.forward(x)
""",
    "a fully connected layer, back": """
layer, x = fastconv.nn.Linear(4000, 4000, rng=0), np.zeros((20_000, 4000), np.float32)
layer._kept = (x,)
layer.backward(x)
""",
    "two passes over a low image": """
fastconv.filters.gaussian(np.zeros((1, 40_000_000), np.float32), 300)
""",
    "a large photograph, tap by tap": """
x, k = np.zeros((16000, 16000), np.uint8), np.zeros((61, 61), np.float32)
fastconv.convolve2d(x, k, "same", "symm", backend="direct")
""",
}

# A row is at least one unit, and few rows are fewer units than threads. Of a million pixels it is
# pooled literally, of some ten thousand by the kernels.
POOLINGS = {
    "max_pool2d(x": 50_000,
    "max_pool2d_backward(x, x": 5_000,
    "avg_pool2d(x": 50_000,
    "avg_pool2d_backward(x, x": 50_000,
}
LONG |= {
    f"{call.partition('(')[0]}, rows of {width:,}": f"""
x = np.zeros((1, 1, {rows}, {width}), np.float32)
fastconv.{call}, (1, {2 * padding + 1}), stride=1, padding=(0, {padding}))
"""
    for call, padding_of_few in POOLINGS.items()
    for rows, width, padding in ((1, 1_000_000, 50_000), (50, 60_000, padding_of_few))
}

# A window as large as half the image, by each implementation.
WHOLE = {
    f"{call.partition('(')[0]}, a large window by {backend}": f"""
x = np.zeros((64, 3, 1600, 1600), np.float32)
fastconv.{call}, 801, stride=1, padding=400, backend={backend!r})
"""
    for call in POOLINGS
    for backend in ("loops", "numpy")
}
LONG |= WHOLE
if isa.kernels is None:  # in pure Python, what NumPy does in many steps
    LONG = {name: code for name, code in WHOLE.items() if "numpy" in name}


# Each call is the last line of its code, so that what goes before is not what is interrupted. It
# computes when the process has spent processor time since: on a busy machine that may be later.
INTERRUPTED = """
import faulthandler, json, os, signal, sys, threading, time
import numpy as np, fastconv

def interrupt(started):
    while time.process_time() - started < 0.05:
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGINT)

for name, code in json.load(sys.stdin).items():
    before, _, call = code.strip().rpartition("\\n")
    names = {"np": np, "fastconv": fastconv}
    exec(before, names)
    timer = threading.Thread(target=interrupt, args=(time.process_time(),))
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        timer.start()
        exec(call, names)
        outcome = "not interrupted"
    except KeyboardInterrupt:
        outcome = "KeyboardInterrupt"
    timer.join()
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps([name, outcome]), flush=True)
"""
# A second, on a machine that has eight times as much to do.
SECONDS = 8


@pytest.fixture(scope="module", autouse=True)
def _ctrl_c_is_heard():
    """Undo what a shell's "&" has done to all processes that it starts: they ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def outcomes():
    """Return how each call ended, or the traceback of where it hung."""
    found = {}
    while left := {name: code for name, code in LONG.items() if name not in found}:
        process = subprocess.run(
            [sys.executable, "-c", INTERRUPTED.replace("SECONDS", str(SECONDS))],
            input=json.dumps(left), capture_output=True, text=True, check=False,
        )  # fmt: skip
        found |= dict(map(json.loads, process.stdout.splitlines()))
        if process.returncode:
            hanging = next((name for name in left if name not in found), None)
            found[hanging] = process.stderr
    return found


@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_ends_a_call_within_a_second(name, outcomes):
    assert outcomes[name] == "KeyboardInterrupt"


@compiled
def test_ctrl_c_from_outside_ends_the_program():
    code = f"import numpy as np, fastconv\nprint('start', flush=True)\n{LONG['loops']}"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ),
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "start\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors


SLICES = slices.slices


def _ones(*shape):
    return np.ones(shape, np.float32)


X, WEIGHT, GRAD = _ones(2, 4, 12, 16), _ones(6, 4, 3, 3), _ones(2, 6, 10, 14)
OUTPUT = np.full_like(GRAD, 0.5)
_backward = partial(fastconv.conv2d_backward, GRAD, X, WEIGHT)

# What NumPy does of a call: values that do not lie as kernels read them, copies, derivatives, sums.
IN_SLICES = {
    "channels last": lambda: fastconv.conv2d(X.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2),
                                             WEIGHT),
    "byte-swapped": lambda: fastconv.conv2d(X.astype(">f4"), WEIGHT),
    "pooled, channels last": lambda: fastconv.max_pool2d(X[..., ::2], 2),
    "out, channels last": lambda: fastconv.conv2d(X, WEIGHT, out=np.asfortranarray(GRAD)),
    "pooled, out, channels last": lambda: fastconv.avg_pool2d(
        X, 2, out=np.asfortranarray(_ones(2, 4, 6, 8))
    ),
    "weights of a plan": lambda: fastconv.plan_conv2d(_ones(60, 4, 3, 3)),
    **{
        mode: partial(fastconv.conv2d, X, WEIGHT, padding=1, padding_mode=mode)
        for mode in ("reflect", "replicate", "circular")
    },
    "reflect, backward": lambda: fastconv.conv2d_backward(
        _ones(2, 6, 12, 16), X, WEIGHT, padding=1, padding_mode="reflect",
        needs=(True, False, False),
    ),
    **{
        f"{name}, backward": partial(
            _backward, activation=name, output=OUTPUT, needs=(False, False, True)
        )
        for name in ("relu", "sigmoid", "tanh")
    },
    "im2col": lambda: fastconv.conv2d(X, WEIGHT, _ones(6), activation="tanh", backend="im2col"),
    "im2col, input gradient": partial(_backward, backend="im2col", needs=(True, False, False)),
    "im2col, weight gradient": partial(_backward, backend="im2col", needs=(False, True, False)),
    "columns": lambda: fastconv.im2col(X, 3),
    "columns back": lambda: fastconv.col2im(_ones(2, 36, 140), (12, 16), 3),
    "dilation far into the padding": lambda: fastconv.conv2d(
        X, WEIGHT, dilation=30, padding=60, activation="sigmoid"
    ),
}  # fmt: skip


@in_one_test
@pytest.mark.parametrize("name", IN_SLICES)
def test_ctrl_c_ends_what_numpy_does_after_a_slice(name):
    """The signal comes when the first slice is asked for, and the second is never begun."""
    begun = []

    def interrupted(shape, itemsize):
        cut = list(SLICES(shape, itemsize))
        if len(cut) == 1:
            yield from cut
            return
        begun.append(len(cut))
        yield cut[0]
        begun.append("second")
        signal.raise_signal(signal.SIGINT)
        yield from cut[1:]

    with (
        tuned(NUMPY_BYTES_PER_STEP=256),
        mock.patch.object(slices, "slices", interrupted),
        mock.patch("fastconv.problem.padding.slices", interrupted),
        mock.patch("fastconv.conv.can_rectify", return_value=False),  # as without kernels
        pytest.raises(KeyboardInterrupt),
    ):
        IN_SLICES[name]()
    assert begun[1:] == ["second"]


@in_one_test
@pytest.mark.parametrize("name", IN_SLICES)
def test_slices_change_no_bit(name):
    whole = IN_SLICES[name]()
    for size in (1, 100, 256, 1000):
        with tuned(NUMPY_BYTES_PER_STEP=size):
            cut = IN_SLICES[name]()
        for a, b in zip(_arrays(whole), _arrays(cut), strict=True):
            np.testing.assert_array_equal(a, b)


def _arrays(result):
    if isinstance(result, fastconv.Conv2dPlan):
        result = result(X)
    return [one for one in (result if isinstance(result, tuple) else [result]) if one is not None]


@in_one_test
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (7,), (1, 5, 9), (3, 1, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("size", [1, 4, 16, 44, 10**6])
def test_slices_cover_every_value_once_in_runs(shape, size):
    with tuned(NUMPY_BYTES_PER_STEP=size):
        cut = list(slices.slices(shape, 4))
    counts = np.zeros(shape, int)
    for some in cut:
        counts[some] += 1
        assert counts[some].size * 4 <= max(size, 4)
        assert counts[some].flags.c_contiguous
    assert (counts == 1).all()
    places = np.arange(counts.size).reshape(shape)
    runs = [places[some].ravel().tolist() for some in cut]
    assert list(itertools.chain(*runs)) == list(range(counts.size))


@compiled
def test_ctrl_c_ends_the_packing_of_a_plan():
    """Signals are asked for after a twentieth of a second; all would take many of them.

    No memory of the weights is touched, and of their panels what is packed until then.
    """
    problem = fastconv.ConvProblem.create((1, 4096, 3, 3), (8192, 4096, 3, 3))
    weight = np.zeros(problem.weight_shape, np.float32)
    description = Description("gemm_filters", Piece(problem), Blocks(1, 1, 4096, 8192))
    panels = np.empty(kernel("packed_values")(description), np.float32)
    panels[-1] = np.nan

    with _interrupted_soon():
        kernel("pack_weights")(description, weight, panels)
    assert np.isnan(panels[-1])


@compiled
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ctrl_c_ends_a_step_of_descent(dtype):
    """The same, of a parameter of a gigabyte: no memory but what is moved until then."""
    values = 2**30 // np.dtype(dtype).itemsize
    w, grad, moved = np.zeros(values, dtype), np.zeros(values, dtype), np.empty(values, dtype)
    moved[-1] = np.nan
    with _interrupted_soon():
        kernel("descend")(w, grad, None, False, moved, 0.1, 0.0, 0.0, values, w.itemsize, 1)
    assert np.isnan(moved[-1])


@contextmanager
def _interrupted_soon():
    """Have a signal's handler raise what Ctrl-C does, which is to come out again."""

    def stop(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
