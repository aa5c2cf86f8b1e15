"""A part of the study: a photograph under kernels of all sizes, beside OpenCV and SciPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import geometric_mean

from benchmarks.images.cases import all_cases
from benchmarks.images.contestants import all_contestants
from benchmarks.images.results import AUTO, ImageResults
from benchmarks.images.runner import DEFAULT, QUICK, ImageRunner
from benchmarks.reporting.templating import figure
from benchmarks.study.markdown import line
from benchmarks.study.run_part import RunPart
from benchmarks.study.sources import machine_text, thin, who_was_there

__all__ = ["ImagesPart"]

# Of a library the faster of its functions that do the same.
LIBRARIES = {
    "OpenCV": ("opencv-filter2d", "opencv-sepfilter2d", "opencv-gaussianblur"),
    "ndimage": ("ndimage-convolve", "ndimage-gaussian"),
    "convolve2d": ("signal-convolve2d",),
    "fftconvolve": ("signal-fftconvolve",),
}


class ImagesPart(RunPart[ImageResults]):
    """Every kernel, in rows: our time, and how many times as long libraries take."""

    kind = ImageResults

    def is_whole(self, results: ImageResults, *, quick: bool) -> bool:
        """Whether all kernels are there, with that effort."""
        return (results.cases, results.is_full) == (all_cases(quick=quick), not quick)

    def run(
        self, folder: Path, threads: int, quick: bool, told: Callable[[str, int], None]
    ) -> None:
        pace = QUICK if quick else DEFAULT
        cases = all_cases(quick=quick)
        with ImageRunner(all_contestants(), cases, pace, self.threads or threads) as runner:
            steps = runner.steps()
            results = runner.run(lambda text: told(text, steps), lambda *_: None)
        thin(results.contestants, results.timings)
        results.save(folder, f"{self.name}.json")

    def texts(self, folder: Path) -> dict[str, str]:
        """Return the table by the part's name, and its ratios.

        ``<name>.<library>`` is the geometric mean of how many times as long a library takes,
        ``<name>.<library>.least`` the least, and ``<name>.<case>.<library>`` that of a case.
        """
        results = self.load(folder)
        found = {self.name: _table(results)}
        for library, names in LIBRARIES.items():
            ratios = {case.name: _ratio(results, case.name, names) for case in results.cases}
            there = [ratio for ratio in ratios.values() if ratio is not None]
            key = f"{self.name}.{library}"
            found[key] = f"{geometric_mean(there):.3g}" if there else "–"
            found[f"{key}.least"] = f"{min(there):.3g}" if there else "–"
            for case, ratio in ratios.items():
                found[f"{self.name}.{case}.{library}"] = _text(ratio)
        return found


def _table(results: ImageResults) -> str:
    titles = ["kernel", "pixels", "way", "ours, ms", *(f"{name} / ours" for name in LIBRARIES)]
    lines = [line(titles), line(["---"] * 3 + ["--:"] * (len(titles) - 3))]
    for case in results.cases:
        ours = results.find(case.name, AUTO)
        cells = [
            f"{case.name} {case.about}".strip(),
            f"{case.side}×{case.side}",
            results.chosen[case.name],
            "–" if ours is None else figure(1e3 * ours.seconds),
        ]
        cells += [_text(_ratio(results, case.name, names)) for names in LIBRARIES.values()]
        lines.append(line(cells))
    return "\n".join(
        [
            *lines,
            "",
            f"{machine_text(results)}, float32; medians of turns, of a library the fastest of its "
            f"functions that do the same. {who_was_there(results.contestants)}",
        ]
    )


def _ratio(results: ImageResults, case: str, names: tuple[str, ...]) -> float | None:
    ratios = [ratio for name in names if (ratio := results.ratio(case, name)) is not None]
    return min(ratios, default=None)


def _text(ratio: float | None) -> str:
    return "–" if ratio is None else f"{ratio:.3g}"
