"""What holds of every page, and pages without charts."""

from __future__ import annotations

import re

import pytest
from markupsafe import Markup

from benchmarks.reporting import figures


def assert_needs_nothing_but_itself(page: str) -> None:
    """Whatever it loads is in it, so that it can be sent to somebody."""
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert loaded
    assert all(target.startswith(("data:", "#")) for target in loaded)
    assert "url(http" not in page
    assert "@import" not in page


def draw_nothing(patch: pytest.MonkeyPatch) -> None:
    """Have pages name their charts instead of drawing them, which takes longer than all else.

    For tests of what pages say. All charts are drawn in test_bench_pages.py; those of the study are
    drawn twice, the same.
    """

    def named(_: object, name: str) -> Markup:
        return Markup("<svg>{}</svg>").format(name)

    patch.setattr(figures, "once", named)
    patch.setattr(figures, "twice", named)
