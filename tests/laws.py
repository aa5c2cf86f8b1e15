"""What has to hold of every case by every backend in every dtype."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import pytest

import fastconv
from fastconv.algorithms.implementation import Operation
from tests.support import DTYPES, Backend, contenders, is_able


class AnyCase(Protocol):
    """A convolution, or a transposed one."""

    name: str

    @property
    def task(self) -> fastconv.ConvProblem:
        """What the backends are asked to compute for it."""


Law = Callable[[Any, Backend, str], None]


def on_each_able_backend(
    cases: Iterable[AnyCase],
    *directions: Operation,
    able: Callable[[Iterable[bool]], bool] = all,
    among: Iterable[str] | None = None,
    dtypes: Iterable[str] = DTYPES,
    exact: bool = False,
) -> Callable[[Law], Any]:
    """Make of a law about a case, a backend and a dtype a test of each case.

    Parameters
    ----------
    cases
        What to try the law on.
    *directions
        What a backend has to compute of a case, to be tried on it: the forward pass if not given.
    able
        ``any`` if one of the directions is enough.
    among
        The names of the backends to try, if not all.
    dtypes
        The dtypes to try.
    exact
        Whether it is about sums of integers, so that who does not promise these is left out.

    Notes
    -----
    It is one test per case and not one per combination, since to pytest a test is some milliseconds
    of work, more than most of these combinations. All are tried even if one fails, the message
    names those that do, and ``test.on(case, backend, dtype)`` repeats a single one by its names.
    """
    directions = directions or ("forward",)
    by_name = {case.name: case for case in cases}

    def is_tried(backend: Backend, case: AnyCase) -> bool:
        wanted = among is None or backend.name in among
        if exact and not backend.accuracy.exact_on_integers:
            return False
        return wanted and able(is_able(backend, case.task, way) for way in directions)

    def make_test(law: Law) -> Any:
        @functools.wraps(law)
        def test(case: AnyCase) -> None:
            __tracebackhide__ = True
            backends = [backend for backend in contenders() if is_tried(backend, case)]
            assert backends or among, "no backend computes it"
            failures = {}
            for backend in backends:
                for dtype in dtypes:
                    try:
                        with fastconv.accuracy("fast"):
                            law(case, backend, dtype)
                    except Exception as error:
                        failures[backend.name, dtype] = error
            if failures:
                message = _describe(law, case, failures)
                raise AssertionError(message) from next(iter(failures.values()))

        def on(case: str, backend: str, dtype: str) -> None:
            with fastconv.accuracy("fast"):
                law(by_name[case], next(b for b in contenders() if b.name == backend), dtype)

        test.on = on  # type: ignore[attr-defined]
        test.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter("case", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        )
        return pytest.mark.parametrize("case", by_name.values(), ids=by_name.keys())(test)

    return make_test


def _describe(law: Law, case: AnyCase, failures: dict[tuple[str, str], Exception]) -> str:
    lines = [f"{case} fails by {len(failures)} of the backends and dtypes"]
    for (backend, dtype), error in failures.items():
        what = str(error) if isinstance(error, AssertionError) else repr(error)
        lines += [f"{backend}, {dtype}: {what}"]
    names = ", ".join(f'"{name}"' for name in (case.name, *next(iter(failures))))
    file = Path(inspect.getfile(law)).relative_to(Path(__file__).parents[1])
    module = ".".join(file.with_suffix("").parts)
    lines += [
        "to repeat the first, in Python at the root of the repository:",
        f"from {module} import {law.__name__} as test; test.on({names})",
    ]
    return "\n".join(lines)
