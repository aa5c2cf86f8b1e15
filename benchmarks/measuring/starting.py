"""The beginning of a run: a process for everyone who is here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.contestants.base import Someone
from benchmarks.measuring.process import Failed, Process
from benchmarks.measuring.results import ContestantInfo


def start(
    contestants: Sequence[Someone], threads: int, tasks: str, stack: ExitStack
) -> tuple[list[Process[Someone]], list[ContestantInfo]]:
    """Start a worker for everyone who is here; they load their libraries side by side.

    Parameters
    ----------
    contestants
        Who takes part, absent ones included.
    threads
        The same for everyone.
    tasks
        The module of what the workers are asked, as `Process` takes it.
    stack
        Whose end is the workers' end.

    Returns
    -------
    (list of Process, list of ContestantInfo)
        Who is ready; and everybody, with the version or the reason of the absence.
    """
    infos: list[ContestantInfo] = []
    starting: list[tuple[Process[Someone], ContestantInfo]] = []
    for one in contestants:
        info = ContestantInfo(one.name, one.label, one.kind, one.about)
        infos.append(info)
        missing = one.missing()
        if missing:
            info.missing, info.pip_command = missing, one.pip_command()
            continue
        process = Process(one, threads, tasks)
        stack.callback(process.close)
        starting.append((process, info))
    ready = []
    for process, info in starting:
        try:
            info.version = process.ask("version")
        except Failed as failure:
            # Without a command for pip: installing it once more would not help.
            info.missing = f"did not start: {failure}"
        else:
            ready.append(process)
    return ready, infos
