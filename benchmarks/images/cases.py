"""What is filtered with what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Family = Literal["dense", "gaussian", "bank"]
Array = NDArray[Any]

TRUNCATE = 4.0
BANK = 16


@dataclass(frozen=True)
class Case:
    """A square photograph of float32 and a kernel, or a bank of them; the result is as large."""

    family: Family
    side: int
    """Rows and columns of the photograph."""
    size: int
    """Rows and columns of the kernel, odd."""
    kernels: int = 1
    sigma: float = 0.0
    """Of a Gaussian, which the kernel then is."""

    @property
    def name(self) -> str:
        if self.family == "gaussian":
            return f"σ {self.sigma:g}"
        if self.family == "bank":
            return f"{self.kernels} of {self.size}×{self.size}"
        return f"{self.size}×{self.size}"

    @property
    def about(self) -> str:
        """Return what the name leaves out."""
        return f"{self.size}×{self.size}" if self.family == "gaussian" else ""

    @property
    def reflects(self) -> bool:
        """Whether the photograph is reflected at its border, rather than followed by zeros."""
        return self.family == "gaussian"

    def image(self) -> Array:
        """Return the photograph, (side, side) of grey levels from 0 to 1."""
        return photograph(self.side)

    def bell(self) -> Array:
        """Return the weights of a Gaussian along one axis, (size,)."""
        places = np.arange(self.size) - self.size // 2
        weights = np.exp(-0.5 * (places / self.sigma) ** 2)
        return np.asarray(weights / weights.sum(), np.float32)

    def kernel(self) -> Array:
        """Return the kernel (size, size), of a bank (kernels, size, size), to be flipped.

        Random weights that no two passes could replace, in sum about as large as those of a blur.
        """
        if self.family == "gaussian":
            return np.outer(self.bell(), self.bell())
        shape = (self.kernels, self.size, self.size)
        weights = np.random.default_rng(self.size).uniform(-0.5, 1.5, shape) / self.size**2
        bank = weights.astype(np.float32)
        return bank if self.family == "bank" else bank[0]


def all_cases(*, quick: bool) -> list[Case]:
    """Return the cases of a run."""
    if quick:
        return [
            *(Case("dense", 160, size) for size in (3, 9)),
            _gaussian(160, 2),
            Case("bank", 96, 9, 4),
        ]
    return [
        *(Case("dense", 1024, size) for size in (3, 5, 7, 9, 11, 13, 15, 19, 23, 27, 31)),
        *(_gaussian(1024, sigma) for sigma in (0.5, 1, 2, 4, 8)),
        Case("bank", 512, 21, BANK),
    ]


def _gaussian(side: int, sigma: float) -> Case:
    return Case("gaussian", side, 2 * int(TRUNCATE * sigma + 0.5) + 1, sigma=sigma)


@lru_cache(maxsize=2)
def photograph(side: int) -> Array:
    """Return the square in the middle of the portrait, in grey, resized."""
    # Here, since whoever filters needs neither of them: processes start the faster.
    from PIL import Image

    from benchmarks.problems.pictures import load_photos

    portrait = next(load_photos())
    pixels = portrait.planes.transpose(1, 2, 0)
    margin = (pixels.shape[0] - pixels.shape[1]) // 2
    square = Image.fromarray(pixels[margin : margin + pixels.shape[1]]).convert("L")
    resized = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32) / np.float32(255)
