"""What the benchmark asks of a contestant."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar

from numpy.typing import NDArray

from benchmarks.problems.data import Data
from benchmarks.problems.directions import Direction
from benchmarks.problems.layer import Layer

Arrays = tuple[NDArray[Any], ...]

# The one that is fastconv as its users call it, which chooses its backend by itself.
AUTO = "auto"

# A control is another contestant once more, for what differs between two that are the same.
Kind = Literal["fastconv", "rung", "library", "control"]


@dataclass(frozen=True)
class Run:
    """A problem made ready: `call` is what is timed, `arrays` turns its result into NumPy's."""

    call: Callable[[], Any]
    arrays: Callable[[Any], Arrays]


class Participant(ABC):
    """Who takes part: its names, whether it is here, its version and threads."""

    kind: ClassVar[Kind]
    name: str
    label: str
    about: str
    packages: tuple[str, ...] = ()
    """Import names that must be there; the first one is the contestant itself."""
    distributions: tuple[str, ...] = ()
    """What pip calls them."""
    environment: Mapping[str, str] = MappingProxyType({})
    """What its process finds there before it loads any library."""

    def missing(self) -> str | None:
        """Return why it cannot take part here, or None."""
        absent = [name for name in self.packages if importlib.util.find_spec(name) is None]
        return f"{' and '.join(absent)} not installed" if absent else None

    def pip_command(self) -> str:
        """Return what adds it where it is missing, or nothing where pip cannot."""
        return f"pip install {' '.join(self.distributions)}" if self.distributions else ""

    def version(self) -> str:
        return metadata.version(self.distributions[0])

    def set_threads(self, threads: int) -> None:  # noqa: B027 - optional, not forgotten
        """Fix the thread count where the environment variables do not; nothing by default."""


Someone = TypeVar("Someone", bound=Participant)


class Contestant(Participant):
    """One implementation. Libraries are imported in `prepare` or later, never on definition."""

    rough_gflops: float
    """Order of magnitude of its speed: only the size of its cut depends on it."""
    slack: float = 1.0
    """Fast transforms may err this many times more than a plain sum."""
    prepacks: bool = False
    """Whether it packs the weights ahead of the timed calls."""
    sums_exactly: bool = True
    """Whether it only multiplies and adds, so that integers must come out exactly."""

    def promise(self, layer: Layer, direction: Direction) -> tuple[float, bool]:
        """Return `slack` and `sums_exactly` for a layer, where they depend on it."""
        return self.slack, self.sums_exactly

    @abstractmethod
    def refusal(self, layer: Layer, direction: Direction) -> str | None:
        """Return why it does not do this problem, or None where it does."""

    @abstractmethod
    def prepare(self, layer: Layer, direction: Direction, data: Data, threads: int) -> Run:
        """Make one problem ready to be called again and again on the same data."""

    def small_calls(self, layer: Layer, data: Data, threads: int) -> dict[str, Callable[[], Any]]:
        """Return the calls whose overhead is of interest, by what they are called."""
        return {self.label: self.prepare(layer, "forward", data, threads).call}


def only_forward(direction: Direction) -> str | None:
    """Refuse, in `Contestant.refusal`, what is no forward pass."""
    return None if direction == "forward" else "no gradients"


def wanted_gradients(grads: Iterable[Any]) -> Arrays:
    """Turn the result of a backward call that leaves None where nothing was wanted."""
    return tuple(grad for grad in grads if grad is not None)


def one_array(result: Any) -> Arrays:
    """Turn the result of a forward call that is already a NumPy array."""
    return (result,)
