"""How the tests are spread over the processor's cores, where pytest-xdist is installed.

Whole folders are run by a process per core; a file or a single test, which is done before another
process has started, is run in pytest's own. So are the benchmarks, which are not in this folder.
`-n 0` asks for a single process, `-n 8` for eight.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

# More would wait for the longest file; and each has as many OpenMP threads as there are cores.
MOST_PROCESSES = 4
# In this order. Runs of the benchmarks come later: their processes are started side by side, and
# would each compile the package where nobody has yet (see `bytecode`).
LONGEST_FILES = ("test_packaging.py", "test_bench_ladder.py", "test_images.py")
# Folders of what is installed that no test needs the bytecode of.
SELDOM_IMPORTED = ("test", "tests", "site-packages", "idlelib", "lib2to3", "torch")
FILES_OF_CASES = (
    "test_backward.py", "test_by_taps.py", "test_columns.py", "test_conv_transpose.py",
    "test_forward.py", "test_gemm.py", "test_gradients.py", "test_real_sizes.py",
)  # fmt: skip


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the number of processes, before pytest-xdist reads it."""
    option = config.option
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # this is one of them, and they start none of their own
    if sys.dont_write_bytecode:
        config.add_cleanup(keep_bytecode())
    is_chosen = getattr(option, "numprocesses", 0) is not None  # by `-n`, or there is no xdist
    needs_the_terminal = option.usepdb or option.trace or option.capture == "no"
    here = config.invocation_params.dir
    is_whole = all(Path(here, arg).is_dir() for arg in config.args)
    if is_whole and not is_chosen and not needs_the_terminal:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        option.numprocesses = min(cores or 1, MOST_PROCESSES)
        if option.numprocesses == 1:
            option.numprocesses = 0
    if getattr(option, "numprocesses", 0):
        # Threads that wait by spinning would take the cores from the other processes: those of
        # OpenMP can be told not to, those of OpenBLAS cannot. They took five times as long as the
        # products themselves.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        for library in ("OPENBLAS", "MKL", "BLIS"):
            os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def keep_bytecode() -> Callable[[], None]:
    """Keep the bytecode of all processes of this run, also where none shall be written.

    It is kept in a folder of this run then. Each of pytest's processes would compile all tests, and
    each that these start the package, which takes as long as all the rest that it does. What is
    installed has been compiled: the folder has links to that, hard ones, as some file systems take
    twenty times as long to make another kind. Returned is what removes it.
    """
    folder = tempfile.mkdtemp(prefix="fastconv-bytecode-")
    for installed in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}:
        for place, names, files in os.walk(installed):
            names[:] = [name for name in names if name not in SELDOM_IMPORTED]
            if os.path.basename(place) == "__pycache__":
                sources = folder + os.path.splitdrive(os.path.dirname(place))[1]
                os.makedirs(sources, exist_ok=True)
                for file in files:
                    there, here = os.path.join(place, file), os.path.join(sources, file)
                    try:
                        os.link(there, here)
                    except OSError:  # on another device, or somebody else's
                        os.symlink(there, here)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = folder
    return lambda: shutil.rmtree(folder, ignore_errors=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Settle what examples may take, where tests are run: one that gives them out needs none of it.

    An example may take longer on a busy machine, or in a build with sanitizers.
    """
    if getattr(session.config.option, "numprocesses", 0):
        return  # its processes come here too, and wait for it until it has started them
    # As it is: pytest would first rewrite each assertion of a plugin's package, for a second.
    with pytest.MonkeyPatch.context() as patch:
        finders = [one for one in sys.meta_path if not isinstance(one, AssertionRewritingHook)]
        patch.setattr(sys, "meta_path", finders)
        from hypothesis import settings

    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give a process a whole file at a time, whose fixtures it then sets up once.

    The files whose tests are mostly one for each case, or for some together, are given out case by
    case instead: all tests of a case share what is slow, the reference's answer, and how each
    backend would compute it. Of several cases, the first says which tests are about the same.
    """
    from xdist.scheduler import LoadScopeScheduling

    class FilesAndCases(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            case = test.partition("[")[2].removesuffix("]").partition("..")[0]
            return case if case and file.rpartition("/")[2] in FILES_OF_CASES else file

    config.option.loadscopereorder = False  # the order is that of `pytest_collection_modifyitems`
    return FilesAndCases(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Have every other process read folders from their end: half of the files it finds compiled."""
    report = yield
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if isinstance(collector, pytest.Directory) and int(worker.removeprefix("gw")) % 2:
        report.result.reverse()
    return report


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start with the files that take longest, and leave what is given out by cases to the end.

    So none is left to a process when the others are done.
    """
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path)  # all processes have to have them in the same order
        items.sort(key=lambda item: item.path.name in FILES_OF_CASES)
        places = {name: place for place, name in enumerate(LONGEST_FILES)}
        items.sort(key=lambda item: places.get(item.path.name, len(places)))
