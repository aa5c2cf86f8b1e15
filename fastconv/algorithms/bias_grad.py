"""The gradient of the bias: the sum of each channel, for which there is but one sensible way."""

from __future__ import annotations

import numpy as np

from .. import tuning
from ..problem.operands import Array
from ..threads import threads_for
from .compiled import kernel, not_built, steps

__all__ = ["bias_grad"]


def bias_grad(grad: Array, db: Array) -> None:
    """Fill db (K,) with the sums of grad (N, K, OH, OW), those of the rows added up in double."""
    if not_built() is not None:
        with np.errstate(all="ignore"):  # infinities and NaN flow through
            db[...] = grad.sum(axis=3).sum(axis=(0, 2), dtype=np.float64)
        return
    threads = threads_for(grad.size)
    step = steps(db.size, grad.size, threads, tuning.LOOP_FLOPS_PER_STEP)
    add = kernel("bias_grad_parallel")
    for first in range(0, db.size, step):
        add(grad, db, first, min(first + step, db.size), threads)
