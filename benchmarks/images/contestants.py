"""Who filters images: fastconv and its strategies, OpenCV, SciPy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Literal

import numpy as np

from benchmarks.contestants.base import Participant
from benchmarks.contestants.origins import FromFastconv, FromOpenCV
from benchmarks.images.cases import TRUNCATE, Array, Case, Family

Call = Callable[[], Array]


class Filterer(Participant):
    """One function of one library. Libraries are imported in `prepare` or later."""

    families: tuple[Family, ...] = ("dense", "bank")
    transforms: bool = False
    """Whether it multiplies spectra: its errors follow the largest values, not each sum."""

    @abstractmethod
    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        """Return the call that filters `image`; the kernel is brought into its form before."""


class Fastconv(FromFastconv, Filterer):
    """``fastconv.convolve2d``, choosing by itself or told how."""

    families: tuple[Family, ...] = ("dense", "gaussian", "bank")

    def __init__(self, backend: str, label: str, about: str) -> None:
        self.backend = backend
        self.name = f"fastconv-{backend}"
        self.label = label
        self.about = about
        self.transforms = backend in ("auto", "fft")
        if backend == "separable":
            self.families = ("gaussian",)

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        import fastconv

        boundary: Literal["symm", "fill"] = "symm" if case.reflects else "fill"
        return lambda: fastconv.convolve2d(image, kernel, "same", boundary, backend=self.backend)


class FastconvGaussian(Fastconv):
    """``fastconv.filters.gaussian``, which keeps an even image even."""

    def __init__(self) -> None:
        super().__init__("auto", "filters.gaussian", "fastconv.filters.gaussian")
        self.name = "fastconv-gaussian"
        self.transforms = False
        self.families = ("gaussian",)

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        from fastconv import filters

        return lambda: filters.gaussian(image, case.sigma, truncate=TRUNCATE)


class Filter2D(FromOpenCV, Filterer):
    """One kernel at a time; correlates, so that it is given flipped kernels."""

    name = "opencv-filter2d"
    label = "cv2.filter2D"
    about = "cv2.filter2D, kernel by kernel; transforms by itself from 11×11"
    families = ("dense", "gaussian", "bank")
    transforms = True

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        import cv2

        border = cv2.BORDER_REFLECT if case.reflects else cv2.BORDER_CONSTANT
        flipped = np.ascontiguousarray(kernel[..., ::-1, ::-1])
        if kernel.ndim == 2:
            return lambda: cv2.filter2D(image, cv2.CV_32F, flipped, borderType=border)

        def bank() -> Array:
            result = np.empty((len(flipped), *image.shape), np.float32)
            for one, out in zip(flipped, result, strict=True):
                cv2.filter2D(image, cv2.CV_32F, one, dst=out, borderType=border)
            return result

        return bank


class SepFilter2D(FromOpenCV, Filterer):
    """Told both factors of a Gaussian."""

    name = "opencv-sepfilter2d"
    label = "cv2.sepFilter2D"
    about = "cv2.sepFilter2D, given both factors of the kernel"
    families = ("gaussian",)

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        import cv2

        bell, border = case.bell(), cv2.BORDER_REFLECT
        return lambda: cv2.sepFilter2D(image, cv2.CV_32F, bell, bell, borderType=border)


class GaussianBlur(FromOpenCV, Filterer):
    """Told the sigma and the size of a Gaussian."""

    name = "opencv-gaussianblur"
    label = "cv2.GaussianBlur"
    about = "cv2.GaussianBlur, given sigma and size"
    families = ("gaussian",)

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        import cv2

        size, border = (case.size, case.size), cv2.BORDER_REFLECT
        return lambda: cv2.GaussianBlur(image, size, case.sigma, borderType=border)


class SciPy(Filterer):
    """What SciPy's functions have in common."""

    kind = "library"
    packages = ("scipy",)
    distributions = ("scipy",)


class NdimageConvolve(SciPy):
    """Direct, one thread, sums in float64."""

    name = "ndimage-convolve"
    label = "ndimage.convolve"
    about = "scipy.ndimage.convolve, kernel by kernel; one thread"

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        from scipy import ndimage

        if kernel.ndim == 2:
            return lambda: ndimage.convolve(image, kernel, mode="constant")
        return lambda: np.stack([ndimage.convolve(image, one, mode="constant") for one in kernel])


class NdimageGaussian(SciPy):
    """Two passes, one thread."""

    name = "ndimage-gaussian"
    label = "ndimage.gaussian_filter"
    about = "scipy.ndimage.gaussian_filter; one thread"
    families = ("gaussian",)

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        from scipy import ndimage

        return lambda: ndimage.gaussian_filter(image, case.sigma, truncate=TRUNCATE)


class Convolve2d(SciPy):
    """Direct, one thread."""

    name = "signal-convolve2d"
    label = "signal.convolve2d"
    about = "scipy.signal.convolve2d; one thread"
    families = ("dense",)

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        from scipy import signal

        return lambda: signal.convolve2d(image, kernel, "same")


class FftConvolve(SciPy):
    """Spectra of the whole image, with as many workers as there are threads."""

    name = "signal-fftconvolve"
    label = "signal.fftconvolve"
    about = "scipy.signal.fftconvolve, scipy.fft with as many workers as threads"
    transforms = True

    def __init__(self) -> None:
        self.workers = 1

    def set_threads(self, threads: int) -> None:
        self.workers = threads

    def prepare(self, case: Case, image: Array, kernel: Array) -> Call:
        from scipy import fft, signal

        first = image if kernel.ndim == 2 else image[None]
        # What "same" returns; of a bank that would be one plane only, as the first operand has.
        middle = slice(case.size // 2, case.size // 2 + case.side)

        def call() -> Array:
            with fft.set_workers(self.workers):
                full = signal.fftconvolve(first, kernel, "full", axes=(-2, -1))
            return full[..., middle, middle]

        return call


def all_contestants() -> list[Filterer]:
    """Return every contestant, absent ones included."""
    return [
        Fastconv("auto", "fastconv (auto)", "fastconv.convolve2d, which chooses"),
        Fastconv("direct", "fastconv direct", 'fastconv.convolve2d(backend="direct")'),
        Fastconv("separable", "fastconv separable", 'fastconv.convolve2d(backend="separable")'),
        Fastconv("fft", "fastconv FFT", 'fastconv.convolve2d(backend="fft")'),
        FastconvGaussian(),
        Filter2D(),
        SepFilter2D(),
        GaussianBlur(),
        NdimageConvolve(),
        NdimageGaussian(),
        Convolve2d(),
        FftConvolve(),
    ]


def find(name: str) -> Filterer:
    """Return the contestant of that name."""
    return next(contestant for contestant in all_contestants() if contestant.name == name)
