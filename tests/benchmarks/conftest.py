"""What tests of the benchmarks have in common.

The developer's own runs are none of theirs, and what is said of the machine is not measured longer
than it takes to have a figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import fastconv
from benchmarks.measuring import peak, starting
from tests.benchmarks.in_this_process import Inside
from tests.benchmarks.pages import draw_nothing


@pytest.fixture(scope="session", autouse=True)
def earlier_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Put an empty folder in the place of benchmarks/results, and return it."""
    from benchmarks import arguments

    folder = tmp_path_factory.mktemp("earlier_runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arguments, "RESULTS_FOLDER", folder)
        yield folder


@pytest.fixture(scope="session", autouse=True)
def quick_peaks() -> Iterator[None]:
    """Measure this machine's peaks once, for a millisecond each: no test compares them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peak, "PEAK_SECONDS", 0.001)
        patch.setattr(peak, "PEAK_TRIES", 1)
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no charts."""
    draw_nothing(monkeypatch)


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start no processes: whoever takes part is asked in this one."""
    monkeypatch.setattr(starting, "Process", Inside)
    with fastconv.num_threads(fastconv.get_num_threads()):
        yield
