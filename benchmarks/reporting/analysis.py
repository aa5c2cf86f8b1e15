"""What the figures say: who is compared with whom, and the sentence at the top of the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.measuring.results import LayerInfo, Measurement, Results, geometric_mean

# A choice that costs less than this against the best one is a good choice.
NEAR_ENOUGH = 0.05
BUSY_LOAD = 0.7
NOISY_SPREAD = 0.1

AUTO, PLAN = "auto", "plan"
# What everyone has who has NumPy, as tutorials write it and as fastconv does: the yardstick where
# no library is faster. Hundreds of times the speed of SciPy would tell nobody anything.
NUMPY_IM2COL = ("tutorial", "im2col")
NUMPY_IM2COL_LABEL = "NumPy im2col"


@dataclass(frozen=True)
class Row:
    """One layer in one direction, like against like.

    Attributes
    ----------
    ours, rival
        fastconv as `auto` runs it, and the fastest other that is called likewise, with weights as
        they are: a library, or NumPy im2col.
    planned, best
        fastconv with weights packed ahead, and the fastest of all others, packed or not.
    """

    info: LayerInfo
    direction: str
    ours: Measurement | None
    rival: Measurement | None
    planned: Measurement | None
    best: Measurement | None

    @property
    def ratio(self) -> float | None:
        """Return our speed over the rival's, both as plain calls."""
        return _ratio(self.ours, self.rival)

    @property
    def planned_ratio(self) -> float | None:
        """Return our speed with packed weights over the best of all libraries."""
        return _ratio(self.planned, self.best)

    @property
    def has_cut(self) -> bool:
        return any(m is not None and m.is_cut for m in (self.ours, self.rival))


def _ratio(ours: Measurement | None, theirs: Measurement | None) -> float | None:
    return None if ours is None or theirs is None else ours.gflops / theirs.gflops


@dataclass(frozen=True)
class Choice:
    """What `auto` took for a layer, and the fastest backend that it could have taken."""

    info: LayerInfo
    chosen: Measurement
    best: Measurement

    @property
    def ratio(self) -> float:
        """Return the speed of the choice over that of the best backend."""
        return self.chosen.gflops / self.best.gflops

    @property
    def is_good(self) -> bool:
        return self.ratio >= 1 - NEAR_ENOUGH


@dataclass(frozen=True)
class Summary:
    """One contestant over all layers that it did."""

    contestant: str
    label: str
    layers: int
    gflops: float | None
    cuts: int
    incorrect: int
    failed: int


def rows(results: Results, direction: str) -> list[Row]:
    return [row(results, info, direction) for info in results.layers]


def row(results: Results, info: LayerInfo, direction: str) -> Row:
    timed = results.of(info.name, direction)
    # Where nobody called `auto` itself: the backend that it takes, by its name.
    ours = _named(timed, AUTO) or _named(timed, info.chosen[direction])
    planned = _named(timed, PLAN)
    others = [m for m in timed if results.kind(m.contestant) == "library"]
    plain = [m for m in others if not results.prepacks(m.contestant)]
    everyones = [m for m in (numpy_im2col(results, info, direction),) if m is not None]
    return Row(
        info, direction, ours, _fastest(plain + everyones), planned, _fastest(others + everyones)
    )


def numpy_im2col(results: Results, info: LayerInfo, direction: str) -> Measurement | None:
    """Return the faster NumPy im2col, unless it is what `auto` takes and no rival of itself."""
    return _fastest(
        m
        for m in results.of(info.name, direction)
        if m.contestant in NUMPY_IM2COL and m.contestant not in info.chosen.values()
    )


def rival_label(results: Results, rival: Measurement) -> str:
    """Return what a rival is called among others."""
    return (
        NUMPY_IM2COL_LABEL if rival.contestant in NUMPY_IM2COL else results.label(rival.contestant)
    )


def _named(measurements: Iterable[Measurement], contestant: str) -> Measurement | None:
    return next((m for m in measurements if m.contestant == contestant), None)


def _fastest(measurements: Iterable[Measurement]) -> Measurement | None:
    # Whole layers first: a cut is measured only where its library would take too long.
    return max(measurements, key=lambda m: (not m.is_cut, m.gflops), default=None)


def choices(results: Results, direction: str) -> list[Choice]:
    """Return, for each layer that was run whole, the choice and the best backend of fastconv."""
    found = []
    for info in results.layers:
        backends = [
            m
            for m in results.of(info.name, direction)
            if results.kind(m.contestant) == "fastconv"
            and not results.prepacks(m.contestant)
            and not m.is_cut
            # a step's choice is a pair, which `auto` alone runs; else it repeats one of the others
            and (m.contestant != AUTO or info.chosen[direction] == AUTO)
        ]
        chosen = _named(backends, info.chosen[direction])
        # With a single backend there was no choice.
        if chosen is not None and len(backends) > 1:
            found.append(Choice(info, chosen, max(backends, key=lambda m: m.gflops)))
    return found


def summaries(results: Results, direction: str) -> list[Summary]:
    """Return one line per contestant that had something to do, fastest first."""
    lines = []
    for info in results.present:
        mine = _of(results, info.name, direction)
        if all(m.status == "unsupported" for m in mine):
            continue
        timed = [m for m in mine if m.timed]
        lines.append(
            Summary(
                contestant=info.name,
                label=info.label,
                layers=len(timed),
                gflops=geometric_mean(m.gflops for m in timed),
                cuts=sum(m.is_cut for m in timed),
                incorrect=sum(not m.correct for m in timed),
                failed=sum(m.status == "failed" for m in mine),
            )
        )
    return sorted(lines, key=lambda line: -(line.gflops or 0))


def idle(results: Results, direction: str) -> list[str]:
    """Say of each contestant that had nothing to do why that is."""
    sentences = []
    for info in results.present:
        mine = _of(results, info.name, direction)
        if mine and all(m.status == "unsupported" for m in mine):
            reasons = "; ".join(dict.fromkeys(m.reason for m in mine))
            sentences.append(f"{info.label} does none of these layers: {reasons}.")
    return sentences


def _of(results: Results, contestant: str, direction: str) -> list[Measurement]:
    return [
        m for m in results.measurements if m.contestant == contestant and m.direction == direction
    ]


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
    mean = geometric_mean(ratios) or 0.0
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


def count(number: int, noun: str) -> str:
    """Write a number and its noun."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
