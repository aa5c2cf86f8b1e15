"""What a filtered image has to be, in float64, and how far from it one may be.

The truth is SciPy's: transforms of float64 have nothing to do with how anybody filters float32,
and err a thousand million times less than it is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from benchmarks.images.cases import Array, Case

UNIT_ROUNDOFF = 2.0**-24
# A transform of float32 has errors of a few times the logarithm of its length, whatever the taps.
TRANSFORM_UNITS = 64.0


@dataclass(frozen=True)
class Truth:
    """The exact result, and the largest sum of absolute products."""

    image: Array
    magnitude: float

    def error(self, image: Array) -> float:
        """Return the largest error in units of u·max Σ|w||x|; infinite where it is none."""
        if image.shape != self.image.shape or image.dtype != np.float32:
            raise ValueError(
                f"result is {image.dtype} of shape {image.shape}, "
                f"the truth has shape {self.image.shape}"
            )
        error = np.abs(image - self.image).max()
        return float(error / (UNIT_ROUNDOFF * self.magnitude)) if np.isfinite(error) else np.inf


def allowed_error(case: Case, *, transforms: bool) -> float:
    """Return the most that `Truth.error` may be: taps and 3, as everywhere, or a transform's."""
    return max(case.size**2 + 3.0, TRANSFORM_UNITS if transforms else 0.0)


@lru_cache(maxsize=1)
def solve(case: Case) -> Truth:
    """Return the truth of a case; everybody's of one case comes before the next case's."""
    from scipy.signal import fftconvolve

    margin = case.size // 2
    image = case.image().astype(np.float64)
    framed = np.pad(image, margin, mode="symmetric" if case.reflects else "constant")
    kernel = case.kernel().astype(np.float64)
    kernels = kernel if kernel.ndim == 3 else kernel[None]
    exact = np.stack([fftconvolve(framed, one, "valid") for one in kernels])
    sums = [fftconvolve(np.abs(framed), np.abs(one), "valid").max() for one in kernels]
    return Truth(exact if kernel.ndim == 3 else exact[0], float(max(sums)))
