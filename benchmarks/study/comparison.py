"""A part of the study: fastconv beside other libraries on layers of one kind, losing rows first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring.results import Measurement, Results, geometric_mean
from benchmarks.problems.layer import Layer
from benchmarks.reporting.rivals import Row, ratio, rows
from benchmarks.study.layers_part import LIBRARIES, LayersPart, gflops, two_digits
from benchmarks.study.markdown import line

__all__ = ["ComparisonPart", "few_taps"]

# Our own: what `auto` takes, with weights as they are and packed ahead, and the direct product.
OURS = ("auto", "auto-again", "plan", "gemm")
HEAD = ("layer", "plan", "call", "direct", "best other", "plan / other", "call / PyTorch", "error")


def few_taps(layer: Layer) -> bool:
    """Whether fewer multiplications may be at work: small kernels at stride 1, ungrouped."""
    return (
        layer.stride in (1, (1, 1))
        and layer.groups == 1
        and set(layer.kernel_size) <= {1, 3, 5, 7}
        and layer.kernel_size != (1, 1)
    )


@dataclass(frozen=True, kw_only=True)
class ComparisonPart(LayersPart):
    """Plan, call and direct sums beside the best other and PyTorch."""

    @property
    def wanted(self) -> tuple[str, ...]:
        return *OURS, *LIBRARIES

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and its means as ``<name>.<mean>``."""
        results = self.load(folder)
        compared = rows(results, self.direction)
        means = {
            "planned": [row.planned_ratio for row in compared],
            "called": [ratio(row.ours, row.pytorch) for row in compared],
            "direct": [ratio(_plan(row), self._of(results, row, "gemm")) for row in compared],
        }
        found = {self.name: self._table(results, compared)}
        for name, ratios in means.items():
            there = [one for one in ratios if one is not None]
            found[f"{self.name}.{name}"] = two_digits(geometric_mean(there))
            found[f"{self.name}.{name}.least"] = two_digits(min(there, default=None))
        return found

    def _table(self, results: Results, compared: Sequence[Row]) -> str:
        """Return the table, lost rows first, and under it where it was measured."""
        lines = [line(HEAD), line(["---"] + ["--:"] * 3 + ["---"] + ["--:"] * 3)]
        for row in sorted(compared, key=lambda row: ratio(_plan(row), row.best) or 0.0):
            direct = self._of(results, row, "gemm")
            best = row.best
            lines.append(
                line(
                    [
                        f"{row.info.name}, {row.info.layer.shape_text()}",
                        *(gflops(one) for one in (_plan(row), row.ours, direct)),
                        "–" if best is None else f"{results.label(best.contestant)} {gflops(best)}",
                        two_digits(ratio(_plan(row), best)),
                        two_digits(ratio(row.ours, row.pytorch)),
                        f"{_error(_plan(row) or row.ours)} / {_error(best)}",
                    ]
                )
            )
        errors = f"Errors: the largest against float64, of ours / of the other, {self.ERRORS}."
        return "\n".join([*lines, "", f"{self.where(results)} {errors}"])

    def _of(self, results: Results, row: Row, contestant: str) -> Measurement | None:
        return next(
            (m for m in results.of(row.info.name, self.direction) if m.contestant == contestant),
            None,
        )


def _plan(row: Row) -> Measurement | None:
    """Return ours with weights packed ahead; gradients, which have no plan, as they are called."""
    return row.planned or row.ours


def _error(measurement: Measurement | None) -> str:
    return "–" if measurement is None or measurement.error is None else f"{measurement.error:.2g}"
