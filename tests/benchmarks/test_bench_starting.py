"""Who is here is started, who is not is told of."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from benchmarks.contestants import Contestant, find
from benchmarks.contestants.ours import FastconvAuto
from benchmarks.measuring.process import Process
from benchmarks.measuring.starting import start


class _Unknown(FastconvAuto):
    """Nobody, whom the worker's side will not find."""

    name = "nobody"


def test_everyone_is_told_of_and_who_answers_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = find("opencv")
    monkeypatch.setattr(type(absent), "packages", ("no_such_library",))
    closed: list[str] = []
    close = Process.close

    def closing(self: Process[Contestant]) -> None:
        closed.append(self.contestant.name)
        close(self)

    monkeypatch.setattr(Process, "close", closing)
    everyone = [find("reference"), absent, _Unknown(), find("auto")]
    with ExitStack() as stack:
        ready, infos = start(everyone, 1, "benchmarks.measuring.tasks", stack)
        assert [process.contestant.name for process in ready] == ["reference", "auto"]
        assert [info.name for info in infos] == [one.name for one in everyone]
        assert ready[0].ask("version") == infos[0].version == "this repository"
        assert infos[1].missing == "no_such_library not installed"
        assert infos[1].pip_command == "pip install opencv-python-headless"
        assert infos[2].missing == ("did not start: process ended with exit code 1: StopIteration")
        assert infos[2].is_broken
    assert {"reference", "nobody", "auto"} <= set(closed)
