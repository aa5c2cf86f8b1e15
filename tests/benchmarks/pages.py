"""What holds of every page."""

from __future__ import annotations

import re


def assert_needs_nothing_but_itself(page: str) -> None:
    """Whatever it loads is in it, so that it can be sent to somebody."""
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)""", page)
    assert loaded
    assert all(target.startswith(("data:", "#")) for target in loaded)
    assert "url(http" not in page
    assert "@import" not in page
