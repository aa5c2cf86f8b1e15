"""What all participants from one place have in common, whatever they compute."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.contestants.base import Kind, Participant


class FromFastconv(Participant):
    """The package that is measured here."""

    kind: ClassVar[Kind] = "fastconv"

    def version(self) -> str:
        import fastconv

        return fastconv.__version__

    def set_threads(self, threads: int) -> None:
        import fastconv

        fastconv.set_num_threads(threads)


class FromRepository(Participant):
    """What lies beside the package, and is not installed with it."""

    kind = "rung"
    packages = ("reference",)

    def pip_command(self) -> str:
        return "git clone the repository: it is not part of the installed package"

    def version(self) -> str:
        return "this repository"


class FromPyTorch(Participant):
    """PyTorch on the CPU."""

    kind = "library"
    packages = ("torch",)
    distributions = ("torch",)

    def pip_command(self) -> str:
        # The usual wheel brings gigabytes of CUDA along.
        return "pip install torch --index-url https://download.pytorch.org/whl/cpu"

    def set_threads(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)


class FromOpenCV(Participant):
    """OpenCV, by whichever of its distributions is here."""

    kind = "library"
    packages = ("cv2",)
    distributions = ("opencv-python-headless",)

    def version(self) -> str:
        # The same library is on PyPI under several names, so it is asked itself.
        import cv2

        return str(cv2.__version__)

    def set_threads(self, threads: int) -> None:
        import cv2

        cv2.setNumThreads(threads)
