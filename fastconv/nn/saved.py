"""What networks and optimisers share that can be saved: a state of arrays by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

import numpy.typing as npt

from ..problem.operands import Array
from . import saving

__all__ = ["Saved"]


class Saved(ABC):
    """What has a state of arrays by name, and takes it over from a mapping or a file."""

    @abstractmethod
    def state_dict(self) -> dict[str, Array]:
        """Return the state: copies, which are yours."""

    @abstractmethod
    def _expected(self) -> saving.Expected:
        """Return what a state has to be to fit."""

    @abstractmethod
    def _take_over(self, state: Mapping[str, Array]) -> None:
        """Take over a state that fits, or nothing of it."""

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Take over a state.

        Parameters
        ----------
        state : mapping of str to array_like
            As `state_dict` returns it.

        Raises
        ------
        TypeError
            For what is no mapping, or an entry that is no array, or a masked one.
        ValueError
            For entries that are missing, that nothing here has the name of, or whose shape or dtype
            is another, all of which are named; or numbers out of range. Nothing is changed.
        """
        self._take_over(saving.check_state(state, self._expected()))

    def save(self, path: str | Path) -> None:
        """Write the state to an .npz file.

        Parameters
        ----------
        path : str or Path
            Written as it is, without an ending added; what was there is replaced.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        saving.write(Path(path), self.state_dict())

    def load(self, path: str | Path) -> None:
        """Take over the state from a file of `save`.

        No code of the file is run, whoever it is from: names, shapes and dtypes are compared with
        what is here before any number is read, and objects are refused.

        Parameters
        ----------
        path : str or Path

        Raises
        ------
        OSError
            If it cannot be read.
        ValueError
            If it is no such file, is damaged, has an entry twice or one that is no array, or does
            not fit; path and entry are named, and nothing is changed.
        """
        self._take_over(saving.read(Path(path), self._expected()))
