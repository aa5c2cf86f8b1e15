"""How all pages are filled in: strictly, and escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks.reporting import sentences

TEMPLATES = Path(__file__).parent / "templates"


@cache
def environment() -> Environment:
    """Return jinja2's environment, with the filters that every page has.

    There is one: what it compiles a template to is kept with it, and takes as long as a chart.
    """
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(figure=figure, count=sentences.count)
    return made


def figure(value: float) -> str:
    """Write a figure with three digits, never in powers of ten."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 0.001 else "<0.001"
