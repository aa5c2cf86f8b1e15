"""Compiles extensions of the study: ``python -m benchmarks.ladder.building SET FOLDER SOURCE...``.

With the flags that setup.py chooses for the package: what is known of compilers stands there only.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["main"]

SETUP = Path(__file__).parents[2] / "setup.py"
# As setup.py has them for the package.
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
}


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
    made = cythonize(
        [setuptools.Extension(Path(source).stem, [source]) for source in sources],
        build_dir=folder,
        compiler_directives=DIRECTIVES,
        quiet=True,
    )
    commands = {"build_ext": _command(instruction_set)}
    distribution = setuptools.Distribution(
        {"name": "study", "ext_modules": made, "cmdclass": commands}
    )
    command: Any = distribution.get_command_obj("build_ext")
    command.build_lib = command.build_temp = folder
    command.parallel = True
    command.ensure_finalized()
    command.run()


def _command(instruction_set: str) -> Any:
    """Return a command that builds with the flags of a row of setup.py's table."""
    spec = importlib.util.spec_from_file_location("fastconv_setup", SETUP)
    assert spec is not None
    assert spec.loader is not None
    setup: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    build_ext: Any = import_module("setuptools.command.build_ext").build_ext

    class BuildStudy(build_ext):  # type: ignore[misc]
        def build_extensions(self) -> None:
            compile_flags, link_flags = setup.build_flags(self.compiler)
            gnu, msvc = setup.INSTRUCTION_SETS[instruction_set]
            if self.compiler.compiler_type == "msvc":
                flags = [*compile_flags, *msvc.split()]
            else:
                flags = [*compile_flags, *setup.MATH_FLAGS, *gnu.split()]
            for extension in self.extensions:
                extension.extra_compile_args, extension.extra_link_args = flags, link_flags
            super().build_extensions()

    return BuildStudy


if __name__ == "__main__":
    main(*sys.argv[1:])
