"""The sums by taps, with which most cases are compared, are those of the reference's loops."""

import numpy as np
import pytest

import reference
from tests import by_taps
from tests.comparing import assert_equal
from tests.support import (
    CASES,
    EXACT_CASES,
    case_id,
    integer_operands,
    integer_truth,
    random_operands,
    truth_by,
)

CURVED_CASES = [case for case in CASES if case not in EXACT_CASES]


@pytest.mark.parametrize("case", EXACT_CASES, ids=case_id)
def test_integers_are_the_same_to_the_last_bit(case):
    y, grads = truth_by(by_taps, case, integer_operands(case, "float64"))
    truth, true_grads = integer_truth(case)
    assert_equal(y, truth, "y")
    for name, actual, expected in zip(grads._fields, grads, true_grads, strict=True):
        assert_equal(actual, expected, f"grads.{name}")


@pytest.mark.parametrize("case", CURVED_CASES, ids=case_id)
def test_what_is_curved_differs_by_roundings(case):
    data = random_operands(case, "float64")
    (y, grads), (truth, true_grads) = (truth_by(by, case, data) for by in (by_taps, reference))
    for actual, expected in zip((y, *grads), (truth, *true_grads), strict=True):
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)
