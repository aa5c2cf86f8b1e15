"""The first sentence of a report, and the layers that are lost: made of the results alone.

The sentence is for who has never heard of any of this, so it has no unit but per cent of a time.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.measuring.results import Measurement, Results
from benchmarks.reporting.noise import Noise, is_hidden, noise
from benchmarks.reporting.rivals import Row, rows
from benchmarks.reporting.sentences import count, speed_sentence

OF: Mapping[str, str] = {
    "forward": "On {}",
    "input-grad": "For the gradients of the images of {}",
    "weight-grad": "For the gradients of the weights of {}",
    "step": "For all gradients of {}",
}
IM2COL, PYTORCH = "NumPy im2col", "PyTorch"
# Where more are lost than anybody reads, the worst stand for them.
MOST_NAMED = 8
# The noise from which on a reader should be told of it at once.
TOO_NOISY = 1.25


def headline(results: Results, direction: str) -> str:
    """Say how long fastconv takes of the time of NumPy im2col, and of PyTorch where it is here."""
    compared = _compared(results, direction)
    if not compared:
        return speed_sentence(results, direction)
    layers = {row.info.name for pairs in compared.values() for row, _ in pairs}
    who = "fastconv's typed loops" if _is_compiled(compared) else "fastconv without a compiler"
    text = (
        f"{OF[direction].format(count(len(layers), 'layer'))} of published networks, in this run "
        f"on {count(results.threads, 'thread')}, {who} took "
    )
    if len(layers) > 1:
        text += "in the median "
    clauses: list[str] = []
    for name, pairs in compared.items():
        shares = [share for _, share in pairs]
        of = f"the time of {name}" if not clauses else f"that of {name}"
        clauses.append(_share(shares, of, len(layers)))
    return text + " and ".join(clauses) + _agreement(compared) + _doubt(results, direction) + "."


def losses(results: Results, direction: str) -> str:
    """Say on which layers fastconv is slower than these two, the worst first; or nothing."""
    found = noise(results, direction)
    sentences = []
    for name, pairs in _compared(results, direction).items():
        slower = sorted(((row, s) for row, s in pairs if s > 1), key=lambda pair: -pair[1])
        if slower:
            layers = ", ".join(_loss(row, share, found) for row, share in slower[:MOST_NAMED])
            if len(slower) > MOST_NAMED:
                layers += " and others, which the tables begin with"
            text = f"slower than {name} on {len(slower)} of {len(pairs)}: {layers}"
        else:
            text = f"slower than {name} on none of {len(pairs)}"
        sentences.append(text)
    text = "; ".join(sentences)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _loss(row: Row, share: float, found: Noise | None) -> str:
    within = ", within the noise" if is_hidden(found, share) else ""
    return f"{row.info.name} ({_percent(share)} %{within})"


def _compared(results: Results, direction: str) -> dict[str, list[tuple[Row, float]]]:
    """Return, by whom fastconv is compared with, the layers and its part of the other's time."""
    found: dict[str, list[tuple[Row, float]]] = {}
    for row in rows(results, direction):
        for name, other in ((IM2COL, row.im2col), (PYTORCH, row.pytorch)):
            if row.ours is not None and other is not None:
                found.setdefault(name, []).append((row, other.gflops / row.ours.gflops))
    return {name: found[name] for name in (IM2COL, PYTORCH) if name in found}


def _is_compiled(compared: Mapping[str, list[tuple[Row, float]]]) -> bool:
    rows = [row for pairs in compared.values() for row, _ in pairs]
    return any(row.info.chosen[row.direction] != "im2col" for row in rows)


def _share(shares: Sequence[float], of: str, layers: int) -> str:
    """Say the median, and what a single layer may be like."""
    text = f"{_percent(statistics.median(shares))} % of {of}"
    least, most = _percent(min(shares)), _percent(max(shares))
    asides = [] if len(shares) == layers else [f"on {len(shares)} of them"]
    asides += [] if least == most else [f"{least} to {most} %, layer by layer"]
    return text + (f" ({'; '.join(asides)})" if asides else "")


def _doubt(results: Results, direction: str) -> str:
    """Say so where the machine was too busy for any of it to be believed."""
    found = noise(results, direction)
    if found is None or found.factor < TOO_NOISY:
        return ""
    return f"; but the noise of this run is {found.text}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.2g}"


def _agreement(compared: Mapping[str, list[tuple[Row, float]]]) -> str:
    rows = [row for pairs in compared.values() for row, _ in pairs]
    measured: list[Measurement | None] = []
    for row in rows:
        measured += [row.ours, row.im2col, row.pytorch]
    equal = all(m.correct for m in measured if m is not None)
    return ", with results equal to rounding" if equal else ", but NOT all results are right"
