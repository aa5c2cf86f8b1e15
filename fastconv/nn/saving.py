"""Arrays by name as an .npz file, and back: from a stranger's file nothing is run.

An .npz file is a zip archive with an .npy file for each array: a header that says shape and dtype,
then the numbers. Headers are read first, as literals, and held against what is expected, the
parameters of a network or the state of an optimiser: a header that promises a terabyte, Python
objects, or to be gigabytes itself, is refused before anything is allocated.

A file that was there is replaced when the new one is complete: a disk that is full leaves the old.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, NamedTuple

import numpy as np

from ..problem.arguments import shown
from ..problem.operands import Array, as_array

__all__ = ["Expected", "check_state", "read", "write"]


class Expected(NamedTuple):
    """The arrays that there are to be, of which shape and dtype count.

    Attributes
    ----------
    arrays : mapping of str to ndarray
    together : mapping of str to ndarray
        Others, of which all may be there, or none.
    kind : str
        What has these names, for messages.
    """

    arrays: Mapping[str, Array]
    together: Mapping[str, Array]
    kind: str

    def beside(self, given: Collection[str]) -> dict[str, Array]:
        """Return those that have to be there, where these names are."""
        together = self.together if any(name in given for name in self.together) else {}
        return {**self.arrays, **together}


# What is said of each entry: its shape and dtype.
Entries = Mapping[str, tuple[tuple[int, ...], "np.dtype[Any]"]]

_SUFFIX = ".npy"
_MOST_NAMES = 5  # in a message
_COMPRESSIONS = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_DAMAGE = zipfile.BadZipFile, zlib.error, EOFError
# A header's length, by the version of the format; and the most that NumPy itself takes.
_LENGTHS = {(1, 0): "<H", (2, 0): "<I"}
_MOST_HEADER_BYTES = 10_000


def write(path: Path, state: Mapping[str, Array]) -> None:
    """Write arrays by name, as `numpy.savez` does: but to this path, and whatever the names are."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():  # a pipe, or a device
        _write_archive(target, state)
        return
    beside = target.with_name(f".{token_hex(8)}.part")
    try:
        _write_archive(beside, state)
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    finally:
        with suppress(OSError):
            beside.unlink()


def _write_archive(path: Path, state: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in state.items():
            with archive.open(name + _SUFFIX, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read(path: Path, expected: Expected) -> dict[str, Array]:
    """Return arrays by name, those that are expected and no others.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, is no .npz file, or does not fit.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(
                f"{path} is not an .npz file of {expected.kind}s, or its end is missing"
            )
        with _damage_of(path):
            archive = zipfile.ZipFile(file)
        with archive:
            headers = _headers(path, archive, expected.kind)
            _check_entries(str(path), headers, expected)
            return {name: _array(path, archive, name) for name in headers}


def check_state(state: object, expected: Expected) -> dict[str, Array]:
    """Return the entries of a mapping as arrays, all of them checked.

    Raises
    ------
    TypeError
        For what is no mapping, or entries that are no arrays.
    ValueError
        If it does not fit what is expected.
    """
    if not isinstance(state, Mapping):
        raise TypeError(f"state must be a mapping of names to arrays, not {type(state).__name__}")
    arrays, refused = {}, []
    for name, value in state.items():
        try:
            arrays[name] = as_array(f"state[{name!r}]", value)
        except TypeError as error:
            refused.append(str(error))
    if refused:
        raise TypeError("; ".join(refused))
    given = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    _check_entries("state", given, expected)
    return arrays


def _check_entries(source: str, given: Entries, expected: Expected) -> None:
    """Refuse entries that are missing, surplus, or of another shape or dtype, naming them."""
    complaints = []
    arrays = expected.beside(given)
    missing = [name for name in arrays if name not in given]
    surplus = [name for name in given if name not in arrays]
    if missing:
        complaints.append(f"has no {_listed(missing)}")
    if surplus:
        complaints.append(f"has {_listed(surplus)}, which no {expected.kind} is called")
    for name, value in arrays.items():
        if name in given:
            shape, dtype = given[name]
            if shape != value.shape:
                complaints.append(f"has {name!r} of shape {shown(shape)}, not {value.shape}")
            elif dtype.newbyteorder("=") != value.dtype:
                complaints.append(f"has {name!r} of dtype {dtype}, not {value.dtype}")
    if complaints:
        raise ValueError(f"{source} does not fit: it {'; it '.join(complaints)}")


def _listed(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_MOST_NAMES]))
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def _headers(
    path: Path, archive: zipfile.ZipFile, kind: str
) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    entries = archive.namelist()
    foreign = [entry for entry in entries if not entry.endswith(_SUFFIX)]
    if foreign:
        raise ValueError(f"{path} is not a file of {kind}s: it has {_listed(foreign)}, no .npy")
    twice = [entry for entry, count in Counter(entries).items() if count > 1]
    if twice:  # which of them is meant, readers do not agree on
        raise ValueError(f"{path} has {_listed(twice)} more than once")
    packed = [one.filename for one in archive.infolist() if one.compress_type not in _COMPRESSIONS]
    if packed:
        raise ValueError(f"{path} has {_listed(packed)} compressed in a way that NumPy does not")
    headers = {}
    for entry in entries:
        with _damage_of(path, entry), archive.open(entry) as stream:
            headers[entry.removesuffix(_SUFFIX)] = _header(path, entry, stream)
    return headers


def _header(path: Path, entry: str, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    name = f"{path}: the entry {entry!r}"
    try:
        version = np.lib.format.read_magic(stream)
        header = _header_bytes(version, stream)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(header)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(header)
    except _DAMAGE:
        raise
    except Exception as error:  # NumPy's own, or of Python's parser that reads the header's literal
        raise ValueError(f"{name} is not an array: {error}") from error
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects, which are never loaded")
    return shape, dtype


def _header_bytes(version: tuple[int, int], stream: IO[bytes]) -> BytesIO:
    """Return a header with its length, which NumPy would read before it looks how long it is."""
    if version not in _LENGTHS:
        raise ValueError(f"its format is {version}")
    field = stream.read(struct.calcsize(_LENGTHS[version]))
    (length,) = struct.unpack(_LENGTHS[version], field)
    if length > _MOST_HEADER_BYTES:
        raise ValueError(f"its header has {length} bytes, and {_MOST_HEADER_BYTES} are the most")
    return BytesIO(field + stream.read(length))


def _array(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    entry = name + _SUFFIX
    with _damage_of(path, entry), archive.open(entry) as stream:
        try:
            array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        except ValueError as error:  # fewer numbers than its header says
            raise ValueError(f"{path}: the entry {entry!r} is damaged: {error}") from error
        if stream.read(1):
            raise ValueError(f"{path}: the entry {entry!r} goes on after its array")
        return array


@contextmanager
def _damage_of(path: Path, entry: str | None = None) -> Iterator[None]:
    """Say of an error that a damaged or foreign archive leads to which file and entry it is."""
    subject = path if entry is None else f"{path}: the entry {entry!r}"
    try:
        yield
    except (*_DAMAGE, NotImplementedError, RuntimeError, OverflowError, struct.error) as error:
        detail = str(error) or "it ends too early"
        raise ValueError(f"{subject} is damaged: {detail}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise  # the disk's, not the file's
        raise ValueError(f"{subject} is damaged: it says to begin where no file can") from error
