"""``python -m benchmarks study``: run the parts, draw them, and write STUDY.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from benchmarks.measuring import machine
from benchmarks.study import markers
from benchmarks.study.parts import PARTS, Part

__all__ = ["DOCUMENT", "FOLDER", "Options", "rendered", "run"]

FOLDER = Path(__file__).parents[1] / "results" / "study"
DOCUMENT = Path(__file__).parents[1] / "STUDY.md"


@dataclass(frozen=True)
class Options:
    """What is run, and where it goes.

    Attributes
    ----------
    threads : int
        Of what runs on several.
    quick : bool
        Whether it is only to be seen that it works.
    again : bool
        Whether what is there is run again.
    render : bool
        Whether nothing is run.
    """

    threads: int
    quick: bool = False
    again: bool = False
    render: bool = False


def run(folder: Path, document: Path, options: Options, parts: Sequence[Part] = PARTS) -> int:
    """Run what is not there yet, draw everything, and write the study; return 0.

    Parameters
    ----------
    folder
        Of the results.
    document
        What is written; in the repository it is `DOCUMENT`, from which it is read in any case.
    options
        What is run.
    parts
        All there are.

    Raises
    ------
    ResultsError
        If nothing is to be run, and a part has no file.
    MarkerError
        If the document names what no part has.
    """
    console = Console(highlight=False)
    here = machine.describe()
    waiting = [
        part
        for part in parts
        if not options.render
        and (options.again or not part.is_there(folder, here, options.threads, options.quick))
    ]
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=len(waiting) or 1)
        for number, part in enumerate(waiting):
            done = 0

            def told(text: str, steps: int, part: Part = part, number: int = number) -> None:
                nonlocal done
                done += 1
                share = number + done / (steps + 1)
                progress.update(task, completed=share, description=f"{part.name}: {text:.30}")

            part.run(folder, options.threads, options.quick, told)
            console.print(f"{part.name}: done")  # from here on an interrupted study resumes
    for part in parts:
        if part not in waiting and not options.render:
            console.print(f"{part.name}: was there")
        part.draw(folder)
    document.write_text(rendered(DOCUMENT.read_text("utf-8"), folder, parts), "utf-8")
    print(document.resolve())
    return 0


def rendered(text: str, folder: Path, parts: Sequence[Part] = PARTS) -> str:
    """Return the text of the study as the results in a folder have it."""
    return markers.fill(text, _texts(folder, parts))


def _texts(folder: Path, parts: Sequence[Part]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in parts:
        found |= part.texts(folder)
    return found
