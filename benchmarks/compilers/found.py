"""Which compilers are here: the one that Python builds with, and the other of GCC and Clang."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ADDED", "Compiler", "compilers"]

# How the one that is missing is added.
ADDED = {
    "GCC": "`apt install gcc`, `dnf install gcc` or `brew install gcc`",
    "Clang": "`apt install clang`, `dnf install clang` or `brew install llvm`",
}
COMMANDS = {"GCC": "gcc", "Clang": "clang"}


@dataclass(frozen=True)
class Compiler:
    """A compiler that answers.

    Attributes
    ----------
    kind : {"GCC", "Clang"}
    command : str
        As ``CC`` takes it.
    version : str
        Numbers and points.
    """

    kind: str
    command: str
    version: str


def compilers() -> list[Compiler]:
    """Return one of each kind that is here, GCC first; of several the one that builds by itself."""
    found: dict[str, Compiler] = {}
    for command in _commands():
        one = _asked(command)
        if one is not None:
            found.setdefault(one.kind, one)
    return [found[kind] for kind in COMMANDS if kind in found]


def _commands() -> Iterator[str]:
    """Yield what may be a compiler: as builds find it, by its plain name, by name and version."""
    yield os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    yield from COMMANDS.values()
    folders = os.environ.get("PATH", "").split(os.pathsep)
    for name in COMMANDS.values():
        versions = {
            int(match[1])
            for folder in folders
            for path in Path(folder or ".").glob(f"{name}-*")
            if (match := re.fullmatch(rf"{name}-(\d+)", path.name))
        }
        yield from (f"{name}-{version}" for version in sorted(versions, reverse=True))


def _asked(command: str) -> Compiler | None:
    """Return what a command says that it is; None of one that is not there, or is another."""
    words = shlex.split(command)
    if not words or shutil.which(words[0]) is None:
        return None
    try:
        said = subprocess.run(
            [*words, "--version"], capture_output=True, text=True, check=False, timeout=30
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    kind = (
        "Clang"
        if "clang version" in said
        else "GCC"
        if "Free Software Foundation" in said
        else None
    )
    number = re.search(r"\d+\.\d+(?:\.\d+)?", re.sub(r"\(.*?\)", "", said))
    return None if kind is None or number is None else Compiler(kind, command, number[0])
