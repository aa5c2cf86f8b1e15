"""Tables of the study, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["line"]


def line(cells: Iterable[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"
