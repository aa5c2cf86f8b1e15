"""Small cases, walked by one test where pytest would make a test of each.

To pytest a test is several milliseconds of work, in each process that collects it and in the one
that gives it out and reports: more than most such cases take. `in_one_test`, written above the
marks of `parametrize`, takes their place::

    @in_one_test
    @pytest.mark.parametrize("boundary", BOUNDARIES)     test_a_law: for boundary: for dtype:
    @pytest.mark.parametrize("dtype", DTYPES)                 the law, and what it says if it fails
    def test_a_law(boundary, dtype): ...                 test_a_law.on("wrap", "float32"): one alone
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

# As many failures are told in full; more of them say no more.
MOST_TOLD = 20


class Choice(NamedTuple):
    """A value of a mark, or several that belong together, by their name."""

    name: str
    arguments: dict[str, Any]


def in_one_test(law: Callable[..., None]) -> Any:
    """Make one test of all the cases that a function's marks of `parametrize` would make.

    Parameters
    ----------
    law
        A function, or a method of a class of tests, with such marks. Fixtures that it has besides
        are set up once, for all cases. A case that skips itself counts as one that fails, since the
        test as a whole could not say that it was skipped.

    Returns
    -------
    callable
        A test that tries all cases, even if one fails. Its message names those that do.
        ``test.on(...)`` repeats a single one by its names.

    Raises
    ------
    TypeError
        If there is no such mark, or one whose values have marks of their own.
    """
    marks = law.__dict__.pop("pytestmark", [])
    axes = [_choices(*mark.args, **mark.kwargs) for mark in marks if mark.name == "parametrize"]
    if not axes:
        raise TypeError(f"{law.__qualname__} has no mark of parametrize")
    cases = {tuple(c.name for c in choices): _merged(choices) for choices in product(*axes)}
    ours = next(iter(cases.values()), {})

    @functools.wraps(law)
    def test(*instance: Any, **fixtures: Any) -> None:
        __tracebackhide__ = True
        failures: dict[tuple[str, ...], str] = {}
        first: BaseException | None = None
        for names, arguments in cases.items():
            try:
                law(*instance, **fixtures, **arguments)
            except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:
                what = str(error) if isinstance(error, AssertionError) else repr(error)
                failures[names] = what
                first = first or error
        if failures:
            raise AssertionError(_describe(law, failures, len(cases))) from first

    def on(*names: str, **fixtures: Any) -> None:
        law(*_instance_for(law), **fixtures, **cases[names])

    parameters = inspect.signature(law).parameters.values()
    left = [parameter for parameter in parameters if parameter.name not in ours]
    test.__signature__ = inspect.Signature(left)  # type: ignore[attr-defined]
    test.on = on  # type: ignore[attr-defined]
    if others := [mark for mark in marks if mark.name != "parametrize"]:
        test.pytestmark = others  # type: ignore[attr-defined]
    return test


def _choices(names: Any, values: Any, ids: Any = None) -> list[Choice]:
    """Return what a mark of parametrize lists, by names: as pytest has them, or by the place."""
    several = not isinstance(names, str) or "," in names
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    found = []
    for place, value in enumerate(values):
        row, name = (value,) if not several else value, None
        if hasattr(value, "marks"):  # a pytest.param
            if value.marks:
                raise TypeError(f"{names}: {value} has marks of its own")
            row, name = value.values, value.id
        if name is None and ids is not None:
            name = "-".join(map(str, map(ids, row))) if callable(ids) else str(list(ids)[place])
        if name is None:
            name = "-".join(_name(f, v, place) for f, v in zip(fields, row, strict=True))
        found.append(Choice(name, dict(zip(fields, row, strict=True))))
    often = Counter(choice.name for choice in found)
    return [
        choice._replace(name=f"{choice.name}-{place}") if often[choice.name] > 1 else choice
        for place, choice in enumerate(found)
    ]


def _name(field: str, value: object, place: int) -> str:
    if isinstance(value, (str, int, float, bool, complex)) or value is None:
        return str(value)
    return getattr(value, "__name__", f"{field}{place}")


def _merged(choices: tuple[Choice, ...]) -> dict[str, Any]:
    return {name: value for choice in choices for name, value in choice.arguments.items()}


def _describe(law: Callable[..., None], failures: dict[tuple[str, ...], str], cases: int) -> str:
    lines = [f"{len(failures)} of {cases} cases fail"]
    for number, (names, what) in enumerate(failures.items()):
        if number == MOST_TOLD:
            lines += [f"and {len(failures) - MOST_TOLD} more"]
            break
        lines += [f"{', '.join(names)}: {what}"]
    module = _module(law)
    path = law.__qualname__.rpartition("<locals>.")[2]
    names = ", ".join(map(repr, next(iter(failures))))
    lines += [
        "to repeat the first, in Python at the root of the repository:",
        f"from {module} import {path.partition('.')[0]}; {path}.on({names})",
    ]
    return "\n".join(lines)


def _module(law: Callable[..., None]) -> str:
    file = Path(inspect.getfile(law)).relative_to(Path(__file__).parents[1])
    return ".".join(file.with_suffix("").parts)


def _instance_for(law: Callable[..., None]) -> Iterator[Any]:
    """Yield an instance of the class of tests that a method belongs to; nothing for a function."""
    owner, _, _ = law.__qualname__.rpartition(".")
    if owner and not owner.endswith("<locals>"):
        yield getattr(sys.modules[law.__module__], owner)()
