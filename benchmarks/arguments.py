"""What the commands have in common: arguments, how they are read, names that stand for many.

A room's ``command.py`` has a `Room`, which `cli.ROOMS` lists: it adds the parser of its command and
shows again what it once wrote. Options that stand before a command are the main parser's, so those
that are added here have no defaults of their own, which would replace what stands there.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.contestants.base import Someone
from benchmarks.measuring.files import ResultFile
from benchmarks.problems.directions import DIRECTIONS, Direction
from benchmarks.problems.layer import Layer
from benchmarks.problems.layers import LAYERS

__all__ = [
    "RESULTS_FOLDER",
    "Commands",
    "Room",
    "UsageError",
    "add_common",
    "add_output",
    "add_quick",
    "add_threads",
    "ask_for_folder_of",
    "chosen",
    "chosen_layers",
    "directions",
    "matching",
    "positive_float",
    "positive_int",
    "run_folder",
]

RESULTS_FOLDER = Path(__file__).parent / "results"

# What `add_subparsers` returns, whose class has no public name.
Commands: TypeAlias = Any


class UsageError(Exception):
    """The command line asks for what is not there; the message says what."""


@dataclass(frozen=True)
class Room:
    """A command, and the kind of results that it writes.

    Attributes
    ----------
    add_parser : callable
        Given what `add_subparsers` returned, adds the command's parser, whose defaults are ``run``,
        called with the options, and ``takes``, which of the main parser's options it reads.
    results : type or None
        What it writes a file of.
    show : callable or None
        Given such results and the path of their file: shows them again, returns the exit status.
    """

    add_parser: Callable[[Commands], None]
    results: type[ResultFile] | None = None
    show: Callable[[Any, Path], int] | None = None


def add_common(parser: argparse.ArgumentParser, name: str, output: str = "") -> None:
    """Add --threads and --output of the room of that name; `output` is its usual folder."""
    add_threads(parser)
    add_output(parser, name, output)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add --threads."""
    parser.add_argument(
        "--threads",
        type=positive_int,
        default=argparse.SUPPRESS,
        help="the same for everyone (default: all cores)",
    )


def add_output(parser: argparse.ArgumentParser, name: str, output: str = "") -> None:
    """Add --output."""
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        default=argparse.SUPPRESS,
        help=f"default: {output or f'benchmarks/results/<date-time>-{name}'}",
    )


def add_quick(parser: argparse.ArgumentParser, text: str) -> None:
    """Add --quick, with what it leaves out."""
    parser.add_argument("--quick", action="store_true", default=argparse.SUPPRESS, help=text)


def ask_for_folder_of(path: Path, argument: str) -> None:
    """Raise where a file that is to be written would have no folder."""
    if not path.parent.is_dir():
        raise UsageError(f"{argument}: there is no folder {path.parent}")


def run_folder(options: argparse.Namespace, ending: str = "") -> Path:
    """Make the folder of a run, and return it."""
    date = f"{datetime.now():%Y-%m-%d-%H%M%S}"
    folder: Path = options.output or RESULTS_FOLDER / f"{date}{ending}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output: {folder} cannot be a folder: {error.strerror}") from error
    return folder


def positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def positive_float(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, not {text}")
    return number


def directions(text: str) -> tuple[Direction, ...]:
    names = DIRECTIONS if text == "all" else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in DIRECTIONS:
            raise argparse.ArgumentTypeError(
                f"no direction is called {name!r}; there are {', '.join(DIRECTIONS)}"
            )
    return tuple(direction for direction in DIRECTIONS if direction in names)


def chosen_layers(patterns: str) -> list[Layer]:
    """Return the layers that are meant, in the order of the table."""
    names = matching("layer", [layer.name for layer in LAYERS], patterns)
    return [layer for layer in LAYERS if layer.name in names]


def chosen(everyone: list[Someone], patterns: str | None) -> list[Someone]:
    """Return those who are meant, or everyone."""
    if not patterns:
        return everyone
    names = matching("backend", [one.name for one in everyone], patterns)
    return [one for one in everyone if one.name in names]


def matching(what: str, names: Sequence[str], patterns: str) -> list[str]:
    """Return the names that patterns separated by commas stand for; "all" is every one.

    Raises
    ------
    UsageError
        If a pattern stands for none.
    """
    found: list[str] = []
    for pattern in patterns.split(","):
        everything = pattern.strip() == "all"
        meant = [name for name in names if everything or fnmatchcase(name, pattern.strip())]
        if not meant:
            raise UsageError(
                f"no {what} is called {pattern.strip()!r}; there are {', '.join(names)}"
            )
        found += meant
    return found
