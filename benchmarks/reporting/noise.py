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

# Of the control's ratios, as many lie within what is called noise: all of them where they are few.
SHARE = 0.95


@dataclass(frozen=True)
class Noise:
    """The ratios of the control, layer → time of the one over time of the other."""

    ratios: dict[str, float]

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
    def sentence(self) -> str:
        """Say what a difference must be more than, to be one."""
        layers = f"{len(self.ratios)} layer" + ("s" if len(self.ratios) > 1 else "")
        share = "all" if len(self.ratios) < 1 / (1 - SHARE) else "19 of 20"
        return (
            f"This run's noise is {self.factor - 1:.1%}: two processes that made the same calls, "
            f"taking turns like everybody, differ by less on {share} of {layers}, by "
            f"{self.middle - 1:.1%} typically. What differs by no more is greyed."
        )

    def hides(self, ratio: float) -> bool:
        """Whether a ratio is no further from 1 than those of the control."""
        return abs(math.log(ratio)) <= math.log(self.factor)


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
    return Noise(ratios) if ratios else None


def is_hidden(found: Noise | None, ratio: float) -> bool:
    """Whether a ratio is within the noise, where that is known."""
    return found is not None and found.hides(ratio)
