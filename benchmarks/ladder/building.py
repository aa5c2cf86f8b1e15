"""Compiles extensions of the study: ``python -m benchmarks.ladder.building SET FOLDER SOURCE...``.

With the flags that setup.py chooses for the package: what is known of compilers stands there only.
The package's own shells (fastconv/isa/*.pyx) may be compiled so as well, by whatever ``CC`` names:
what is made of them lies in the folder, and never in the package.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "fastconv"


def main(instruction_set: str, folder: str, *sources: str) -> None:
    """Compile sources into a folder.

    Parameters
    ----------
    instruction_set
        Of setup.py.
    folder
        Where everything goes, what lies between included.
    *sources
        The paths of .pyx files.
    """
    # by name: neither is typed
    cythonize: Any = import_module("Cython.Build").cythonize
    setuptools: Any = import_module("setuptools")
    setup = _setup()
    made = cythonize(
        [setuptools.Extension(_module(Path(one)), [one]) for one in sources],
        build_dir=folder,
        compiler_directives=setup.DIRECTIVES,
        quiet=True,
    )
    commands = {"build_ext": _command(setup, instruction_set)}
    distribution = setuptools.Distribution(
        {"name": "study", "ext_modules": made, "cmdclass": commands}
    )
    command: Any = distribution.get_command_obj("build_ext")
    command.build_lib = command.build_temp = folder
    command.parallel = True
    command.ensure_finalized()
    command.run()


def _module(source: Path) -> str:
    """Return the name of what is made of a source: the package's keep theirs."""
    if PACKAGE in source.parents:
        return ".".join(source.relative_to(ROOT).with_suffix("").parts)
    return source.stem


def _setup() -> Any:
    """Return setup.py as a module: what stands in it, and nothing done."""
    spec = importlib.util.spec_from_file_location("fastconv_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    return setup


def _command(setup: Any, instruction_set: str) -> Any:
    """Return a command that builds with the flags of an instruction set."""
    build_ext: Any = import_module("setuptools.command.build_ext").build_ext

    class BuildStudy(build_ext):  # type: ignore[misc]
        def build_extensions(self) -> None:
            flags, link_flags = setup.flags_by_set(self.compiler)[instruction_set]
            for extension in self.extensions:
                extension.extra_compile_args, extension.extra_link_args = flags, link_flags
            super().build_extensions()

    return BuildStudy


if __name__ == "__main__":
    main(*sys.argv[1:])
