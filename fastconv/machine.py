"""What a machine can do: the rates that predictions are made of.

    multiply-adds    the most that a core does in registers           kernels/peak.pxi
    latency          an addition that waits for the one before it
    bandwidth        an array copied onto another: within the second-level cache, and in memory
    product          a matrix product by NumPy's BLAS, on as many threads as that takes
    call, operation  the smallest convolution there is, and the smallest of NumPy's operations

rates.py measures them; `algorithms/costs.py` says what is made of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from . import isa, tuning

__all__ = ["Machine", "measured_here"]

T = TypeVar("T")


def measured_here(numbers: Mapping[str, T]) -> T:
    """Return what was measured with this instruction set, which tells processors apart.

    Where nothing was, what was measured with AVX2.
    """
    return numbers.get(isa.name or "", numbers["avx2"])


@dataclass(frozen=True)
class Machine:
    """The rates of a machine; tests make one by hand.

    Attributes
    ----------
    multiply_adds : mapping of str to float
        dtype → FLOP/s of one core: the most there is. Empty where nothing is compiled.
    latency : float
        Seconds from an addition to the next one that waits for it.
    cache, memory : float
        Bytes per second that a core copies, read and written: of what fits into its second-level
        cache, and of what lies in memory.
    product : mapping of str to float
        dtype → FLOP/s of a matrix product in NumPy, on all the threads that its BLAS takes.
    call : float
        Seconds of the smallest call: everything that does not depend on sizes.
    operation : float
        Seconds of NumPy's smallest operation on a slice of an array.
    """

    multiply_adds: Mapping[str, float]
    latency: float
    cache: float
    memory: float
    product: Mapping[str, float]
    call: float
    operation: float

    def bandwidth(self, size: float, threads: int = 1) -> float:
        """Return the bytes per second of copies among so many bytes, by each of some threads.

        Each has a second-level cache of its own; what is beyond it they share.

        Between the second-level cache and memory lie caches of all kinds, which nobody asks about:
        from one rate to the other it goes by the logarithm of the size, slowly at first, since
        the next cache is a large one.
        """
        small, large, power = measured_here(tuning.MODEL_CACHES)
        shared = max(large / threads, 2.0 * small)
        place = math.log(min(max(size, small), shared) / small) / math.log(shared / small)
        place **= power
        return math.exp((1 - place) * math.log(self.cache) + place * math.log(self.memory))

    def better_of(self, other: Machine) -> Machine:
        """Return the better of each rate, of two measurements of the same machine."""

        def faster(one: Mapping[str, float], another: Mapping[str, float]) -> dict[str, float]:
            return {name: max(rate, another[name]) for name, rate in one.items()}

        return Machine(
            faster(self.multiply_adds, other.multiply_adds),
            min(self.latency, other.latency),
            max(self.cache, other.cache),
            max(self.memory, other.memory),
            faster(self.product, other.product),
            min(self.call, other.call),
            min(self.operation, other.operation),
        )
