"""Two result files side by side: what became faster, what slower, and what cannot be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.measuring.results import Measurement, Results, geometric_mean
from benchmarks.problems.directions import MARKS
from benchmarks.reporting import sentences
from benchmarks.reporting.noise import Noise, noise

# Below this a difference means nothing, however surely it is one.
NOISE = 0.03
# Among a hundred pairs without a difference one would pass for different.
SIGNIFICANCE = 0.01

Verdict = Literal["faster", "slower", "same", "unclear", "not comparable"]
COLOURS: dict[Verdict, str] = {
    "faster": "green",
    "slower": "red",
    "same": "dim",
    "unclear": "yellow",
    "not comparable": "yellow",
}


@dataclass(frozen=True)
class Pair:
    """The same contestant on the same layer, in both runs.

    Attributes
    ----------
    controls
        The noise of the runs, as far as somebody took part in them twice.
    """

    before: Measurement
    after: Measurement
    controls: tuple[Noise, ...] = ()

    @property
    def ratio(self) -> float:
        """Return the speed after over the speed before."""
        return self.after.gflops / self.before.gflops

    @property
    def verdict(self) -> Verdict:
        """Call it different only where the times of one run tend to lie above the other's.

        Times are skewed and have outliers, so that their ranks are compared; a handful of calls
        is too few to tell. So is what a control of either run differs by from itself.
        """
        if self.before.problem != self.after.problem:
            return "not comparable"
        if abs(self.ratio - 1) <= NOISE:
            return "same"
        if any(control.hides(self.ratio) for control in self.controls):
            return "unclear"
        # Half a second of loading that only a comparison needs.
        from scipy.stats import mannwhitneyu

        if mannwhitneyu(self.before.times, self.after.times).pvalue > SIGNIFICANCE:
            return "unclear"
        return "faster" if self.ratio > 1 else "slower"


def pairs(before: Results, after: Results) -> list[Pair]:
    """Return what both runs measured, in the order of the first."""
    controls = {
        direction: tuple(filter(None, (noise(before, direction), noise(after, direction))))
        for direction in before.directions
    }
    found = []
    for measurement in before.measurements:
        other = after.find(measurement.layer, measurement.direction, measurement.contestant)
        if measurement.timed and other is not None and other.timed:
            found.append(Pair(measurement, other, controls[measurement.direction]))
    return found


def differences(before: Results, after: Results) -> list[str]:
    """Return what else changed between the runs and may be the reason."""
    found = []
    for what, a, b in (
        ("processor", before.machine["cpu"], after.machine["cpu"]),
        ("threads", before.threads, after.threads),
        ("preset", before.preset, after.preset),
        ("system", before.machine["system"], after.machine["system"]),
        ("Python", before.machine["python"], after.machine["python"]),
        (
            "instruction set",
            before.machine["fastconv"].get("instruction set"),
            after.machine["fastconv"].get("instruction set"),
        ),
    ):
        if a != b:
            found.append(f"{what}: {a} → {b}")
    versions = {info.label: info.version for info in before.present}
    for info in after.present:
        if versions.get(info.label, info.version) != info.version:
            found.append(f"{info.label}: {versions[info.label]} → {info.version}")
    a, b = before.machine["versions"].get("numpy"), after.machine["versions"].get("numpy")
    if a != b:
        found.append(f"NumPy: {a} → {b}")
    return found


def left_out(before: Results, after: Results) -> list[str]:
    """Return what only one of the runs measured, so that nobody vanishes without a word."""
    found = []
    for which, run, other in (("before", before, after), ("after", after, before)):
        for what, names in (
            ("contestants", _busy),
            ("layers", _layers),
            ("directions", _directions),
        ):
            alone = [name for name in names(run) if name not in names(other)]
            if alone:
                found.append(f"{what} only {which}: {', '.join(alone)}")
        for m in run.measurements:
            if m.status == "failed":
                found.append(f"{run.label(m.contestant)} failed {which} on {m.layer}: {m.reason}")
    return found


def _busy(results: Results) -> list[str]:
    """Return who had something to do."""
    busy = {m.contestant for m in results.measurements if m.status != "unsupported"}
    return [info.label for info in results.present if info.name in busy]


def _layers(results: Results) -> list[str]:
    return [info.name for info in results.layers]


def _directions(results: Results) -> list[str]:
    return results.directions


def show(before: Results, after: Results, console: Console) -> None:
    """Print the comparison."""
    for difference in differences(before, after):
        console.print(f"[yellow]not the same {difference}[/]")
    for which, results in (("before", before), ("after", after)):
        for warning in sentences.warnings(results):
            console.print(f"[yellow]{which}: {escape(warning)}[/]")
    for text in left_out(before, after):
        console.print(f"[yellow]{escape(text)}[/]")
    found = pairs(before, after)
    if not found:
        console.print("The two runs have no layer and contestant in common.")
        return
    table = Table(title=f"GFLOP/s: {before.created} → {after.created}")
    table.add_column("layer")
    table.add_column("contestant")
    for title in ("before", "after", "ratio"):
        table.add_column(title, justify="right")
    table.add_column("verdict")
    for pair in found:
        verdict = pair.verdict
        name = pair.before.layer + MARKS[pair.before.direction]
        table.add_row(
            name,
            pair.before.contestant,
            f"{pair.before.gflops:.3g}",
            f"{pair.after.gflops:.3g}",
            f"{pair.ratio:.2f}×",
            f"[{COLOURS[verdict]}]{verdict}[/]",
        )
    console.print(table)
    for contestant in dict.fromkeys(pair.before.contestant for pair in found):
        console.print(_line(before.label(contestant), contestant, found))


def _line(label: str, contestant: str, found: list[Pair]) -> str:
    mine = [p for p in found if p.before.contestant == contestant and p.verdict != "not comparable"]
    mean = geometric_mean(pair.ratio for pair in mine)
    if mean is None:
        return f"{label}: nothing comparable (different cuts)"
    verdicts = [pair.verdict for pair in mine]
    counts = ", ".join(
        f"{verdicts.count(verdict)} {verdict}"
        for verdict in ("faster", "slower", "same", "unclear")
        if verdict in verdicts
    )
    return f"{label}: {mean:.2f}× over {sentences.count(len(mine), 'layer')} ({counts})"
