"""What is said of a run: how fast fastconv is, whether everyone agrees, what to beware of."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from benchmarks.measuring.results import Measurement, Results, geometric_mean
from benchmarks.reporting.rivals import NUMPY_IM2COL_LABEL, Row, rival_label, rows

BUSY_LOAD = 0.7
NOISY_SPREAD = 0.1


def speed_sentence(results: Results, direction: str) -> str:
    """Say in one sentence how fast fastconv is here, losing layers included."""
    all_rows = rows(results, direction)
    ours = geometric_mean(r.ours.gflops for r in all_rows if r.ours is not None)
    if ours is None:
        return "No layer was measured with fastconv's own choice of backend."
    layers = count(sum(r.ours is not None for r in all_rows), "layer")
    sentence = f"fastconv runs {layers} at {ours:.3g} GFLOP/s (geometric mean)"
    if results.peak_gflops:
        sentence += f", {ours / results.peak_gflops:.0%} of the measured peak"
    clauses = _clauses(results, all_rows)
    if not clauses:
        return sentence + "; there is nothing to compare it with."
    return f"{sentence}: {'; '.join(clauses)}."


def _clauses(results: Results, all_rows: list[Row]) -> list[str]:
    """Compare plain calls with plain calls, and packed weights with whatever is fastest."""
    plain = [(r.ratio, r.rival) for r in all_rows]
    packed = [(r.planned_ratio, r.best) for r in all_rows]
    rivals, all_rivals = _rivals(results, plain), _rivals(results, packed)
    clauses = []
    if rivals:
        cuts = " (smaller cuts for who is slow)" if any(r.has_cut for r in all_rows) else ""
        against = _against(rivals) + _outdone(results, all_rows, rivals) + cuts
        plainly = "" if all_rivals in ([], rivals) else "as a plain call "
        clauses.append(plainly + _clause([ratio for ratio, _ in plain], against))
    if all_rivals:
        against = "that" if all_rivals == rivals else _against(all_rivals)
        clause = _clause([ratio for ratio, _ in packed], against)
        clauses.append(f"with weights packed ahead {clause}")
    return clauses


def _rivals(results: Results, compared: list[tuple[float | None, Measurement | None]]) -> list[str]:
    """Return who is the rival on some layer, in the order of the run."""
    names = {
        rival_label(results, rival)
        for ratio, rival in compared
        if ratio is not None and rival is not None
    }
    order = [NUMPY_IM2COL_LABEL, *(info.label for info in results.contestants)]
    return sorted(names, key=order.index)


def _against(rivals: list[str]) -> str:
    if len(rivals) == 1:
        return rivals[0]
    return f"the fastest of {_listed(rivals)} on each layer"


def _outdone(results: Results, all_rows: list[Row], rivals: list[str]) -> str:
    """Say which libraries are called likewise and nobody's yardstick, where none is one."""
    if rivals != [NUMPY_IM2COL_LABEL]:
        return ""
    timed = {m.contestant for r in all_rows for m in results.of(r.info.name, r.direction)}
    slower = [
        info.label
        for info in results.present
        if info.kind == "library" and not info.prepacks and info.name in timed
    ]
    return f", which is faster here than {_listed(slower)}" if slower else ""


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _clause(all_ratios: list[float | None], against: str) -> str:
    ratios = [ratio for ratio in all_ratios if ratio is not None]
    mean = statistics.geometric_mean(ratios)
    speed = f"{mean:.2f}" if mean < 10 else f"{mean:.0f}"
    ahead = sum(ratio > 1 for ratio in ratios)
    return f"{speed} times {against}, ahead in {ahead} of {len(ratios)}"


def equality_sentence(results: Results) -> str:
    """Say whether everybody computed the same."""
    checked = [m for m in results.measurements if m.error is not None]
    wrong = [m for m in checked if not m.correct]
    exact = [m for m in checked if m.exact]
    pictures = [p for p in results.photos if p.same_pixels is not None]
    different = sum(not p.same_pixels for p in pictures)
    if wrong:
        who = ", ".join(sorted({results.label(m.contestant) for m in wrong}))
        first = f"{len(wrong)} of {len(checked)} results are NOT correct ({who})"
    elif not checked:
        first = "No result could be compared with float64"
    elif len(checked) == 1:
        first = "The one result agrees with float64 within its error bound"
        first += ", and exactly on integers" if exact else ""
    else:
        first = (
            f"All {len(checked)} results agree with float64 within their error bound, "
            f"{len(exact)} of them exactly on integers"
        )
    if not pictures:
        return first + "."
    photos = (
        f"{different} of {len(pictures)} filtered photographs DIFFER"
        if different
        else f"all {len(pictures)} filtered photographs have the same pixels"
    )
    return f"{first}; {photos}."


def all_equal(results: Results) -> bool:
    """Whether no results or pictures are wrong, and nobody of ours failed or did not start."""
    correct = all(m.correct for m in results.measurements if m.error is not None)
    same = all(photo.same_pixels is not False for photo in results.photos)
    failed = {m.contestant for m in results.measurements if m.status == "failed"}
    failed |= {photo.contestant for photo in results.photos if photo.status == "failed"}
    failed |= {info.name for info in results.absent if info.is_broken}
    return correct and same and all(results.kind(name) == "library" for name in failed)


def warnings(results: Results) -> list[str]:
    """Return what a reader should know before trusting the figures."""
    found = [f"{info.label} {info.missing}." for info in results.absent if info.is_broken]
    load = results.machine["load_average"]
    if load is not None and load > BUSY_LOAD:
        found.append(
            f"The machine was already busy when the run began (load average {load:.1f}): "
            "the figures are noisy."
        )
    if results.spread is not None and results.spread > NOISY_SPREAD:
        found.append(
            f"Typically the middle half of the calls of a contestant spreads over "
            f"{results.spread:.0%} of its median: too noisy for fine comparisons."
        )
    if results.threads > results.machine["usable_cores"]:
        found.append(
            f"{results.threads} threads ran on {count(results.machine['usable_cores'], 'core')}."
        )
    if results.preset == "quick":
        found.append("A quick run: one round of few layers. Good for a look, not for a claim.")
    return found


def machine_text(machine: Mapping[str, Any]) -> str:
    """Say what machine a run was on, and how busy that was, where it is known."""
    load = machine["load_average"]
    return machine["cpu"] + ("" if load is None else f", load before {load:.2f}")


def count(number: int, noun: str) -> str:
    """Write a number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
