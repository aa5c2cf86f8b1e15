"""Charts of the study as files: the same bytes for the same results."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from benchmarks.reporting.figures import PAPER

__all__ = ["save_chart"]


def save_chart(drawn: Figure, path: Path, *, tight: bool = False) -> None:
    """Write a chart as an SVG, without its date and with identifiers made of the file's name.

    Parameters
    ----------
    tight
        Whether the sheet is as large as what is on it, names that are longer than usual among that.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem}):
        drawn.savefig(
            path,
            format="svg",
            metadata={"Date": None},
            facecolor=PAPER.ground,
            bbox_inches="tight" if tight else None,
        )
