"""Calls of convolve2d and correlate2d that must be refused; see test_bad_calls.py."""

from functools import partial

import numpy as np
import pytest

import fastconv
from fastconv import isa
from tests.support import assert_refused
from tests.walking import in_one_test

F32, F64 = np.float32, np.float64


def ones(*shape, dtype=F32):
    return np.ones(shape, dtype)


def good():
    return {"in1": ones(6, 7), "in2": ones(3, 3), "out": np.full((8, 9), 7, F32)}


def bad(error, *words, **change):
    return error, words, change


def read_only(array):
    array.setflags(write=False)
    return array


MOST_AXES = 64 if hasattr(np, "long") else 32
SHARED = ones(20, 20)
SHAPE, TYPE = ValueError, TypeError

BAD_CALLS = [
    # ranks and extents
    bad(SHAPE, "in1 must be (..., H, W)", "1-D", "(6,)", in1=ones(6)),
    bad(SHAPE, "in1 must be (..., H, W)", "0-D", "()", in1=F32(1)),
    bad(SHAPE, "in2 must be (R, S) or a bank (K, R, S)", "1-D", "(3,)", in2=ones(3)),
    bad(SHAPE, "in2 must be (R, S)", "4-D", "(1, 1, 3, 3)", in2=ones(1, 1, 3, 3)),
    bad(SHAPE, "in2 must be (R, S)", "0-D", in2=F32(2)),
    bad(SHAPE, "in1 must not be empty", "(0, 7)", in1=ones(0, 7)),
    bad(SHAPE, "in1 must not be empty", "(2, 6, 0)", in1=ones(2, 6, 0)),
    bad(SHAPE, "in1 must not be empty", "(6, 7, 0)", in1=ones(6, 7, 0), channel_axis=-1),
    bad(SHAPE, "in2 must not be empty", "(0, 3)", in2=ones(0, 3)),
    bad(SHAPE, "in2 must not be empty", "(0, 3, 3)", in2=ones(0, 3, 3)),
    bad(SHAPE, "mode 'valid' needs one operand", "(6, 7)", "(3, 9)", in2=ones(3, 9), mode="valid"),
    bad(SHAPE, "in1, extended", "larger than any array", channel_axis=None,
        in1=np.broadcast_to(np.uint8(1), (2**31, 2**31 - 1)), in2=ones(1, 1), mode="same"),
    # with channels, perhaps
    *(
        bad(SHAPE, "in1 of shape", str(shape), "photograph of", "channel", "channel_axis=-1",
            in1=ones(*shape), out=None, mode=mode)
        for shape in (
            (64, 48, 3), (5, 5, 4), (2, 64, 48, 3), (64, 48, 2), (64, 48, 1), (4, 640, 3), (2, 5, 1)
        )
        for mode in ("full", "same", "valid")
    ),
    bad(SHAPE, "in2 of shape (2, 3, 3) is a bank", "in1 has the", "an array can have", out=None,
        in1=np.broadcast_to(F32(1), (1,) * (MOST_AXES - 2) + (6, 7)), in2=ones(2, 3, 3)),
    # dtypes
    bad(TYPE, "in1 has dtype complex64", "in1.real", in1=ones(6, 7, dtype=np.complex64)),
    bad(TYPE, "in2 has dtype complex128", "in2.imag", in2=ones(3, 3, dtype=complex)),
    bad(TYPE, "in1 has dtype object", "float64", in1=ones(6, 7, dtype=object)),
    bad(TYPE, "in1 has dtype object", in1=None),
    bad(TYPE, "in1 has dtype <U", in1="an image"),
    bad(TYPE, "in1 has dtype datetime64", in1=np.zeros((6, 7), "datetime64[s]")),
    bad(TYPE, "in1 must be an array", in1=[[1.0, 2.0], [3.0]]),
    bad(TYPE, "in1 is a masked array", "fill it", in1=np.ma.masked_equal(ones(6, 7), 0)),
    bad(TYPE, "in2 is a masked array", in2=np.ma.masked_equal(ones(3, 3), 0)),
    bad(TYPE, "in2 has dtype longdouble" if np.longdouble is np.float64 else "in2 has dtype float",
        in2=ones(3, 3, dtype=np.longdouble)),
    # options
    bad(SHAPE, "mode must be one of", "'constant'", mode="constant"),
    bad(SHAPE, "mode must be one of", "'Same'", mode="Same"),
    bad(SHAPE, "mode must be one of", "None", mode=None),
    bad(SHAPE, "mode must be one of", "array", mode=np.ones(2)),
    bad(SHAPE, "boundary must be one of", "'zeros'", boundary="zeros"),
    bad(SHAPE, "boundary must be one of", "'symmetric'", boundary="symmetric"),
    bad(SHAPE, "boundary must be one of", "0", boundary=0),
    bad(TYPE, "fillvalue must be a real number", "None", fillvalue=None),
    bad(TYPE, "fillvalue must be a real number", "'0'", fillvalue="0"),
    bad(TYPE, "fillvalue must be a real number", "1j", fillvalue=1j),
    bad(TYPE, "fillvalue must be a real number", "[0, 0]", fillvalue=[0, 0]),
    bad(TYPE, "fillvalue must be a real number", "array", fillvalue=np.ones(2)),
    bad(TYPE, "fillvalue must be a real number", "True", fillvalue=True),
    bad(SHAPE, "fillvalue must fit into float32", "1e+300", fillvalue=1e300),
    bad(SHAPE, "fillvalue must fit into a float64", "2**16609 or more", fillvalue=10**5000),
    bad(SHAPE, "channel_axis must be one of the 2 axes", "(6, 7)", "2", channel_axis=2),
    bad(SHAPE, "channel_axis must be one of the 2 axes", "-3", channel_axis=-3),
    bad(SHAPE, "channel_axis=0 leaves no", "(6, 7)", channel_axis=0),
    bad(TYPE, "channel_axis must be an int or None", "1.0", in1=ones(6, 7, 3), channel_axis=1.0),
    bad(TYPE, "channel_axis must be an int or None", "True", in1=ones(6, 7, 3), channel_axis=True),
    bad(TYPE, "channel_axis must be an int or None", "(0, 1)", channel_axis=(0, 1)),
    bad(SHAPE, "backend must be one of", "'separable'", "'gpu'", backend="gpu"),
    bad(SHAPE, "backend must be one of", "conv2d's", "None", backend=None),
    bad(SHAPE, "backend must be one of", "array", backend=np.ones(2)),
    bad(SHAPE, "backend 'winograd' cannot filter" if isa.kernels else "pure Python",
        backend="winograd"),
    bad(SHAPE, "backend 'separable' cannot filter 6×7 with 2×2 in float32",
        "not a column times a row", backend="separable", in2=np.eye(2, dtype=F32),
        out=np.full((7, 8), 7, F32)),
    bad(SHAPE, "backend 'separable' cannot", "not every kernel of the bank in2",
        backend="separable", in2=np.stack([ones(2, 2), np.eye(2, dtype=F32)]), out=None),
    bad(SHAPE, "backend 'fft' cannot filter", "in2 holds what is not finite", backend="fft",
        in2=np.full((3, 3), np.inf, F32)),
    bad(SHAPE, "backend 'fft' cannot filter", "fillvalue is not finite", backend="fft",
        fillvalue=np.inf),
    # out
    bad(SHAPE, "out must have shape (8, 9)", "(6, 7)", out=ones(6, 7)),
    bad(SHAPE, "out must have shape (6, 7)", "(8, 9)", mode="same"),
    bad(SHAPE, "out must have shape (2, 8, 9)", "(8, 9)", in2=ones(2, 3, 3)),
    bad(TYPE, "out must have dtype float32, not float64", out=ones(8, 9, dtype=F64)),
    bad(TYPE, "out must have dtype float64, not float32", in2=ones(3, 3, dtype=F64)),
    bad(TYPE, "out has dtype uint8", out=ones(8, 9, dtype=np.uint8)),
    bad(TYPE, "out must be a NumPy array, not list", out=[[7.0]]),
    bad(TYPE, "out is a masked array", out=np.ma.masked_all((8, 9), F32)),
    bad(SHAPE, "out is read-only", out=read_only(ones(8, 9))),
    bad(SHAPE, "out overlaps itself", "strides",
        out=np.lib.stride_tricks.as_strided(ones(9), (8, 9), (0, 4))),
    bad(SHAPE, "out shares memory with in1", in1=SHARED[:6, :7], out=SHARED[:8, :9]),
    bad(SHAPE, "out shares memory with in2", in2=SHARED[:3, :3], out=SHARED[:8, :9]),
]  # fmt: skip

EXPLANATIONS = [
    bad(SHAPE, "in1 must be an array or a shape", "7", in1=7),
    bad(TYPE, "in1 must be an array", in1=[[1.0, 2.0], [3.0]]),
    bad(SHAPE, "in2 must be (R, S)", "4-D", in2=[[[[1]]]]),
    bad(SHAPE, "in1 must be an array or a shape", "(1.5, 2)", in1=(1.5, 2)),
    bad(SHAPE, "in2 must be an array or a shape", "(-1, 2)", in2=(-1, 2)),
    bad(SHAPE, "in2 must not be empty", "(0, 2)", in2=(0, 2)),
    bad(SHAPE, "in1 must be (..., H, W)", "(5,)", in1=(5,)),
    bad(SHAPE, "in1 of shape (480, 640, 3)", "channel_axis=-1", in1=(480, 640, 3)),
    bad(TYPE, "dtype has dtype int8", "float32", dtype=np.int8),
    bad(SHAPE, "boundary must be one of", "'edge'", boundary="edge"),
    bad(SHAPE, "backend must be one of", "'fast'", backend="fast"),
]


def _row_id(row):
    _, words, change = row
    return f"{'-'.join(change)}-{words[-1][:20]}"


@in_one_test
@pytest.mark.parametrize("function", ["convolve2d", "correlate2d"])
@pytest.mark.parametrize("row", BAD_CALLS, ids=_row_id)
def test_a_bad_call_is_refused_with_a_clear_error(row, function):
    error, words, change = row
    arguments = {**good(), **change}
    call = partial(getattr(fastconv, function), **arguments)
    assert_refused(call, error, *words, out=arguments.get("out"))


@in_one_test
@pytest.mark.parametrize("row", EXPLANATIONS, ids=_row_id)
def test_what_cannot_be_explained_is_refused_too(row):
    error, words, change = row
    arguments = {"in1": (6, 7), "in2": (3, 3), **change}
    assert_refused(partial(fastconv.explain_convolve2d, **arguments), error, *words)


def test_the_call_without_the_mistake_works():
    fastconv.convolve2d(**good())
    fastconv.correlate2d(**good())
    fastconv.explain_convolve2d((6, 7), (3, 3))


@in_one_test
@pytest.mark.parametrize("way", ["direct", "separable", "fft"])
def test_a_result_too_large_for_memory_is_a_memory_error(way):
    image = np.broadcast_to(F32(1), (2**30, 2**30))
    with pytest.raises(MemoryError):
        fastconv.convolve2d(image, ones(3, 3), backend=way)
