"""The activation f of a layer and its derivative, one number at a time."""

from __future__ import annotations

import math

ACTIVATIONS = (None, "relu", "sigmoid", "tanh")


def check_activation(activation: str | None) -> None:
    """Refuse the name of an activation that is not defined here.

    Raises
    ------
    ValueError
        If `activation` is not one of `ACTIVATIONS`.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {ACTIVATIONS}, got {activation!r}")


def activate(z: float, activation: str | None) -> float:
    """Y = f(Z) for one sum Z.

    Parameters
    ----------
    z : float
    activation : None or str
        ``None``: Z.  ``"relu"``: max(Z, 0).  ``"sigmoid"``: 1 / (1 + exp(-Z)).
        ``"tanh"``: tanh(Z).

    Returns
    -------
    float
        NaN stays NaN for all of them.
    """
    if activation == "relu":
        return 0.0 if z <= 0.0 else z  # asked this way round, NaN passes through
    if activation == "sigmoid":
        if z >= 0.0:
            return 1.0 / (1.0 + math.exp(-z))
        growth = math.exp(z)  # exp(-z) would overflow for a very negative z
        return growth / (1.0 + growth)
    if activation == "tanh":
        return math.tanh(z)
    return z


def derivative(y: float, activation: str) -> float:
    """f'(Z), expressed through Y = f(Z) so that Z need not be kept.

    Parameters
    ----------
    y : float
        The value of the activation, not its argument.
    activation : str
        ``"relu"``: 0 where Y <= 0, else 1 (0 at the kink; NaN lets the gradient pass).
        ``"sigmoid"``: Y (1 - Y).
        ``"tanh"``: 1 - Y^2.

    Returns
    -------
    float
    """
    if activation == "relu":
        return 0.0 if y <= 0.0 else 1.0
    if activation == "sigmoid":
        return y * (1.0 - y)
    return 1.0 - y * y
