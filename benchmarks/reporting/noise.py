"""The noise of a run, from its control: one contestant measured as two.

    auto          ▪▪▪   ▪▪▪    ▪▪▪        the same calls in two processes, which take
    auto, again      ▪▪▪    ▪▪▪   ▪▪▪     turns like all others: a ratio of 1, but for noise

What two others differ by is told from nothing only where it is more than that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.contestants.base import AUTO
from benchmarks.measuring.results import Results
from benchmarks.reporting.sentences import count

# Of the control's ratios, as many lie within what is called noise: all of them where they are few.
SHARE = 0.95


@dataclass(frozen=True)
class Noise:
    """The ratios of the control, layer → time of the one over time of the other."""

    ratios: dict[str, float]

    @classmethod
    def of(cls, ratios: dict[str, float]) -> Noise | None:
        """Return the noise that these show, or None where there are none."""
        return cls(ratios) if ratios else None

    @property
    def factor(self) -> float:
        """Return the ratio, at least 1, that 19 of 20 of them stay below, either way up."""
        distances = sorted(abs(math.log(ratio)) for ratio in self.ratios.values())
        return math.exp(distances[math.ceil(SHARE * len(distances)) - 1])

    @property
    def middle(self) -> float:
        """Return the ratio, at least 1, that half of them stay below."""
        distances = sorted(abs(math.log(ratio)) for ratio in self.ratios.values())
        return math.exp(distances[(len(distances) - 1) // 2])

    @property
    def text(self) -> str:
        """Return its size."""
        return _difference(self.factor)

    @property
    def middle_text(self) -> str:
        """Return what half of them stay below."""
        return _difference(self.middle)

    @property
    def sentence(self) -> str:
        """Say what a difference must be more than, to be one."""
        layers = f"all of {count(len(self.ratios), 'layer')}"
        if len(self.ratios) >= 1 / (1 - SHARE):
            layers = f"19 in 20 of {count(len(self.ratios), 'layer')}"
        return (
            f"This run's noise is {self.text}: two processes that made the same calls, taking "
            f"turns like everybody, differ by no more on {layers}, by {self.middle_text} "
            "typically. What differs by less is greyed."
        )

    def hides(self, ratio: float) -> bool:
        """Whether a ratio is no further from 1 than those of the control."""
        return abs(math.log(ratio)) <= math.log(self.factor)


def _difference(factor: float) -> str:
    return f"{100 * (factor - 1):.1f} %" if factor < 2 else f"a factor of {factor:.1f}"


def noise(results: Results, direction: str) -> Noise | None:
    """Return the noise of a run in one direction, or None where nobody took part twice."""
    controls = [info.name for info in results.present if info.kind == "control"]
    ratios = {}
    for control in controls:
        for info in results.layers:
            pair = [results.find(info.name, direction, name) for name in (AUTO, control)]
            one, other = pair
            if one is not None and other is not None and one.timed and other.timed:
                ratios[info.name] = one.seconds / other.seconds
    return Noise.of(ratios)


def is_hidden(found: Noise | None, ratio: float) -> bool:
    """Whether a ratio is within the noise, where that is known."""
    return found is not None and found.hides(ratio)
