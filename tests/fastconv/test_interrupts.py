"""Every call answers Ctrl-C within a second, however long one of its units takes.

One process makes all the calls, one after another, and interrupts each as soon as it computes:

    LONG ── names and code ──▶ the process below ── names, as each call has answered ──▶ parent
              ▲                  hangs: faulthandler ends it, and tells where                │
              └──────────────────── those after the one that hung, to another ◀──────────────┘
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from fastconv import isa

pytestmark = pytest.mark.skipif(isa.kernels is None, reason="compiled kernels")

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


# Each call is the last line of its code, so that what goes before is not what is interrupted. It
# computes when the process has spent processor time since: on a busy machine that may be later.
INTERRUPTED = """
import faulthandler, json, os, signal, sys, threading, time
import numpy as np, fastconv

def interrupt(started):
    while time.process_time() - started < 0.1:
        time.sleep(0.005)
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
