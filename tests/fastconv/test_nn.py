"""fastconv.nn: gradients by differences, one step like the literal one, the same bits again."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import isa, nn
from fastconv.algorithms import descent
from reference import nn as literal
from tests.comparing import assert_equal
from tests.support import tuned
from tests.walking import in_one_test

F32, F64 = np.float32, np.float64

# Every kind of layer: each has its place between others that are trained.
NETWORKS = {
    "relu": lambda rng, dtype: nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, activation="relu", rng=rng, dtype=dtype),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, (3, 2), stride=(1, 2), padding="same", groups=2, rng=rng, dtype=dtype),
        nn.ReLU(),
        nn.AvgPool2d(2, stride=1),
        nn.Flatten(),
        nn.Linear(6 * 3, 7, rng=rng, dtype=dtype),
        nn.ReLU(),
        nn.Linear(7, 3, rng=rng, dtype=dtype),
    ),
    "tanh and sigmoid": lambda rng, dtype: nn.Sequential(
        nn.Conv2d(2, 4, 3, initialisation="glorot", rng=rng, dtype=dtype),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 5, 2, activation="sigmoid", dilation=2, rng=rng, dtype=dtype),
        nn.Flatten(),
        nn.Linear(5, 6, initialisation="glorot", rng=rng, dtype=dtype),
        nn.Sigmoid(),
        nn.Linear(6, 3, rng=rng, dtype=dtype),
    ),
    "without bias, nested": lambda rng, dtype: nn.Sequential(
        nn.Sequential(
            nn.AvgPool2d(3, stride=2, padding=1),
            nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False, rng=rng,
                      dtype=dtype),
            nn.Tanh(),
        ),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Flatten()),
        nn.Linear(3 * 16, 3, bias=False, rng=rng, dtype=dtype),
    ),
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


def made(name, seed=0, dtype=F64, batch=3):
    """Return a network, and images and labels for it."""
    rng = np.random.default_rng(seed)
    network = NETWORKS[name](rng, dtype)
    for parameter in network.parameters():  # biases too
        parameter.value = (
            parameter.value + 0.1 * rng.standard_normal(parameter.value.shape)
        ).astype(dtype)
    x = rng.standard_normal((batch, 2, 8, 8)).astype(dtype)
    return network, x, rng.integers(0, 3, batch)


def train(network, x, labels, steps=1, **options):
    loss = nn.SoftmaxCrossEntropy()
    optimiser = nn.SGD(network.parameters(), **options)
    losses = []
    for _ in range(steps):
        losses.append(loss.forward(network.forward(x), labels))
        network.backward(loss.backward())
        optimiser.step()
    return losses


def slope(function, array, index, step=1e-6):
    """Return the central difference of a function at one number of its argument."""
    beside = []
    for distance in (step, -step):
        moved = array.copy()
        moved[index] += distance
        beside.append(function(moved))
    return (beside[0] - beside[1]) / (2 * step)


def test_gradients_of_the_whole_network_are_its_slopes(name):
    network, x, labels = made(name)
    loss = nn.SoftmaxCrossEntropy()
    loss.forward(network.forward(x), labels)
    dx = network.backward(loss.backward(), needs_x=True)
    parameters = network.named_parameters()
    grads = {key: parameter.grad for key, parameter in parameters.items()}

    def loss_with(parameter):
        def function(value):
            before, parameter.value = parameter.value, value
            error = loss.forward(network.predict(x), labels)
            parameter.value = before
            return error

        return function

    for key, parameter in parameters.items():
        assert grads[key].shape == parameter.value.shape
        for index in np.ndindex(parameter.value.shape):
            expected = slope(loss_with(parameter), parameter.value, index)
            assert grads[key][index] == pytest.approx(expected, rel=1e-5, abs=1e-8), (key, index)
    for index in list(np.ndindex(x.shape))[::3]:
        expected = slope(lambda x: loss.forward(network.predict(x), labels), x, index)
        assert dx[index] == pytest.approx(expected, rel=1e-5, abs=1e-8), index


LITERAL = {
    nn.ReLU: "relu", nn.Sigmoid: "sigmoid", nn.Tanh: "tanh", nn.Flatten: "flatten",
    nn.Linear: "linear", nn.Conv2d: "conv2d", nn.MaxPool2d: "max_pool2d",
    nn.AvgPool2d: "avg_pool2d",
}  # fmt: skip


def literal_network(network):
    """Return the same network as the reference describes it."""
    steps = []
    for layer in network.layers:
        options = dict(getattr(layer, "_options", {}))
        if isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
            options["kernel"] = layer._kernel
        values = [parameter.value for parameter in layer.named_parameters().values()]
        steps.append(literal.Step(LITERAL[type(layer)], options, *values))
    return steps


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("name", ["relu", "tanh and sigmoid"])
def test_steps_are_those_of_the_literal_loops(name, dtype):
    network, x, labels = made(name, dtype=dtype, batch=4)
    options = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01}
    loss, optimiser = nn.SoftmaxCrossEntropy(), nn.SGD(network.parameters(), **options)
    u = float(np.finfo(dtype).eps)
    velocities = None
    for _ in range(2):  # the second has a velocity
        expected = literal.training_step(
            literal_network(network), x, labels.tolist(), velocities=velocities, **options
        )
        velocities = expected.velocities
        assert loss.forward(network.forward(x), labels) == pytest.approx(expected.loss, rel=50 * u)
        network.backward(loss.backward())
        optimiser.step()
        for layer, wanted in zip(network.layers, expected.parameters, strict=True):
            for parameter, value in zip(layer.parameters(), wanted or (), strict=True):
                np.testing.assert_allclose(parameter.value, value, rtol=50 * u, atol=50 * u)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_training_again_gives_the_same_bits_on_any_number_of_threads(dtype):
    """At the sizes of LeNet, where there is work for two threads."""

    def trained(threads):
        rng = np.random.default_rng(7)
        network = lenet(rng, dtype)
        x = rng.random((64, 1, 28, 28)).astype(dtype)
        labels = rng.integers(0, 10, 64)
        with fastconv.num_threads(threads):
            losses = train(network, x, labels, 5, learning_rate=0.05, momentum=0.9)
        return losses, network.state_dict(), network.predict(x[:7])

    (losses, state, logits), *others = [trained(threads) for threads in (1, 2, 1, 2)]
    assert losses[-1] < losses[0]
    for other in others:
        assert other[0] == losses
        assert all(np.array_equal(other[1][key], state[key]) for key in state)
        assert np.array_equal(other[2], logits)


def lenet(rng, dtype=F32):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, activation="relu", rng=rng, dtype=dtype),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, activation="relu", rng=rng, dtype=dtype),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120, rng=rng, dtype=dtype),
        nn.ReLU(),
        nn.Linear(120, 84, rng=rng, dtype=dtype),
        nn.ReLU(),
        nn.Linear(84, 10, rng=rng, dtype=dtype),
    )


@pytest.mark.parametrize(
    "backend", ["gemm_pixels", "winograd", "depthwise", "loops", "im2col", "loops_literal"]
)
def test_every_backend_gives_the_same_losses_to_rounding(backend):
    if backend not in fastconv.backends():
        pytest.skip(f"no {backend} here")
    rng = np.random.default_rng(3)
    x, labels = rng.random((8, 1, 28, 28)).astype(F32), rng.integers(0, 10, 8)
    losses = []
    for one in ("auto", backend):
        network = lenet(np.random.default_rng(5))
        network.use_backend(one)
        losses.append(train(network, x, labels, 4, learning_rate=0.02, momentum=0.9))
    np.testing.assert_allclose(losses[1], losses[0], rtol=2e-5)


def test_a_network_computes_by_auto_what_its_backend_cannot():
    """A layer that was made with a backend computes by it, or refuses."""
    if "winograd" not in fastconv.backends():
        pytest.skip("no winograd here")
    strided = nn.Conv2d(2, 3, 3, stride=2, backend="winograd", rng=0)
    x = np.ones((1, 2, 8, 8), F32)
    with pytest.raises(ValueError, match="backend 'winograd' cannot compute"):
        strided.forward(x)
    strided.use_backend("winograd")
    y = strided.forward(x)
    assert_equal(strided.predict(x), y)
    strided.use_backend("auto")
    assert_equal(strided.forward(x), y)


def test_predict_is_forward_also_after_weights_have_changed(name):
    network, x, labels = made(name, dtype=F32)
    for _ in range(3):
        assert_equal(network.predict(x), network.forward(x))
        assert_equal(network.predict(x[:1]), network.forward(x[:1]))
        train(network, x, labels, learning_rate=0.1)
    network.use_backend("im2col")
    np.testing.assert_allclose(network.predict(x), network.forward(x), rtol=1e-6, atol=1e-6)


def test_weights_cannot_change_behind_the_back_of_what_was_prepared_from_them():
    network, x, _ = made("relu", dtype=F32)
    with pytest.raises(ValueError, match="read-only"):
        network.layers[0].weight.value[0] = 1
    own = np.ones_like(network.layers[0].weight.value)
    network.layers[0].weight.value = own
    before = network.predict(x)
    own[...] = 7
    assert_equal(network.predict(x), before)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert_equal(other.predict(x), before)
        with pytest.raises(ValueError, match="read-only"):
            other.layers[0].weight.value[0] = 1
        other.layers[0].weight.value = own
        assert not np.array_equal(other.predict(x), before)
    assert_equal(network.predict(x), before)


def test_backward_leaves_out_what_lies_below_the_first_parameters(monkeypatch):
    network, x, labels = made("without bias, nested", dtype=F32)
    network.use_backend("im2col")  # by which fully connected layers are convolutions
    asked = []
    backward = fastconv.conv2d_backward

    def watched(*operands, needs, **options):
        asked.append(needs)
        return backward(*operands, needs=needs, **options)

    monkeypatch.setattr("fastconv.nn.weighted.conv2d_backward", watched)
    loss = nn.SoftmaxCrossEntropy()
    loss.forward(network.forward(x), labels)
    assert network.backward(loss.backward()) is None
    assert asked == [(True, True, False), (False, True, False)]
    assert network.backward(loss.backward(), needs_x=True).shape == x.shape


def test_a_network_of_nothing_trained_has_a_way_back_too():
    network = nn.Sequential(nn.MaxPool2d(2), nn.ReLU(), nn.Flatten())
    x = np.arange(-8.0, 8).reshape(1, 1, 4, 4)
    assert_equal(network.forward(x), np.array([[0.0, 0, 5, 7]]))
    assert network.backward(np.ones((1, 4))) is None
    dx = np.zeros((4, 4))
    dx[3, 1] = dx[3, 3] = 1
    assert_equal(network.backward(np.ones((1, 4)), needs_x=True), dx[None, None])


def test_an_empty_batch_passes_in_both_directions(name):
    network, x, _ = made(name, dtype=F32)
    assert network.predict(x[:0]).shape == (0, 3)
    y = network.forward(x[:0])
    assert network.backward(y, needs_x=True).shape == (0, 2, 8, 8)
    assert all(not parameter.grad.any() for parameter in network.parameters())


def test_layers_take_arrays_however_they_lie(name):
    network, x, labels = made(name, dtype=F32)
    loss = nn.SoftmaxCrossEntropy()
    results = []
    for images in (x, np.asfortranarray(x), x.astype(">f4"), x[::-1][::-1]):
        loss.forward(network.forward(images), labels)
        network.backward(np.asfortranarray(loss.backward()))
        results.append([parameter.grad for parameter in network.parameters()])
    for other in results[1:]:
        for grad, expected in zip(other, results[0], strict=True):
            assert_equal(grad, expected)


def test_linear_is_its_formula():
    rng = np.random.default_rng(1)
    layer = nn.Linear(5, 4, rng=rng, dtype=F64)
    layer.bias.value = rng.standard_normal(4)
    x, grad = rng.standard_normal((3, 5)), rng.standard_normal((3, 4))
    W, b = layer.weight.value, layer.bias.value
    np.testing.assert_allclose(layer.forward(x), x @ W.T + b, rtol=1e-13)
    np.testing.assert_allclose(layer.backward(grad), grad @ W, rtol=1e-13)
    np.testing.assert_allclose(layer.weight.grad, grad.T @ x, rtol=1e-13)
    np.testing.assert_allclose(layer.bias.grad, grad.sum(axis=0), rtol=1e-13)


@pytest.mark.skipif(isa.kernels is None, reason="a pure-Python installation")
@in_one_test
@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("outputs", [1, 7, 8, 16, 33])
@pytest.mark.parametrize("inputs", [1, 9, 130, 300])
@pytest.mark.parametrize("samples", [1, 6, 7, 8, 11, 50, 481])
def test_products_of_every_size_are_exact_on_integers(samples, inputs, outputs, dtype):
    """Tiles of every height, panels of one vector, two, and part of one; terms in several parts."""
    rng = np.random.default_rng(0)
    x, W, b, g = (
        rng.integers(-4, 5, shape).astype(dtype)
        for shape in ((samples, inputs), (outputs, inputs), outputs, (samples, outputs))
    )
    layer = nn.Linear(inputs, outputs, dtype=dtype)
    layer.weight.value, layer.bias.value = W, b
    with tuned(FLOPS_WORTH_A_THREAD=1):
        for threads in (1, 2):
            with fastconv.num_threads(threads):
                assert_equal(layer.forward(x), x @ W.T + b)
                assert_equal(layer.backward(g), g @ W)
                assert_equal(layer.weight.grad, g.T @ x)
                assert_equal(layer.bias.grad, g.sum(axis=0))


@pytest.mark.skipif(isa.kernels is None, reason="NumPy's BLAS gives others")
def test_linear_gives_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(0)
    layer = nn.Linear(400, 120, rng=rng)
    x, grad = (rng.standard_normal((300, n)).astype(F32) for n in (400, 120))
    results = []
    for threads in (1, 2):
        with fastconv.num_threads(threads):
            results.append([layer.forward(x), layer.backward(grad), layer.weight.grad])
    for one, other in zip(*results, strict=True):
        assert_equal(one, other)
    assert_equal(layer.forward(x[7:8]), results[0][0][7:8])


@in_one_test
@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (2, 5, 3, 4), (3, 2, 40, 41)])
def test_a_rectifier_passes_gradients_where_it_is_positive(shape, dtype):
    rng = np.random.default_rng(0)
    x, grad = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    x[..., 0], grad[..., -1] = 0, np.inf
    layer = nn.ReLU()
    assert_equal(layer.forward(x), np.maximum(x, 0))
    assert_equal(layer.backward(grad), np.where(x > 0, grad, 0).astype(dtype))
    spoilt = x.copy()
    spoilt[...] = np.nan
    assert np.isnan(layer.forward(spoilt)).all()
    assert_equal(layer.backward(grad), grad)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_descent_is_the_same_by_numpy(dtype, monkeypatch):
    """Of many weights, so that threads share them; with and without what moves and decays."""
    rng = np.random.default_rng(0)
    w, g = (rng.standard_normal((100, 2001)).astype(dtype) for _ in range(2))
    w[0, 0], g[0, 1] = np.inf, np.nan
    u = float(np.finfo(dtype).eps)
    for options in ({}, {"momentum": 0.9}, {"weight_decay": 0.1},
                    {"momentum": 0.5, "weight_decay": 0.01}):  # fmt: skip
        values = []
        for has_kernels in (True, False):
            parameter = nn.Parameter(w, np.asfortranarray(g))
            optimiser = nn.SGD([parameter], 0.1, **options)
            with monkeypatch.context() as patch:
                if not has_kernels:
                    patch.setattr(descent, "not_built", lambda: "there are none")
                for _ in range(3):
                    optimiser.step()
            values.append(parameter.value)
        np.testing.assert_allclose(values[0], values[1], rtol=20 * u, atol=20 * u)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_softmax_of_large_numbers_is_finite_without_a_warning(dtype):
    logits = np.array([[1000, 0]], dtype)
    with np.errstate(all="raise"):
        assert_equal(nn.softmax(logits), [[1, 0]])
        assert_equal(nn.softmax(-logits), [[0, 1]])
        loss = nn.SoftmaxCrossEntropy()
        assert loss.forward(logits, [0]) == 0
        assert_equal(loss.backward(), [[0, 0]])
        assert loss.forward(logits, [1]) == 1000
        assert_equal(loss.backward(), [[1, -1]])
        assert loss.forward([[-np.inf, 0.0]], [1]) == 0
        assert loss.backward().dtype == F64
        assert np.isnan(loss.forward([[np.nan, 0.0]], [1]))


def test_softmax_adds_up_to_one_and_ignores_what_all_have_in_common():
    z = np.random.default_rng(0).standard_normal((20, 7))
    p = nn.softmax(z)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(nn.softmax(z + 300), p, rtol=1e-12)
    np.testing.assert_allclose(nn.softmax(z[0]), p[0], rtol=1e-15)


def test_sgd_is_its_formula():
    w, g = np.array([1.0, -2.0]), np.array([0.5, 0.25])
    parameter = nn.Parameter(w, g)
    nn.SGD([parameter], 0.1).step()
    np.testing.assert_allclose(parameter.value, w - 0.1 * g)
    parameter = nn.Parameter(w, g)
    optimiser = nn.SGD([parameter], 0.1, momentum=0.5, weight_decay=0.01)
    v = np.zeros(2)
    for rate in (0.1, 0.1, 0.02):
        optimiser.learning_rate = rate
        optimiser.step()
        v = 0.5 * v + g + 0.01 * w
        w = w - rate * v
        np.testing.assert_allclose(parameter.value, w, rtol=1e-15)
    assert_equal(parameter.grad, [0.5, 0.25])


def test_initialisations_have_their_variances_and_repeat_by_seed():
    shape = (64, 32, 5, 5)
    he = nn.he_normal(shape, 3)
    assert he.dtype == F32
    assert float(he.std()) == pytest.approx((2 / (32 * 25)) ** 0.5, rel=0.01)
    glorot = nn.glorot_uniform(shape, 3, F64)
    assert float(glorot.std()) == pytest.approx((2 / (96 * 25)) ** 0.5, rel=0.01)
    assert abs(glorot).max() <= (6 / (96 * 25)) ** 0.5
    for draw in (nn.he_normal, nn.glorot_uniform):
        one = draw((4, 3), np.random.default_rng(1), F64)
        assert_equal(one, draw((4, 3), 1, F64))
        assert_equal(one.astype(F32), draw((4, 3), 1))
        rng = np.random.default_rng(1)
        assert not np.array_equal(draw((4, 3), rng), draw((4, 3), rng))


def test_a_global_mean_is_a_mean_and_its_gradient_equal_parts():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    layer = nn.GlobalAvgPool2d()
    for backend in ("auto", "im2col"):
        layer.use_backend(backend)
        y = layer.forward(x)
        np.testing.assert_allclose(y, x.mean((2, 3), keepdims=True), rtol=1e-14)
        dx = layer.backward(y)
        np.testing.assert_allclose(dx, np.broadcast_to(y / 20, x.shape), rtol=1e-14)
    assert repr(layer) == "GlobalAvgPool2d()"


def test_a_pickle_holds_no_batch():
    network = lenet(np.random.default_rng(0))
    before = len(pickle.dumps(network))
    x = np.random.default_rng(1).random((32, 1, 28, 28)).astype(F32)
    network.forward(x)
    y = network.predict(x)
    assert len(pickle.dumps(network)) < 1.1 * before
    assert_equal(pickle.loads(pickle.dumps(network)).predict(x), y)


def test_options_are_taken_over_as_they_were():
    stride, x = [1, 1], np.ones((1, 1, 8, 8), F32)
    for layer in (nn.Conv2d(1, 1, 3, stride=stride, rng=0), nn.MaxPool2d(3, stride=stride)):
        stride[0] = 2
        assert layer.forward(x).shape == layer.predict(x).shape == (1, 1, 6, 6)
        stride[0] = 1


def test_a_layer_shows_options_in_short():
    pairs = {"stride": np.array([2, 2]), "padding": ((1, 1), (2, 2))}
    assert repr(nn.Conv2d(1, 2, 3, **pairs)) == "Conv2d(1, 2, (3, 3), stride=2, padding=(1, 2))"
    pairs["padding"] = ((1, 2), (1, 2))
    assert repr(nn.MaxPool2d((2, 3), **pairs)) == (
        "MaxPool2d((2, 3), stride=2, padding=((1, 2), (1, 2)))"
    )


def test_a_network_shows_what_it_is():
    text = repr(lenet(0))
    assert text.startswith(
        "Sequential(Conv2d(1, 6, (5, 5), padding=2, activation='relu'), MaxPool2d(2)"
    )
    assert "Linear(84, 10)" in text


def test_the_same_as_pytorch():
    torch = pytest.importorskip("torch")
    ours = lenet(np.random.default_rng(2))
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5, padding=2), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 16, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(400, 120), torch.nn.ReLU(), torch.nn.Linear(120, 84), torch.nn.ReLU(),
        torch.nn.Linear(84, 10),
    )  # fmt: skip
    with torch.no_grad():
        for tensor, parameter in zip(theirs.parameters(), ours.parameters(), strict=True):
            tensor.copy_(torch.from_numpy(parameter.value.copy()))
    rng = np.random.default_rng(4)
    x, labels = rng.random((16, 1, 28, 28)).astype(F32), rng.integers(0, 10, 16)
    options = {"momentum": 0.9, "weight_decay": 1e-3}
    losses = train(ours, x, labels, 5, learning_rate=0.05, **options)
    optimiser = torch.optim.SGD(theirs.parameters(), lr=0.05, **options)
    for expected in losses:
        optimiser.zero_grad()
        error = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(x)), torch.from_numpy(labels)
        )
        error.backward()
        optimiser.step()
        assert error.item() == pytest.approx(expected, rel=1e-4)


def test_an_import_loads_no_generators():
    """NumPy 2 loads numpy.random when it is asked for; most users of convolutions never do."""
    program = (
        "import sys, numpy; before = 'numpy.random' in sys.modules; import fastconv; "
        "sys.exit(('numpy.random' in sys.modules) != before)"
    )
    root = Path(fastconv.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0
