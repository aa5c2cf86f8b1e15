"""Texts between markers: a block of lines, or a figure in a sentence.

    <!-- begin ladder-resnet50.res2_3x3 -->      a block: whole lines, the markers on lines of
    | rung | …                                   their own
    <!-- end -->

    it reaches <!-- = ladder-resnet50.res2_3x3.rows.gflops -->11.1<!-- --> GFLOP/s

What is between them is never typed. To name a figure that no result has is an error, so a sentence
cannot keep a number whose run is gone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

__all__ = ["MarkerError", "fill", "names"]

_BLOCK = re.compile(r"^<!-- begin (\S+) -->\n(.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"<!-- = (\S+) -->(.*?)<!-- -->", re.DOTALL)
_ANY = re.compile(r"<!-- ?(begin|end|=)[^>]*>|<!-- -->")


class MarkerError(Exception):
    """A marker that is not closed, or names what is not there."""


def names(text: str) -> list[str]:
    """Return what the markers of a text name, blocks first."""
    return [match[1] for pattern in (_BLOCK, _FIGURE) for match in pattern.finditer(text)]


def fill(text: str, texts: Mapping[str, str]) -> str:
    """Return a text with everything between its markers written anew.

    Parameters
    ----------
    text : str
        With markers.
    texts : mapping
        What each of them may name → what then stands there.

    Raises
    ------
    MarkerError
        If a marker names what is not there, or one is open or stands alone.
    """
    stray = _ANY.search(_FIGURE.sub("", _BLOCK.sub("", text)))
    if stray:
        raise MarkerError(f"{stray[0]!r} has no partner")
    for name in names(text):
        if name not in texts:
            near = get_close_matches(name, texts, n=5) or sorted(texts)[:5]
            raise MarkerError(f"no result has {name!r}; near it are {', '.join(near)}")
    text = _BLOCK.sub(lambda m: f"<!-- begin {m[1]} -->\n{texts[m[1]]}\n<!-- end -->", text)
    return _FIGURE.sub(lambda m: f"<!-- = {m[1]} -->{texts[m[1]]}<!-- -->", text)
