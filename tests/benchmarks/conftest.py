"""What all tests of the benchmarks have in common: the developer's own runs are none of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def earlier_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Put an empty folder in the place of benchmarks/results, and return it."""
    from benchmarks import arguments

    folder = tmp_path_factory.mktemp("earlier_runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arguments, "RESULTS_FOLDER", folder)
        yield folder
