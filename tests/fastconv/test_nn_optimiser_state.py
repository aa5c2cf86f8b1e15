"""An optimiser's state goes to a file and comes back: training goes on as if it had not stopped."""

import re

import numpy as np
import pytest

from fastconv import nn
from tests.comparing import assert_equal

OPTIONS = {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-3}
IMAGES = np.random.default_rng(0).random((8, 1, 8, 8), np.float32)


def trainee(dtype=np.float32, **options):
    rng = np.random.default_rng(1)
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, activation="relu", rng=rng, dtype=dtype),
        nn.Flatten(),
        nn.Linear(3 * 36, 2, rng=rng, dtype=dtype),
    )
    return network, nn.SGD(network.parameters(), **(OPTIONS | options))


def train(network, optimiser, steps):
    """Take some steps; return the errors."""
    loss = nn.SoftmaxCrossEntropy()
    images = IMAGES.astype(network.parameters()[0].value.dtype)
    errors = []
    for _ in range(steps):
        errors.append(loss.forward(network.forward(images), np.arange(8) % 2))
        network.backward(loss.backward())
        optimiser.step()
    return errors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("before", [0, 1, 5])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_goes_on_with_the_same_bits(tmp_path, dtype, before, momentum):
    network, optimiser = trainee(dtype, momentum=momentum)
    train(network, optimiser, before)
    optimiser.learning_rate = 0.01
    network.save(tmp_path / "network.npz")
    optimiser.save(tmp_path / "optimiser.npz")
    state = network.state_dict(), optimiser.state_dict()
    uninterrupted = train(network, optimiser, 4)

    for from_file in (True, False):
        other, another = trainee(dtype, learning_rate=1.0, momentum=0.5, weight_decay=0.1)
        train(other, another, 2)  # what it has learned is forgotten
        if from_file:
            other.load(tmp_path / "network.npz")
            another.load(str(tmp_path / "optimiser.npz"))
        else:
            other.load_state_dict(state[0])
            another.load_state_dict(state[1])
        assert train(other, another, 4) == uninterrupted
        for name, value in network.state_dict().items():
            assert other.state_dict()[name].tobytes() == value.tobytes(), name


def test_a_state_is_a_copy_and_numpy_reads_and_writes_it(tmp_path):
    network, optimiser = trainee()
    assert list(optimiser.state_dict()) == list(OPTIONS)
    train(network, optimiser, 1)
    state = optimiser.state_dict()
    assert list(state) == [*OPTIONS, *(f"velocity.{place}" for place in range(4))]
    assert [float(state[name]) for name in OPTIONS] == list(OPTIONS.values())
    _, other = trainee(momentum=0.0)
    other.load_state_dict(state)
    state["velocity.0"][...] = 5
    assert_equal(other.state_dict()["velocity.0"], optimiser.state_dict()["velocity.0"])
    swapped = {name: value.astype(value.dtype.newbyteorder()) for name, value in state.items()}
    np.savez_compressed(tmp_path / "state.npz", **swapped)
    other.load(tmp_path / "state.npz")
    for name, value in other.state_dict().items():
        assert value.dtype.isnative
        assert_equal(value, state[name])


MOVED = dict(zip(
    (f"velocity.{place}" for place in range(4)),
    [np.ones(shape, "f4") for shape in ((3, 1, 3, 3), (3,), (2, 108), (2,))], strict=True,
))  # fmt: skip
STATE = {name: np.array(value) for name, value in OPTIONS.items()}
MISFITS = {
    "missing": (
        {"momentum": STATE["momentum"]}, "has no 'learning_rate', 'weight_decay'"),
    "one velocity": (
        STATE | {"velocity.2": MOVED["velocity.2"]},
        "has no 'velocity.0', 'velocity.1', 'velocity.3'",
    ),
    "surplus": (
        STATE | MOVED | {"velocity.4": np.ones(2, "f4")},
        "has 'velocity.4', which no state variable is called",
    ),
    "shape": (
        STATE | MOVED | {"velocity.1": np.ones(4, "f4")},
        "has 'velocity.1' of shape (4,), not (3,)",
    ),
    "dtype": (
        STATE | MOVED | {"velocity.3": np.ones(2)},
        "has 'velocity.3' of dtype float64, not float32",
    ),
    "no single number": (
        STATE | {"momentum": np.ones(2)}, "has 'momentum' of shape (2,), not ()"),
    "out of range": (
        STATE | MOVED | {"momentum": np.array(1.5)}, "momentum must be from 0 to below 1, not 1.5"),
    "not a number": (
        STATE | MOVED | {"learning_rate": np.array(np.nan)}, "learning_rate must be at least 0"),
    "a network": (trainee()[0].state_dict(), "which no state variable is called"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_state_that_does_not_fit_is_refused_and_nothing_is_changed(tmp_path, name):
    state, words = MISFITS[name]
    network, optimiser = trainee()
    train(network, optimiser, 1)
    before = optimiser.state_dict()
    with pytest.raises(ValueError, match=re.escape(words)):
        optimiser.load_state_dict(state)
    np.savez(tmp_path / "state.npz", **state)
    with pytest.raises(ValueError, match=re.escape(words)):
        optimiser.load(tmp_path / "state.npz")
    after = optimiser.state_dict()
    assert list(after) == list(before)
    for key, value in before.items():
        assert_equal(after[key], value)


def test_an_optimiser_shows_what_it_moves_by():
    _, optimiser = trainee(momentum=0.5)
    expected = "SGD(4 parameters, learning_rate=0.05, momentum=0.5, weight_decay=0.001)"
    assert repr(optimiser) == expected


def test_what_is_no_state_is_a_type_error():
    optimiser = trainee()[1]
    with pytest.raises(TypeError, match="state must be a mapping of names to arrays, not list"):
        optimiser.load_state_dict([1])
    masked = STATE | {"momentum": np.ma.masked_all((), float)}
    with pytest.raises(TypeError, match=r"state\['momentum'\] is a masked array"):
        optimiser.load_state_dict(masked)


def test_a_file_with_objects_in_it_runs_no_code(tmp_path):
    optimiser = trainee()[1]
    objects = np.array({"momentum": 1}, object)
    np.savez(tmp_path / "state.npz", allow_pickle=True, **(STATE | {"momentum": objects}))
    with pytest.raises(ValueError, match="holds Python objects, which are never loaded"):
        optimiser.load(tmp_path / "state.npz")
