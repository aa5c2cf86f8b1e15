"""fastconv.nn: the smallest set of layers that trains a real CNN, and reads like its mathematics.

::

    x ─→ Conv2d ─→ MaxPool2d ─→ Flatten ─→ Linear ─→ z ─→ SoftmaxCrossEntropy ─→ E
         forward ────────────────────────────────→                      ←── labels
         ←──────────────────────────────── backward, from ∂E/∂z
         W, b  :=  W - α·∂E/∂W, b - α·∂E/∂b                              SGD

There is no automatic differentiation: every layer has a `forward`, which returns its output and
keeps what the way back needs, and a `backward`, which takes the gradient of the loss with respect
to that output, leaves those of its parameters in them, and returns the one with respect to its
input.

    layer.py            Layer, Parameter        what all layers share
    weighted.py         what layers with weights share
    convolution.py      Conv2d
    pooling.py          MaxPool2d, AvgPool2d
    linear.py           Linear, Flatten
    activation.py       ReLU, Sigmoid, Tanh
    sequential.py       Sequential              the layers of a network, one after the other
    loss.py             softmax, SoftmaxCrossEntropy
    optimiser.py        SGD
    initialisation.py   he_normal, glorot_uniform
    saved.py            what networks and optimisers share that can be saved
    saving.py           parameters, and the state of an optimiser, as an .npz file, and back

Convolutions and fully connected layers are computed by fastconv's kernels, on fastconv's threads:
for one seed the parameters are the same bits after any number of steps on any number of threads.
(Where there are no compiled kernels, or ``use_backend("im2col")`` asks for NumPy, matrix products
are those of NumPy's BLAS, whose bits may differ with the number of its threads.)

Examples
--------
>>> import numpy as np
>>> from fastconv import nn
>>> rng = np.random.default_rng(0)
>>> network = nn.Sequential(
...     nn.Conv2d(1, 4, 3, activation="relu", rng=rng), nn.MaxPool2d(2),
...     nn.Flatten(), nn.Linear(4 * 3 * 3, 2, rng=rng),
... )
>>> loss = nn.SoftmaxCrossEntropy()
>>> optimiser = nn.SGD(network.parameters(), learning_rate=0.1, momentum=0.9)
>>> images, labels = rng.random((16, 1, 8, 8), np.float32), np.arange(16) % 2
>>> images[labels == 1, :, :4] += 1  # the upper half is bright
>>> for step in range(20):
...     error = loss.forward(network.forward(images), labels)
...     network.backward(loss.backward())
...     optimiser.step()
>>> bool((network.predict(images).argmax(axis=1) == labels).all())
True
"""

from .activation import ReLU, Sigmoid, Tanh
from .convolution import Conv2d
from .initialisation import glorot_uniform, he_normal
from .layer import Layer
from .linear import Flatten, Linear
from .loss import SoftmaxCrossEntropy, softmax
from .optimiser import SGD
from .parameter import Parameter
from .pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from .sequential import Sequential

__all__ = [
    "SGD",
    "AvgPool2d",
    "Conv2d",
    "Flatten",
    "GlobalAvgPool2d",
    "Layer",
    "Linear",
    "MaxPool2d",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "Tanh",
    "glorot_uniform",
    "he_normal",
    "softmax",
]
