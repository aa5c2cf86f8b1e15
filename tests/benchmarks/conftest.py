"""What tests of the benchmarks have in common.

The developer's own runs are none of theirs, and what is said of the machine is not measured longer
than it takes to have a figure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from markupsafe import Markup

from benchmarks.measuring import peak
from benchmarks.reporting import figures


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
    """Have pages name their charts instead of drawing them, which takes longer than all else.

    For tests of what pages say. All charts are drawn in test_bench_pages.py, twice the same in
    test_bench_run.py.
    """

    def named(_: object, name: str) -> Markup:
        return Markup("<svg>{}</svg>").format(name)

    monkeypatch.setattr(figures, "once", named)
    monkeypatch.setattr(figures, "twice", named)
