"""Calls of fastconv.nn that must be refused: one clear error that names argument and values."""

import numpy as np
import pytest

from fastconv import nn
from tests.support import assert_refused
from tests.walking import in_one_test

F32, F64 = np.float32, np.float64


def ones(*shape, dtype=F32):
    return np.ones(shape, dtype)


def conv(**options):
    return nn.Conv2d(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, "rng": 0} | options)


def linear(**options):
    return nn.Linear(**{"in_features": 4, "out_features": 3, "rng": 0} | options)


def sgd(**options):
    return nn.SGD(**{"parameters": [nn.Parameter(ones(2))], "learning_rate": 0.1} | options)


def loss(logits=None, labels=(0, 1)):
    return nn.SoftmaxCrossEntropy().forward(ones(2, 3) if logits is None else logits, labels)


def network():
    return nn.Sequential(conv(), nn.MaxPool2d(2), nn.Flatten(), linear(in_features=24))


def after_forward(layer, x, grad):
    layer.forward(x)
    return layer.backward(grad)


def given(grad):
    parameter = nn.Parameter(ones(2), grad)
    nn.SGD([parameter], 0.1).step()


def assign(value):
    conv().bias.value = value


X = ones(2, 4, 6, 7)
SHARED = nn.ReLU()
PARAMETER = nn.Parameter(ones(2))

BAD_CALLS = [
    # layers as they are made
    (TypeError, lambda: conv(in_channels=4.0), "in_channels must be an int, not 4.0"),
    (ValueError, lambda: conv(out_channels=0), "out_channels must be at least 1, not 0"),
    (TypeError, lambda: conv(in_channels=True), "in_channels must be an int, not True"),
    (ValueError, lambda: conv(kernel_size=(3, 3, 3)), "kernel_size must be", "(3, 3, 3)"),
    (ValueError, lambda: conv(kernel_size=0), "kernel_size must be at least 1, not 0"),
    (ValueError, lambda: conv(groups=3), "groups=3 must divide in_channels=4"),
    (ValueError, lambda: conv(groups=4), "and out_channels=6"),
    (ValueError, lambda: conv(stride=0), "stride must be at least 1, not 0"),
    (ValueError, lambda: conv(dilation=-1), "dilation must be at least 1, not -1"),
    (ValueError, lambda: conv(padding="full"), "padding must be", "'full'"),
    (ValueError, lambda: conv(padding_mode="wrap"), "padding_mode must be", "'wrap'"),
    (ValueError, lambda: conv(activation="swish"), "activation must be one of", "'swish'"),
    (ValueError, lambda: conv(backend="cuda"), "backend must be one of", "'cuda'"),
    (TypeError, lambda: conv(dtype=np.float16), "float16"),
    (TypeError, lambda: conv(dtype=None), "dtype must be float32 or float64, not None"),
    (
        ValueError,
        lambda: conv(initialisation="zeros"),
        "initialisation must be one of ['he', 'glorot'",
        "'zeros'",
    ),
    (ValueError, lambda: conv(initialisation=None), "initialisation must be one of", "None"),
    (ValueError, lambda: conv(initialisation=10**5000), "initialisation must be one", "2**16609"),
    (TypeError, lambda: conv(dtype=10**5000), "dtype must be float32 or float64", "2**16609"),
    (TypeError, lambda: nn.Sequential(10**5000), "every layer must be a Layer", "2**16609"),
    (TypeError, lambda: conv(rng="a"), "rng must be a numpy.random.Generator, an int", "'a'"),
    (TypeError, lambda: conv(rng=True), "rng must be a numpy.random.Generator", "True"),
    (TypeError, lambda: linear(rng=1.5), "rng must be a numpy.random.Generator", "1.5"),
    (TypeError, lambda: linear(rng=ones(2)), "rng must be a numpy.random.Generator", "array("),
    (ValueError, lambda: conv(rng=-1), "rng must be", "an int of at least 0", "-1"),
    (ValueError, lambda: nn.he_normal((3, 2), -1), "rng must be", "at least 0", "-1"),
    (TypeError, lambda: nn.glorot_uniform((3, 2), "a"), "rng must be", "'a'"),
    (TypeError, lambda: conv(bias="no"), "bias must be True or False, not 'no'"),
    (TypeError, lambda: conv(bias=None), "bias must be True or False, not None"),
    (TypeError, lambda: linear(bias=0), "bias must be True or False, not 0"),
    (TypeError, lambda: nn.MaxPool2d(2, ceil_mode=1), "ceil_mode must be True or False, not 1"),
    (TypeError, lambda: nn.AvgPool2d(2, ceil_mode="x"), "ceil_mode must be True or False", "'x'"),
    (
        TypeError,
        lambda: nn.AvgPool2d(2, count_include_pad=0),
        "count_include_pad must be True or False, not 0",
    ),
    (ValueError, lambda: linear(in_features=0), "in_features must be at least 1, not 0"),
    (TypeError, lambda: linear(out_features="3"), "out_features must be an int, not '3'"),
    (ValueError, lambda: linear(backend="blas"), "backend must be one of", "'blas'"),
    (ValueError, lambda: linear(initialisation="xavier"), "initialisation must be", "'xavier'"),
    (TypeError, lambda: linear(dtype=int), "int64"),
    (ValueError, lambda: nn.MaxPool2d(0), "kernel must be at least 1, not 0"),
    (TypeError, lambda: nn.MaxPool2d(2.5), "kernel must be", "2.5"),
    (ValueError, lambda: nn.MaxPool2d(2, stride=0), "stride must be at least 1, not 0"),
    (ValueError, lambda: nn.AvgPool2d((2, 2, 2)), "kernel must be", "(2, 2, 2)"),
    (ValueError, lambda: nn.AvgPool2d(2, padding="same"), "padding must be", "'same'"),
    (ValueError, lambda: nn.AvgPool2d(2, dilation=0), "dilation must be at least 1, not 0"),
    (ValueError, lambda: nn.Sequential(), "at least one layer"),
    (TypeError, lambda: nn.Sequential(conv(), np.tanh), "must be a Layer, not <ufunc 'tanh'>"),
    (TypeError, lambda: nn.Sequential([conv()]), "must be a Layer, not [Conv2d(4, 6"),
    (ValueError, lambda: nn.Sequential(SHARED, SHARED), "twice"),
    (
        ValueError,
        lambda: nn.Sequential(nn.Sequential(conv(), SHARED), nn.Sequential(SHARED)),
        "twice",
    ),
    (TypeError, lambda: nn.Sequential(conv()).backward(None), "grad_output has dtype object"),
    (TypeError, lambda: nn.he_normal(5, 0), "shape must be (outputs, inputs, ...)", "not 5"),
    (TypeError, lambda: nn.he_normal((5, 3.5), 0), "shape must be (outputs, inputs", "not 3.5"),
    # what goes forward
    (
        ValueError,
        lambda: conv().forward(ones(4, 6, 7)),
        "x must be a batch (N, C, H, W), not (4, 6, 7): x[None]",
    ),
    (ValueError, lambda: conv().predict(ones(6, 7)), "x must be a batch", "(6, 7)"),
    (ValueError, lambda: conv().forward(ones(2, 3, 6, 7)), "channels", "3"),
    (ValueError, lambda: conv().predict(ones(2, 3, 6, 7)), "channels", "3"),
    (TypeError, lambda: conv().forward(X.astype(F64)), "float64", "float32"),
    (TypeError, lambda: conv().forward(X.astype(np.uint8)), "x has dtype uint8", "cast x with"),
    (ValueError, lambda: conv().forward(ones(2, 4, 2, 7)), "kernel of height 3", "height 2"),
    (ValueError, lambda: nn.MaxPool2d(2).forward(ones(4, 6, 7)), "x must be a batch", "(4, 6, 7)"),
    (ValueError, lambda: linear().forward(ones(2, 5)), "x must be (N, 4), not (2, 5)"),
    (ValueError, lambda: linear().forward(ones(4)), "x must be (N, 4), not (4,)"),
    (TypeError, lambda: linear().forward(ones(2, 4, dtype=F64)), "float64", "float32"),
    (TypeError, lambda: linear().forward(ones(0, 4, dtype=F64)), "float64", "float32"),
    (ValueError, lambda: nn.Flatten().forward(ones(3)), "x must be a batch", "(3,)"),
    (TypeError, lambda: nn.ReLU().forward(np.arange(3)), "x has dtype int64"),
    (
        ValueError,
        lambda: network().forward(ones(2, 4, 8, 8)),
        "layer 3, Linear(24, 3): x must be (N, 24), not (2, 54)",
    ),
    (
        ValueError,
        lambda: network().predict(ones(2, 3, 6, 6)),
        "layer 0, Conv2d(4, 6, (3, 3)):",
        "channels",
    ),
    (
        ValueError,
        lambda: nn.Sequential(network()).forward(ones(2, 4, 8, 8)),
        "layer 0, Sequential: layer 3, Linear",
    ),
    # what comes back
    (RuntimeError, lambda: conv().backward(X), "backward comes after forward, and there was none"),
    (RuntimeError, lambda: nn.MaxPool2d(2).backward(X), "backward comes after"),
    (RuntimeError, lambda: nn.Flatten().backward(X), "backward comes after forward"),
    (
        RuntimeError,
        lambda: network().backward(ones(2, 3)),
        "layer 3, Linear(24, 3): backward comes",
    ),
    (RuntimeError, lambda: nn.SoftmaxCrossEntropy().backward(), "backward comes after forward"),
    (
        ValueError,
        lambda: after_forward(conv(), X, X),
        "grad_output must have the output's shape (2, 6, 4, 5)",
        "(2, 4, 6, 7)",
    ),
    (
        ValueError,
        lambda: after_forward(linear(), ones(2, 4), ones(2, 4)),
        "shape (2, 3), not (2, 4)",
    ),
    (
        TypeError,
        lambda: after_forward(linear(), ones(2, 4), ones(2, 3, dtype=F64)),
        "grad_output has dtype float64",
    ),
    (ValueError, lambda: after_forward(nn.Flatten(), X, ones(2, 3)), "shape (2, 168), not (2, 3)"),
    (
        ValueError,
        lambda: after_forward(nn.Tanh(), ones(2, 4), ones(4, 2)),
        "shape (2, 4), not (4, 2)",
    ),
    (
        TypeError,
        lambda: after_forward(nn.Tanh(), ones(2), ones(2, dtype=F64)),
        "grad_output has dtype float64",
    ),
    (ValueError, lambda: after_forward(nn.MaxPool2d(2), X, X), "grad_output"),
    (
        ValueError,
        lambda: after_forward(network(), ones(2, 4, 6, 6), ones(3, 3)),
        "layer 3, Linear",
        "(2, 3), not (3, 3)",
    ),
    # parameters, losses, steps
    (ValueError, lambda: assign(ones(5)), "value must have shape (6,), not (5,)"),
    (TypeError, lambda: assign(ones(6, dtype=F64)), "value must have dtype float32, not float64"),
    (TypeError, lambda: nn.Parameter([1, 2]), "value has dtype int64"),
    (ValueError, lambda: conv().use_backend("fast"), "backend must be one of", "'fast'"),
    (ValueError, lambda: network().use_backend(None), "backend must be one of", "None"),
    (ValueError, lambda: nn.ReLU().use_backend("fast"), "backend must be one of", "'fast'"),
    (ValueError, lambda: loss(ones(2, 3, 1)), "logits must be (N, K)", "(2, 3, 1)"),
    (
        ValueError,
        lambda: loss(ones(0, 3), []),
        "logits must be (N, K), both at least 1, not (0, 3)",
    ),
    (TypeError, lambda: loss(np.ones((2, 3), int)), "logits has dtype int64"),
    (
        ValueError,
        lambda: loss(labels=[0]),
        "labels must have shape (2,), one for each row, not (1,)",
    ),
    (ValueError, lambda: loss(labels=[0, 3]), "labels must be 0 to 2, not 3 at 1"),
    (ValueError, lambda: loss(labels=[-1, 0]), "labels must be 0 to 2, not -1 at 0"),
    (TypeError, lambda: loss(labels=[0.0, 1.0]), "labels must be ints, not float64"),
    (TypeError, lambda: loss(labels=[True, False]), "labels must be ints, not bool"),
    (
        ValueError,
        lambda: loss(labels=np.eye(2, 3, dtype=int)),
        "labels must have shape (2,)",
        "(2, 3)",
    ),
    (ValueError, lambda: nn.softmax(1.0), "logits must be", "()"),
    (ValueError, lambda: nn.softmax(ones(2, 0)), "logits must be", "(2, 0)"),
    (
        ValueError,
        lambda: sgd(learning_rate=-0.1),
        "learning_rate must be at least 0 and finite, not -0.1",
    ),
    (ValueError, lambda: sgd(learning_rate=np.inf), "learning_rate must be", "inf"),
    (ValueError, lambda: sgd(learning_rate=10**5000), "learning_rate must be", "2**16609 or more"),
    (ValueError, lambda: sgd(momentum=10**5000), "momentum must be from 0", "2**16609 or more"),
    (TypeError, lambda: sgd(weight_decay=[10**5000]), "weight_decay must be", "very large"),
    (ValueError, lambda: sgd(learning_rate=np.nan), "learning_rate must be", "nan"),
    (TypeError, lambda: sgd(learning_rate="0.1"), "learning_rate must be a number, not '0.1'"),
    (TypeError, lambda: sgd(learning_rate=None), "learning_rate must be a number, not None"),
    (ValueError, lambda: sgd(momentum=1), "momentum must be from 0 to below 1, not 1"),
    (
        ValueError,
        lambda: sgd(weight_decay=-1),
        "weight_decay must be at least 0 and finite, not -1",
    ),
    (ValueError, lambda: sgd(parameters=[]), "parameters must hold at least one"),
    (TypeError, lambda: sgd(parameters=[ones(2)]), "parameters must be of Parameter, not ndarray"),
    (
        ValueError,
        lambda: sgd(parameters=[PARAMETER, PARAMETER]),
        "parameters holds one of them twice",
    ),
    (TypeError, lambda: sgd(parameters=conv()), "parameters must be of Parameter", "parameters()"),
    (TypeError, lambda: sgd(parameters=3), "parameters must be of Parameter, not 3"),
    (RuntimeError, lambda: sgd().step(), "parameter 0, Parameter((2,), float32), has no gradient"),
    (ValueError, lambda: given(ones(3)), "the gradient of parameter 0 must be (2,)", "not (3,)"),
    (ValueError, lambda: given(ones(2, dtype=F64)), "of float32, not (2,) of float64"),
    (ValueError, lambda: given(1.0), "the gradient of parameter 0 must be (2,)", "not ()"),
    (TypeError, lambda: given([[1.0], []]), "the gradient of parameter 0 must be an array"),
    (TypeError, lambda: given(np.ma.masked_equal(ones(2), 0)), "parameter 0 is a masked array"),
    (ValueError, lambda: nn.he_normal((3,), 0), "shape must be (outputs, inputs, ...)", "(3,)"),
    (ValueError, lambda: nn.glorot_uniform((3, 0), 0), "shape must be", "(3, 0)"),
    (TypeError, lambda: nn.he_normal((3, 2), 0, np.int8), "int8"),
]


@in_one_test
@pytest.mark.parametrize("row", BAD_CALLS, ids=lambda row: row[2][:40])
def test_a_bad_call_is_refused_with_a_clear_error(row):
    error, call, *words = row
    assert_refused(call, error, *words)


def test_what_the_bad_calls_are_made_of_works():
    after_forward(network(), ones(2, 4, 6, 6), ones(2, 3))
    after_forward(conv(), X, ones(2, 6, 4, 5))
    assert loss() == pytest.approx(np.log(3))
    given(ones(2))
    assign(ones(6))
    sgd()


def test_there_are_many_bad_calls():
    assert len(BAD_CALLS) >= 90
