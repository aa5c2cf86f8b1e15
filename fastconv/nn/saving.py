"""Parameters as an .npz file, and back: from a stranger's file nothing is run.

An .npz file is a zip archive with an .npy file for each array: a header that says shape and dtype,
then the numbers. Headers are read first, as literals, and held against what the network has: a
header that promises a terabyte, or Python objects, is refused before anything is allocated.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..problem.operands import Array

if TYPE_CHECKING:
    from .layer import Parameter

__all__ = ["check_entries", "read", "write"]

# What is said of each entry: its shape and dtype.
Entries = Mapping[str, tuple[tuple[int, ...], "np.dtype[Any]"]]

_SUFFIX = ".npy"
_MOST_NAMES = 5  # in a message
_DAMAGE = zipfile.BadZipFile, zlib.error, EOFError


def write(path: Path, state: Mapping[str, Array]) -> None:
    """Write arrays by name, as `numpy.savez` does: but to this path, and whatever the names are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in state.items():
            with archive.open(name + _SUFFIX, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read(path: Path, parameters: Mapping[str, Parameter]) -> dict[str, Array]:
    """Return arrays by name, those of the parameters and no others.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, is no .npz file, or does not fit the parameters.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is not an .npz file of parameters")
        try:
            with zipfile.ZipFile(file) as archive:
                check_entries(str(path), _headers(path, archive), parameters)
                return {name: _array(archive, name) for name in parameters}
        except (*_DAMAGE, NotImplementedError, RuntimeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error


def check_entries(source: str, given: Entries, parameters: Mapping[str, Parameter]) -> None:
    """Refuse entries that are missing, surplus, or of another shape or dtype, naming them."""
    complaints = []
    missing = [name for name in parameters if name not in given]
    surplus = [name for name in given if name not in parameters]
    if missing:
        complaints.append(f"has no {_listed(missing)}")
    if surplus:
        complaints.append(f"has {_listed(surplus)}, which no parameter is called")
    for name, parameter in parameters.items():
        if name in given:
            shape, dtype = given[name]
            value = parameter.value
            if shape != value.shape:
                complaints.append(f"has {name!r} of shape {shape}, not {value.shape}")
            elif dtype.newbyteorder("=") != value.dtype:
                complaints.append(f"has {name!r} of dtype {dtype}, not {value.dtype}")
    if complaints:
        raise ValueError(f"{source} does not fit: it {'; it '.join(complaints)}")


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMES]))
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def _headers(
    path: Path, archive: zipfile.ZipFile
) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    headers = {}
    for entry in archive.namelist():
        with archive.open(entry) as stream:
            shape, dtype = _header(f"{path}: the entry {entry!r}", stream)
        headers[entry.removesuffix(_SUFFIX)] = shape, dtype
    return headers


def _header(name: str, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        else:
            raise ValueError(f"its format is {version}")
    except _DAMAGE:
        raise
    except Exception as error:  # NumPy's own, or of Python's parser that reads the header's literal
        raise ValueError(f"{name} is not an array: {error}") from error
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never loaded")
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(name + _SUFFIX) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        return array
