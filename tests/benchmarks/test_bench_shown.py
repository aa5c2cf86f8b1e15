"""What a run with little in it looks like, in the terminal and in the report."""

from __future__ import annotations

import io
import re
from pathlib import Path
from unittest import mock

import pytest
from rich.console import Console

from benchmarks.measuring.results import Results
from benchmarks.reporting import figures, report
from benchmarks.reporting.terminal import Terminal
from tests.benchmarks.made_up import run, seconds
from tests.walking import in_one_test


def _terminal(results: Results) -> str:
    text = io.StringIO()
    Terminal(Console(file=text, width=200, highlight=False)).finish(results)
    return text.getvalue()


def _report(results: Results) -> str:
    # Drawn like all charts, but not written out, which takes as long again.
    with mock.patch.object(figures, "svg", return_value=""):
        page = report.render(results, Path("no pictures"))
    return re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)


@pytest.fixture(scope="module")
def broken() -> Results:
    """Return a run where one contestant is not installed and another did not start."""
    made = run({"auto": seconds(50), "im2col": [], "scipy": []})
    _, ours, theirs = made.contestants
    theirs.missing, theirs.pip_command = "scipy not installed", "pip install scipy"
    ours.missing = "did not start: process was killed by SIGKILL: [fatal] out of memory"
    made.measurements = made.measurements[:1]
    return made


@in_one_test
@pytest.mark.parametrize("show", [_terminal, _report])
def test_who_did_not_start_is_not_offered_for_installation(show, broken: Results) -> None:
    shown = show(broken)
    assert "fastconv im2col did not start: process was killed by SIGKILL: [fatal] out of" in shown
    assert shown.count("pip install") == 1
    assert "scipy not installed; to add it: " in shown


@in_one_test
@pytest.mark.parametrize("show", [_terminal, _report])
def test_a_lone_contestant_is_compared_with_nobody(show) -> None:
    shown = show(run({"auto": seconds(50), "plan": []}))
    assert "fastconv runs 1 layer at 50 GFLOP/s" in shown
    assert "there is nothing to compare it with" in shown
    assert "fastconv plan does none of these layers: no such thing." in shown
    assert "Does auto choose well?" not in shown
    assert "best other" not in shown


@in_one_test
@pytest.mark.parametrize("show", [_terminal, _report])
def test_scipy_alone_is_no_yardstick(show) -> None:
    speeds = {"auto": 50, "plan": 60, "im2col": 20, "scipy": 0.1}
    shown = show(run({name: seconds(gflops) for name, gflops in speeds.items()}))
    assert "2.50 times NumPy im2col, which is faster here than SciPy" in shown
    assert "500" not in shown
