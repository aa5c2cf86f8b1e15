"""What a failing law says: which case by which backend, where, and how to see it again."""

from dataclasses import replace

import numpy as np
import pytest

import fastconv
from tests.comparing import assert_equal
from tests.laws import on_each_able_backend
from tests.support import Case, contenders, is_able

CASE = Case("small", (1, 2, 4, 5), (3, 2, 3, 3), {"padding": 1})


@on_each_able_backend([CASE])
def is_equal_to_itself(case, backend, dtype):
    x, weight = (np.ones(shape, dtype) for shape in (case.x_shape, case.weight_shape))
    y = fastconv.conv2d(x, weight, backend=backend.name, **case.options)
    expected = y.copy()
    if backend.name == "im2col" and dtype == "float64":
        expected[0, 1, 2, 3] += 1
    assert_equal(y, expected, "y")


def test_the_message_names_all_that_is_needed():
    with pytest.raises(AssertionError) as failure:
        is_equal_to_itself((CASE,))
    assert str(failure.value).splitlines() == [
        "Case(name='small', x_shape=(1, 2, 4, 5), weight_shape=(3, 2, 3, 3), "
        "options={'padding': 1}, bias=True) fails by 1 of the backends and dtypes",
        "im2col, float64: y[0, 1, 2, 3] is 18.0 and should be 19.0; 1 of 60 values differ",
        "to repeat the first, in Python at the root of the repository:",
        "from tests.test_laws import is_equal_to_itself as test; "
        'test.on("small", "im2col", "float64")',
    ]
    with pytest.raises(AssertionError, match="should be 19"):
        exec(str(failure.value).splitlines()[-1], {})


def test_any_exception_is_reported_and_the_rest_is_tried():
    tried = []

    @on_each_able_backend([CASE])
    def breaks(case, backend, dtype):
        tried.append((backend.name, dtype))
        raise ZeroDivisionError("by chance")

    with pytest.raises(AssertionError, match=r"ZeroDivisionError\('by chance'\)"):
        breaks((CASE,))
    names = [backend.name for backend in contenders() if is_able(backend, CASE.task, "forward")]
    assert set(names) >= set(fastconv.backends())
    assert tried == [(name, dtype) for name in names for dtype in ("float32", "float64")]


def test_of_several_cases_all_are_tried_and_told():
    cases = [replace(CASE, name=f"small_{number}") for number in range(5)]

    @on_each_able_backend(cases, among=["im2col"], dtypes=["float32"], together=3)
    def is_even(case, backend, dtype):
        assert int(case.name[-1]) % 2 == 0, f"not {case.name}"

    (mark,) = is_even.pytestmark
    assert mark.args[1] == [tuple(cases[:3]), tuple(cases[3:])]
    assert mark.kwargs["ids"] == ["small_0..small_2", "small_3..small_4"]
    for group, odd in zip(mark.args[1], ("small_1", "small_3"), strict=True):
        with pytest.raises(AssertionError) as failure:
            is_even(group)
        message = str(failure.value)
        assert message.count("fails by 1 of") == 1
        assert f"im2col, float32: not {odd}" in message
        assert message.endswith(f'test.on("{odd}", "im2col", "float32")')


def test_two_laws_in_turn_try_every_backend_in_both_dtypes():
    cases = [replace(CASE, name=f"small_{number}") for number in range(4)]
    tried = [[], []]
    for place in (0, 1):

        @on_each_able_backend(cases, "forward", "input-grad", in_turn=place)
        def law(case, backend, dtype, place=place):
            tried[place].append((case.name, backend.name, dtype))

        for case in cases:
            law((case,))
    one, other = tried
    swapped = {"float32": "float64", "float64": "float32"}
    assert other == [(case, backend, swapped[dtype]) for case, backend, dtype in one]
    assert len(one) >= 4
    for name in {backend for _, backend, _ in one}:
        dtypes = [dtype for _, backend, dtype in one if backend == name]
        assert sorted(dtypes) == ["float32", "float32", "float64", "float64"]


def test_equal_takes_nan_for_nan_and_no_other_shape():
    assert_equal(np.array([1.0, np.nan]), np.array([1, np.nan]))
    with pytest.raises(AssertionError, match=r"result\[1\] is nan and should be 2.0; 1 of 2"):
        assert_equal(np.array([1.0, np.nan]), np.array([1.0, 2.0]))
    with pytest.raises(AssertionError, match=r"y has the shape \(1, 2\)"):
        assert_equal(np.ones((1, 2)), np.ones(2), "y")


def test_a_law_that_nobody_tries_does_not_pass():
    @on_each_able_backend([CASE], among=["nobody"])
    def holds(case, backend, dtype):
        pass

    with pytest.raises(AssertionError, match="no backend computes Case"):
        holds((CASE,))
