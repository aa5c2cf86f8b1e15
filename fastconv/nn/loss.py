"""What is minimised: softmax cross-entropy, how surprised the network is by the right answers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..problem.operands import Array, as_array, check_array

__all__ = ["SoftmaxCrossEntropy", "softmax"]


def softmax(logits: npt.ArrayLike) -> Array:
    r"""Turn scores into probabilities, row by row: :math:`p_k = e^{z_k} / \sum_l e^{z_l}`.

    Parameters
    ----------
    logits : array_like, (N, K) or (K,)
        float32 or float64. Computed in float64, with the largest of a row taken from all of it
        first, which changes no quotient and lets nothing overflow.

    Returns
    -------
    ndarray
        Of the shape and dtype of `logits`.

    Raises
    ------
    TypeError, ValueError
        For another dtype, or no axis of at least one class.

    Examples
    --------
    >>> softmax([1000.0, 0.0])
    array([1., 0.])
    """
    z = check_array("logits", logits)
    if z.ndim not in (1, 2) or not z.shape[-1]:
        raise ValueError(f"logits must be (N, K) or (K,) with K at least 1, not {z.shape}")
    with np.errstate(all="ignore"):  # infinities and NaN flow through
        return np.exp(_log_softmax(z)).astype(z.dtype.newbyteorder("="))


def _log_softmax(z: Array) -> Array:
    """Return log p in float64: z − m − log Σ exp(z − m), with m the largest of the row."""
    shifted = z.astype(np.float64, order="C")  # so that a sum does not depend on how z lies
    shifted -= shifted.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


class SoftmaxCrossEntropy:
    r"""The mean over a batch of −log p of the right class, p being the softmax of the logits.

    .. math::
        E = -\frac{1}{N} \sum_n \log p_{n,t_n}, \qquad
        \partial E/\partial z_{n,k} = \frac{1}{N}\,(p_{n,k} - [k = t_n])

    Notes
    -----
    The logarithm is taken before anything is rounded to 0 or 1, so that logits [1000, 0] lose 0 or
    1000, never infinity.
    """

    def __init__(self) -> None:
        self._kept: tuple[Array, Array, np.dtype[np.floating]] | None = None

    def forward(self, logits: npt.ArrayLike, labels: npt.ArrayLike) -> float:
        """Return E.

        Parameters
        ----------
        logits : array_like, (N, K)
            float32 or float64, at least one row; computed in float64.
        labels : array_like of int, (N,)
            The right classes, 0 to K − 1.

        Returns
        -------
        float

        Raises
        ------
        TypeError, ValueError
            For other shapes or dtypes, or a label that is no class.
        """
        z = check_array("logits", logits)
        if z.ndim != 2 or not z.size:
            raise ValueError(f"logits must be (N, K), both at least 1, not {z.shape}")
        t = _checked_labels(labels, *z.shape)
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            log_p = _log_softmax(z)
            self._kept = log_p, t, z.dtype.newbyteorder("=")
            return float(0.0 - log_p[np.arange(len(t)), t].mean())  # never -0.0

    def backward(self) -> Array:
        """Return ∂E/∂z of the last `forward`, (N, K), of the dtype of its logits.

        Raises
        ------
        RuntimeError
            Without a `forward` before it.
        """
        if self._kept is None:
            raise RuntimeError("backward comes after forward, and there was none")
        log_p, t, dtype = self._kept
        with np.errstate(all="ignore"):
            grad = np.exp(log_p)
            grad[np.arange(len(t)), t] -= 1
            grad /= len(t)
            return grad.astype(dtype)


def _checked_labels(labels: npt.ArrayLike, samples: int, classes: int) -> npt.NDArray[np.intp]:
    t = as_array("labels", labels)
    if t.dtype.kind not in "iu":
        raise TypeError(f"labels must be ints, not {t.dtype}")
    if t.shape != (samples,):
        raise ValueError(f"labels must have shape {(samples,)}, one for each row, not {t.shape}")
    wrong = np.flatnonzero((t < 0) | (t >= classes))
    if wrong.size:
        first = int(wrong[0])
        raise ValueError(f"labels must be 0 to {classes - 1}, not {t[first]} at {first}")
    return t.astype(np.intp)
