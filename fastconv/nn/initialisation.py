"""How weights begin: spread so that neither signals nor gradients grow or die from layer to layer.

A unit adds up n products of a weight and an input. With weights of variance σ² its variance is
n·σ² times that of the inputs; backwards the same holds with the number m of units that an input
feeds. He keeps the way forward through relu, which halves the signal: σ² = 2/n. Glorot keeps both
ways halfway, for tanh and sigmoid: σ² = 2/(n + m).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ..problem.arguments import is_sequence, parse_int, shown
from ..problem.operands import Array, check_dtype

__all__ = ["INITIALISATIONS", "Rng", "check_initialisation", "glorot_uniform", "he_normal"]

# What a Generator is made from: one, a seed, or None for a seed of the system's. In quotes: NumPy
# loads its generators when they are asked for, and an import of fastconv does not.
Rng: TypeAlias = "np.random.Generator | int | None"


def he_normal(shape: tuple[int, ...], rng: Rng, dtype: npt.DTypeLike = np.float32) -> Array:
    """Draw weights for layers with relu: normal, of variance 2 / n.

    Parameters
    ----------
    shape : (K, C, ...)
        Outputs, inputs, and taps of a kernel: n = C·taps.
    rng : numpy.random.Generator, int or None
        A seeded one draws the same numbers again, for float32 those of float64, rounded.
    dtype : float32 or float64

    Returns
    -------
    ndarray

    References
    ----------
    K. He et al., "Delving Deep into Rectifiers", 2015, equation 10.
    """
    inputs, _ = _fans(shape)
    drawn = _generator(rng).standard_normal(shape) * math.sqrt(2 / inputs)
    return drawn.astype(check_dtype("dtype", dtype))


def glorot_uniform(shape: tuple[int, ...], rng: Rng, dtype: npt.DTypeLike = np.float32) -> Array:
    """Draw weights for layers with tanh or sigmoid: uniform, of variance 2 / (n + m).

    Parameters
    ----------
    shape : (K, C, ...)
        Outputs, inputs, and taps of a kernel: n = C·taps, m = K·taps.
    rng : numpy.random.Generator, int or None
        A seeded one draws the same numbers again, for float32 those of float64, rounded.
    dtype : float32 or float64

    Returns
    -------
    ndarray
        Between ±√(6 / (n + m)).

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010, equation 16.
    """
    inputs, outputs = _fans(shape)
    limit = math.sqrt(6 / (inputs + outputs))
    drawn = _generator(rng).uniform(-limit, limit, shape)
    return drawn.astype(check_dtype("dtype", dtype))


INITIALISATIONS: dict[str, Callable[[tuple[int, ...], Rng, npt.DTypeLike], Array]] = {
    "he": he_normal,
    "glorot": glorot_uniform,
}


def check_initialisation(name: object) -> None:
    """Refuse the name of no initialisation."""
    if not isinstance(name, str) or name not in INITIALISATIONS:
        raise ValueError(
            f"initialisation must be one of {list(INITIALISATIONS)}, not {shown(name)}"
        )


def _generator(rng: object) -> np.random.Generator:
    """Return a Generator, or say what `rng` may be."""
    if rng is None or isinstance(rng, np.random.Generator):
        return np.random.default_rng(rng)
    refusal = (
        f"rng must be a numpy.random.Generator, an int of at least 0 or None, not {shown(rng)}"
    )
    if isinstance(rng, (bool, np.bool_)):
        raise TypeError(refusal)
    try:
        seed = operator.index(cast(Any, rng))
    except TypeError:
        raise TypeError(refusal) from None
    if seed < 0:
        raise ValueError(refusal)
    return np.random.default_rng(seed)


def _fans(shape: object) -> tuple[int, int]:
    form = "(outputs, inputs, ...), each an int of at least 1"
    if not is_sequence(shape):
        raise TypeError(f"shape must be {form}, not {shown(shape)}")
    shape = tuple(parse_int("shape", extent, 0, form) for extent in cast("Sequence[Any]", shape))
    if len(shape) < 2 or min(shape) < 1:
        raise ValueError(f"shape must be {form}, not {shape}")
    taps = math.prod(shape[2:])
    return shape[1] * taps, shape[0] * taps
