"""Who trains: fastconv by every backend, the literal loops, PyTorch in both layouts.

All begin with the same weights and take the same steps: forward, loss, backward, descent with
momentum and weight decay, on the same batches.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastconv
from benchmarks.contestants.base import AUTO, Participant
from benchmarks.contestants.origins import FromFastconv, FromPyTorch, FromRepository
from benchmarks.lenet.network import Recipe, lenet
from fastconv import nn

State = dict[str, NDArray[Any]]
Batch = tuple[NDArray[np.float32], NDArray[np.int64]]
# A step, already with its batch, that returns the loss
TrainingStep = Callable[[], float]


class Trainer(Participant):
    """One implementation. Libraries are imported in `steps` or later, never on definition."""

    most_images: int | None = None
    """The images in a batch of a contestant that would take minutes for a whole one."""

    @abstractmethod
    def steps(self, state: State, batches: Sequence[Batch], recipe: Recipe) -> list[TrainingStep]:
        """Return a step for each batch, with the batch in the form that the library likes."""


class Ours(FromFastconv, Trainer):
    """fastconv.nn by one backend, and by auto what that cannot compute."""

    def __init__(self, backend: str, about: str) -> None:
        self.name = backend
        self.label = f"fastconv {backend}"
        self.about = about

    def steps(self, state: State, batches: Sequence[Batch], recipe: Recipe) -> list[TrainingStep]:
        network = lenet(0, next(iter(state.values())).dtype)
        network.load_state_dict(state)
        network.use_backend(self.name)
        return steps_of(network, batches, recipe)


def steps_of(
    network: nn.Sequential, batches: Sequence[Batch], recipe: Recipe
) -> list[TrainingStep]:
    """Return a training step of a network for each batch."""
    loss = nn.SoftmaxCrossEntropy()
    descent = recipe.descent(network)

    def step(x: NDArray[Any], labels: NDArray[Any]) -> float:
        error = loss.forward(network.forward(x), labels)
        network.backward(loss.backward())
        descent.step()
        return error

    return [lambda batch=batch: step(*batch) for batch in batches]  # type: ignore[misc]


class Reference(FromRepository, Trainer):
    """The definition: every sum a loop in plain Python."""

    name = label = "reference"
    about = "reference.nn.training_step: the definition, in nested loops of plain Python"
    most_images = 2

    def steps(self, state: State, batches: Sequence[Batch], recipe: Recipe) -> list[TrainingStep]:
        from reference import nn as literal

        network = [
            literal.Step(
                "conv2d", {"padding": 2, "activation": "relu"}, state["0.weight"], state["0.bias"]
            ),
            literal.Step("max_pool2d", {"kernel": 2}),
            literal.Step("conv2d", {"activation": "relu"}, state["2.weight"], state["2.bias"]),
            literal.Step("max_pool2d", {"kernel": 2}),
            literal.Step("flatten"),
            literal.Step("linear", {}, state["5.weight"], state["5.bias"]),
            literal.Step("relu"),
            literal.Step("linear", {}, state["7.weight"], state["7.bias"]),
            literal.Step("relu"),
            literal.Step("linear", {}, state["9.weight"], state["9.bias"]),
        ]
        velocities: Any = None

        def step(x: NDArray[Any], labels: NDArray[Any]) -> float:
            nonlocal velocities
            trained = literal.training_step(
                network, x, labels.tolist(), velocities=velocities,
                learning_rate=recipe.learning_rate, momentum=recipe.momentum,
                weight_decay=recipe.weight_decay,
            )  # fmt: skip
            velocities = trained.velocities
            for place, values in enumerate(trained.parameters):
                if values is not None:
                    weight, bias = values
                    network[place] = network[place]._replace(weight=weight, bias=bias)
            return trained.loss

        return [lambda batch=batch: step(*batch) for batch in batches]  # type: ignore[misc]


class PyTorch(FromPyTorch, Trainer):
    """The same network in torch.nn, in one of its memory layouts."""

    def __init__(self, name: str, label: str, layout: str) -> None:
        self.name = name
        self.label = label
        self.layout = layout
        self.about = f"torch.nn and autograd, torch.optim.SGD fused, memory format {layout}"

    def steps(self, state: State, batches: Sequence[Batch], recipe: Recipe) -> list[TrainingStep]:
        import torch

        memory_format = getattr(torch, self.layout)
        model = torch.nn.Sequential(
            torch.nn.Conv2d(1, 6, 5, padding=2), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(6, 16, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(400, 120), torch.nn.ReLU(),
            torch.nn.Linear(120, 84), torch.nn.ReLU(),
            torch.nn.Linear(84, 10),
        )  # fmt: skip
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), state.values(), strict=True):
                parameter.copy_(torch.from_numpy(value))
        model = model.to(memory_format=memory_format)
        optimiser = torch.optim.SGD(
            model.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        cross_entropy = torch.nn.functional.cross_entropy

        def step(x: Any, labels: Any) -> float:
            optimiser.zero_grad()
            error = cross_entropy(model(x), labels)
            error.backward()
            optimiser.step()
            return float(error.detach())

        tensors = [
            (torch.from_numpy(x).contiguous(memory_format=memory_format), torch.from_numpy(labels))
            for x, labels in batches
        ]
        return [lambda batch=batch: step(*batch) for batch in tensors]  # type: ignore[misc]


def all_trainers() -> list[Trainer]:
    """Return everyone, those that are missing here too."""
    summaries = fastconv.show_config(mode="dicts")["backends"]
    return [
        Reference(),
        Ours(AUTO, "fastconv.nn, each convolution by the backend that fits it best"),
        *(Ours(name, about) for name, about in summaries.items()),
        PyTorch("torch", "PyTorch", "contiguous_format"),
        PyTorch("torch-channels-last", "PyTorch channels-last", "channels_last"),
    ]


def find(name: str) -> Trainer:
    """Return the trainer of that name."""
    return next(trainer for trainer in all_trainers() if trainer.name == name)
