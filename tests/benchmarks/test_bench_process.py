"""A worker answers, reports what went wrong, and is started again after its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from benchmarks.contestants import find
from benchmarks.measuring import process as process_module
from benchmarks.measuring import truth
from benchmarks.measuring.process import Failed, Process
from benchmarks.problems import data
from benchmarks.problems.layers import LAYERS

ROOT = Path(__file__).parents[2]
LAYER = LAYERS[0].cut(1e5)
SLOW = LAYERS[0].cut(1e8)  # many seconds of the reference
NEEDS_SIGNALS = pytest.mark.skipif(os.name == "nt", reason="Windows has other ways to die")


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    with closing(Process(find("reference"), threads=1)) as process:
        yield process


def test_a_worker_computes_on_the_numbers_that_everyone_gets(process: Process) -> None:
    first = process.ask("prepare", layer=LAYER, direction="forward")
    error, bound = truth.solve(LAYER, data.make(LAYER), "forward").error(first.outputs)
    assert error <= bound
    times = process.ask("sample", seconds=0.01)
    assert times
    assert all(time > 0 for time in times)


def test_it_tells_how_many_cores_were_busy_and_what_becomes_of_small_numbers(
    process: Process,
) -> None:
    process.ask("prepare", layer=LAYER, direction="forward")
    process.ask("sample", seconds=0.05)
    # Others may have had the core meanwhile; it cannot have had more than one.
    assert 0 < process.ask("cores_busy") < 1.1
    assert process.ask("keeps_subnormals")


def test_its_libraries_have_the_threads_that_they_were_given(process: Process) -> None:
    pools = process.ask("pools")
    assert [pool["num_threads"] for pool in pools if pool["user_api"] == "blas"] == [1]


def test_an_exception_is_reported_and_survived(process: Process) -> None:
    pid = process.pid
    with pytest.raises(Failed, match=r"^TypeError: .*unexpected keyword argument 'mood'"):
        process.ask("version", mood="good")
    assert process.ask("version")
    assert process.pid == pid


def test_a_death_is_reported_and_the_next_request_starts_afresh(process: Process) -> None:
    with pytest.raises(Failed, match=r"^process ended with exit code 1: AttributeError"):
        process.ask("no_such_task")
    assert process.ask("version")


@NEEDS_SIGNALS
def test_a_kill_is_reported_as_such_while_it_computes_and_while_it_waits(process: Process) -> None:
    killing = threading.Timer(0.1, os.kill, (process.pid, signal.SIGKILL))
    killing.start()
    with pytest.raises(Failed, match=r"^process was killed by SIGKILL$"):
        process.ask("prepare", layer=SLOW, direction="forward")
    process.ask("version")
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(Failed, match=r"^process was killed by SIGKILL$"):
        process.ask("sample", seconds=0.01)
    assert process.ask("version")


def test_who_hangs_is_not_waited_for(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    process.ask("version")
    monkeypatch.setattr(process_module, "ANSWER_WITHIN_SECONDS", 0.1)
    with pytest.raises(Failed, match=r"^no answer within 0\.1 s$"):
        process.ask("prepare", layer=SLOW, direction="forward")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when it next listens")
def test_who_waits_ends_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = """
from benchmarks.contestants import find
from benchmarks.measuring.process import Process
if __name__ == "__main__":
    process = Process(find("reference"), threads=1)
    process.ask("version")
    print(process.pid, flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    state = Path(f"/proc/{pid}/stat")
    with suppress(FileNotFoundError, ProcessLookupError):
        for _ in range(200):
            if state.read_text().rpartition(")")[2].split()[0] in "ZX":  # dead, not yet collected
                return
            time.sleep(0.05)
        pytest.fail(f"process {pid} outlived its parent")
