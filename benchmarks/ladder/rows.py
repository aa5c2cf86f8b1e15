"""What stands in the table of a climb, a row for each rung: in terminal, page and study."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.ladder.results import LadderResults, Step, difference, ratio
from benchmarks.reporting.templating import figure

__all__ = ["COLUMNS", "NOTES", "Row", "rows"]

NOTHING = "–"
COLUMNS = (
    "rung",
    "predicted",
    "GFLOP/s",
    "% of peak",
    "× before",
    "instr.",
    "MB more",
    "error",
    "bottleneck that went",
)
NOTES = (
    "predicted, GFLOP/s: of direct sums, whatever is computed; ✂: of a smaller cut of the layer",
    "% of peak: of the measured one of as many cores as the rung has threads",
    "× before: times the rung below, a median of rounds; in brackets where it is within the noise",
    "instr.: instructions of a multiply-add in the inner loop, counted by valgrind",
    "MB more: memory that a call takes beside operands and result; error: relative, in the L2 norm",
)


@dataclass(frozen=True)
class Row:
    """A rung, its figures as text."""

    step: Step
    name: str
    predicted: str
    measured: str
    of_peak: str
    before: str
    is_noise: bool
    """Whether the difference from the rung before is within the noise of this run."""
    instructions: str
    memory: str
    error: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of `COLUMNS`."""
        return (
            self.name, self.predicted, self.measured, self.of_peak, self.before,
            self.instructions, self.memory, self.error, self.step.went,
        )  # fmt: skip


def rows(results: LadderResults) -> list[Row]:
    """Return a row for each rung whose time counts."""
    return [_row(results, step) for step in results.climbed]


def _row(results: LadderResults, step: Step) -> Row:
    below = results.before(step)
    before, is_noise = NOTHING, False
    if below is not None:
        times, noise = ratio(step, below), results.noise
        is_noise = noise is not None and difference(times) <= noise
        before = f"({figure(times)})" if is_noise else figure(times)
    peak = results.peak(step.threads)
    predicted = step.predicted_gflops
    return Row(
        step,
        f"{step.number} {step.rung}",
        NOTHING if predicted is None else figure(predicted),
        figure(step.gflops) + (" ✂" if step.is_cut else ""),
        NOTHING if peak is None else figure(100 * step.gflops / peak),
        before,
        is_noise,
        NOTHING if step.instructions is None else figure(step.instructions),
        NOTHING if step.extra_bytes is None else f"{step.extra_bytes / 1e6:.1f}",
        NOTHING if step.relative_error is None else f"{step.relative_error:.1e}",
    )
