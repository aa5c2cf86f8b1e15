"""``python -m benchmarks study``: run the parts, draw them, and write STUDY.md."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
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

from benchmarks.arguments import Commands, Room, UsageError, add_common, add_quick, matching
from benchmarks.measuring import machine
from benchmarks.measuring.files import ResultsError
from benchmarks.study import markers
from benchmarks.study.parts import PARTS, Part

__all__ = ["DOCUMENT", "FOLDER", "ROOM", "Options", "rendered", "run"]

FOLDER = Path(__file__).parents[1] / "results" / "study"
DOCUMENT = Path(__file__).parents[1] / "STUDY.md"
NOT_RUN = "(not run)"


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
    parts : str
        Names, or patterns of them, of the parts that may be run.
    """

    threads: int
    quick: bool = False
    again: bool = False
    render: bool = False
    parts: str = "all"


def add_parser(commands: Commands) -> None:
    """Add the parser of this command."""
    parser = commands.add_parser(
        "study",
        help="run all that the study is made of, and write its tables into STUDY.md",
        description="Runs what has not been run on this machine yet, one part after the other, and "
        "writes what stands between markers in benchmarks/STUDY.md. An interrupted study goes on "
        "where it was. Results and charts go to benchmarks/results/study.",
    )
    parser.set_defaults(run=_run, takes=("threads", "output", "quick"))
    add_common(parser, "study", "benchmarks/results/study, and STUDY.md where it is")
    add_quick(parser, "to see that it works; needs --output")
    parser.add_argument(
        "--parts",
        default="all",
        metavar="NAMES",
        help="run no others: names or patterns of files in benchmarks/results/study, separated by "
        "commas",
    )
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--again", action="store_true", help="run what is there, too")
    effort.add_argument("--render", action="store_true", help="run nothing, write from the files")


def _run(options: argparse.Namespace) -> int:
    """Into a folder that is named goes a copy of the study; else the repository's is written."""
    folder, document = FOLDER, DOCUMENT
    if options.output is not None:
        folder, document = options.output, options.output / DOCUMENT.name
    elif options.quick:
        raise UsageError("--quick: name a folder by --output; the repository keeps full runs")
    folder.mkdir(parents=True, exist_ok=True)
    asked = Options(options.threads, options.quick, options.again, options.render, options.parts)
    try:
        return run(folder, document, asked)
    except markers.MarkerError as error:
        raise UsageError(str(error)) from error


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
    UsageError
        If no part is called as one of those that may be run.
    """
    console = Console(highlight=False)
    here = machine.describe()
    allowed = matching("part", [part.name for part in parts], options.parts)
    waiting = [
        part
        for part in parts
        if not options.render
        and part.name in allowed
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
        if part not in waiting and part.name in allowed and not options.render:
            console.print(f"{part.name}: was there")
    left_out = [part.name for part in parts if part.name not in allowed]
    for part in parts:
        with suppress(ResultsError) if part.name in left_out else nullcontext():
            part.draw(folder)
    text = rendered(DOCUMENT.read_text("utf-8"), folder, parts, left_out)
    document.write_text(text, "utf-8")
    print(document.resolve())
    return 0


def rendered(
    text: str, folder: Path, parts: Sequence[Part] = PARTS, left_out: Collection[str] = ()
) -> str:
    """Return the text of the study as the results in a folder have it.

    Parts that were left out need have none; then it is said where they stand that they were not
    run.
    """
    found, not_run = _texts(folder, parts, left_out)
    if not_run:
        found = {**dict.fromkeys(markers.names(text), NOT_RUN), **found}
    return markers.fill(text, found)


def _texts(
    folder: Path, parts: Sequence[Part], left_out: Collection[str]
) -> tuple[Mapping[str, str], list[str]]:
    """Return what all parts say, and which of those that were left out have no file."""
    found: dict[str, str] = {}
    not_run = []
    for part in parts:
        try:
            found |= part.texts(folder)
        except ResultsError:
            if part.name not in left_out:
                raise
            not_run.append(part.name)
    return found, not_run


ROOM = Room(add_parser)
