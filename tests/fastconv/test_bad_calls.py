"""Calls that must be refused: one clear error, of the right type, that names argument and values.

Each row is a good call with one thing wrong. Where the function writes to `out`, every byte of it
has to be as it was before.
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastconv
from tests.support import assert_refused
from tests.walking import in_one_test

F32, F64 = np.float32, np.float64


def ones(*shape, dtype=F32):
    return np.ones(shape, dtype)


def _good_arguments(function):
    """Return arguments with which each function works."""
    x, weight, bias = ones(2, 4, 6, 7), ones(6, 4, 3, 3), ones(6)
    return {
        "conv2d": {"x": x, "weight": weight, "bias": bias, "out": np.full((2, 6, 4, 5), 7, F32)},
        "conv2d_backward": {"grad_output": ones(2, 6, 4, 5), "x": x, "weight": weight},
        "conv_transpose2d": {
            "x": x, "weight": ones(4, 6, 3, 3), "bias": bias, "out": np.full((2, 6, 8, 9), 7, F32),
        },
        "conv_transpose2d_backward": {
            "grad_output": ones(2, 6, 8, 9), "x": x, "weight": ones(4, 6, 3, 3),
        },
        "plan_conv2d": {"weight": weight, "bias": bias},
        "plan": {"x": x, "out": np.full((2, 6, 4, 5), 7, F32)},
        "explain": {"x_shape": x.shape, "weight_shape": weight.shape, "bias_shape": (6,)},
        "im2col": {"x": x, "kernel_size": 3},
        "col2im": {"cols": ones(2, 36, 20), "output_size": (6, 7), "kernel_size": 3},
        "max_pool2d": {"x": x, "kernel": 2, "out": np.full((2, 4, 3, 3), 7, F32)},
        "max_pool2d_backward": {
            "grad_output": ones(2, 4, 3, 3), "x": x, "kernel": 2,
            "out": np.full((2, 4, 6, 7), 7, F32),
        },
        "avg_pool2d": {"x": x, "kernel": 2, "out": np.full((2, 4, 3, 3), 7, F32)},
        "avg_pool2d_backward": {
            "grad_output": ones(2, 4, 3, 3), "x": x, "kernel": 2,
            "out": np.full((2, 4, 6, 7), 7, F32),
        },
        "global_avg_pool2d": {"x": x, "out": np.full((2, 4, 1, 1), 7, F32)},
        "global_avg_pool2d_backward": {
            "grad_output": ones(2, 4, 1, 1), "x": x, "out": np.full((2, 4, 6, 7), 7, F32),
        },
        "set_num_threads": {"n": 1},
        "num_threads": {"n": 1},
        "show_config": {},
    }[function]  # fmt: skip


def _function(name):
    if name == "plan":
        return fastconv.plan_conv2d(ones(6, 4, 3, 3), ones(6))
    if name == "num_threads":
        return fastconv.num_threads
    return getattr(fastconv, name)


class Bad(NamedTuple):
    """One bad call: what differs from the good one, and what the error has to say."""

    function: str
    change: dict[str, Any]
    error: type[Exception]
    words: tuple[str, ...]


def bad(function, error, *words, **change):
    return Bad(function, change, error, words)


def conv(error, *words, **change):
    return bad("conv2d", error, *words, **change)


def transposed(error, *words, **change):
    return bad("conv_transpose2d", error, *words, **change)


def transposed_backward(error, *words, **change):
    return bad("conv_transpose2d_backward", error, *words, **change)


def pool(error, *words, **change):
    return bad("max_pool2d", error, *words, **change)


def pool_backward(error, *words, **change):
    return bad("max_pool2d_backward", error, *words, **change)


def read_only(array):
    array.setflags(write=False)
    return array


SHARED = ones(2, 6, 6, 7)
FLAT = SHARED.reshape(-1)
LARGE = ones(2, 6, 10, 12)
HUGE = 2**40

BAD_CALLS = [
    # ranks
    conv(ValueError, "x must be (N, C, H, W)", "2-D", "(6, 7)", x=ones(6, 7)),
    conv(ValueError, "x must be", "5-D", x=ones(1, 2, 4, 6, 7)),
    conv(ValueError, "x must be", "0-D", x=np.float32(1)),
    conv(ValueError, "weight must be (K, C/groups, R, S)", "3-D", weight=ones(4, 3, 3)),
    conv(ValueError, "weight must be", "2-D", weight=ones(3, 3)),
    conv(ValueError, "weight must be", "5-D", weight=ones(1, 6, 4, 3, 3)),
    conv(ValueError, "bias must have shape (6,)", "(1, 6)", bias=ones(1, 6)),
    conv(ValueError, "bias must have shape (6,)", "()", bias=F32(1)),
    conv(ValueError, "bias must have shape (6,)", "(5,)", bias=ones(5)),
    conv(ValueError, "bias must have shape (6,)", "(6, 1, 1)", bias=ones(6, 1, 1)),
    # dtypes
    conv(TypeError, "x has dtype int64", "x with .astype(np.float64)",
         x=ones(2, 4, 6, 7, dtype=np.int64)),
    conv(TypeError, "x has dtype uint8", "x with .astype(np.float32)",
         x=ones(2, 4, 6, 7, dtype=np.uint8)),
    conv(TypeError, "x has dtype float16", "x with .astype(np.float32)",
         x=ones(2, 4, 6, 7, dtype=np.float16)),
    conv(TypeError, "x has dtype bool", ".astype(np.float32)", x=ones(2, 4, 6, 7, dtype=bool)),
    conv(TypeError, "x has dtype complex64", x=ones(2, 4, 6, 7, dtype=np.complex64)),
    conv(TypeError, "x has dtype object", x=ones(2, 4, 6, 7, dtype=object)),
    conv(TypeError, "x has dtype", x="an image"),
    conv(TypeError, "x has dtype object", x=None),
    conv(TypeError, "x must be an array", x=[[[1.0, 2.0], [3.0]]]),
    conv(TypeError, "x is a masked array", x=np.ma.masked_equal(ones(2, 4, 6, 7), 0)),
    conv(TypeError, "weight has dtype int32", "weight with .astype(np.float64)",
         weight=ones(6, 4, 3, 3, dtype=np.int32)),
    conv(TypeError, "weight has dtype float16", weight=ones(6, 4, 3, 3, dtype=np.float16)),
    conv(TypeError, "weight has dtype float64 but x has float32", "weight.astype(np.float32)",
         weight=ones(6, 4, 3, 3, dtype=F64)),
    conv(TypeError, "bias has dtype float64 but x has float32", bias=ones(6, dtype=F64)),
    conv(TypeError, "bias has dtype int64", bias=ones(6, dtype=np.int64)),
    conv(TypeError, "has dtype float32 but x has float64", x=ones(2, 4, 6, 7, dtype=F64)),
    # empty where only the batch may be
    conv(ValueError, "x must not be empty", "(2, 0, 6, 7)", x=ones(2, 0, 6, 7)),
    conv(ValueError, "x must not be empty", "(2, 4, 0, 7)", x=ones(2, 4, 0, 7)),
    conv(ValueError, "x must not be empty", "(2, 4, 6, 0)", x=ones(2, 4, 6, 0)),
    conv(ValueError, "x must not be empty", "(0, 6, 7)", x=ones(0, 6, 7)),
    conv(ValueError, "weight must not be empty", "(0, 4, 3, 3)", weight=ones(0, 4, 3, 3)),
    conv(ValueError, "weight must not be empty", "(6, 0, 3, 3)", weight=ones(6, 0, 3, 3)),
    conv(ValueError, "weight must not be empty", "(6, 4, 0, 3)", weight=ones(6, 4, 0, 3)),
    # channels and groups
    conv(ValueError, "(6, 5, 3, 3)", "5·groups = 5", "groups=1", "4", weight=ones(6, 5, 3, 3)),
    conv(ValueError, "takes 4·groups = 8", "groups=2", "has 4", groups=2),
    conv(ValueError, "groups=3 must divide the 4 channels of x", groups=3),
    conv(ValueError, "groups=4", "6 output channels", groups=4, weight=ones(6, 1, 3, 3)),
    conv(ValueError, "groups must be at least 1, not 0", groups=0),
    conv(ValueError, "groups must be at least 1, not -2", groups=-2),
    conv(TypeError, "groups must be an int, not 2.0", groups=2.0),
    conv(TypeError, "groups must be an int, not None", groups=None),
    conv(TypeError, "groups must be an int, not (2, 2)", groups=(2, 2)),
    conv(TypeError, "groups must be an int, not True", groups=True),
    # stride
    conv(ValueError, "stride must be at least 1, not 0", stride=0),
    conv(ValueError, "stride must be at least 1, not -1", stride=-1),
    conv(ValueError, "stride must be at least 1, not 0", stride=(1, 0)),
    conv(ValueError, "stride must be an int or a pair of ints, not (1, 2, 3)", stride=(1, 2, 3)),
    conv(ValueError, "stride must be an int or a pair of ints, not ()", stride=()),
    conv(ValueError, "stride must be", "array([1, 1, 1])", stride=np.array([1, 1, 1])),
    conv(TypeError, "stride must be an int or a pair of ints, not 1.5", stride=1.5),
    conv(TypeError, "stride must be", "1.5", stride=(1, 1.5)),
    conv(TypeError, "stride must be", "'2'", stride="2"),
    conv(TypeError, "stride must be", "None", stride=None),
    conv(TypeError, "stride must be", "{1: 2, 2: 1}", stride={1: 2, 2: 1}),
    conv(TypeError, "stride must be", "True", stride=True),
    conv(ValueError, "stride must be at most 2147483647", str(2**31), stride=2**31),
    # whose digits Python refuses to print
    conv(ValueError, "stride must be at most 2147483647", "2**16609 or more", stride=10**5000),
    conv(ValueError, "stride must be at least 1", "-2**16609 or less", stride=-(10**5000)),
    conv(ValueError, "stride must be an int or a pair", "very large", stride=(10**5000,) * 3),
    conv(ValueError, "padding must be", "2**16609", padding=((10**5000, 0), (0, 0))),
    bad("explain", ValueError, "x", "larger than any array", x_shape=(1, 1, 10**5000, 3)),
    bad("explain", ValueError, "direction must be", "2**16609", direction=10**5000),
    bad("explain", TypeError, "dtype must be float32 or float64", "2**16609", dtype=10**5000),
    conv(ValueError, "activation must be one of", "2**16609 or more", activation=10**5000),
    conv(ValueError, "activation must be one of", "very large", activation=[10**5000]),
    conv(ValueError, "padding_mode must be one of", "2**16609 or more", padding_mode=10**5000),
    conv(ValueError, "backend must be one of", "2**16609 or more", backend=10**5000),
    bad("conv2d_backward", TypeError, "needs must be three bools", "2**16609", needs=10**5000),
    bad("conv2d_backward", TypeError, "needs must be three", "very large", needs=[10**5000] * 3),
    bad("show_config", ValueError, "mode must be", "2**16609 or more", mode=10**5000),
    bad("set_num_threads", ValueError, "n must be at most", "2**16609 or more", n=10**5000),
    # an empty batch, whose extents NumPy multiplies as those of one image
    conv(ValueError, "x, padded", "larger than any array", x=ones(0, 4, 6, 7), padding=2**31 - 1),
    transposed(
        ValueError, "the output", "larger than any array", x=ones(0, 4, 6, 7), stride=2**31 - 1
    ),
    conv(ValueError, "stride must be at most", str(2**70), stride=2**70),
    # dilation
    conv(ValueError, "dilation must be at least 1, not 0", dilation=0),
    conv(ValueError, "dilation must be at least 1, not -3", dilation=(-3, 1)),
    conv(TypeError, "dilation must be", "2.0", dilation=2.0),
    conv(ValueError, "dilation must be at most", dilation=2**40),
    conv(ValueError, "kernel of height 3 with dilation spans 9", "height 6", dilation=(4, 1)),
    # padding
    conv(ValueError, "padding must be at least 0, not -1", padding=-1),
    conv(ValueError, "padding must be at least 0, not -2", padding=(0, -2)),
    conv(ValueError, "padding must be at least 0, not -1", padding=((0, 1), (-1, 0))),
    conv(TypeError, "padding must be an int, a pair", "nan", padding=float("nan")),
    conv(TypeError, "padding must be", "nan", padding=(1, float("nan"))),
    conv(TypeError, "padding must be", "1.0", padding=1.0),
    conv(TypeError, "padding must be", "None", padding=None),
    conv(TypeError, "padding must be", "True", padding=(True, 1)),
    conv(ValueError, "padding must be", "'SAME'", padding="SAME"),
    conv(ValueError, "padding must be", "'full'", padding="full"),
    conv(ValueError, "padding must be", "''", padding=""),
    conv(TypeError, "padding must be", "b'same'", padding=b"same"),
    conv(TypeError, "padding must be", "'same'", padding=("same", "same")),
    conv(ValueError, "padding must be", "(1, 1, 1, 1)", padding=(1, 1, 1, 1)),
    conv(ValueError, "padding must be", "((1, 1), 2)", padding=((1, 1), 2)),
    conv(ValueError, "padding must be", "(1, 2, 3)", padding=((1, 2, 3), (1, 2))),
    conv(ValueError, "padding must be", "((1, 1),)", padding=((1, 1),)),
    conv(TypeError, "padding must be", "{1, 2}", padding={1, 2}),
    conv(ValueError, "padding must be at most", padding=2**31),
    # padding modes
    conv(ValueError, "padding_mode must be one of", "'constant'", padding_mode="constant"),
    conv(ValueError, "padding_mode must be one of", "None", padding_mode=None),
    conv(ValueError, "padding (6, 6)", "'reflect'", "height 6", "at most 5",
         padding=6, padding_mode="reflect"),
    conv(ValueError, "padding (0, 8)", "'circular'", "width 7", "at most 7",
         padding=((0, 0), (0, 8)), padding_mode="circular"),
    # the window
    conv(ValueError, "kernel of height 7", "padded image has height 6", weight=ones(6, 4, 7, 3)),
    conv(ValueError, "kernel of width 10", "padded image has width 9", weight=ones(6, 4, 3, 10),
         padding=1),
    conv(ValueError, "kernel of width 3", "spans 2147483647", dilation=(1, 2**30 - 1),
         weight=ones(6, 4, 1, 3)),
    # activation, backend
    conv(ValueError, "activation must be one of", "'gelu'", activation="gelu"),
    conv(ValueError, "activation must be one of", "'ReLU'", activation="ReLU"),
    conv(ValueError, "activation must be one of", "0", activation=0),
    conv(ValueError, "activation must be one of", "array", activation=np.ones(2)),
    conv(ValueError, "backend must be one of", "array", backend=np.ones(2)),
    conv(ValueError, "padding_mode must be one of", "array", padding_mode=np.ones(2)),
    conv(ValueError, "activation must be one of", "ufunc", activation=np.tanh),
    conv(ValueError, "backend must be one of", "'cuda'", backend="cuda"),
    conv(ValueError, "backend must be one of", "None", backend=None),
    conv(ValueError, "backend must be one of", "'reference'", backend="reference"),
    # out
    conv(ValueError, "out must have shape (2, 6, 4, 5)", "(2, 6, 4, 4)", out=ones(2, 6, 4, 4)),
    conv(ValueError, "out must have shape (2, 6, 4, 5)", "(6, 4, 5)", out=ones(6, 4, 5)),
    conv(ValueError, "out must have shape (2, 6, 4, 5)", "(240,)", out=ones(240)),
    conv(ValueError, "out must have shape (6, 4, 5)", "(1, 6, 4, 5)", x=ones(4, 6, 7),
         out=ones(1, 6, 4, 5)),
    conv(TypeError, "out must have dtype float32, not float64", out=ones(2, 6, 4, 5, dtype=F64)),
    conv(TypeError, "out has dtype int32", out=ones(2, 6, 4, 5, dtype=np.int32)),
    conv(TypeError, "out must be a NumPy array, not list", out=[[[[7.0]]]]),
    conv(TypeError, "out is a masked array", out=np.ma.masked_all((2, 6, 4, 5), F32)),
    conv(ValueError, "out is read-only", out=read_only(ones(2, 6, 4, 5))),
    conv(ValueError, "out overlaps itself", "strides",
         out=np.lib.stride_tricks.as_strided(ones(120), (2, 6, 4, 5), (0, 80, 20, 4))),
    conv(ValueError, "out overlaps itself",
         out=np.lib.stride_tricks.as_strided(ones(130), (2, 6, 4, 5), (40, 20, 16, 4))),
    conv(ValueError, "out shares memory with x", x=SHARED[:, :4], out=SHARED[:, :, 2:, 2:]),
    conv(ValueError, "out shares memory with weight", weight=FLAT[:216].reshape(6, 4, 3, 3),
         out=FLAT[200:440].reshape(2, 6, 4, 5)),
    conv(ValueError, "out shares memory with bias", bias=SHARED[0, :, 0, 0],
         out=SHARED[:, :, :4, :5]),
    # sizes that no array can have
    bad("explain", ValueError, "x, padded", "larger than any array", x_shape=(HUGE, 4, HUGE, 7)),
    bad("explain", ValueError, "the output", "larger than any array",
        x_shape=(2**20, 1, 2**18, 2**18), weight_shape=(2**10, 1, 1, 1), bias_shape=None),
    bad("explain", ValueError, "weight", "larger than any array", padding=2**20 - 1,
        weight_shape=(2**30, 4, 2**20, 2**20), bias_shape=None),
    bad("explain", ValueError, "x must be", "2-D", x_shape=(4, 6)),
    bad("explain", ValueError, "x cannot have a negative extent", "(-1, 4, 6, 7)",
        x_shape=(-1, 4, 6, 7)),
    bad("explain", TypeError, "shape of bias", "1.0", bias_shape=(1.0,)),
    bad("explain", TypeError, "shape of bias", "7", bias_shape=7),
    bad("explain", TypeError, "dtype must be float32 or float64, not None", dtype=None),
    bad("explain", TypeError, "shape of x", "tuple of ints", "'ab'", x_shape="ab"),
    bad("explain", TypeError, "shape of x", "7", x_shape=7),
    bad("explain", TypeError, "shape of weight", "1.5", weight_shape=(6, 4, 1.5, 3)),
    bad("explain", TypeError, "dtype has dtype int8", "float32", dtype=np.int8),
    bad("explain", TypeError, "dtype must be float32 or float64", "'single32'", dtype="single32"),
    bad("explain", ValueError, "backend must be one of", "'fast'", backend="fast"),
    # backward
    bad("conv2d_backward", ValueError, "grad_output", "(2, 6, 4, 5)", "(2, 6, 4, 4)",
        grad_output=ones(2, 6, 4, 4)),
    bad("conv2d_backward", ValueError, "grad_output", "(2, 6, 4, 5)", "(6, 4, 5)",
        grad_output=ones(6, 4, 5)),
    bad("conv2d_backward", ValueError, "grad_output", "(2, 6, 2, 3)", stride=2),
    bad("conv2d_backward", TypeError, "grad_output has dtype float64 but x has float32",
        grad_output=ones(2, 6, 4, 5, dtype=F64)),
    bad("conv2d_backward", TypeError, "grad_output has dtype int64",
        grad_output=ones(2, 6, 4, 5, dtype=np.int64)),
    bad("conv2d_backward", TypeError, "weight has dtype float64",
        weight=ones(6, 4, 3, 3, dtype=F64)),
    bad("conv2d_backward", ValueError, "x must be", "2-D", x=ones(6, 7)),
    bad("conv2d_backward", ValueError, "output", "activation='relu'", activation="relu"),
    bad("conv2d_backward", ValueError, "output must have shape (2, 6, 4, 5)", "(2, 6, 4, 1)",
        activation="relu", output=ones(2, 6, 4, 1)),
    bad("conv2d_backward", TypeError, "output has dtype float64", activation="relu",
        output=ones(2, 6, 4, 5, dtype=F64)),
    bad("conv2d_backward", ValueError, "activation must be", "'elu'", activation="elu"),
    bad("conv2d_backward", TypeError, "needs must be three bools", "1", needs=(1, 1, 1)),
    bad("conv2d_backward", TypeError, "needs must be three bools", "True", needs=True),
    bad("conv2d_backward", ValueError, "needs must be three bools", "(True, True)",
        needs=(True, True)),
    bad("conv2d_backward", ValueError, "backend must be one of", "'tpu'", backend="tpu"),
    bad("conv2d_backward", ValueError, "stride must be at least 1, not 0", stride=(0, 1)),
    bad("conv2d_backward", ValueError, "groups=3 must divide", groups=3),
    # transposed: ranks, dtypes, empty operands
    transposed(ValueError, "x must be (N, C, H, W)", "2-D", "(6, 7)", x=ones(6, 7)),
    transposed(ValueError, "x must be", "5-D", x=ones(1, 2, 4, 6, 7)),
    transposed(ValueError, "weight must be (C, K/groups, R, S)", "3-D", weight=ones(4, 3, 3)),
    transposed(ValueError, "bias must have shape (6,)", "(4,)", bias=ones(4)),
    transposed(ValueError, "bias must have shape (6,)", "()", bias=F32(1)),
    transposed(ValueError, "bias must have shape (12,)", "groups=2", "(6,)", groups=2),
    transposed(TypeError, "x has dtype int64", "x with .astype(np.float64)",
               x=ones(2, 4, 6, 7, dtype=np.int64)),
    transposed(TypeError, "x has dtype object", x=None),
    transposed(TypeError, "x is a masked array", x=np.ma.masked_equal(ones(2, 4, 6, 7), 0)),
    transposed(TypeError, "weight has dtype float64 but x has float32",
               weight=ones(4, 6, 3, 3, dtype=F64)),
    transposed(TypeError, "bias has dtype float64 but x has float32", bias=ones(6, dtype=F64)),
    transposed(TypeError, "bias has dtype int64", bias=ones(6, dtype=np.int64)),
    transposed(ValueError, "x must not be empty", "(2, 4, 0, 7)", x=ones(2, 4, 0, 7)),
    transposed(ValueError, "x must not be empty", "(0, 6, 7)", x=ones(0, 6, 7)),
    transposed(ValueError, "weight must not be empty", "(4, 0, 3, 3)", weight=ones(4, 0, 3, 3)),
    transposed(ValueError, "weight must not be empty", "(4, 6, 3, 0)", weight=ones(4, 6, 3, 0)),
    # transposed: channels and options
    transposed(ValueError, "weight (6, 4, 3, 3) takes 6 channels", "x (2, 4, 6, 7) has 4",
               weight=ones(6, 4, 3, 3)),
    transposed(ValueError, "groups=3 must divide the 4 channels of x (2, 4, 6, 7)", groups=3),
    transposed(ValueError, "groups must be at least 1, not 0", groups=0),
    transposed(TypeError, "groups must be an int, not 2.0", groups=2.0),
    transposed(ValueError, "stride must be at least 1, not 0", stride=(1, 0)),
    transposed(ValueError, "stride must be an int or a pair of ints, not (1, 2, 3)",
               stride=(1, 2, 3)),
    transposed(TypeError, "stride must be", "'2'", stride="2"),
    transposed(ValueError, "dilation must be at least 1, not -3", dilation=(-3, 1)),
    transposed(TypeError, "dilation must be", "True", dilation=True),
    transposed(ValueError, "padding must be at least 0, not -1", padding=-1),
    transposed(ValueError, "padding must be at least 0, not -2", padding=((0, 1), (-2, 0))),
    transposed(ValueError, "padding must be an int, a pair of ints or ((top, bottom), (left",
               "not 'same'", padding="same"),
    transposed(ValueError, "padding must be an int, a pair", "not 'valid'", padding="valid"),
    transposed(ValueError, "padding must be", "(1, 2, 3)", padding=(1, 2, 3)),
    transposed(ValueError, "padding must be", "((1, 1), 2)", padding=((1, 1), 2)),
    transposed(TypeError, "padding must be", "1.5", padding=1.5),
    transposed(TypeError, "padding must be", "None", padding=None),
    transposed(ValueError, "padding (4, 4) leaves nothing of the output", "height 8", padding=4),
    transposed(ValueError, "padding (9, 0) leaves nothing of the output", "width 9",
               padding=((0, 0), (9, 0))),
    transposed(ValueError, "output_padding must be smaller than stride or dilation",
               "not 1 in height, where stride is 1 and dilation 1", output_padding=1),
    transposed(ValueError, "not 3 in width", "stride is 2 and dilation 3",
               output_padding=(2, 3), stride=2, dilation=3),
    transposed(ValueError, "output_padding must be at least 0, not -1", output_padding=(-1, 0)),
    transposed(ValueError, "output_padding must be", "(0, 0, 0)", output_padding=(0, 0, 0)),
    transposed(TypeError, "output_padding must be", "0.5", output_padding=0.5),
    transposed(TypeError, "output_padding must be", "None", output_padding=None),
    transposed(ValueError, "backend must be one of", "'cudnn'", backend="cudnn"),
    transposed(ValueError, "backend must be one of", "None", backend=None),
    transposed(ValueError, "the output", "larger than any array", stride=2**31 - 1),
    # transposed: out
    transposed(ValueError, "out must have shape (2, 6, 8, 9)", "(2, 6, 4, 5)",
               out=ones(2, 6, 4, 5)),
    transposed(ValueError, "out must have shape (6, 8, 9)", "(1, 6, 8, 9)", x=ones(4, 6, 7),
               out=ones(1, 6, 8, 9)),
    transposed(ValueError, "out must have shape (2, 6, 13, 15)", "(2, 6, 8, 9)", stride=2),
    transposed(TypeError, "out must have dtype float32, not float64",
               out=ones(2, 6, 8, 9, dtype=F64)),
    transposed(TypeError, "out must be a NumPy array, not list", out=[7.0]),
    transposed(TypeError, "out is a masked array", out=np.ma.masked_all((2, 6, 8, 9), F32)),
    transposed(ValueError, "out is read-only", out=read_only(ones(2, 6, 8, 9))),
    transposed(ValueError, "out overlaps itself",
               out=np.lib.stride_tricks.as_strided(ones(432), (2, 6, 8, 9), (0, 288, 36, 4))),
    transposed(ValueError, "out shares memory with x", x=LARGE[:, :4, :6, :7],
               out=LARGE[:, :, :8, :9]),
    transposed(ValueError, "out shares memory with weight",
               weight=LARGE.reshape(-1)[:216].reshape(4, 6, 3, 3), out=LARGE[:, :, :8, :9]),
    transposed(ValueError, "out shares memory with bias", bias=LARGE[0, :, 0, 0],
               out=LARGE[:, :, :8, :9]),
    # transposed: backward
    transposed_backward(ValueError, "grad_output", "(2, 6, 8, 9)", "(2, 6, 6, 7)",
                        grad_output=ones(2, 6, 6, 7)),
    transposed_backward(ValueError, "grad_output", "(2, 6, 8, 9)", "(6, 8, 9)",
                        grad_output=ones(6, 8, 9)),
    transposed_backward(ValueError, "grad_output", "(2, 6, 13, 15)", stride=2),
    transposed_backward(TypeError, "grad_output has dtype float64 but x has float32",
                        grad_output=ones(2, 6, 8, 9, dtype=F64)),
    transposed_backward(TypeError, "weight has dtype int8",
                        weight=ones(4, 6, 3, 3, dtype=np.int8)),
    transposed_backward(ValueError, "x must be", "2-D", x=ones(6, 7)),
    transposed_backward(ValueError, "takes 6 channels", "has 4", weight=ones(6, 4, 3, 3)),
    transposed_backward(ValueError, "output_padding must be smaller", output_padding=1),
    transposed_backward(ValueError, "padding must be", "'same'", padding="same"),
    transposed_backward(ValueError, "padding (5, 5) leaves nothing", padding=5),
    transposed_backward(TypeError, "needs must be three bools", "1", needs=(1, 1, 1)),
    transposed_backward(ValueError, "needs must be three bools", "(True,)", needs=(True,)),
    transposed_backward(ValueError, "backend must be one of", "'tpu'", backend="tpu"),
    # plans: what is wrong whatever the image is said when the plan is made
    bad("plan_conv2d", ValueError, "weight must be", "3-D", weight=ones(4, 3, 3)),
    bad("plan_conv2d", ValueError, "bias must have shape (6,)", "(4,)", bias=ones(4)),
    bad("plan_conv2d", TypeError, "weight has dtype float16",
        weight=ones(6, 4, 3, 3, dtype=np.float16)),
    bad("plan_conv2d", TypeError, "bias has dtype float64", bias=ones(6, dtype=F64)),
    bad("plan_conv2d", ValueError, "groups=4 must divide", "6 output channels", groups=4),
    bad("plan_conv2d", ValueError, "stride must be at least 1", stride=0),
    bad("plan_conv2d", ValueError, "dilation must be at least 1", dilation=0),
    bad("plan_conv2d", ValueError, "padding must be", "'Same'", padding="Same"),
    bad("plan_conv2d", ValueError, "padding_mode must be", "'mirror'", padding_mode="mirror"),
    bad("plan_conv2d", ValueError, "activation must be", "'swish'", activation="swish"),
    bad("plan_conv2d", ValueError, "backend must be", "'mkl'", backend="mkl"),
    bad("plan", ValueError, "channels", "has 3", x=ones(2, 3, 6, 7)),
    bad("plan", TypeError, "weight has dtype float32 but x has float64",
        x=ones(2, 4, 6, 7, dtype=F64)),
    bad("plan", ValueError, "kernel of height 3", "height 2", x=ones(2, 4, 2, 7)),
    bad("plan", ValueError, "out must have shape", "(1, 1)", out=ones(1, 1)),
    # im2col, col2im
    bad("im2col", ValueError, "x must be", "(6, 7)", x=ones(6, 7)),
    bad("im2col", TypeError, "x has dtype int64", x=ones(2, 4, 6, 7, dtype=np.int64)),
    bad("im2col", ValueError, "kernel_size must be at least 1, not 0", kernel_size=0),
    bad("im2col", TypeError, "kernel_size must be", "2.5", kernel_size=2.5),
    bad("im2col", ValueError, "kernel_size must be", "(1, 2, 3)", kernel_size=(1, 2, 3)),
    bad("im2col", ValueError, "kernel of height 9", "height 6", kernel_size=9),
    bad("im2col", ValueError, "stride must be at least 1", stride=0),
    bad("im2col", ValueError, "the column matrix", "larger than any array", x=ones(1, 1, 1),
        kernel_size=40_000, padding=40_000),
    bad("im2col", ValueError, "x must not be empty", "(2, 0, 6, 7)", x=ones(2, 0, 6, 7)),
    bad("col2im", ValueError, "cols must be", "(36,)", cols=ones(36)),
    bad("col2im", TypeError, "cols has dtype uint8", cols=ones(2, 36, 20, dtype=np.uint8)),
    bad("col2im", ValueError, "cols (2, 35, 20)", "3·3", cols=ones(2, 35, 20)),
    bad("col2im", ValueError, "cols (2, 0, 20)", "3·3", cols=ones(2, 0, 20)),
    bad("col2im", ValueError, "cols (2, 36, 21)", "4·5", cols=ones(2, 36, 21)),
    bad("col2im", ValueError, "output_size must be at least 1, not 0", output_size=(0, 7)),
    bad("col2im", TypeError, "output_size must be", "None", output_size=None),
    bad("col2im", ValueError, "kernel of width 3", "width 2", output_size=(6, 2)),
    # poolings: operands
    pool(ValueError, "x must be (N, C, H, W) or (C, H, W)", "2-D", "(6, 7)", x=ones(6, 7)),
    pool(ValueError, "x must be", "5-D", x=ones(1, 2, 4, 6, 7)),
    pool(TypeError, "x has dtype int64", "x with .astype(np.float64)",
         x=ones(2, 4, 6, 7, dtype=np.int64)),
    pool(TypeError, "x has dtype float16", x=ones(2, 4, 6, 7, dtype=np.float16)),
    pool(TypeError, "x is a masked array", x=np.ma.masked_equal(ones(2, 4, 6, 7), 0)),
    pool(ValueError, "x must not be empty", "(2, 0, 6, 7)", x=ones(2, 0, 6, 7)),
    pool(ValueError, "x must not be empty", "(2, 4, 6, 0)", x=ones(2, 4, 6, 0)),
    # poolings: windows
    pool(ValueError, "kernel must be at least 1, not 0", kernel=0),
    pool(ValueError, "kernel must be at least 1, not -2", kernel=(2, -2)),
    pool(ValueError, "kernel must be an int or a pair of ints, not (2, 2, 2)", kernel=(2, 2, 2)),
    pool(TypeError, "kernel must be", "2.0", kernel=2.0),
    pool(TypeError, "kernel must be", "None", kernel=None),
    pool(TypeError, "kernel must be", "True", kernel=True),
    pool(TypeError, "kernel must be", "'2'", kernel="2"),
    pool(ValueError, "kernel must be at most", str(HUGE), kernel=HUGE),
    pool(ValueError, "kernel does not fit into x", "9 taps in height", "has 6", kernel=9),
    pool(ValueError, "kernel does not fit", "in width", "span 8", kernel=(2, 8)),
    pool(ValueError, "does not fit", "4 apart, span 9", kernel=3, dilation=4),
    pool(ValueError, "does not fit", "9 taps", kernel=9, stride=3, ceil_mode=True),
    pool(ValueError, "stride must be at least 1, not 0", stride=0),
    pool(TypeError, "stride must be", "1.5", stride=1.5),
    pool(ValueError, "stride must be", "()", stride=()),
    pool(ValueError, "dilation must be at least 1, not 0", dilation=0),
    pool(TypeError, "dilation must be", "None", dilation=None),
    pool(TypeError, "ceil_mode must be True or False, not 1", ceil_mode=1),
    pool(TypeError, "ceil_mode must be True or False, not None", ceil_mode=None),
    pool(ValueError, "padding must be at least 0, not -1", padding=-1),
    pool(ValueError, "padding must be", "'same'", padding="same"),
    pool(ValueError, "padding must be", "(1, (1, 1))", padding=(1, (1, 1))),
    pool(TypeError, "padding must be", "None", padding=None),
    pool(TypeError, "padding must be", "0.5", padding=0.5),
    pool(ValueError, "padding (2, 2) leaves window 0 in height without a pixel", "at -2 to -1",
         padding=2),
    pool(ValueError, "padding (0, 3) leaves window 4 in width", "at 8 to 9", "0 to 6",
         padding=((0, 0), (0, 3))),
    pool(ValueError, "leaves window 1 in height", "2 taps, 9 apart, are at -3 to 6", stride=1,
         dilation=(9, 1), padding=((4, 1), (0, 0))),
    pool(ValueError, "the output would have shape", "larger than any array",
         x=np.broadcast_to(F32(1), (2**30, 1, 2**30, 1)), kernel=(2**30 + 1, 1), stride=1,
         padding=((2**30, 2**30), (0, 0))),
    pool(ValueError, "backend must be one of ['auto', 'loops', 'numpy'], not 'gemm'",
         backend="gemm"),
    pool(ValueError, "backend must be one of", "None", backend=None),
    # poolings: out
    pool(TypeError, "out must be a NumPy array, not list", out=[0.0]),
    pool(ValueError, "out must have shape (2, 4, 3, 3), not (4, 3, 3)", out=ones(4, 3, 3)),
    pool(TypeError, "out must have dtype float32, not float64", out=ones(2, 4, 3, 3, dtype=F64)),
    pool(ValueError, "out is read-only", out=read_only(ones(2, 4, 3, 3))),
    pool(ValueError, "out shares memory with x", x=SHARED[:, :4], out=SHARED[:, :4, :3, :3]),
    pool(ValueError, "out overlaps itself",
         out=np.lib.stride_tricks.as_strided(ones(72), (2, 4, 3, 3), (0, 36, 12, 4))),
    # poolings: backward
    pool_backward(ValueError, "grad_output must have the output's shape (2, 4, 3, 3)",
                  "(2, 4, 3, 4)", grad_output=ones(2, 4, 3, 4)),
    pool_backward(ValueError, "(2, 4, 3, 3)", "(4, 3, 3)", grad_output=ones(4, 3, 3)),
    pool_backward(ValueError, "(4, 3, 3)", "(2, 4, 3, 3)", x=ones(4, 6, 7)),
    pool_backward(TypeError, "grad_output has dtype float64 but x has float32",
                  grad_output=ones(2, 4, 3, 3, dtype=F64)),
    pool_backward(TypeError, "grad_output has dtype int32",
                  grad_output=ones(2, 4, 3, 3, dtype=np.int32)),
    pool_backward(ValueError, "out must have shape (2, 4, 6, 7)", out=ones(2, 4, 3, 3)),
    pool_backward(ValueError, "out shares memory with x", x=SHARED[:, :4], out=SHARED[:, 2:]),
    pool_backward(ValueError, "out shares memory with grad_output",
                  grad_output=SHARED[:, :4, :3, :3], out=SHARED[:, :4]),
    # poolings: taps
    pool(TypeError, "return_taps must be True or False, not 1", return_taps=1),
    pool(TypeError, "return_taps must be True or False, not None", return_taps=None),
    pool_backward(TypeError, "taps has dtype int64, but those of a window of 2×2 are uint8",
                  taps=np.zeros((2, 4, 3, 3), np.int64)),
    pool_backward(TypeError, "taps has dtype float32", taps=ones(2, 4, 3, 3)),
    pool_backward(ValueError, "taps must have the output's shape (2, 4, 3, 3), not (2, 4, 3, 4)",
                  taps=np.zeros((2, 4, 3, 4), np.uint8)),
    pool_backward(ValueError, "taps must be 0 to 3, those of a window of 2×2, not 4",
                  taps=np.full((2, 4, 3, 3), 4, np.uint8)),
    bad("max_pool2d_backward", ValueError, "taps must be 0 to 288", "not -1", kernel=17,
        x=ones(1, 17, 17), grad_output=ones(1, 1, 1), taps=np.full((1, 1, 1), -1)),
    bad("max_pool2d_backward", TypeError, "taps has dtype uint8, but those", "17×17 are int64",
        kernel=17, x=ones(1, 17, 17), grad_output=ones(1, 1, 1),
        taps=np.zeros((1, 1, 1), np.uint8)),
    # averages
    bad("avg_pool2d", TypeError, "count_include_pad must be True or False, not 'no'",
        count_include_pad="no"),
    bad("avg_pool2d", ValueError, "padding (2, 2) leaves window 0", padding=2),
    bad("avg_pool2d", TypeError, "x has dtype uint8", x=ones(2, 4, 6, 7, dtype=np.uint8)),
    bad("avg_pool2d", ValueError, "kernel does not fit", kernel=7),
    bad("avg_pool2d", ValueError, "out shares memory with x", x=SHARED[:, :4],
        out=SHARED[:, :4, :3, :3]),
    bad("avg_pool2d_backward", ValueError, "grad_output must have the output's shape",
        "(1, 1, 1, 1)", grad_output=ones(1, 1, 1, 1)),
    bad("avg_pool2d_backward", ValueError, "out shares memory with grad_output",
        grad_output=SHARED[:, :4, :3, :3], out=SHARED[:, :4]),
    bad("global_avg_pool2d", ValueError, "x must be", "1-D", x=ones(6)),
    bad("global_avg_pool2d", ValueError, "x must not be empty", x=ones(2, 4, 0, 7)),
    bad("global_avg_pool2d", ValueError, "out must have shape (2, 4, 1, 1), not (2, 4)",
        out=ones(2, 4)),
    bad("global_avg_pool2d", ValueError, "backend must be one of", "'im2col'", backend="im2col"),
    bad("global_avg_pool2d_backward", ValueError, "(2, 4, 1, 1)", "(2, 4)", grad_output=ones(2, 4)),
    bad("global_avg_pool2d_backward", TypeError, "grad_output has dtype float64",
        grad_output=ones(2, 4, 1, 1, dtype=F64)),
    # threads, configuration
    bad("set_num_threads", ValueError, "n must be at least 1, not 0", n=0),
    bad("set_num_threads", TypeError, "n must be an int, not 1.5", n=1.5),
    bad("num_threads", ValueError, "n must be at least 1, not -1", n=-1),
    bad("num_threads", TypeError, "n must be an int, not 'all'", n="all"),
    bad("show_config", ValueError, "mode must be", "'json'", mode="json"),
]  # fmt: skip


def _row_id(row: Bad) -> str:
    changes = "-".join(row.change) or "nothing"
    return f"{row.function}-{changes}-{row.words[-1][:20]}"


@in_one_test
@pytest.mark.parametrize("row", BAD_CALLS, ids=_row_id)
def test_a_bad_call_is_refused_with_a_clear_error(row):
    arguments = {**_good_arguments(row.function), **row.change}
    call = partial(_function(row.function), **arguments)
    assert_refused(call, row.error, *row.words, out=arguments.get("out"))


@in_one_test
@pytest.mark.parametrize("function", sorted({row.function for row in BAD_CALLS}))
def test_the_call_without_the_mistake_works(function):
    threads = fastconv.get_num_threads()
    _function(function)(**_good_arguments(function))
    fastconv.set_num_threads(threads)


def test_there_are_many_bad_calls():
    assert len(BAD_CALLS) >= 100


def test_a_result_too_large_for_memory_is_a_memory_error_and_leaves_out_alone():
    x = np.broadcast_to(np.float32(1), (1, 1, 2**30, 2**30))
    with pytest.raises(MemoryError):
        fastconv.conv2d(x, ones(1, 1, 1, 1))


def test_a_buffer_too_large_for_memory_is_a_memory_error_and_leaves_out_alone():
    x = np.broadcast_to(np.float32(1), (1, 1, 2**30, 2**30))
    out = np.full((1, 1, 1, 1), 7, F32)
    with pytest.raises(MemoryError):
        fastconv.conv2d(x, ones(1, 1, 1, 1), stride=2**31 - 1, out=out)
    assert out == 7
