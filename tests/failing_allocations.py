"""NumPy's allocator, made to fail on demand: at the n-th array that is allocated inside.

NumPy lets a program put its own functions in the place of malloc (NEP 49, `PyDataMem_SetHandler`),
through a table of C pointers that ctypes can read. So every array is seen, hidden temporaries of
NumPy's own included, and nothing has to be compiled.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

__all__ = ["fail_at"]

# Smaller ones are shapes and scalars, which Python's own allocator might refuse just as well.
LEAST_BYTES = 256
_SET_HANDLER = 304  # the place of PyDataMem_SetHandler in the table, fixed by NumPy's ABI

_libc = ctypes.CDLL(None)
for _name, _result, _arguments in (
    ("malloc", ctypes.c_void_p, [ctypes.c_size_t]),
    ("calloc", ctypes.c_void_p, [ctypes.c_size_t, ctypes.c_size_t]),
    ("realloc", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t]),
    ("free", None, [ctypes.c_void_p]),
):
    getattr(_libc, _name).restype = _result
    getattr(_libc, _name).argtypes = _arguments

_Malloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_Calloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
_Realloc = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_Free = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


class _Allocator(ctypes.Structure):
    _fields_ = (
        ("context", ctypes.c_void_p), ("malloc", _Malloc), ("calloc", _Calloc),
        ("realloc", _Realloc), ("free", _Free),
    )  # fmt: skip


class _Handler(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("allocator", _Allocator),
    )


class _State:
    seen = 0
    failing: int | None = None


def _refuses(size: int) -> bool:
    if size < LEAST_BYTES:
        return False
    _State.seen += 1
    return _State.seen - 1 == _State.failing


@_Malloc
def _malloc(_context: int, size: int) -> int | None:
    return None if _refuses(size) else _libc.malloc(size)


@_Calloc
def _calloc(_context: int, count: int, size: int) -> int | None:
    return None if _refuses(count * size) else _libc.calloc(count, size)


@_Realloc
def _realloc(_context: int, memory: int, size: int) -> int | None:
    return None if _refuses(size) else _libc.realloc(memory, size)


@_Free
def _free(_context: int, memory: int, _size: int) -> None:
    _libc.free(memory)


_HANDLER = _Handler(b"fails on demand", 1, _Allocator(None, _malloc, _calloc, _realloc, _free))
_NAME = ctypes.create_string_buffer(b"mem_handler")  # which a capsule points to, not copies
_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
# Arrays outlive the context they were made in, and are freed by the handler that made them.
_OURS = _capsule(ctypes.addressof(_HANDLER), ctypes.addressof(_NAME), None)


def _set_handler(handler: object) -> object:
    """Put a handler in place and return the one before."""
    try:
        api = import_module("numpy._core._multiarray_umath")._ARRAY_API
    except ImportError:  # NumPy 1
        api = import_module("numpy.core._multiarray_umath")._ARRAY_API
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(pointer(api, None), ctypes.POINTER(ctypes.c_void_p))
    function = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(table[_SET_HANDLER])
    return function(handler)


@contextmanager
def fail_at(number: int | None) -> Iterator[type[_State]]:
    """Let the allocation of that number fail inside, the first being 0; none for None.

    Yields an object whose `seen` is how many there were.
    """
    _State.seen, _State.failing = 0, number
    before = _set_handler(_OURS)
    try:
        yield _State
    finally:
        _set_handler(before)
