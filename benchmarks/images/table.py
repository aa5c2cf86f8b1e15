"""What a run shows in the terminal: progress, a table a family, who is missing."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.images.cases import Case, Family
from benchmarks.images.results import AUTO, ImageResults

TITLES: dict[Family, str] = {
    "dense": "one kernel that does not separate, zeros beyond the image",
    "gaussian": "Gaussians, the image reflected at its border",
    "bank": "a bank of kernels in one pass, zeros beyond the image",
}

# Above a column, so that a table fits into 80.
SHORT = {
    "fastconv-direct": "direct",
    "fastconv-separable": "sepa-\nrable",
    "fastconv-fft": "FFT",
    "fastconv-gaussian": "filt.\ngauss",
    "opencv-filter2d": "cv2\nfilt2D",
    "opencv-sepfilter2d": "cv2\nsepF2D",
    "opencv-gaussianblur": "cv2\nGaussB",
    "ndimage-convolve": "ndim.\nconv",
    "ndimage-gaussian": "ndim.\ngauss",
    "signal-convolve2d": "signal\nconv2d",
    "signal-fftconvolve": "signal\nfftconv",
}


def family_table(results: ImageResults, family: Family) -> Table:
    """Return a row for each case: milliseconds of fastconv, and how many times that others take."""
    cases = results.of(family)
    who = [
        info
        for info in results.present
        if info.name != AUTO and any(results.find(case.name, info.name) for case in cases)
    ]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for title in ("kernel", "takes", "ours\nms"):
        table.add_column(title, justify="left" if title != "ours\nms" else "right")
    for info in who:
        table.add_column(SHORT[info.name], justify="right")
    for case in cases:
        ours = results.find(case.name, AUTO)
        cells = [_cell(results, case, info.name) for info in who]
        table.add_row(
            case.name,
            results.chosen.get(case.name, ""),
            "–" if ours is None else milliseconds(ours.seconds),
            *cells,
        )
    return table


def _cell(results: ImageResults, case: Case, contestant: str) -> str:
    timing, ratio = results.find(case.name, contestant), results.ratio(case.name, contestant)
    if timing is None:
        return "–"
    if ratio is None:
        return f"{milliseconds(timing.seconds)} ms"
    return f"[{'green' if ratio > 1 else 'red'}]{times(ratio)}[/]"


def milliseconds(seconds: float) -> str:
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def show_case(results: ImageResults, case: Case, console: Console) -> None:
    """Say what went wrong in a case that has just been measured."""
    for timing in results.timings:
        if timing.case == case.name and timing.trouble:
            console.print(f"[red]{case.name}: {timing.contestant} {escape(timing.trouble)}[/]")


def show_end(results: ImageResults, console: Console) -> None:
    """Show the tables, and what would add who is missing."""
    for family, title in TITLES.items():
        cases = results.of(family)
        if cases:
            side = f"{cases[0].side}×{cases[0].side}"
            console.print(f"\n[bold]{side} float32, {title}[/]")
            console.print("milliseconds of fastconv, and how many times as long others take")
            console.print(family_table(results, family))
    if results.all_correct:
        console.print("All results are equal to float64's within their bounds.")
    absent: dict[str, list[str]] = {}
    for info in results.absent:
        absent.setdefault(info.absence, []).append(info.label)
    for absence, labels in absent.items():
        console.print(f"[yellow]{', '.join(labels)}: {escape(absence)}[/]")
