"""The study's own extensions: compiled on first use, kept in a folder of the user's cache.

    ladder/<name>.pyx ── Cython ──► C ── the compiler, with the flags of setup.py ──► cache folder
                        (building, in a process of its own)               │
    the folder's name is a digest of whatever could make another extension: the source, setup.py,
    the instruction set, compiler, Cython, Python and what the environment says of them

Nothing of it is in the wheel, and nothing of it is compiled before somebody climbs the ladder. The
package's own sources are compiled so for the comparison of compilers (benchmarks/compilers).
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

__all__ = ["CompileError", "cache_folder", "compiled", "extension", "prepare"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NEEDED = ("cython", "setuptools")
READ_BY_BUILDS = ("CC", "CFLAGS", "CPPFLAGS", "LDFLAGS", "FASTCONV_BUILD")


class CompileError(Exception):
    """There is no compiler, or it does not take a source; the message says which."""


def cache_folder() -> Path:
    """Return where extensions are kept: FASTCONV_STUDY_CACHE, else below the user's cache."""
    chosen = os.environ.get("FASTCONV_STUDY_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastconv-study"


@cache
def extension(name: str, instruction_set: str) -> ModuleType:
    """Return the module made of ``<name>.pyx``, compiled now where it is not yet.

    Parameters
    ----------
    name : str
        Of a file in this folder.
    instruction_set : str
        Of setup.py, whose flags it is compiled with.

    Raises
    ------
    CompileError
        Without a compiler, Cython or setuptools, or where they refuse the source.
    """
    path = compiled(_source(name), instruction_set)
    loader = importlib.machinery.ExtensionFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def prepare(names: Iterable[str], instruction_set: str) -> None:
    """Compile several extensions in one process: those of these that are not compiled yet.

    Cython takes as long for what they share as for any one of them. Where that does not work,
    `extension` compiles each by itself, and says what is wrong with it.
    """
    with suppress(CompileError):
        places = {source: _place([source], instruction_set) for source in map(_source, names)}
        missing = {source: path for source, path in places.items() if not path.exists()}
        if missing:
            _compile(missing, instruction_set)


def _source(name: str) -> Path:
    return HERE / f"{name}.pyx"


def compiled(
    source: Path, instruction_set: str, *, compiler: str = "", included: Sequence[Path] = ()
) -> Path:
    """Return the file made of a source, which is compiled now where it is not yet.

    Parameters
    ----------
    source : Path
        A .pyx file, of this folder or of the package.
    instruction_set : str
        Of setup.py, whose flags it is compiled with.
    compiler : str
        A command; "" for what ``CC`` names, else for the one that Python was built with.
    included : sequence of Path
        What else it is made of.

    Raises
    ------
    CompileError
        Without the compiler, Cython or setuptools, or where they refuse the source.
    """
    source = source.resolve()
    path = _place([source, *included], instruction_set, compiler)
    if not path.exists():
        _compile({source: path}, instruction_set, {"CC": compiler} if compiler else {})
    return path


def _place(sources: Sequence[Path], instruction_set: str, compiler: str = "") -> Path:
    """Return the file that is made of the first of them."""
    command = compiler or os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    stem = sources[0].stem
    folder = cache_folder() / f"{stem}-{_digest(sources, instruction_set, command)}"
    return folder / f"{stem}{sysconfig.get_config_var('EXT_SUFFIX')}"


def _digest(sources: Sequence[Path], instruction_set: str, command: str) -> str:
    source = sources[0]
    missing = [name for name in NEEDED if not _version(name)]
    if missing:
        raise CompileError(
            f"{source.name} is compiled by {' and '.join(missing)}: pip install -e '.[bench]'"
        )
    environment = {name: os.environ.get(name) for name in READ_BY_BUILDS}
    key = (
        *(path.read_text("utf-8") for path in sources),
        (ROOT / "setup.py").read_text("utf-8"),
        instruction_set,
        environment,
        command,
        _says(source, command),
        *map(_version, NEEDED),
        sys.version,
    )
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _says(source: Path, command: str) -> str:
    """Return what a compiler says of itself; Windows finds its own later, and says nothing."""
    try:
        return subprocess.run(
            [*shlex.split(command), "--version"], capture_output=True, text=True, check=False
        ).stdout
    except OSError as error:
        if sys.platform == "win32":
            return ""
        raise CompileError(
            f"{source.name} cannot be compiled: no C compiler here, {command!r}: {error.strerror}"
        ) from error


def _compile(
    places: Mapping[Path, Path], instruction_set: str, environment: Mapping[str, str] | None = None
) -> None:
    """Compile sources into a folder beside those that are asked for, then move what was made there.

    So that others, who may be compiling the same at this moment, find all of it or nothing.
    """
    for path in places.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.ladder.building", instruction_set, folder, *places],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        made = {path: list(Path(folder).rglob(path.name)) for path in places.values()}
        if done.returncode or not all(made.values()):
            raise CompileError(
                f"{' and '.join(source.name for source in places)} cannot be compiled, which takes "
                f"a C compiler and Python's headers: {_reason(done.stderr + done.stdout)}"
            )
        for path, (first, *_) in made.items():
            first.replace(path)


def _reason(said: str) -> str:
    """Return the first line that says what is wrong: the last ones only repeat the command."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return next((line for line in lines if "error:" in line.lower()), lines[-1] if lines else "")
