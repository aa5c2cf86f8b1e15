"""What has to hold of every case by every backend in every dtype."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

import fastconv
from fastconv.algorithms.implementation import Operation
from tests.support import DTYPES, AnyCase, Backend, contenders, is_able, planned_once, task_in

Law = Callable[[Any, Backend, str], None]


def on_each_able_backend(
    cases: Iterable[AnyCase],
    *directions: Operation,
    able: Callable[[Iterable[bool]], bool] = all,
    among: Iterable[str] | None = None,
    dtypes: Sequence[str] = DTYPES,
    exact: bool = False,
    together: int = 1,
    in_turn: int | None = None,
) -> Callable[[Law], Any]:
    """Make of a law about a case, a backend and a dtype a test of each case, or of some together.

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
    together
        How many cases, one after another in the list, are one test: several where each is quick.
    in_turn
        Try a backend on each case in one of the dtypes, the next at the next case, the first in
        that of this place. Two laws about the same, each with another place, try both dtypes.

    Notes
    -----
    It is not one test per combination, since to pytest a test is some milliseconds of work, more
    than most of these combinations. All are tried even if one fails, the message names those that
    do, and ``test.on(case, backend, dtype)`` repeats a single one by its names.
    """
    directions = directions or ("forward",)
    by_name = {case.name: case for case in cases}
    places = {name: place for place, name in enumerate(by_name)}

    def is_tried(backend: Backend, case: AnyCase, dtype: str) -> bool:
        if among is not None and backend.name not in among:
            return False
        if exact and not backend.accuracy.exact_on_integers:
            return False
        task = task_in(case, dtype)  # whose scratch may be within the limit
        return able(is_able(backend, task, way) for way in directions)

    def dtypes_for(case: AnyCase, backend: Backend) -> Sequence[str]:
        if in_turn is None:
            return dtypes
        turn = in_turn + places[case.name] + contenders().index(backend)
        return [dtypes[turn % len(dtypes)]]

    @planned_once()
    def failures_of(law: Law, case: AnyCase) -> dict[tuple[str, str], Exception]:
        tried = [
            (backend, dtype)
            for backend in contenders()
            for dtype in dtypes_for(case, backend)
            if is_tried(backend, case, dtype)
        ]
        assert tried, f"no backend computes {case}"
        failures = {}
        for backend, dtype in tried:
            try:
                with fastconv.accuracy("fast"):
                    law(case, backend, dtype)
            except Exception as error:
                failures[backend.name, dtype] = error
        return failures

    def make_test(law: Law) -> Any:
        @functools.wraps(law)
        def test(cases: tuple[AnyCase, ...]) -> None:
            __tracebackhide__ = True
            failing = {case: failures for case in cases if (failures := failures_of(law, case))}
            if failing:
                message = "\n\n".join(_describe(law, *each) for each in failing.items())
                first, *_ = (error for errors in failing.values() for error in errors.values())
                raise AssertionError(message) from first

        def on(case: str, backend: str, dtype: str) -> None:
            with fastconv.accuracy("fast"):
                law(by_name[case], next(b for b in contenders() if b.name == backend), dtype)

        test.on = on  # type: ignore[attr-defined]
        test.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter("cases", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        )
        groups = _in_groups(list(by_name), together)
        return pytest.mark.parametrize(
            "cases", [tuple(by_name[name] for name in names) for names in groups],
            ids=["..".join(dict.fromkeys((names[0], names[-1]))) for names in groups],
        )(test)  # fmt: skip

    return make_test


def _in_groups(names: list[str], size: int) -> list[list[str]]:
    return [names[start : start + size] for start in range(0, len(names), size)]


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
