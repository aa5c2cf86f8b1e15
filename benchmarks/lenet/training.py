"""Epochs of training: loss and accuracy after each."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from benchmarks.lenet.digits import Digits
from benchmarks.lenet.network import Recipe, batches, lenet
from benchmarks.lenet.results import Epoch
from fastconv import nn


def train(
    train_digits: Digits,
    test_digits: Digits,
    recipe: Recipe,
    step_done: Callable[[], None],
    epoch_done: Callable[[Epoch], None],
) -> nn.Sequential:
    """Train LeNet-5 by a recipe, and return it."""
    network = lenet(recipe.seed)
    loss = nn.SoftmaxCrossEntropy()
    descent = recipe.descent(network)
    rng = np.random.default_rng(recipe.seed)
    steps = recipe.epochs * -(-len(train_digits) // recipe.batch)
    done = 0
    for number in range(1, recipe.epochs + 1):
        start = perf_counter()
        losses = []
        for x, labels in batches(train_digits, recipe.batch, recipe.shift, rng):
            descent.learning_rate = recipe.rate(done / steps)
            losses.append(loss.forward(network.forward(x), labels) * len(labels))
            network.backward(loss.backward())
            descent.step()
            done += 1
            step_done()
        seconds = perf_counter() - start
        right = predictions(network, test_digits).argmax(axis=1) == test_digits.labels
        epoch_done(Epoch(number, sum(losses) / len(train_digits), float(right.mean()), seconds))
    return network


def predictions(network: nn.Sequential, digits: Digits, batch: int = 250) -> NDArray[np.float32]:
    """Return how sure the network is of each class for each digit, (N, 10)."""
    parts = [
        nn.softmax(network.predict(digits.images[first : first + batch]))
        for first in range(0, len(digits), batch)
    ]
    return np.concatenate(parts)
