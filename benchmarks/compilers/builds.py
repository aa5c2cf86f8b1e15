"""The package's extension by one compiler, and how a process comes to import it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from benchmarks.compilers.found import Compiler
from benchmarks.ladder import compiling

__all__ = ["built", "stand_in"]

PACKAGE = Path(__file__).resolve().parents[2] / "fastconv"


def built(compiler: Compiler, instruction_set: str) -> Path:
    """Return the package's extension as a compiler makes it; minutes where it is not yet there.

    Raises
    ------
    CompileError
        Where it does not compile.
    """
    return compiling.compiled(
        PACKAGE / "isa" / f"{instruction_set}.pyx",
        instruction_set,
        compiler=compiler.command,
        included=sorted((PACKAGE / "kernels").glob("*.pxi")),
    )


def stand_in(path: Path) -> None:
    """Have this process import a file where it would import the package's extension of that set.

    Raises
    ------
    RuntimeError
        If the package has been imported already, with its own.
    """
    name = f"fastconv.isa.{path.name.partition('.')[0]}"
    if name in sys.modules:
        raise RuntimeError(f"{name} was imported before {path} could stand in for it")
    sys.meta_path.insert(0, _Finder(name, path))


class _Finder:
    """Finds one module, and no other."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        loader = importlib.machinery.ExtensionFileLoader(name, str(self.path))
        return importlib.util.spec_from_file_location(name, self.path, loader=loader)
