"""What is asked, before anything is computed: shapes, options and operands, checked once.

axis.py           one axis under a kernel, and how it is cut
convolution.py    ConvProblem: two axes and the channels
transposed.py     TransposedProblem, told by the convolution that it transposes
pooling.py        PoolProblem: two axes under a window, and the planes
piece.py          Piece: a part of a problem, with a view of the weights and one of the output
arguments.py      ints, pairs and choices as users give them
extension.py      images that go on beyond their edge
operands.py       which arrays are taken, and what `out` may be
padding.py        the forms of padding, and the modes that need a padded copy
slices.py         what NumPy does with large arrays, so that Ctrl-C need not wait for all of it
activation.py     relu, sigmoid, tanh and their derivatives
"""

from .axis import Axis
from .convolution import ConvProblem
from .piece import OutputView, Piece, WeightsView
from .pooling import PoolProblem
from .transposed import TransposedProblem

__all__ = [
    "Axis",
    "ConvProblem",
    "OutputView",
    "Piece",
    "PoolProblem",
    "TransposedProblem",
    "WeightsView",
]
