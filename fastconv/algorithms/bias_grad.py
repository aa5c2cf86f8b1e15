"""The gradient of the bias: the sum of each channel, for which there is but one sensible way."""

from __future__ import annotations

import numpy as np

from ..operands import Array
from ..threads import threads_for
from .compiled import in_pieces, kernel, not_built

__all__ = ["bias_grad"]


def bias_grad(grad: Array, db: Array) -> None:
    """Fill db (K,) with the sums of grad (N, K, OH, OW), those of the rows added up in double."""
    if not_built() is None:
        threads = threads_for(grad.size)
        in_pieces(kernel("bias_grad_parallel"), db.size, grad.size, threads, grad, db)
    else:
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            db[...] = grad.sum(axis=3).sum(axis=(0, 2), dtype=np.float64)
